"""Several web processes behind one port, as `./desk up --web 2` starts them: they share the work, the port and the limits."""

import http.client
import os
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import make_open_folder
from tests.system.test_supervisor import Running, wait
from tradingdesk.probes import site_ready

LIMITS = {"LIMIT_CONNECTIONS_ADDRESS": "12", "LIMIT_STRANGER": "3"}
BURST = 9  # three seconds' worth


@pytest.fixture(scope="module")
def desk() -> Iterator[Running]:
    folder = make_open_folder()
    running = Running(folder / "data", "--web", "2", "--no-demo", "--feed", "", **LIMITS)
    try:
        running.wait_open()
        yield running
    finally:
        running.end()
        shutil.rmtree(folder)


def sockets_of(pid: int, port: int) -> int:
    """Return how many connections to that port of ours a process holds."""
    inodes = set()
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = row.split()
        if columns[3] == "01" and columns[1].endswith(f":{port:04X}"):
            inodes.add(f"socket:[{columns[9]}]")
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(link) in inodes
        except OSError:
            continue  # closed meanwhile
    return found


def opened(port: int, count: int) -> list[http.client.HTTPConnection]:
    """Return connections that have asked something each."""
    made = []
    for _ in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/health/live")
        assert connection.getresponse().read()
        made.append(connection)
    return made


def test_web_when_there_are_two_then_each_serves_its_own_connections(desk: Running) -> None:
    pids = [desk.state.parts[name].pid for name in ("daphne-1", "daphne-2")]
    shares: list[int] = []

    for _ in range(10):  # who is free takes the next one: not of every ten a share for each
        connections = opened(desk.port, 10)
        shares = [sockets_of(pid, desk.port) for pid in pids]
        for connection in connections:
            connection.close()
        wait(lambda: not any(sockets_of(pid, desk.port) for pid in pids), "the end of the connections", 10)
        assert sum(shares) == 10
        if all(shares):
            break

    assert len(set(pids)) == 2
    assert all(shares), shares


def test_web_when_an_address_has_its_connections_in_both_then_they_count_together(desk: Running) -> None:
    connections = opened(desk.port, 12)
    try:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            opened(desk.port, 1)
        connections.pop().close()
        wait(lambda: _may_open(desk.port), "a place after one was left", 10)
    finally:
        for connection in connections:
            connection.close()


def _may_open(port: int) -> bool:
    try:
        opened(port, 1)[0].close()
    except (http.client.RemoteDisconnected, ConnectionError):
        return False
    return True


def test_web_when_a_stranger_asks_both_processes_then_the_rate_is_one(desk: Running) -> None:
    answers: list[int] = []
    for turn in range(2 * BURST):  # each process by its own port, so that both are surely asked
        address = desk.state.web[f"daphne-{turn % 2 + 1}"]
        try:
            with urllib.request.urlopen(f"{address}/api/v1/schema/") as answer:
                answers.append(answer.status)
        except urllib.error.HTTPError as error:
            answers.append(error.code)

    assert 429 in answers[BURST:]
    assert answers.count(429) >= BURST - 4, answers  # what a second of the test gives back


def test_web_when_one_is_killed_then_the_other_answers_and_it_comes_back(desk: Running) -> None:
    killed = desk.state.parts["daphne-1"].pid

    os.kill(killed, signal.SIGKILL)

    failed = 0
    while desk.state.parts["daphne-1"].pid == killed or not site_ready(desk.state.web["daphne-1"]):
        failed += not site_ready(f"http://127.0.0.1:{desk.port}")
    assert failed == 0
    assert desk.state.parts["daphne-1"].restarts == 1
    assert desk.state.parts["daphne-2"].restarts == 0


def test_restart_when_asked_then_each_in_turn_and_no_request_fails(desk: Running) -> None:
    before = {name: desk.state.parts[name].pid for name in desk.state.web}
    done, answers = threading.Event(), []

    def ask() -> None:
        while not done.is_set():
            answers.append(site_ready(f"http://127.0.0.1:{desk.port}"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        told = desk.control("restart")
    finally:
        done.set()
        asking.join()

    assert told.returncode == 0, told.stderr
    assert "daphne-1 answers again\ndaphne-2 answers again" in told.stdout
    assert all(desk.state.parts[name].pid != pid for name, pid in before.items())
    assert len(answers) > 10
    assert all(answers)


def test_status_when_one_stands_still_then_it_is_told_as_silent(desk: Running) -> None:
    pid = desk.state.parts["daphne-2"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        told = desk.control("status")
    finally:
        os.kill(pid, signal.SIGCONT)

    lines = {
        line.split()[0]: line.split()[1] for line in told.stdout.splitlines() if line.startswith("  daphne")
    }
    assert lines == {"daphne-1": "running", "daphne-2": "silent"}
    assert told.returncode == 1
