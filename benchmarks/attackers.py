"""Attackers for `benchmarks.attack`, and the sink that answers them for nothing: each a process of its own.

    python -m benchmarks.attackers KIND PORT SECONDS    reads {"tokens": [...]} from its input, prints what it was answered
    python -m benchmarks.attackers sink PORT SECONDS

Promises: traffic goes to 127.0.0.1 only, from 127.0.0.3 on; a process ends by itself after its seconds, by an alarm
if need be, and holds at most `MOST_CONNECTIONS` connections of each address.
"""

import asyncio
import base64
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TARGET = "127.0.0.1"
FIRST_ADDRESS = 3
MOST_CONNECTIONS = 40
MOST_SECONDS = 600
SLOW_CONNECTIONS = 200
REOPEN_S = 0.05
SPARE_S = 20


@dataclass(frozen=True)
class Kind:
    """One attack: requests a second in all, from how many addresses, and what is sent (number, token)."""

    rate: int
    request: Callable[[int, str], bytes]
    addresses: int = 1
    title: str = ""


def _request(method: str, path: str, body: bytes = b"", *, token: str = "", more: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Content-Type: application/json\r\nContent-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, more, ""] if more else [*lines, "", ""]).encode() + body


def _bad_login(number: int, _token: str) -> bytes:
    body = json.dumps({"username": f"client{1001 + number % 50}", "password": f"wrong{number}"}).encode()
    return _request("POST", "/api/v1/auth/token/", body)


def _preview(_number: int, token: str) -> bytes:
    body = {
        "symbol": "EURUSD", "side": "buy", "volume": "1", "entry": {"type": "market"}, "stop_loss": "1.09",
        "take_profits": [{"price": "1.11", "percent": "50"}, {"price": "1.12", "percent": "50"}],
    }  # fmt: skip
    return _request("POST", "/api/v1/smart-orders/preview/", json.dumps(body).encode(), token=token)


def _candles(_number: int, token: str) -> bytes:
    return _request("GET", "/api/v1/candles?symbol=EURUSD&limit=1000", token=token)


def _malformed(_number: int, token: str) -> bytes:
    return _request("POST", "/api/v1/orders/", b'{"symbol": "EURUSD", ' * 20, token=token)


def _socket(_number: int, _token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    more = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
    return _request("GET", "/ws/?ticket=none", more=more)


KINDS = {
    "logins": Kind(20, _bad_login, 1, "bad logins 20/s"),
    "logins20": Kind(20, _bad_login, 20, "bad logins 20/s, 20 addresses"),
    "schema": Kind(20, lambda *_: _request("GET", "/api/v1/schema/?format=json"), 1, "schema 20/s"),
    "unknown": Kind(400, lambda n, _: _request("GET", f"/nowhere/{n}"), 1, "unknown pages 400/s"),
    "malformed": Kind(200, _malformed, 1, "malformed JSON 200/s"),
    "previews": Kind(100, _preview, 1, "previews 100/s"),
    "candles": Kind(50, _candles, 1, "candles 50/s"),
    "sockets": Kind(200, _socket, 1, "WebSocket connects 200/s"),
    "slow": Kind(0, lambda *_: b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", 1, "200 slow connections"),
}


class Attacker(asyncio.Protocol):
    """One connection; what it is answered is counted by status."""

    def __init__(self, told: Counter[str], free: list["Attacker"], lost: Callable[[], None]) -> None:
        self._told, self._free, self._lost = told, free, lost
        self._left = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Count an answer once; a body is passed over by its length."""
        if self._left:
            self._left = max(0, self._left - len(data))
        else:
            head, _, body = data.partition(b"\r\n\r\n")
            self._told[head[9:12].decode("ascii", "replace")] += 1
            at = head.lower().find(b"content-length: ")
            length = int(head[at + 16 :].split(b"\r\n")[0]) if at >= 0 else 0
            self._left = max(0, length - len(body))
        if not self._left:
            self._free.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None
        self._lost()


class Attack:
    """All connections of one kind."""

    def __init__(self, kind: Kind, port: int, tokens: list[str], addresses: int) -> None:
        self.kind, self.port = kind, port
        self.tokens = tokens or [""]
        self.told: Counter[str] = Counter()
        self.addresses = [f"127.0.0.{FIRST_ADDRESS + place}" for place in range(addresses)]
        self._free: dict[str, list[Attacker]] = {address: [] for address in self.addresses}
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float) -> None:
        """Send at the kind's rate until the time is over."""
        turn = itertools.cycle(self.addresses)
        begun = time.monotonic()
        for number in range(int(self.kind.rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / self.kind.rate - time.monotonic()))
            task = asyncio.ensure_future(self._send(number, next(turn)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def run_slowly(self, seconds: float) -> None:
        """Hold connections whose headers never end, and open each again when it is ended."""
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._drip(end) for _ in range(SLOW_CONNECTIONS)))

    async def _send(self, number: int, address: str) -> None:
        free = self._free[address]
        one = None
        while free and (one is None or one.transport is None or one.transport.is_closing()):
            one = free.pop()
        if one is None or one.transport is None or one.transport.is_closing():
            if self._open[address] >= MOST_CONNECTIONS:
                self.told["waited"] += 1
                return
            one = await self._connect(address)
        if one is not None and one.transport is not None:
            token = self.tokens[self.addresses.index(address) % len(self.tokens)]
            one.transport.write(self.kind.request(number, token))

    async def _connect(self, address: str) -> Attacker | None:
        self._open[address] += 1
        try:
            _, made = await asyncio.get_running_loop().create_connection(
                lambda: Attacker(self.told, self._free[address], lambda: self._closed(address)),
                TARGET, self.port, local_addr=(address, 0),
            )  # fmt: skip
        except OSError:
            self._closed(address)
            self.told["refused"] += 1
            return None
        return made

    def _closed(self, address: str) -> None:
        self._open[address] -= 1

    async def _drip(self, end: float) -> None:
        while time.monotonic() < end:
            one = await self._connect(self.addresses[0])
            self.told["opened"] += 1
            if one is not None and one.transport is not None:
                one.transport.write(self.kind.request(0, ""))
            while one is not None and one.transport is not None and time.monotonic() < end:
                await asyncio.sleep(1)
                if one.transport is not None:
                    one.transport.write(b"x")
            await asyncio.sleep(REOPEN_S * 20)


class Sink(asyncio.Protocol):
    """Answers whatever ends like a request; nothing is looked at."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data != b"x" and not data.endswith(b"X-Slow: "):
            self._transport.write(self.ANSWER)


async def serve_sink(port: int, seconds: float) -> None:
    """Answer for so long."""
    server = await asyncio.get_running_loop().create_server(Sink, TARGET, port)
    await asyncio.sleep(seconds)
    server.close()


def words(argv: list[str]) -> Iterator[str]:
    """Return kind, port and seconds, checked."""
    name, port, seconds = argv[:3]
    if not 0 < float(seconds) <= MOST_SECONDS:
        raise SystemExit(f"{seconds} seconds: more than 0 and at most {MOST_SECONDS}")
    if not 1024 <= int(port) <= 65_535:
        raise SystemExit(f"port {port}: 1024 to 65535")
    if name != "sink" and name not in KINDS:
        raise SystemExit(f"{name}: sink, {', '.join(KINDS)}")
    yield from (name, port, seconds)


def main(argv: list[str]) -> int:
    """Attack, print the counts as JSON, return 0."""
    name, port, seconds = words(argv)
    signal.alarm(int(float(seconds)) + SPARE_S)
    if name == "sink":
        asyncio.run(serve_sink(int(port), float(seconds)))
        return 0
    given = json.load(sys.stdin)
    kind = KINDS[name]
    attack = Attack(kind, int(port), given["tokens"], given.get("addresses") or kind.addresses)
    asyncio.run(attack.run(float(seconds)) if kind.rate else attack.run_slowly(float(seconds)))
    print(json.dumps(dict(sorted(attack.told.items()))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
