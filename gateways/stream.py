"""The Redis stream `ticks` as a feed sees it: entries in, and how far the desks have come.

An entry has one field `d` with one or more lines `SYMBOL,BID,ASK,TIME_MS`. The stream is bounded;
the desks' cursors are in PostgreSQL (table dealing_engineshard), so how far they have come is asked there.
It promises nothing about delivery: a price that Redis did not take is gone, and the next one counts.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import cast

import redis
from django.db import connection

from dealing import bus

STREAM = bus.TICKS
KEPT_ENTRIES = 1_000_000
CAUSES = ("invalid", "crossed", "stale", "filtered", "unknown")

EntryId = tuple[int, int]


def parse_id(text: str) -> EntryId:
    """Return a stream id (1719-3) as numbers that compare; whatever follows them is left out."""
    first, _, second = text.replace(":", "-").partition("-")
    return int(first or "0"), int(second.partition("-")[0] or "0")


def cursors() -> dict[int, EntryId]:
    """Return the last stream entry that each shard's desk has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT shard, tick_cursor FROM dealing_engineshard")
        return {shard: parse_id(text or "0-0") for shard, text in cursor.fetchall()}


class StreamWriter:
    """Writes ticks and, when it tracks them, knows how many entries the slowest desk has still to read."""

    def __init__(self, client: "redis.Redis", *, tracks: bool = False) -> None:
        """Take a client (decode_responses=True); tracks: keep the ids of what was sent, for `behind`."""
        self.client = client
        self.tracks = tracks
        self.sent_ticks = 0
        self._ids: list[EntryId] = []

    def send(self, lines: list[str]) -> None:
        """Append one entry that holds these lines.

        Raises:
            redis.RedisError: Redis did not take it.
        """
        entry = self.client.xadd(STREAM, {"d": "\n".join(lines)}, maxlen=KEPT_ENTRIES, approximate=True)
        self._noted(str(entry), len(lines))

    def send_all(self, entries: list[list[str]]) -> None:
        """Append several entries in one round trip."""
        pipe = self.client.pipeline(transaction=False)
        for lines in entries:
            pipe.xadd(STREAM, {"d": "\n".join(lines)}, maxlen=KEPT_ENTRIES, approximate=True)
        for entry, lines in zip(pipe.execute(), entries, strict=True):
            self._noted(str(entry), len(lines))

    def _noted(self, entry: str, ticks: int) -> None:
        self.sent_ticks += ticks
        if self.tracks:
            self._ids.append(parse_id(entry))

    def behind(self) -> int:
        """Return how many of our entries the slowest desk has not committed; all when there is no desk."""
        places = cursors().values()
        read = bisect_right(self._ids, min(places)) if places else 0
        del self._ids[:read]
        return len(self._ids)


def tick_counts(client: "redis.Redis", shards: Iterable[int]) -> dict[str, int]:
    """Return the counts that the desk of the lowest shard has published, by cause.

    Every shard reads every tick, so one shard's counts are the counts of all.
    """
    lowest = min(shards, default=0)
    found = cast("dict[str, str]", client.hgetall(bus.ticks_key(lowest)))
    return {cause: int(found.get(cause, 0)) for cause in ("accepted", *CAUSES)}
