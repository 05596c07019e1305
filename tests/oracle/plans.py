"""Creating, changing and cancelling smart orders (rules sections 9 and 11)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

from tests.oracle import checks, orders, smart, trading
from tests.oracle.book import Book, Level, Order, Position, Smart, Symbol, level_after, read_level
from tests.oracle.numbers import rounded
from tests.oracle.order_types import ORDER_TYPES

TIERS = ("FREE", "PRO", "ENTERPRISE")


def create(book: Book, value: dict[str, Any]) -> str | None:
    """Create a smart order: its entry is placed, or a position taken over."""
    login, kind, symbol_name = value["login"], value["entry"]["type"], value["symbol"]
    if value["as"] is not None:
        book.plan_logins[value["as"]] = login
    volume, price = Fraction(value["volume"]), orders.number(value["entry"]["price"])
    plan = Smart(
        value["as"], login, symbol_name, value["side"], volume, [],
        level_after(None, read_level(book.symbols.get(symbol_name), value["stop_loss"])),
        None, None, None, volume,
    )  # fmt: skip
    if value["trailing"] is not None:
        plan.callback = Fraction(value["trailing"]["callback"])
        plan.activation = orders.number(value["trailing"]["activation"])
    if value["break_even"] is not None:
        plan.offset = value["break_even"]["offset"]
    entry_type = value["side"] if kind in ("market", "position") else f"{value['side']}_{kind}"
    order = Order(0, login, symbol_name, entry_type, value["side"], volume, value["as"], price)
    order.is_resting, order.smart, order.reason = (
        kind != "position" and ORDER_TYPES[entry_type].rests,
        plan,
        "smart_order",
    )
    position = book.position_named(value["entry"]["position"]) if kind == "position" else None
    if kind == "position":
        code = _takeover_code(book, plan, position, value["take_profits"])
    else:
        code = _entry_code(book, plan, order, value["take_profits"])
    if code is not None:
        return code
    book.smart.append(plan)
    book.touched.add(id(plan))  # its first version covers all of its creation
    if position is not None:
        smart.entered(book, plan, position, position.open_price)
        return None
    order.ticket = book.next_ticket()
    plan.order = order
    orders.remember(book, order)
    return orders.submit(book, order)


def _entry_code(book: Book, plan: Smart, order: Order, levels: list[dict[str, str]]) -> str | None:
    """Return why a plan with an entry of its own is refused, or None."""
    account = book.accounts[plan.login]
    code = checks.account_code(account)
    if code:
        return code
    if account.close_only:
        return "close_only"
    if TIERS.index(account.tier) < TIERS.index("PRO"):
        return "subscription_required"
    if plan.symbol not in book.symbols:
        return "symbol_not_found"
    symbol = book.symbols[plan.symbol]
    code = checks.trade_mode_code(symbol, plan.side)
    if code:
        return code
    if not checks.in_session(book, symbol):
        return "market_closed"
    if symbol.bid is None or (not order.is_resting and not book.is_fresh(symbol)):
        return "off_quotes"
    if not order.is_resting and not checks.has_rates(book, order):
        return "off_quotes"
    if not checks.volume_is_valid(symbol, plan.volume):
        return "invalid_volume"
    if order.is_resting:
        if not checks.pending_price_is_valid(book, order, order.price, None, symbol.stops_level):
            return "invalid_price"
        reference = entry = order.price
    else:
        reference = book.close_price(plan.login, symbol, plan.side)
        entry = book.open_price(plan.login, symbol, plan.side)
    code = _plan_code(book, plan, levels, reference, entry)
    return code or checks.limits_code(book, order)


def _takeover_code(
    book: Book, plan: Smart, position: Position | None, levels: list[dict[str, str]]
) -> str | None:
    """Return why a position cannot be taken over, or None."""
    account = book.accounts[plan.login]
    code = checks.account_code(account)
    if code:
        return code
    if TIERS.index(account.tier) < TIERS.index("PRO"):
        return "subscription_required"
    if plan.symbol not in book.symbols:
        return "symbol_not_found"
    if position is None or position not in book.positions or position.login != plan.login:
        return "position_not_found"
    if (position.symbol, position.side) != (plan.symbol, plan.side):
        return "position_not_found"
    if position.smart is not None:
        return "managed_by_smart_order"
    symbol = book.symbols[plan.symbol]
    if not checks.in_session(book, symbol):
        return "market_closed"
    if position.volume != plan.volume:
        return "invalid_volume"
    reference = book.close_price(plan.login, symbol, plan.side)
    return _plan_code(book, plan, levels, reference, position.open_price)


def _plan_code(
    book: Book, plan: Smart, levels: list[dict[str, str]], reference: Fraction, entry: Fraction
) -> str | None:
    """Return why the exits are refused, or None after the plan has its levels."""
    symbol = book.symbols[plan.symbol]
    prices = [Fraction(level["price"]) for level in levels]
    if not checks.stops_are_valid(symbol, plan.side, (plan.stop_loss, None), reference, symbol.stops_level):
        return "invalid_stops"
    if not all(checks.is_beyond(symbol, plan.side, one, reference, symbol.stops_level) for one in prices):
        return "invalid_stops"
    if plan.activation is not None and not checks.is_beyond(symbol, plan.side, plan.activation, reference, 0):
        return "invalid_stops"
    entry = rounded(entry, symbol.digits)
    trail = None
    if plan.callback is not None and (plan.activation is None or smart.is_at(plan, entry)):
        trail = smart.trailed(book, plan, entry)
    if _is_reached(plan, reference, plan.stop_loss, trail):
        return "invalid_stops"
    if plan.offset is not None and prices and not _even_fits(symbol, plan, entry, plan.offset, prices[0]):
        return "invalid_stops"
    percents = [Fraction(level["percent"]) for level in levels]
    has_stop = plan.stop_loss is not None or plan.callback is not None
    if len(levels) > 20 or sum(percents) > 100 or not _has_exits(levels, sum(percents), has_stop):
        return "invalid_levels"
    sign = 1 if plan.side == "buy" else -1
    if any((later - nearer) * sign <= 0 for nearer, later in pairwise(prices)):
        return "invalid_levels"
    step = symbol.volume_step
    volumes = [floor(plan.volume * percent / 100 / step) * step for percent in percents]
    if volumes and sum(percents) == 100:
        volumes[-1] = plan.volume - sum(volumes[:-1])
    if any(volume < symbol.volume_min for volume in volumes):
        return "invalid_levels"
    plan.levels = [Level(price, volume) for price, volume in zip(prices, volumes, strict=True)]
    return None


def _is_reached(plan: Smart, reference: Fraction, *stops: Fraction | None) -> bool:
    """Return whether the tightest of some stops is reached at a close price."""
    known = [stop for stop in stops if stop is not None]
    if not known:
        return False
    return reference <= max(known) if plan.side == "buy" else reference >= min(known)


def _even_fits(symbol: Symbol, plan: Smart, entry: Fraction, offset: int, first: Fraction) -> bool:
    """Return whether break-even stays on the losing side of level 1."""
    away = offset * symbol.point
    return entry + away < first if plan.side == "buy" else entry - away > first


def _has_exits(levels: list[Any], total: Fraction | int, has_stop: bool) -> bool:
    return has_stop or (bool(levels) and total == 100)


def _standing(book: Book, name: str) -> tuple[str | None, Smart | None]:
    """Return the plan of that name, or why it cannot be changed: its account, or that it is not there."""
    code = checks.account_code(book.accounts[book.plan_logins[name]])
    plan = next((one for one in book.smart if one.name == name), None)
    if code is None and (plan is None or not plan.is_open):
        code = "smart_not_found"
    return code, plan


def modify(book: Book, name: str, value: dict[str, Any]) -> str | None:
    """Change stop loss, callback rate or break-even; what is not named stays."""
    code, plan = _standing(book, name)
    if code is not None or plan is None:
        return code
    if "version" in value and value["version"] != plan.version:
        return "conflict"
    symbol, reference = book.symbols[plan.symbol], _reference(book, plan)
    stop = level_after(plan.stop_loss, read_level(symbol, value.get("stop_loss")))
    given = (stop if "stop_loss" in value else None, None)
    if not checks.stops_are_valid(symbol, plan.side, given, reference, symbol.stops_level):
        return "invalid_stops"
    callback = Fraction(value["callback"]) if "callback" in value else plan.callback
    offset = plan.offset
    if "break_even" in value:
        offset = None if value["break_even"] is None else value["break_even"]["offset"]
    has_stop = any(one is not None for one in (stop, callback, plan.trail_stop, plan.even_stop))
    covered = sum(level.volume for level in plan.levels if level.status == "PENDING")
    if not has_stop and covered < plan.remaining:
        return "invalid_levels"
    return _change(book, plan, stop, callback, offset, judges_even="break_even" in value)


def _change(
    book: Book, plan: Smart, stop: Fraction | None, callback: Fraction | None, offset: int | None,
    *, judges_even: bool,
) -> str | None:  # fmt: skip
    """Give a plan its new stop loss, callback rate and break-even, unless that is nothing new or reached already."""
    symbol, reference = book.symbols[plan.symbol], _reference(book, plan)
    before = (plan.stop_loss, plan.callback, plan.offset)
    saved = dict(vars(plan))
    plan.stop_loss = stop
    if callback != plan.callback:
        _set_callback(book, plan, callback)
    plan.offset = offset
    smart.move_to_even(book, plan)
    if (stop, callback, offset) == before and plan.even_stop == saved["even_stop"]:
        vars(plan).update(saved)
        return None
    entry = rounded(reference if plan.entry_price is None else plan.entry_price, symbol.digits)
    first = plan.levels[0].price if plan.levels else None
    beyond = (
        judges_even and offset is not None and first is not None
        and not _even_fits(symbol, plan, entry, offset, first)
    )  # fmt: skip
    if beyond or _is_reached(plan, reference, plan.stop_loss, plan.trail_stop, plan.even_stop):
        vars(plan).update(saved)
        return "invalid_stops"
    smart.show_stop(plan)
    smart.touch(book, plan)
    return None


def _reference(book: Book, plan: Smart) -> Fraction:
    """Return what the stop is measured from: the entry's price while it waits, else the close price."""
    if plan.state == "PENDING" and plan.order.is_resting:
        return plan.order.price
    return book.close_price(plan.login, book.symbols[plan.symbol], plan.side)


def _set_callback(book: Book, plan: Smart, callback: Fraction) -> None:
    is_new = plan.callback is None
    plan.callback = callback
    if plan.state == "PENDING":
        return
    if is_new:
        plan.mark = rounded(plan.entry_price, book.symbols[plan.symbol].digits)
        plan.is_trailing = plan.activation is None or smart.is_at(plan, plan.mark)
    smart.tighten_trail(book, plan)


def cancel(book: Book, name: str) -> str | None:
    """End a plan by hand: its entry is cancelled, or its position stays open, unmanaged."""
    code, plan = _standing(book, name)
    if code is not None or plan is None:
        return code
    order = plan.order
    if plan.state != "PENDING":
        smart.end(book, plan, "CANCELLED")
    elif order.is_resting:
        trading.cancel(book, order)
    else:
        book.requests = [r for r in book.requests if r.order is not order]
        order.status = "canceled"
        smart.end(book, plan, "CANCELLED")
    return None
