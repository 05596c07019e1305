"""Believable quotes of six symbols out of a seed: the core of the simulator.

It promises that the same seed, symbols, start prices and start time give the same ticks for ever,
on every machine: integers only, and a generator of pseudo-random numbers of its own. Volatility
comes in clusters, spreads widen with it, ticks come more often when it is high, and a weak pull
towards an anchor keeps prices plausible over weeks.

It knows no clock and no Redis, and it does not claim to be a model of any market.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MILLI = 1000  # prices are kept in thousandths of a point, so that small moves add up
UNIT = 1 << 16  # one, for the fixed-point factors below
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Profile:
    """What one symbol is like.

    price: the usual mid, in points. move: standard deviation of one tick's move, in thousandths of
    a point. spread: the usual spread, in points. gap_ms: the usual time between two ticks.
    """

    digits: int
    price: int
    move: int
    spread: int
    gap_ms: int


# Daily ranges of about 0.5 % for currencies, 1 % for gold, 2 to 4 % for the coins.
PROFILES: dict[str, Profile] = {
    "EURUSD": Profile(digits=5, price=116_000, move=1_100, spread=8, gap_ms=250),
    "USDJPY": Profile(digits=3, price=152_500, move=1_600, spread=10, gap_ms=270),
    "XAUUSD": Profile(digits=2, price=405_000, move=7_500, spread=22, gap_ms=220),
    "BTCUSDT": Profile(digits=2, price=9_800_000, move=330_000, spread=150, gap_ms=200),
    "ETHUSDT": Profile(digits=2, price=330_000, move=16_000, spread=12, gap_ms=230),
    "SOLUSDT": Profile(digits=2, price=16_500, move=1_100, spread=3, gap_ms=300),
}


@dataclass(frozen=True, slots=True)
class Tick:
    """One quote: prices as decimal text with the symbol's digits, time in ms UTC."""

    symbol: str
    bid: str
    ask: str
    time_ms: int


class Dice:
    """A small generator of pseudo-random integers (splitmix64), the same wherever it runs."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of that seed."""
        self._state = seed & MASK

    def bits(self) -> int:
        """Return the next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return mixed ^ (mixed >> 31)

    def below(self, limit: int) -> int:
        """Return an integer from 0 to limit - 1."""
        return (self.bits() * limit) >> 64

    def bell(self) -> int:
        """Return a normal deviate times UNIT: the sum of twelve even ones, less its mean."""
        word, total = 0, 0
        for number in range(12):
            if number % 4 == 0:
                word = self.bits()
            total += word & 0xFFFF
            word >>= 16
        return total - 6 * UNIT


class SymbolWalk:
    """The random walk of one symbol."""

    def __init__(self, name: str, profile: Profile, dice: Dice, *, mid: int | None, time_ms: int) -> None:
        """Begin at `mid` (thousandths of a point; the usual price when None) and that time."""
        self.name = name
        self.profile = profile
        self.dice = dice
        usual = profile.price * MILLI
        self.mid = mid or usual
        # A market that was left far from its usual price stays there instead of racing back.
        self.anchor = usual if abs(self.mid - usual) * 5 < usual else self.mid
        self.heat = UNIT  # volatility as a multiple of the usual one
        self.time_ms = time_ms + dice.below(profile.gap_ms)

    def step(self, *, rate: int, volatility: int) -> Tick:
        """Return the next tick; rate and volatility are multiples of the usual, times UNIT."""
        profile, dice = self.profile, self.dice
        # Heat falls back to one slowly and is struck now and then: calm hours, busy minutes.
        self.heat += (UNIT - self.heat) // 400 + dice.bell() // 60
        if dice.below(9_000) == 0:
            self.heat += 2 * UNIT + dice.below(2 * UNIT)
        self.heat = max(UNIT // 3, min(self.heat, 6 * UNIT))
        move = profile.move * dice.bell() * self.heat * volatility // UNIT**3
        pull = (self.anchor - self.mid) // 4_000_000
        self.mid = max(self.mid + move + pull, profile.price * MILLI // 20)
        wide = profile.spread * (UNIT + (self.heat - UNIT) // 3) // UNIT
        spread = max(1, wide + dice.below(profile.spread // 3 + 2) - profile.spread // 6)
        bid = self.mid // MILLI - spread // 2
        tick = Tick(
            self.name, price_text(bid, profile.digits), price_text(bid + spread, profile.digits), self.time_ms
        )
        gap = profile.gap_ms * UNIT * UNIT // (self.heat * rate)
        self.time_ms += 1 + dice.below(2 * gap + 1)
        return tick


def price_text(points: int, digits: int) -> str:
    """Return points as decimal text: 108512 with 5 digits is 1.08512."""
    sign, points = ("-", -points) if points < 0 else ("", points)
    whole, part = divmod(points, 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}" if digits else f"{sign}{whole}"


def points_of(text: str, digits: int) -> int:
    """Return decimal text as points; digits beyond the symbol's are cut off.

    Raises:
        ValueError: the text is not a decimal number.
    """
    whole, _, part = text.partition(".")
    if not (whole.lstrip("-") + part).isdecimal():
        raise ValueError(f"{text!r} is not a price")
    sign = -1 if whole.startswith("-") else 1
    return sign * (int(whole.lstrip("-") or "0") * 10**digits + int((part + "0" * digits)[:digits] or "0"))


def usual_quote(profile: Profile) -> tuple[str, str]:
    """Return the bid and ask around a symbol's usual price."""
    bid = profile.price - profile.spread // 2
    return price_text(bid, profile.digits), price_text(bid + profile.spread, profile.digits)


class Walk:
    """The ticks of several symbols in the order of their times."""

    def __init__(
        self,
        *,
        seed: int,
        start_ms: int,
        symbols: Sequence[str] = tuple(PROFILES),
        last: Mapping[str, tuple[str, str]] | None = None,
        rate: int = UNIT,
        volatility: int = UNIT,
    ) -> None:
        """Begin at start_ms; `last` gives the (bid, ask) that a symbol goes on from.

        rate, volatility: multiples of the usual ones, times UNIT.

        Raises:
            KeyError: there is no profile of a symbol.
        """
        self.rate, self.volatility = rate, volatility
        self.walks: list[SymbolWalk] = []
        for name in symbols:
            profile = PROFILES[name]
            bid, ask = (last or {}).get(name, ("", ""))
            mid = (
                (points_of(bid, profile.digits) + points_of(ask, profile.digits)) * MILLI // 2
                if bid and ask
                else None
            )
            # Each symbol has dice of its own: leaving one out does not change the others.
            dice = Dice(
                seed * 1_000_003 + sum(letter << (8 * place) for place, letter in enumerate(name.encode()))
            )
            self.walks.append(SymbolWalk(name, profile, dice, mid=mid, time_ms=start_ms))
        self._queue = [(walk.time_ms, number) for number, walk in enumerate(self.walks)]
        heapq.heapify(self._queue)

    @property
    def next_ms(self) -> int:
        """Return the time of the next tick."""
        return self._queue[0][0]

    def next(self) -> Tick:
        """Return the next tick of all symbols."""
        _, number = self._queue[0]
        walk = self.walks[number]
        tick = walk.step(rate=self.rate, volatility=self.volatility)
        heapq.heapreplace(self._queue, (walk.time_ms, number))
        return tick

    def until(self, end_ms: int) -> Iterator[Tick]:
        """Return the ticks up to that time, it included."""
        while self.next_ms <= end_ms:
            yield self.next()

    def skip_to(self, time_ms: int) -> None:
        """Let time pass without ticks, as a market does while nobody listens."""
        for walk in self.walks:
            walk.time_ms = max(walk.time_ms, time_ms + walk.dice.below(walk.profile.gap_ms))
        self._queue = [(walk.time_ms, number) for number, walk in enumerate(self.walks)]
        heapq.heapify(self._queue)
