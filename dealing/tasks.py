"""Celery's part: desks as long-lived tasks, kept alive by beat; housekeeping.

A message is a hint, the lease is the truth: a desk's task leaves at once where another one holds the shard.
Somebody watches all the time in a slot of the pool that no desk needs, and steps in where one is missing.
Messages of the queue `engine` are acknowledged before they run and expire after 2 s, because beat sends the
next one; a desk is never restarted by redelivery. Promises: any shard without a living desk gets one within
a second; a worker that is told to stop drains its desks in about a second.
"""

import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from celery import shared_task, signals
from django.conf import settings
from django.db import connection
from kombu.exceptions import OperationalError

from dealing.clock import ClockWrong, compare
from dealing.desk import Desk
from dealing.lease import NoSuchShard, is_held
from dealing.shards import WrongShards, agreed

log = structlog.get_logger(__name__)
EXPIRES_S = 2
WATCH_S = 1.7  # beat sends every 2 s: somebody looks nearly all the time
LOOK_EVERY_S = 0.2
HOPS = 6
OUTBOX_KEPT = timedelta(hours=24)
BATCHES_KEPT_DAYS = 7  # at least
#: Made at import, before the worker forks: the desks in its children see what its signal handler sets.
_stopping = multiprocessing.Value("b", 0)


@signals.worker_shutting_down.connect
def _drain(**_: Any) -> None:
    _stopping.value = 1


@signals.worker_ready.connect
def _start_at_once(**_: Any) -> None:
    ensure_shards.apply_async(queue="engine", expires=EXPIRES_S)


@shared_task(name="dealing.tasks.engine_shard", acks_late=False, ignore_result=True)
def engine_shard(shard: int) -> str:
    """Run the desk of a shard until the worker stops, or leave at once where it has one."""
    desk = Desk.from_settings(shard, should_stop=lambda: bool(_stopping.value), when_serving=_watch_on)
    try:
        ended = desk.run()
    except (WrongShards, NoSuchShard) as error:
        log.error("no desk can begin here", shard=shard, why=str(error))
        return "refused"
    if ended != "held":
        log.info("the desk ended", shard=shard, why=ended)
    return ended


def _watch_on() -> None:
    """Let somebody watch at once, in the slot that a dead desk has left: the watcher may have become the desk.

    A desk that fails while it loads does not come here, so that it is tried again at beat's pace and no faster.
    """
    try:
        ensure_shards.apply_async(queue="engine", expires=EXPIRES_S)
    except OperationalError as error:
        log.warning("nobody was asked to watch, beat will", error=str(error))


def _hand_on(hops: int) -> None:
    """Let a watcher elsewhere have this message: our clock is wrong, and nobody else may have got one."""
    if hops >= HOPS:
        return
    time.sleep(LOOK_EVERY_S)  # in which whoever waits elsewhere is the first in the queue
    try:
        ensure_shards.apply_async((hops + 1,), queue="engine", expires=EXPIRES_S)
    except OperationalError as error:
        log.warning("nobody was asked to watch, beat will", error=str(error))


@shared_task(name="dealing.tasks.ensure_shards", acks_late=False, ignore_result=True)
def ensure_shards(hops: int = 0) -> None:
    """Watch until the next one comes; where a shard has no living desk, become it.

    hops: how many workers with a wrong clock have handed it on.
    """
    end = time.monotonic() + WATCH_S
    try:
        with connection.cursor() as cursor:
            compare(cursor)
    except ClockWrong as wrong:
        log.error("no desk can begin here", why=str(wrong))
        _hand_on(hops)
        return
    while not _stopping.value:
        try:
            with connection.cursor() as cursor:
                missing = [shard for shard in range(agreed(cursor)) if not is_held(cursor, shard)]
        except WrongShards as error:
            log.error("nobody is watched from here", why=str(error))
            return
        if missing:
            connection.close()  # a desk has a session of its own
            for shard in missing[1:]:
                engine_shard.apply_async((shard,), queue="engine", expires=EXPIRES_S)
            engine_shard(missing[0])
            return
        if time.monotonic() >= end:
            return
        time.sleep(LOOK_EVERY_S)


@shared_task(name="dealing.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Delete published events and batch rows that are too old for anybody to ask for; never a trading row.

    Of a shard's batches a beginning goes, so that those that are left have no holes.
    """
    now = datetime.now(UTC)
    kept_from = now - timedelta(days=max(BATCHES_KEPT_DAYS, settings.DESK_DAYS_KEPT))
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM dealing_outbox o USING dealing_engineshard s WHERE s.shard = o.shard"
            " AND o.id <= s.published AND o.time_ms < %s",
            (int((now - OUTBOX_KEPT).timestamp() * 1000),),
        )
        events = cursor.rowcount
        cursor.execute(
            "DELETE FROM dealing_enginebatch b USING (SELECT shard, max(seq) AS seq FROM dealing_enginebatch"
            " WHERE at < %s GROUP BY shard) old, dealing_engineshard s"
            " WHERE b.shard = old.shard AND b.seq <= old.seq AND s.shard = b.shard AND b.seq < s.seq",
            (kept_from,),
        )
        batches = cursor.rowcount
        # A day more: the one that a day's replay begins from is older than the day.
        cursor.execute("DELETE FROM dealing_enginesnapshot WHERE at < %s", (kept_from - timedelta(days=1),))
    log.info("swept", events=events, batches=batches, seconds=round(time.monotonic() - started, 2))
