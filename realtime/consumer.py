"""The WebSocket of clients: what may be asked, how often, and by whom.

    {"op": "subscribe" | "unsubscribe", "channel": "quotes", "symbols": ["EURUSD", ...] | "*"}
    {"op": "subscribe" | "unsubscribe", "channel": "account", "account": 1001, "after": 17}
    {"op": "ping"}

docs/websocket.md describes the messages. Promises: malformed messages are answered with an error and never
end the process; what costs is paid from the user's share, and who has none left is told so; rights are judged again while the socket is open. Sending is `sender.py`'s, rows are
`snapshot`'s and `rights`'.
"""

import asyncio
import math
import time
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from redis.exceptions import RedisError
from rest_framework.exceptions import ParseError
from structlog import get_logger

from api.http.jsonio import loads
from api.http.scope import number_of
from credentials.address import came_by_tls
from credentials.identity import Identity, identity_of_cookie, identity_of_ticket
from live import snapshot
from realtime import rights
from realtime.close_codes import CLOSE_BAD_MESSAGE, CLOSE_RIGHTS, CLOSE_TOO_MANY
from realtime.hub import hub
from realtime.rights_watch import rights_watch
from realtime.sender import AccountFeed, SocketSender, frame
from realtime.socket_buffer import any_size, transport_of

log = get_logger(__name__)

MAX_MESSAGE_BYTES = 16 * 1024
MAX_BYTES_A_CHARACTER = 4
MAX_SOCKETS_A_USER = 20
MAX_ACCOUNTS = 20
MAX_SYMBOLS = 500
MESSAGES_A_SECOND = 20
MESSAGES_BURST = 60
RETRY_SNAPSHOT_S = 1.0
MOST_UNKNOWN_TOLD = 10

#: Units of the user's share (`LIMIT_COST_USER`), as tradingdesk/routes.py has them for REST.
SNAPSHOT_COST = 10
LOOK_UP_COST = 5
QUOTES_A_UNIT = 100


class BadMessage(Exception):
    """A message that cannot be acted on: its code and what was found."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ClientConsumer(AsyncWebsocketConsumer):
    """One socket of one user."""

    identity: Identity | None = None
    sender: SocketSender | None = None
    groups_of: dict[int, str]
    _tokens: float = MESSAGES_BURST
    _seen_s: float = 0.0

    # ---- opening and closing ----

    async def connect(self) -> None:
        """Accept whoever has a session or a ticket, up to 20 sockets a user."""
        try:
            self.identity = await self._identify()
        except (RedisError, DatabaseError):
            log.exception("a socket could not be judged")
        if self.identity is None:
            await self.close()
            return
        await self.accept()
        self._seen_s = time.monotonic()
        self.groups_of = {}
        line = hub()
        mine = [one for one in line.listeners if getattr(one, "user_id", None) == self.identity.user.pk]
        if len(mine) >= MAX_SOCKETS_A_USER:
            await self.close(code=CLOSE_TOO_MANY)
            return
        self.sender = SocketSender(
            line,
            user_id=self.identity.user.pk,
            session_key=self.identity.session_key,
            family=self.identity.family,
            send=self._send_text,
            close=self._close_with,
            snapshot=self._start_snapshot,
            judged=self._judged,
            transport=transport_of(self.base_send),
        )
        line.join(self.sender)
        rights_watch().start()

    async def disconnect(self, code: int) -> None:
        """Forget the socket."""
        if self.sender is not None:
            sender, self.sender = self.sender, None
            sender.hub.leave(sender)
            await sender.end()

    async def _identify(self) -> Identity | None:
        headers = {name: value.decode("latin-1") for name, value in self.scope["headers"]}
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        origin, host = headers.get(b"origin"), headers.get(b"host", "")
        same_site = rights.origin_allowed(origin, host, secure=came_by_tls(self.scope))
        if origin is not None and not same_site:
            return None
        if "ticket" in query:
            return await _in_thread(identity_of_ticket, query["ticket"][0][:200])
        if not same_site:
            return None  # a session cookie counts only with the origin that a browser proves
        return await _in_thread(identity_of_cookie, headers.get(b"cookie", ""))

    async def _send_text(self, text: str) -> None:
        if len(text) * MAX_BYTES_A_CHARACTER <= MAX_MESSAGE_BYTES:
            await self.send(text_data=text)
            return
        with any_size(self.base_send):
            await self.send(text_data=text)

    async def _close_with(self, code: int) -> None:
        await self.close(code=code)

    # ---- messages ----

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Act on one message, or say what is wrong with it."""
        sender = self.sender
        if sender is None or sender.closing:
            return
        if text_data is None or len(text_data.encode()) > MAX_MESSAGE_BYTES:
            sender.finish(CLOSE_BAD_MESSAGE)
            return
        if not self._within_rate():
            sender.finish(CLOSE_TOO_MANY)
            return
        try:
            await self._act(sender, _message(text_data))
        except BadMessage as bad:
            sender.push(frame("error", code=bad.code, message=bad.message))
        except (DatabaseError, RedisError):
            log.exception("a message could not be acted on")
            sender.push(
                frame("error", code="unavailable", message="The server cannot answer just now; try again.")
            )
        except Exception:
            log.exception("a message could not be acted on")
            sender.push(
                frame("error", code="internal_error", message="The server failed; the fault is logged.")
            )

    def _within_rate(self) -> bool:
        now_s = time.monotonic()
        self._tokens = min(MESSAGES_BURST, self._tokens + (now_s - self._seen_s) * MESSAGES_A_SECOND) - 1
        self._seen_s = now_s
        return self._tokens >= 0

    async def _act(self, sender: SocketSender, message: dict[str, Any]) -> None:
        match message.get("op"), message.get("channel"):
            case "ping", _:
                sender.push(frame("pong"))
            case "subscribe", "quotes":
                await self._subscribe_quotes(sender, _symbols(message, sender))
            case "unsubscribe", "quotes":
                sender.hide_quotes(_symbols(message, None))
            case "subscribe", "account":
                await self._subscribe_account(sender, message)
            case "unsubscribe", "account":
                self._drop_account(sender, _login(message))
            case _:
                raise BadMessage("invalid_request", "op: subscribe, unsubscribe or ping on quotes or account")

    async def _pay(self, cost: float) -> None:
        assert self.identity is not None  # connect() sets it before any message comes
        wait_s = await rights_watch().pay(self.identity.user.pk, cost)
        if wait_s:
            why = f"this was asked for too often; the next time is possible in {math.ceil(wait_s)} s"
            raise BadMessage("too_many_requests", why)

    async def _subscribe_quotes(self, sender: SocketSender, symbols: set[str] | None) -> None:
        """Show these symbols; a name that no symbol has is told, and shown should one come to have it."""
        known = sender.hub.quotes
        doubtful = (symbols or set()).difference(known)
        count = len(known) if symbols is None else len(symbols) - len(doubtful)
        await self._pay(count / QUOTES_A_UNIT + (LOOK_UP_COST if doubtful else 0))
        sender.show_quotes(symbols)
        unknown = await _in_thread(rights.unknown_symbols, doubtful) if doubtful else []
        for name in unknown[:MOST_UNKNOWN_TOLD]:
            sender.push(frame("error", code="symbol_not_found", message=f"there is no symbol {name!a}"))
        if len(unknown) > MOST_UNKNOWN_TOLD:
            more = f"nor are there {len(unknown) - MOST_UNKNOWN_TOLD} others of these names"
            sender.push(frame("error", code="symbol_not_found", message=more))

    async def _subscribe_account(self, sender: SocketSender, message: dict[str, Any]) -> None:
        login = _login(message)
        after = message.get("after")
        if after is not None and (isinstance(after, bool) or not isinstance(after, int) or after < 0):
            raise BadMessage("invalid_request", "after: a sequence number is needed")
        if login not in sender.feeds and len(sender.feeds) >= MAX_ACCOUNTS:
            raise BadMessage("limit_reached", f"at most {MAX_ACCOUNTS} accounts on one socket")
        feed = sender.feeds.get(login)
        if feed is not None and feed.waiting is not None:
            return  # its snapshot is on the way
        await self._pay(SNAPSHOT_COST)
        assert self.identity is not None  # connect() sets it before any message comes
        group = await _in_thread(rights.account_group, self.identity.user, login)
        if group is None or self.sender is None:
            raise BadMessage("not_found", "There is no such account.")
        sender.feeds[login] = AccountFeed(login)  # collects events from now on, the snapshot follows
        self.groups_of[login] = group
        await sender.hub.watch(login, sender)
        sender.set_spreads(*await rights_watch().spreads(group))
        self._tell_soon(sender, login, after)

    def _drop_account(self, sender: SocketSender, login: int) -> None:
        sender.feeds.pop(login, None)
        self.groups_of.pop(login, None)
        sender.hub.unwatch(login, sender)

    # ---- snapshots ----

    def _start_snapshot(self, login: int) -> None:
        """Bring a snapshot in the background: the hub that asks must not wait."""
        if self.sender is not None:
            self._tell_soon(self.sender, login, None)

    def _tell_soon(self, sender: SocketSender, login: int, after: int | None) -> None:
        sender.keep(asyncio.get_running_loop().create_task(self._tell_account(sender, login, after)))

    async def _tell_account(self, sender: SocketSender, login: int, after: int | None) -> None:
        while login in sender.feeds and not sender.closing:
            try:
                caught_up = None
                if after is not None:
                    caught_up = await _in_thread(snapshot.events_after, login, after)
                if caught_up is not None:
                    sender.snapshot_came(login, None, after or 0)
                    for event in caught_up:
                        sender.event_came(login, event)
                    return
                state = await _in_thread(snapshot.snapshot_of, login)
            except DatabaseError:
                log.exception("a snapshot could not be read; tried again soon", login=login)
                await asyncio.sleep(RETRY_SNAPSHOT_S)
                continue
            text = frame("snapshot", account=login, seq=state["seq"], data=state)
            sender.snapshot_came(login, text, state["seq"])
            return

    # ---- rights, judged again ----

    def _judged(self, standing: rights.Standing, spreads: dict[str, Any]) -> None:
        """Cut off what the rows no longer allow."""
        sender, identity = self.sender, self.identity
        if sender is None or identity is None:
            return
        if not _stands(identity, standing):
            sender.finish(CLOSE_RIGHTS)
            return
        # An account that was subscribed while the rows were read was judged by its subscription.
        for login in [one for one in sender.feeds if one in standing.logins]:
            if standing.owners.get(login) != identity.user.pk:
                self._drop_account(sender, login)
                sender.push(
                    frame("error", code="not_found", message="There is no such account.", account=login)
                )
            else:
                self.groups_of[login] = standing.groups[login]
        if self.groups_of:
            last = next(reversed(self.groups_of.values()))
            if last in spreads:
                sender.set_spreads(*spreads[last])


def _stands(identity: Identity, standing: rights.Standing) -> bool:
    """Return whether what the socket was opened with has not ended."""
    if identity.user.pk not in standing.users:
        return False
    if identity.session_key:
        return identity.session_key in standing.sessions
    return standing.epochs.get(identity.user.pk, 0) == identity.epoch and (
        identity.family is None or identity.family in standing.families
    )


async def _in_thread(function: Any, *args: Any) -> Any:
    """Return what a synchronous function of the rows returns, called in a thread of its own."""
    return await database_sync_to_async(function, thread_sensitive=False)(*args)


def _message(text: str) -> dict[str, Any]:
    try:
        message = loads(text)
    except ParseError as error:
        raise BadMessage("invalid_request", str(error.detail)[:300]) from None
    if not isinstance(message, dict):
        raise BadMessage("invalid_request", "a JSON object is needed")
    return message


def _login(message: dict[str, Any]) -> int:
    login = number_of(message.get("account"))
    if login is None:
        raise BadMessage("not_found", "There is no such account.")
    return login


def _symbols(message: dict[str, Any], sender: SocketSender | None) -> set[str] | None:
    names = message.get("symbols")
    if names == "*":
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) and len(name) <= 32 for name in names):
        raise BadMessage("invalid_request", 'symbols: a list of names or "*" is needed')
    subscribed = sender.symbols or set() if sender is not None else set()
    if len(subscribed.union(names)) > MAX_SYMBOLS:
        raise BadMessage("limit_reached", f"at most {MAX_SYMBOLS} symbols on one socket")
    return set(names)
