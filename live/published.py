"""What the desk says of accounts, quotes and itself: its figures of the last commit in Redis, its kill switches.

Redis is never the record: where it does not answer there is nothing to show, and that is what callers get.
"""

import json
import time
from collections.abc import Iterable
from typing import Any

import redis
from structlog import get_logger

from dealing import bus, services

log = get_logger(__name__)


def account_states(logins: Iterable[int] | None = None) -> dict[int, dict[str, Any]]:
    """Return equity, margin and the like of accounts with positions, by login; {} where Redis is silent."""
    client: Any = bus.client()
    try:
        if logins is None:
            found = client.hgetall(bus.ACCOUNTS)
        else:
            names = [str(login) for login in logins]
            values = client.hmget(bus.ACCOUNTS, names) if names else []
            found = {name: value for name, value in zip(names, values, strict=True) if value}
    except redis.RedisError as error:
        log.warning("account states are not to be had", error=str(error))
        return {}
    return {int(login): json.loads(text) for login, text in found.items()}


def quotes() -> dict[str, tuple[str, str, int]]:
    """Return the last quote of every symbol as (bid, ask, time in ms); {} where Redis is silent."""
    client: Any = bus.client()
    try:
        found = client.hgetall(bus.QUOTES)
    except redis.RedisError as error:
        log.warning("quotes are not to be had", error=str(error))
        return {}
    return {symbol: tuple(json.loads(text)) for symbol, text in found.items()}


def health() -> dict[int, dict[str, Any]]:
    """Return what each shard's desk last said of itself, by shard; {} where Redis is silent."""
    client: Any = bus.client()
    try:
        found = client.hgetall(bus.HEALTH)
    except redis.RedisError as error:
        log.warning("the desk's health is not to be had", error=str(error))
        return {}
    return {int(shard): json.loads(text) for shard, text in found.items()}


def levels(scope: str) -> dict[str, str]:
    """Return the kill switches of a scope that are turned, by key."""
    return {switch.key: switch.level for switch in services.halts() if switch.scope == scope}


def level_of(scope: str, key: str) -> str:
    """Return how far a kill switch is turned."""
    return levels(scope).get(key, "normal")


def age_s(time_ms: int) -> float:
    """Return how old a quote is in seconds; never below 0, for feeds whose clock runs ahead."""
    return max(0.0, time.time() - time_ms / 1000)
