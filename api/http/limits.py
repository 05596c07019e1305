"""How much one caller may ask for: token buckets, in memory and in Redis for the whole installation.

A `Limit` is a rate and a burst, counted in units: requests, or units of cost where requests cost unequally. `Buckets`
counts in memory, which the web processes of a machine share (`shared_table`): no other part is needed, so it holds when
Redis does not, and a refusal costs microseconds. `Shared` counts the same in Redis, several buckets in one step: all of them give, or none does. Promises: memory is
bounded; a Redis that is away or stands still is noticed within `ANSWER_S` and left alone for `AWAY_S`, meanwhile the
process counts for itself. It knows nobody's name and no address's worth; who calls it does.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from redis import asyncio as aioredis
from redis.exceptions import RedisError
from structlog import get_logger

from api.http.shared_table import SharedTable, shared_table
from dealing import bus

log = get_logger(__name__)

MAX_CALLERS = 10_000
BURST_S = 3  # a bucket holds what comes in so many seconds
ANSWER_S = 0.25
AWAY_S = 5.0

# ARGV holds per_s, burst and cost of each key. Time is Redis's own: web processes may have different clocks.
SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local wait, levels = 0, {}
for i, key in ipairs(KEYS) do
  local per_s, burst, cost = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
  local kept = redis.call('HMGET', key, 'level', 'at')
  local level = burst
  if kept[1] then
    level = math.min(burst, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * per_s / 1000)
  end
  levels[i] = level
  if level < cost then wait = math.max(wait, (cost - level) / per_s) end
end
if wait == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('HSET', key, 'level', levels[i] - ARGV[3*i], 'at', now)
    redis.call('PEXPIRE', key, math.ceil(ARGV[3*i-1] / ARGV[3*i-2] * 1000) + 1000)
  end
end
return tostring(wait)
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket that holds `burst` units and is filled with `per_s` a second."""

    name: str
    per_s: float
    burst: float


def cost_limit(name: str, per_s: float) -> Limit:
    """Return the limit of so many units of cost a second."""
    return Limit(name, per_s, per_s * BURST_S)


def user_cost() -> Limit:
    """Return what one user may cost in a second, whether they ask by REST, by page or by socket."""
    return cost_limit("cost-user", settings.LIMIT_COST_USER)


@dataclass(frozen=True, slots=True)
class Take:
    """So many units out of one caller's bucket."""

    limit: Limit
    caller: str
    cost: float = 1


class OwnTable:
    """Two numbers for each caller in this process alone; the caller written longest ago is forgotten first."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._numbers)

    def get(self, caller: str) -> tuple[float, float] | None:
        """Return a caller's numbers, None where there are none."""
        return self._numbers.get(caller)

    def put(self, caller: str, first: float, second: float) -> None:
        """Keep a caller's numbers."""
        self._numbers.pop(caller, None)
        self._numbers[caller] = (first, second)
        if len(self._numbers) > MAX_CALLERS:
            self._numbers.popitem(last=False)


class Buckets:
    """Token buckets by caller.

    region: where web processes share memory, the part of it in which these are kept (`shared_table.REGIONS`); "" for the
    process's own, always.
    """

    def __init__(self, *, per_s: float, burst: float, region: str = "") -> None:
        self.per_s = per_s
        self.burst = burst
        self._lock = threading.Lock()
        # Their clock is one for all processes of a machine.
        self._table: OwnTable | SharedTable = (shared_table(region) if region else None) or OwnTable()

    def take(self, caller: str, *, now_s: float, cost: float = 1) -> float:
        """Take `cost` units and return 0.0, or take nothing and return the seconds until they are there.

        A cost beyond the burst is taken from a full bucket, so that nothing is refused for ever.
        """
        cost = min(cost, self.burst)
        with self._lock:
            level = self._level(caller, now_s)
            wait_s = 0.0 if level >= cost else (cost - level) / self.per_s
            self._keep(caller, level if wait_s else level - cost, now_s)
        return wait_s

    def wait_s(self, caller: str, *, now_s: float, cost: float = 1) -> float:
        """Return the seconds until `cost` units are there, 0.0 where they are; nothing is taken."""
        with self._lock:
            if self._table.get(caller) is None:
                return 0.0
            level = self._level(caller, now_s)
            self._keep(caller, level, now_s)
        return max(0.0, (min(cost, self.burst) - level) / self.per_s)

    def charge(self, caller: str, *, now_s: float, cost: float = 1) -> None:
        """Take units for what has been done already; a bucket owes at most its burst."""
        with self._lock:
            level = self._level(caller, now_s)
            self._keep(caller, max(-self.burst, level - cost), now_s)

    def _level(self, caller: str, now_s: float) -> float:
        level, seen_s = self._table.get(caller) or (self.burst, now_s)
        return min(self.burst, level + max(0.0, now_s - seen_s) * self.per_s)

    def _keep(self, caller: str, level: float, now_s: float) -> None:
        self._table.put(caller, level, now_s)


class Shared:
    """Buckets that all processes of the installation share; of one event loop."""

    def __init__(self, url: str = "") -> None:
        self._url = url or settings.REDIS_URL
        self._own: dict[str, Buckets] = {}
        self._script: Any = None
        self._away_until_s = 0.0

    async def take(self, takes: Sequence[Take]) -> float:
        """Take from all buckets and return 0.0, or from none and return the seconds to wait.

        The process's own count is asked first: what it refuses the whole would refuse too, and no trip is made.
        """
        now_s = time.monotonic()
        wait_s = max(self._bucket(one.limit).wait_s(one.caller, now_s=now_s, cost=one.cost) for one in takes)
        if wait_s:
            return wait_s
        wait_s = await self._take_from_all(takes)
        if not wait_s:
            for one in takes:
                self._bucket(one.limit).take(one.caller, now_s=now_s, cost=one.cost)
        return wait_s

    def _bucket(self, limit: Limit) -> Buckets:
        found = self._own.get(limit.name)
        if found is None:
            found = self._own[limit.name] = Buckets(per_s=limit.per_s, burst=limit.burst)
        return found

    async def _take_from_all(self, takes: Sequence[Take]) -> float:
        """Return what Redis says, 0.0 where it says nothing."""
        if time.monotonic() < self._away_until_s:
            return 0.0
        if self._script is None:
            # Limited in all by wait_for below; the client's own limits free the connection afterwards.
            client = aioredis.Redis.from_url(
                self._url, socket_timeout=1, socket_connect_timeout=1, max_connections=64
            )
            self._script = client.register_script(SCRIPT)
        keys = [f"{bus.REQUESTS}{one.limit.name}:{one.caller}" for one in takes]
        numbers = [
            number
            for one in takes
            for number in (one.limit.per_s, one.limit.burst, min(one.cost, one.limit.burst))
        ]
        try:
            return float(await asyncio.wait_for(self._script(keys=keys, args=numbers), ANSWER_S))
        except (RedisError, TimeoutError, OSError) as error:
            self._away_until_s = time.monotonic() + AWAY_S
            log.warning("limits are counted by process: Redis does not answer", error=repr(error))
            return 0.0
