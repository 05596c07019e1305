"""Local wall time: when a trading day ends, and when a session is open (§2.7, §10).

Local times become moments: a time that comes twice counts at its first, one that does not come at the next
minute that does. Zones are those of the pinned tzdata package, never of the machine, so that two servers and a
replay of last year agree. Promises: pure computation; equal input gives equal output everywhere.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the day numbers of local dates count from here
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_LONGEST_NAME = 64
_MINUTE = timedelta(minutes=1)
_CACHED_DAYS = 16
_LOOK_AHEAD_DAYS = 370  # a session after a year of holidays is none
DAYS_OF_WEEK = 7

Span = tuple[int, int]  # moments: from, to (excluded)
Week = tuple[tuple[Span, ...], ...]  # by weekday, Monday first; ms of the local day


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """Return the zone of an IANA name.

    Raises:
        ValueError: there is no such zone.
    """
    if name == "UTC":
        return UTC
    match = _ZONE_NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    place = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")) if match else None
    if place is None or not place.is_file() or "." in name:
        excerpt = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
        raise ValueError(f"{excerpt!r} is no time zone, such as Europe/Berlin or America/New_York")
    with place.open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def moment_ms(zone: tzinfo, day: int, in_day_ms: int) -> int:
    """Return the moment of a local time: `day` counts local dates from 1970-01-01, `in_day_ms` from its midnight."""
    if zone is UTC:
        return day * DAY_MS + in_day_ms
    local = _EPOCH + timedelta(days=day, milliseconds=in_day_ms)
    while True:
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == local:
            return int((moment.replace(tzinfo=None) - _EPOCH) / timedelta(milliseconds=1))
        local = local.replace(second=0, microsecond=0) + _MINUTE  # the clock jumps over this time


def local_day(zone: tzinfo, time_ms: int) -> int:
    """Return the number of the local date, from 1970-01-01, at a moment."""
    if zone is UTC:
        return time_ms // DAY_MS
    local = (_EPOCH + timedelta(milliseconds=time_ms)).replace(tzinfo=UTC).astimezone(zone)
    return local.date().toordinal() - date(1970, 1, 1).toordinal()


def local_date(zone: tzinfo, time_ms: int) -> date:
    """Return the local date at a moment."""
    return date(1970, 1, 1) + timedelta(days=local_day(zone, time_ms))


def weekday_of(zone: tzinfo, time_ms: int) -> int:
    """Return the local weekday at a moment, 0 for Monday."""
    return (local_day(zone, time_ms) + 3) % DAYS_OF_WEEK


def next_day_end(zone: tzinfo, day_end_ms: int, after_ms: int) -> int:
    """Return the first moment after `after_ms` at which a trading day ends; `day_end_ms` is of the local day."""
    day = local_day(zone, after_ms) - 1
    while True:
        moment = moment_ms(zone, day, day_end_ms)
        if moment > after_ms:
            return moment
        day += 1


def last_day_end(zone: tzinfo, day_end_ms: int, until_ms: int) -> int:
    """Return the last moment up to `until_ms`, itself included, at which a trading day ended: when its day began."""
    day = local_day(zone, until_ms) + 1
    while True:
        moment = moment_ms(zone, day, day_end_ms)
        if moment <= until_ms:
            return moment
        day -= 1


@dataclass(slots=True)
class Calendar:
    """The trading sessions of a symbol: a week of local times in a zone, less holidays (local dates)."""

    zone: tzinfo
    week: Week | None  # None: always
    holidays: frozenset[int]
    days: dict[int, tuple[Span, ...]] = field(default_factory=dict)
    change: tuple[int, int] = (0, 0)  # the one last found: from the first moment on, the second is the next

    def is_open(self, time_ms: int) -> bool:
        """Return whether this moment is inside a session: the start is inside, the end is not."""
        if self.week is None and not self.holidays:
            return True
        if self.zone is UTC:
            return self._is_open_utc(time_ms)
        day = local_day(self.zone, time_ms)
        return any(
            start <= time_ms < end for near in (day - 1, day, day + 1) for start, end in self._spans(near)
        )

    def _is_open_utc(self, time_ms: int) -> bool:
        day, in_day = divmod(time_ms, DAY_MS)
        if day in self.holidays:
            return False
        if self.week is None:
            return True
        return any(start <= in_day < end for start, end in self.week[(day + 3) % DAYS_OF_WEEK])

    def next_change(self, time_ms: int) -> int | None:
        """Return the next moment at which a session starts or ends, None where none is near."""
        if self.week is None and not self.holidays:
            return None
        if self.change[0] <= time_ms < self.change[1]:
            return self.change[1]
        is_open, day = self.is_open(time_ms), local_day(self.zone, time_ms)
        for near in range(day - 1, day + _LOOK_AHEAD_DAYS):
            for moment in sorted(edge for span in self._spans(near) for edge in span):
                if moment > time_ms and self.is_open(moment) is not is_open:
                    self.change = time_ms, moment
                    return moment
        return None

    def _spans(self, day: int) -> tuple[Span, ...]:
        """Return the sessions of a local date as moments."""
        known = self.days.get(day)
        if known is None:
            if len(self.days) >= _CACHED_DAYS:
                self.days.clear()
            known = self.days[day] = self._spans_of(day)
        return known

    def _spans_of(self, day: int) -> tuple[Span, ...]:
        if day in self.holidays:
            return ()
        whole: tuple[Span, ...] = ((0, DAY_MS),)
        spans = whole if self.week is None else self.week[(day + 3) % DAYS_OF_WEEK]
        return tuple((self._moment(day, start), self._moment(day, end)) for start, end in spans)

    def _moment(self, day: int, in_day_ms: int) -> int:
        days, rest = divmod(in_day_ms, DAY_MS)  # 24:00 is the next midnight
        return moment_ms(self.zone, day + days, rest)
