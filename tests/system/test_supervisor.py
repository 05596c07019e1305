"""The supervisor with its real parts: PostgreSQL, Redis, daphne, two workers, beat and a feed.

Each test starts `up` in a data folder and on a port of its own, and ends only what it started.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import psycopg
import pytest
import redis

from tests.services import make_open_folder
from tradingdesk import runfile
from tradingdesk.embedded import free_port, port_open
from tradingdesk.probes import engine_ready, quotes_ready, site_ready

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 90.0


class Running:
    """A supervisor that a test started."""

    def __init__(
        self, data: Path, *words: str, port: int | None = None, python: str = sys.executable, **more: str
    ) -> None:
        self.data, self.port = data, port or free_port()
        self.output = data.parent / f"{data.name}-{self.port}.txt"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DESK_DATA", "DATABASE_POOL")
        }
        self.environment |= {"DESK_DATA": str(data), **more}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [python, "-m", "tradingdesk.supervisor", "up", "--port", str(self.port), *words],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def state(self) -> runfile.RunState:
        state = runfile.read(self.data)
        assert state is not None
        return state

    def wait_open(self) -> float:
        """Wait for the banner; return the seconds that the supervisor says it took."""
        wait(lambda: "The desk is open" in self.said or self.process.poll() is not None, "the banner")
        found = re.search(r"The desk is open after ([\d.]+) s", self.said)
        assert found, self.said[-6000:]
        return float(found.group(1))

    def control(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "tradingdesk.control", *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def end(self) -> None:
        """Stop it whatever happened, and what it may have left behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        left = runfile.read(self.data)
        for part in left.parts.values() if left else ():
            if runfile.is_alive(part.pid, part.born):
                os.killpg(part.pid, signal.SIGKILL)


def wait(done: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end, f"{what} did not come within {limit_s:.0f} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    folder = make_open_folder()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(data: Path) -> Iterator[Running]:
    running = Running(data)
    try:
        running.wait_open()
        yield running
    finally:
        running.end()


def test_up_when_open_then_pages_quotes_and_logins_are_there(desk: Running) -> None:
    environment = desk.state.environment

    assert site_ready(f"http://127.0.0.1:{desk.port}")
    assert engine_ready(environment["DATABASE_URL"], 1)
    assert quotes_ready(environment["REDIS_URL"], int(desk.state.since * 1000))
    assert f"http://127.0.0.1:{desk.port}/admin/" in desk.said
    assert desk.state.logins
    with urllib.request.urlopen(f"http://127.0.0.1:{desk.port}/static/admin/css/base.css") as answer:
        assert answer.status == 200


def test_up_when_it_runs_already_then_refused_and_the_first_named(desk: Running) -> None:
    second = Running(desk.data)
    try:
        assert second.process.wait(30) == 1
        assert (
            f"already runs in {desk.data} (pid {desk.process.pid}, http://127.0.0.1:{desk.port})"
            in second.said
        )
        assert desk.process.poll() is None
    finally:
        second.process.kill()


def test_up_when_the_port_is_taken_then_it_is_named_with_its_owner(open_folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        refused = Running(open_folder / "data", port=port)
        try:
            assert refused.process.wait(30) == 1
        finally:
            refused.end()

    assert f"port {port} on 127.0.0.1 is taken" in refused.said
    assert f"(pid {os.getpid()})" in refused.said
    assert f"--port {port + 1}" in refused.said


def test_status_when_all_is_well_then_every_part_is_listed(desk: Running) -> None:
    told = desk.control("status")

    assert told.returncode == 0, told.stdout
    for part in ("postgres", "redis", "engine", "worker", "ticks", "beat", "daphne", "feed"):
        assert re.search(rf"^  {part} +running", told.stdout, re.M), told.stdout


def test_exec_when_the_desk_runs_then_the_command_has_its_environment(desk: Running) -> None:
    told = desk.control("exec", "python", "-c", "import os; print(os.environ['DATABASE_URL'])")

    assert told.stdout.strip() == desk.state.environment["DATABASE_URL"]


def test_logs_when_a_part_is_named_then_its_words_come(desk: Running) -> None:
    assert "feed     | " in desk.control("logs", "feed").stdout
    assert "there is no log of nobody" in desk.control("logs", "nobody").stderr


def epoch(address: str) -> int:
    """Return the fencing number of shard 0, which rises with every desk that takes it; 0 for no answer."""
    try:
        with psycopg.connect(address, connect_timeout=2) as rows:
            row = rows.execute("SELECT epoch FROM dealing_engineshard WHERE shard = 0").fetchone()
            return int(row[0]) if row else 0
    except psycopg.OperationalError:
        return 0


def test_part_when_the_engine_is_killed_then_a_new_desk_takes_the_shard(desk: Running) -> None:
    address = desk.state.environment["DATABASE_URL"]
    before, killed = epoch(address), desk.state.parts["engine"]

    os.kill(killed.pid, signal.SIGKILL)

    wait(lambda: desk.state.parts["engine"].restarts == killed.restarts + 1, "the restart")
    wait(lambda: epoch(address) > before, "the new desk")
    wait(lambda: engine_ready(address, 1), "its heart beat")


@pytest.mark.parametrize("name", ["daphne", "feed"])
def test_part_when_killed_then_started_again(desk: Running, name: str) -> None:
    killed = desk.state.parts[name]

    os.kill(killed.pid, signal.SIGKILL)

    wait(lambda: desk.state.parts[name].restarts == killed.restarts + 1, "the restart")
    wait(lambda: desk.state.parts[name].pid not in (0, killed.pid), "the new process")
    wait(lambda: site_ready(f"http://127.0.0.1:{desk.port}"), "the site")
    assert "ended with status -9" in desk.said


def test_part_when_postgres_is_killed_then_all_goes_on_without_help(desk: Running) -> None:
    address = desk.state.environment["DATABASE_URL"]
    before = epoch(address)
    killed = desk.state.parts["postgres"].pid

    os.kill(killed, signal.SIGKILL)

    wait(lambda: desk.state.parts["postgres"].pid not in (0, killed), "the new PostgreSQL")
    wait(lambda: epoch(address) > before, "a desk on the new PostgreSQL")
    wait(lambda: site_ready(f"http://127.0.0.1:{desk.port}"), "the site")
    with redis.Redis.from_url(desk.state.environment["REDIS_URL"]) as client:
        read = client.hget("td:ticks:0", "accepted")
        wait(lambda: client.hget("td:ticks:0", "accepted") != read, "quotes that the desk accepts")


def test_stop_when_ctrl_c_then_nothing_is_left_and_the_next_start_is_quick(desk: Running) -> None:
    parts = dict(desk.state.parts)
    ports = [
        int(url.rpartition(":")[2].partition("/")[0])
        for url in desk.state.environment.values()
        if "127.0.0.1:" in url
    ]

    desk.process.send_signal(signal.SIGINT)

    assert desk.process.wait(60) == 0
    assert not [name for name, part in parts.items() if runfile.is_alive(part.pid, part.born)]
    assert not [port for port in [*ports, desk.port] if port_open(port)]
    assert not (desk.data / "run" / "desk.json").exists()
    assert "killed" not in desk.said
    assert desk.control("status").returncode == 1

    again = Running(desk.data)
    try:
        seconds = again.wait_open()
        assert "static files collected" not in again.said
        assert seconds < 30  # 15 s on a machine that has nothing else to do
        assert again.control("down").returncode == 0
        assert again.process.wait(10) == 0
    finally:
        again.end()


def test_supervisor_when_killed_then_its_parts_end_and_the_next_start_works(open_folder: Path) -> None:
    first = Running(open_folder / "data", "--no-demo", "--feed", "")
    second = None
    try:
        first.wait_open()
        parts = dict(first.state.parts)

        first.process.kill()
        first.process.wait()
        second = Running(open_folder / "data", "--no-demo", "--feed", "")
        second.wait_open()

        assert not [name for name, part in parts.items() if runfile.is_alive(part.pid, part.born)]
    finally:
        first.end()
        if second:
            second.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")
def test_up_when_root_starts_it_for_others_then_no_part_is_root_and_it_warns(
    open_folder: Path, python_for_everybody: str
) -> None:
    packages = Path(django.__file__).parents[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    running = Running(
        open_folder / "data", "--host", "0.0.0.0", "--feed", "simulate", python=python_for_everybody,
        PYTHONPATH=str(packages), PATH=path, ALLOWED_HOSTS="*",
    )  # fmt: skip
    try:
        running.wait_open()
        users = {
            name: Path(f"/proc/{part.pid}/status").read_text().partition("Uid:")[2].split()[0]
            for name, part in running.state.parts.items()
            if part.state == "running"
        }
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/static/admin/css/base.css") as answer:
            assert answer.status == 200
    finally:
        running.end()

    assert set(users) == {"postgres", "redis", "engine", "worker", "ticks", "beat", "daphne", "feed"}
    assert "0" not in users.values()
    assert "started by root: the parts run as " in running.said
    assert "WARNING: 0.0.0.0 is reached by others, and this is plain HTTP" in running.said
    assert "WARNING: the demo's logins work here" in running.said
    assert "ended with status" not in running.said


@pytest.mark.parametrize("key", ["too short for anybody", "x" * 31])
def test_up_when_the_secret_key_is_short_then_one_line_says_so(open_folder: Path, key: str) -> None:
    refused = Running(open_folder / "data", SECRET_KEY=key)
    try:
        assert refused.process.wait(30) == 1
    finally:
        refused.end()

    assert f"SECRET_KEY has {len(key)} characters" in refused.said
    assert "Traceback" not in refused.said


def test_exec_when_no_desk_runs_then_the_services_live_as_long_as_the_command(open_folder: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    code = "import os, psycopg; print(os.getpid(), psycopg.connect(os.environ['DATABASE_URL']).info.port)"

    told = subprocess.run(
        [sys.executable, "-m", "tradingdesk.control", "exec", "python", "-c", code],
        cwd=ROOT, env={**environment, "DESK_DATA": str(open_folder / "data")}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stderr
    assert not port_open(int(told.stdout.split()[1]))
