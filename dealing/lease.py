"""The lease of a shard: who may write its rows.

An advisory lock gives instant hand-over when an owner dies; the row's epoch is the fence that a paused owner
cannot pass, because the first statement of every batch updates that row on condition of the epoch. Promises: at
most one process commits for an epoch; a lease does not survive its connection. The connection is its own, opened
where the desk runs (after a fork) and straight to PostgreSQL, because a pooler would share the lock.
"""

import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from django.db import connections

from dealing import clock, shards
from dealing.failpoints import failpoint
from dealing.shards import LOCK_SPACE

log = structlog.get_logger(__name__)
BEAT_EVERY_S = 1.0
HEARTBEAT_LIMIT_S = 5  # an owner silent for longer is ended, by the database's clock
SILENCE_LIMIT_S = 3.0  # an owner that has not committed for longer asks the row before it writes
LOAD_LIMIT_S = 60  # how long an owner may load a book or write a large batch before its silence counts
#: Until when an owner's silence means nothing, as SQL on the shard's row: after a beat, or as long as it has asked for.
PATIENT_UNTIL = f"greatest(s.heartbeat_at + make_interval(secs => {HEARTBEAT_LIMIT_S}), s.quiet_until)"


class LeaseLost(Exception):
    """Somebody else may hold the shard by now; nothing in memory is to be trusted."""


class ClockLost(LeaseLost):
    """The lease must be given back, because our clock is too far from the database's."""


class NoSuchShard(Exception):
    """The database has fewer shards than that."""


@dataclass(slots=True)
class Lease:
    """A shard that is ours until our connection ends or a later epoch begins."""

    conn: "psycopg.Connection[Any]"
    shard: int
    epoch: int
    row: dict[str, Any]
    shards: int = 1  # among how many the accounts are divided; it does not change while this is held
    skew_ms: int = 0  # how far our clock was ahead of the database's when it was read last
    seq: int = 0  # of the last batch that is in the rows

    @property
    def after_crash(self) -> bool:
        """Return whether the owner before us did not give the shard back."""
        takes, crashes = self.row.get("takes"), self.row.get("crashes")
        return bool(takes and crashes and takes[0] == crashes[0])

    def release(self) -> None:
        """Give the shard back, so that the next owner need not wait, and close the connection."""
        try:
            self.conn.execute(
                "UPDATE dealing_engineshard SET owner = '', heartbeat_at = NULL, quiet_until = NULL,"
                " drain_requested = false, clock_skew_ms = %s WHERE shard = %s AND epoch = %s",
                (self.skew_ms, self.shard, self.epoch),
            )
        except psycopg.Error as error:
            log.warning("the lease was not given back, it ends with the connection", error=str(error))
        self.close()

    def close(self) -> None:
        """End the connection, and with it the lease."""
        try:
            self.conn.close()
        except psycopg.Error as error:
            log.warning("closing the connection failed", error=str(error))


def owner_name() -> str:
    """Return who we are, for the row: machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def open_session(name: str = "tradingdesk-desk") -> "psycopg.Connection[Any]":
    """Return a connection of our own with the limits of a desk; `name` tells it from others on the server.

    Raises:
        psycopg.OperationalError: PostgreSQL does not answer.
    """
    database = connections["default"].settings_dict
    conn: psycopg.Connection[Any] = psycopg.connect(
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        dbname=database["NAME"],
        autocommit=True,
        connect_timeout=3,
        keepalives=1,
        keepalives_idle=2,
        keepalives_interval=1,
        keepalives_count=2,
        application_name=name,
        options="-c lock_timeout=1500 -c idle_in_transaction_session_timeout=3000"
        " -c statement_timeout=30000 -c timezone=UTC",
    )
    return conn


def allow_long(cursor: "psycopg.Cursor[Any]") -> None:
    """Let this transaction take as long as a whole book or a large batch may, in one statement or between two.

    Its owner has said so in the row (`LOAD_LIMIT_S`): others wait as long before they end it.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{LOAD_LIMIT_S}s'")


def take(shard: int, *, build_id: str = "") -> Lease | None:
    """Return the shard's lease, or None while a living owner has it.

    Raises:
        WrongShards: this process believes in another number of shards than the database has.
        NoSuchShard: the database has no shard of this number.
        ClockWrong: this machine's clock is too far from the database's.
        psycopg.OperationalError: PostgreSQL does not answer, or an old owner still holds the row.
    """
    conn = open_session()
    try:
        lease = _take_with(conn, shard, build_id)
    except BaseException:
        conn.close()
        raise
    if lease is None:
        conn.close()
    else:
        failpoint("after_lease")
    return lease


def _take_with(conn: "psycopg.Connection[Any]", shard: int, build_id: str) -> Lease | None:
    _make_rows(conn, shard)
    skew_ms = _compare_clocks(conn, shard)
    if not _lock(conn, shard) and not (_end_silent_owner(conn, shard) and _lock(conn, shard)):
        return None
    number = _number_for(
        conn, shard
    )  # once more: it may have changed until the lock was ours, and cannot from now on
    expected = conn.execute("SELECT expected_build FROM dealing_enginecontrol WHERE id = 1").fetchone()
    if expected and expected[0] and build_id and expected[0] != build_id:
        log.error("another build is expected", expected=expected[0], ours=build_id)
        return None
    cursor = conn.cursor(row_factory=psycopg.rows.dict_row)
    cursor.execute(
        "UPDATE dealing_engineshard SET epoch = epoch + 1, owner = %s, build_id = %s,"
        " backend_pid = pg_backend_pid(), clock_skew_ms = %s, heartbeat_at = NULL,"
        " quiet_until = clock_timestamp() + make_interval(secs => %s),"
        " takes = (ARRAY[statement_timestamp()] || takes)[1:20], crashes = CASE WHEN owner = '' THEN crashes"
        " ELSE (ARRAY[statement_timestamp()] || crashes)[1:20] END,"
        " backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())"
        " WHERE shard = %s RETURNING *",
        (owner_name(), build_id, skew_ms, LOAD_LIMIT_S, shard),
    )
    row = cursor.fetchone()
    if row is None:
        raise LeaseLost(f"the row of shard {shard} is gone")
    return Lease(conn, shard, row["epoch"], row, number, skew_ms)


def _compare_clocks(conn: "psycopg.Connection[Any]", shard: int) -> int:
    """Return how far our clock is ahead of the database's; one that is too far leaves a note where nobody serves.

    Raises:
        ClockWrong: it is more than is allowed.
    """
    try:
        return clock.compare(conn.cursor())
    except clock.ClockWrong as wrong:
        conn.execute(
            "UPDATE dealing_engineshard SET clock_skew_ms = %s WHERE shard = (SELECT s.shard FROM dealing_engineshard s"
            f" WHERE s.shard = %s AND coalesce({PATIENT_UNTIL} < clock_timestamp(), true) FOR UPDATE SKIP LOCKED)",
            (wrong.skew_ms, shard),
        )
        raise


def _number_for(conn: "psycopg.Connection[Any]", shard: int) -> int:
    """Return the number of shards, where this shard is one of them and this process believes the same."""
    number = shards.settled(conn.cursor())
    if shard >= number:
        raise NoSuchShard(f"there is no shard {shard}: the database has {number}, from 0 to {number - 1}")
    return number


def _make_rows(conn: "psycopg.Connection[Any]", shard: int) -> None:
    """Make the control row and the shard's where they are missing and there is such a shard.

    Where they are there, nothing is written: an insertion, even one that would do nothing, waits for whoever has
    changed the row and not committed, and that may be the stalled owner whom we have come to end.
    """
    _number_for(conn, shard)
    there = conn.execute(
        "SELECT 1 FROM dealing_engineshard, dealing_enginecontrol WHERE shard = %s AND id = 1", (shard,)
    ).fetchone()
    if there:
        return
    shards.make_rows(conn.cursor(), [shard])


def _lock(conn: "psycopg.Connection[Any]", shard: int) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s, %s)", (LOCK_SPACE, shard)).fetchone()
    return bool(row and row[0])


def _end_silent_owner(conn: "psycopg.Connection[Any]", shard: int) -> bool:
    """End the backend of an owner that has been silent for too long; return whether there was one."""
    row = conn.execute(
        "SELECT pg_terminate_backend(a.pid) FROM dealing_engineshard s JOIN pg_stat_activity a"
        " ON a.pid = s.backend_pid AND a.backend_start = s.backend_start"
        f" WHERE s.shard = %s AND {PATIENT_UNTIL} < clock_timestamp()",
        (shard,),
    ).fetchone()
    if not row:
        return False
    log.warning("a silent owner was ended", shard=shard)
    time.sleep(0.1)  # its lock goes with its backend, a moment later
    return True


def is_held(conn_cursor: Any, shard: int) -> bool:
    """Return whether a living desk has the shard: it beats, and a backend holds the lock."""
    conn_cursor.execute(
        "SELECT 1 FROM dealing_engineshard s JOIN pg_locks l ON l.locktype = 'advisory'"
        " AND l.classid = %s AND l.objid = %s AND l.granted"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        f" WHERE s.shard = %s AND {PATIENT_UNTIL} > clock_timestamp()",
        (LOCK_SPACE, shard, shard),
    )
    return conn_cursor.fetchone() is not None
