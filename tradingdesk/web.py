"""The web processes of one machine: daphne once or several times behind one port.

One socket listens, made here, and every process inherits it: whoever is free takes the next connection, a connection
stays with who took it, and while one process is away the others, or at worst the socket's queue, hold what comes. Each
also listens on a port of its own, on the loopback address, where it alone answers: that is how one knows whether it is
well. They inherit a piece of memory in which limits are counted for all of them (`api/http/shared_table.py`). Promises: nothing
here writes a file; sockets and memory go with whoever made them. It starts no process.
"""

import contextlib
import os
import socket
import sys

from api.http.shared_table import MAX_PROCESSES, MEMORY_BYTES
from tradingdesk.lanes import CONNECTIONS

__all__ = ["DATABASE_CONNECTIONS", "MAX_PROCESSES", "STOP_LIMIT_S", "WebPort", "web_names"]

BACKLOG = 1024
STOP_LIMIT_S = 6.0
DATABASE_CONNECTIONS = CONNECTIONS  # of each
OPTIONS = [
    "--no-server-name", "--ping-interval", "10", "--ping-timeout", "10", "--websocket-max-message-size", "16384",
    "--websocket-max-frame-size", "16384", "--application-close-timeout", "5", "-v", "0",
]  # fmt: skip


def web_names(count: int) -> list[str]:
    """Return what the processes are called."""
    return ["daphne"] if count == 1 else [f"daphne-{number}" for number in range(1, count + 1)]


class WebPort:
    """What so many web processes share, and what each has for itself."""

    def __init__(self, host: str, port: int, count: int = 1) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        self.names = web_names(count)
        self._socket = _listening(host, port)
        self._own = [_listening("127.0.0.1", 0) for _ in self.names]
        self._memory = os.memfd_create("tradingdesk-web")
        os.ftruncate(self._memory, MEMORY_BYTES)

    def command(self, name: str) -> list[str]:
        """Return the words that start a process."""
        own = self._own[self.names.index(name)]
        endpoint = f"fd:fileno={own.fileno()}"
        return [
            sys.executable,
            "-m",
            "tradingdesk.server",
            "-e",
            endpoint,
            *OPTIONS,
            "tradingdesk.asgi:application",
        ]

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables that tell a process what it inherits."""
        return {
            "WEB_INDEX": str(self.names.index(name)),
            "WEB_COUNT": str(len(self.names)),
            "WEB_SOCKET": str(self._socket.fileno()),
            "WEB_MEMORY": str(self._memory),
        }

    def inherited(self, name: str) -> tuple[int, ...]:
        """Return the descriptors that a process has to inherit."""
        return (self._socket.fileno(), self._own[self.names.index(name)].fileno(), self._memory)

    def address(self, name: str) -> str:
        """Return where one process alone answers."""
        return f"http://127.0.0.1:{self._own[self.names.index(name)].getsockname()[1]}"

    def close(self) -> None:
        """Let go of it all; processes that run keep theirs."""
        for one in (self._socket, *self._own):
            one.close()
        with contextlib.suppress(OSError):
            os.close(self._memory)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
