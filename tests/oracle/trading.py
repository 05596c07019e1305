"""Opening and closing: what an execution does to positions, deals and money (rules sections 3 and 7).

Whether it may happen has been decided before; nothing is refused here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracle import smart
from tests.oracle.book import Book, Deal, Order, Position, level_after, opposite
from tests.oracle.margin import (
    commission,
    kept_rate,
    leverage_of,
    margin_rate_of_conversion,
    profit,
)
from tests.oracle.numbers import rounded


def book_money(book: Book, login: int, kind: str, amount: Fraction) -> None:
    """Change balance or credit by a ledger entry; an entry of 0 is not made."""
    if not amount:
        return
    account = book.accounts[login]
    account.ledger.append((kind, amount))
    if kind in ("credit_in", "credit_out", "bonus"):
        account.credit += amount
    else:
        account.balance += amount


def system_order(book: Book, position: Position, volume: Fraction, reason: str, requested: Fraction) -> Order:
    """Return the order that a trigger makes to close a position."""
    side = opposite(position.side)
    order = Order(book.next_ticket(), position.login, position.symbol, side, side, volume)
    order.reason, order.requested = reason, requested
    book.orders.append(order)
    return order


def fill(book: Book, order: Order, price: Fraction) -> None:
    """Execute an opening order: a position, or what a netting account makes of it."""
    order.status = "completed"
    if order in book.resting:
        book.resting.remove(order)
    mine = book.positions_of(order.login, order.symbol)
    is_netting = book.group(order.login).margin_mode == "netting"
    if not is_netting or not mine:
        _open(book, order, order.volume, price)
    elif mine[0].side == order.side:
        _increase(book, mine[0], order, price)
    elif order.volume <= mine[0].volume:
        close(book, mine[0], order.volume, price, order)
        if order.smart is not None:
            smart.entry_lost(book, order.smart)
    else:
        rest = order.volume - mine[0].volume
        close(book, mine[0], mine[0].volume, price, order)
        _open(book, order, rest, price)


def _open(book: Book, order: Order, volume: Fraction, price: Fraction) -> None:
    symbol, account = book.symbols[order.symbol], book.accounts[order.login]
    converted = margin_rate_of_conversion(book, account, symbol, order.side)
    position = Position(
        order.ticket, order.name, order.login, order.symbol, order.side, volume, price, book.now_ms,
        [(volume, price, converted or Fraction(1), leverage_of(book, order.login, order.leverage))],
    )  # fmt: skip
    position.sl, position.tp = level_after(None, order.sl), level_after(None, order.tp)
    position.fees = -commission(book, order.login, symbol, "commission", order.side, volume, price)
    kept_rate(book, position, True)
    kept_rate(book, position, False)
    book.positions.append(position)
    book.positions.sort(key=lambda p: (p.login, p.ticket))
    if order.name is not None:
        book.position_names[order.name] = position
    _deal_in(book, order, volume, price)
    if order.smart is not None:
        smart.entered(book, order.smart, position, price)


def _increase(book: Book, position: Position, order: Order, price: Fraction) -> None:
    symbol, account = book.symbols[order.symbol], book.accounts[order.login]
    converted = margin_rate_of_conversion(book, account, symbol, order.side) or Fraction(1)
    leverage = leverage_of(book, order.login, order.leverage)
    fee = commission(book, order.login, symbol, "commission", order.side, order.volume, price)
    total = position.volume + order.volume
    # What was closed meanwhile has taken its share of every lot.
    left = position.volume / sum(volume for volume, *_ in position.lots)
    position.lots = [(volume * left, *terms) for volume, *terms in position.lots]
    position.lots.append((order.volume, price, converted, leverage))
    position.open_price = (position.open_price * position.volume + price * order.volume) / total
    position.volume = total
    position.fees -= fee
    if position.smart is None:
        position.sl = level_after(position.sl, order.sl)
        position.tp = level_after(position.tp, order.tp)
    _deal_in(book, order, order.volume, price)
    if order.smart is not None:
        smart.entry_lost(book, order.smart)


def _deal_in(book: Book, order: Order, volume: Fraction, price: Fraction) -> None:
    book.deals[order.login].append(
        Deal(order, order.symbol, "in", order.side, volume, price, order.requested, **_seen(book, order))
    )


def _seen(book: Book, order: Order) -> dict[str, Any]:
    """Return who causes a deal, and the market then, raw and as the group sees it."""
    symbol = book.symbols[order.symbol]
    if symbol.bid is None:
        return {"by": book.actor}
    return {
        "by": book.actor, "market": (symbol.bid, symbol.ask), "view": book.quote(book.group(order.login), symbol)
    }  # fmt: skip


def close(
    book: Book, position: Position, volume: Fraction, price: Fraction, order: Order,
    *, gain: Fraction | None = None, by_plan: bool = False,
) -> None:  # fmt: skip
    """Close that volume of the position at that price under that order.

    `gain` is given where the profit is not that of the price (the second leg of a close by);
    `by_plan` where the position's own smart order closes.
    """
    order.status = "completed"
    if order in book.resting:
        book.resting.remove(order)
    login, symbol = position.login, book.symbols[position.symbol]
    digits = book.digits(login)
    if gain is None:
        gain = profit(book, position, volume, price)
    if volume == position.volume:
        fees, swap = position.fees, position.swap
    else:
        share = volume / position.volume
        fees, swap = rounded(position.fees * share, digits), rounded(position.swap * share, digits)
    agent_fee = commission(
        book, login, symbol, "agent_commission", position.side, volume, position.open_price
    )
    position.volume -= volume
    position.fees -= fees
    position.swap -= swap
    book_money(book, login, "profit", gain)
    book_money(book, login, "commission", fees)
    book_money(book, login, "swap", swap)
    if book.accounts[login].agent is not None:
        book_money(book, book.accounts[login].agent, "agent_commission", agent_fee)
    book.deals[login].append(
        Deal(
            order, position.symbol, "out", opposite(position.side), volume, price, order.requested,
            gain, fees, swap, **_seen(book, order),
        )
    )  # fmt: skip
    if not position.volume:
        book.positions.remove(position)
        _drop_requests_of(book, position)
    if position.smart is not None and not by_plan:
        smart.shrunk(book, position.smart)


def close_against(book: Book, position: Position, other: Position, order: Order) -> None:
    """Close two opposite positions against each other for the smaller volume."""
    volume = min(position.volume, other.volume)
    price, other_price = other.open_price, position.open_price
    order.volume = volume
    order.requested = price
    close(book, position, volume, price, order)
    order.requested = other_price
    close(book, other, volume, other_price, order, gain=Fraction(0))


def cancel(book: Book, order: Order, *, reason: str | None = None, comment: str = "") -> None:
    """Take a resting order out: canceled, with its reason and comment."""
    order.status, order.comment = "canceled", comment
    if reason is not None:
        order.reason = reason
    if order in book.resting:
        book.resting.remove(order)
    book.requests = [r for r in book.requests if not (r.kind == "pending" and r.subject is order)]
    if order.smart is not None:
        smart.entry_lost(book, order.smart)


def fail(book: Book, order: Order, code: str) -> None:
    """Let an order fail with a code."""
    order.status, order.error = "failed", code
    if order in book.resting:
        book.resting.remove(order)
    if order.smart is not None:
        smart.entry_lost(book, order.smart)


def _drop_requests_of(book: Book, position: Position) -> None:
    """Take out of the dealers' queue what would close a position that is gone."""
    kept = []
    for request in book.requests:
        is_its = request.subject is position or request.opposite is position
        if is_its and request.order is not None:
            fail(book, request.order, "position_not_found")
        if not is_its:
            kept.append(request)
    book.requests = kept
