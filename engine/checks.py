"""Pre-trade checks: one small function a rule, asked in order of precedence (rules section 4).

Each check returns a Code or None and changes nothing. `first_failure` asks them in order. Prices come as
decimal text and are read here, because only the symbol knows its grid. A manager is not bound by sessions,
read-only, close-only, freeze, distances and FIFO.
"""

from collections.abc import Callable
from typing import Any

from engine.codes import Code
from engine.commands import NO_LEVEL
from engine.core import Core
from engine.enums import By, HaltLevel, Side, TradeMode
from engine.execution import has_rates, netting_position
from engine.margin import Leg, account_margin, new_lot_margin, order_leverage, position_leg, reservation
from engine.order_types import OrderType
from engine.rates import close_price, group_quote, margin_conversion, open_price
from engine.records import VOLUME_SCALE, Account, Order, Position
from engine.rounding import on_grid, parse_decimal, round_half_up
from engine.settings import LAST_MS, Group, Symbol
from engine.valuation import account_state

_HALT_RANK = {level: rank for rank, level in enumerate(HaltLevel)}


def first_failure(*checks: Callable[[], Code | None]) -> Code | None:
    """Return the code of the first check that fails, None where all pass."""
    for check in checks:
        code = check()
        if code is not None:
            return code
    return None


# The account and the switches


def account_check(account: Account | None, by: By, *, opening: bool) -> Code | None:
    """Enabled, not read-only, not close-only for an opening."""
    if account is None or not account.enabled:
        return Code.ACCOUNT_DISABLED
    if by is By.CLIENT and account.read_only:
        return Code.READ_ONLY
    if by is By.CLIENT and opening and account.close_only:
        return Code.CLOSE_ONLY
    return None


def halt_level(core: Core, login: int, symbol: Symbol | None) -> HaltLevel:
    """Return the strictest kill switch that covers an account and symbol."""
    account = core.state.accounts[login]
    levels = [core.state.server_halt, account.halt, core.state.groups[account.group].halt]
    if symbol is not None:
        levels.append(symbol.halt)
    return max((HaltLevel(level) for level in levels), key=_HALT_RANK.__getitem__)


def halt_check(
    core: Core, login: int, symbol: Symbol | None, by: By, *, opening: bool, closing: bool
) -> Code | None:
    """Kill switches: no_new_positions stops openings, close_only all but closing, halt everything."""
    if by is not By.CLIENT:
        return None
    level = halt_level(core, login, symbol)
    if level is HaltLevel.HALT:
        return Code.HALTED
    if level is HaltLevel.CLOSE_ONLY and not closing:
        return Code.HALTED
    if level is HaltLevel.NO_NEW_POSITIONS and opening:
        return Code.HALTED
    return None


# The symbol


def trade_mode_check(symbol: Symbol, side: Side, *, opening: bool) -> Code | None:
    """What the symbol may be traded for."""
    mode = symbol.trade_mode
    if mode is TradeMode.DISABLED:
        return Code.TRADE_DISABLED
    if not opening:
        return None
    if mode is TradeMode.CLOSE_ONLY:
        return Code.CLOSE_ONLY
    if mode is TradeMode.LONG_ONLY and side is Side.SELL:
        return Code.LONG_ONLY
    if mode is TradeMode.SHORT_ONLY and side is Side.BUY:
        return Code.SHORT_ONLY
    return None


def session_check(core: Core, symbol: Symbol, by: By) -> Code | None:
    """Inside a trading session, except for a manager."""
    if by is By.CLIENT and not symbol.in_session(core.state.now_ms):
        return Code.MARKET_CLOSED
    return None


def quote_check(core: Core, symbol: Symbol, *, fresh: bool) -> Code | None:
    """A quote is there; where it must be fresh it arrived within quotes_timeout, and is not one taken among refused."""
    quote = core.state.quotes.get(symbol.name)
    if quote is None:
        return Code.OFF_QUOTES
    limit = symbol.quotes_timeout_s
    if fresh and limit and core.state.passed_ms - quote.arrived_ms > limit * 1000:
        return Code.OFF_QUOTES
    if fresh and quote.is_refused_mostly:
        return Code.OFF_QUOTES
    return None


def rates_check(core: Core, login: int, symbol: Symbol, side: Side) -> Code | None:
    """Profit and margin can be converted."""
    return None if has_rates(core, login, symbol, side) else Code.OFF_QUOTES


# Volume, leverage, prices


def read_volume(text: str) -> int | None:
    """Return decimal lots in units, None where it is no positive number of at most 8 decimals."""
    units = on_grid(text, 8)
    return units if units is not None and units > 0 else None


def volume_check(symbol: Symbol, units: int | None, *, whole: int | None = None) -> Code | None:
    """Above 0, on its step, within min and max; `whole` is a position whose entire close is not bound."""
    if units is None:
        return Code.INVALID_VOLUME
    if whole is not None and units == whole:
        return None
    if units % symbol.volume_step or not symbol.volume_min <= units <= symbol.volume_max:
        return Code.INVALID_VOLUME
    return None


def leverage_check(core: Core, login: int, asked: int | None) -> Code | None:
    """At least 1 and not more than the account's."""
    if asked is None:
        return None
    if asked < 1 or asked > order_leverage(core.state, login, None):
        return Code.INVALID_LEVERAGE
    return None


def read_price(symbol: Symbol, text: str | None) -> int | None:
    """Return a price in points, None where it is off the grid or not allowed for the symbol."""
    points = on_grid(text, symbol.digits)
    if points is None or (points <= 0 and not symbol.allow_negative):
        return None
    return points


def pending_price_check(
    symbol: Symbol, order_type: OrderType, price: int | None, limit: int | None, view: tuple[int, int], by: By
) -> Code | None:
    """On its proper side of the market, at least stops_level points away; the limit on the better side."""
    if price is None:
        return Code.INVALID_PRICE
    distance = order_type.ahead(price, market_price(view, order_type.side, opening=True))
    if distance <= 0 or (by is By.CLIENT and distance < symbol.stops_level):
        return Code.INVALID_PRICE
    if order_type.has_limit and (limit is None or not order_type.is_limit_better(limit, price)):
        return Code.INVALID_PRICE
    return None


def is_within_bound(core: Core, login: int, price: int, market: int) -> bool:
    """Return whether a price by hand is near enough to the market's price of its side, both in points (§5.7)."""
    bound = core.state.group_of(login).price_bound_points
    distance = abs(price - market)
    return distance * 100 <= abs(market) if bound is None else distance <= bound


def expectation_check(symbol: Symbol, expected: str | None, deviation: int | None) -> Code | None:
    """The price that was seen is a price, and a deviation has one to be measured from (§4.9)."""
    if expected is None:
        return None if deviation is None else Code.INVALID_PRICE
    if read_price(symbol, expected) is None or (deviation is not None and deviation < 0):
        return Code.INVALID_PRICE
    return None


def is_worse(side: Side, price: int, than: int, points: int | None) -> bool:
    """Return whether a deal of this side at `price` is worse for the client by more than so many points; None: never."""
    if points is None:
        return False
    return (price - than if side is Side.BUY else than - price) > points


def deviation_check(order: Order, price: int) -> Code | None:
    """The price at execution is no worse than expected by more than the deviation (§4.9)."""
    if order.expected_price is None:
        return None
    worse = is_worse(order.type.side, price, order.expected_price, order.deviation)
    return Code.REQUOTE if worse else None


def stops_check(
    symbol: Symbol, side: Side, base: int, by: By, *, sl: str | None, tp: str | None
) -> Code | None:
    """SL and TP strictly on their sides of `base` (points) and stops_level away, where they are no deletion."""
    least = symbol.stops_level if by is By.CLIENT else 0
    for text, above in ((sl, side is Side.SELL), (tp, side is Side.BUY)):
        if text is None or deletes(symbol, text):
            continue
        level = read_price(symbol, text)
        if level is None:
            return Code.INVALID_STOPS
        distance = level - base if above else base - level
        if distance <= 0 or distance < least:
            return Code.INVALID_STOPS
    return None


def deletes(symbol: Symbol, text: str | None) -> bool:
    """Return whether a level's text takes it away: "none" does, and 0 where it is no price (§3.13)."""
    return text == NO_LEVEL or (not symbol.allow_negative and parse_decimal(text) == 0)


def read_level(symbol: Symbol, text: str | None, standing: int | None = None) -> int | None:
    """Return a level in points after a request, None for none; left out it stays as it stands."""
    if text is None:
        return standing
    return None if deletes(symbol, text) else on_grid(text, symbol.digits)


def read_expiry(core: Core, expires: str | int | None) -> tuple[int, bool] | Code:
    """Return (time in ms or 0, whether by day), or INVALID_EXPIRATION for one that is past, too late or unknown.

    An expiry equal to now is past.
    """
    if expires is None or expires == "gtc":
        return 0, False
    if expires == "day":
        return 0, True
    if isinstance(expires, bool) or not isinstance(expires, int):
        return Code.INVALID_EXPIRATION
    if not core.state.now_ms < expires <= LAST_MS:
        return Code.INVALID_EXPIRATION
    return expires, False


def unseen(symbol: Symbol, seen: dict[str, Any] | None, stands: dict[str, int | None]) -> str | None:
    """Return the first of the values that a sender saw which is another by now, None where all are as they were.

    seen: decimal text, or None or "0" for none; stands: the same in points. A name that is not there is another.
    """
    for name, text in (seen or {}).items():
        found = stands.get(name) or None
        wanted = None if text is None or parse_decimal(text) == 0 else on_grid(text, symbol.digits)
        is_read = text is None or parse_decimal(text) == 0 or wanted is not None
        if name not in stands or not is_read or wanted != found:
            return name
    return None


# The account's room


def counts_as_close(core: Core, login: int, symbol: str, side: Side, units: int | None) -> Position | None:
    """Return the netting position that an opposite order of this volume only reduces or closes."""
    if not core.state.is_netting(login):
        return None
    position = netting_position(core, login, symbol)
    if position is None or position.side is side or units is None or units > position.volume:
        return None
    return position


def limit_check(core: Core, login: int, *, adds: bool) -> Code | None:
    """Open positions and pending orders that result, within the group's max_orders (§4.8).

    What `adds` neither, such as an increase, reduction or reversal on a netting account, is never refused.
    """
    limit = core.state.group_of(login).max_orders if adds else 0
    book = core.state.book(login)
    pending = sum(1 for order in book.orders.values() if not order.type.is_market)
    if limit and len(book.positions) + pending + 1 > limit:
        return Code.LIMIT_REACHED
    return None


def hedge_check(core: Core, login: int, symbol: str, side: Side) -> Code | None:
    """Not long and short on one symbol where the group prohibits it."""
    group = core.state.group_of(login)
    if not group.hedge_prohibited or core.state.is_netting(login):
        return None
    for position in core.state.book(login).positions.values():
        if position.symbol == symbol and position.side is not side:
            return Code.HEDGE_PROHIBITED
    return None


def margin_check(core: Core, order: Order, price: int) -> Code | None:
    """If margin rises from m0 to m1, m1 - m0 must be within free margin.

    An activated pending order gives its own reservation back in m1.
    """
    state = core.state
    legs = legs_after(core, order, price)
    if legs is None:
        return Code.OFF_QUOTES
    before = account_margin(state, order.login)
    after = account_margin(state, order.login, symbol_name=order.symbol, legs=legs, without=order.ticket)
    if after > before and after - before > account_state(state, order.login).free_margin:
        return Code.NO_MONEY
    return None


def reservation_check(core: Core, order: Order) -> Code | None:
    """Free margin covers what a new pending order reserves."""
    raised = reservation(core.state, order)
    if raised > 0 and raised > account_state(core.state, order.login).free_margin:
        return Code.NO_MONEY
    return None


def legs_after(core: Core, order: Order, price: int) -> list[Leg] | None:
    """Return the legs of the symbol as they would be after the order; None: margin cannot be converted."""
    state = core.state
    account = state.accounts[order.login]
    group: Group = state.groups[account.group]
    symbol = state.symbols[order.symbol]
    side = order.type.side
    volume = order.volume
    positions = [p for p in state.book(order.login).positions.values() if p.symbol == order.symbol]
    legs = [position_leg(symbol, position) for position in positions]
    if legs and state.is_netting(order.login) and legs[0].side is not side:
        if volume <= legs[0].volume:
            return [Leg(legs[0].side, legs[0].volume - volume, legs[0].lot_margin)]
        volume -= legs[0].volume
        legs = []
    rate = margin_conversion(state, group, symbol, side, account.currency)
    if rate is None:
        return None
    leverage = order_leverage(state, order.login, order.leverage)
    return [
        *legs,
        Leg(side, volume, new_lot_margin(symbol, price_points=price, leverage=leverage, rate=rate)),
    ]


# Things that exist


def fifo_check(core: Core, position: Position, by: By) -> Code | None:
    """Only the oldest of the same symbol and side may be closed, by anyone but a manager."""
    if by is By.MANAGER or not core.state.group_of(position.login).close_fifo:
        return None
    return None if oldest_of(core, position) is position else Code.FIFO


def oldest_of(core: Core, position: Position) -> Position:
    """Return the oldest open position (open time, then ticket) of the same account, symbol and side."""
    same = [
        other
        for other in core.state.book(position.login).positions.values()
        if other.symbol == position.symbol and other.side is position.side
    ]
    return min(same, key=lambda p: (p.opened_ms, p.ticket))


def frozen_check(
    core: Core, login: int, symbol: Symbol, by: By, levels: list[tuple[int | None, int]]
) -> Code | None:
    """No level may be within freeze_level points of its market price; levels are (level, market)."""
    if by is not By.CLIENT or not symbol.freeze_level:
        return None
    for level, market in levels:
        if level is not None and abs(market - level) <= symbol.freeze_level:
            return Code.FROZEN
    return None


def view_of(core: Core, login: int, symbol: Symbol) -> tuple[int, int] | None:
    """Return the account's (bid, ask) in points."""
    return group_quote(core.state, core.state.group_of(login), symbol)


def market_price(view: tuple[int, int], side: Side, *, opening: bool) -> int:
    """Return the price at which a side opens or closes."""
    return open_price(view, side) if opening else close_price(view, side)


def lots_text(units: int) -> str:
    """Return volume units as decimal lots without superfluous zeros."""
    whole, part = divmod(units, VOLUME_SCALE)
    text = f"{whole}.{part:08d}".rstrip("0").rstrip(".")
    return text or "0"


def hook_price(symbol: Symbol, text: str, otherwise: int) -> int:
    """Return the price that an apply hook gave, rounded to points; text that is no number leaves the other."""
    price = parse_decimal(text)
    return otherwise if price is None else round_half_up(price * 10**symbol.digits)
