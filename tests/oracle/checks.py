"""Checks on a request, in the order of the rulebook, first failure wins (rules sections 4 and 11)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracle.book import DELETE, Account, Book, Order, Position, Symbol, is_oldest, opposite
from tests.oracle.days import in_session
from tests.oracle.margin import account_state, has_rates, leverage_of, margin_suffices, reservation
from tests.oracle.numbers import on_grid
from tests.oracle.order_types import ORDER_TYPES

LAST_EXPIRY_MS = 253_370_764_799_999  # the end of 31 December 9998


def account_code(account: Account, *, is_manager: bool = False) -> str | None:
    if not account.enabled:
        return "account_disabled"
    if account.read_only and not is_manager:
        return "read_only"
    return None


def counts_as_close(book: Book, order: Order) -> bool:
    """Return whether a netting account's order is opposite and not larger than the position."""
    if book.group(order.login).margin_mode != "netting":
        return False
    mine = book.positions_of(order.login, order.symbol)
    return bool(mine) and mine[0].side != order.side and 0 < order.volume <= mine[0].volume


def trade_mode_code(symbol: Symbol, side: str, *, is_close: bool = False) -> str | None:
    if symbol.trade_mode == "disabled":
        return "trade_disabled"
    if is_close:
        return None
    if symbol.trade_mode == "close_only":
        return "close_only"
    if symbol.trade_mode == "long_only" and side == "sell":
        return "long_only"
    if symbol.trade_mode == "short_only" and side == "buy":
        return "short_only"
    return None


def volume_is_valid(symbol: Symbol, volume: Fraction, whole: Fraction | None = None) -> bool:
    """Return whether the volume may be traded; `whole` is the position that it closes from."""
    if volume <= 0 or not on_grid(volume, symbol.volume_step):
        return False
    if whole is not None:
        if volume > whole:
            return False
        if volume == whole:
            return True
    return symbol.volume_min <= volume <= symbol.volume_max


def stops_are_valid(
    symbol: Symbol,
    side: str,
    levels: tuple[Any, Any],
    reference: Fraction,
    points: int,
) -> bool:
    """Return whether (sl, tp) are on the grid, strictly on their sides and `points` away of `reference`.

    DELETE and None mean no level.
    """
    sl, tp = levels
    if sl not in (None, DELETE) and not is_beyond(symbol, opposite(side), sl, reference, points):
        return False
    return tp in (None, DELETE) or is_beyond(symbol, side, tp, reference, points)


def is_price(symbol: Symbol, price: Fraction) -> bool:
    """Return whether a price is on the symbol's grid, and above 0 where prices cannot be negative."""
    return on_grid(price, symbol.point) and (price > 0 or symbol.allow_negative)


def is_beyond(symbol: Symbol, side: str, level: Fraction, reference: Fraction, points: int) -> bool:
    """Return whether a level is on the grid, and on the profit side of `reference` by at least `points`."""
    distance = level - reference if side == "buy" else reference - level
    return is_price(symbol, level) and distance > 0 and distance >= points * symbol.point


def pending_price_is_valid(
    book: Book, order: Order, price: Fraction | None, limit_price: Fraction | None, points: int
) -> bool:
    """Return whether a pending order's price (and limit price) is there, on its proper side, far enough."""
    kind = ORDER_TYPES[order.type]
    if price is None or (kind.then and limit_price is None):
        return False
    symbol = book.symbols[order.symbol]
    market = book.open_price(order.login, symbol, order.side)
    distance = kind.distance(price, market)
    if not is_price(symbol, price) or distance <= 0 or distance < points * symbol.point:
        return False
    if kind.then:
        assert limit_price is not None
        better = price - limit_price if kind.side == "buy" else limit_price - price
        return is_price(symbol, limit_price) and better > 0
    return True


def stops_reference(order: Order, price: Fraction) -> Fraction:
    """Return what SL and TP of a pending order are measured from, its price being `price`."""
    if ORDER_TYPES[order.type].then:
        assert order.limit_price is not None
        return order.limit_price
    return price


def open_code(
    book: Book, order: Order, *, is_manager: bool, open_price: Fraction | None = None,
    offered: Fraction | None = None,
) -> str | None:  # fmt: skip
    """Return why an opening request is refused, or None; the order is not in the book yet.

    `open_price` is a manager's, `offered` a requote's that is accepted.
    """
    account = book.accounts[order.login]
    is_market = not order.is_resting
    is_close = is_market and counts_as_close(book, order)
    code = account_code(account, is_manager=is_manager)
    if code:
        return code
    if account.close_only and not is_close and not is_manager:
        return "close_only"
    if order.symbol not in book.symbols:
        return "symbol_not_found"
    symbol = book.symbols[order.symbol]
    code = trade_mode_code(symbol, order.side, is_close=is_close)
    if code:
        return code
    if not in_session(book, symbol) and not is_manager:
        return "market_closed"
    if symbol.bid is None or (is_market and not book.is_fresh(symbol)):
        return "off_quotes"
    if is_market and not is_close and not has_rates(book, order):
        return "off_quotes"
    whole = book.positions_of(order.login, order.symbol)[0].volume if is_close else None
    if not volume_is_valid(symbol, order.volume, whole):
        return "invalid_volume"
    if is_close:
        return market_price_code(book, order, symbol, open_price)
    if order.leverage is not None and not 1 <= order.leverage <= leverage_of(book, order.login, None):
        return "invalid_leverage"
    return _terms_code(book, order, symbol, is_manager=is_manager, open_price=open_price, offered=offered)


def _terms_code(
    book: Book,
    order: Order,
    symbol: Symbol,
    *,
    is_manager: bool,
    open_price: Fraction | None,
    offered: Fraction | None,
) -> str | None:
    """Return why price, stops, expiry, limits, hedge or margin refuse an opening, or None."""
    points = 0 if is_manager else symbol.stops_level
    if order.is_resting:
        if not pending_price_is_valid(book, order, order.price, order.limit_price, points):
            return "invalid_price"
        reference = stops_reference(order, order.price)
    else:
        code = market_price_code(book, order, symbol, open_price)
        if code is not None:
            return code
        reference = book.close_price(order.login, symbol, order.side)
    if not stops_are_valid(symbol, order.side, (order.sl, order.tp), reference, points):
        return "invalid_stops"
    return limits_code(book, order, open_price=open_price if offered is None else offered)


def market_price_code(book: Book, order: Order, symbol: Symbol, open_price: Fraction | None) -> str | None:
    """Return why a market order's prices are refused: the one named by hand, the one expected; or None."""
    if open_price is not None:
        market = book.open_price(order.login, symbol, order.side)
        if not is_price(symbol, open_price) or not is_within_bound(
            book, order.login, open_price, market, symbol.point
        ):
            return "invalid_price"
    return expectation_code(order, symbol)


def expectation_code(order: Order, symbol: Symbol) -> str | None:
    """Return why what was expected of the price is refused, or None."""
    if order.expected is None:
        return "invalid_price" if order.deviation is not None else None
    if not is_price(symbol, order.expected) or (order.deviation or 0) < 0:
        return "invalid_price"
    return None


def is_within_bound(book: Book, login: int, price: Fraction, market: Fraction, point: Fraction) -> bool:
    """Return whether a price by hand is near enough to the market's."""
    bound = book.group(login).price_bound_points
    return abs(price - market) <= (abs(market) / 100 if bound is None else bound * point)


def is_too_bad(order: Order, symbol: Symbol, side: str, price: Fraction) -> bool:
    """Return whether a price is worse than expected by more than the deviation."""
    if order.expected is None or order.deviation is None:
        return False
    worse = price - order.expected if side == "buy" else order.expected - price
    return worse > order.deviation * symbol.point


def limits_code(book: Book, order: Order, *, open_price: Fraction | None = None) -> str | None:
    """Return why expiry, max_orders, hedge or margin refuse an opening, or None."""
    group = book.group(order.login)
    if isinstance(order.expires, int) and not book.now_ms < order.expires <= LAST_EXPIRY_MS:
        return "invalid_expiration"
    joins = group.margin_mode == "netting" and bool(book.positions_of(order.login, order.symbol))
    if group.max_orders and (order.is_resting or not joins):
        resting = [o for o in book.resting if o.login == order.login]
        if len(book.positions_of(order.login)) + len(resting) + 1 > group.max_orders:
            return "limit_reached"
    is_plan_on_netting = order.smart is not None and group.margin_mode == "netting"
    if is_plan_on_netting and book.positions_of(order.login, order.symbol):
        return "position_exists"
    if order.is_resting:
        raised = reservation(book, order)
        if raised > 0 and raised > account_state(book, order.login).free_margin:
            return "no_money"
        return None
    if is_hedge(book, order):
        return "hedge_prohibited"
    price = open_price
    if price is None:
        price = book.open_price(order.login, book.symbols[order.symbol], order.side)
    return None if margin_suffices(book, order, price) else "no_money"


def is_hedge(book: Book, order: Order) -> bool:
    """Return whether the order would leave the account long and short where its group forbids it."""
    group = book.group(order.login)
    if not group.hedge_prohibited or group.margin_mode == "netting":
        return False
    return any(p.side != order.side for p in book.positions_of(order.login, order.symbol))


def close_code(
    book: Book, position: Position | None, login: int, volume: Fraction | None, is_manager: bool,
    order: Order, by_hand: Fraction | None,
) -> str | None:  # fmt: skip
    """Return why a close is refused, or None."""
    code = account_code(book.accounts[login], is_manager=is_manager)
    if code:
        return code
    if position is None or position.login != login or position not in book.positions:
        return "position_not_found"
    symbol = book.symbols[position.symbol]
    if symbol.trade_mode == "disabled":
        return "trade_disabled"
    if not in_session(book, symbol) and not is_manager:
        return "market_closed"
    if not book.is_fresh(symbol):
        return "off_quotes"
    if volume is not None and not volume_is_valid(symbol, volume, position.volume):
        return "invalid_volume"
    if book.group(login).close_fifo and not is_manager and not is_oldest(book, position):
        return "fifo"
    if by_hand is not None:
        market = book.close_price(login, symbol, position.side)
        if not is_price(symbol, by_hand) or not is_within_bound(book, login, by_hand, market, symbol.point):
            return "invalid_price"
    return expectation_code(order, symbol)


def close_by_code(book: Book, position: Position | None, other: Position | None, login: int) -> str | None:
    """Return why a close by is refused, or None."""
    code = account_code(book.accounts[login])
    if code:
        return code
    both = (position, other)
    if any(p is None or p.login != login or p not in book.positions for p in both):
        return "position_not_found"
    symbols = [book.symbols[p.symbol] for p in both]
    if any(s.trade_mode == "disabled" for s in symbols):
        return "trade_disabled"
    if any(not in_session(book, s) for s in symbols):
        return "market_closed"
    if book.group(login).close_fifo and any(not is_oldest(book, p) for p in both):
        return "fifo"
    is_pair = position.symbol == other.symbol and position.side != other.side
    if not is_pair or book.group(login).margin_mode == "netting":
        return "invalid_close_by"
    return None


def _is_near(symbol: Symbol, market: Fraction, levels: tuple[Fraction | None, ...]) -> bool:
    if not symbol.freeze_level:
        return False
    near = symbol.freeze_level * symbol.point
    return any(level is not None and abs(market - level) <= near for level in levels)


def position_is_frozen(book: Book, position: Position) -> bool:
    symbol = book.symbols[position.symbol]
    market = book.close_price(position.login, symbol, position.side)
    return _is_near(symbol, market, (position.sl, position.tp))


def order_is_frozen(book: Book, order: Order) -> bool:
    """Return whether the market is near the order's own price."""
    symbol = book.symbols[order.symbol]
    if symbol.bid is None:
        return False
    entry = book.open_price(order.login, symbol, order.side)
    return _is_near(symbol, entry, (order.price,))


def modify_position_code(
    book: Book, position: Position | None, login: int, levels: tuple[Fraction | None, Fraction | None]
) -> str | None:
    """Return why a change of (sl, tp) is refused, or None."""
    code = account_code(book.accounts[login])
    if code:
        return code
    if position is None or position.login != login or position not in book.positions:
        return "position_not_found"
    if position.smart is not None:
        return "managed_by_smart_order"
    symbol = book.symbols[position.symbol]
    if not in_session(book, symbol):
        return "market_closed"
    if position_is_frozen(book, position):
        return "frozen"
    market = book.close_price(login, symbol, position.side)
    if not stops_are_valid(symbol, position.side, levels, market, symbol.stops_level):
        return "invalid_stops"
    return None


def modify_order_code(
    book: Book, order: Order | None, login: int, price: Fraction | None,
    levels: tuple[Any, Any],
) -> str | None:  # fmt: skip
    """Return why a change of a pending order is refused, or None."""
    code = account_code(book.accounts[login])
    if code:
        return code
    if order is None or order.login != login or order not in book.resting:
        return "order_not_found"
    if order.smart is not None:
        return "managed_by_smart_order"
    symbol = book.symbols[order.symbol]
    if not in_session(book, symbol):
        return "market_closed"
    if order_is_frozen(book, order):
        return "frozen"
    if price is not None:
        if not pending_price_is_valid(book, order, price, order.limit_price, symbol.stops_level):
            return "invalid_price"
        levels = tuple(
            own if new is None else new for own, new in zip((order.sl, order.tp), levels, strict=True)
        )
    reference = stops_reference(order, order.price if price is None else price)
    if not stops_are_valid(symbol, order.side, levels, reference, symbol.stops_level):
        return "invalid_stops"
    return None


def cancel_code(book: Book, order: Order | None, login: int) -> str | None:
    """Return why a pending order may not be deleted, or None."""
    code = account_code(book.accounts[login])
    if code:
        return code
    if order is None or order.login != login or order not in book.resting:
        return "order_not_found"
    if not in_session(book, book.symbols[order.symbol]):
        return "market_closed"
    return "frozen" if order_is_frozen(book, order) else None


def money_code(book: Book, login: int, kind: str, amount: Fraction) -> str | None:
    """Return why money may not be taken (`amount` above 0), or None."""
    account, free = book.accounts[login], account_state(book, login).free_margin
    if free - amount < 0:
        return "no_money"
    if kind == "credit_out":
        return None
    return "no_money" if account.balance - amount < 0 else None
