"""Loading a shard's book: rows to state to engine. There is no other way to start.

All rows are read in one REPEATABLE READ snapshot, kill switches and dealers as of the last batch included, and
the engine's invariants are checked before anything is done with it: a wrong book is worse than no book.
Promises: what is loaded equals what was in memory when the last batch was committed; an account whose rows cannot
be loaded, break an invariant or make the engine raise is left out (`State.unloaded`), and all others are there.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import structlog

from dealing import registry
from dealing.dealers import from_json
from dealing.ends import ENDS
from dealing.failpoints import failpoint, seam
from dealing.lease import Lease, allow_long
from dealing.loading import leave_out
from dealing.plugins import load_plugins
from engine.engine import Engine
from engine.enums import HaltLevel, HaltScope
from engine.events import HookFailed
from engine.records import Account, Order, Position, Request, SmartOrder
from engine.state import State

log = structlog.get_logger(__name__)
MOST_LEFT_OUT = 50  # accounts found by trying in one load
RECORDS = (Account, Position, Order, SmartOrder, Request)


@dataclass(slots=True)
class ShardBook:
    """A shard's engine and what goes with it."""

    engine: Engine
    state: State
    failures: list[HookFailed]  # of plugins, while they were loaded
    tick_books: list[registry.TickBook]
    row: dict[str, Any]  # of the shard, as of the snapshot
    tick_counts: dict[str, int] = field(default_factory=dict)
    wrong_accounts: dict[int, str] = field(default_factory=dict)


def load(
    lease: Lease, *, shards: int, frozen: dict[int, str] | None = None, wall_ms: int | None = None
) -> ShardBook:
    """Return the book of the lease's shard, without the accounts that cannot be loaded.

    wall_ms: the time of a clock that agrees with the database's; where an owner before us had a clock that was fast, the
    engine's time and its quotes' are brought back to it. None: the engine goes by its events alone.
    frozen: accounts to leave out whatever their rows say, and why.

    Raises:
        engine's InvariantError: the rows do not make a book, and it is no single account's fault.
        anything: they could not be read, or loading failed for a reason that lies in no account.
    """
    begun = time.monotonic()
    left_out = dict(frozen or {})
    suspects: set[int] = set()
    while True:
        book = _read(lease, shards, left_out)
        if wall_ms is not None:
            bring_back(book.state, wall_ms)
        try:
            seam("load")
            recovered = book.engine.recover()
            book.failures += [event for event in recovered if isinstance(event, HookFailed)]
            book.engine.check()
            break
        except ENDS:
            raise
        except BaseException as error:
            login = whose(error, book.state)
            if login is None or len(left_out) >= MOST_LEFT_OUT:
                raise
            log.exception("an account cannot be loaded", login=login)
            if login in suspects:
                left_out[login] = f"loading it raised {error!r}"
            suspects.add(login)
    failpoint("after_load")
    state = book.state
    log.info("book loaded", shard=lease.shard, epoch=lease.epoch, accounts=len(state.accounts),
             positions=len(state.positions), orders=len(state.orders), smarts=len(state.smarts),
             left_out=len(state.unloaded), seconds=round(time.monotonic() - begun, 3))  # fmt: skip
    return book


def _read(lease: Lease, shards: int, left_out: dict[int, str]) -> ShardBook:
    """Return the rows as an engine that is not armed yet."""
    state = State()
    shard = lease.shard
    with lease.conn.transaction():
        cursor = lease.conn.cursor()
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        allow_long(cursor)
        cursor.execute(
            "SELECT to_jsonb(s) FROM dealing_engineshard s WHERE shard = %s AND epoch = %s",
            (shard, lease.epoch),
        )
        newest = cursor.fetchone()
        row: dict[str, Any] = newest[0] if newest else dict(lease.row)
        state.next_order = row["next_order"]
        state.next_deal = row["next_deal"]
        state.next_request = row["next_request"]
        state.now_ms = row["clock_ms"]
        state.dealers = from_json(row["dealers"])
        state.day_end_ms = row["day_end_ms"]
        for _, store in registry.STORES:
            store.load(cursor, state, shard=shard, shards=shards)
        failpoint("in_recovery")
        _load_halts(cursor, state, shard)
        state.plugin_states = _plugin_states(cursor, shard)
        cursor.execute("SELECT cause, ticks FROM dealing_tickcount WHERE shard = %s", (shard,))
        counts = dict(cursor.fetchall())
        tick_books = [factory(state) for factory in registry.TICK_BOOKS] if shard == 0 else []
        for book in tick_books:
            book.load(cursor)
        wrong: dict[int, str] = {}
        for check in registry.CHECKS:
            wrong.update(check(cursor, shard, shards))
    leave_out(state, left_out)
    registrations, failures = load_plugins()
    engine = Engine(state, registrations, shard=shard, shards=shards)
    return ShardBook(engine, state, failures, tick_books, row, counts, wrong)


def bring_back(state: State, wall_ms: int) -> None:
    """Set the engine's time, and that of quotes, to now where they are ahead of it.

    Time goes back only here, at the lease and before anything happens: what was done stays done at the time that it
    was given, and nothing waits until the clock has come as far.
    """
    ahead_ms = max([state.now_ms, *(quote.time_ms for quote in state.quotes.values())]) - wall_ms
    if ahead_ms <= 0:
        return
    log.warning("the engine's time was ahead, it is brought back", seconds=ahead_ms / 1000)
    state.now_ms = min(state.now_ms, wall_ms)
    for quote in state.quotes.values():
        quote.time_ms = min(quote.time_ms, wall_ms)


def whose(error: BaseException, state: State) -> int | None:
    """Return the account that was in hand where an exception was raised, None where none can be named.

    It is a hint, found in the local variables of the innermost function of ours that held a record of an account;
    who uses it tries whether things go well without that account.
    """
    account: int | None = None
    trace = error.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, RECORDS) and value.login in state.accounts:
                account = value.login
        login = trace.tb_frame.f_locals.get("login")
        if isinstance(login, int) and login in state.accounts:
            account = login
        trace = trace.tb_next
    return account


def _plugin_states(cursor: Any, shard: int) -> dict[str, dict[str, Any]]:
    """Return what plugins remember; what cannot be read is that plugin's loss."""
    cursor.execute("SELECT name, state::text FROM dealing_pluginstate WHERE shard = %s", (shard,))
    memories: dict[str, dict[str, Any]] = {}
    for name, text in cursor.fetchall():
        try:
            memories[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            log.error("the memory of a plugin cannot be read", plugin=name, error=repr(error))
    return memories


def _load_halts(cursor: Any, state: State, shard: int) -> None:
    """Set the kill switches as the shard obeyed them last; settings rows do not carry them."""
    for symbol in state.symbols.values():
        symbol.halt = HaltLevel.NORMAL
    for group in state.groups.values():
        group.halt = HaltLevel.NORMAL
    cursor.execute("SELECT scope, key, level FROM dealing_halt WHERE shard = %s", (shard,))
    for scope, key, level in cursor.fetchall():
        if scope == HaltScope.SERVER:
            state.server_halt = level
        elif scope == HaltScope.GROUP and key in state.groups:
            state.groups[key].halt = HaltLevel(level)
        elif scope == HaltScope.SYMBOL and key in state.symbols:
            state.symbols[key].halt = HaltLevel(level)
