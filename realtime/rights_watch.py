"""Judges all open sockets of a process again every few seconds, with a handful of queries in all.

Promises: a change of rights or of a group's spread acts within `JUDGE_S`, an end of credentials within a second: it leaves a
row, and a look for new ones is a query of an index. When the database does not answer, sockets stay as they were judged
last. Whatever else goes wrong ends nobody's judging but the socket's that it is about, which is closed. What a socket
loses is its own business.
"""

import asyncio
import time
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import DatabaseError
from structlog import get_logger

from api.http.limits import Shared, Take, user_cost
from credentials.epochs import latest_endings
from live import quotes
from realtime import rights
from realtime.hub import hub
from realtime.sender import SocketSender, Spreads

log = get_logger(__name__)

JUDGE_S = 3.0
LOOK_S = 0.4
SPREADS_TTL_S = 3.0


class RightsWatch:
    """The judge of one event loop's sockets."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._spreads: dict[str, tuple[float, Spreads]] = {}
        self._costs = Shared()

    def start(self) -> None:
        """Begin to judge, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._judge())

    async def pay(self, user_id: int, cost: float) -> float:
        """Take what a wish costs from the user's share, the same that REST takes from; return the seconds to wait, 0.0 if taken."""
        return await self._costs.take([Take(user_cost(), str(user_id), cost)])

    async def spreads(self, group: str) -> tuple[str, Spreads]:
        """Return a group's spreads and a key that is equal for equal ones; from rows at most 3 s ago."""
        cached = self._spreads.get(group)
        if cached is None or time.monotonic() - cached[0] > SPREADS_TTL_S:
            spreads = await database_sync_to_async(quotes.spreads_of, thread_sensitive=False)(group)
            cached = self._spreads[group] = (time.monotonic(), spreads)
        return repr(cached[1]), cached[1]

    async def _judge(self) -> None:
        """Judge every `JUDGE_S`, and as soon as credentials have ended."""
        known: frozenset[int] = frozenset()
        due_s = time.monotonic() + JUDGE_S
        while True:
            await asyncio.sleep(LOOK_S)
            sockets = [one for one in hub().listeners if isinstance(one, SocketSender)]
            if not sockets:
                continue
            try:
                latest = await database_sync_to_async(latest_endings, thread_sensitive=False)()
                if latest <= known and time.monotonic() < due_s:
                    continue
                await self._judge_all(sockets)
            except DatabaseError as error:
                log.warning("sockets could not be judged again", error=str(error))
                continue
            except (
                Exception
            ):  # the judge stays: without them ended credentials would hold sockets open for ever
                log.exception("sockets could not be judged again")
                continue
            known, due_s = latest, time.monotonic() + JUDGE_S

    async def _judge_all(self, sockets: list[SocketSender]) -> None:
        standing = await database_sync_to_async(rights.standing_of, thread_sensitive=False)(
            {one.user_id for one in sockets},
            {one.session_key for one in sockets if one.session_key},
            {one.family for one in sockets if one.family is not None},
            {login for one in sockets for login in one.feeds},
        )
        spreads: dict[str, Any] = {}
        for group in set(standing.groups.values()):
            try:
                spreads[group] = await self.spreads(group)
            except DatabaseError:
                raise
            except (
                Exception
            ):  # settings of a group that cannot be read: its sockets keep the spreads they have
                log.exception("the spreads of a group could not be read", group=group)
        for one in sockets:
            try:
                one.judged(standing, spreads)
            except Exception:
                log.exception("a socket could not be judged and is closed")
                one.left_out()


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, RightsWatch] = WeakKeyDictionary()


def rights_watch() -> RightsWatch:
    """Return the watch of the running event loop, made on first use."""
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = RightsWatch()
    return watch
