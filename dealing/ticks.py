"""The desk's reading of the tick stream, with its place kept in PostgreSQL.

One blocking read waits for ticks and wake-ups together. An entry holds one or more lines; the place is the last
entry wholly consumed and the number of lines consumed of the entry after it, so a batch may end inside an entry.
Promises: every line is handed out once, in order; without Redis it waits and hands out nothing; whatever bytes an
entry holds, it is handed out, as malformed where it is no tick, and what comes after it is read; one entry costs no
more memory than `MAX_ENTRY_BYTES` of lines. It judges no price.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from dealing import bus, clock
from dealing.ends import ENDS
from dealing.failpoints import seam
from engine.settings import LAST_MS

log = structlog.get_logger(__name__)
READ_ENTRIES = 256
CLOCK_EVERY_MS = 1_000
RETRY_S = 0.5
RETRY_STALLED_S = 2.0  # after having waited in vain: most of the time is for commands
MAX_ENTRY_BYTES = 1_048_576  # one that is longer is no entry of ticks
MAX_ENTRY_LINES = 20_000
MAX_LINE_BYTES = 200  # a symbol, two numbers of at most 25 digits a side, and a time
RAW_KEPT = 2_000  # characters of a malformed line that are kept
DEAF_S = 5.0
READ_AGAIN = 3  # times that reading one entry, or one of its lines, may fail before it is passed over
#: The number of the first entry after a place, without what it holds.
_NEXT_ID = "local r = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 1) return r[1] and r[1][1]"


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the stream; `time_ms` is -1 where the line is no tick, `error` why it could not be read."""

    entry: str
    line: int  # from 0
    is_last: bool  # of its entry
    raw: str
    symbol: str = ""
    bid: str = ""
    ask: str = ""
    time_ms: int = -1
    error: str = ""

    @property
    def place(self) -> str:
        """Return where it stands, for rows: entry:line."""
        return f"{self.entry}:{self.line}"


def printable(raw: bytes) -> str:
    """Return bytes as text that can be kept: what is no UTF-8 is written as \\xff, and a long one is cut."""
    return raw[:RAW_KEPT].decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def parse(entry: str, line: int, is_last: bool, raw: bytes | str) -> Tick:
    """Return the tick of a line `SYMBOL,BID,ASK,TIME_MS`, a malformed one where it is something else."""
    line_bytes = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    try:
        text = line_bytes.decode("utf-8") if len(line_bytes) <= MAX_LINE_BYTES else ""
    except UnicodeDecodeError:
        text = ""
    parts = text.split(",")
    if (
        len(parts) != 4
        or not (parts[3].isascii() and parts[3].isdigit())
        or len(parts[3]) > 15
        or int(parts[3]) > LAST_MS
        or "\0" in text
    ):
        return Tick(entry, line, is_last, printable(line_bytes))
    return Tick(entry, line, is_last, text, parts[0], parts[1], parts[2], int(parts[3]))


def lines_of(fields: Any) -> list[bytes]:
    """Return the lines of an entry as it came from Redis in bytes; one that holds no lines is one bad line."""
    if not isinstance(fields, dict):  # an entry that was deleted while it was read
        return [b""]
    found = fields.get(b"d", b"")
    if len(found) > MAX_ENTRY_BYTES or found.count(b"\n") >= MAX_ENTRY_LINES:
        return [found[:RAW_KEPT]]
    return list(found.split(b"\n"))


def ticks_of(entry: str, fields: Any, first: int = 0) -> Iterator[Tick]:
    """Yield the ticks of an entry from a line on; a line whose reading raises every time is a malformed one."""
    lines = lines_of(fields)
    last = len(lines) - 1
    for number in range(min(first, len(lines)), len(lines)):
        yield _read_line(entry, number, number == last, lines[number])


def _read_line(entry: str, number: int, is_last: bool, line: bytes) -> Tick:
    """Return the tick of a line; what was raised once may have been raised in passing, and says nothing about it."""
    last_error = ""
    for _ in range(READ_AGAIN):
        try:
            seam("decode", (f"tick {entry}:{number}",))
            return parse(entry, number, is_last, line)
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the line is kept and the next one read
            last_error = repr(error)
    return Tick(entry, number, is_last, printable(line), error=last_error)


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
        self._deaf_until = 0.0  # until when wake-ups are left out
        self._count = READ_ENTRIES
        self._failures = 0
        self._ahead_ms: int | None = None  # Redis's clock less our monotonic one
        self._looked_ms = 0

    @property
    def read_to(self) -> str:
        """Return the last entry that was read, whether or not its ticks are still in the buffer."""
        return self._read_to

    @property
    def is_down(self) -> bool:
        """Return whether Redis did not answer a moment ago."""
        return time.monotonic() < self._down_until

    def poll(self, block_ms: int) -> bool:
        """Wait up to `block_ms` for ticks or a wake-up; return whether somebody woke us."""
        if self.is_down:
            time.sleep(block_ms / 1000)
            return False
        streams: dict[str, str] = {}
        if time.monotonic() >= self._deaf_until:
            streams[bus.wake_key(self.shard)] = self._wake_from
        if not self.buffer:
            streams[bus.TICKS] = self._read_to
        if not streams:
            time.sleep(block_ms / 1000)
            return False
        try:
            seam("read")
            found = bus.stream_client().xread(streams, count=self._count, block=max(block_ms, 1))
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - what an entry makes the driver raise is not known before
            self._could_not_read(error)
            return False
        self._failures, self._count = 0, READ_ENTRIES
        self._look_at_clock()
        if self._wake_from == "$":
            self._wake_from = "0-0"  # what came before the first read belongs to the journal's poll
        woken = False
        for key, entries in found or ():
            if key.decode() == bus.TICKS:
                self._take_ticks(entries)
            else:
                self._take_wakes(entries)
                woken = True
        return woken

    def age_ms(self, tick: Tick, passed_ms: int) -> int:
        """Return how long before `passed_ms` of our monotonic clock Redis took a tick; never below 0.

        What Redis's clock says is held against passing time once a second, so a clock of Redis that is wrong or is set
        makes no quote old or new.
        """
        if self._ahead_ms is None:
            return 0
        return max(0, passed_ms + self._ahead_ms - id_ms(tick.entry))

    def _look_at_clock(self) -> None:
        if self._ahead_ms is not None and clock.monotonic_ms() - self._looked_ms < CLOCK_EVERY_MS:
            return
        try:
            seconds, micros = bus.stream_client().time()
        except redis.RedisError as error:
            log.warning("Redis does not tell its time", error=str(error))
            return
        # The earliest that it can have been: an answer that took long must not make quotes look older.
        self._looked_ms = clock.monotonic_ms()
        self._ahead_ms = seconds * 1000 + micros // 1000 - self._looked_ms

    def _could_not_read(self, error: BaseException) -> None:
        """Wait for a Redis that is away; read one by one where an entry may be the reason, and pass it over."""
        log.warning("the stream does not answer", shard=self.shard, error=repr(error))
        self._failures += 1
        self._count = 1
        if not self._redis_answers():
            stalled = isinstance(error, redis.TimeoutError)
            self._down_until = time.monotonic() + (RETRY_STALLED_S if stalled else RETRY_S)
            return
        if self._failures < READ_AGAIN:
            return
        self._failures = 0
        if self._reads_ticks():
            # It lies in the wake-ups: they are left out for a while, the desk polls the journal by itself.
            self._wake_from, self._deaf_until = "$", time.monotonic() + DEAF_S
            return
        entry = self._next_entry()
        if not entry or self.buffer:
            self._down_until = time.monotonic() + RETRY_S
            return
        log.error("an entry of the stream cannot be read", shard=self.shard, entry=entry, error=repr(error))
        self._read_to, self._skip = entry, 0
        self.buffer.append(Tick(entry, 0, True, "(it could not be read)", error=repr(error)))

    def _redis_answers(self) -> bool:
        try:
            return bool(bus.stream_client().ping())
        except redis.RedisError:
            return False

    def _reads_ticks(self) -> bool:
        """Return whether the next entry of ticks alone can be read."""
        try:
            bus.stream_client().xrange(bus.TICKS, f"({self._read_to}", "+", count=1)
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - as in `poll`
            log.warning("the next entry cannot be read", shard=self.shard, error=repr(error))
            return False
        return True

    def _next_entry(self) -> str:
        """Return the number of the first entry that was not read, "" where there is none."""
        try:
            found = bus.stream_client().eval(_NEXT_ID, 1, bus.TICKS, f"({self._read_to}")
        except redis.RedisError:
            return ""
        return found.decode() if found else ""

    def _take_wakes(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for entry, fields in entries:
            self._wake_from = entry.decode()
            question = fields.get(b"q") if fields else None
            if question is not None and len(question) <= MAX_ENTRY_BYTES:
                self.questions.append(question.decode("utf-8", "replace"))

    def _take_ticks(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for number, fields in entries:
            self._read_to = entry = number.decode()
            first, self._skip = self._skip, 0
            self.buffer.extend(ticks_of(entry, fields, first))


def newest_entry() -> dict[str, Any] | None:
    """Return what Redis says of the stream: `last-generated-id`, `first-entry` (its number, None for none).

    None when the stream is not there.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    client = bus.stream_client()
    try:
        info: dict[str, Any] = client.xinfo_stream(bus.TICKS)
    except redis.ResponseError:
        return None
    first = info["first-entry"]
    return {
        "last-generated-id": info["last-generated-id"].decode(),
        "first-entry": first[0].decode() if first else None,
    }


def id_ms(entry: str) -> int:
    """Return the time at which Redis took an entry."""
    return int(entry.split("-")[0])


def id_key(entry: str) -> tuple[int, int]:
    """Return an entry's number in the order of the stream."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number or 0)
