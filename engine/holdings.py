"""What an account holds of one symbol, as sums in integers: one order more costs the same however many stand.

A position's share is kept beside its ticket, so that it can be taken out exactly when the position changes or
closes. Sums follow positions and the symbol's settings, never quotes; a change of settings drops them. Promises: they
equal those computed afresh (`Engine.check` asserts it). The exact sum of ratios of many denominators would grow without
end: it is kept in parts of 2^-128, too, which bound it, and who needs it exactly adds up afresh.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

FINE = 128  # bits
_LONGEST = 96  # bits of a common denominator

Ratio = tuple[int, int]  # numerator, denominator > 0


class Share(NamedTuple):
    """What one position adds to the sums; volume in units, prices in points, money in minor units."""

    is_buy: bool
    volume: int
    open_price: Fraction
    margin: Ratio  # volume x margin of one lot, before the margin rate
    carried: int  # swap and fees


@dataclass(slots=True)
class RatioSum:
    """A sum of ratios: exact while their common denominator is short, the others within parts of 2^-128."""

    num: int = 0
    den: int = 1
    count: int = 0
    others: int = 0  # ratios that the common denominator has no room for
    low: int = 0  # these, each rounded down to parts of 2^-128

    def add(self, ratio: Ratio, sign: int) -> None:
        """Put a ratio in (sign 1), or take out one that was put in (sign -1)."""
        num, den = ratio
        if not self.count:
            self.num, self.den = 0, 1
        self.count += sign
        if self.den % den:
            common = lcm(self.den, den)
            if common.bit_length() <= _LONGEST:
                self.num *= common // self.den
                self.den = common
            else:  # so it was when it was put in, too: the common denominator only grows
                self.others += sign
                self.low += sign * ((num << FINE) // den)
                return
        self.num += sign * num * (self.den // den)

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        """Return the least and the greatest that the sum can be, one object where it is exact."""
        exact = Fraction(self.num, self.den)
        if not self.others:
            return exact, exact
        return exact + Fraction(self.low, 1 << FINE), exact + Fraction(self.low + self.others, 1 << FINE)


@dataclass(slots=True)
class Side:
    """The positions of one side."""

    count: int = 0
    volume: int = 0
    weight: int = 0  # volume x open price, each rounded down to a whole number
    fractional: int = 0  # positions whose open price is no whole number of points
    grain: int = 0  # divides the volume of each
    lowest: int | None = None  # no open price is below, in points; of those that have closed, too
    highest: int | None = None  # none is above
    margin: RatioSum = field(default_factory=RatioSum)

    def add(self, share: Share, sign: int) -> None:
        """Put a share in (sign 1) or take it out (sign -1)."""
        num, den = share.open_price.numerator, share.open_price.denominator
        weighted = num * share.volume // den
        self.count += sign
        self.volume += sign * share.volume
        self.weight += sign * weighted
        self.fractional += sign * (den != 1)
        self.margin.add(share.margin, sign)
        if sign > 0:
            self.grain = gcd(self.grain, share.volume)
            low, high = num // den, -(-num // den)
            self.lowest = low if self.lowest is None else min(self.lowest, low)
            self.highest = high if self.highest is None else max(self.highest, high)


@dataclass(slots=True)
class Holding:
    """All positions of one account on one symbol."""

    unit: Ratio  # profit of one unit of volume over one point, in minor units of profit currency
    shares: dict[int, Share] = field(default_factory=dict)  # by ticket
    buys: Side = field(default_factory=Side)
    sells: Side = field(default_factory=Side)
    carried: int = 0
    margin: int | None = None  # of all, minor units; None: compute it

    def put(self, ticket: int, share: Share | None) -> None:
        """Let a position have this share from now on; None: it has closed."""
        old = self.shares.pop(ticket, None)
        if old is not None:
            self._add(old, -1)
        if share is not None:
            self.shares[ticket] = share
            self._add(share, 1)
        self.margin = None

    def _add(self, share: Share, sign: int) -> None:
        (self.buys if share.is_buy else self.sells).add(share, sign)
        self.carried += sign * share.carried

    def sums(self) -> tuple[object, ...]:
        """Return what must be the same however the positions came and went."""
        sides = [(s.count, s.volume, s.weight, s.fractional, s.margin.count) for s in (self.buys, self.sells)]
        return (self.unit, self.shares, *sides, self.carried)
