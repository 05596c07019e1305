"""A database, a corner of Redis and a Celery worker of our own, for playing scenarios on the whole stack.

The database is made on the server of DATABASE_URL under a name of this process and dropped at the end; the Redis
database is an empty one of the server of REDIS_URL, and what is published carries a prefix, so that nobody who is
connected to a running desk sees any of it. Promises: nothing outside them is read or written, and only the worker
that was started here is ever killed. One worker serves all scenarios of a run.
"""

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from celery import Celery
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from dealing import bus, services
from engine import commands as cmd

ROOT = Path(__file__).resolve().parent.parent
KEPT = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "dealing_enginecontrol",
    "dealing_engineshard",
)
START_LIMIT_S = 60.0
ASK_EVERY_S = 0.5
MARK = "tradingdesk:scratch"


class ScratchError(RuntimeError):
    """The stack could not be started, or the desk does not answer; the text says what was seen."""


class Scratch:
    """The stack that scenarios are played on; `worker` is the process group of its Celery worker."""

    def __init__(self, *, shards: int = 1, environment: Mapping[str, str] | None = None) -> None:
        """Make everything and start the worker; `environment` is for it, over the usual one."""
        self.shards = shards
        self.environment = dict(environment or {})
        self.name = f"tradingdesk_scenario_{os.getpid()}"
        self.log = Path(tempfile.mkstemp(prefix="tradingdesk-scenario-", suffix=".log")[1])
        self.worker: subprocess.Popen[bytes] | None = None
        self._old_name = str(connection.settings_dict["NAME"])
        self._make_database()
        atexit.register(self.close)
        try:
            self.redis_url = self._take_redis()
            self.tables = self._point_here()
            self.sender = Celery(broker=self.redis_url)
            self.start_worker()
            self._wait_for_desks(dict.fromkeys(range(shards), 0))
        except BaseException:
            self.close()
            raise

    # Making and dropping

    def _admin(self) -> "psycopg.Connection[Any]":
        told = connection.settings_dict
        return psycopg.connect(
            host=told["HOST"] or None, port=told["PORT"] or None, user=told["USER"] or None,
            password=told["PASSWORD"] or None, dbname=self._old_name, autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def _make_database(self) -> None:
        with self._admin() as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(self.name)))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))

    def _take_redis(self) -> str:
        """Return the address of an empty database of the Redis server, marked as ours.

        Raises:
            ScratchError: all of them are in use.
        """
        parts = urlsplit(settings.REDIS_URL)
        for number in range(15, 0, -1):
            url = urlunsplit(parts._replace(path=f"/{number}"))
            with redis.Redis.from_url(url) as client:
                if client.dbsize() == 0 and client.set(MARK, self.name, nx=True):
                    return url
        raise ScratchError("every database of the Redis server is in use")

    def _point_here(self) -> list[str]:
        """Let this process work on the scratch database, migrate it, and return the tables to be emptied."""
        connection.close()
        connection.settings_dict["NAME"] = self.name
        settings.REDIS_URL = self.redis_url
        settings.DESK_SHARDS = self.shards
        bus.forget_clients()
        call_command("migrate", verbosity=0, interactive=False)
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return sorted(name for (name,) in cursor.fetchall() if name not in KEPT)

    def close(self) -> None:
        """Kill the worker, drop the database, empty the Redis database, and point this process back."""
        atexit.unregister(self.close)
        self.kill_worker()
        connection.close()
        connection.settings_dict["NAME"] = self._old_name
        with self._admin() as admin:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name))
            )
        if hasattr(self, "redis_url"):
            bus.client().flushdb()
        self.log.unlink(missing_ok=True)

    # The worker

    def variables(self) -> dict[str, str]:
        """Return the environment of processes that work on this stack."""
        env = {
            **os.environ,
            "DATABASE_URL": self._database_url(),
            "REDIS_URL": self.redis_url,
            "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
            "DESK_SHARDS": str(self.shards),
            "DESK_CLOCK": "events",
            "BUILD_ID": self.name,
            "DESK_LINGER_MS": "0",
            "DESK_GAP_LIMIT_S": "0",
            "DESK_CHANNEL_PREFIX": f"{self.name}:",
            "DESK_PLUGINS": '[{"path": "plugins.scripted.Scripted"}]',
            "CELERY_KEY_PREFIX": "",
            **self.environment,
        }
        env.pop("DATABASE_POOL", None)
        return env

    def start_worker(self) -> None:
        """Start a Celery worker with a desk's flags; it asks for its desks as soon as it is ready."""
        with self.log.open("ab") as log:
            self.worker = subprocess.Popen(
                [
                    sys.executable, "-m", "celery", "-A", "tradingdesk.celery:app", "worker", "-Q", "engine",
                    f"--concurrency={self.shards + 1}", "--prefetch-multiplier=1", "--without-gossip", "--without-mingle",
                    "--without-heartbeat", "--loglevel=INFO", "-n", f"{self.name}@%h",
                ],
                cwd=ROOT, env=self.variables(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _database_url(self) -> str:
        told = connection.settings_dict
        who = f"{told['USER']}:{told['PASSWORD']}@" if told["PASSWORD"] else f"{told['USER']}@"
        return f"postgres://{who}{told['HOST'] or '127.0.0.1'}:{told['PORT'] or 5432}/{self.name}"

    def kill_worker(self) -> None:
        """Kill our worker and its children without warning."""
        if self.worker is None:
            return
        try:
            os.killpg(self.worker.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself; its log says why
        self.worker.wait()
        self.worker = None

    def restart(self) -> None:
        """Kill the worker, desks and all, and start another one that recovers from the rows."""
        before = self.epochs()
        self.kill_worker()
        self.start_worker()
        self._wait_for_desks(before)

    def kill_desk(self, shard: int) -> None:
        """Kill the process that runs a shard's desk, and ask for another as beat would."""
        before = self.epochs()
        owner = self._row(f"SELECT owner FROM dealing_engineshard WHERE shard = {shard:d}")[0]
        try:
            os.kill(int(owner.rpartition(":")[2]), signal.SIGKILL)
        except (ProcessLookupError, ValueError):
            pass  # it has gone by itself in this moment; another is asked for all the same
        self.ask_for_desks()
        self._wait_for_desks({shard: before[shard]})

    def ask_for_desks(self) -> None:
        """Send what beat sends every two seconds."""
        self.sender.send_task("dealing.tasks.ensure_shards", queue="engine", expires=START_LIMIT_S)

    # Between scenarios

    def epochs(self) -> dict[int, int]:
        """Return how often each shard was taken."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT shard, epoch FROM dealing_engineshard")
            found = dict(cursor.fetchall())
        return {shard: found.get(shard, 0) for shard in range(self.shards)}

    @staticmethod
    def _row(query: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()

    def empty(self) -> None:
        """Let the desks go, and empty the tables and the stream."""
        self.drain()
        with connection.cursor() as cursor:
            names = ", ".join(f'"{name}"' for name in self.tables)
            cursor.execute(f"TRUNCATE {names} CASCADE")
            cursor.execute(
                "UPDATE dealing_engineshard SET seq = 0, tick_cursor = '0-0', tick_offset = 0, next_order = 1,"
                " next_deal = 1, next_request = 1, published = 0, clock_ms = 0, day_end_ms = 0, dealers = '[]'"
            )
            cursor.execute("UPDATE dealing_enginecontrol SET halt_level = 'normal'")
            for sequence in ("dealing_ticket_seq", "dealing_smart_seq"):
                cursor.execute(f"ALTER SEQUENCE {sequence} RESTART")
        bus.client().delete(bus.TICKS, *[bus.wake_key(shard) for shard in range(self.shards)])

    def drain(self) -> None:
        """Let all desks end by themselves, keep others from starting, and return when that is so."""
        end = time.monotonic() + START_LIMIT_S
        with connection.cursor() as cursor:
            # A message that is still on its way would start a desk on tables that are being emptied.
            cursor.execute("UPDATE dealing_enginecontrol SET expected_build = 'none'")
            cursor.execute("UPDATE dealing_engineshard SET drain_requested = true WHERE owner <> ''")
        # The flag is read with a batch: give them one.
        services.submit_to_all(cmd.AdvanceTime(time_ms=0), caller=services.Caller(wait_s=0))
        while self._row("SELECT count(*) FROM dealing_engineshard WHERE owner <> ''")[0]:
            self._check_alive(end, "a desk does not let go")
            time.sleep(0.005)

    def serve(self) -> None:
        """Ask the worker for desks on what the rows say now."""
        before = self.epochs()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE dealing_enginecontrol SET expected_build = ''")
        for shard in range(self.shards):
            self.sender.send_task(
                "dealing.tasks.engine_shard", (shard,), queue="engine", expires=START_LIMIT_S
            )
        self._wait_for_desks(before)

    def _wait_for_desks(self, epochs: Mapping[int, int]) -> None:
        end = time.monotonic() + START_LIMIT_S
        again = time.monotonic() + ASK_EVERY_S
        while not all(self.epochs()[shard] > epoch for shard, epoch in epochs.items()):
            self._check_alive(end, "no desk took the shard")
            if time.monotonic() > again:
                # A message that came before the database had noticed an owner's death asked for nothing.
                self.ask_for_desks()
                again += ASK_EVERY_S
            time.sleep(0.005)

    def _check_alive(self, end: float, what: str) -> None:
        gone = self.worker is None or self.worker.poll() is not None
        if gone or time.monotonic() > end:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise ScratchError(f"{what}; the worker's log ends with\n{tail}")


_kept: list[Scratch] = []


def scratch() -> Scratch:
    """Return this process's stack, started on first use and closed at its end."""
    if not _kept:
        _kept.append(Scratch())
    return _kept[0]


def close_scratch() -> None:
    """Close this process's stack, if it has one."""
    while _kept:
        _kept.pop().close()
