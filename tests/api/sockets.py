"""A client's socket for the tests: what came, in order, and the state that a client would hold."""

import json
import time
from collections.abc import Callable
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.api.world import Client

#: What moves with every quote and comes with live values, not with events.
LIVE_FIELDS = {
    "account": ("equity", "margin", "free_margin", "margin_level", "floating"),
    "orders": ("market_price",),
    "positions": ("profit", "price", "sl", "next_swap"),
    "smart_orders": ("effective_stop", "stop_source", "high_water_mark", "open_profit", "realised_profit"),
}
PLACES = {
    "order": ("orders", "ticket", lambda thing: thing["status"] == "pending"),
    "position": ("positions", "ticket", lambda thing: thing["status"] == "open"),
    "smart": (
        "smart_orders",
        "id",
        lambda thing: thing["state"] in ("PENDING", "ACTIVE", "PARTIALLY_CLOSED"),
    ),
    "request": ("requests", "id", lambda thing: thing["open"]),
    "requote": ("requotes", "order", lambda thing: thing["open"]),
}


class Socket:
    """An open WebSocket of one caller."""

    def __init__(self, client: Client, **options: Any) -> None:
        ticket = client.post("/api/v1/ws-ticket/").body["ticket"]
        url = f"ws://127.0.0.1:{client.world.port}/ws/?ticket={ticket}"
        self.connection: ClientConnection = connect(url, compression=None, proxy=None, **options)
        self.frames: list[dict[str, Any]] = []

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def next(self, wanted: str | Callable[[dict[str, Any]], bool], limit_s: float = 10.0) -> dict[str, Any]:
        """Return the next frame of a type, or one that fits; all frames are kept in `frames`."""
        fits = wanted if callable(wanted) else lambda frame: frame["type"] == wanted
        end = time.monotonic() + limit_s
        while (left := end - time.monotonic()) > 0:
            try:
                frame = json.loads(self.connection.recv(timeout=left))
            except TimeoutError:
                break
            self.frames.append(frame)
            if fits(frame):
                return frame
        raise AssertionError(f"{wanted} did not come within {limit_s} s; {self.frames[-5:]}")

    def drain(self, for_s: float) -> list[dict[str, Any]]:
        """Return the frames of the next moment."""
        found, end = [], time.monotonic() + for_s
        while (left := end - time.monotonic()) > 0:
            try:
                found.append(json.loads(self.connection.recv(timeout=left)))
            except TimeoutError:
                break
        self.frames += found
        return found


def applied(snapshot: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state that a client holds after these events."""
    state = json.loads(json.dumps(snapshot))
    for event in events:
        assert event["seq"] == state["seq"] + 1, "a hole"
        state["seq"] = event["seq"]
        for name, thing in event["data"].items():
            if name == "account":
                state["account"].update(thing)
            if name not in PLACES:
                continue
            place, key, is_live = PLACES[name]
            known = {one[key]: one for one in state[place]}
            known[thing[key]] = {**known.get(thing[key], {}), **thing}
            if not is_live(thing):
                del known[thing[key]]
            state[place] = [known[number] for number in sorted(known)]
    return state


def without_live(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state without what moves with every quote, its lists by number."""
    plain = json.loads(json.dumps(state))
    for field in LIVE_FIELDS["account"]:
        plain["account"].pop(field, None)
    for place in ("positions", "orders", "smart_orders"):
        for thing in plain[place]:
            for field in LIVE_FIELDS[place]:
                thing.pop(field, None)
    for place, key in (
        ("positions", "ticket"),
        ("orders", "ticket"),
        ("smart_orders", "id"),
        ("requests", "id"),
    ):
        plain[place].sort(key=lambda thing, key=key: thing[key])
    for request in plain["requests"]:
        for field in ("open", "outcome", "dealer", "expires_at", "level", "requested_price"):
            request.pop(field, None)
    return plain
