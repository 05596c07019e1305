"""`manage.py feed replay`: recorded quotes into the stream, at their pace, faster, or at once.

It promises that every line of the file reaches the stream once and in order, up to the first that
is malformed; that it never runs further ahead of the slowest desk than a bound (the stream is
trimmed at its far end); and that the counts it tells are the desk's own: accepted, and refused by
cause, with the names of symbols that the desk does not know.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis
from django.db import connection
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from gateways.quotefile import BadQuoteFile, Quote, QuoteFile
from gateways.stream import StreamWriter, cursors, tick_counts

PACK = 50  # ticks in an entry when speed is all that counts
ENTRIES_A_TRIP = 20
BEHIND_LIMIT = 2_000  # entries: at most 100,000 ticks ahead of the slowest desk
SILENCE_LIMIT_S = 60.0
NAMES_SHOWN = 10


class DeskSilent(Exception):
    """The desks have not moved for a minute while there was something to read."""


@dataclass
class Replayed:
    """What a replay came to: ticks sent, seconds from the first to the last one consumed, counts.

    unknown: symbols of the file that the desk does not have. fault: the malformed line that ended it, if one did.
    """

    sent: int
    seconds: float
    counts: dict[str, int]
    unknown: list[str] = field(default_factory=list)
    fault: str = ""

    def report(self) -> str:
        """Return the counts as lines for people."""
        refused = sum(count for cause, count in self.counts.items() if cause != "accepted")
        causes = ", ".join(
            f"{cause} {count}" for cause, count in self.counts.items() if cause != "accepted" and count
        )
        rate = self.sent / self.seconds if self.seconds else 0
        return (
            f"quotes   {self.sent} in {self.seconds:.1f} s ({rate:,.0f} a second)\n"
            f"accepted {self.counts['accepted']}\n"
            f"refused  {refused}" + (f" ({causes})" if causes else "") + self._unknown_line()
        )

    def _unknown_line(self) -> str:
        if not self.unknown:
            return ""
        more = f" and {len(self.unknown) - NAMES_SHOWN} more" if len(self.unknown) > NAMES_SHOWN else ""
        return f"\nthe desk has no symbol {', '.join(self.unknown[:NAMES_SHOWN])}{more}"


class Rebase:
    """The times of a recorded file moved to now: the first quote is of this moment, and none is of the future.

    A file that is sent faster than it was recorded would run ahead of the clock, and a desk that goes by the clock
    refuses such quotes, or finds those of a live feed stale afterwards. So each quote is at most as young as the
    moment it is sent; one that was older than its symbol's last stays older.
    """

    def __init__(self, clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        """`clock` returns the time in ms UTC."""
        self.clock = clock
        self._shift: int | None = None
        self._last: dict[
            str, tuple[int, int]
        ] = {}  # symbol -> highest time in the file, and what became of it

    def time_of(self, symbol: str, when: int) -> int:
        """Return the new time of a quote in ms UTC."""
        now = self.clock()
        if self._shift is None:
            self._shift = now - when
        made = min(when + self._shift, now)
        highest, became = self._last.get(symbol, (when, made))
        if when < highest:
            return min(made, became - 1)
        self._last[symbol] = when, made
        return made


class Replay:
    """One run through one file."""

    def __init__(
        self,
        client: "redis.Redis",
        path: Path,
        *,
        speed: int | None,
        rebase: bool,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        """Open the file; speed 1 is the recorded pace, None as fast as the desks take it.

        Raises:
            BadQuoteFile: it is not a file of quotes.
        """
        self.client = client
        self.file = QuoteFile(path)
        self.speed = speed
        self.rebase = Rebase() if rebase else None
        self.progress = progress
        self.stopped = stopped
        self.writer = StreamWriter(client, tracks=True)
        self.fault = ""
        self._symbols: set[str] = set()
        self._moved = time.monotonic()
        self._least = 0

    def run(self) -> Replayed:
        """Send every quote, wait until the desks have consumed all, and return what came of them.

        Raises:
            DeskSilent: the desks do not move.
        """
        before = tick_counts(self.client, cursors())
        begun = self._moved = time.monotonic()
        task = self.progress.add_task(self.file.path.name, total=self.file.size)
        try:
            if self.speed is None:
                self._at_once(task)
            else:
                self._in_time(task, self.speed)
        finally:
            self.file.close()
        self.progress.update(task, completed=self.file.size, description="waiting for the desks")
        while self.writer.behind() and not self.stopped():
            self._watch()
        seconds = time.monotonic() - begun
        counts = self._counts_since(before)
        return Replayed(self.writer.sent_ticks, seconds, counts, self._unknown(), self.fault)

    def _quotes(self) -> Iterator[Quote]:
        """Return the file's quotes up to its end, or to a line that is malformed."""
        seen = self._symbols
        try:
            for quote in self.file.quotes():
                seen.add(quote[1])
                yield quote
        except BadQuoteFile as error:
            self.fault = str(error)

    def _unknown(self) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM markets_symbol")
            return sorted(self._symbols - {name for (name,) in cursor.fetchall()})

    def _at_once(self, task: "object") -> None:
        lines: list[str] = []
        entries: list[list[str]] = []
        for when, symbol, bid, ask in self._quotes():
            lines.append(f"{symbol},{bid},{ask},{self._time_of(symbol, when)}")
            if len(lines) == PACK:
                entries.append(lines)
                lines = []
                if len(entries) == ENTRIES_A_TRIP:
                    self._send(entries, task)
                    entries = []
                    if self.stopped():
                        return
        if lines:
            entries.append(lines)
        if entries:
            self._send(entries, task)

    def _send(self, entries: list[list[str]], task: "object") -> None:
        self.writer.send_all(entries)
        self.progress.update(task, completed=self.file.position)  # type: ignore[arg-type]
        while self.writer.behind() > BEHIND_LIMIT and not self.stopped():
            self._watch()

    def _in_time(self, task: "object", speed: int) -> None:
        """Send each quote when its time has come, those that are due together in one entry."""
        first: int | None = None
        begun = time.monotonic()
        lines: list[str] = []
        for when, symbol, bid, ask in self._quotes():
            first = when if first is None else first
            while (early := (when - first) / 1000 / speed - (time.monotonic() - begun)) > 0.001:
                if lines:
                    self._send([lines], task)
                    lines = []
                if self.stopped():
                    return
                time.sleep(min(early, 0.5))
            lines.append(f"{symbol},{bid},{ask},{self._time_of(symbol, when)}")
            if len(lines) == PACK:
                self._send([lines], task)
                lines = []
        if lines:
            self._send([lines], task)

    def _time_of(self, symbol: str, when: int) -> int:
        return self.rebase.time_of(symbol, when) if self.rebase else when

    def _watch(self) -> None:
        """Rest a moment; complain when the desks have not moved for long.

        Raises:
            DeskSilent: a minute without a step.
        """
        behind = self.writer.behind()
        now = time.monotonic()
        if behind != self._least:
            self._least, self._moved = behind, now
        if now - self._moved > SILENCE_LIMIT_S:
            raise DeskSilent(
                f"the desks have not moved for {SILENCE_LIMIT_S:.0f} s; {behind} entries are waiting"
            )
        time.sleep(0.02)

    def _counts_since(self, before: dict[str, int]) -> dict[str, int]:
        """Return the desk's counts of this run; they are published a moment after the commit."""
        end = time.monotonic() + 5
        while True:
            now = tick_counts(self.client, cursors())
            counts = {cause: now[cause] - before[cause] for cause in now}
            if sum(counts.values()) >= self.writer.sent_ticks or time.monotonic() > end or self.stopped():
                return counts
            time.sleep(0.05)


def progress_bar(*, shown: bool) -> Progress:
    """Return the bar of a replay, on the error stream, so that the report can be redirected."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shown,
        transient=True,
    )
