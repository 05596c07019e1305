"""Quotes as a group sees them, and conversion between currencies (rules sections 2 and 7).

All rates are exact Fractions of target currency for one unit of source currency. Nothing here changes state.
"""

from fractions import Fraction
from typing import NamedTuple

from engine.enums import Conversion, Side
from engine.rounding import spread_halves
from engine.settings import Group, Symbol
from engine.state import Path, State

ONE = Fraction(1)
USD = "USD"


class BidAsk(NamedTuple):
    """A quote's two prices in points, raw or as somebody sees them.

    Where every tick makes one it is by `tuple.__new__`, which takes half the time of the constructor.
    """

    bid: int
    ask: int


def widened_bid(bid: int, below: int, *, positive: bool) -> int:
    """Return a bid in points moved down by `below`: one point at least where prices are positive (§2.3)."""
    return max(bid - below, 1) if positive else bid - below


def widen(bid: int, ask: int, spread_diff: int, *, positive: bool) -> BidAsk:
    """Return a quote in points widened for a group by the halves of its spread.

    Where the symbol's prices are `positive` the bid stays at one point or above; a spread stays a spread.
    """
    if not spread_diff:
        return tuple.__new__(BidAsk, (bid, ask))
    below, above = spread_halves(spread_diff)
    low = widened_bid(bid, below, positive=positive)
    return tuple.__new__(BidAsk, (low, max(ask + above, low + 1)))


def group_quote(state: State, group: Group, symbol: Symbol) -> BidAsk | None:
    """Return (bid, ask) in points as the group sees them, None before the first tick."""
    quote = state.quotes.get(symbol.name)
    if quote is None:
        return None
    diff = state.terms_for(group, symbol).spread_diff
    return widen(quote.bid, quote.ask, diff, positive=not symbol.allow_negative)


def open_price(view: BidAsk, side: Side) -> int:
    """Return the price at which this side opens: buyers at ask, sellers at bid."""
    return view.ask if side is Side.BUY else view.bid


def close_price(view: BidAsk, side: Side) -> int:
    """Return the price at which this side closes: buyers at bid, sellers at ask."""
    return view.bid if side is Side.BUY else view.ask


def conversion_rate(state: State, group: Group, source: str, target: str, *, ask: bool) -> Fraction | None:
    """Return the rate of source in target currency by `conversion_path`; all legs use the same side.

    None: there is no rate yet.
    """
    path = conversion_path(state, source, target)
    if path is None:
        return None
    if not path:
        return ONE
    num = den = 1
    for name, inverse in path:
        symbol = state.symbols[name]
        view = group_quote(state, group, symbol)
        if view is None:
            return None
        if inverse:  # the ask of the inverse pair is 1 / bid of the pair
            price = view[0] if ask else view[1]
            if price <= 0:
                return None
            num, den = num * 10**symbol.digits, den * price
        else:
            num, den = num * view[1 if ask else 0], den * 10**symbol.digits
    return Fraction(num, den)


def conversion_path(state: State, source: str, target: str) -> Path | None:
    """Return the symbols that convert source into target, each with whether it is inverse (§7.3).

    The direct pair, else the inverse one, else two pairs through USD, else through the first currency of the
    symbol list for which both legs are quoted. None: there is no way yet. It is the same until a symbol gets its first
    quote, a price goes below zero or comes back, or the symbols change.
    """
    key = (source, target)
    if key not in state.paths:
        state.paths[key] = _find_path(state, source, target)
    return state.paths[key]


def _find_path(state: State, source: str, target: str) -> Path | None:
    if source == target:
        return ()
    step = _pair_symbol(state, source, target)
    if step is not None:
        return (step,)
    for middle in (USD, *state.currencies):
        if middle in (source, target):
            continue
        first = _pair_symbol(state, source, middle)
        second = _pair_symbol(state, middle, target) if first is not None else None
        if first is not None and second is not None:
            return first, second
    return None


def _pair_symbol(state: State, source: str, target: str) -> tuple[str, bool] | None:
    for inverse, key in ((False, (source, target)), (True, (target, source))):
        for name in state.pairs.get(key, ()):
            quote = state.quotes.get(name)
            if quote is not None and quote.bid > 0:
                return name, inverse
    return None


def profit_rate(
    state: State,
    group: Group,
    symbol: Symbol,
    side: Side,
    *,
    gain: bool,
    currency: str,
    source: str | None = None,
) -> Fraction | None:
    """Return the rate that turns profit of a position of this side into account currency.

    `conversion = deal`: a buy uses the ask, a sell the bid. `market`: a gain uses the bid, a loss the ask.
    `source` is the currency of what is converted like a profit, where it is not the profit currency.
    """
    ask = side is Side.BUY if symbol.conversion is Conversion.DEAL else not gain
    return conversion_rate(state, group, source or symbol.profit_currency, currency, ask=ask)


def margin_conversion(
    state: State, group: Group, symbol: Symbol, side: Side, currency: str
) -> Fraction | None:
    """Return the rate that turns margin of a new leg into account currency: ask for buys, bid for sells."""
    return conversion_rate(state, group, symbol.margin_currency, currency, ask=side is Side.BUY)


def has_rates(state: State, login: int, symbol: Symbol, side: Side) -> bool:
    """Return whether profit and margin of a new position of this side can be converted now."""
    account = state.accounts[login]
    group = state.groups[account.group]
    for gain in (True, False):
        if profit_rate(state, group, symbol, side, gain=gain, currency=account.currency) is None:
            return False
    return margin_conversion(state, group, symbol, side, account.currency) is not None
