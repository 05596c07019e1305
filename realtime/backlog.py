"""How much of what was sent to a socket has not left the process yet.

daphne never makes a sender wait: what a reader does not take piles up in the transport's buffers. This module
finds those buffers through the `send` callable that daphne hands to the application (a partial over its
protocol). Under another server, whose `send` waits by itself, it says 0. It changes nothing but the size of
the kernel's send buffer, so that a reader who stopped is noticed after kilobytes, not megabytes.
"""

import functools
import socket
from typing import Any

SEND_BUFFER_BYTES = 128 * 1024


def transport_of(send: Any) -> Any:
    """Return the transport behind daphne's `send`, None where there is none."""
    if not isinstance(send, functools.partial) or not send.args:
        return None
    return getattr(send.args[0], "transport", None)


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
