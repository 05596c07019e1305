"""What the desk shows about accounts and itself, read from Redis for the admin and the audit.

Redis is never the record: where it does not answer there is nothing to show, and that is what callers get.
"""

import json
from collections.abc import Iterable
from typing import Any

import redis
from structlog import get_logger

from dealing import bus

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
