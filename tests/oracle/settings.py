"""Which changes of settings are refused, and what a change of the server's clock does (rules 2.3, 7.5, 10.4)."""

from __future__ import annotations

from typing import Any

from tests.oracle import days
from tests.oracle.book import Account, Book, Group, Symbol


def may_be_saved(book: Book, record: Symbol | Group | Account, values: dict[str, Any]) -> bool:
    """Return whether a change of a symbol, a group or an account may be saved."""
    if isinstance(record, Symbol):
        held = any(position.symbol == record.name for position in book.positions)
        waits = any(order.symbol == record.name for order in book.orders if order.status == "pending")
        if values.get("digits", record.digits) != record.digits and (held or waits):
            return False
        return not held or values.get("calc_mode", record.calc_mode) == record.calc_mode
    if isinstance(record, Group):
        return _spreads_fit(book, record, values)
    return True


def _spreads_fit(book: Book, group: Group, values: dict[str, Any]) -> bool:
    """Return whether half of every spread that changes is below the last bid of its symbols."""
    changed = Group({**vars(group), **values})
    for symbol in book.symbols.values():
        diff = book.setting(changed, symbol, "spread_diff")
        if symbol.bid is None or symbol.allow_negative or diff == book.setting(group, symbol, "spread_diff"):
            continue
        if diff // 2 * symbol.point >= symbol.bid:
            return False
    return True


def change_server(book: Book, values: dict[str, Any]) -> str | None:
    """Change the server's clock: the next day end is the first after now by the new one."""
    if not _is_clock({**book.server, **values}):
        return "invalid_setting"
    book.server.update(values)
    book.day_end_ms = days.next_end(book, book.now_ms)
    return None


def _is_clock(server: dict[str, str]) -> bool:
    """Return whether a zone is one and a day end a time of the day."""
    hour, _, minute = server["day_end"].partition(":")
    is_time = len(server["day_end"]) == 5 and hour.isdecimal() and minute.isdecimal()
    if not is_time or int(hour) > 23 or int(minute) > 59:
        return False
    try:
        days.zone(server["time_zone"])
    except (KeyError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
