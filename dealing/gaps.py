"""Ticks that a desk missed: which are replayed, which are passed over, and what the dealer is told.

A short absence was latency: its ticks are traded on one by one at their own prices. After a longer one the missed
ticks are not traded on: a gap row says so, the first fresh tick of each symbol decides at its own price, and the
engine itself is asked what it would have done on them (rehearsal.py). The market was there all the same: candles are
made of them, in the transaction that moves the place, so that each makes them once. A stream that lost its data makes
a gap row as well, also when it lost them under a desk that runs.
It moves the place in the stream; it trades nothing.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog

from dealing import bus, clock, rehearsal
from dealing.book import Book
from dealing.choices import GapCause
from dealing.lease import Lease, LeaseLost
from dealing.registry import TickBook
from dealing.ticks import id_key, id_ms, newest_entry
from engine.core import Core
from engine.enums import Refusal
from engine.stages import quotes
from engine.state import State

log = structlog.get_logger(__name__)
AHEAD_LIMIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Found:
    """Where to read on, and the process that asks the engine about a gap, 0 for none."""

    place: tuple[str, int]
    rehearsal: int = 0


def find(lease: Lease, book: Book, *, limit_s: int) -> Found:
    """Return the place to read on from, after writing a gap row if ticks were or must be passed over.

    limit_s: how old the first unread entry may be, by Redis's clock, to be replayed; 0: however old.

    Raises:
        LeaseLost: somebody else has the shard.
        redis.RedisError: Redis does not answer; the place is as it was.
    """
    cursor, offset = str(book.row["tick_cursor"]), int(book.row["tick_offset"])
    told = newest_entry()
    if told is None:
        return Found((cursor, offset))
    last = str(told["last-generated-id"])
    client = bus.stream_client()
    if id_key(cursor) > id_key(last):
        return Found(_pass_over(lease, GapCause.LOST, cursor, "0-0")[0])
    unread = client.xrange(bus.TICKS, f"({cursor}", "+", count=1)
    if not unread:
        return Found((cursor, offset))
    if cursor != "0-0" and not client.xrange(bus.TICKS, cursor, cursor, count=1):
        # Where the entry of our place is gone, others after it may be gone as well.
        cursor, offset = _pass_over(lease, GapCause.TRIMMED, cursor, "0-0")[0]
    seconds, micros = client.time()
    lag_ms = seconds * 1000 + micros // 1000 - id_ms(unread[0][0].decode())
    if not limit_s or lag_ms <= limit_s * 1000:
        return Found((cursor, offset))
    missed = make_candles(client, book, cursor, offset, last) if book.tick_books else 0
    to, gap, outbox = _pass_over(
        lease, GapCause.LAG, cursor, last, missed=missed, books=book.tick_books, note=rehearsal.ASKED
    )
    asked = rehearsal.start(
        book.engine, shard=lease.shard, gap=gap, place=(cursor, offset), to=last, outbox=outbox
    )
    return Found(to, asked)


def make_candles(client: Any, book: Book, cursor: str, offset: int, to: str) -> int:
    """Hand the ticks that the engine will not see to the books of ticks, by the engine's rules of prices; count them.

    Each is judged against the one before it as it would have been; the engine's own quotes stay as they are.
    """
    core = Core(State(symbols=book.state.symbols, quotes={n: copy(q) for n, q in book.state.quotes.items()}))
    latest_ms = clock.wall_ms() + AHEAD_LIMIT_MS
    missed = 0
    for tick in rehearsal.missed_ticks(client, cursor, offset, to):
        missed += 1
        symbol = core.state.symbols.get(tick.symbol)
        if symbol is None or not 0 <= tick.time_ms <= latest_ms:
            continue
        time_ms = min(tick.time_ms, latest_ms - AHEAD_LIMIT_MS)
        prices = quotes.judge(core, symbol, tick.bid, tick.ask, time_ms)
        if isinstance(prices, Refusal):
            continue
        quote = quotes.accept(core, symbol, prices, time_ms)
        for each in book.tick_books:
            each.add(symbol.name, quote.bid, time_ms, symbol.digits)
    return missed


def pass_over_unseen(lease: Lease, row: dict[str, Any], *, limit_s: int) -> tuple[str, int]:
    """Do what `find` does without looking into any entry, because looking has failed: nothing is reported.

    Raises:
        LeaseLost: somebody else has the shard.
        redis.RedisError: Redis does not answer; the place is as it was.
    """
    cursor, offset = str(row["tick_cursor"]), int(row["tick_offset"])
    told = newest_entry()
    if told is None or not limit_s or id_key(cursor) >= id_key(told["last-generated-id"]):
        return cursor, offset
    last = str(told["last-generated-id"])
    seconds, micros = bus.stream_client().time()
    if seconds * 1000 + micros // 1000 - id_ms(cursor) <= limit_s * 1000:
        return cursor, offset
    return _pass_over(lease, GapCause.LAG, cursor, last, note="the ticks could not be read")[0]


def is_behind(told: dict[str, Any], cursor: str) -> bool:
    """Return whether the stream is older than our place in it: Redis lost what it had, and counts anew."""
    return id_key(cursor) > id_key(str(told["last-generated-id"]))


def note_loss(lease: Lease, told: dict[str, Any], seen: str) -> None:
    """Write a gap row where the stream does not reach back to a place that we had read a moment ago.

    Redis has lost what it had and took new entries already; what it had and we had not read is gone, how much of it
    nobody can tell. Reading goes on where it is.

    Raises:
        LeaseLost: somebody else has the shard.
    """
    first = told["first-entry"]
    if first is None or id_key(seen) == (0, 0) or id_key(first) <= id_key(seen):
        return
    with lease.conn.transaction():
        cur = lease.conn.cursor()
        cur.execute(
            "UPDATE dealing_engineshard SET seq = seq WHERE shard = %s AND epoch = %s RETURNING seq",
            (lease.shard, lease.epoch),
        )
        _write_row(cur, lease, GapCause.LOST, seen, first)
    log.warning("ticks may have been lost", shard=lease.shard, since=seen, until=first)


def _pass_over(
    lease: Lease,
    cause: GapCause,
    cursor: str,
    to: str,
    *,
    missed: int = 0,
    books: Sequence[TickBook] = (),
    note: str = "",
) -> tuple[tuple[str, int], int, int]:
    """Write the gap and the candles and move the place, in one fenced transaction.

    Returns the place, the gap's number, and that of the shard's last event before it.
    """
    with lease.conn.transaction():
        cur = lease.conn.cursor()
        cur.execute(
            "UPDATE dealing_engineshard SET tick_cursor = %s, tick_offset = 0"
            " WHERE shard = %s AND epoch = %s RETURNING seq",
            (to, lease.shard, lease.epoch),
        )
        gap = _write_row(cur, lease, cause, cursor, to, missed=missed, note=note)
        for book in books:
            book.write(cur)
        cur.execute("SELECT coalesce(max(id), 0) FROM dealing_outbox WHERE shard = %s", (lease.shard,))
        last = cur.fetchone()
    log.warning("ticks were passed over", shard=lease.shard, cause=cause.value, missed=missed)
    return (to, 0), gap, int(last[0]) if last else 0


def _write_row(
    cur: "psycopg.Cursor[Any]",
    lease: Lease,
    cause: GapCause,
    since: str,
    to: str,
    *,
    missed: int = 0,
    note: str = "",
) -> int:
    """Write a gap behind the fence, whose answer is waiting in the cursor, and return its number."""
    if cur.fetchone() is None:
        raise LeaseLost(f"shard {lease.shard}: epoch {lease.epoch} is over")
    cur.execute(
        "INSERT INTO dealing_gap (shard, cause, from_cursor, to_cursor, from_ms, to_ms, missed, report, note,"
        " seen_by, at) VALUES (%s, %s, %s, %s, %s, %s, %s, '[]', %s, '', clock_timestamp()) RETURNING id",
        (lease.shard, cause.value, since, to, id_ms(since), id_ms(to), missed, note),
    )
    row = cur.fetchone()
    return int(row[0]) if row else 0
