"""Lanes: threads and database connections that one kind of request cannot take from another.

A request runs in a lane. Each lane has slots of its own, so that orders find a thread while everything else waits;
within a lane callers take turns, so that one caller's hundred requests are not ahead of another's one. Promises: who
waits, waits for a limited time in a limited queue, and is refused at once where that is full. All of it runs in the
event loop; a slot is held until the work is done, whether or not its caller is still there.

`TRADE` alone may have more threads than `RESERVED_CONNECTIONS`: while the desk is waited for, a thread lends its
connection back. All others together never hold more than `OTHER_CONNECTIONS`, so those of orders are always there.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneSize:
    """How much fits into a lane: at work in all and by caller, waiting, and for how long."""

    name: str
    slots: int
    by_caller: int
    waiting: int
    wait_s: float


TRADE = LaneSize("trade", slots=32, by_caller=4, waiting=256, wait_s=5.0)
PLAIN = LaneSize("plain", slots=6, by_caller=3, waiting=96, wait_s=5.0)
STAFF = LaneSize("staff", slots=4, by_caller=2, waiting=32, wait_s=10.0)
COSTLY = LaneSize("costly", slots=2, by_caller=1, waiting=24, wait_s=2.0)
LOGIN = LaneSize("login", slots=4, by_caller=3, waiting=128, wait_s=5.0)
STRANGER = LaneSize("stranger", slots=2, by_caller=1, waiting=32, wait_s=3.0)
HEALTH = LaneSize("health", slots=1, by_caller=1, waiting=16, wait_s=3.0)
SIZES = (TRADE, PLAIN, STAFF, COSTLY, LOGIN, STRANGER, HEALTH)

THREADS = sum(size.slots for size in SIZES)
SOCKET_THREADS = 5  # what WebSockets ask of the database, in the loop's own executor
RESERVED_CONNECTIONS = 10
OTHER_CONNECTIONS = THREADS - TRADE.slots + SOCKET_THREADS
CONNECTIONS = RESERVED_CONNECTIONS + OTHER_CONNECTIONS


#: For how long a request waits, in its slot, for orders at work to be done before it begins: threads share one interpreter,
#: so that an order is slowed by what runs beside it, and not by what has not begun.
GIVE_WAY_S = {"plain": 0.05, "staff": 0.05, "login": 0.1, "costly": 0.15, "stranger": 0.15}


class Full(Exception):
    """There is no place: the queue is full, or none came free in time."""


class Lane:
    """The slots of one kind of request, handed out in turn."""

    def __init__(self, size: LaneSize) -> None:
        self.size = size
        self._working: dict[str, int] = {}
        self._busy = 0
        self._queue: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0
        self._idle: asyncio.Event | None = None

    async def idle(self, limit_s: float) -> None:
        """Return as soon as nobody has a slot here, or after so long."""
        if not self._busy:
            return
        if self._idle is None:
            self._idle = asyncio.Event()
        try:
            await asyncio.wait_for(self._idle.wait(), limit_s)
        except TimeoutError:
            pass  # orders come without a pause: nobody waits for ever

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Hold a slot.

        Raises:
            Full: none came free in time, or too many wait.
        """
        await self._enter(caller)
        try:
            yield
        finally:
            self._leave(caller)

    async def _enter(self, caller: str) -> None:
        if self._fits(caller) and caller not in self._queue:
            self._begin(caller)
            return
        mine = len(self._queue.get(caller, ()))
        # One caller may fill half of the queue.
        if self._waiting >= self.size.waiting or mine >= self.size.waiting // 2:
            raise Full
        turn = asyncio.get_running_loop().create_future()
        self._queue.setdefault(caller, deque()).append(turn)
        self._waiting += 1
        try:
            await asyncio.wait_for(turn, self.size.wait_s)
        except TimeoutError:
            raise Full from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn came in the same moment
                self._leave(caller)
            raise
        finally:
            self._forget(caller, turn)

    def _fits(self, caller: str) -> bool:
        return self._busy < self.size.slots and self._working.get(caller, 0) < self.size.by_caller

    def _begin(self, caller: str) -> None:
        self._busy += 1
        self._working[caller] = self._working.get(caller, 0) + 1

    def _leave(self, caller: str) -> None:
        self._busy -= 1
        self._working[caller] -= 1
        if not self._working[caller]:
            del self._working[caller]
        self._next()
        if not self._busy and self._idle is not None:
            self._idle.set()
            self._idle = None

    def _next(self) -> None:
        """Give free slots to those who wait, one a caller, the caller served last going to the end."""
        for caller in list(self._queue):
            if self._busy >= self.size.slots:
                return
            turns = self._queue.get(caller)
            while turns and turns[0].done():
                turns.popleft()
                self._waiting -= 1
            if turns and self._fits(caller):
                self._begin(caller)
                turns.popleft().set_result(None)
                self._waiting -= 1
                self._queue.move_to_end(caller)
            if not turns:
                self._queue.pop(caller, None)

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._queue.get(caller)
        if turns and turn in turns:
            turns.remove(turn)
            self._waiting -= 1
            if not turns:
                del self._queue[caller]
