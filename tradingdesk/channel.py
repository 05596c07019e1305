"""One HTTP connection that cannot be held for nothing: what daphne's own protocol leaves unlimited is limited here.

    headers    whole within `LIMIT_HEADER_S`, at most 100 of them and 16 KiB in all, else 408 or 431
    body       at most `LIMIT_BODY` bytes, told from Content-Length before a byte of it is read and counted while it
               comes in pieces, else 413; whole within `LIMIT_BODY_S` and as long as it came at 4 KiB a second, else 408
    pause      at most `LIMIT_IDLE_S` between two requests; an answer that nobody takes counts as a pause
    pipeline   the requests of a connection are answered one by one; what comes ahead is held back beyond 16 KiB

Whoever is refused is told so, what they still send is thrown away for a moment (a connection closed with bytes unread
loses the answer), and then the connection ends. Deadlines are looked at twice a second by `sweep`, not by a timer each.
"""

import time
from enum import Enum
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from structlog import get_logger
from twisted.web import http

from credentials.address import caller_address, limit_key
from realtime.close_codes import CLOSE_TOO_MANY
from realtime.socket_buffer import pending_bytes
from tradingdesk.refusals import as_bytes, refusal
from tradingdesk.seats import Seat, Seats

log = get_logger(__name__)

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16_384
BODY_BYTES_A_SECOND = 4_096
DRAIN_S = 3.0
DRAIN_BYTES = 1_048_576
MAX_LENGTH_DIGITS = 18
FRAMES_A_SECOND = 30  # of a WebSocket, pings and pieces of messages included
FRAMES_BURST = 120


class Phase(Enum):
    """What a connection is at."""

    PAUSE = "pause"
    HEADERS = "headers"
    BODY = "body"
    ANSWER = "answer"
    ENDING = "ending"


class GuardedRequest(WebRequest):
    """daphne's request, whose body is counted and whose WebSocket takes a seat."""

    def __init__(self, *args: Any, **words: Any) -> None:
        # Twisted would read forms in the event loop, for `args` that nobody looks at; Django reads them in a thread.
        super().__init__(*args, parsePOSTFormSubmission=False, **words)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take a piece of the body, unless it has become too much."""
        if self.channel.may_take(len(data)):
            super().handleContentChunk(data)

    def process(self) -> Any:
        """Begin to answer; a WebSocket is refused before it costs a handshake."""
        channel = self.channel
        if self.requestHeaders.hasHeader(b"upgrade") and not channel.may_upgrade(self):
            return None
        transport = self.transport
        answered = super().process()
        protocol = getattr(transport, "protocol", None)
        if isinstance(protocol, GuardedWebSocket):
            channel.hand_over(protocol)
        return answered


class GuardedWebSocket(WebSocketProtocol):
    """daphne's WebSocket, which gives its seat back when it is lost, and takes so many frames and no more.

    Messages are counted where they are understood (`realtime.consumer`); frames here, for those that are no message yet or
    never will be (pings, pieces without end), and for messages that come while the ones before them wait for something.
    """

    seat: Seat | None = None
    _frames: float = FRAMES_BURST
    _seen_s: float = 0.0
    _is_over = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take what came, unless too much did: then it is thrown away until the connection has ended."""
        if not self._is_over:
            super().dataReceived(data)

    def onFrameBegin(self) -> None:  # noqa: N802
        """Count a frame; close the socket where they are too many."""
        now_s = time.monotonic()
        self._frames = min(FRAMES_BURST, self._frames + (now_s - self._seen_s) * FRAMES_A_SECOND) - 1
        self._seen_s = now_s
        if self._frames < 0 and not self._is_over:
            self._is_over = True
            self.data = b""
            self.sendClose(CLOSE_TOO_MANY, "too many frames")
        super().onFrameBegin()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """Leave the seat."""
        if self.seat is not None:
            self.seat.leave()
        super().connectionLost(reason)


class GuardedChannel(http.HTTPChannel):
    """Twisted's HTTP connection with limits."""

    maxHeaders = MAX_HEADERS  # noqa: N815 - Twisted's names
    totalHeadersSize = MAX_HEADER_BYTES  # noqa: N815
    requestFactory = GuardedRequest  # noqa: N815
    factory: "GuardedFactory"
    transport: Any  # Twisted says that there may be none; it is there from `connectionMade` on
    _path: Any

    def __init__(self, seat: Seat) -> None:
        super().__init__()
        self.seat = seat
        self.phase = Phase.HEADERS
        self.since_s = time.monotonic()
        self._body = 0
        self._body_limit = 0
        self._thrown_away = 0
        self._unsent = 0

    # ---- Twisted's events ----

    def connectionMade(self) -> None:  # noqa: N802
        """Begin to watch."""
        super().connectionMade()
        self.factory.channels.add(self)

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        """Leave the seat."""
        self.factory.channels.discard(self)
        self.seat.leave()
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take bytes; the first ones after a pause begin the time of a request's headers."""
        if self.phase is Phase.ENDING:
            self._throw_away(len(data))
            return
        if self.phase is Phase.PAUSE:
            self._enter(Phase.HEADERS)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Read a line of the headers."""
        if self.phase is not Phase.ENDING:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Refuse a line that is longer than all headers may be."""
        self.refuse(431, "headers_too_large", f"The headers have more than {MAX_HEADER_BYTES} bytes.")

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """Read a header; a length of more digits than any body has is too much without being converted."""
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and len(value.strip()) > MAX_LENGTH_DIGITS:
            self._refuse_body()
            return False
        return bool(super().headerReceived(line)) and self.phase is not Phase.ENDING

    def allHeadersReceived(self) -> None:  # noqa: N802
        """Judge the length that was told before anybody is asked to send it."""
        if self.phase is Phase.ENDING:
            return
        self._body_limit = self._limit_of_body()
        if self.length is not None and self.length > self._body_limit:
            self._refuse_body()
            return
        self._body = 0
        self._enter(Phase.BODY)
        super().allHeadersReceived()

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a piece of the body, or of what comes after it."""
        if self.phase is Phase.ENDING:
            self._throw_away(len(data))
            return
        super().rawDataReceived(data)

    def allContentReceived(self) -> None:  # noqa: N802
        """Hand the request on."""
        if self.phase is Phase.ENDING:
            return
        self._enter(Phase.ANSWER)
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """Wait for the next request, which may have come already."""
        self._enter(Phase.HEADERS if any(self._dataBuffer) else Phase.PAUSE)
        super().requestDone(request)

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        """Refuse what is no HTTP, or has too many headers."""
        many = self._receivedHeaderCount > self.maxHeaders or self._receivedHeaderSize > self.totalHeadersSize
        if many:
            found = f"More than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES} bytes of them."
            self.refuse(431, "headers_too_large", found)
        else:
            self.refuse(400, "invalid_request", "This is not a request as HTTP/1.1 has it.")

    # ---- limits ----

    def may_take(self, count: int) -> bool:
        """Count bytes of the body; return whether they may be kept."""
        self._body += count
        if self.phase is Phase.ENDING:
            return False
        if self._body > self._body_limit:
            self._refuse_body()
            return False
        return True

    def may_upgrade(self, request: Any) -> bool:
        """Return whether the caller may open a WebSocket, or refuse it."""
        headers = [
            (name.lower(), value)
            for name, all_ in request.requestHeaders.getAllRawHeaders()
            for value in all_
        ]
        peer = self.transport.getPeer()
        address = limit_key(caller_address({"client": [getattr(peer, "host", ""), 0], "headers": headers}))
        wait_s = self.factory.seats.socket_wait_s(address)
        if wait_s:
            found = "Too many WebSockets were opened; wait as long as Retry-After says."
            self.refuse(429, "too_many_requests", found, wait_s=wait_s)
            return False
        if not self.factory.seats.move(self.seat, address):
            self.refuse(429, "too_many_requests", "Too many connections of this address are open.", wait_s=5)
            return False
        return True

    def hand_over(self, protocol: GuardedWebSocket) -> None:
        """Let the WebSocket have the connection's seat; daphne's own limits watch over it from now on."""
        self.factory.channels.discard(self)
        protocol.seat = self.seat

    def refuse(self, status: int, code: str, message: str, *, wait_s: float = 0.0) -> None:
        """Answer, and end the connection as soon as the caller has had time to read that."""
        if self.phase is Phase.ENDING:
            return
        path = getattr(self, "_path", b"").partition(b"?")[0].decode("latin-1")
        self._enter(Phase.ENDING)
        self.persistent = False
        self.transport.write(as_bytes(refusal(path, status, code, message, wait_s=wait_s)))
        self.transport.loseWriteConnection()

    def sweep(self, now_s: float) -> None:
        """End the connection where its time is over."""
        took_s = now_s - self.since_s
        if self.phase is Phase.HEADERS and took_s > settings.LIMIT_HEADER_S:
            self.refuse(408, "too_slow", f"The headers took more than {settings.LIMIT_HEADER_S:g} s.")
        elif self.phase is Phase.BODY and took_s > settings.LIMIT_BODY_S + self._body / BODY_BYTES_A_SECOND:
            self.refuse(408, "too_slow", f"The body came slower than {BODY_BYTES_A_SECOND} bytes a second.")
        elif self.phase is Phase.PAUSE and took_s > settings.LIMIT_IDLE_S:
            unsent = pending_bytes(self.transport)
            if unsent and (not self._unsent or unsent < self._unsent):  # a slow reader, but one that reads
                self._unsent, self.since_s = unsent, now_s
            else:
                self.transport.abortConnection() if unsent else self.loseConnection()
        elif self.phase is Phase.ENDING and took_s > DRAIN_S:
            self.transport.abortConnection()

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since_s, self._unsent = phase, time.monotonic(), 0

    def _limit_of_body(self) -> int:
        cookies = self.requests[-1].requestHeaders.getRawHeaders(b"cookie", [])
        session = settings.SESSION_COOKIE_NAME.encode() + b"="
        if self._path.startswith(b"/admin/") and any(session in cookie for cookie in cookies):
            return int(settings.LIMIT_BODY_ADMIN)
        return int(settings.LIMIT_BODY)

    def _refuse_body(self) -> None:
        limit = self._body_limit or settings.LIMIT_BODY
        self.refuse(413, "too_large", f"The body has more than {limit} bytes.")

    def _throw_away(self, count: int) -> None:
        self._thrown_away += count
        if self._thrown_away > DRAIN_BYTES:
            self.transport.abortConnection()


class GuardedFactory(HTTPFactory):
    """Makes guarded connections where there is a seat."""

    timeOut = None  # noqa: N815 - Twisted's name; `sweep` looks at the time instead of a timer each

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = None
        self.channels: set[GuardedChannel] = set()
        self.seats = Seats(
            total=settings.LIMIT_CONNECTIONS,
            by_address=settings.LIMIT_CONNECTIONS_ADDRESS,
            sockets_per_s=settings.LIMIT_SOCKETS,
            behind_proxies=settings.PROXY_COUNT > 0,
        )

    def buildProtocol(self, addr: Any) -> GuardedChannel | None:  # noqa: N802 - Twisted's name
        """Return the connection, None (which closes it) where there is no seat."""
        seat = self.seats.take(limit_key(caller_address({"client": [getattr(addr, "host", ""), 0]})))
        if seat is None:
            return None
        channel = GuardedChannel(seat)
        channel.factory = self
        channel.timeOut = None
        return channel

    def is_answering(self) -> bool:
        """Return whether a request that came is not answered yet."""
        return any(channel.phase in (Phase.BODY, Phase.ANSWER) for channel in self.channels)

    def sweep(self) -> None:
        """End the connections whose time is over."""
        now_s = time.monotonic()
        for channel in list(self.channels):
            channel.sweep(now_s)
