"""The dealers' queue: what waits, what a dealer's answer does, and timeouts (rules sections 5 and 11)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracle import smart, stopout, trading
from tests.oracle.book import Book, Offer, Order, Position, Request, opposite
from tests.oracle.checks import (
    counts_as_close,
    is_hedge,
    is_price,
    is_too_bad,
    is_within_bound,
    trade_mode_code,
    volume_is_valid,
)
from tests.oracle.margin import has_rates, margin_suffices
from tests.oracle.order_types import ORDER_TYPES

EXITS = {"tp": "take_profit", "sl": "stop_loss", "level": "smart_order", "stop": "smart_order"}


def waiting(book: Book, kind: str, subject: Any) -> Request | None:
    """Return what waits for a dealer about this subject, if anything does."""
    for request in book.requests:
        if request.kind == kind and request.subject == subject:
            return request
    return None


def drop(book: Book, kind: str, subject: Any) -> None:
    """Take a request out of the queue, if it is there."""
    request = waiting(book, kind, subject)
    if request is not None:
        book.requests.remove(request)


def queue_order(book: Book, order: Order) -> None:
    """Queue a market order."""
    request = Request("market", order, order.name, order.login, order.symbol, book.now_ms, order=order)
    book.requests.append(request)


def queue_pending(book: Book, order: Order) -> None:
    """Queue a reached pending order, once."""
    if waiting(book, "pending", order) is None:
        request = Request("pending", order, order.name, order.login, order.symbol, book.now_ms)
        book.requests.append(request)


def queue_exit(book: Book, kind: str, position: Position, price: Fraction | None = None) -> None:
    """Queue a trigger of a position (tp, sl, so), once."""
    if waiting(book, kind, position) is None:
        request = Request(
            kind, position, position.name, position.login, position.symbol, book.now_ms, price=price
        )
        book.requests.append(request)


def queue_plan_exit(book: Book, kind: str, subject: Any, position: Position, price: Fraction) -> None:
    """Queue a level or the stop of a smart order, once."""
    if waiting(book, kind, subject) is None:
        name = subject[0].name
        request = Request(kind, subject, name, position.login, position.symbol, book.now_ms, price=price)
        book.requests.append(request)


def requote(book: Book, order: Order, price: Fraction) -> None:
    """Let an order fail with another price, which its client may accept for a while."""
    trading.fail(book, order, "requote")
    order.requoted = price
    if order.smart is None:
        ttl_ms = int(Fraction(book.group(order.login).requote_ttl) * 1000)
        book.offers.append(Offer(order, price, book.now_ms + ttl_ms))


def time_out(book: Book) -> None:
    """Let requests that nobody answered in time fail; triggers leave the queue and stay armed."""
    for request in list(book.requests):
        limit_ms = book.group(request.login).timeout * 1000
        if request in book.requests and book.now_ms - request.queued_ms > limit_ms:
            book.requests.remove(request)
            if request.order is not None:
                trading.fail(book, request.order, "timeout")


def answer(book: Book, value: dict[str, Any]) -> str | None:
    """Return why a dealer's answer could not be carried out, or None."""
    request = next((r for r in book.requests if r.name == value["request"]), None)
    if request is None:
        return "request_not_found"
    price = Fraction(value["price"]) if value["price"] is not None else None
    if value["answer"] != "reject" and not _is_price_fit(book, request, price, value["answer"]):
        return "invalid_price"
    book.requests.remove(request)
    if value["answer"] == "reject":
        if request.order is not None:
            trading.fail(book, request.order, "rejected")
        return None
    if value["answer"] == "requote":
        if request.kind in ("market", "close"):
            requote(book, request.order, price)
        elif request.order is not None:
            trading.fail(book, request.order, "requote")
        return None
    book.actor = "dealer"
    if request.kind == "market":
        return confirm_market(book, request.order, price)
    if request.kind == "pending":
        return _confirm_pending(book, request.subject, price)
    if request.kind == "close":
        return confirm_close(book, request, price)
    if request.kind == "close_by":
        trading.close_against(book, request.subject, request.opposite, request.order)
        return None
    _confirm_exit(book, request, price)
    return None


def _is_price_fit(book: Book, request: Request, price: Fraction | None, answer: str) -> bool:
    """Return whether a dealer's price is one, and near enough to the market's on the deal's side."""
    if price is None:
        return answer != "requote"
    symbol = book.symbols[request.symbol]
    if not is_price(symbol, price):
        return False
    if request.kind == "close_by":
        return True
    if request.kind in ("market", "pending"):
        side = (request.order or request.subject).side
    else:
        position = request.subject[0].position if request.kind in ("level", "stop") else request.subject
        side = opposite(position.side)
    market = book.open_price(request.login, symbol, side)
    return is_within_bound(book, request.login, price, market, symbol.point)


def confirm_market(book: Book, order: Order, price: Fraction | None) -> str | None:
    """Execute a market order at a price, None: at the market; return why it failed."""
    market = book.open_price(order.login, book.symbols[order.symbol], order.side)
    price = market if price is None else price
    code = None
    if not counts_as_close(book, order):
        if not has_rates(book, order):
            code = "off_quotes"
        elif is_hedge(book, order):
            code = "hedge_prohibited"
        elif not margin_suffices(book, order, price):
            code = "no_money"
    if code is not None:
        trading.fail(book, order, code)
        return code
    if is_too_bad(order, book.symbols[order.symbol], order.side, price):
        requote(book, order, price)
        return "requote"
    trading.fill(book, order, price)
    return None


def _confirm_pending(book: Book, order: Order, price: Fraction | None) -> str | None:
    if price is None:
        is_own = ORDER_TYPES[order.type].at_own_price
        price = (
            order.price if is_own else book.open_price(order.login, book.symbols[order.symbol], order.side)
        )
    code = trade_mode_code(book.symbols[order.symbol], order.side, is_close=counts_as_close(book, order))
    if code is not None:
        trading.cancel(book, order, comment="deleted [close only]")
        return code
    if not has_rates(book, order):
        return "off_quotes"
    if not margin_suffices(book, order, price, without=order):
        trading.cancel(book, order, comment="deleted [no money]")
        return "no_money"
    if is_hedge(book, order):
        trading.cancel(book, order, comment="deleted [hedge is prohibited]")
        return "hedge_prohibited"
    is_ok, changed = book.apply_hook("pendings_apply", book.symbols[order.symbol])
    if is_ok:
        trading.fill(book, order, price if changed is None else changed)
    return None


def confirm_close(book: Book, request: Request, price: Fraction | None) -> str | None:
    """Execute a close at a price, None: at the market; return why it failed."""
    position, order = request.subject, request.order
    symbol = book.symbols[position.symbol]
    volume = position.volume if request.volume is None else request.volume
    if not volume_is_valid(symbol, volume, position.volume):
        trading.fail(book, order, "invalid_volume")
        return "invalid_volume"
    order.volume = volume
    price = book.close_price(position.login, symbol, position.side) if price is None else price
    if is_too_bad(order, symbol, opposite(position.side), price):
        requote(book, order, price)
        return "requote"
    trading.close(book, position, volume, price, order)
    return None


def _confirm_exit(book: Book, request: Request, price: Fraction | None) -> None:
    """Close by TP, SL, stop-out, level or stop as a dealer has confirmed it, unless a hook says no."""
    symbol = book.symbols[request.symbol]
    point = "stopouts_apply" if request.kind == "so" else "stops_apply"
    is_ok, changed = book.apply_hook(point, symbol)
    if not is_ok:
        return
    price = price if changed is None else changed
    if request.kind == "so":
        stopout.close_victim(book, request.subject, price, is_dealer=True)
        stopout.compensate(book, request.login)
        return
    plan, position = None, request.subject
    if request.kind in ("level", "stop"):
        plan = request.subject[0]
        position = plan.position
    if price is None:
        at_own_price = request.kind in ("tp", "level")
        price = request.price if at_own_price else book.close_price(position.login, symbol, position.side)
    if plan is None:
        order = trading.system_order(book, position, position.volume, EXITS[request.kind], request.price)
        trading.close(book, position, position.volume, price, order)
    elif request.kind == "level":
        close_level(book, plan, request.subject[1], price)
    else:
        close_by_stop(book, plan, price, request.price)


def close_level(book: Book, plan: Any, index: int, price: Fraction) -> None:
    """Close the share of a smart order's level at that price."""
    position, level = plan.position, plan.levels[index]
    drop(book, "level", (plan, index))
    order = trading.system_order(book, position, level.volume, "smart_order", level.price)
    trading.close(book, position, level.volume, price, order, by_plan=True)
    smart.level_filled(book, plan, index)


def close_by_stop(book: Book, plan: Any, price: Fraction, stop: Fraction) -> None:
    """Close all that the smart order has left, at that price; `stop` is the level that was reached."""
    position = plan.position
    drop(book, "stop", (plan, "stop"))
    order = trading.system_order(book, position, plan.remaining, "smart_order", stop)
    trading.close(book, position, plan.remaining, price, order, by_plan=True)
    plan.fired = stop
    smart.end(book, plan, "STOPPED")
