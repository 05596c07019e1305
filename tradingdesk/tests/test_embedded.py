"""The embedded servers: who may get in, how they end, what is said when they cannot start."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tradingdesk import embedded
from tradingdesk.embedded import Postgres, Redis, ServiceError, free_port, port_open

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that PostgreSQL's account can reach (pytest's own is closed to it)."""
    for part in (tmp_path, *tmp_path.parents):
        if part == Path(tempfile.gettempdir()):
            break
        part.chmod(part.stat().st_mode | stat.S_IXOTH)
    return tmp_path


def test_postgres_when_the_password_is_wrong_then_nobody_gets_in(folder: Path) -> None:
    server = Postgres(folder / "postgres", durable=False)
    url = server.start()
    try:
        with psycopg.connect(url) as rows:
            assert rows.execute("SHOW server_version").fetchone() == ("18.4",)
            assert rows.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"postgres://tradingdesk:wrong@127.0.0.1:{server.port}/tradingdesk")
    finally:
        server.discard()
    assert not port_open(server.port)


def test_postgres_when_killed_then_what_was_committed_is_there_after_the_next_start(folder: Path) -> None:
    server = Postgres(folder / "postgres")
    url = server.start()
    try:
        with psycopg.connect(url) as rows:
            rows.execute("CREATE TABLE facts (fact text)")
            rows.execute("INSERT INTO facts VALUES ('committed')")
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()

        server.start()

        with psycopg.connect(url) as rows:
            assert rows.execute("SELECT fact FROM facts").fetchall() == [("committed",)]
    finally:
        server.discard()


def test_postgres_when_a_first_start_was_cut_off_then_the_next_begins_anew(folder: Path) -> None:
    server = Postgres(folder / "postgres", durable=False)
    (folder / "postgres" / "data").mkdir(parents=True)
    (folder / "postgres" / "data" / "PG_VERSION").write_text("18\n")

    url = server.start()
    try:
        with psycopg.connect(url) as rows:
            assert rows.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.discard()


def test_postgres_when_the_port_is_taken_then_the_error_says_so(folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = Postgres(folder / "postgres", port=holder.getsockname()[1], durable=False)
        try:
            with pytest.raises(ServiceError, match=r"(?s)postgres ended at once.*Address already in use"):
                server.start()
        finally:
            server.discard()


def test_redis_when_the_password_is_missing_then_nobody_gets_in(folder: Path) -> None:
    server = Redis(folder / "redis", durable=False)
    url = server.start()
    try:
        assert redis.Redis.from_url(url).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)).ping()
        assert stat.S_IMODE((folder / "redis" / "redis.conf").stat().st_mode) == 0o600
    finally:
        server.discard()


def test_redis_when_stopped_then_the_stream_is_there_after_the_next_start(folder: Path) -> None:
    server = Redis(folder / "redis")
    url = server.start()
    try:
        redis.Redis.from_url(url).xadd("ticks", {"d": "EURUSD,1.1,1.2,1"})
        server.stop()

        server.start()

        assert redis.Redis.from_url(url).xlen("ticks") == 1
    finally:
        server.discard()


def test_services_when_their_starter_is_killed_then_they_end(folder: Path) -> None:
    port = free_port()
    code = (
        "import sys, time; from pathlib import Path; from tradingdesk.embedded import Redis;"
        f"Redis(Path(sys.argv[1]), port={port}, durable=False).start(); print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "redis")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    assert port_open(port)

    starter.kill()
    starter.wait()

    end = time.monotonic() + 10
    while port_open(port):
        assert time.monotonic() < end, "redis outlived its starter"
        time.sleep(0.05)


def test_programs_when_the_wheels_are_missing_then_the_message_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded.shutil, "which", lambda *words, **more: None)

    with pytest.raises(ServiceError, match="set DATABASE_URL"):
        embedded.wheel_programs()
    with pytest.raises(ServiceError, match="set REDIS_URL"):
        embedded.redis_program()
