"""The guarded server with a small application, its limits set by each test's own words."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tradingdesk.embedded import free_port

ROOT = Path(__file__).resolve().parents[3]
READY_S = 20.0
APPLICATION = "tests.api.http.small_app:application"


class Served:
    """A running server, and raw connections to it."""

    def __init__(self, folder: Path, application: str, limits: dict[str, str]) -> None:
        self.port = free_port()
        self.log = folder / "server.log"
        words = ["-b", "127.0.0.1", "-p", str(self.port), "-v", "0", "--no-server-name", application]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tradingdesk.server", *words],
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradingdesk.settings", "PYTHONPATH": str(ROOT), **limits},
            )  # fmt: skip
        end = time.monotonic() + READY_S
        while True:
            try:
                self.open(source="127.0.0.99").close()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.05)

    def open(self, *, source: str = "127.0.0.1", limit_s: float = 15.0) -> socket.socket:
        """Return a connection from this address."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=limit_s, source_address=(source, 0))

    def ask(self, sent: bytes, *, source: str = "127.0.0.1") -> bytes:
        """Return all that is answered to these bytes until the server ends the connection."""
        with self.open(source=source) as connection:
            connection.sendall(sent)
            return read_all(connection)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; return its exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side ends the connection."""
    found = b""
    while piece := connection.recv(65_536):
        found += piece
    return found


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return one server with the limits as they are, for all tests that do not stop it."""
    served = Served(tmp_path_factory.mktemp("doors"), APPLICATION, {})
    yield served
    served.stop(signal.SIGKILL)


@pytest.fixture
def serve(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Served]]:
    """Return what starts a server: `serve(LIMIT_HEADER_S="1")`; without words it is the usual one."""
    running: list[Served] = []

    def start(**limits: Any) -> Served:
        if not limits:
            return request.getfixturevalue("usual")  # type: ignore[no-any-return]
        words = {name: str(value) for name, value in limits.items()}
        running.append(Served(tmp_path, APPLICATION, words))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)
