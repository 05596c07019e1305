"""A tiny sample of the faults, so that the command itself stays in order; the real numbers are the command's."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]


def test_command_when_the_desk_is_killed_then_no_breach_and_status_0() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--kills", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no breach" in done.stdout


def test_command_when_items_are_poisonous_then_each_is_put_aside_once_and_nothing_stops() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--poison", "20", "--positions", "300"],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no breach" in done.stdout


@pytest.mark.stack
def test_command_when_the_desk_is_away_at_a_day_end_then_nothing_differs_from_an_undisturbed_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--midnight", "2"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("day end, ")]
    assert [line.split()[4] for line in lines] == ["1/1", "1/1"], done.stdout
    assert "no breach" in done.stdout


def test_command_when_nothing_is_asked_for_then_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "--kills" in done.stderr


@pytest.fixture
def echo() -> Iterator[int]:
    """Return the port of a server that answers every piece with the same in capitals, and keeps what it heard."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(line: socket.socket) -> None:
        with line:
            while piece := line.recv(100):
                line.sendall(piece.upper())

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.parametrize("way", ["answer", "request"])
def test_proxy_when_armed_then_the_word_cuts_one_connection_and_others_pass(echo: int, way: str) -> None:
    proxy = Proxy(echo)
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as first,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as second,
    ):
        proxy.arm(b"COMMIT", way)
        first.sendall(b"begin")
        assert first.recv(100) == b"BEGIN"
        first.sendall(b"xx COMMIT")

        assert first.recv(100) == b""

        second.sendall(b"COMMIT")
        assert second.recv(100) == b"COMMIT"
    assert proxy.cuts == 1
    proxy.close()
