"""Ticks that a desk missed: which are replayed, which are passed over, and what the dealer is told.

A short absence was latency: its ticks are traded on one by one at their own prices. After a longer one the missed
ticks are not traded on: a gap row says so, the first fresh tick of each symbol decides at its own price, and what
was touched only inside the gap is listed for the dealer. A stream that lost its data makes a gap row as well, also
when it lost them under a desk that runs.
It moves the place in the stream; it trades nothing.
"""

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import psycopg
import structlog

from dealing import bus
from dealing.choices import GapCause
from dealing.lease import Lease, LeaseLost
from dealing.ticks import id_key, id_ms, newest_entry, ticks_of
from engine.enums import BUY_TYPES, LIMIT_TYPES, Side
from engine.rounding import parse_price
from engine.state import State

log = structlog.get_logger(__name__)
PAGE = 500


@dataclass(slots=True)
class Swept:
    """Prices of one symbol inside a gap."""

    low_bid: Fraction
    high_bid: Fraction
    low_ask: Fraction
    high_ask: Fraction
    last_bid: Fraction
    last_ask: Fraction


@dataclass(slots=True)
class Missed:
    """What a gap held."""

    ticks: int = 0
    last_entry: str = ""
    prices: dict[str, Swept] = field(default_factory=dict)


def find(lease: Lease, row: dict[str, Any], state: State, *, limit_s: int) -> tuple[str, int]:
    """Return the place to read on from, after writing a gap row if ticks were or must be passed over.

    limit_s: how old the first unread entry may be, by Redis's clock, to be replayed; 0: however old.

    Raises:
        LeaseLost: somebody else has the shard.
        redis.RedisError: Redis does not answer; the place is as it was.
    """
    cursor, offset = str(row["tick_cursor"]), int(row["tick_offset"])
    told = newest_entry()
    if told is None:
        return cursor, offset
    last = str(told["last-generated-id"])
    client = bus.stream_client()
    if id_key(cursor) > id_key(last):
        return _pass_over(lease, GapCause.LOST, cursor, "0-0", Missed(), state)
    unread = client.xrange(bus.TICKS, f"({cursor}", "+", count=1)
    if not unread:
        return cursor, offset
    if cursor != "0-0" and not client.xrange(bus.TICKS, cursor, cursor, count=1):
        # Where the entry of our place is gone, others after it may be gone as well.
        cursor, offset = _pass_over(lease, GapCause.TRIMMED, cursor, "0-0", Missed(), state)
    seconds, micros = client.time()
    lag_ms = seconds * 1000 + micros // 1000 - id_ms(unread[0][0].decode())
    if not limit_s or lag_ms <= limit_s * 1000:
        return cursor, offset
    missed = _sweep(client, cursor, offset)
    return _pass_over(lease, GapCause.LAG, cursor, missed.last_entry, missed, state)


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
    return _pass_over(lease, GapCause.LAG, cursor, last, Missed(), State())


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
        _write_row(cur, lease, GapCause.LOST, seen, first, Missed(), [])
    log.warning("ticks may have been lost", shard=lease.shard, since=seen, until=first)


def _sweep(client: Any, cursor: str, offset: int) -> Missed:
    """Return what the stream holds beyond a place, up to now."""
    missed = Missed(last_entry=cursor)
    at = cursor
    while entries := client.xrange(bus.TICKS, f"({at}", "+", count=PAGE):
        for entry, fields in entries:
            for tick in ticks_of(entry.decode(), fields, offset):
                missed.ticks += 1
                bid, ask = parse_price(tick.bid), parse_price(tick.ask)
                if bid is not None and ask is not None:  # else it would have been refused
                    _note(missed.prices, tick.symbol, bid, ask)
            offset = 0
            at = missed.last_entry = entry.decode()
    return missed


def _note(prices: dict[str, Swept], symbol: str, bid: Fraction, ask: Fraction) -> None:
    if ask < bid:
        return
    swept = prices.get(symbol)
    if swept is None:
        prices[symbol] = Swept(bid, bid, ask, ask, bid, ask)
        return
    swept.low_bid, swept.high_bid = min(swept.low_bid, bid), max(swept.high_bid, bid)
    swept.low_ask, swept.high_ask = min(swept.low_ask, ask), max(swept.high_ask, ask)
    swept.last_bid, swept.last_ask = bid, ask


def _pass_over(
    lease: Lease, cause: GapCause, cursor: str, to: str, missed: Missed, state: State
) -> tuple[str, int]:
    """Write the gap and move the place, in one fenced transaction."""
    report = touched_only_inside(missed.prices, state)
    with lease.conn.transaction():
        cur = lease.conn.cursor()
        cur.execute(
            "UPDATE dealing_engineshard SET tick_cursor = %s, tick_offset = 0"
            " WHERE shard = %s AND epoch = %s RETURNING seq",
            (to, lease.shard, lease.epoch),
        )
        _write_row(cur, lease, cause, cursor, to, missed, report)
    log.warning("ticks were passed over", shard=lease.shard, cause=cause.value, missed=missed.ticks,
                touched=len(report))  # fmt: skip
    return to, 0


def _write_row(
    cur: "psycopg.Cursor[Any]", lease: Lease, cause: GapCause, since: str, to: str, missed: Missed,
    report: list[dict[str, Any]],
) -> None:  # fmt: skip
    """Write a gap behind the fence, whose answer is waiting in the cursor."""
    if cur.fetchone() is None:
        raise LeaseLost(f"shard {lease.shard}: epoch {lease.epoch} is over")
    cur.execute(
        "INSERT INTO dealing_gap (shard, cause, from_cursor, to_cursor, from_ms, to_ms, missed, report,"
        " seen_by, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '', clock_timestamp())",
        (lease.shard, cause.value, since, to, id_ms(since), id_ms(to), missed.ticks, json.dumps(report)),
    )


def touched_only_inside(prices: dict[str, Swept], state: State) -> list[dict[str, Any]]:
    """Return the levels that were reached inside a gap and are not reached at its last price."""
    report: list[dict[str, Any]] = []
    for ticket, position in sorted(state.positions.items()):
        swept = prices.get(position.symbol)
        if swept is None:
            continue
        buy = position.side is Side.BUY
        best, worst = (swept.high_bid, swept.low_bid) if buy else (swept.low_ask, swept.high_ask)
        last = swept.last_bid if buy else swept.last_ask
        sign = 1 if buy else -1
        for what, level, reached in (("tp", position.tp, best), ("sl", position.sl, worst)):
            if level is None:
                continue
            price = Fraction(level, 10**position.digits)
            toward = sign if what == "tp" else -sign
            if (reached - price) * toward >= 0 > (last - price) * toward:
                report.append(
                    _line("position", ticket, position.login, position.symbol, what, price, reached)
                )
    for ticket, order in sorted(state.orders.items()):
        swept = prices.get(order.symbol)
        if swept is None or order.price is None:
            continue
        price = Fraction(order.price, 10**order.digits)
        buy, limit = order.type in BUY_TYPES, order.type in LIMIT_TYPES
        toward = -1 if buy == limit else 1
        low, high = (swept.low_ask, swept.high_ask) if buy else (swept.low_bid, swept.high_bid)
        last = swept.last_ask if buy else swept.last_bid
        reached = high if toward > 0 else low
        if (reached - price) * toward >= 0 > (last - price) * toward:
            report.append(_line("order", ticket, order.login, order.symbol, order.type.value, price, reached))
    return report


def _line(
    kind: str, ticket: int, login: int, symbol: str, what: str, price: Fraction, reached: Fraction
) -> dict[str, Any]:
    return {"kind": kind, "ticket": ticket, "login": login, "symbol": symbol, "what": what,
            "level": _decimal(price), "reached": _decimal(reached)}  # fmt: skip


def _decimal(value: Fraction) -> str:
    """Return an exact decimal as text."""
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    whole = (value * 10**digits).numerator
    text = f"{abs(whole):0{digits + 1}d}"
    shown = f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return f"-{shown}" if whole < 0 else shown
