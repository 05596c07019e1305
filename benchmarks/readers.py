"""WebSocket clients that cost next to nothing, so that what is measured is the server.

One `Reader` a socket: it shakes hands, says what it wants, and notes when each message came, by the clock, as it
comes out of the kernel. What a message says is read once for all sockets that were sent the same. It knows no
fragments and no control frames but ping; the server sends no others while it is measured.
"""

import asyncio
import base64
import json
import os
import struct
import time
from collections.abc import Callable

SWITCHED = b"HTTP/1.1 101"
TEXT, PING, PONG = 0x81, 0x89, 0x8A


class Reader(asyncio.Protocol):
    """One socket that takes quotes."""

    def __init__(self, path: str, host: str, hello: str, came: Callable[[bytes, float], None]) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.frames = 0
        self._path, self._host, self._hello = path, host, hello
        self._came = came
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Note the messages that are whole now."""
        now_s = time.time()
        data = self._rest + data
        if not self.ready.done():
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            if not head.startswith(SWITCHED):
                self.ready.set_exception(ConnectionError(head[:100].decode("latin-1")))
                return
            self.ready.set_result(None)
            self._say(TEXT, self._hello.encode())
        place = 0
        while (frame := _frame(data, place)) is not None:
            kind, payload, place = frame
            if kind == TEXT:
                self.frames += 1
                self._came(payload, now_s)
            elif kind == PING:
                self._say(PONG, payload)
        self._rest = data[place:]

    def connection_lost(self, error: Exception | None) -> None:
        """Fail whoever waits for the socket to open."""
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed by the server"))

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def _say(self, kind: int, payload: bytes) -> None:
        """Send a short message, masked with zeros as a client may."""
        assert self._transport is not None and len(payload) < 126
        self._transport.write(bytes((kind, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


def _frame(data: bytes, place: int) -> tuple[int, bytes, int] | None:
    """Return kind, payload and end of the frame that begins at `place`, None where it is not whole."""
    if len(data) < place + 2:
        return None
    size, begin = data[place + 1], place + 2
    if size == 126:
        begin += 2
        size = struct.unpack_from("!H", data, place + 2)[0] if len(data) >= begin else len(data)
    elif size == 127:
        begin += 8
        size = struct.unpack_from("!Q", data, place + 2)[0] if len(data) >= begin else len(data)
    end = begin + size
    return (data[place], data[begin:end], end) if len(data) >= end else None


class Lags:
    """How old the newest quote of each message was when it came, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.counting = False
        self._times: dict[bytes, float] = {}

    def note(self, payload: bytes, now_s: float) -> None:
        """Take a message; only quotes count, and only while counting."""
        if not self.counting:
            return
        newest_s = self._times.get(payload)
        if newest_s is None:
            frame = json.loads(payload)
            quotes = frame.get("quotes", {}).values()
            newest_s = self._times[payload] = max((quote[2] for quote in quotes), default=0) / 1000
        if newest_s:
            self.seconds.append(now_s - newest_s)
