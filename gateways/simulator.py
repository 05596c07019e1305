"""`manage.py feed simulate`: the walk, in time with the clock, into the stream.

It promises to go on from the last prices that the desk published, to keep at most a moment's ticks
in hand, and to survive a Redis that goes away: quotes of that time are lost, as on a real line.
"""

import json
import time
from collections.abc import Callable
from typing import cast

import redis
import structlog

from gateways.stream import StreamWriter
from gateways.walk import PROFILES, Tick, Walk

log = structlog.get_logger("feed")
LATE_MS = 2_000
LONGEST_PAUSE_S = 5.0
REPORT_S = 60.0


def line_of(tick: Tick) -> str:
    """Return a tick as the stream has it."""
    return f"{tick.symbol},{tick.bid},{tick.ask},{tick.time_ms}"


def last_quotes(client: "redis.Redis") -> dict[str, tuple[str, str]]:
    """Return the last quote of every symbol that the desk has published, as (bid, ask)."""
    found = cast("dict[str, str]", client.hgetall("td:quotes"))
    quotes = {symbol: json.loads(text) for symbol, text in found.items() if symbol in PROFILES}
    return {symbol: (str(bid), str(ask)) for symbol, (bid, ask, *_) in quotes.items()}


def now_ms() -> int:
    """Return the time of this machine's clock in ms UTC."""
    return time.time_ns() // 1_000_000


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
