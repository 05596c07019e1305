"""The world that faults happen in: servers, hosts of the desk, pages, and the way to each of them.

PostgreSQL and Redis are as durable as in production and belong to this world alone; the desk runs in a Celery
worker under beat, as `./desk up` hosts it, or as `manage.py desk` with another one standing by. Promises: parts
that die are started again as the supervisor does; nothing outlives the world; only its own processes are signalled.
It injects nothing by itself.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from dealing import bus
from tests.api.world import UNLIMITED
from tests.faketime import Clock, library
from tests.faults.proxy import Proxy
from tradingdesk.embedded import Postgres, Redis, ServiceError, free_port
from tradingdesk.parts import Part, command_part

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 90.0
AGAIN_S = 0.5
TMPFS_MB = 160
KEPT = ("django_migrations", "django_content_type", "auth_permission", "dealing_enginecontrol")


class Stuck(RuntimeError):
    """Something did not come within its limit; the text tells what, and the last words of the desk."""


class World:
    """Servers, desk and pages of one series of faults."""

    def __init__(self, *, small_disk: bool = False, proxies: bool = False) -> None:
        """Plan it; small_disk: PostgreSQL lives on a tmpfs of its own; proxies: its sessions can be cut."""
        self.folder = Path(tempfile.mkdtemp(prefix="tradingdesk-faults-"))
        self.folder.chmod(0o755)
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.disk = self.folder / "disk" if small_disk else None
        if self.disk:
            self._mount(self.disk)
        self.postgres = Postgres((self.disk or self.folder) / "postgres")
        self.redis = Redis(self.folder / "redis")
        self.desk_proxy = Proxy(self.postgres.port) if proxies else None
        self.client_proxy = Proxy(self.postgres.port) if proxies else None
        self.parts: dict[str, Part] = {}
        self.variables: dict[str, str] = {}
        self.clocks: dict[str, Clock] = {}  # of the desks whose clocks can be made wrong
        self._session: psycopg.Connection[Any] | None = None
        self.web_port = free_port()
        self.web_url = f"http://127.0.0.1:{self.web_port}"

    # ---- servers ----

    @staticmethod
    def _mount(disk: Path) -> None:
        """Give PostgreSQL a disk that is soon full.

        Raises:
            Stuck: we may not mount one here.
        """
        disk.mkdir(mode=0o755)
        words = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m,mode=755", "tmpfs", str(disk)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Stuck(f"no small disk can be mounted here: {done.stderr.strip()}")

    def __enter__(self) -> Self:
        """Start the servers, make the tables, and point this process at them."""
        try:
            self.postgres.start()
            self.redis.start()
            self._point_here()
            call_command("migrate", verbosity=0, interactive=False)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        """Stop everything and remove it."""
        self.stop_parts()
        connections.close_all()
        if self._session is not None:
            self._session.close()
        for proxy in (self.desk_proxy, self.client_proxy):
            if proxy is not None:
                proxy.close()
        self.redis.stop()
        self.postgres.stop()
        home = self.postgres._home
        if self.disk:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)
        if home != self.postgres.folder:
            shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _point_here(self) -> None:
        """Let this process's Django work on these servers; the clients' sessions go through their proxy."""
        connections.close_all()
        told = urlsplit(self.postgres.url)
        port = self.client_proxy.port if self.client_proxy else self.postgres.port
        connections.databases["default"].update(
            NAME=told.path[1:], USER=told.username, PASSWORD=told.password, HOST=told.hostname, PORT=port
        )
        connection.settings_dict.update(connections.databases["default"])
        settings.REDIS_URL = self.redis.url
        settings.DESK_SHARDS = 1
        bus.forget_clients()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the world's processes."""
        env = {
            **os.environ,
            "DATABASE_URL": self._address(self.desk_proxy),
            "REDIS_URL": self.redis.url,
            "DESK_DATA": str(self.folder),
            "DESK_SHARDS": "1",
            "DESK_CLOCK": "wall",
            "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
            "PYTHONUNBUFFERED": "1",
            "SECRET_KEY": settings.SECRET_KEY,
            "API_USER_RATE": "100000",
            **{f"LIMIT_{name}": "100000" for name in UNLIMITED},
            **self.variables,
        }
        env.pop("DATABASE_POOL", None)
        return env

    def _address(self, proxy: Proxy | None) -> str:
        """Return the database's address, by way of a proxy where there is one."""
        url = urlsplit(self.postgres.url)
        if proxy:
            url = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}")
        return urlunsplit(url)

    def stop_postgres_at_once(self) -> None:
        """Do to the server what `pg_ctl stop -m immediate` does: SIGQUIT to the postmaster."""
        assert self.postgres.process is not None
        self.postgres.process.send_signal(signal.SIGQUIT)
        self.postgres.process.wait(20)

    def start_postgres(self) -> None:
        """Start PostgreSQL again, as often as it takes: it recovers first, and its disk may be full."""
        self.until(self._postgres_starts, "PostgreSQL's recovery")

    def _postgres_starts(self) -> bool:
        try:
            self.postgres.start()
        except ServiceError:
            return False
        return True

    # ---- parts ----

    def start(self, name: str, words: list[str], **variables: str) -> Part:
        """Start one process of the world."""
        part = command_part(
            name, [sys.executable, *words], environment={**self.environment, **variables}, folder=ROOT
        )
        part.start(self.logs / f"{name}.log")
        self.parts[name] = part
        return part

    def start_celery(self, **variables: str) -> None:
        """Host the desk as `./desk up` does: a worker for the queue of desks, and beat."""
        celery = ["-m", "celery", "--quiet", "-A", "tradingdesk"]
        queue = ["-Q", "engine", "-n", f"faults-{os.getpid()}@%h", "-c", "2", "--loglevel", "WARNING"]
        self.start("engine", [*celery, "worker", *queue, "--without-gossip", "--without-mingle"], **variables)
        schedule = str(self.folder / "beat-schedule")
        self.start("beat", [*celery, "beat", "--schedule", schedule, "--pidfile=", "--loglevel", "ERROR"])

    def start_pair(self, **variables: str) -> None:
        """Host the desk as `manage.py desk`, with another one standing by."""
        for name in ("desk-a", "desk-b"):
            self.start(name, ["manage.py", "desk", "--wait"], **variables)

    def start_clocks(self, **variables: str) -> None:
        """Host the desk as `start_pair` does, each with a clock of its own that can be made wrong."""
        for name in ("desk-a", "desk-b"):
            self.clocks[name] = Clock(self.folder / f"clock-{name}")
            self.start(name, ["manage.py", "desk", "--wait"], **variables, **self.clocks[name].variables)

    def skew(self, name: str, offset_s: int) -> None:
        """Make a desk's clock wrong by so many seconds; without faketime it has to be started anew for that."""
        self.clocks[name].set(offset_s)
        if library() is None:
            self.stop_parts((name,))
            self.start(name, ["manage.py", "desk", "--wait"], **self.clocks[name].variables)

    def part_of(self, pid: int) -> str:
        """Return the name of the part that a process belongs to, "" where it is none of ours."""
        try:
            group = os.getpgid(pid)
        except ProcessLookupError:
            return ""
        return next(
            (p.name for p in self.parts.values() if p.process is not None and p.process.pid == group), ""
        )

    def start_web(self) -> None:
        """Start daphne, without waiting for it."""
        words = ["-b", "127.0.0.1", "-p", str(self.web_port), "-v", "0", "tradingdesk.asgi:application"]
        self.start(
            "daphne", ["-m", "tradingdesk.server", *words], DATABASE_URL=self._address(self.client_proxy)
        )

    def keep(self) -> None:
        """Start again what has died, after a moment."""
        now = time.monotonic()
        for part in self.parts.values():
            if part.ended() is not None:
                part.plan_restart(now)
                part.due = now + AGAIN_S
            elif part.state.state == "died" and now >= part.due:
                part.start(self.logs / f"{part.name}.log")

    def rest(self, seconds: float) -> None:
        """Let time pass, and keep the parts alive meanwhile."""
        end = time.monotonic() + seconds
        while True:
            self.keep()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.02))

    def until(self, done: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Return what `done` returns once it is true.

        Raises:
            Stuck: it did not come within the limit.
        """
        end = time.monotonic() + limit_s
        while not (answer := done()):
            if time.monotonic() > end:
                raise Stuck(
                    f"{what} did not come within {limit_s:.0f} s; the desk's last words:\n{self.said()}"
                )
            self.rest(0.01)
        return answer

    def stop_parts(self, names: tuple[str, ...] = ()) -> None:
        """Let parts end by themselves, all of them without names; kill what does not."""
        chosen = [self.parts.pop(name) for name in names or tuple(self.parts) if name in self.parts]
        for part in chosen:
            part.ask_to_stop()
        for part in chosen:
            if part.process is not None:
                try:
                    part.process.wait(15)
                except subprocess.TimeoutExpired:
                    pass  # its group is killed below
                part.end_group()
                part.process.wait()

    def run(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run manage.py to its end in this world."""
        return subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env={**self.environment, **variables},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    def said(self) -> str:
        """Return the end of what desks and PostgreSQL said."""
        texts = [
            "\n".join(path.read_text(errors="replace").splitlines()[-12:])
            for path in (*sorted(self.logs.glob("*.log")), self.postgres.log_path)
            if path.exists() and path.name not in ("beat.log", "daphne.log")
        ]
        sessions = self.sql(
            "SELECT pid, state, wait_event, backend_start::time(0), state_change::time(0), left(query, 60)"
            " FROM pg_stat_activity WHERE application_name = 'tradingdesk-desk'"
        )
        shard = self.sql(
            "SELECT epoch, seq, owner, backend_pid, heartbeat_at, now() FROM dealing_engineshard"
        )
        locks = self.sql("SELECT pid, classid, objid, granted FROM pg_locks WHERE locktype = 'advisory'")
        return "\n--\n".join(
            [*texts, f"shard {shard}", f"desk sessions {sessions}", f"advisory locks {locks}"]
        )

    # ---- looking ----

    def sql(self, query: str, values: Mapping[str, Any] | tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query, on a session past the proxies; [] while there is no server."""
        try:
            if self._session is None or self._session.closed:
                self._session = psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=2)
            cursor = self._session.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            if self._session is not None:
                self._session.close()
            return []

    def epoch(self) -> int:
        """Return how often the shard was taken."""
        rows = self.sql("SELECT epoch FROM dealing_engineshard WHERE shard = 0")
        return int(rows[0][0]) if rows else 0

    def owner(self) -> int:
        """Return the process that holds the shard, 0 where there is none alive."""
        rows = self.sql("SELECT owner FROM dealing_engineshard WHERE shard = 0")
        pid = int(rows[0][0].rpartition(":")[2] or 0) if rows and rows[0][0] else 0
        return pid if pid and self._is_ours(pid) else 0

    def _is_ours(self, pid: int) -> bool:
        """Return whether a living process belongs to the group of one of our parts."""
        return bool(self.part_of(pid))

    def stopped(self) -> list[int]:
        """Return our processes that stand still because of SIGSTOP."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state = stat.read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # it has ended
            if state == "T" and self._is_ours(int(stat.parent.name)):
                found.append(int(stat.parent.name))
        return found

    def empty(self) -> None:
        """Empty tables and Redis, while no desk runs."""
        names = [
            name for (name,) in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            if name not in KEPT
        ]  # fmt: skip
        quoted = ", ".join(f'"{name}"' for name in names)
        self.sql(f"TRUNCATE {quoted} CASCADE")
        with bus.client() as client:
            client.flushall()
