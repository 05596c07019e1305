"""When the trading day ends next and when a market opens or closes, in the server's time, in UTC, and as the viewer's clock has it.

What holds is the desk's word: the moment that its shards wait for, which a change of settings moves from the next moment
on; only before it has ever run it is computed from the settings. Sessions follow from the symbols' rows by the engine's
own calendar. Promises: nothing is written; a symbol's next change is computed once and kept until it has come.
"""

import json
import time
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.conf import settings
from django.db.models import Max, Min
from django.http import HttpRequest
from structlog import get_logger

from dealing.models import EngineShard
from engine.calendar import next_day_end, zone_of
from engine.settings import Server as EngineServer
from engine.settings import SettingError
from markets.models import Server, Symbol

log = get_logger(__name__)
#: The cookie in which static/manager/live.js names the zone of the viewer's clock.
COOKIE = "td_zone"
_KEPT = 4096
_LOOK_AGAIN_MS = 3_600_000


class Change(NamedTuple):
    """Whether a market is open, and when that changes (None: it does not, or not within a year)."""

    is_open: bool
    at_ms: int | None


_known: dict[tuple[str, str], tuple[int, Change]] = {}


def now_ms() -> int:
    """Return the moment by the desk's clock."""
    if settings.DESK_CLOCK == "wall":
        return time.time_ns() // 1_000_000
    found = EngineShard.objects.aggregate(Max("clock_ms"))["clock_ms__max"]
    return int(found or 0)


def server() -> EngineServer:
    """Return the settings of the server as they stand; like the desk the defaults where the row cannot be read."""
    try:
        return (Server.objects.first() or Server()).to_engine()
    except SettingError as error:
        log.error("the server's settings cannot be read", error=str(error))
        return EngineServer()


def day_end_ms(held: EngineServer | None = None) -> int:
    """Return the next day end; one that is past is being made up for by a desk that was away."""
    waited = EngineShard.objects.filter(day_end_ms__gt=0).aggregate(Min("day_end_ms"))["day_end_ms__min"]
    if waited:
        return int(waited)
    held = held or server()
    return next_day_end(held.zone, held.day_end_ms, now_ms())


def change_of(symbol: Symbol, server_zone: str, at_ms: int) -> Change | None:
    """Return whether a symbol's market is open at a moment, and its next change after it; None: its row cannot be read."""
    key = (server_zone, json.dumps([symbol.sessions, symbol.holidays], sort_keys=True))
    kept = _known.get(key)
    if kept is not None:
        since, change = kept
        until = since + _LOOK_AGAIN_MS if change.at_ms is None else change.at_ms
        if since <= at_ms < until:
            return change
    try:
        read = symbol.to_engine(index=0)
    except SettingError as error:  # the desk leaves it out, too, and says so
        log.warning("a symbol cannot be read", symbol=symbol.name, error=str(error))
        return None
    read.follow(server_zone)
    change = Change(read.in_session(at_ms), read.calendar.next_change(at_ms))
    if len(_known) >= _KEPT:
        _known.clear()
    _known[key] = (at_ms, change)
    return change


def viewer_zone(request: HttpRequest) -> str:
    """Return the name of the zone of the viewer's clock, "" where their page has not said it, or nonsense."""
    name = unquote(request.COOKIES.get(COOKIE, ""))
    try:
        zone_of(name)
    except ValueError:
        return ""
    return name


def local(at_ms: int, zone: tzinfo, *, is_far: bool = True) -> str:
    """Return a moment by a wall clock: `Fri 2026-11-27 17:00`, or within a week `Fri 17:00`."""
    instant = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return f"{instant:%a %Y-%m-%d %H:%M}" if is_far else f"{instant:%a %H:%M}"


def in_words(at_ms: int, *, of: int) -> str:
    """Return how long it is until a moment: `in 2 h 05 min`."""
    minutes, seconds = divmod(max(0, at_ms - of) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"in {days} d {hours} h"
    return (
        f"in {hours} h {minutes:02d} min" if hours else f"in {minutes} min" if minutes else f"in {seconds} s"
    )


def clocks_of(request: HttpRequest, at_ms: int, server_zone: str) -> list[tuple[str, Any]]:
    """Return a moment by every clock that matters to who looks: the server's, UTC, and their own."""
    found = [
        (f"Server's time ({server_zone})", local(at_ms, zone_of(server_zone))),
        ("UTC", local(at_ms, UTC)),
    ]
    own = viewer_zone(request)
    if own:
        found.append((f"Your time ({own})", local(at_ms, zone_of(own))))
    return found
