"""`manage.py keep_ticks`: write the stream's ticks to Parquet files by day and symbol, for as long as it runs.

It goes on behind the last entry that is kept, so it may end at any moment and begin again. Exit status 1: another process
keeps ticks in the same folder.
"""

import signal
import time
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dealing import bus
from dealing.kept_ticks import HeldElsewhere, TickFolder
from dealing.ticks import Tick, id_key, ticks_of

log = structlog.get_logger(__name__)
ENTRIES = 1_000
BLOCK_MS = 250
MOST_TICKS = 100_000  # in memory
RETRY_S = 1.0
TOLD_EVERY_S = 60.0


class Command(BaseCommand):
    """Keep ticks."""

    help = "Write the stream's ticks to Parquet files by day and symbol, for replay_day."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --every and --once."""
        parser.add_argument("--every", type=float, default=300.0, help="seconds between two writes (300)")
        parser.add_argument("--once", action="store_true", help="keep what is there and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until stopped."""
        if not settings.DESK_DAYS_KEPT:
            raise CommandError("DESK_DAYS_KEPT is 0: nothing is kept")
        folder = TickFolder(settings.DESK_TICKS)
        try:
            lock = folder.hold()
        except HeldElsewhere as error:
            raise CommandError(str(error)) from None
        with lock:
            _Writer(folder, every_s=options["every"], once=options["once"]).run()


class _Writer:
    """Reads the stream from where the folder ends, and writes what has gathered."""

    def __init__(self, folder: TickFolder, *, every_s: float, once: bool) -> None:
        self.folder = folder
        self.every_s = every_s
        self.once = once
        self.place = folder.place()
        self.ticks: list[Tick] = []
        self.day = ""
        self.told_at = 0.0
        self.stopped = False

    def run(self) -> None:
        """Go on until told to stop, then write what is in memory."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        due = time.monotonic() + self.every_s
        is_checked = False
        while not self.stopped:
            try:
                if not is_checked:
                    self._tell_a_hole()
                    is_checked = True
                found = bus.stream_client().xread(
                    {bus.TICKS: self.place}, count=ENTRIES, block=None if self.once else BLOCK_MS
                )
            except redis.RedisError as error:
                self._tell("the stream does not answer", error=str(error))
                is_checked = False  # it may have lost entries meanwhile
                time.sleep(RETRY_S)
                continue
            for _, entries in found or ():
                self._take(entries)
            if len(self.ticks) >= MOST_TICKS or time.monotonic() >= due:
                self._write()
                due = time.monotonic() + self.every_s
            if self.once and not found:
                break
        self._write()

    def _stop(self, *_: Any) -> None:
        self.stopped = True

    def _take(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for number, fields in entries:
            self.place = number.decode()
            self.ticks += ticks_of(self.place, fields)

    def _write(self) -> None:
        """Write what has gathered; where a new day has begun, put those before it in order."""
        ticks, self.ticks = self.ticks, []
        self.folder.write(ticks, self.place)
        now = datetime.now(UTC)
        # The day before may still get a piece: from ticks that were taken before midnight.
        day = (now - timedelta(minutes=10)).strftime("%Y-%m-%d")
        if day != self.day:
            self.folder.join_until(day)
            self.folder.forget(now - timedelta(days=settings.DESK_DAYS_KEPT))
            self.day = day

    def _tell_a_hole(self) -> None:
        """Say it where the stream does not reach back to our place any more: what lay between is lost."""
        if id_key(self.place) == (0, 0):
            return
        client = bus.stream_client()
        newest = client.xrevrange(bus.TICKS, "+", "-", count=1)
        if newest and id_key(newest[0][0].decode()) < id_key(self.place):
            self._tell(
                "the stream is older than what is kept of it: Redis has lost its data", place=self.place
            )
        elif newest and not client.xrange(bus.TICKS, self.place, self.place, count=1):
            log.error("ticks may be missing: the stream was cut before they were kept", since=self.place)

    def _tell(self, what: str, **details: str) -> None:
        if time.monotonic() - self.told_at > TOLD_EVERY_S:
            self.told_at = time.monotonic()
            log.error(what, **details)
