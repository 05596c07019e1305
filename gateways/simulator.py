"""`manage.py feed simulate`: the walk, in time with the clock, into the stream.

It promises to go on from the last prices that the desk published, to keep at most a moment's ticks
in hand, and to survive a Redis that goes away: quotes of that time are lost, as on a real line.
A market that nobody has seen yet may begin with a past (`write_past`), so that its charts are not empty.
"""

import json
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import cast

import redis
import structlog

from dealing import bus
from gateways.stream import StreamWriter
from gateways.walk import PROFILES, UNIT, Tick, Walk, usual_quote

log = structlog.get_logger("feed")
LATE_MS = 2_000
LONGEST_PAUSE_S = 5.0
REPORT_S = 60.0
# The past has a twentieth of the ticks, and each moves the root of twenty as far: candles look the same.
PAST_RATE = UNIT // 20
PAST_VOLATILITY = UNIT * 447 // 100
PAST_ENDS_MS = 500  # before now, so that the first quote of the present is not older
LINES_AN_ENTRY = 50
ENTRIES_AT_ONCE = 40
WAIT_STEP_S = 0.25


def line_of(tick: Tick) -> str:
    """Return a tick as the stream has it."""
    return f"{tick.symbol},{tick.bid},{tick.ask},{tick.time_ms}"


def last_quotes(client: "redis.Redis") -> dict[str, tuple[str, str]]:
    """Return the last quote of every symbol that the desk has published, as (bid, ask)."""
    found = cast("dict[str, str]", client.hgetall(bus.QUOTES))
    quotes = {symbol: json.loads(text) for symbol, text in found.items() if symbol in PROFILES}
    return {symbol: (str(bid), str(ask)) for symbol, (bid, ask, *_) in quotes.items()}


def now_ms() -> int:
    """Return the time of this machine's clock in ms UTC."""
    return time.time_ns() // 1_000_000


def write_past(
    client: "redis.Redis",
    *,
    seed: int,
    hours: int,
    symbols: Sequence[str],
    volatility: int = UNIT,
    patience_s: float = 20.0,
) -> dict[str, tuple[str, str]]:
    """Write so many hours of a market before now at once; return the (bid, ask) that it ends with.

    A desk refuses quotes of symbols that it has not read yet, so this waits up to `patience_s` for it
    to take one of each.

    Raises:
        redis.RedisError: Redis did not take it.
    """
    writer = StreamWriter(client)
    end_ms = now_ms() - PAST_ENDS_MS
    walk = Walk(
        seed=seed,
        start_ms=end_ms - hours * 3_600_000,
        symbols=symbols,
        rate=PAST_RATE,
        volatility=PAST_VOLATILITY * volatility // UNIT,
    )
    ticks = walk.until(end_ms)
    _wait_for_desk(client, writer, walk, patience_s=patience_s)
    last: dict[str, tuple[str, str]] = {}
    while some := list(islice(ticks, LINES_AN_ENTRY * ENTRIES_AT_ONCE)):
        last.update({tick.symbol: (tick.bid, tick.ask) for tick in some})
        lines = [line_of(tick) for tick in some]
        writer.send_all([lines[at : at + LINES_AN_ENTRY] for at in range(0, len(lines), LINES_AN_ENTRY)])
    log.info("past written", hours=hours, quotes=writer.sent_ticks)
    return last


def _wait_for_desk(client: "redis.Redis", writer: StreamWriter, walk: Walk, *, patience_s: float) -> None:
    """Offer the usual quote of each symbol, of the walk's first moment, until the desk has taken them all."""
    end_s = time.monotonic() + patience_s
    usual = {one.name: one.profile for one in walk.walks}
    while waiting := usual.keys() - last_quotes(client).keys():
        if time.monotonic() >= end_s:
            return
        writer.send(
            [line_of(Tick(name, *usual_quote(usual[name]), walk.next_ms)) for name in sorted(waiting)]
        )
        time.sleep(WAIT_STEP_S)


def simulate(client: "redis.Redis", walk: Walk, *, stopped: Callable[[], bool]) -> int:
    """Write ticks in time with the clock until `stopped`; return how many were written."""
    writer = StreamWriter(client)
    pause_s, reported = 0.1, time.monotonic()
    while not stopped():
        wait_s = (walk.next_ms - now_ms()) / 1000
        if wait_s > 0:
            time.sleep(min(wait_s, 0.5))
            continue
        if wait_s < -LATE_MS / 1000:
            walk.skip_to(now_ms())  # we slept, or Redis was away: old prices are of no use
            continue
        try:
            writer.send([line_of(tick) for tick in walk.until(now_ms())])
            pause_s = 0.1
        except redis.RedisError as error:
            log.warning("redis does not take quotes", error=str(error), again_in_s=pause_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        if time.monotonic() - reported > REPORT_S:
            log.info("quotes written", total=writer.sent_ticks)
            reported = time.monotonic()
    return writer.sent_ticks
