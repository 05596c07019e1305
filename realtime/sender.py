"""What one socket still has to be told, in bounded memory.

Quotes and live values are kept as the newest only and go out on the hub's pulse, unless the last send is
unfinished; trade events go at once, in order and without holes, or the account starts again from a snapshot.
Promises: a reader who takes nothing is closed with 4008 after `STUCK_S`, or when what waits for them reaches
`MAX_QUEUE_BYTES`; quotes carry the spread of the account's group. It reads no rows: whoever owns it brings
snapshots and spreads.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from structlog import get_logger

from engine.rounding import to_text
from live.events import client_event, client_live
from live.quotes import Spread
from realtime.close_codes import CLOSE_SLOW
from realtime.hub import Hub
from realtime.socket_buffer import bound_buffer, pending_bytes

log = get_logger(__name__)

STUCK_S = 8.0
CALM_BYTES = 16 * 1024
PAUSE_BYTES = 256 * 1024
MAX_QUEUE_BYTES = 1024 * 1024
MAX_WAITING_EVENTS = 5_000

#: What widens quotes for a group, by symbol.
Spreads = dict[str, Spread]


@dataclass
class AccountFeed:
    """One account on one socket: the last event told, and what waits for its snapshot."""

    login: int
    seq: int = 0
    waiting: list[dict[str, Any]] | None = field(default_factory=list)


def frame(message_type: str, /, **values: Any) -> str:
    """Return one message to the client."""
    return json.dumps({"type": message_type, **values}, ensure_ascii=False, separators=(",", ":"))


def widened(quote: list[Any], spread: Spread | None) -> list[Any]:
    """Return [bid, ask, time_ms] as a group with this spread sees it (§2.3)."""
    if spread is None:
        return quote
    bid, ask = spread.seen(*quote[:2])
    return [to_text(bid, spread.digits), to_text(ask, spread.digits), quote[2]]


class SocketSender:
    """The sending side of a socket; a `Listener` of the hub."""

    def __init__(
        self,
        hub: Hub,
        *,
        user_id: int,
        session_key: str,
        family: UUID | None = None,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int], Awaitable[None]],
        snapshot: Callable[[int], None],
        judged: Callable[[Any, Any], None],
        transport: Any = None,
    ) -> None:
        self.hub = hub
        self.user_id = user_id
        self.session_key = session_key
        self.family = family
        self.judged = judged
        self.feeds: dict[int, AccountFeed] = {}
        self.symbols: set[str] | None = set()  # None: all of them
        self.closing = False
        self._send = send
        self._close = close
        self._ask_snapshot = snapshot
        self._transport = transport
        self._spreads: Spreads = {}
        self._spreads_key = ""
        self._dirty: set[str] = set()
        self._live: dict[int, dict[str, Any]] = {}
        self._queue: deque[str] = deque()
        self._queue_chars = 0
        self._wake = asyncio.Event()
        self._stuck_since_s: float | None = None
        self._last_pending = 0
        bound_buffer(transport)
        self._close_code = CLOSE_SLOW
        self._tasks: set[asyncio.Task[None]] = set()
        self._sender = asyncio.get_running_loop().create_task(self._send_queue())

    # ---- what the client asked for ----

    def show_quotes(self, symbols: set[str] | None) -> None:
        """Show these symbols from now on, all of them for None, with their last quotes at once."""
        if symbols is None or self.symbols is None:
            self.symbols = symbols
        else:
            self.symbols |= symbols
        self._dirty |= set(self.hub.quotes) if symbols is None else symbols & set(self.hub.quotes)
        self.pulse()

    def hide_quotes(self, symbols: set[str] | None) -> None:
        """Stop showing these symbols, all of them for None."""
        if symbols is None:
            self.symbols = set()
        elif self.symbols is not None:
            self.symbols -= symbols
        self._dirty = {name for name in self._dirty if self._shows(name)}

    def set_spreads(self, key: str, spreads: Spreads) -> None:
        """Widen quotes like this from now on; what is shown is sent again."""
        if (key, spreads) != (self._spreads_key, self._spreads):
            self._spreads_key, self._spreads = key, spreads
            self._dirty |= {name for name in self.hub.quotes if self._shows(name)}

    def _shows(self, name: str) -> bool:
        return self.symbols is None or name in self.symbols

    async def end(self) -> None:
        """Stop sending and forget everything."""
        self.closing = True
        tasks = [self._sender, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._queue.clear()

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a task that works for this socket; it ends with it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- what the hub tells ----

    def quotes_changed(self, names: set[str]) -> None:
        """Note which of the shown symbols have newer quotes."""
        self._dirty |= names if self.symbols is None else names & self.symbols

    def live_changed(self, login: int, data: dict[str, Any]) -> None:
        """Keep the newest live values of an account."""
        if login in self.feeds:
            self._live[login] = data

    def event_came(self, login: int, event: dict[str, Any]) -> None:
        """Pass an event on, keep it until the snapshot is there, or ask for one on a hole."""
        feed = self.feeds.get(login)
        if feed is not None:
            self._take(feed, event)

    def subscription_broke(self) -> None:
        """Ask for a snapshot of every account: events may be missing."""
        for feed in self.feeds.values():
            self._resync(feed)

    def pulse(self) -> None:
        """Queue the newest quotes and live values, unless the last ones are still on their way."""
        if self.closing:
            return
        if self._queue or pending_bytes(self._transport) > CALM_BYTES:
            self._note_stuck()
            self._wake.set()
            return
        self._stuck_since_s = None
        if self._dirty:
            self.push(self._quotes_frame())
            self._dirty = set()
        live, self._live = self._live, {}
        for login, data in live.items():
            try:
                text = frame("live", account=login, data=client_live(data))
            except Exception:  # the next values are a moment away: nothing is lost but these
                log.exception("live values could not be shown", login=login)
            else:
                self.push(text)

    def left_out(self) -> None:
        """Close the socket: nothing more would come; its client opens another and takes the snapshot."""
        if not self.closing:
            self.finish(CLOSE_SLOW)

    # ---- accounts ----

    def snapshot_came(self, login: int, text: str | None, seq: int) -> None:
        """Tell an account's snapshot (None: the client has it), then the events that came meanwhile."""
        feed = self.feeds.get(login)
        if feed is None or feed.waiting is None:
            return
        waiting, feed.waiting, feed.seq = feed.waiting, None, seq
        if text is not None:
            self.push(text)
        for event in waiting:
            self._take(feed, event)

    def _take(self, feed: AccountFeed, event: dict[str, Any]) -> None:
        if feed.waiting is None:
            self._pass(feed, event)
        elif len(feed.waiting) < MAX_WAITING_EVENTS:
            feed.waiting.append(event)
        else:
            self.fail_slow()

    def _pass(self, feed: AccountFeed, event: dict[str, Any]) -> None:
        seq = int(event["seq"])
        if seq <= feed.seq:
            return
        if seq != feed.seq + 1:
            self._resync(feed)  # the snapshot will hold this event too: it was published after its commit
            return
        feed.seq = seq
        self.push(event_frame(feed.login, event))

    def _resync(self, feed: AccountFeed) -> None:
        if feed.waiting is None:
            feed.waiting = []
            self._ask_snapshot(feed.login)

    # ---- sending ----

    def push(self, text: str) -> None:
        """Queue one message; the connection ends where too much waits."""
        if self.closing:
            return
        self._queue.append(text)
        self._queue_chars += len(text)
        if self._queue_chars - len(self._queue[0]) > MAX_QUEUE_BYTES:  # the first may be a large snapshot
            self.fail_slow()
        self._wake.set()

    def fail_slow(self) -> None:
        """Close the socket of a reader who does not keep up: 4008, they start again."""
        if not self.closing:
            log.info("a slow reader is closed", waiting_bytes=pending_bytes(self._transport))
            self.finish(CLOSE_SLOW)

    def finish(self, code: int) -> None:
        """Close the socket with this code; what still waits is dropped."""
        self.closing = True
        self._close_code = code
        self._queue.clear()
        self._wake.set()

    def _note_stuck(self) -> None:
        """Note that the reader did not take anything since the last pulse; close them when it lasts."""
        now_s, pending = time.monotonic(), pending_bytes(self._transport)
        if self._stuck_since_s is None or pending < self._last_pending:
            self._stuck_since_s = now_s
        elif now_s - self._stuck_since_s > STUCK_S:
            self.fail_slow()
        self._last_pending = pending

    def _quotes_frame(self) -> str:
        """Return the message of the changed quotes; sockets that show the same share one text."""
        key = (self._spreads_key, frozenset(self._dirty))
        text = self.hub.frames.get(key)
        if text is None:
            quotes = {
                name: widened(self.hub.quotes[name], self._spreads.get(name)) for name in sorted(self._dirty)
            }
            text = self.hub.frames[key] = frame("quotes", quotes=quotes)
        return text

    async def _send_queue(self) -> None:
        """Send what is queued until the socket is to be closed; close it then."""
        try:
            await self._send_until_closing()
        except Exception:
            log.exception("a socket could not be written to")
        self.closing = True
        await self._close(self._close_code)

    async def _send_until_closing(self) -> None:
        while not self.closing:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and not self.closing and pending_bytes(self._transport) <= PAUSE_BYTES:
                text = self._queue.popleft()
                self._queue_chars -= len(text)
                await self._send(text)


def event_frame(login: int, event: dict[str, Any]) -> str:
    """Return the message of a trade event."""
    shaped = client_event(event)
    return frame(
        "event",
        account=login,
        seq=shaped["seq"],
        kind=shaped["kind"],
        time_ms=shaped["time_ms"],
        data=shaped["data"],
    )
