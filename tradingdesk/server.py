"""`python -m tradingdesk.server`: daphne, with limits on connections that it has none of itself.

It takes daphne's own words and adds nothing to them: what is limited is in the settings (`LIMIT_...`). Beside the
connections of `channel` it sees to three things: an answer that is streamed is read from its source no faster than the
caller takes it; orders do not wait for a long computation in another thread to give the interpreter away; and a stop
takes no new connection, gives what is being answered `DRAIN_S`, and lets go of connections that have no request.
`tradingdesk/web.py` tells it which socket it shares with other web processes.
"""

import asyncio
import os
import resource
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")

from daphne import server as daphne_server
from daphne.cli import CommandLineInterface
from django.conf import settings
from twisted.internet import defer, reactor, task, tcp

from realtime.socket_buffer import pending_bytes
from tradingdesk.channel import GuardedFactory, GuardedWebSocket
from tradingdesk.lanes import SOCKET_THREADS

SWEEP_S = 0.5
SWITCH_S = 0.0005  # of Python's 5 ms an order would wait each time that it comes back from the database
STREAM_BYTES = 262_144
STREAM_POLL_S = 0.02
STREAM_STALL_S = 30.0
DRAIN_S = 3.0
DRAIN_POLL_S = 0.02


class FairPort(tcp.Port):
    """A listening socket that takes one connection at a time: the next one is for whichever process is free."""

    @property
    def numberAccepts(self) -> int:  # noqa: N802 - Twisted's name
        """Return how many connections are taken in one go."""
        return 1

    @numberAccepts.setter
    def numberAccepts(self, wished: int) -> None:  # noqa: N802
        """Stay at one, however many came the last time."""


class GuardedServer(daphne_server.Server):
    """daphne's server with guarded connections."""

    def run(self) -> None:
        """Serve until stopped."""
        self._guarded = GuardedFactory(self)
        self._ports: list[Any] = []
        sweeping = task.LoopingCall(self._guarded.sweep)
        sweeping.start(SWEEP_S, now=False)
        daphne_server.twisted_loop.set_default_executor(ThreadPoolExecutor(SOCKET_THREADS, "sockets"))
        sys.setswitchinterval(SWITCH_S)
        if settings.WEB_SOCKET >= 0:
            self._share(settings.WEB_SOCKET)
        super().run()

    def _share(self, descriptor: int) -> None:
        """Listen on a socket that other processes have, too."""
        inherited = socket.socket(fileno=descriptor)
        port = FairPort._fromListeningDescriptor(reactor, descriptor, inherited.family, self._guarded)
        inherited.close()  # the port has a descriptor of its own
        port.startListening()
        self._ports.append(port)

    def listen_success(self, port: Any) -> None:
        """Note a port that daphne opened."""
        super().listen_success(port)
        self._ports.append(port)

    # daphne makes its factories in `run` and names them nowhere else; these are put in their place.

    @property
    def http_factory(self) -> Any:
        """Return the factory of HTTP connections."""
        return self._guarded

    @http_factory.setter
    def http_factory(self, made: Any) -> None:
        """Keep the guarded factory instead of daphne's."""

    @property
    def ws_factory(self) -> Any:
        """Return the factory of WebSockets."""
        return self._sockets

    @ws_factory.setter
    def ws_factory(self, made: Any) -> None:
        """Take daphne's factory and let it make guarded WebSockets."""
        made.protocol = GuardedWebSocket
        self._sockets = made

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Send a part of an answer; the next one is taken when the caller has read most of what was sent."""
        await super().handle_reply(protocol, message)
        if message.get("type") == "http.response.body" and message.get("more_body"):
            await self._drained(protocol)

    async def _drained(self, protocol: Any) -> None:
        unsent, moved_s = STREAM_BYTES, time.monotonic()
        while True:
            transport: Any = getattr(protocol, "transport", None)
            left = pending_bytes(transport) if transport is not None else 0
            if left < STREAM_BYTES or "disconnected" in self.connections.get(protocol, {"disconnected": 0}):
                return
            if left < unsent:
                unsent, moved_s = left, time.monotonic()
            elif time.monotonic() - moved_s > STREAM_STALL_S:
                transport.abortConnection()
                return
            await asyncio.sleep(STREAM_POLL_S)

    def kill_all_applications(self) -> Any:
        """Take nothing new, let what is being answered end, and end the rest."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain())).addCallback(
            lambda _: self._kill()
        )

    async def _drain(self) -> None:
        for port in self._ports:
            port.stopListening()
        end_s = time.monotonic() + DRAIN_S
        while True:
            if not self._guarded.is_answering() or time.monotonic() > end_s:
                return
            await asyncio.sleep(DRAIN_POLL_S)

    def _kill(self) -> Any:
        """End what runs; daphne's own fails at connections that have not asked anything yet."""
        for protocol in [
            one for one, details in self.connections.items() if "application_instance" not in details
        ]:
            del self.connections[protocol]
        return super().kill_all_applications()


class Command(CommandLineInterface):
    """daphne's command line."""

    description = "daphne with tradingdesk's limits on connections"
    server_class = GuardedServer


def main(words: list[str]) -> None:
    """Serve the application that the words name."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Command().run(words)


if __name__ == "__main__":
    main(sys.argv[1:])
