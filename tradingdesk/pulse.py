"""Signs of life of Celery's processes, kept in Redis: workers by the queue that they serve, and beat.

A worker's main process writes with each of its heartbeats (every 2 s), whatever its pool is doing; beat with each
message that it sends. Times are Redis' own, so that clocks of machines do not matter. A Redis that does not answer
costs nothing but the sign.
"""

from typing import Any

import redis
from celery import signals
from structlog import get_logger

from dealing import bus

log = get_logger(__name__)
BEAT = "beat"
QUEUES = ("engine", "celery")
_queues: list[str] = []
_is_beat: list[bool] = []


def worker_field(queue: str) -> str:
    """Return the field of the workers of a queue."""
    return f"worker:{queue}"


def note(*fields: str) -> None:
    """Write that these are alive now."""
    try:
        client = bus.client()
        seconds, micros = client.time()
        client.hset(bus.PULSE, mapping=dict.fromkeys(fields, seconds * 1000 + micros // 1000))
    except redis.RedisError as error:
        log.warning("a sign of life could not be written", of=fields, error=str(error))


@signals.celeryd_after_setup.connect
def _know_queues(instance: Any = None, **_: Any) -> None:
    _queues[:] = list(instance.app.amqp.queues.consume_from)


@signals.heartbeat_sent.connect
def _worker_lives(**_: Any) -> None:
    if _queues:
        note(*[worker_field(queue) for queue in _queues])


@signals.beat_init.connect
@signals.beat_embedded_init.connect
def _know_beat(**_: Any) -> None:
    _is_beat[:] = [True]


@signals.after_task_publish.connect
def _beat_lives(**_: Any) -> None:
    if _is_beat:
        note(BEAT)
