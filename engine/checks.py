"""The checks of requests: one small function a rule (rules section 4); their order is precedence.py's.

Each check returns a Refusal with what it found, or None, and changes nothing. Prices come as decimal text and are read
here, because only the symbol knows its grid. A manager is not bound by sessions, read-only, close-only, freeze,
distances and FIFO.
"""

from typing import NamedTuple

from engine.codes import Code
from engine.commands import NO_LEVEL
from engine.enums import By, HaltLevel, Side, Tier, TradeMode
from engine.equity_range import is_beyond_free_margin
from engine.margin import Leg, new_lot_margin, order_leverage, reservation
from engine.rates import BidAsk, close_price, group_quote, has_rates, margin_conversion, open_price
from engine.records import LAST_TICKS, Account, Order, Position, lots_text
from engine.refusals import Refusal, refuse
from engine.rounding import on_grid, parse_decimal, round_half_up
from engine.settings import LAST_MS, Group, Symbol
from engine.state import State
from engine.valuation import account_margin, account_state, exact_legs, holdings_of, money_text, summed_legs

_HALT_RANK = {level: rank for rank, level in enumerate(HaltLevel)}
_TIER_RANK = {tier: rank for rank, tier in enumerate(Tier)}


# The account and the switches


def known_check(state: State, login: int) -> Refusal | None:
    """The account is there."""
    return None if login in state.accounts else refuse(Code.ACCOUNT_DISABLED, "unknown", login=login)


def account_check(state: State, login: int, by: By) -> Refusal | None:
    """There, enabled, and for a client not read-only."""
    account = state.accounts.get(login)
    if account is None:
        return known_check(state, login)
    if not account.enabled:
        return refuse(Code.ACCOUNT_DISABLED, "disabled", login=login)
    if by is By.CLIENT and account.read_only:
        return refuse(Code.READ_ONLY, "account", login=login)
    return None


def opening_check(account: Account, by: By) -> Refusal | None:
    """Not close-only, except for a manager."""
    if by is By.CLIENT and account.close_only:
        return refuse(Code.CLOSE_ONLY, "account", login=account.login)
    return None


def tier_check(account: Account) -> Refusal | None:
    """Of the tier PRO or above."""
    if _TIER_RANK[Tier(account.tier)] < _TIER_RANK[Tier.PRO]:
        return refuse(Code.SUBSCRIPTION_REQUIRED, "tier", login=account.login, tier=account.tier)
    return None


def halt_level(state: State, login: int, symbol: Symbol | None) -> HaltLevel:
    """Return the strictest kill switch that covers an account and symbol."""
    account = state.accounts[login]
    levels = [state.server_halt, account.halt, state.groups[account.group].halt]
    if symbol is not None:
        levels.append(symbol.halt)
    return max((HaltLevel(level) for level in levels), key=_HALT_RANK.__getitem__)


def halt_check(
    state: State, login: int, symbol: Symbol | None, by: By, *, opening: bool, closing: bool
) -> Refusal | None:
    """Kill switches: no_new_positions stops openings, close_only all but closing, halt everything."""
    if by is not By.CLIENT:
        return None
    level = halt_level(state, login, symbol)
    forbids = level is HaltLevel.HALT or (level is HaltLevel.CLOSE_ONLY and not closing)
    if forbids or (level is HaltLevel.NO_NEW_POSITIONS and opening):
        return refuse(Code.HALTED, "switch", halt=level.value.replace("_", " "))
    return None


# The symbol


def symbol_check(state: State, name: str) -> Refusal | None:
    """The symbol is there."""
    return None if name in state.symbols else refuse(Code.SYMBOL_NOT_FOUND, "unknown", symbol=name)


def disabled_check(symbol: Symbol) -> Refusal | None:
    """The symbol may be traded at all."""
    if symbol.trade_mode is TradeMode.DISABLED:
        return refuse(Code.TRADE_DISABLED, "symbol", symbol=symbol.name)
    return None


def direction_check(symbol: Symbol, side: Side) -> Refusal | None:
    """The symbol may be opened on this side."""
    mode = symbol.trade_mode
    if mode is TradeMode.CLOSE_ONLY:
        return refuse(Code.CLOSE_ONLY, "symbol", symbol=symbol.name)
    if mode is TradeMode.LONG_ONLY and side is Side.SELL:
        return refuse(Code.LONG_ONLY, "symbol", symbol=symbol.name)
    if mode is TradeMode.SHORT_ONLY and side is Side.BUY:
        return refuse(Code.SHORT_ONLY, "symbol", symbol=symbol.name)
    return None


def session_check(state: State, symbol: Symbol, by: By) -> Refusal | None:
    """Inside a trading session, except for a manager."""
    if by is By.CLIENT and not symbol.in_session(state.now_ms):
        return refuse(Code.MARKET_CLOSED, "session", symbol=symbol.name)
    return None


def quote_check(state: State, symbol: Symbol, *, fresh: bool) -> Refusal | None:
    """A quote is there; where it must be fresh it arrived within quotes_timeout, and is not one taken among refused."""
    quote = state.quotes.get(symbol.name)
    if quote is None:
        return refuse(Code.OFF_QUOTES, "none", symbol=symbol.name)
    if not fresh:
        return None
    age_ms, limit_s = state.passed_ms - quote.arrived_ms, symbol.quotes_timeout_s
    if limit_s and age_ms > limit_s * 1000:
        return refuse(Code.OFF_QUOTES, "old", symbol=symbol.name, seconds=age_ms // 1000, limit=limit_s)
    if quote.is_refused_mostly:
        refused = quote.refusals.bit_count()
        return refuse(Code.OFF_QUOTES, "refused", symbol=symbol.name, refused=refused, of=LAST_TICKS)
    return None


def rates_check(state: State, login: int, symbol: Symbol, side: Side) -> Refusal | None:
    """Profit and margin can be converted."""
    if has_rates(state, login, symbol, side):
        return None
    currency = state.accounts[login].currency
    return refuse(Code.OFF_QUOTES, "rate", symbol=symbol.name, currency=currency)


# Volume, leverage, prices


def read_volume(text: str) -> int | None:
    """Return decimal lots in units, None where it is no positive number of at most 8 decimals."""
    units = on_grid(text, 8)
    return units if units is not None and units > 0 else None


def volume_check(symbol: Symbol, text: str, units: int | None, *, whole: int | None = None) -> Refusal | None:
    """Above 0, on its step, within min and max; `whole` is a position: not above it, and all of it is never bound.

    units: what `read_volume` makes of the text.
    """
    if whole is not None and units == whole:
        return None
    if whole is not None and units is not None and units > whole:
        return refuse(Code.INVALID_VOLUME, "above_whole", volume=text, whole=lots_text(whole))
    if (
        units is not None
        and not units % symbol.volume_step
        and symbol.volume_min <= units <= symbol.volume_max
    ):
        return None
    least, most = lots_text(symbol.volume_min), lots_text(symbol.volume_max)
    step = lots_text(symbol.volume_step)
    if whole is None:
        return refuse(Code.INVALID_VOLUME, "range", volume=text, least=least, most=most, step=step)
    return refuse(
        Code.INVALID_VOLUME, "range_or_whole", volume=text, least=least, most=most, step=step,
        whole=lots_text(whole),
    )  # fmt: skip


def whole_check(text: str, whole: int) -> Refusal | None:
    """All of a position: neither more nor less."""
    units = read_volume(text)
    if units == whole:
        return None
    reason = "above_whole" if units is not None and units > whole else "not_whole"
    return refuse(Code.INVALID_VOLUME, reason, volume=text, whole=lots_text(whole))


def leverage_check(state: State, login: int, leverage: int | None) -> Refusal | None:
    """At least 1 and not more than the account's."""
    most = order_leverage(state, login, None) if leverage is not None else 0
    if leverage is None or 1 <= leverage <= most:
        return None
    return refuse(Code.INVALID_LEVERAGE, "range", leverage=leverage, most=str(most))


def read_price(symbol: Symbol, text: str | None) -> int | None:
    """Return a price in points, None where it is off the grid or not allowed for the symbol."""
    points = on_grid(text, symbol.digits)
    if points is None or (points <= 0 and not symbol.allow_negative):
        return None
    return points


# Stops


def deletes(symbol: Symbol, text: str | None) -> bool:
    """Return whether a level's text takes it away: "none" does, and 0 where it is no price (§3.13)."""
    return text == NO_LEVEL or (not symbol.allow_negative and parse_decimal(text) == 0)


def read_level(symbol: Symbol, text: str | None, standing: int | None = None) -> int | None:
    """Return a level in points after a request, None for none; left out it stays as it stands."""
    if text is None:
        return standing
    return None if deletes(symbol, text) else on_grid(text, symbol.digits)


class Expiry(NamedTuple):
    """When an order ends by itself: a moment in ms, 0 for none; or the end of its day."""

    time_ms: int = 0
    by_day: bool = False


def read_expiry(state: State, expires: str | int | None) -> Expiry | None:
    """Return the expiry that is asked for, None for one that is past, too late or unknown; now is past."""
    if expires is None or expires == "gtc":
        return Expiry()
    if expires == "day":
        return Expiry(by_day=True)
    if isinstance(expires, bool) or not isinstance(expires, int):
        return None
    return Expiry(expires) if state.now_ms < expires <= LAST_MS else None


def expiry_check(state: State, expires: str | int | None) -> Refusal | None:
    """To come, and not too late to be written."""
    if read_expiry(state, expires) is not None:
        return None
    if isinstance(expires, int) and expires > LAST_MS:
        return refuse(Code.INVALID_EXPIRATION, "too_late", expires=ascii(expires), last=LAST_MS)
    return refuse(Code.INVALID_EXPIRATION, "unreadable", expires=ascii(expires))


# The account's room


def counts_as_close(state: State, login: int, symbol: str, side: Side, units: int | None) -> Position | None:
    """Return the netting position that an opposite order of this volume only reduces or closes."""
    if not state.is_netting(login):
        return None
    position = state.netting_position(login, symbol)
    if position is None or position.side is side or units is None or units > position.volume:
        return None
    return position


def room_check(state: State, login: int, *, adds: bool) -> Refusal | None:
    """Open positions and pending orders that result, within the group's max_orders (§4.8).

    What `adds` neither, such as an increase, reduction or reversal on a netting account, is never refused.
    """
    most = state.group_of(login).max_orders if adds else 0
    book = state.book(login)
    pending = sum(1 for order in book.orders.values() if not order.type.is_market)
    if most and len(book.positions) + pending + 1 > most:
        return refuse(Code.LIMIT_REACHED, "group", positions=len(book.positions), pending=pending, most=most)
    return None


def no_position_check(state: State, login: int, symbol: str) -> Refusal | None:
    """A netting account has no position on the symbol."""
    standing = state.netting_position(login, symbol) if state.is_netting(login) else None
    if standing is None:
        return None
    return refuse(Code.POSITION_EXISTS, "netting", position=standing.ticket, symbol=symbol)


def hedge_check(state: State, login: int, symbol: str, side: Side) -> Refusal | None:
    """Not long and short on one symbol where the group prohibits it."""
    group = state.group_of(login)
    if not group.hedge_prohibited or state.is_netting(login):
        return None
    for position in state.book(login).positions.values():
        if position.symbol == symbol and position.side is not side:
            return refuse(
                Code.HEDGE_PROHIBITED,
                "position",
                position=position.ticket,
                side=position.side.value,
                symbol=symbol,
            )
    return None


def margin_check(state: State, order: Order, price: int, volume: str = "") -> Refusal | None:
    """If margin rises from m0 to m1, m1 - m0 must be within free margin.

    An activated pending order gives its own reservation back in m1. volume: as it was asked for, for the refusal.
    """
    raised = margin_raised(state, order, price)
    assert raised is not None  # a rule before it asks for rates
    return _free_margin_check(state, order, raised, volume)


def reservation_check(state: State, order: Order, volume: str = "") -> Refusal | None:
    """Free margin covers what a new pending order reserves."""
    return _free_margin_check(state, order, reservation(state, order), volume)


def _free_margin_check(state: State, order: Order, raised: int, volume: str) -> Refusal | None:
    if raised <= 0 or not is_beyond_free_margin(state, order.login, raised):
        return None
    free = account_state(state, order.login).free_margin
    return refuse(
        Code.NO_MONEY, "margin", free=money_text(state, order.login, free),
        volume=volume or lots_text(order.volume), symbol=order.symbol,
    )  # fmt: skip


def margin_raised(state: State, order: Order, price: int) -> int | None:
    """Return by how much the account's margin rises with the order; None: margin cannot be converted."""
    login, name = order.login, order.symbol
    held = summed_legs(holdings_of(state, login).get(name))
    least = legs_after(state, order, price, held[0])
    if least is None:
        return None
    before = account_margin(state, login)
    after = account_margin(state, login, symbol_name=name, legs=least, without=order.ticket)
    most = least if held[1] is held[0] else legs_after(state, order, price, held[1])
    if most is not least and after != account_margin(
        state, login, symbol_name=name, legs=most, without=order.ticket
    ):
        exact = legs_after(state, order, price, exact_legs(state, login, name))
        after = account_margin(state, login, symbol_name=name, legs=exact, without=order.ticket)
    return after - before


def legs_after(state: State, order: Order, price: int, held: list[Leg]) -> list[Leg] | None:
    """Return the legs of the symbol as they would be after the order; None: margin cannot be converted.

    held: those of the positions that stand.
    """
    account = state.accounts[order.login]
    group: Group = state.groups[account.group]
    symbol = state.symbols[order.symbol]
    side = order.type.side
    volume = order.volume
    legs = held
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


def managed_check(thing: str, smart: int) -> Refusal | None:
    """No smart order owns it."""
    return refuse(Code.MANAGED_BY_SMART_ORDER, "owned", thing=thing, smart=smart) if smart else None


def fifo_check(state: State, position: Position, by: By) -> Refusal | None:
    """Only the oldest of the same symbol and side may be closed, by anyone but a manager."""
    if by is By.MANAGER or not state.group_of(position.login).close_fifo:
        return None
    oldest = oldest_of(state, position)
    if oldest is position:
        return None
    return refuse(Code.FIFO, "older", oldest=oldest.ticket, position=position.ticket)


def oldest_of(state: State, position: Position) -> Position:
    """Return the oldest open position (open time, then ticket) of the same account, symbol and side."""
    same = [
        other
        for other in state.book(position.login).positions.values()
        if other.symbol == position.symbol and other.side is position.side
    ]
    return min(same, key=lambda p: (p.opened_ms, p.ticket))


# Prices as an account sees them


def view_of(state: State, login: int, symbol: Symbol) -> BidAsk | None:
    """Return the quote as the account sees it, None before the first tick."""
    return group_quote(state, state.group_of(login), symbol)


def standing_view(state: State, login: int, symbol: Symbol) -> BidAsk:
    """Return the quote as the account sees it, where a rule before has found one."""
    view = view_of(state, login, symbol)
    assert view is not None
    return view


def market_price(view: BidAsk, side: Side, *, opening: bool) -> int:
    """Return the price at which a side opens or closes."""
    return open_price(view, side) if opening else close_price(view, side)


def hook_price(symbol: Symbol, text: str, otherwise: int) -> int:
    """Return the price that an apply hook gave, rounded to points; text that is no number leaves the other."""
    price = parse_decimal(text)
    return otherwise if price is None else round_half_up(price * 10**symbol.digits)
