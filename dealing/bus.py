"""Redis: the names of all keys, channels and streams, and one client a process.

Redis carries ticks, wake-ups and what is shown; losing all of it loses no trade, because whatever counts is in
PostgreSQL. So every caller here goes on when Redis does not answer, and finds the rows by itself.
"""

from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TICKS = "ticks"
QUOTES = "td:quotes"
LIVE = "td:live"
EVENTS = "td:events"
WATCHED = "td:watched"
ACCOUNTS = "td:accounts"
HEALTH = "td:health"
PULSE = "td:pulse"  # signs of life of the parts
TICKETS = "td:ws-ticket:"  # and the digest of a ticket
LOGINS = "td:login:"  # and whose attempts are counted
REQUESTS = "td:limit:"  # and whose requests are counted
SILENT_AFTER_S = 1.0  # no command blocks for longer than a quarter of a second


def wake_key(shard: int) -> str:
    """Return the stream on which a shard's desk is woken and asked."""
    return f"td:wake:{shard}"


def done_key(command_id: int) -> str:
    """Return the list on which the outcome of a command is handed to whoever waits."""
    return f"td:done:{command_id}"


#: What `ticks_key` returns, for all shards, as a pattern.
TICK_COUNTS = "td:ticks:*"


def ticks_key(shard: int) -> str:
    """Return the hash that counts a shard's ticks by cause."""
    return f"td:ticks:{shard}"


def channel(name: str) -> str:
    """Return the name under which something is published; a scratch desk's carries a prefix of its own."""
    return f"{settings.DESK_CHANNEL_PREFIX}{name}"


@cache
def client() -> Any:
    """Return this process's redis.Redis; its pool notices a fork and makes connections of its own."""
    return _made(decode_responses=True)


@cache
def stream_client() -> Any:
    """Return the client that reads what others write: it hands out bytes, because they may be any."""
    return _made(decode_responses=False)


def forget_clients() -> None:
    """Make new clients from now on: the address in the settings has changed."""
    client.cache_clear()
    stream_client.cache_clear()


def _made(*, decode_responses: bool) -> Any:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=decode_responses,
        # The desk waits here between two commits: a Redis that stands still must cost it less than its lease.
        socket_timeout=SILENT_AFTER_S,
        socket_connect_timeout=SILENT_AFTER_S,
        health_check_interval=10,
        # Once more where a kept connection has ended meanwhile; who waited in vain does not wait twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
