"""What clients and managers ask for: orders, closes, changes, money, day end (rules sections 3, 4, 7, 11)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracle import checks, dealing, trading
from tests.oracle.book import PENDING, Book, Order, Position, opposite
from tests.oracle.margin import kept_rate
from tests.oracle.numbers import on_grid, rounded


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
    side = value["type"].partition("_")[0]
    order = Order(book.next_ticket(), login, value["symbol"], value["type"], side, Fraction(value["volume"]))
    order.name, order.leverage, order.expires = value["as"], value["leverage"], value["expires"]
    order.price, order.limit_price = number(value["price"]), number(value["limit_price"])
    order.sl, order.tp = number(value["sl"]), number(value["tp"])
    order.reason, order.is_resting = value["by"], value["type"] in PENDING
    open_price = number(value["open_price"])
    code = checks.open_code(book, order, is_manager=is_manager, open_price=open_price)
    remember(book, order)
    if value["client_id"] is not None:
        book.client_ids[key] = order, code
    if code is not None:
        order.status, order.error = "failed", code
        return code
    submit(book, order, is_manager=is_manager, open_price=open_price)
    return None


def remember(book: Book, order: Order) -> None:
    book.orders.append(order)
    if order.name is not None:
        book.names[order.name] = order


def submit(book: Book, order: Order, *, is_manager: bool = False, open_price: Fraction | None = None) -> None:
    """Let a checked order rest, wait for a dealer, or execute."""
    symbol = book.symbols[order.symbol]
    if order.is_resting:
        order.requested = order.price
        book.resting.append(order)
        return
    # A netting order that counts as a close brings levels that nobody has checked.
    order.sl, order.tp = (
        one if one is None or on_grid(one, symbol.point) else None for one in (order.sl, order.tp)
    )
    market = book.open_price(order.login, symbol, order.side)
    order.requested = market if open_price is None else open_price
    if is_manager or book.executes_itself(order.login, symbol):
        trading.fill(book, order, order.requested)
    else:
        dealing.queue_order(book, order)


def close(book: Book, value: dict[str, Any]) -> str | None:
    """Close a position or a part of it."""
    login, volume, is_manager = value["login"], number(value["volume"]), value["by"] == "manager"
    position = book.position_named(value["position"])
    code = checks.close_code(book, position, login, volume, is_manager)
    order = _closing_order(book, login, position, value["as"])
    order.reason = value["by"]
    if code is not None:
        order.status, order.error = "failed", code
        return code
    symbol = book.symbols[position.symbol]
    order.volume = position.volume if volume is None else volume
    order.requested = book.close_price(login, symbol, position.side)
    if is_manager or book.executes_itself(login, symbol):
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
    login, levels = value["login"], (number(value["sl"]), number(value["tp"]))
    if value["position"] is not None:
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


def _set_levels(target: Order | Position, levels: tuple[Fraction | None, Fraction | None]) -> None:
    for key, level in zip(("sl", "tp"), levels, strict=True):
        if level is not None:
            setattr(target, key, level or None)


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


def expire(book: Book, *, is_day_end: bool = False) -> None:
    """Cancel the pending orders whose time has come."""
    for order in list(book.resting):
        is_over = isinstance(order.expires, int) and book.now_ms >= order.expires
        if is_over or (is_day_end and order.expires == "day"):
            trading.cancel(book, order, reason="expiration")


def day_end(book: Book) -> None:
    """Cancel day orders and accrue swaps; the day is that of the instant just before."""
    expire(book, is_day_end=True)
    weekday = (book.now_ms - 1) // 86_400_000 % 7  # 1970-01-01 was a Thursday
    for position in book.positions:
        symbol, group = book.symbols[position.symbol], book.group(position.login)
        times = symbol.swap_multipliers[(weekday + 3) % 7]
        if group.swap_free or symbol.swap_mode == "none" or symbol.bid is None:
            continue
        points = symbol.swap_long if position.side == "buy" else symbol.swap_short
        if symbol.swap_mode == "points":
            amount = points * symbol.point * symbol.contract_size * position.volume
        elif symbol.swap_mode == "money":
            amount = points * position.volume
        else:
            price = book.close_price(position.login, symbol, position.side)
            amount = position.volume * symbol.contract_size * price * points / 100 / 360
        converted = amount * kept_rate(book, position, amount < 0) * times
        position.swap += rounded(converted, book.digits(position.login))


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
