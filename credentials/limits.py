"""How often a password may be tried: one count for every door.

An attempt is counted before the password is looked at, so that as many as come at the same moment cannot pass a limit
together, and is given back when the password was right. Counted are attempts of an address in a minute, failures of an
address, of a name from an address, and of a name from all addresses that its user never logged in from. So nobody can lock
another out from an address that the other uses and they do not. Promises: Redis counts atomically for all processes; while it
does not answer, each process counts for itself, by the same rules. Names stand in Redis as hashes only.
"""

import hashlib
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from structlog import get_logger

from dealing import bus

log = get_logger(__name__)

MINUTE_MS = 60_000
SILENT_AFTER_S = 0.5
AWAY_S = 5.0  # after Redis was silent, nobody waits for it that long
MAX_COUNTERS = 50_000

#: KEYS: counters; ARGV: for each its limit and its time in ms. Returns 0, or the ms to wait where one is full.
#: A counter that becomes full stands for its whole time from then on.
_TAKE = """
local wait = 0
for i, key in ipairs(KEYS) do
    local limit, time = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    if tonumber(redis.call('GET', key) or '0') >= limit then
        local left = redis.call('PTTL', key)
        if left < 0 then redis.call('PEXPIRE', key, time) left = time end
        wait = math.max(wait, left, 1)
    end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
    local limit, time = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local count = redis.call('INCR', key)
    if count == 1 or count >= limit then redis.call('PEXPIRE', key, time) end
end
return 0
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
    if tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
end
return 0
"""


class TooManyAttempts(Throttled):
    """Locked out for `wait` seconds: the password was not even looked at."""

    wait: int

    def __init__(self, wait_s: float) -> None:
        seconds = max(1, math.ceil(wait_s))
        super().__init__(detail=f"Too many attempts to log in; the next one is possible in {seconds} s.")
        self.wait = seconds


@dataclass(frozen=True)
class Counter:
    """One count: its key, how many it takes, and for how long."""

    key: str
    limit: int
    time_ms: int


@dataclass(frozen=True)
class Attempt:
    """What an attempt was counted in."""

    rate: Counter
    pair: Counter
    others: tuple[Counter, ...]
    local: bool = False

    @property
    def failures(self) -> tuple[Counter, ...]:
        """Return the counters of failures."""
        return (self.pair, *self.others)

    @property
    def all(self) -> tuple[Counter, ...]:
        """Return every counter."""
        return (self.rate, *self.failures)


class LocalCounts:
    """The same counts in the memory of this process; the ones untouched for longest are forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # key -> count, when it ends

    def take(self, counters: tuple[Counter, ...], *, now_s: float) -> float:
        """Return 0 where all counters had room and have counted, else the ms to wait."""
        with self._lock:
            found = [self._living(one.key, now_s) for one in counters]
            waits = [
                (ends_s - now_s) * 1000
                for one, (count, ends_s) in zip(counters, found, strict=True)
                if count >= one.limit
            ]
            if waits:
                return max(1.0, *waits)
            for one, (count, ends_s) in zip(counters, found, strict=True):
                if count == 0 or count + 1 >= one.limit:
                    ends_s = now_s + one.time_ms / 1000
                self._counts[one.key] = (count + 1, ends_s)
                self._counts.move_to_end(one.key)
            while len(self._counts) > MAX_COUNTERS:
                self._counts.popitem(last=False)
        return 0.0

    def give_back(self, counters: tuple[Counter, ...]) -> None:
        """Count one less."""
        with self._lock:
            for one in counters:
                count, ends_s = self._counts.get(one.key, (0, 0.0))
                if count > 0:
                    self._counts[one.key] = (count - 1, ends_s)

    def forget(self, key: str | None = None) -> None:
        """Forget one counter, or all."""
        with self._lock:
            if key is None:
                self._counts.clear()
            self._counts.pop(key or "", None)

    def _living(self, key: str, now_s: float) -> tuple[int, float]:
        count, ends_s = self._counts.get(key, (0, 0.0))
        return (count, ends_s) if ends_s > now_s else (0, 0.0)


LOCAL = LocalCounts()
_away_until_s = 0.0


@cache
def _client() -> Any:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=SILENT_AFTER_S,
        socket_connect_timeout=SILENT_AFTER_S,
    )


def take(name: str, address: str, *, known: bool) -> Attempt:
    """Count an attempt with this name from this address (as `credentials.address.limit_key` has it) before it is made.

    `known` says that the name's user has logged in from there before.

    Raises:
        TooManyAttempts: one of the limits is reached; nothing was counted.
    """
    attempt = _attempt(name, address, known=known)
    wait_ms = _in_redis(_TAKE, attempt.all)
    if wait_ms is None:
        attempt = Attempt(attempt.rate, attempt.pair, attempt.others, local=True)
        wait_ms = LOCAL.take(attempt.all, now_s=time.monotonic())
    if wait_ms:
        raise TooManyAttempts(wait_ms / 1000)
    return attempt


def succeeded(attempt: Attempt) -> None:
    """Forget the failures of this name from this address, and that the attempt was counted as one elsewhere."""
    if not attempt.local:
        try:
            _client().delete(attempt.pair.key)
        except RedisError as error:
            _note_away(error)
    LOCAL.forget(attempt.pair.key)
    _give_back(attempt, attempt.others)


def not_made(attempt: Attempt) -> None:
    """Take the count back: the password could not be looked at."""
    _give_back(attempt, attempt.failures)


def _give_back(attempt: Attempt, counters: tuple[Counter, ...]) -> None:
    if attempt.local:
        LOCAL.give_back(counters)
    else:
        _in_redis(_GIVE_BACK, counters)


def _attempt(name: str, address: str, *, known: bool) -> Attempt:
    lock_ms = settings.LOGIN_LOCK_S * 1000
    who = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    others = [Counter(f"{bus.LOGINS}address:{address}", settings.LOGIN_FAILURES_ADDRESS, lock_ms)]
    if not known:
        others.append(Counter(f"{bus.LOGINS}name:{who}", settings.LOGIN_FAILURES_NAME, lock_ms))
    return Attempt(
        rate=Counter(f"{bus.LOGINS}rate:{address}", settings.API_LOGIN_RATE, MINUTE_MS),
        pair=Counter(f"{bus.LOGINS}pair:{who}:{address}", settings.LOGIN_FAILURES_PAIR, lock_ms),
        others=tuple(others),
    )


def _in_redis(script: str, counters: tuple[Counter, ...]) -> float | None:
    """Return what the script returned, None while Redis does not answer."""
    if time.monotonic() < _away_until_s:
        return None
    words = [word for one in counters for word in (one.limit, one.time_ms)]
    try:
        found: Any = _client().eval(script, len(counters), *(one.key for one in counters), *words)
    except RedisError as error:
        _note_away(error)
        return None
    return float(found)


def _note_away(error: RedisError) -> None:
    global _away_until_s
    _away_until_s = time.monotonic() + AWAY_S
    log.warning("attempts to log in are counted by process: Redis is silent", error=str(error))
