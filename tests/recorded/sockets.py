"""Every kind of WebSocket message: what a socket is told while known things happen."""

import json
import time
from collections.abc import Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.recorded.callers import Caller
from tests.recorded.normal import printed
from tests.recorded.story import Story
from tests.recorded.words import HEDGING, MANUAL, NETTING, OTHER, SETTLED_S, WIDE

MALFORMED = (
    "{", "[]", "null", "5", '"ping"', "{}", '{"op": null}', '{"op": "subscribe"}', '{"op": ["ping"]}',
    '{"op": "subscribe", "channel": "quotes"}', '{"op": "subscribe", "channel": "quotes", "symbols": 5}',
    '{"op": "subscribe", "channel": "quotes", "symbols": ["NOSUCH"]}', '{"op": "subscribe", "channel": "account"}',
    '{"op": "subscribe", "channel": "account", "account": 2001}', '{"op": "subscribe", "channel": "account", "account": 999999}',
    '{"op": "subscribe", "channel": "account", "account": 1101}', '{"op": "subscribe", "channel": "nothing"}',
)  # fmt: skip


class Socket:
    """One open socket; what moves with the clock (live values, quotes) is kept as its last state only."""

    def __init__(self, caller: Caller) -> None:
        ticket = caller.call("POST", "/api/v1/ws-ticket/").json["ticket"]
        url = f"ws://127.0.0.1:{caller.port}/ws/?ticket={ticket}"
        self.connection: ClientConnection = connect(url, compression=None, proxy=None, max_size=2**24)
        self.told: list[dict[str, Any]] = []
        self.quotes: dict[str, Any] = {}
        self.live: dict[str, Any] = {}

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def drain(self, quiet_s: float = 0.6) -> None:
        """Take all that comes until nothing has come for a while."""
        while True:
            try:
                frame = json.loads(self.connection.recv(timeout=quiet_s), parse_float=lambda digits: digits)
            except TimeoutError:
                return
            if frame["type"] == "quotes":
                self.quotes.update({name: quote[:2] for name, quote in frame["quotes"].items()})
            elif frame["type"] == "live":
                self.live = {**self.live, str(frame["account"]): frame["data"]}
            else:
                self.told.append(frame)

    def note(self, story: Story, name: str, *, live: bool = False) -> None:
        """Write down what was told so far, and forget it; live values where they have settled."""
        kept: dict[str, Any] = {"told": self.told, "quotes": self.quotes}
        if live:
            kept["live"] = self.live
        story.world.notes.write(f"socket/{name}", name, printed(kept))
        self.told = []


def walk(story: Story, *, thorough: bool) -> None:
    """Open sockets, say everything that one may say, and write down what comes."""
    for login in (HEDGING, NETTING, WIDE) if thorough else (HEDGING,):
        _account(story, login)
    _malformed(story, MALFORMED if thorough else MALFORMED[:3])
    _dealer(story)


def _account(story: Story, login: int) -> None:
    world = story.world
    world.usual()
    socket = Socket(world.owner)
    socket.send(op="subscribe", channel="account", account=login)
    socket.send(op="subscribe", channel="quotes", symbols="*")
    socket.drain(1.0)
    socket.note(story, f"{login} snapshot")
    opened = story.place("socket", login, symbol="BTCUSDT", volume="0.20")
    pending = story.place("socket", login, type="buy_limit", price="1.05")["ticket"]
    owner = world.owner
    owner.call("PATCH", f"/api/v1/orders/{pending}/", {"price": "1.06"})
    owner.call("DELETE", f"/api/v1/orders/{pending}/")
    owner.call("PATCH", f"/api/v1/positions/{opened.get('position')}/", {"sl": "40000"})
    owner.call("POST", f"/api/v1/positions/{opened.get('position')}/close/", {"volume": "0.10"})
    plan = story.plan("socket", login)
    story.place("socket", login, volume="900")
    story.place("socket", login, expected_price="1.0", deviation=0)
    time.sleep(SETTLED_S)  # the page of the action shows figures that the desk publishes
    world.money(login, "deposit", "5")
    socket.drain()
    socket.note(story, f"{login} events")
    world.tick("BTCUSDT", "44000.00", "44001.00")
    world.tick("EURUSD", "1.10500", "1.10510")
    socket.drain(1.0)
    socket.note(story, f"{login} market moves", live=True)
    owner.call("POST", f"/api/v1/smart-orders/{plan.get('id')}/close/", {})
    world.usual()
    socket.drain(1.0)
    socket.send(op="unsubscribe", channel="account", account=login)
    socket.send(op="unsubscribe", channel="quotes", symbols="*")
    socket.send(op="ping")
    socket.drain()
    socket.note(story, f"{login} the end", live=True)
    socket.send(op="subscribe", channel="account", account=login, after=1)
    socket.drain()
    socket.note(story, f"{login} after event 1")
    socket.connection.close()


def _malformed(story: Story, messages: Sequence[str]) -> None:
    for number, message in enumerate(messages):
        socket = Socket(story.world.owner)
        socket.connection.send(message)
        socket.drain(0.15)
        socket.note(story, f"bad {number:02d}")
        socket.connection.close()
    socket = Socket(story.world.other)
    socket.send(op="subscribe", channel="account", account=OTHER)
    socket.drain(0.5)
    socket.note(story, "other snapshot")
    socket.connection.close()
    socket = Socket(story.world.owner)
    socket.connection.send(b"\x00\x01")
    time.sleep(0.2)
    try:
        socket.drain(0.2)
        told = "still open"
    except ConnectionClosed as closed:
        told = str(closed.rcvd.code if closed.rcvd else None)
    story.world.notes.write("socket/bad", "a binary message", told)


def _dealer(story: Story) -> None:
    """Follow an account whose orders wait for a dealer, until one offers another price and rejects."""
    world = story.world
    socket = Socket(world.owner)
    socket.send(op="subscribe", channel="account", account=MANUAL)
    socket.drain()
    for volume in ("0.11", "0.12"):
        story.place("socket", MANUAL, volume=volume)
    query = "SELECT id FROM orders_dealerrequest WHERE is_open ORDER BY id DESC LIMIT 2"
    second, first = [int(number) for (number,) in world.stack.rows(query)]
    world.act(f"orders/dealerrequest/{first}/requote", by="staff-dealer", price="1.10060")
    world.act(f"orders/dealerrequest/{second}/reject", by="staff-dealer", comment="no")
    socket.drain()
    socket.note(story, "requests and requotes")
    socket.connection.close()
