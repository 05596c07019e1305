"""The desk's reading of the tick stream, with its place kept in PostgreSQL.

One blocking read waits for ticks and wake-ups together. An entry holds one or more lines; the place is the last
entry wholly consumed and the number of lines consumed of the entry after it, so a batch may end inside an entry.
Promises: every line is handed out once, in order; without Redis it waits and hands out nothing.
It judges no price; a line that is no tick at all is handed out as malformed.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from dealing import bus

log = structlog.get_logger(__name__)
READ_ENTRIES = 256
RETRY_S = 0.5
RETRY_STALLED_S = 2.0  # after having waited in vain: most of the time is for commands


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the stream; `time_ms` is -1 where the line is no tick."""

    entry: str
    line: int  # from 0
    is_last: bool  # of its entry
    raw: str
    symbol: str = ""
    bid: str = ""
    ask: str = ""
    time_ms: int = -1

    @property
    def place(self) -> str:
        """Return where it stands, for rows: entry:line."""
        return f"{self.entry}:{self.line}"


def parse(entry: str, line: int, is_last: bool, raw: str) -> Tick:
    """Return the tick of a line `SYMBOL,BID,ASK,TIME_MS`."""
    parts = raw.split(",")
    if len(parts) != 4 or not (parts[3].isascii() and parts[3].isdigit()) or len(parts[3]) > 15:
        return Tick(entry, line, is_last, raw)
    return Tick(entry, line, is_last, raw, parts[0], parts[1], parts[2], int(parts[3]))


class TickReader:
    """Reads the stream from a place on, and takes wake-ups and questions on the way."""

    def __init__(self, shard: int, cursor: str, offset: int) -> None:
        self.shard = shard
        self.buffer: deque[Tick] = deque()
        self.questions: list[str] = []
        self._read_to = cursor
        self._skip = offset
        self._wake_from = "$"
        self._down_until = 0.0

    @property
    def is_down(self) -> bool:
        """Return whether Redis did not answer a moment ago."""
        return time.monotonic() < self._down_until

    def poll(self, block_ms: int) -> bool:
        """Wait up to `block_ms` for ticks or a wake-up; return whether somebody woke us."""
        if self.is_down:
            time.sleep(block_ms / 1000)
            return False
        streams: dict[str, str] = {bus.wake_key(self.shard): self._wake_from}
        if not self.buffer:
            streams[bus.TICKS] = self._read_to
        try:
            found = bus.client().xread(streams, count=READ_ENTRIES, block=max(block_ms, 1))
        except redis.RedisError as error:
            log.warning("the stream does not answer", error=str(error))
            pause_s = RETRY_STALLED_S if isinstance(error, redis.TimeoutError) else RETRY_S
            self._down_until = time.monotonic() + pause_s
            return False
        if self._wake_from == "$":
            self._wake_from = "0-0"  # what came before the first read belongs to the journal's poll
        woken = False
        for key, entries in found:
            if key == bus.TICKS:
                self._take_ticks(entries)
            else:
                self._take_wakes(entries)
                woken = True
        return woken

    def _take_wakes(self, entries: list[tuple[str, dict[str, str]]]) -> None:
        for entry, fields in entries:
            self._wake_from = entry
            if "q" in fields:
                self.questions.append(fields["q"])

    def _take_ticks(self, entries: list[tuple[str, dict[str, str]]]) -> None:
        for entry, fields in entries:
            self._read_to = entry
            lines = fields.get("d", "").split("\n")
            first, self._skip = self._skip, 0
            last = len(lines) - 1
            for number in range(min(first, len(lines)), len(lines)):
                self.buffer.append(parse(entry, number, number == last, lines[number]))


def newest_entry() -> dict[str, Any] | None:
    """Return what Redis says of the stream: first and last entry, length; None when it is not there.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    client = bus.client()
    try:
        told: dict[str, Any] = client.xinfo_stream(bus.TICKS)
    except redis.ResponseError:
        return None
    return told


def id_ms(entry: str) -> int:
    """Return the time at which Redis took an entry."""
    return int(entry.split("-")[0])


def id_key(entry: str) -> tuple[int, int]:
    """Return an entry's number in the order of the stream."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number or 0)
