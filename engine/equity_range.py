"""What an account's equity can be while quotes stay inside a box: integers, at a cost that no number of positions raises.

The positions of one side are taken together: their exact profit is one product of sums, and rounding each by itself
moves what they make in money by at most half a minor unit a position. At the quotes of the moment the box is a point,
and nearly always that range tells which side of a limit the account is on. Promises: the equity is inside the range at
every quote of the box, on the side of being too wide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.enums import Conversion
from engine.figures import AccountState
from engine.holdings import Holding, Ratio, Side
from engine.rates import conversion_path, widen
from engine.records import Quote
from engine.settings import Group, Symbol
from engine.state import State
from engine.valuation import account_margin, account_state, holdings_of, is_whole

Range = tuple[int, int]  # least, greatest
Span = tuple[int, int, int, int]  # a group's quote: least and greatest bid, least and greatest ask
_ONE = (1, 1)


class Unbounded(Exception):
    """The box is too wide for a rate, or there is no rate."""


class Rates(NamedTuple):
    """The least and the greatest rate for gains and for losses of one side; one object where it is one rate."""

    gain: tuple[Ratio, Ratio]
    loss: tuple[Ratio, Ratio]


_ONES = (_ONE, _ONE)
_SAME = Rates(_ONES, _ONES)


@dataclass(slots=True)
class Box:
    """Intervals of raw quotes as a group sees them; a symbol that is not named has its quote of the moment."""

    state: State
    group: Group
    spans: Mapping[str, Span]  # raw

    def view(self, symbol: Symbol) -> Span | None:
        """Return a symbol's quote as the group sees it, None before the first tick."""
        span = self.spans.get(symbol.name)
        if span is None:
            quote: Quote | None = self.state.quotes.get(symbol.name)
            if quote is None:
                return None
            span = (quote.bid, quote.bid, quote.ask, quote.ask)
        diff = self.state.terms_for(self.group, symbol).spread_diff
        if not diff:
            return span
        positive = not symbol.allow_negative
        low_bid, low_ask = widen(span[0], span[2], diff, positive=positive)
        high_bid, high_ask = widen(span[1], span[3], diff, positive=positive)
        return low_bid, high_bid, low_ask, high_ask

    def rate(self, source: str, target: str, *, ask: bool) -> tuple[Ratio, Ratio]:
        """Return the least and the greatest rate of source in target currency.

        Raises:
            Unbounded: there is no rate, or a price may be zero or below.
        """
        path = conversion_path(self.state, source, target)
        if path is None:
            raise Unbounded
        low_num = low_den = high_num = high_den = 1
        for name, inverse in path:
            symbol = self.state.symbols[name]
            view = self.view(symbol)
            if view is None or view[0] <= 0 or view[2] <= 0:
                raise Unbounded
            scale = 10**symbol.digits
            if inverse:
                low, high = view[:2] if ask else view[2:]
                low_num, low_den, high_num, high_den = (
                    low_num * scale,
                    low_den * high,
                    high_num * scale,
                    high_den * low,
                )
            else:
                low, high = view[2:] if ask else view[:2]
                low_num, low_den, high_num, high_den = (
                    low_num * low,
                    low_den * scale,
                    high_num * high,
                    high_den * scale,
                )
        return (low_num, low_den), (high_num, high_den)

    def side_rates(self, symbol: Symbol, currency: str, *, is_buy: bool) -> Rates:
        """Return the rates that turn profit of this side into account currency (§7.2).

        Raises:
            Unbounded: there is none.
        """
        source = symbol.profit_currency
        if source == currency:
            return _SAME
        if symbol.conversion is Conversion.DEAL:
            rate = self.rate(source, currency, ask=is_buy)
            return Rates(rate, rate)
        return Rates(self.rate(source, currency, ask=False), self.rate(source, currency, ask=True))


def equity_range(state: State, login: int, spans: Mapping[str, Span] | None = None) -> Range:
    """Return the least and the greatest equity while raw quotes stay inside `spans`; None: at those of the moment.

    Raises:
        Unbounded: a rate is missing or may be.
    """
    account = state.accounts[login]
    box = Box(state, state.groups[account.group], spans or {})
    least = most = account.balance + account.credit
    for name, holding in holdings_of(state, login).items():
        low, high = holding_range(box, state.symbols[name], holding, account.currency)
        least += low + holding.carried
        most += high + holding.carried
    return least, most


def is_beyond_free_margin(state: State, login: int, amount: int) -> bool:
    """Return whether an amount in minor units is more than the account's free margin at the quotes of the moment."""
    account = state.accounts[login]
    group = state.groups[account.group]
    ends = []
    try:
        margin = account_margin(state, login)
        for equity in equity_range(state, login):
            carried = sum(holding.carried for holding in holdings_of(state, login).values())
            floating = equity - account.balance - account.credit - carried
            figures = AccountState(
                account.balance, account.credit, floating, carried, margin, group.free_margin_mode
            )
            ends.append(figures.free_margin)
        if amount <= ends[0]:
            return False
        if amount > ends[1]:
            return True
    except Unbounded:
        pass  # then the exact figures tell
    return amount > account_state(state, login).free_margin


def holding_range(box: Box, symbol: Symbol, holding: Holding, currency: str) -> Range:
    """Return the least and the greatest profit of all positions on a symbol inside a box."""
    view = box.view(symbol)
    if view is None:
        return 0, 0
    least = most = 0
    for side, is_buy, ends in ((holding.buys, True, view[:2]), (holding.sells, False, view[2:])):
        if side.count:
            rates = box.side_rates(symbol, currency, is_buy=is_buy)
            bad, good = ends if is_buy else (ends[1], ends[0])
            whole = rates is _SAME and is_whole(side, holding.unit)
            slack = 0 if whole else side.count
            num, den = _worst(side, holding.unit, bad, rates, is_buy=is_buy)
            least += -((slack * den - 2 * num) // (2 * den))
            num, den = _best(side, holding.unit, good, rates, is_buy=is_buy)
            most += (slack * den + 2 * num) // (2 * den)
    return least, most


def _points(side: Side, price: int, *, is_buy: bool) -> Range:
    """Return the least and the greatest sum of volume x points of profit at a price, open prices being rounded down."""
    if is_buy:
        points = price * side.volume - side.weight
        return points - side.fractional, points
    points = side.weight - price * side.volume
    return points, points + side.fractional


def _worst(side: Side, unit: Ratio, price: int, rates: Rates, *, is_buy: bool) -> Ratio:
    """Return what the exact profit at a price is at least, whatever the rates of their ranges."""
    points = _points(side, price, is_buy=is_buy)[0]
    gain, loss = rates.gain[0], rates.loss[1]
    if rates.gain is rates.loss or side.count == 1 or _has_one_sign(side, price):
        num, den = gain if points >= 0 else loss
        return points * unit[0] * num, unit[1] * den
    # Of gains G and losses L it is G x gain - L x loss; only G - L is known, and how large G can be.
    assert side.lowest is not None and side.highest is not None
    gains = side.volume * max(price - side.lowest if is_buy else side.highest - price, 0)
    num = points * loss[0] * gain[1] - gains * max(loss[0] * gain[1] - gain[0] * loss[1], 0)
    return num * unit[0], unit[1] * gain[1] * loss[1]


def _best(side: Side, unit: Ratio, price: int, rates: Rates, *, is_buy: bool) -> Ratio:
    """Return what the exact profit at a price is at most, whatever the rates of their ranges."""
    points = _points(side, price, is_buy=is_buy)[1]
    gain, loss = rates.gain[1], rates.loss[0]
    if rates.gain is rates.loss or side.count == 1 or _has_one_sign(side, price):
        num, den = gain if points >= 0 else loss
        return points * unit[0] * num, unit[1] * den
    assert side.lowest is not None and side.highest is not None
    losses = side.volume * max(side.highest - price if is_buy else price - side.lowest, 0)
    num = points * gain[0] * loss[1] + losses * max(gain[0] * loss[1] - loss[0] * gain[1], 0)
    return num * unit[0], unit[1] * gain[1] * loss[1]


def _has_one_sign(side: Side, price: int) -> bool:
    """Return whether all positions of a side gain at a price, or all lose."""
    assert side.lowest is not None and side.highest is not None
    return price <= side.lowest or price >= side.highest
