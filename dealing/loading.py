"""Reading rows so that one bad row costs its account, or the symbol or group that it describes, and nobody else.

Rows are read together, and one by one where that fails; a row that cannot be read or made a record is noted in
`State.unloaded` under its account (`State.unloaded_settings` under its symbol or group). `leave_out` then takes
everything of such accounts out of the state, and of those that depend on a symbol or group that is missing: they
are frozen, because half an account has neither a margin nor an equity. It judges no trading rule.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.db import models

from dealing.columns import Cursor, json_of
from dealing.ends import ENDS
from dealing.failpoints import seam
from engine.invariants import InvariantError, faults
from engine.state import State

log = structlog.get_logger(__name__)


def error_text(error: BaseException) -> str:
    """Return what was raised, as it is shown."""
    return repr(error)[:500]


def load_each(
    cursor: Cursor,
    state: State,
    *,
    table: str,
    columns: Sequence[str],
    where: str,
    params: tuple[Any, ...],
    order_by: str,
    take: Callable[[Any], None],
) -> None:
    """Read rows in order and hand each to `take`; one that fails freezes the account in its column `login`.

    table: a table, or a query in brackets with a name.
    """
    names = ", ".join(f'"{column}"' for column in columns)
    source = f"FROM {table} WHERE {where} ORDER BY {order_by}"
    cursor.execute(f"SELECT {names} {source}", params)
    rows, unread = fetch_each(cursor)
    owner = list(columns).index("login")
    for row in rows:
        try:
            seam("load")
            take(row)
        except ENDS:
            raise
        except BaseException as first:  # noqa: BLE001 - whatever it is, it is this row's
            _take_again(state, table, row, owner, take, first)
    for place, why in unread:
        cursor.execute(f"SELECT login {source} OFFSET %s LIMIT 1", (*params, place))
        found = cursor.fetchone()
        if found is not None:
            note(state, int(found[0]), f"a row of {table} cannot be read: {why}")


def _take_again(
    state: State, table: str, row: Any, owner: int, take: Callable[[Any], None], first: BaseException
) -> None:
    """Try a row that failed once more; it is blamed for what it does twice."""
    log.warning("a row failed", table=table, error=error_text(first))
    try:
        take(row)
    except ENDS:
        raise
    except BaseException as error:  # noqa: BLE001 - as above
        note(state, int(row[owner]), f"row {row[0]} of {table} cannot be loaded: {error_text(error)}")


def note(state: State, login: int, why: str) -> None:
    """Note that an account cannot be loaded; the first reason is kept."""
    state.unloaded.setdefault(login, why)


def fetch_each(cursor: Any) -> tuple[list[Any], list[tuple[int, str]]]:
    """Return the rows of a statement, and the places and reasons of those that the driver cannot read.

    A date beyond what Python has, or an endless number, makes the driver raise for all rows that are read with it.
    """
    try:
        return cursor.fetchall(), []
    except ENDS:
        raise
    except BaseException as error:
        if cursor.connection.closed:
            raise
        log.warning("rows cannot be read together", error=error_text(error))
    rows: list[Any] = []
    unread: list[tuple[int, str]] = []
    for place in range(cursor.rowcount):
        try:
            cursor.scroll(place, mode="absolute")
            rows.append(cursor.fetchone())
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - it is this row's
            unread.append((place, error_text(error)))
    return rows, unread


def load_settings(
    cursor: Cursor, state: State, model: type[models.Model], *, key: str, kind: str, order_by: str
) -> list[Any]:
    """Return the rows of settings that can be read; the others are noted under `kind` and the value of `key`."""
    columns = model._meta.concrete_fields
    names = ", ".join(f'"{f.column}"' for f in columns)
    table = model._meta.db_table
    cursor.execute(f'SELECT {names} FROM "{table}" ORDER BY {order_by}')
    rows, unread = fetch_each(cursor)
    is_json = [isinstance(f, models.JSONField) for f in columns]
    place_of_key = [f.column for f in columns].index(key)
    found = []
    for row in rows:
        try:
            values = zip(columns, row, is_json, strict=True)
            found.append(model(**{f.attname: json_of(v) if j else v for f, v, j in values}))
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - it is this row's
            note_settings(state, kind, str(row[place_of_key]), error_text(error))
    for place, why in unread:
        cursor.execute(f'SELECT "{key}" FROM "{table}" ORDER BY {order_by} OFFSET %s LIMIT 1', (place,))
        name = cursor.fetchone()
        if name is not None:
            note_settings(state, kind, str(name[0]), why)
    return found


def note_settings(state: State, kind: str, key: str, why: str) -> None:
    """Note that a symbol or group cannot be loaded; the first reason is kept."""
    state.unloaded_settings.setdefault((kind, key), f"{kind} {key} cannot be loaded: {why}")


def make_each(
    state: State, kind: str, rows: Sequence[Any], name_of: Callable[[Any], str], make: Callable[[Any], None]
) -> None:
    """Hand each row of settings to `make`; one that fails twice is noted under its name."""
    for row in rows:
        name = name_of(row)
        if (kind, name) in state.unloaded_settings:
            continue
        for last in (False, True):
            try:
                make(row)
                break
            except ENDS:
                raise
            except BaseException as error:  # noqa: BLE001 - it is this row's
                if last:
                    note_settings(state, kind, name, error_text(error))


def leave_out(state: State, frozen: dict[int, str]) -> None:
    """Take out of the state whatever belongs to accounts that cannot be loaded, and to those that depend on it.

    frozen: accounts that are to be left out whatever their rows say, and why.

    Raises:
        engine's InvariantError: something is wrong that belongs to no account.
    """
    for login, why in frozen.items():
        note(state, login, why)
    for (kind, key), why in state.unloaded_settings.items():
        if kind in ("symbol", "group"):
            known: dict[str, Any] = state.symbols if kind == "symbol" else state.groups
            known.pop(key, None)
        log.error("settings cannot be loaded", kind=kind, key=key, why=why)
    for account in state.accounts.values():
        if account.group not in state.groups:
            note(state, account.login, f"its group {account.group} is not there")
    _take_out(state)
    state.index()
    for login, why in faults(state):
        if not login:
            raise InvariantError(why)
        note(state, login, why)
    _take_out(state)


def _take_out(state: State) -> None:
    """Remove all records of accounts that are noted, or that are not there at all."""
    kinds: list[dict[int, Any]] = [
        state.positions, state.orders, state.smarts, state.requests, state.offers,
    ]  # fmt: skip
    for records in kinds:
        for number, record in records.items():
            login = record.login
            if login not in state.accounts:
                note(state, login, "it has no account")
            elif record.symbol not in state.symbols:
                note(state, login, f"the symbol {record.symbol} of its number {number} is not there")
    for login in state.unloaded:
        state.accounts.pop(login, None)
    for records in kinds:
        for number in [number for number, record in records.items() if record.login in state.unloaded]:
            del records[number]
