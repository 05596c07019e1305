"""Loading a shard's book: rows to state to engine. There is no other way to start.

All rows are read in one REPEATABLE READ snapshot, kill switches and dealers as of the last batch included, and
the engine's invariants are checked before anything is done with it: a wrong book is worse than no book.
Promises: what is loaded equals what was in memory when the last batch was committed.
"""

from dataclasses import dataclass, field
from typing import Any

import structlog

from dealing import registry
from dealing.failpoints import failpoint
from dealing.lease import Lease, allow_long
from dealing.plugins import load_plugins
from engine.engine import Engine
from engine.enums import HaltLevel, HaltScope
from engine.events import HookFailed
from engine.state import State

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Book:
    """A shard's engine and what goes with it."""

    engine: Engine
    state: State
    failures: list[HookFailed]  # of plugins, while they were loaded
    tick_books: list[registry.TickBook]
    row: dict[str, Any]  # of the shard, as of the snapshot
    tick_counts: dict[str, int] = field(default_factory=dict)
    wrong_accounts: dict[int, str] = field(default_factory=dict)


def load(lease: Lease, *, shards: int) -> Book:
    """Return the book of the lease's shard.

    Raises:
        engine's InvariantError: the rows do not make a book.
        psycopg.Error: they could not be read.
    """
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
        found = cursor.fetchone()
        row: dict[str, Any] = found[0] if found else dict(lease.row)
        state.next_order = row["next_order"]
        state.next_deal = row["next_deal"]
        state.next_request = row["next_request"]
        state.now_ms = row["clock_ms"]
        state.dealers = set(row["dealers"])
        for _, store in registry.STORES:
            store.load(cursor, state, shard=shard, shards=shards)
        failpoint("in_recovery")
        _load_halts(cursor, state, shard)
        cursor.execute("SELECT name, state FROM dealing_pluginstate WHERE shard = %s", (shard,))
        state.plugin_states = dict(cursor.fetchall())
        cursor.execute("SELECT cause, ticks FROM dealing_tickcount WHERE shard = %s", (shard,))
        counts = dict(cursor.fetchall())
        tick_books = [factory() for factory in registry.TICK_BOOKS] if shard == 0 else []
        for book in tick_books:
            book.load(cursor, {name: symbol.digits for name, symbol in state.symbols.items()})
        wrong: dict[int, str] = {}
        for check in registry.CHECKS:
            wrong.update(check(cursor, shard, shards))
    registrations, failures = load_plugins()
    engine = Engine(state, registrations, shard=shard, shards=shards)
    failures += [event for event in engine.recover() if isinstance(event, HookFailed)]
    engine.check()
    failpoint("after_load")
    log.info("book loaded", shard=shard, epoch=lease.epoch, accounts=len(state.accounts),
             positions=len(state.positions), orders=len(state.orders), smarts=len(state.smarts))  # fmt: skip
    return Book(engine, state, failures, tick_books, row, counts, wrong)


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
