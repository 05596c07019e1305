"""Ticks that a desk missed: which are replayed, which are passed over, and what the dealer is told.

A short absence was latency: its ticks are traded on one by one at their own prices. After a longer one the missed
ticks are not traded on: a gap row says so, the first fresh tick of each symbol decides at its own price, and the
engine itself is asked what it would have done on them (rehearsal.py). The market was there all the same: they become
quotes at their own moments, so that the day ends between them act at the prices that stood then (§10.3), and candles.
All that they make is one batch, which moves the place as well: whoever dies before its commit repeats it, whoever dies
after it finds nothing left to do. A stream that lost its data makes a gap row as well, also when it lost them under a
desk that runs. It triggers nothing.
"""

import time
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog

from dealing import bus, clock, rehearsal
from dealing.batch import Batch, Committed, beat, commit
from dealing.choices import GapCause
from dealing.clock import AHEAD_LIMIT_MS
from dealing.failpoints import failpoint
from dealing.lease import BEAT_EVERY_S, LOAD_LIMIT_S, Lease, LeaseLost
from dealing.shard_book import ShardBook
from dealing.ticks import Tick, id_key, id_ms, newest_entry
from engine.events import Event, TickAccepted, TickRefused

log = structlog.get_logger(__name__)
UNANSWERED = (
    "the desk ended before the engine had answered; what stands here may lack deals, or name some made since"
)


@dataclass(frozen=True, slots=True)
class Missed:
    """Ticks that are not traded on: those after a place in the stream, up to an entry and with it."""

    cursor: str
    offset: int  # lines of the entry after `cursor` that were consumed
    to: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What became of them: the batch that they made, and the process that asks the engine about them."""

    committed: Committed
    rehearsal: int
    events: list[Event]


def find(lease: Lease, book: ShardBook, *, limit_s: int) -> tuple[tuple[str, int], Missed | None]:
    """Return the place to read on from, and the ticks behind it that must be passed over first, if any.

    limit_s: how old the first unread entry may be, by Redis's clock, to be replayed; 0: however old.

    Raises:
        LeaseLost: somebody else has the shard.
        redis.RedisError: Redis does not answer; the place is as it was.
    """
    cursor, offset = str(book.row["tick_cursor"]), int(book.row["tick_offset"])
    newest = newest_entry()
    if newest is None:
        return (cursor, offset), None
    last = str(newest["last-generated-id"])
    client = bus.stream_client()
    if id_key(cursor) > id_key(last):
        return _move(lease, GapCause.LOST, cursor, "0-0"), None
    unread = client.xrange(bus.TICKS, f"({cursor}", "+", count=1)
    if not unread:
        return (cursor, offset), None
    if cursor != "0-0" and not client.xrange(bus.TICKS, cursor, cursor, count=1):
        # Where the entry of our place is gone, others after it may be gone as well.
        cursor, offset = _move(lease, GapCause.TRIMMED, cursor, "0-0")
    seconds, micros = client.time()
    lag_ms = seconds * 1000 + micros // 1000 - id_ms(unread[0][0].decode())
    if not limit_s or lag_ms <= limit_s * 1000:
        return (cursor, offset), None
    return (cursor, offset), Missed(cursor, offset, last)


def pass_over(lease: Lease, book: ShardBook, batch: Batch, missed: Missed, *, published: int) -> PassedOver:
    """Make quotes, day ends and candles of missed ticks, and write them, the gap and the new place as one batch.

    The engine is asked about them as it was before, in a fork that waits until the gap is written. Whatever is
    raised, the engine in memory is worth nothing afterwards.

    Raises:
        redis.RedisError: Redis went away meanwhile.
        whatever `commit` raises.
    """
    process = rehearsal.fork(
        book.engine, shard=lease.shard, place=(missed.cursor, missed.offset), to=missed.to
    )
    try:
        count, events = _take_quotes(lease, book, batch, missed, published)
        batch.cursor, batch.offset = missed.to, 0
        gap = 0

        def write_gap(cur: "psycopg.Cursor[Any]") -> None:
            nonlocal gap
            gap = _insert(cur, lease.shard, GapCause.LAG, missed.cursor, missed.to,
                          missed=count, note=rehearsal.ASKED)  # fmt: skip

        committed = commit(
            lease, batch, book.state,
            published=published, books=book.tick_books, also=write_gap, obeys_halt=False,
        )  # fmt: skip
        last = lease.conn.execute(
            "SELECT coalesce(max(id), 0) FROM dealing_outbox WHERE shard = %s", (lease.shard,)
        ).fetchone()
    except BaseException:
        process.forget()
        raise
    log.warning("ticks were passed over", shard=lease.shard, cause=GapCause.LAG.value, missed=count,
                day_ends=len({day.time_ms for day in batch.changes.account_days}))  # fmt: skip
    process.tell(gap, int(last[0]) if last else 0)
    return PassedOver(committed, process.pid, events)


def _take_quotes(
    lease: Lease, book: ShardBook, batch: Batch, missed: Missed, published: int
) -> tuple[int, list[Event]]:
    """Let the engine take missed ticks as quotes; return how many there were, and what happened besides.

    A tick that is stamped ahead counts as of its arrival. They are not counted as traded on.
    """
    changes, happened = batch.changes, []
    listens = book.engine.core.hooks.listens
    now_ms = clock.wall_ms()
    batch.inputs.gap(missed.cursor, missed.offset, missed.to, now_ms)
    count, beat_at = 0, time.monotonic()
    beat(lease, published=published, ahead_s=LOAD_LIMIT_S)
    for tick in rehearsal.missed_ticks(bus.stream_client(), missed.cursor, missed.offset, missed.to):
        count += 1
        if time.monotonic() - beat_at > BEAT_EVERY_S:
            beat(lease, published=published, ahead_s=LOAD_LIMIT_S)
            beat_at = time.monotonic()
        time_ms = moment_of(tick, now_ms)
        if time_ms is None:
            continue
        events = book.engine.on_missed_tick(tick.symbol, tick.bid, tick.ask, time_ms)
        changes.collect(events, time_ms)
        if listens:
            happened += [event for event in events if not isinstance(event, TickAccepted | TickRefused)]
        for symbol, bid, at_ms in changes.accepted:
            for each in book.tick_books:
                each.add(symbol, bid, at_ms, book.state.symbols[symbol].digits)
        changes.accepted.clear()
        failpoint("in_gap")
    changes.accepted_ticks = 0
    changes.refused.clear()
    return count, happened


def moment_of(tick: Tick, now_ms: int) -> int | None:
    """Return the moment at which a missed tick was a quote, None where its line or its time is none."""
    if not 0 <= tick.time_ms <= now_ms + AHEAD_LIMIT_MS:
        return None
    return min(tick.time_ms, id_ms(tick.entry), now_ms)


def finish_unanswered(lease: Lease) -> None:
    """Say of gaps whose rehearsal is gone that no answer will come; call it while none of ours is at work."""
    lease.conn.execute(
        "UPDATE dealing_gap SET note = %s WHERE shard = %s AND note = %s",
        (UNANSWERED, lease.shard, rehearsal.ASKED),
    )


def pass_over_unseen(lease: Lease, row: dict[str, Any], *, limit_s: int) -> tuple[str, int]:
    """Do what `find` does without looking into any entry, because looking has failed: nothing is reported.

    Raises:
        LeaseLost: somebody else has the shard.
        redis.RedisError: Redis does not answer; the place is as it was.
    """
    cursor, offset = str(row["tick_cursor"]), int(row["tick_offset"])
    newest = newest_entry()
    if newest is None or not limit_s or id_key(cursor) >= id_key(newest["last-generated-id"]):
        return cursor, offset
    last = str(newest["last-generated-id"])
    seconds, micros = bus.stream_client().time()
    if seconds * 1000 + micros // 1000 - id_ms(cursor) <= limit_s * 1000:
        return cursor, offset
    return _move(lease, GapCause.LAG, cursor, last, note="the ticks could not be read")


def is_behind(newest: dict[str, Any], cursor: str) -> bool:
    """Return whether the stream is older than our place in it: Redis lost what it had, and counts anew."""
    return id_key(cursor) > id_key(str(newest["last-generated-id"]))


def note_loss(lease: Lease, newest: dict[str, Any], last_stream_id: str) -> None:
    """Write a gap row where the stream does not reach back to a place that we had read a moment ago.

    Redis has lost what it had and took new entries already; what it had and we had not read is gone, how much of it
    nobody can tell. Reading goes on where it is.

    Raises:
        LeaseLost: somebody else has the shard.
    """
    first = newest["first-entry"]
    if first is None or id_key(last_stream_id) == (0, 0) or id_key(first) <= id_key(last_stream_id):
        return
    with lease.conn.transaction():
        cur = lease.conn.cursor()
        cur.execute(
            "UPDATE dealing_engineshard SET seq = seq WHERE shard = %s AND epoch = %s RETURNING seq",
            (lease.shard, lease.epoch),
        )
        _hold_fence(cur, lease)
        _insert(cur, lease.shard, GapCause.LOST, last_stream_id, first)
    log.warning("ticks may have been lost", shard=lease.shard, since=last_stream_id, until=first)


def _move(lease: Lease, cause: GapCause, cursor: str, to: str, *, note: str = "") -> tuple[str, int]:
    """Write a gap of which no tick is looked at, and move the place, in one fenced transaction."""
    with lease.conn.transaction():
        cur = lease.conn.cursor()
        cur.execute(
            "UPDATE dealing_engineshard SET tick_cursor = %s, tick_offset = 0"
            " WHERE shard = %s AND epoch = %s RETURNING seq",
            (to, lease.shard, lease.epoch),
        )
        _hold_fence(cur, lease)
        _insert(cur, lease.shard, cause, cursor, to, note=note)
    log.warning("ticks were passed over", shard=lease.shard, cause=cause.value)
    return to, 0


def _hold_fence(cur: "psycopg.Cursor[Any]", lease: Lease) -> None:
    if cur.fetchone() is None:
        raise LeaseLost(f"shard {lease.shard}: epoch {lease.epoch} is over")


def _insert(
    cur: "psycopg.Cursor[Any]",
    shard: int,
    cause: GapCause,
    since: str,
    to: str,
    *,
    missed: int = 0,
    note: str = "",
) -> int:
    """Write a gap behind the fence, and return its number."""
    cur.execute(
        "INSERT INTO dealing_gap (shard, cause, from_cursor, to_cursor, from_ms, to_ms, missed, report, note,"
        " seen_by, at) VALUES (%s, %s, %s, %s, %s, %s, %s, '[]', %s, '', clock_timestamp()) RETURNING id",
        (shard, cause.value, since, to, id_ms(since), id_ms(to), missed, note),
    )
    row = cur.fetchone()
    return int(row[0]) if row else 0
