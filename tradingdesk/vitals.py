"""How every part is, by one look: for `/health/ready`, `./desk status` and `python -m tradingdesk.vitals` alike.

It asks the database by its own clock, Redis by its own, and no process by its word: a desk is what holds the lease
and commits, a feed is what has written to the stream. Promises: a look ends within a few seconds whatever hangs, with
connections of its own, so that a full pool does not make it blind; what is wrong is told in a sentence that holds the
figures; it writes nothing. `HEALTH_PARTS` says which parts there have to be.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import connections
from psycopg.rows import dict_row

from dealing import bus
from dealing.shards import LOCK_SPACE
from engine.settings import SettingError, Symbol
from tradingdesk import pulse
from tradingdesk.probes import first_line

LIMIT_S = 2  # of each answer of the database and of Redis
KEPT_S = 0.5  # a look is good for that long: asking often costs little
HEARTBEAT_LIMIT_S = 5.0
CRASHES = 2  # of a desk within a minute: the second one makes a loop
TICKS_LIMIT_S = 5.0
COMMAND_LIMIT_S = 5.0
PULSE_LIMIT_S = 10.0
FEED_LIMIT_S = 30.0

_SHARDS = """
WITH numbers AS (
    SELECT generate_series(0, greatest(shards, 1) - 1) AS shard FROM dealing_enginecontrol WHERE id = 1
)
SELECT n.shard, s.owner, s.epoch, s.clock_skew_ms, s.tick_cursor, s.takes IS NOT NULL AS has_row,
    extract(epoch FROM clock_timestamp() - s.heartbeat_at)::float8 AS heartbeat_age_s,
    s.quiet_until > clock_timestamp() AS is_patient,
    (SELECT count(*) FROM unnest(s.takes) AS t WHERE t > clock_timestamp() - interval '1 minute') AS takes,
    (SELECT count(*) FROM unnest(s.crashes) AS t WHERE t > clock_timestamp() - interval '1 minute') AS crashes,
    EXISTS (SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = n.shard
        AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_held,
    (SELECT extract(epoch FROM clock_timestamp() - c.created_at)::float8 FROM dealing_command c
        WHERE c.shard = n.shard AND c.status = 'pending' ORDER BY c.id LIMIT 1) AS command_age_s
FROM numbers n LEFT JOIN dealing_engineshard s USING (shard) ORDER BY n.shard
"""
_SYMBOLS = "SELECT name, sessions, holidays FROM markets_symbol WHERE trade_mode <> 'disabled'"
_NOW_MS = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms"


@dataclass(slots=True)
class Look:
    """What was found: each part with what is wrong with it, and the figures of each shard."""

    parts: dict[str, list[str]] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Return whether nothing is wrong."""
        return not any(self.parts.values())

    @property
    def reasons(self) -> list[str]:
        """Return what is wrong, a sentence each."""
        return [f"{part}: {why}" for part, found in self.parts.items() for why in found]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        return {
            "status": "ok" if self.is_well else "unavailable",
            "reasons": self.reasons,
            "parts": {part: "ok" if not found else "; ".join(found) for part, found in self.parts.items()},
            "shards": self.shards,
        }


@dataclass(slots=True)
class _Stream:
    """What Redis says: when the newest quote came, signs of life, and by its clock what time it is."""

    now_ms: int
    newest_ms: int | None
    pulses: dict[str, int]
    unread_ms: Callable[[str], int | None]


def look() -> Look:
    """Return how every part that there has to be is now."""
    found = Look({part: [] for part in settings.HEALTH_PARTS})
    stream = _redis(found)
    try:
        with _session() as conn:
            _shards(conn, found, stream)
            _feed(conn, found, stream)
    except psycopg.OperationalError as error:
        _tell(found, "database", f"it does not answer: {first_line(error)}")
    except psycopg.Error as error:
        _tell(found, "database", f"it cannot be read, is it migrated? {first_line(error)}")
    _pulses(found, stream)
    return found


_lock = threading.Lock()
_kept: dict[str, Any] = {}


def recent_look() -> Look:
    """Return a look that is at most half a second old; who asks meanwhile waits for the one that is under way."""
    key = (settings.REDIS_URL, str(connections["default"].settings_dict), tuple(settings.HEALTH_PARTS))
    with _lock:
        if _kept.get("key") != key or time.monotonic() - _kept["at"] > KEPT_S:
            _kept.update(look=look(), key=key, at=time.monotonic())
        kept: Look = _kept["look"]
        return kept


def _tell(found: Look, part: str, why: str) -> None:
    """Note what is wrong with a part; one that there has not to be is not told."""
    if part in found.parts:
        found.parts[part].append(why)


def _session() -> "psycopg.Connection[dict[str, Any]]":
    """Return a connection of our own that waits for nothing for long."""
    told = connections["default"].settings_dict
    return psycopg.connect(
        host=told["HOST"] or None, port=told["PORT"] or None, user=told["USER"] or None,
        password=told["PASSWORD"] or None, dbname=told["NAME"], autocommit=True, connect_timeout=LIMIT_S,
        application_name="tradingdesk-health", options=f"-c statement_timeout={LIMIT_S * 1000} -c timezone=UTC",
        row_factory=dict_row,
    )  # fmt: skip


# ---- Redis, and what it carries ----


def _redis(found: Look) -> _Stream | None:
    client: Any = redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=LIMIT_S, socket_connect_timeout=LIMIT_S
    )

    def unread_ms(cursor: str) -> int | None:
        """Return when the first entry beyond a place came, None where there is none."""
        after = client.xrange(bus.TICKS, min=f"({cursor}", count=1)
        return int(after[0][0].partition("-")[0]) if after else None

    try:
        seconds, micros = client.time()
        newest = client.xrevrange(bus.TICKS, count=1)
        pulses = {name: int(at) for name, at in client.hgetall(bus.PULSE).items()}
    except redis.RedisError as error:
        _tell(found, "redis", f"it does not answer: {first_line(error)}")
        return None
    newest_ms = int(newest[0][0].partition("-")[0]) if newest else None
    return _Stream(seconds * 1000 + micros // 1000, newest_ms, pulses, unread_ms)


def _pulses(found: Look, stream: _Stream | None) -> None:
    """Judge workers and beat by their signs of life."""
    if stream is None:
        return
    wanted = [("workers", pulse.worker_field(queue), f"none for the queue {queue}") for queue in pulse.QUEUES]
    wanted.append(("beat", pulse.BEAT, "nobody sends what is due"))
    for part, name, what in wanted:
        at_ms = stream.pulses.get(name)
        if at_ms is None:
            _tell(found, part, f"{what}, and there has been none since Redis began")
            continue
        age_s = (stream.now_ms - at_ms) / 1000
        if age_s > PULSE_LIMIT_S:
            _tell(found, part, f"{what}: the last sign of life came {age_s:.1f} s ago")


# ---- desks ----


def _shards(conn: "psycopg.Connection[dict[str, Any]]", found: Look, stream: _Stream | None) -> None:
    """Judge each shard's desk: does somebody hold its lease, commit, keep up, and live."""
    rows = conn.execute(_SHARDS, (LOCK_SPACE,)).fetchall()
    if not rows:
        _tell(found, "desk", "no desk has ever run on this database")
    for row in rows:
        lag_s = None
        if stream is not None and row["tick_cursor"] is not None:
            lag_s = _lag_s(row["tick_cursor"], stream)
        shown = {
            key: row[key]
            for key in (
                "shard",
                "epoch",
                "clock_skew_ms",
                "heartbeat_age_s",
                "takes",
                "crashes",
                "command_age_s",
            )
        }
        found.shards.append({**shown, "is_held": row["is_held"], "tick_lag_s": lag_s})
        for why in _faults_of(row, lag_s):
            _tell(found, "desk", f"shard {row['shard']}: {why}")


def _lag_s(cursor: str, stream: _Stream) -> float | None:
    """Return how long the first quote that a desk has not committed has been waiting, 0 where there is none."""
    try:
        at_ms = stream.unread_ms(cursor)
    except redis.RedisError:
        return None  # it has just answered; the next look will tell
    return 0.0 if at_ms is None else max(0.0, (stream.now_ms - at_ms) / 1000)


def _faults_of(row: dict[str, Any], lag_s: float | None) -> Iterable[str]:
    """Return what is wrong with a shard's desk."""
    if row["takes"] is not None and row["crashes"] >= CRASHES:
        yield (
            f"crash loop: {row['crashes']} desks have died within a minute,"
            f" and the lease was taken {row['takes']} times"
        )
    age_s = row["heartbeat_age_s"]
    beat = "it has not beaten yet" if age_s is None else f"its last heartbeat came {age_s:.1f} s ago"
    if not row["has_row"]:
        yield "no desk has ever run"
    elif not row["is_held"]:
        yield f"no desk holds the lease; {'a desk has given it back' if not row['owner'] else beat}"
    elif age_s is None or age_s > HEARTBEAT_LIMIT_S:
        doing = "loading or writing something long" if row["is_patient"] else "silent"
        yield f"the desk is {doing}: {beat}"
    if lag_s is not None and lag_s > TICKS_LIMIT_S:
        yield f"a quote has been waiting for {lag_s:.1f} s"
    waits_s = row["command_age_s"]
    if waits_s is not None and waits_s > COMMAND_LIMIT_S:
        yield f"a command has been waiting for its answer for {waits_s:.1f} s"


# ---- the feed ----


def _feed(conn: "psycopg.Connection[dict[str, Any]]", found: Look, stream: _Stream | None) -> None:
    """Judge the feed: silence counts while a symbol that may be traded is inside a session."""
    if stream is None or "feed" not in found.parts:
        return
    age_s = None if stream.newest_ms is None else (stream.now_ms - stream.newest_ms) / 1000
    if age_s is not None and age_s <= FEED_LIMIT_S:
        return
    now = conn.execute(_NOW_MS).fetchone()
    open_ones = [row["name"] for row in conn.execute(_SYMBOLS) if now and _in_session(row, now["now_ms"])]
    if not open_ones:
        return
    since = "no quote has come" if age_s is None else f"the last quote came {age_s:.1f} s ago"
    more = "" if len(open_ones) == 1 else f" and {len(open_ones) - 1} more"
    _tell(found, "feed", f"{since}, and {min(open_ones)}{more} is in session")


def _in_session(row: dict[str, Any], now_ms: int) -> bool:
    """Return whether a symbol is inside a session; one whose sessions cannot be read counts as closed."""
    hours = {"sessions": row["sessions"], "holidays": row["holidays"]}
    try:
        # The rest of a symbol does not bear on its hours, and any name will do.
        return Symbol.from_values({"name": "EURUSD", **hours}, index=0).in_session(now_ms)
    except SettingError:
        return False


def main() -> int:
    """Print how every part is; return 0 when all is well, else 1."""
    found = look()
    for part, why in found.parts.items():
        print(f"  {part:<10}{'well' if not why else '; '.join(why)}")
    for row in found.shards:
        age, lag = (
            "-" if row[key] is None else f"{row[key]:.1f} s" for key in ("heartbeat_age_s", "tick_lag_s")
        )
        print(
            f"  shard {row['shard']:<4}heartbeat {age} ago, ticks {lag} behind, epoch {row['epoch']},"
            f" lease taken {row['takes']} times in a minute"
        )
    return 0 if found.is_well else 1


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
    sys.exit(main())
