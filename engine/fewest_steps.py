"""How much of a position a stop-out of mode `smart` closes: the fewest steps that bring the level above.

Rounding makes neighbouring steps differ, so the answer is that of trying the steps one by one. They are not
tried one by one: what equity and margin can be over a run of steps is bounded, and a run is halved only
while its bounds leave it open. Where only the equity's rounding leaves it open, the first good step is
computed: closing part of a position at the market changes the equity by its rounding and nothing else.
So the cost grows with the logarithm of the steps, and with those at which rounded margin alone decides.
"""

from dataclasses import dataclass
from fractions import Fraction

from engine.core import Core
from engine.margin import Leg, margin_parts, position_leg
from engine.profit import floating_profit, unit_profit
from engine.rates import close_price, group_quote
from engine.records import Position
from engine.rounding import divide_half_up, round_half_up
from engine.settings import Group, Symbol, currency_digits
from engine.valuation import account_margin, account_state, is_fully_hedged, is_stopped_out

Ratio = tuple[int, int]  # numerator, denominator > 0
Range = tuple[int, int]  # least, greatest


def fewest_steps(core: Core, position: Position, price: int) -> int:
    """Return the volume in units: the least whole number of steps after which the account is above its limit.

    If no part is enough the whole position is returned. `price` is in points.
    """
    trial = _trial(core, position, price)
    runs = trial.runs((position.volume - 1) // trial.step)
    count = trial.first_enough(runs)
    return position.volume if count is None else count * trial.step


def _trial(core: Core, position: Position, price: int) -> "_Trial":
    state, login = core.state, position.login
    account, group, symbol = state.accounts[login], state.group_of(login), state.symbols[position.symbol]
    view = group_quote(state, group, symbol)
    assert view is not None
    held = [p for p in state.book(login).positions.values() if p.symbol == symbol.name]
    market = close_price(view, position.side)
    return _Trial(
        group=group,
        symbol=symbol,
        currency=account.currency,
        step=symbol.volume_step,
        volume=position.volume,
        leg=position_leg(symbol, position),
        others=[position_leg(symbol, p) for p in held if p is not position],
        closed=unit_profit(state, position, price) or (0, 1),
        kept=unit_profit(state, position, market) or (0, 1),
        equity=account_state(state, login).equity - floating_profit(state, position),
        margin=account_margin(state, login, symbol_name=symbol.name, legs=[]),
        rest_hedged=is_fully_hedged(state, login, without=symbol.name),
    )


@dataclass(slots=True, frozen=True, kw_only=True)
class _Trial:
    """An account with part of one position closed: money in minor units, volume in units."""

    group: Group
    symbol: Symbol
    currency: str
    step: int
    volume: int  # of the position before
    leg: Leg  # of the position
    others: list[Leg]  # of the account's other positions on the symbol
    closed: Ratio  # profit of one unit that is closed
    kept: Ratio  # profit of one unit that is kept
    equity: int  # without the position's profit
    margin: int  # of the other symbols and of pending orders
    rest_hedged: bool  # whether the account is as long as short on every other symbol

    @property
    def even(self) -> int:
        """Return the closed volume at which both sides of the symbol are as large."""
        against = sum(leg.volume for leg in self.others if leg.side is not self.leg.side)
        beside = sum(leg.volume for leg in self.others if leg.side is self.leg.side)
        return self.volume + beside - against

    def runs(self, steps: int) -> list[Range]:
        """Return 1..steps in runs, the last first, in which it is always the same side that is the larger."""
        even = self.even
        if even <= 0 or all(leg.side is self.leg.side for leg in self.others):
            return [(1, steps)] if steps else []
        below, above = (even - 1) // self.step, even // self.step + 1
        runs = [(above, steps), (below + 1, above - 1), (1, below)]
        return [(first, min(last, steps)) for first, last in runs if first <= min(last, steps)]

    def first_enough(self, runs: list[Range]) -> int | None:
        """Return the least number of steps in the runs (the last first) that is enough, None if none is."""
        while runs:
            first, last = runs.pop()
            margins = self._margins(first, last)
            worst, best = self._equities(first, last)
            hedged = self.rest_hedged and first == last and first * self.step == self.even
            if self._is_stopped(best, margins, every=True, hedged=hedged):
                continue
            if not self._is_stopped(worst, margins, every=False, hedged=hedged):
                return first
            if self.closed == self.kept and self._equity_decides(worst, best, margins, hedged=hedged):
                favoured = self._first_favoured(first)
                if favoured is not None and favoured <= last:
                    return favoured
                continue
            middle = (first + last) // 2
            runs += [(middle + 1, last), (first, middle)]
        return None

    def _equity_decides(self, worst: int, best: int, margins: Range, *, hedged: bool) -> bool:
        """Return whether at every margin of a range the best equity is enough and the worst is not."""
        stopped = self._is_stopped(worst, margins, every=True, hedged=hedged)
        return stopped and not self._is_stopped(best, margins, every=False, hedged=hedged)

    def _is_stopped(self, equity: int, margins: Range, *, every: bool, hedged: bool) -> bool:
        """Return whether the limit is reached with this equity at every margin of a range, or at any.

        Among margins above 0 the answer changes at most once; at 0 the rule is another. `hedged`: the account is
        as long as short on every symbol, which within a run is so at its only step or at none.
        """
        least, greatest = margins
        telling = {least, greatest}
        if least <= 0 < greatest:
            telling.add(1)
        answers = (
            is_stopped_out(self.group, self.currency, equity, margin, hedged=hedged) for margin in telling
        )
        return all(answers) if every else any(answers)

    def _margins(self, first: int, last: int) -> Range:
        """Return bounds of the account's margin after first..last steps."""
        least = greatest = self.margin
        for here, there in zip(self._parts(first), self._parts(last), strict=True):
            corners = [volume * rate for volume in (here[0], there[0]) for rate in (here[1], there[1])]
            least += round_half_up(min(corners))
            greatest += round_half_up(max(corners))
        return least, greatest

    def _parts(self, count: int) -> list[tuple[int, Fraction]]:
        leg = Leg(self.leg.side, self.volume - count * self.step, self.leg.lot_margin)
        return margin_parts(self.symbol, self.group, [*self.others, leg], currency_digits(self.currency))

    def _equities(self, first: int, last: int) -> Range:
        """Return bounds of the account's equity after first..last steps."""
        if self.closed == self.kept and first != last:
            whole = abs(self.volume * self.kept[0]) // self.kept[1]
            low = self.equity + (whole if self.kept[0] >= 0 else -whole - 1)
            return low, low + 1
        closed = [_rounded(self.closed, count * self.step) for count in (first, last)]
        kept = [_rounded(self.kept, self.volume - count * self.step) for count in (first, last)]
        return self.equity + min(closed) + min(kept), self.equity + max(closed) + max(kept)

    def _first_favoured(self, first: int) -> int | None:
        """Return the least number of steps from `first` on whose rounding favours the client, None if none does.

        Closed and kept profit are two parts z and Z - z of the same Z, each rounded half up: together they
        make floor(Z) + 1 where frac(z + 1/2) <= frac(Z), else floor(Z), with the sign of the profit. The
        fractions are counted here in parts of `modulus`.
        """
        amount, half = abs(self.kept[0]), self.kept[1]
        modulus, stride = 2 * half, 2 * amount * self.step
        bound = 2 * amount * self.volume % modulus
        low, high = (0, bound) if self.kept[0] >= 0 else (bound + 1, modulus - 1)
        if low > high:
            return None
        here = (first * stride + half) % modulus
        if low <= here <= high:
            return first
        more = first_multiple(stride % modulus, modulus, (low - here) % modulus, (high - here) % modulus)
        return None if more is None else first + more


def _rounded(unit: Ratio, volume: int) -> int:
    return divide_half_up(unit[0] * volume, unit[1])


def first_multiple(step: int, modulus: int, low: int, high: int) -> int | None:
    """Return the least n >= 0 with low <= n x step mod modulus <= high, None if there is none.

    0 <= step < modulus and 0 <= low <= high < modulus. As in Euclid's algorithm: where no multiple falls
    into the range before the first turn, the turns are counted by the same question modulo `step`.
    """
    if low == 0:
        return 0
    if step == 0:
        return None
    n = -(-low // step)
    if n * step <= high:
        return n
    turns = first_multiple(modulus % step, step, -high % step, -low % step)
    return None if turns is None else -(-(low + modulus * turns) // step)
