"""What clients and managers ask for: orders, closes, changes, money, day end (rules sections 3, 4, 7, 11)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracle import checks, dealing, trading
from tests.oracle.book import (
    DELETE,
    Book,
    Order,
    Position,
    Symbol,
    opposite,
    read_level,
)
from tests.oracle.numbers import on_grid
from tests.oracle.order_types import ORDER_TYPES


def number(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def place(book: Book, value: dict[str, Any]) -> str | None:
    """Place an order; a repeated client_id is answered as the first was."""
    login, key = value["login"], (value["login"], value["client_id"])
    if value["client_id"] is not None and key in book.client_ids:
        first, answer = book.client_ids[key]
        if value["as"] is not None:
            book.names[value["as"]] = first
        return answer
    is_manager = value["by"] == "manager"
    side = ORDER_TYPES[value["type"]].side
    order = Order(book.next_ticket(), login, value["symbol"], value["type"], side, Fraction(value["volume"]))
    order.name, order.leverage, order.expires = value["as"], value["leverage"], value["expires"]
    order.price, order.limit_price = number(value["price"]), number(value["limit_price"])
    symbol = book.symbols.get(value["symbol"])
    order.sl, order.tp = read_level(symbol, value["sl"]), read_level(symbol, value["tp"])
    order.expected, order.deviation = number(value["expected_price"]), value["deviation"]
    order.reason, order.is_resting = value["by"], ORDER_TYPES[value["type"]].rests
    open_price = number(value["open_price"])
    code = checks.open_code(book, order, is_manager=is_manager, open_price=open_price)
    remember(book, order)
    if code is not None:
        order.status, order.error = "failed", code
    else:
        code = submit(book, order, is_manager=is_manager, open_price=open_price)
    if value["client_id"] is not None:
        book.client_ids[key] = order, code
    return code


def remember(book: Book, order: Order) -> None:
    book.orders.append(order)
    if order.name is not None:
        book.names[order.name] = order


def submit(
    book: Book, order: Order, *, is_manager: bool = False, open_price: Fraction | None = None,
    offered: Fraction | None = None,
) -> str | None:  # fmt: skip
    """Let a checked order rest, wait for a dealer, or execute; return "requote" where its price is too bad.

    `offered` is a requote's price that the client has accepted.
    """
    symbol = book.symbols[order.symbol]
    if order.is_resting:
        order.requested = order.price
        book.resting.append(order)
        return None
    # A netting order that counts as a close brings levels that nobody has checked.
    order.sl, order.tp = (
        one if one in (None, DELETE) or on_grid(one, symbol.point) else None for one in (order.sl, order.tp)
    )
    market = book.open_price(order.login, symbol, order.side)
    order.requested = next(one for one in (offered, open_price, market) if one is not None)
    if not is_manager and offered is None and not book.executes_itself(order.login, symbol):
        dealing.queue_order(book, order)
        return None
    if _must_requote(book, order, symbol, order.side, market, offered):
        dealing.requote(book, order, market if offered is not None else order.requested)
        return "requote"
    book.actor = "manager" if is_manager else "client"
    trading.fill(book, order, order.requested)
    return None


def _must_requote(
    book: Book, order: Order, symbol: Symbol, side: str, market: Fraction, offered: Fraction | None
) -> bool:
    """Return whether the price is too bad: for the client, or of an accepted requote for the broker."""
    if offered is None:
        return checks.is_too_bad(order, symbol, side, order.requested)
    most = book.group(order.login).deviation if order.deviation is None else order.deviation
    lost = market - offered if side == "buy" else offered - market
    return lost > most * symbol.point


def accept(book: Book, value: dict[str, Any]) -> str | None:
    """Accept a requote: a new order of the same terms, at the price that was offered."""
    failed = book.names.get(value["order"])
    offer = next((one for one in book.offers if one.order is failed), None)
    if offer is None or offer.order.login != value["login"]:
        return "request_not_found"
    if book.now_ms >= offer.until_ms + 31 * 86_400_000:
        return "request_not_found"
    book.offers.remove(offer)
    if book.now_ms > offer.until_ms:
        return "timeout"
    old = offer.order
    if old.closes is not None:
        position, volume = old.closes
        return _close(
            book, old.login, position, volume, value["as"], old.expected, old.deviation, offer.price
        )
    order = Order(book.next_ticket(), old.login, old.symbol, old.type, old.side, old.volume, value["as"])
    order.sl, order.tp, order.leverage = old.sl, old.tp, old.leverage
    order.expected, order.deviation = old.expected, old.deviation
    code = checks.open_code(book, order, is_manager=False, offered=offer.price)
    remember(book, order)
    if code is not None:
        order.status, order.error = "failed", code
        return code
    return submit(book, order, offered=offer.price)


def close(book: Book, value: dict[str, Any]) -> str | None:
    """Close a position or a part of it."""
    position = book.position_named(value["position"])
    return _close(
        book, value["login"], position, number(value["volume"]), value["as"], number(value["expected_price"]),
        value["deviation"], None, by=value["by"], by_hand=number(value["price"]),
    )  # fmt: skip


def _close(
    book: Book, login: int, position: Position | None, volume: Fraction | None, name: str | None,
    expected: Fraction | None, deviation: int | None, offered: Fraction | None, *, by: str = "client",
    by_hand: Fraction | None = None,
) -> str | None:  # fmt: skip
    is_manager = by == "manager"
    order = _closing_order(book, login, position, name)
    order.reason, order.expected, order.deviation, order.closes = by, expected, deviation, (position, volume)
    code = checks.close_code(book, position, login, volume, is_manager, order, by_hand)
    if code is not None:
        order.status, order.error = "failed", code
        return code
    symbol = book.symbols[position.symbol]
    order.volume = position.volume if volume is None else volume
    market = book.close_price(login, symbol, position.side)
    order.requested = next(one for one in (offered, by_hand, market) if one is not None)
    if is_manager or offered is not None or book.executes_itself(login, symbol):
        if _must_requote(book, order, symbol, opposite(position.side), market, offered):
            dealing.requote(book, order, market if offered is not None else order.requested)
            return "requote"
        book.actor = by
        trading.close(book, position, order.volume, order.requested, order)
    else:
        book.requests.append(
            dealing.Request(
                "close", position, position.name, login, position.symbol, book.now_ms, order, volume
            )
        )
    return None


def close_by(book: Book, value: dict[str, Any]) -> str | None:
    """Close two opposite positions against each other."""
    login = value["login"]
    position, other = (book.position_named(value[key]) for key in ("position", "opposite"))
    code = checks.close_by_code(book, position, other, login)
    order = _closing_order(book, login, position, value["as"])
    if code is not None:
        order.status, order.error = "failed", code
        return code
    order.volume = min(position.volume, other.volume)
    if book.executes_itself(login, book.symbols[position.symbol]):
        book.actor = "client"
        trading.close_against(book, position, other, order)
    else:
        book.requests.append(
            dealing.Request(
                "close_by",
                position,
                position.name,
                login,
                position.symbol,
                book.now_ms,
                order,
                opposite=other,
            )
        )
    return None


def _closing_order(book: Book, login: int, position: Position | None, name: str | None) -> Order:
    """Return the order of a close; it may have to fail where there is no position."""
    symbol = position.symbol if position is not None else ""
    side = opposite(position.side) if position is not None else ""
    volume = position.volume if position is not None else Fraction(0)
    order = Order(book.next_ticket(), login, symbol, side, side, volume, name)
    remember(book, order)
    return order


def modify(book: Book, value: dict[str, Any]) -> str | None:
    """Change the levels of a position, or levels and price of a pending order."""
    login = value["login"]
    named = value["position"] is not None
    target = book.position_named(value["position"]) if named else book.names.get(value["order"])
    symbol = None if target is None else book.symbols.get(target.symbol)
    levels = read_level(symbol, value["sl"]), read_level(symbol, value["tp"])
    if named:
        position = book.position_named(value["position"])
        code = checks.modify_position_code(book, position, login, levels)
        if code is None:
            _set_levels(position, levels)
        return code
    order, price = book.names.get(value["order"]), number(value["price"])
    code = checks.modify_order_code(book, order, login, price, levels)
    if code is None:
        _set_levels(order, levels)
        if price is not None:
            order.price = order.requested = price
    return code


def _set_levels(target: Order | Position, levels: tuple[Any, Any]) -> None:
    for key, level in zip(("sl", "tp"), levels, strict=True):
        standing = getattr(target, key)
        if level is None or (standing == DELETE and level == DELETE):
            continue  # left out, or said once more
        setattr(target, key, None if level == DELETE else level)


def cancel(book: Book, value: dict[str, Any]) -> str | None:
    order = book.names.get(value["order"])
    code = checks.cancel_code(book, order, value["login"])
    if code is None:
        trading.cancel(book, order)
    return code


def balance(book: Book, value: dict[str, Any]) -> str | None:
    """Carry out a balance operation."""
    login, kind, amount = value["login"], value["kind"], Fraction(value["amount"])
    if kind != "correction" and amount <= 0:
        return "invalid_amount"
    if not on_grid(amount, Fraction(1, 10 ** book.digits(login))):
        return "invalid_amount"
    takes = kind in ("withdrawal", "charge", "credit_out")
    if kind == "credit_out" and book.accounts[login].credit - amount < 0:
        return "no_money"
    if takes and not value["override"]:
        code = checks.money_code(book, login, kind, amount)
        if code is not None:
            return code
    trading.book_money(book, login, kind, -amount if takes else amount)
    return None


def expire(book: Book) -> None:
    """Cancel the pending orders whose time has come."""
    for order in list(book.resting):
        if isinstance(order.expires, int) and book.now_ms >= order.expires:
            trading.cancel(book, order, reason="expiration")


def is_wrong_setting(book: Book, value: dict[str, Any]) -> bool:
    """Return whether an agent or a leverage may not be set (rules section 11)."""
    given = value["values"]
    if "group" in value:
        group = book.groups[value["group"]]
        most = given.get("leverage_max", group.leverage_max)
        return most is not None and given.get("leverage", group.leverage) > most
    if "account" not in value:
        return False
    account = book.accounts[value["account"]]
    agent, group = given.get("agent"), book.groups[given.get("group", account.group)]
    if agent is not None and (
        agent == account.login
        or agent not in book.accounts
        or book.group(agent).currency != book.group(account.login).currency
    ):
        return True
    own = given.get("leverage", account.leverage)
    is_asked = own != account.leverage or group is not book.group(account.login)
    return is_asked and own is not None and group.leverage_max is not None and own > group.leverage_max
