"""The embedded servers: who may get in, how they end, what is said when they cannot start."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
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


def test_postgres_when_the_password_is_wrong_then_nobody_gets_in(open_folder: Path) -> None:
    server = Postgres(open_folder / "postgres", durable=False)
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


def test_postgres_when_killed_then_what_was_committed_is_there_after_the_next_start(
    open_folder: Path,
) -> None:
    server = Postgres(open_folder / "postgres")
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


def test_postgres_when_a_first_start_was_cut_off_then_the_next_begins_anew(open_folder: Path) -> None:
    server = Postgres(open_folder / "postgres", durable=False)
    (open_folder / "postgres" / "data").mkdir(parents=True)
    (open_folder / "postgres" / "data" / "PG_VERSION").write_text("18\n")

    url = server.start()
    try:
        with psycopg.connect(url) as rows:
            assert rows.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.discard()


def test_postgres_when_the_port_is_taken_then_the_error_says_so(open_folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = Postgres(open_folder / "postgres", port=holder.getsockname()[1], durable=False)
        try:
            with pytest.raises(ServiceError, match=r"(?s)postgres ended at once.*Address already in use"):
                server.start()
        finally:
            server.discard()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_postgres_when_its_account_cannot_reach_the_folder_then_it_lives_elsewhere_until_discarded(
    open_folder: Path,
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres", durable=False)
    try:
        with psycopg.connect(server.start()) as rows:
            home = Path(rows.execute("SHOW data_directory").fetchone()[0]).parent
        assert home.parent == embedded.SHELTER
        assert (home / "belongs-to").read_text() == f"{closed / 'postgres'}\n"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.discard()
    assert not home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_postgres_when_the_umask_closes_everything_then_it_starts_and_a_new_folder_has_a_new_database(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SHELTER", open_folder / "shelter")
    monkeypatch.setattr(embedded, "_reachable", lambda folder, who: False)
    before = os.umask(0o077)
    try:
        for _ in range(2):  # the second time the data folder was deleted, with the password in it
            server = Postgres(open_folder / "data" / "postgres", durable=False)
            with psycopg.connect(server.start()) as rows:
                rows.execute("CREATE TABLE facts (fact text)")
            server.stop()
            shutil.rmtree(open_folder / "data")
    finally:
        os.umask(before)
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_postgres_when_a_folder_with_data_was_closed_since_then_no_empty_database_takes_its_place(
    open_folder: Path,
) -> None:
    closed = open_folder / "closed"
    (closed / "postgres").mkdir(parents=True)
    (closed / "postgres" / "ready").touch()
    closed.chmod(0o700)

    with pytest.raises(ServiceError, match=r"may not go into .*closed/postgres any more; open the folders"):
        Postgres(closed / "postgres", durable=False).start()


def test_redis_when_the_password_is_missing_then_nobody_gets_in(open_folder: Path) -> None:
    server = Redis(open_folder / "redis", durable=False)
    url = server.start()
    try:
        assert redis.Redis.from_url(url).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)).ping()
        assert stat.S_IMODE((open_folder / "redis" / "redis.conf").stat().st_mode) == 0o600
    finally:
        server.discard()


def test_redis_when_it_keeps_what_it_has_then_nobody_else_can_read_it(open_folder: Path) -> None:
    folder = open_folder / "redis"
    server = Redis(folder)
    url = server.start()
    try:
        redis.Redis.from_url(url).set("secret", "value")
        redis.Redis.from_url(url).save()
        first = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        server.stop()
        for name in ("dump.rdb", "redis.conf"):
            (folder / name).chmod(0o644)  # of an older version

        server.start()

        again = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert redis.Redis.from_url(url).get("secret") == b"value"
    finally:
        server.discard()
    for modes in (first, again):
        assert {name: modes[name] for name in ("dump.rdb", "redis.conf", "password")} == {
            "dump.rdb": 0o600, "redis.conf": 0o600, "password": 0o600,
        }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")
def test_redis_when_root_starts_it_then_it_is_not_root_and_touches_no_file_through_a_link(
    open_folder: Path,
) -> None:
    folder = open_folder / "redis"
    others = open_folder / "others"
    server = Redis(folder)
    redis.Redis.from_url(server.start()).save()
    server.stop()
    shutil.copyfile(folder / "dump.rdb", others)
    others.chmod(0o644)
    (folder / "dump.rdb").unlink()
    (folder / "dump.rdb").symlink_to(others)

    server.start()
    try:
        assert server.process is not None
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        assert "Uid:\t0" not in status
    finally:
        server.discard()
    assert (others.stat().st_uid, stat.S_IMODE(others.stat().st_mode)) == (0, 0o644)


def test_redis_when_stopped_then_the_stream_is_there_after_the_next_start(open_folder: Path) -> None:
    server = Redis(open_folder / "redis")
    url = server.start()
    try:
        redis.Redis.from_url(url).xadd("ticks", {"d": "EURUSD,1.1,1.2,1"})
        server.stop()

        server.start()

        assert redis.Redis.from_url(url).xlen("ticks") == 1
    finally:
        server.discard()


def test_servers_when_the_folder_has_blanks_and_quotes_then_they_start(open_folder: Path) -> None:
    folder = open_folder / 'my "first" desk'
    redis_server, database = Redis(folder / "redis", durable=False), Postgres(folder / "pg", durable=False)
    try:
        assert redis.Redis.from_url(redis_server.start()).ping()
        with psycopg.connect(database.start()) as line:
            assert line.execute("SELECT 1").fetchone() == (1,)
    finally:
        redis_server.discard()
        database.discard()


def test_services_when_their_starter_is_killed_then_they_end(open_folder: Path) -> None:
    port = free_port()
    code = (
        "import sys, time; from pathlib import Path; from tradingdesk.embedded import Redis;"
        f"Redis(Path(sys.argv[1]), port={port}, durable=False).start(); print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(open_folder / "redis")], cwd=ROOT, stdout=subprocess.PIPE, text=True
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
