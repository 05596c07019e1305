"""The checks of prices that a request names: on their grid, on their side of the market, far enough or near enough.

Like those of checks.py: each returns a Refusal with what it found, or None, and changes nothing.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from engine import checks
from engine.codes import Code
from engine.enums import By, Side
from engine.order_types import OrderType
from engine.rates import BidAsk
from engine.records import Order
from engine.refusals import Refusal, refuse
from engine.rounding import fraction_text, on_grid, parse_decimal, to_text
from engine.settings import Symbol
from engine.state import State


def grid_check(symbol: Symbol, text: str, name: str = "price") -> Refusal | None:
    """A price of the symbol; `name` is what the refusal calls it."""
    if checks.read_price(symbol, text) is not None:
        return None
    return refuse(
        Code.INVALID_PRICE, "off_grid", name=name, text=text, symbol=symbol.name, digits=symbol.digits
    )


def pending_price_check(
    symbol: Symbol,
    kind: OrderType,
    price_text: str | None,
    limit_text: str | None,
    view: BidAsk,
    by: By,
    *,
    stands: bool = False,
) -> Refusal | None:
    """On its proper side of the market, at least stops_level points away; the limit on the better side.

    stands: the price is not asked for, it is what the order has: then only the limit price is judged.
    """
    if price_text is None:
        return refuse(Code.INVALID_PRICE, "missing", words=kind.words)
    for text in (price_text, limit_text) if kind.has_limit else (price_text,):
        wrong = None if text is None else grid_check(symbol, text)
        if wrong is not None:
            return wrong
    price, limit = checks.read_price(symbol, price_text), checks.read_price(symbol, limit_text)
    assert price is not None
    market = checks.market_price(view, kind.side, opening=True)
    least = max(1, symbol.stops_level if by is By.CLIENT else 0)
    if not stands and kind.ahead(price, market) < least:
        return refuse(
            Code.INVALID_PRICE, "side", price=price_text, words=kind.words,
            fits=_bound(market, least, symbol, below=not kind.rises),
            quoted="ask" if kind.side is Side.BUY else "bid", market=to_text(market, symbol.digits),
        )  # fmt: skip
    if not kind.has_limit:
        return refuse(Code.INVALID_PRICE, "no_limit", words=kind.words) if stands else None
    if limit is None or limit_text is None:
        return refuse(Code.INVALID_PRICE, "limit_missing", words=kind.words)
    if kind.is_limit_better(limit, price):
        return None
    fits = _bound(price, 1, symbol, below=kind.side is Side.BUY)
    return refuse(Code.INVALID_PRICE, "limit_side", price=limit_text, fits=fits)


def _bound(base: int, distance: int, symbol: Symbol, *, below: bool) -> str:
    """Return the nearest price that is at least so many points from `base`, and to which side it may go."""
    nearest = base - distance if below else base + distance
    return f"{to_text(nearest, symbol.digits)} or {'lower' if below else 'higher'}"


def by_hand_check(state: State, login: int, symbol: Symbol, text: str, market: int | None) -> Refusal | None:
    """A price of the symbol, and near enough to the market's price of its side, in points (§5.7); None: any is."""
    wrong = grid_check(symbol, text)
    price = checks.read_price(symbol, text)
    if wrong is not None or price is None or market is None:
        return wrong
    bound = state.group_of(login).price_bound_points
    distance = abs(price - market)
    if distance * 100 <= abs(market) if bound is None else distance <= bound:
        return None
    allowed = "1 % of it" if bound is None else f"{bound} points"
    return refuse(
        Code.INVALID_PRICE, "too_far", price=text, bound=allowed, market=to_text(market, symbol.digits)
    )


def expectation_check(symbol: Symbol, expected: str | None, deviation: int | None) -> Refusal | None:
    """The price that was seen is a price, and a deviation has one to be measured from (§4.9)."""
    if expected is None:
        if deviation is None:
            return None
        return refuse(Code.INVALID_PRICE, "nothing_expected", deviation=deviation)
    if deviation is not None and deviation < 0:
        return refuse(Code.INVALID_PRICE, "deviation_below_0", deviation=deviation)
    return grid_check(symbol, expected, "expected price")


def is_worse(side: Side, price: int, than: int, points: int | None) -> bool:
    """Return whether a deal of this side at `price` is worse for the client by more than so many points; None: never."""
    if points is None:
        return False
    return (price - than if side is Side.BUY else than - price) > points


def is_worse_than_expected(order: Order, price: int) -> bool:
    """Return whether a price at execution is worse than expected by more than the order's deviation (§4.9)."""
    if order.expected_price is None:
        return False
    return is_worse(order.type.side, price, order.expected_price, order.deviation)


def moved(state: State, login: int, thing: str, price: int) -> Refusal:
    """Return the refusal of what is requoted at a price in points."""
    seconds = fraction_text(Fraction(state.group_of(login).requote_ttl_ms, 1000), 3).rstrip("0").rstrip(".")
    return refuse(Code.REQUOTE, "moved", thing=thing, seconds=seconds, price=price)


class ExitPrice(NamedTuple):
    """A price at which something is to be closed, as it is asked for: its name, its text, whether it lies ahead."""

    name: str
    text: str | None
    is_ahead: bool
    may_be_none: bool = True  # "none", and 0 where it is no price, take it away
    keeps_distance: bool = True  # stops_level keeps it away from the base


def stops(sl: str | None, tp: str | None) -> tuple[ExitPrice, ExitPrice]:
    """Return the stop loss and take profit of an order or position."""
    return ExitPrice("SL", sl, is_ahead=False), ExitPrice("TP", tp, is_ahead=True)


def stops_check(symbol: Symbol, side: Side, base: int, by: By, prices: Iterable[ExitPrice]) -> Refusal | None:
    """Strictly on their sides of `base` (points), and stops_level away unless a manager asks."""
    distance = max(1, symbol.stops_level if by is By.CLIENT else 0)
    for name, text, is_ahead, may_be_none, keeps_distance in prices:
        if text is None or (may_be_none and checks.deletes(symbol, text)):
            continue
        level = checks.read_price(symbol, text)
        if level is None:
            return refuse(
                Code.INVALID_STOPS, "off_grid", name=name, text=text, symbol=symbol.name, digits=symbol.digits
            )
        below = is_ahead is (side is Side.SELL)
        least = distance if keeps_distance else 1
        if (base - level if below else level - base) < least:
            return refuse(
                Code.INVALID_STOPS, "side", name=name, text=text, fits=_bound(base, least, symbol, below=below),
                side=side.value, base=to_text(base, symbol.digits),
            )  # fmt: skip
    return None


def seen_check(
    symbol: Symbol, seen: dict[str, Any] | None, stands: dict[str, int | None], thing: str
) -> Refusal | None:
    """What the sender saw stands as it was.

    seen: decimal text, or None or "0" for none; stands: the same in points. A name that is not there is another.
    """
    for name, text in (seen or {}).items():
        standing = stands.get(name) or None
        is_none = text is None or parse_decimal(text) == 0
        wanted = None if is_none else on_grid(text, symbol.digits)
        if name not in stands or wanted != standing or (wanted is None and not is_none):
            now = to_text(standing, symbol.digits) if standing else "none"
            return refuse(Code.CONFLICT, "seen", thing=thing, name=name, seen=text or "none", stands=now)
    return None


class Guarded(NamedTuple):
    """A level that freezes what has it, and the market price that it is near to, in points."""

    name: str
    level: int | None
    market: int


def frozen_check(
    symbol: Symbol, by: By, guarded: Callable[[], Iterable[Guarded]], thing: str
) -> Refusal | None:
    """No level may be within freeze_level points of its market price."""
    if by is not By.CLIENT or not symbol.freeze_level:
        return None
    for name, level, market in guarded():
        if level is not None and abs(market - level) <= symbol.freeze_level:
            near, at = to_text(level, symbol.digits), to_text(market, symbol.digits)
            return refuse(
                Code.FROZEN, "near", name=name, level=near, points=symbol.freeze_level, market=at, thing=thing
            )
    return None
