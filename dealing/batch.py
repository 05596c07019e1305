"""One batch: what was computed, and the one transaction that writes it.

The first statement is the fence: it updates the shard's row on condition of the epoch, moves the tick cursor and
brings back what every batch must obey. Then the apps' stores, the journal's outcomes, the outbox and the batch's
own row follow, each in one statement. Promises: all of it or nothing; a stale epoch writes nothing.
It does not compute trades and it does not retry: whatever it raises, memory is worth nothing afterwards.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from django.conf import settings

from dealing import clock, registry
from dealing.changes import Changes
from dealing.choices import ItemKind
from dealing.columns import copy_rows, decimal_text
from dealing.dealers import to_json
from dealing.ends import ENDS
from dealing.failpoints import failpoint, seam
from dealing.inputs import Inputs
from dealing.items import Item, JournalRow, key_of
from dealing.journal import clean
from dealing.lease import ClockLost, Lease, LeaseLost, allow_long
from dealing.ticks import Tick
from engine.events import AgentCommissionDue, CommandDone
from engine.settings import currency_digits
from engine.state import State
from engine.tickets import shard_of

log = structlog.get_logger(__name__)
LARGE_ROWS = 5_000
RAW_KEPT, ERROR_KEPT = 100_000, 8_000  # characters of what is put aside, and of why
_FENCE = f"""
UPDATE dealing_engineshard s
SET seq = s.seq + 1, heartbeat_at = clock_timestamp(), quiet_until = NULL, tick_cursor = %s, tick_offset = %s, next_order = %s,
    next_deal = %s, next_request = %s, published = %s, clock_ms = %s, day_end_ms = %s, dealers = %s::jsonb,
    clock_skew_ms = %s
FROM dealing_enginecontrol c
WHERE c.id = 1 AND s.shard = %s AND s.epoch = %s AND c.shards = %s
RETURNING s.seq, s.drain_requested, c.halt_level, {clock.DATABASE_MS}
"""
_BEAT = f"""
UPDATE dealing_engineshard s SET heartbeat_at = clock_timestamp(), published = %s, clock_skew_ms = %s,
    quiet_until = clock_timestamp() + make_interval(secs => nullif(%s, 0))
FROM dealing_enginecontrol c WHERE c.id = 1 AND s.shard = %s AND s.epoch = %s AND c.shards = %s
RETURNING s.seq, s.drain_requested, c.halt_level, {clock.DATABASE_MS}
"""
_BOOK_COMMISSION = """
INSERT INTO dealing_command (shard, login, name, payload, client_key, ticket, smart, actor, status, code,
                             message, created_at)
SELECT shard, login, 'BookAgentCommission', payload::jsonb, key, 0, 0, '', 'pending', '', '',
       clock_timestamp()
FROM unnest(%s::smallint[], %s::bigint[], %s::text[], %s::text[]) AS t(shard, login, payload, key)
ON CONFLICT (login, client_key) WHERE client_key IS NOT NULL DO NOTHING
"""
_PUT_ASIDE = """
INSERT INTO dealing_poisonitem (shard, kind, reference, raw, error, at)
SELECT t.*, clock_timestamp()
FROM (SELECT %(shard)s::smallint AS shard, %(kind)s::varchar AS kind, %(reference)s::varchar AS reference,
             %(raw)s::text AS raw, %(error)s::text AS error) AS t
WHERE NOT EXISTS (SELECT 1 FROM dealing_poisonitem p
                  WHERE (p.shard, p.kind, p.reference, p.raw) = (t.shard, t.kind, t.reference, t.raw))
"""
#: Failpoints that stand behind an app's rows.
_AFTER_STORE = {"orders": "after_orders", "positions": "after_deals", "accounts": "after_ledger"}


class HaltTurned(Exception):
    """The server's kill switch was turned while the batch was computed; it must be computed anew."""


@dataclass(slots=True)
class CommandResult:
    """The outcome of one journal row."""

    command_id: int
    done: CommandDone


@dataclass(slots=True)
class Batch:
    """What one transaction is going to write."""

    changes: Changes
    cursor: str
    offset: int
    started: float = field(default_factory=time.monotonic)
    first_tick: str = ""
    last_tick: str = ""
    ticks: int = 0
    items: list[Item] = field(default_factory=list)
    inputs: Inputs = field(default_factory=Inputs)
    answers: list[CommandResult] = field(default_factory=list)
    freeze: list[int] = field(default_factory=list)  # accounts that are left out, to be shown as halted
    poison: list[tuple[str, str, str, str]] = field(default_factory=list)  # kind, reference, raw, error

    def take_tick(self, tick: Tick) -> None:
        """Move the place in the stream behind a tick."""
        if not self.ticks:
            self.first_tick = tick.place
        self.last_tick = tick.place
        self.ticks += 1
        if tick.is_last:
            self.cursor, self.offset = tick.entry, 0
        else:
            self.offset = tick.line + 1

    def put_aside(self, kind: ItemKind, reference: str, raw: str, error: str) -> None:
        """Keep what could not be processed, in its raw form as far as a row can hold it."""
        self.poison.append((kind.value, reference[:60], clean(raw)[:RAW_KEPT], clean(error)[-ERROR_KEPT:]))

    @property
    def is_large(self) -> bool:
        """Return whether writing it may take longer than a desk may be silent."""
        changes = self.changes
        return len(changes.outbox) + len(changes.orders) + len(changes.deals) > LARGE_ROWS

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was consumed and nothing happened."""
        return not (self.ticks or self.answers or self.poison or self.changes.dirty)


@dataclass(slots=True, frozen=True)
class Committed:
    """What the fence brought back, and the last outbox row written (0: none)."""

    seq: int
    drain_requested: bool
    outbox_id: int


def answer_json(done: CommandDone) -> dict[str, Any]:
    """Return an outcome as journal rows and replies show it, code and message left out."""
    reply: dict[str, Any] = {"ticket": done.ticket}
    if done.level:
        reply["level"] = done.level
    if done.data is not None:
        reply["data"] = done.data
    return reply


def commit(
    lease: Lease,
    batch: Batch,
    state: State,
    *,
    published: int,
    books: Sequence[Any],
    state_hash: str = "",
    also: Callable[["psycopg.Cursor[Any]"], None] | None = None,
    obeys_halt: bool = True,
) -> Committed:
    """Write a batch in one transaction.

    also: what else is written in it, behind the fence.
    obeys_halt: false where the batch trades nothing, so that no kill switch has a say in it.

    Raises:
        LeaseLost: somebody else has the shard; nothing was written.
        HaltTurned: the kill switch differs from what was computed with; nothing was written.
        ClockLost: our clock is too far from the database's; nothing was written.
        anything: a row could not be made or was refused, or the connection broke; whether it was written is
            then unknown.
    """
    changes = batch.changes
    committed: Committed | None = None
    keys = [key_of(item) for item in batch.items]
    failpoint("before_fence")
    with lease.conn.transaction():
        cursor = lease.conn.cursor()
        dealers = json.dumps(to_json(state.dealers))
        asked_ms = clock.wall_ms()
        cursor.execute(
            _FENCE,
            (
                batch.cursor, batch.offset, state.next_order, state.next_deal, state.next_request, published,
                state.now_ms, state.day_end_ms, dealers, lease.skew_ms, lease.shard, lease.epoch, lease.shards,
            ),
        )  # fmt: skip
        row = cursor.fetchone()
        if row is None:
            raise LeaseLost(f"shard {lease.shard}: epoch {lease.epoch} is over")
        seq, drain_requested, halt_level, database_ms = row
        _hold_clock(lease, asked_ms, database_ms)
        failpoint("after_fence")
        if obeys_halt and halt_level != state.server_halt:
            raise HaltTurned(halt_level)
        if batch.is_large:
            allow_long(cursor)
        seam("columns", keys)
        for name, store in registry.STORES:
            store.record(cursor, changes)
            if name in _AFTER_STORE:
                failpoint(_AFTER_STORE[name])
        for book in books:
            book.write(cursor)
        if also is not None:
            also(cursor)
        _write_answers(cursor, batch)
        _write_desk_rows(cursor, lease.shard, batch)
        seam("copy", keys)
        outbox_id = _write_outbox(cursor, lease.shard, changes)
        _write_batch_row(cursor, lease, batch, seq, state_hash)
        failpoint("before_commit")
        seam("write", keys)
        committed = Committed(seq, drain_requested, outbox_id)
    lease.seq = seq
    failpoint("after_commit")
    if committed is None:
        raise RuntimeError("the transaction was rolled back by what was raised in it")
    return committed


def _write_batch_row(
    cursor: "psycopg.Cursor[Any]", lease: Lease, batch: Batch, seq: int, state_hash: str
) -> None:
    changes = batch.changes
    cursor.execute(
        "INSERT INTO dealing_enginebatch (shard, seq, epoch, first_tick, last_tick, ticks, refused, commands,"
        " deals, state_hash, inputs, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())",
        (
            lease.shard, seq, lease.epoch, batch.first_tick, batch.last_tick, batch.ticks,
            json.dumps(changes.refused), len(batch.answers), len(changes.deals), state_hash,
            batch.inputs.packed() if settings.DESK_DAYS_KEPT else None,
        ),
    )  # fmt: skip


def beat(lease: Lease, *, published: int, ahead_s: int = 0) -> tuple[bool, str]:
    """Show that we live, and return whether to drain and the server's kill switch.

    `ahead_s`: for how long our silence is to mean nothing, because something long begins.

    Raises:
        LeaseLost: somebody else has the shard.
        ClockLost: our clock is too far from the database's.
    """
    asked_ms = clock.wall_ms()
    row = lease.conn.execute(
        _BEAT, (published, lease.skew_ms, ahead_s, lease.shard, lease.epoch, lease.shards)
    ).fetchone()
    if row is None:
        raise LeaseLost(f"shard {lease.shard}: epoch {lease.epoch} is over")
    _hold_clock(lease, asked_ms, row[3])
    return row[1], row[2]


def _hold_clock(lease: Lease, asked_ms: int, database_ms: int) -> None:
    """Hold our clock against the database's, and keep how far it is off: the next statement writes it down.

    Raises:
        ClockLost: it is more than is allowed.
    """
    try:
        lease.skew_ms = clock.judged(asked_ms, database_ms)
    except clock.ClockWrong as wrong:
        lease.skew_ms = wrong.skew_ms
        raise ClockLost(str(wrong)) from wrong


def _write_answers(cursor: "psycopg.Cursor[Any]", batch: Batch) -> None:
    """Write the outcome of every command, all of which must still be pending."""
    if not batch.answers:
        return
    answers = batch.answers
    cursor.execute(
        "UPDATE dealing_command c SET status = 'done', code = t.code, message = t.message,"
        " result = t.result::jsonb, done_at = clock_timestamp()"
        " FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS t(id, code, message, result)"
        " WHERE c.id = t.id AND c.status = 'pending'",
        (
            [a.command_id for a in answers],
            [str(a.done.code) for a in answers],
            [clean(a.done.message) for a in answers],
            [json.dumps(answer_json(a.done)) for a in answers],
        ),
    )
    if cursor.rowcount != len(answers):
        raise LeaseLost(f"{len(answers)} commands were answered, {cursor.rowcount} of them were pending")


def _write_desk_rows(cursor: "psycopg.Cursor[Any]", shard: int, batch: Batch) -> None:
    """Write what belongs to the desk itself: counts, plugins, kill switches, poison, other shards' commands."""
    changes = batch.changes
    counts = {**changes.refused}
    if changes.accepted_ticks:
        counts["accepted"] = changes.accepted_ticks
    if counts:
        cursor.execute(
            "INSERT INTO dealing_tickcount AS c (shard, cause, ticks)"
            " SELECT %s, * FROM unnest(%s::text[], %s::bigint[]) AS t"
            " ON CONFLICT (shard, cause) DO UPDATE SET ticks = c.ticks + EXCLUDED.ticks",
            (shard, list(counts), list(counts.values())),
        )
    for name, memory in sorted(changes.plugins.items()):
        cursor.execute(
            "INSERT INTO dealing_pluginstate (shard, name, state) VALUES (%s, %s, %s::jsonb)"
            " ON CONFLICT (shard, name) DO UPDATE SET state = EXCLUDED.state",
            (shard, name, json.dumps(memory)),
        )
    for (plugin, point), failures in sorted(changes.hook_failures.items()):
        cursor.execute(
            "INSERT INTO dealing_hookfailure AS f (shard, plugin, point, times, last_error, last_at)"
            " VALUES (%s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (shard, plugin, point)"
            " DO UPDATE SET times = f.times + EXCLUDED.times, last_error = EXCLUDED.last_error, last_at = EXCLUDED.last_at",
            (shard, plugin, point, failures.times, failures.error[:4000]),
        )
    for event in changes.settings_written_here():
        cursor.execute(
            "INSERT INTO dealing_settingschange (kind, key, at, actor, before, after, is_new)"
            " VALUES (%s, %s, clock_timestamp(), %s, %s::jsonb, %s::jsonb, %s)",
            (
                event.kind, event.key, event.actor[:150], json.dumps(event.before), json.dumps(event.after),
                event.is_new,
            ),
        )  # fmt: skip
    for (scope, key), level in changes.halts.items():
        cursor.execute(
            "DELETE FROM dealing_halt WHERE (shard, scope, key) = (%s, %s, %s)", (shard, scope, key)
        )
        if level != "normal":
            cursor.execute(
                "INSERT INTO dealing_halt (shard, scope, key, level, at)"
                " VALUES (%s, %s, %s, %s, clock_timestamp())",
                (shard, scope, key, level),
            )
    _write_aside(cursor, shard, batch)
    if changes.commissions_due:
        _write_commissions(cursor, changes)


def _write_aside(cursor: "psycopg.Cursor[Any]", shard: int, batch: Batch) -> None:
    """Write what is put aside, each thing once; what no row can hold is in the log, and the rest goes on."""
    for freeze in registry.FREEZERS if batch.freeze else ():
        freeze(cursor, batch.freeze)
    for kind, reference, raw, error in batch.poison:
        values = {"shard": shard, "kind": kind, "reference": reference, "raw": raw, "error": error}
        try:
            with cursor.connection.transaction():
                cursor.execute(_PUT_ASIDE, values)
        except psycopg.Error as refused:
            if cursor.connection.closed:
                raise
            log.error("it could not be put aside", **values, refused=repr(refused))


def _write_commissions(cursor: "psycopg.Cursor[Any]", changes: Changes) -> None:
    """Write a command for each agent whose account another shard serves, in its client's transaction.

    It carries no time: the other shard may not have come as far, and its clock must not be pushed.
    """
    due = changes.commissions_due
    cursor.execute(
        _BOOK_COMMISSION,
        (
            [shard_of(event.agent, changes.shards) for event in due],
            [event.agent for event in due],
            [json.dumps(_commission_body(event)) for event in due],
            [f"agent-{event.deal}" for event in due],
        ),
    )


def _commission_body(event: AgentCommissionDue) -> dict[str, Any]:
    amount = decimal_text(event.amount, currency_digits(event.currency))
    return {
        "by": "system",
        "login": event.agent,
        "amount": amount,
        "deal": event.deal,
        "client": event.client,
    }


def _write_outbox(cursor: "psycopg.Cursor[Any]", shard: int, changes: Changes) -> int:
    """Write the events to publish and return the number of the last."""
    if not changes.outbox:
        return 0
    rows = ((shard, row.login, row.seq, row.kind, row.time_ms, row.text) for row in changes.outbox)
    copy_rows(cursor, "dealing_outbox", "shard, login, seq, kind, time_ms, data", rows)
    cursor.execute("SELECT currval('dealing_outbox_id_seq')")
    last = cursor.fetchone()
    return int(last[0]) if last else 0


_PENDING = """
SELECT id, name, payload::text, ticket, smart, at_ms,
       (extract(epoch FROM clock_timestamp() - created_at) * 1000)::bigint
FROM dealing_command WHERE shard = %s AND status = 'pending'
"""
_RAW = "SELECT left(to_jsonb(c)::text, %s) FROM dealing_command c WHERE id = %s"


def pending_commands(lease: Lease, limit: int) -> list[JournalRow]:
    """Return the oldest commands without an outcome, kill switches first.

    Where they cannot be read together each is read by itself; one that cannot be read at all carries its `error`.
    """
    try:
        seam("poll")
        rows = lease.conn.execute(
            f"{_PENDING} ORDER BY (name <> 'SetHalt'), id LIMIT %s".encode(), (lease.shard, limit)
        ).fetchall()
        seam("row", [f"command {row[0]}" for row in rows])
        return [JournalRow(*row) for row in rows]
    except ENDS:
        raise
    except BaseException as error:  # noqa: BLE001 - which row it is, is found by trying
        log.warning("the journal cannot be read in one piece", shard=lease.shard, error=repr(error))
    numbers = lease.conn.execute(
        "SELECT id FROM dealing_command WHERE shard = %s AND status = 'pending'"
        " ORDER BY (name <> 'SetHalt'), id LIMIT %s",
        (lease.shard, limit),
    ).fetchall()
    return [_read_alone(lease, number) for (number,) in numbers]


def is_pending(lease: Lease, number: int) -> bool:
    """Return whether a command still has no outcome."""
    row = lease.conn.execute(
        "SELECT 1 FROM dealing_command WHERE id = %s AND shard = %s AND status = 'pending'",
        (number, lease.shard),
    ).fetchone()
    return row is not None


def _read_alone(lease: Lease, number: int) -> JournalRow:
    """Return one row of the journal, with its error where it cannot be read."""
    try:
        row = lease.conn.execute(f"{_PENDING} AND id = %s".encode(), (lease.shard, number)).fetchone()
        seam("row", (f"command {number}",))
        if row is not None:
            return JournalRow(*row)
        reason = "it is gone"
    except ENDS:
        raise
    except BaseException as error:
        if lease.conn.closed:
            raise
        reason = repr(error)
    raw = lease.conn.execute(_RAW, (RAW_KEPT, number)).fetchone()
    return JournalRow(number, "", raw[0] if raw else "", 0, 0, None, 0, error=reason)
