"""The desk's clocks: the wall's, which may be wrong, and the one that only passes.

A wall clock is held against the database's: apart by more than two seconds for certain, it must trade nothing. What is
certain is judged by asking before and after, so a slow answer is never taken for a wrong clock. Ages are measured by
`passed_ms`, which nobody sets. `DESK_CLOCK_OFFSET_MS` makes this process's wall clock wrong, for tests.
"""

import time
from typing import Any

from django.conf import settings

LIMIT_MS = 2_000
#: How far ahead of the wall clock a tick may be stamped.
AHEAD_LIMIT_MS = 60_000
#: The database's clock in ms UTC; as a part of other statements.
DATABASE_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class ClockWrong(Exception):
    """This machine's clock and the database's are too far apart for trading."""

    def __init__(self, skew_ms: int) -> None:
        way = "ahead of" if skew_ms > 0 else "behind"
        super().__init__(
            f"this machine's clock is {abs(skew_ms) / 1000:.1f} s {way} the database's, at most {LIMIT_MS / 1000:.0f} s"
            " are allowed: set the clocks"
        )
        self.skew_ms = skew_ms


def wall_ms() -> int:
    """Return the time of this machine's clock, in ms UTC."""
    offset: int = settings.DESK_CLOCK_OFFSET_MS
    return time.time_ns() // 1_000_000 + offset


def monotonic_ms() -> int:
    """Return a count of milliseconds that only passes."""
    return time.monotonic_ns() // 1_000_000


def skew_of(before_ms: int, database_ms: int, after_ms: int) -> int:
    """Return how far our clock is certainly ahead of the database's (below 0: behind), read between two of ours."""
    if database_ms < before_ms:
        return before_ms - database_ms
    return min(0, after_ms - database_ms)


def judged(before_ms: int, database_ms: int) -> int:
    """Return the skew of a reading of the database's clock that has just come.

    Raises:
        ClockWrong: it is more than is allowed.
    """
    skew_ms = skew_of(before_ms, database_ms, wall_ms())
    if abs(skew_ms) > LIMIT_MS:
        raise ClockWrong(skew_ms)
    return skew_ms


def compare(cursor: Any) -> int:
    """Hold our clock against the database's and return the skew.

    Raises:
        ClockWrong: it is more than is allowed.
    """
    before_ms = wall_ms()
    cursor.execute(f"SELECT {DATABASE_MS}")
    return judged(before_ms, int(cursor.fetchone()[0]))
