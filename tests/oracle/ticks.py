"""What a tick does, in order (rules sections 2 and 6)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.oracle import dealing, smart, stopout, trading
from tests.oracle.book import Book, Order, Position, Symbol, is_oldest
from tests.oracle.checks import counts_as_close, in_session, is_hedge, trade_mode_code
from tests.oracle.margin import has_rates, margin_suffices
from tests.oracle.numbers import rounded
from tests.oracle.order_types import ORDER_TYPES


def tick(book: Book, value: dict[str, Any]) -> str | None:
    """Return why the tick is refused, or None after all of it is done."""
    symbol, book.actor = book.symbols[value["symbol"]], "system"
    prices = Decimal(value["bid"]), Decimal(value["ask"])
    cause = _refusal(symbol, prices, value["time_ms"])
    if symbol.bid is not None:
        symbol.last.append(cause is not None)
    if cause is not None:
        return cause
    symbol.bid, symbol.ask = (rounded(Fraction(price), symbol.digits) for price in prices)
    symbol.quote_ms = value["time_ms"]
    symbol.deviation = symbol.deviations = 0
    if in_session(book, symbol):
        collected = [] if symbol.gateway else _collect(book, symbol)
        if not symbol.gateway:
            for position in _of_symbol(book, symbol):
                if position in book.positions:
                    _check_exits(book, symbol, position)
        for order in collected:
            if order in book.resting:
                activate(book, symbol, order)
    for login in sorted({p.login for p in book.positions if p.symbol == symbol.name}):
        stopout.run(book, login)
    return None


def _refusal(symbol: Symbol, prices: tuple[Decimal, Decimal], time_ms: int) -> str | None:
    if not all(price.is_finite() for price in prices):
        return "invalid"
    bid, ask = (Fraction(price) for price in prices)
    if (bid <= 0 or ask <= 0) and not symbol.allow_negative:
        return "invalid"
    if ask < bid:
        return "crossed"
    if symbol.bid is None:
        return None
    if time_ms < symbol.quote_ms:
        return "stale"
    moved = (bid + ask) / 2 - (symbol.bid + symbol.ask) / 2
    if not symbol.filter_points or abs(moved) <= symbol.filter_points * symbol.point:
        return None
    direction = 1 if moved > 0 else -1
    symbol.deviations = symbol.deviations + 1 if symbol.deviation == direction else 1
    symbol.deviation = direction
    return "filtered" if symbol.deviations < symbol.filter_ticks else None


def _of_symbol(book: Book, symbol: Symbol) -> list[Position]:
    mine = [p for p in book.positions if p.symbol == symbol.name]
    return sorted(mine, key=lambda p: (p.login, p.ticket))


def is_reached(book: Book, symbol: Symbol, order: Order) -> bool:
    """Return whether the quote has come to a pending order's price."""
    price = book.open_price(order.login, symbol, order.side)
    return ORDER_TYPES[order.type].distance(order.price, price) <= 0


def _collect(book: Book, symbol: Symbol) -> list[Order]:
    """Return the pending orders to activate; reached stop-limits become limits."""
    collected = []
    mine = [o for o in book.resting if o.symbol == symbol.name]
    for order in sorted(mine, key=lambda o: (o.login, o.ticket)):
        if not is_reached(book, symbol, order):
            continue
        becomes = ORDER_TYPES[order.type].then
        if becomes:
            order.type = becomes
            order.price = order.requested = order.limit_price
            continue
        is_manual = book.setting(book.group(order.login), symbol, "execution") == "manual"
        if book.filter_hook("pendings_filter") or not is_manual:
            collected.append(order)
        else:
            dealing.queue_pending(book, order)
    return collected


def activate(book: Book, symbol: Symbol, order: Order) -> None:
    """Open a reached pending order, or queue or delete it."""
    login = order.login
    if not book.filter_hook("pendings_filter") and not book.executes_itself(login, symbol):
        dealing.queue_pending(book, order)
        return
    if trade_mode_code(symbol, order.side, is_close=counts_as_close(book, order)) is not None:
        trading.cancel(book, order, comment="deleted [close only]")
        return
    if not has_rates(book, order):
        return
    market = book.open_price(login, symbol, order.side)
    at_own_price = ORDER_TYPES[order.type].at_own_price and not book.group(login).positive_slippage
    price = order.price if at_own_price else market
    if not margin_suffices(book, order, price, without=order):
        trading.cancel(book, order, comment="deleted [no money]")
        return
    if is_hedge(book, order):
        trading.cancel(book, order, comment="deleted [hedge is prohibited]")
        return
    is_ok, changed = book.apply_hook("pendings_apply", symbol)
    if not is_ok:
        return
    dealing.drop(book, "pending", order)
    trading.fill(book, order, price if changed is None else changed)


def _check_exits(book: Book, symbol: Symbol, position: Position) -> None:
    """Take profit, then stop loss, or what a smart order has in their place."""
    if position.smart is not None:
        _check_plan(book, symbol, position)
        return
    market = book.close_price(position.login, symbol, position.side)
    slips = book.group(position.login).positive_slippage
    is_buy = position.side == "buy"
    tp = position.tp
    if tp is not None and (market >= tp if is_buy else market <= tp):
        price = market if slips else tp
        if exit_(book, symbol, position, "tp", tp, price):
            return
    sl = position.sl
    if sl is not None and (market <= sl if is_buy else market >= sl):
        exit_(book, symbol, position, "sl", sl, market)


def may_exit(book: Book, symbol: Symbol, position: Position) -> bool | None:
    """Return whether a reached exit may be prepared; None: it has to wait for a dealer."""
    if not book.filter_hook("stops_filter") and not book.executes_itself(position.login, symbol):
        return None
    return not book.group(position.login).close_fifo or is_oldest(book, position)


def exit_(
    book: Book, symbol: Symbol, position: Position, kind: str, level: Fraction, price: Fraction
) -> bool:
    """Close by TP or SL; return whether it happened."""
    may = may_exit(book, symbol, position)
    if may is None:
        dealing.queue_exit(book, kind, position, level)
    if not may:
        return False
    is_ok, changed = book.apply_hook("stops_apply", symbol)
    if not is_ok:
        return False
    order = trading.system_order(book, position, position.volume, dealing.EXITS[kind], level)
    trading.close(book, position, position.volume, price if changed is None else changed, order)
    return True


def _check_plan(book: Book, symbol: Symbol, position: Position) -> None:
    """Levels, then the stop that stood before the tick, then the mark moves."""
    plan = position.smart
    market = book.close_price(position.login, symbol, position.side)
    slips = book.group(position.login).positive_slippage
    is_buy = position.side == "buy"
    stop = smart.stop_of(plan)
    for index, level in enumerate(plan.levels):
        if level.status != "PENDING" or not (market >= level.price if is_buy else market <= level.price):
            continue
        may = may_exit(book, symbol, position)
        if may is None:
            dealing.queue_plan_exit(book, "level", (plan, index), position, level.price)
        if not may:
            continue
        is_ok, changed = book.apply_hook("stops_apply", symbol)
        if is_ok:
            price = market if slips else level.price
            dealing.close_level(book, plan, index, price if changed is None else changed)
        if not plan.is_open:
            return
    if stop is not None and (market <= stop if is_buy else market >= stop):
        may = may_exit(book, symbol, position)
        if may is None:
            dealing.queue_plan_exit(book, "stop", (plan, "stop"), position, stop)
        if may:
            is_ok, changed = book.apply_hook("stops_apply", symbol)
            if is_ok:
                dealing.close_by_stop(book, plan, market if changed is None else changed, stop)
                return
    smart.move_mark(book, plan, market)
