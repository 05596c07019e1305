"""How much of what was sent to a socket has not left the process yet.

daphne never makes a sender wait: what a reader does not take piles up in the transport's buffers. This module
finds those buffers through the `send` callable that daphne hands to the application (a partial over its
protocol). Under another server, whose `send` waits by itself, it says 0. It changes two things: the size of
the kernel's send buffer, so that a reader who stopped is noticed after kilobytes, not megabytes; and, for the
moment of a send, the limit on messages, which daphne means for those that come in and autobahn applies to those
that go out as well (a snapshot may be larger than anything a client may say).
"""

import functools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SEND_BUFFER_BYTES = 128 * 1024


def protocol_of(send: Any) -> Any:
    """Return the protocol behind daphne's `send`, None where there is none."""
    return send.args[0] if isinstance(send, functools.partial) and send.args else None


def transport_of(send: Any) -> Any:
    """Return the transport behind daphne's `send`, None where there is none."""
    return getattr(protocol_of(send), "transport", None)


@contextmanager
def any_size(send: Any) -> Iterator[None]:
    """Let messages of any size out while this lasts; daphne sends without giving way to what comes in."""
    protocol = protocol_of(send)
    limit = getattr(protocol, "maxMessagePayloadSize", None)
    if limit is None:
        yield
        return
    protocol.maxMessagePayloadSize = 0
    try:
        yield
    finally:
        protocol.maxMessagePayloadSize = limit


def bound_buffer(transport: Any) -> None:
    """Set the kernel's send buffer of the connection to 128 KiB."""
    connection = getattr(transport, "socket", None)
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def pending_bytes(transport: Any) -> int:
    """Return the bytes that wait in the process for the reader."""
    waiting = getattr(transport, "_tempDataLen", 0)
    buffered = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return int(waiting) + max(0, buffered)
