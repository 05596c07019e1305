"""The process's one subscription to what the desks publish, and its fan-out to listeners.

One Redis connection a process receives quotes, live account values and trade events; listeners (sockets)
register for what they show and are told in memory. Promises: a listener that raises, whatever it raises, or lags
costs the others nothing, because it is only handed values and sends by itself: it is left out and told so; a
publication that cannot be read is put aside alone, as is a quote that is none; after a broken subscription every
listener is told to start again from a snapshot; accounts that somebody looks at stand in `td:watched`. It does not
know WebSockets, rights or rows.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import redis.asyncio as redis
from django.conf import settings
from redis.exceptions import RedisError
from structlog import get_logger

from dealing.bus import EVENTS, LIVE, QUOTES, WATCHED

log = get_logger(__name__)

PULSE_S = 0.2
GATHER_S = 0.01  # quotes and the live values that follow from them come as two messages, one after the other
WATCH_REFRESH_S = 5
WATCH_TTL_S = 15
RECONNECT_S = (0.1, 0.3, 1.0, 2.0)
READ_TIMEOUT_S = 1.0
QUOTE_FIELDS = 3

Quotes = dict[str, list[Any]]


class Listener(Protocol):
    """Somebody who shows quotes and accounts; every call returns at once."""

    def quotes_changed(self, names: set[str]) -> None:
        """Note that these symbols have newer quotes in `Hub.quotes`."""

    def live_changed(self, login: int, data: dict[str, Any]) -> None:
        """Note the newest live values of an account."""

    def event_came(self, login: int, event: dict[str, Any]) -> None:
        """Take a trade event of an account."""

    def subscription_broke(self) -> None:
        """Start again from a snapshot: events may be missing."""

    def pulse(self) -> None:
        """Send what waits; called as soon as something changes, at most five times a second."""

    def left_out(self) -> None:
        """Take that nothing more comes: it has raised."""


def is_quote(value: Any) -> bool:
    """Return whether this is [bid, ask, time in ms] as the desks publish it: prices as decimal text."""
    if not isinstance(value, list) or len(value) != QUOTE_FIELDS or not isinstance(value[-1], int):
        return False
    try:
        return all(isinstance(price, str) and Decimal(price).is_finite() for price in value[:-1])
    except ArithmeticError:  # InvalidOperation is one
        return False


class Hub:
    """The subscription of one event loop."""

    def __init__(self, url: str) -> None:
        self.quotes: Quotes = {}
        self.listeners: set[Listener] = set()
        self.frames: dict[Any, str] = {}  # texts shared by listeners, of the quotes of this moment
        self._by_login: dict[int, set[Listener]] = {}
        self._changed: set[str] = set()
        self._stirred = asyncio.Event()  # something waits for the next pulse
        self._redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=2,
            socket_keepalive=True,
            health_check_interval=10,
        )
        self._tasks: list[asyncio.Task[None]] = []

    def join(self, listener: Listener) -> None:
        """Add a listener; the first one starts the subscription."""
        self.listeners.add(listener)
        if not self._tasks:
            loops = (self._receive(), self._beat(), self._keep_watched())
            self._tasks = [asyncio.get_running_loop().create_task(loop) for loop in loops]

    def leave(self, listener: Listener) -> None:
        """Remove a listener and all it watched."""
        self.listeners.discard(listener)
        for login in [login for login, watchers in self._by_login.items() if listener in watchers]:
            self.unwatch(login, listener)

    async def watch(self, login: int, listener: Listener) -> None:
        """Hand this account's events and live values to the listener from now on."""
        self._by_login.setdefault(login, set()).add(listener)
        try:
            await self._mark_watched([login])
        except (RedisError, OSError) as error:
            log.warning("an account could not be marked as watched; tried again soon", error=str(error))

    def unwatch(self, login: int, listener: Listener) -> None:
        """Stop handing this account to the listener."""
        watchers = self._by_login.get(login, set())
        watchers.discard(listener)
        if not watchers:
            self._by_login.pop(login, None)

    async def close(self) -> None:
        """End the subscription."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._redis.aclose()

    # ---- receiving ----

    async def _receive(self) -> None:
        failures = 0
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(QUOTES, LIVE, EVENTS)
                    await self._read_quotes()
                    if failures:
                        self._tell_broken()
                    failures = 0
                    while True:
                        message = await subscription.get_message(
                            ignore_subscribe_messages=True, timeout=READ_TIMEOUT_S
                        )
                        if message is not None:
                            self._take(message["channel"], message["data"])
            except (RedisError, OSError) as error:
                log.warning("the subscription broke; connecting again", error=str(error), failures=failures)
            except Exception:
                log.exception("the subscription failed; connecting again", failures=failures)
            failures += 1
            await asyncio.sleep(RECONNECT_S[min(failures, len(RECONNECT_S)) - 1])

    async def _read_quotes(self) -> None:
        """Take the last quotes as they stand, so that a new socket shows prices in a quiet market too."""
        reading: Any = self._redis.hgetall(QUOTES)
        quotes: dict[str, str] = await reading
        for name, text in quotes.items():
            self._take(QUOTES, f"{{{json.dumps(name)}:{text}}}")

    def _take(self, channel: str, text: str) -> None:
        """Hand a publication on; one that cannot be read, for whatever reason, is told in the log and passed over."""
        try:
            data = json.loads(text)
            if channel == QUOTES:
                self._take_quotes(data)
            elif channel == LIVE:
                self._stirred.set()
                for login, values in data["accounts"].items():
                    self._tell_watchers(int(login), "live_changed", values)
            else:
                self._tell_watchers(int(data["login"]), "event_came", data)
        except Exception:
            log.exception("a publication could not be read", channel=channel, text=text[:200])

    def _take_quotes(self, quotes: Mapping[str, Any]) -> None:
        good = {name: quote for name, quote in quotes.items() if is_quote(quote)}
        if len(good) < len(quotes):
            log.warning("what is no quote is passed over", symbols=sorted(set(quotes).difference(good))[:10])
        self.quotes.update(good)
        self.frames.clear()
        self._changed.update(good)
        self._stirred.set()

    def _tell_watchers(self, login: int, what: str, values: dict[str, Any]) -> None:
        for listener in self._watchers(login):
            self._tell(listener, getattr(listener, what), login, values)

    def _tell(self, listener: Listener, call: Callable[..., None], *values: Any) -> None:
        """Call a listener; one that raises is left out, and no other notices."""
        try:
            call(*values)
        except Exception:
            log.exception("a socket failed and is left out")
            self.leave(listener)
            with suppress(Exception):
                listener.left_out()

    def _watchers(self, login: int) -> Iterable[Listener]:
        return tuple(self._by_login.get(login, ()))

    def _tell_broken(self) -> None:
        for listener in tuple(self.listeners):
            self._tell(listener, listener.subscription_broke)

    # ---- beating ----

    async def _beat(self) -> None:
        """Tell everybody what changed and let them send: at once after a pause, else coalesced.

        Where nothing changes there is a pulse all the same, for readers that are behind. A pulse that came late
        does not put off those after it, so that quotes which come five times a second are all shown.
        """
        due_s = time.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PULSE_S):
                    await self._stirred.wait()
                await asyncio.sleep(GATHER_S)
            self._stirred.clear()
            self._pulse()
            now_s = time.monotonic()
            due_s = max(due_s, now_s - PULSE_S / 2) + PULSE_S
            await asyncio.sleep(due_s - now_s)

    def _pulse(self) -> None:
        changed, self._changed = self._changed, set()
        for listener in tuple(self.listeners):
            if changed:
                self._tell(listener, listener.quotes_changed, changed)
            if listener in self.listeners:
                self._tell(listener, listener.pulse)

    async def _keep_watched(self) -> None:
        while True:
            await asyncio.sleep(WATCH_REFRESH_S)
            try:
                await self._mark_watched(list(self._by_login))
            except (RedisError, OSError) as error:
                log.warning("watched accounts could not be marked", error=str(error))
            except Exception:  # the loop goes on whatever it was
                log.exception("watched accounts could not be marked")

    async def _mark_watched(self, logins: list[int]) -> None:
        if logins:
            until_s = time.time() + WATCH_TTL_S
            await self._redis.zadd(WATCHED, {str(login): until_s for login in logins})


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running event loop, made on first use."""
    loop = asyncio.get_running_loop()
    line = _hubs.get(loop)
    if line is None:
        line = _hubs[loop] = Hub(settings.REDIS_URL)
    return line
