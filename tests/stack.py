"""The running server for tests and benchmarks that look at it from outside: desk, daphne, feed, as processes.

Each Stack has a database of its own on the PostgreSQL of DATABASE_URL (copied from one that is migrated
once a session) and a Redis of its own, so nothing of one test reaches another. The desk runs as
`manage.py desk`, the same loop that the Celery task hosts. It promises to end all its processes,
and no others. tests/api/world.py adds accounts and callers to it.

Fixture: `stack` (one for each test module, with desk and pages). For more freedom:

    with Stack(services, feed=["simulate", "--seed", "1"], shards=2) as stack: ...
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest
import redis
from psycopg import sql

from tradingdesk.embedded import Redis, free_port
from tradingdesk.parts import Part, command_part
from tradingdesk.probes import engine_ready, site_ready
from tradingdesk.web import WebPort, web_names

if TYPE_CHECKING:  # it plans servers when it is imported, and benchmarks have their own
    from tests.services import Services

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "tradingdesk_stack_template"
READY_LIMIT_S = 60.0


def wait_until(done: Callable[[], Any], what: str, limit_s: float = READY_LIMIT_S) -> Any:
    """Return what `done` returns as soon as that is true; fail with `what` after the limit."""
    end = time.monotonic() + limit_s
    while not (answer := done()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {limit_s:.0f} s")
        time.sleep(0.05)
    return answer


class Stack:
    """A server of its own for a test."""

    count = 0
    has_template = False

    def __init__(
        self,
        services: "Services | None" = None,
        *,
        folder: Path | None = None,
        durable: bool = False,
        shards: int = 1,
        desk: bool = True,
        web: bool = True,
        webs: int = 1,
        feed: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Plan the parts; `environment` adds variables for all of them.

        services: the session's servers, which are started here. folder: where to keep its files on servers of the
        environment that run already, instead. durable: its Redis waits for the disk, as in production. webs: how many web processes serve the pages.
        """
        if services is None and folder is None:
            from tests.services import SERVICES

            services = SERVICES
        Stack.count += 1
        self.services = services
        self.name = f"stack_{os.getpid()}_{Stack.count}"
        self.folder = (folder or services.folder) / self.name
        self.shards, self.with_desk, self.with_web, self.with_feed = shards, desk, web, feed
        self.webs = web_names(webs)
        self.web_port: WebPort | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.parts: dict[str, Part] = {}
        self._redis = Redis(self.folder / "redis", durable=durable)
        server = os.environ["DATABASE_URL"].rpartition("/")[0]
        self.database_url = f"{server}/{self.name}"
        self.env = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self._redis.url,
            "DESK_DATA": str(self.folder),
            "DESK_SHARDS": str(shards),
            "STATIC_FINDERS": "1",
            "HEALTH_PARTS": "database,redis,desk",  # no Celery here, and a feed only where a test wants one
            "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            **(environment or {}),
        }

    def __enter__(self) -> Self:
        """Start database, Redis and the parts; return when all are ready."""
        if self.services:
            self.services.start()
        for name in ("logs", "static"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        try:
            self._make_database()
            self._redis.start()
            if self.with_desk:
                for shard in range(self.shards):
                    self.start_desk(shard)
            if self.with_web:
                self.start_web()
            if self.with_desk:
                self.until(lambda: engine_ready(self.database_url, self.shards), "the desk")
            if self.with_web:
                self.web_ready()
            if self.with_feed:
                self.start("feed", [sys.executable, "manage.py", "feed", *self.with_feed])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        """Stop everything, the feed and the pages first, and drop the database."""
        for name in sorted(self.parts, key=lambda name: name.startswith("desk")):
            self.stop(name)
        if self.web_port is not None:
            self.web_port.close()
        self._redis.discard()
        with self._server() as rows:
            rows.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- parts ----

    def start(
        self,
        name: str,
        command: list[str],
        *,
        environment: dict[str, str] | None = None,
        inherited: tuple[int, ...] = (),
    ) -> Part:
        """Start one more process in this stack's environment, or in another one; its words go to a file."""
        part = command_part(
            name, command, environment=environment or self.env, folder=ROOT, inherited=inherited
        )
        part.start(self.folder / "logs" / f"{name}.log")
        self.parts[name] = part
        return part

    def start_desk(self, shard: int = 0) -> Part:
        """Start the desk of a shard, without waiting for it."""
        return self.start(f"desk-{shard}", [sys.executable, "manage.py", "desk", "--shard", str(shard)])

    def start_web(self) -> None:
        """Start the web processes on this stack's port as the supervisor does, without waiting for them.

        A single one has the port for itself, and it is free when that ends; several keep it open for each other.
        """
        port = WebPort("127.0.0.1", self.port, len(self.webs))
        for name in self.webs:
            self.start_web_process(port, name)
        if len(self.webs) == 1:
            port.close()
        else:
            self.web_port = port

    def start_web_process(self, port: WebPort, name: str) -> None:
        """Start one of the web processes."""
        environment = {**self.env, **port.environment(name)}
        self.start(name, port.command(name), environment=environment, inherited=port.inherited(name))

    def web_ready(self) -> None:
        """Wait until every web process answers."""
        port = self.web_port
        for address in [self.url] if port is None else [port.address(name) for name in self.webs]:
            self.until(partial(site_ready, address), "the pages")

    def pid(self, name: str) -> int:
        """Return the process id of a part that runs."""
        process = self.parts[name].process
        assert process is not None
        return process.pid

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM, limit_s: float = 15.0) -> int | None:
        """Signal a part and wait for its end; return its exit status. After the limit it is killed."""
        part = self.parts.pop(name)
        if part.process is None:
            return None
        if part.is_running:
            part.process.send_signal(how)
        try:
            part.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            pass  # its group is killed below, and the status tells
        part.end_group()
        return part.process.wait()

    def until(self, done: Callable[[], Any], what: str, limit_s: float = READY_LIMIT_S) -> Any:
        """Return what `done` returns once it is true; fail when a part ends before, or after the limit."""

        def done_while_all_run() -> Any:
            for name, part in self.parts.items():
                assert part.is_running, f"{name} ended: {self.log(name)}"
            return done()

        return wait_until(done_while_all_run, what, limit_s)

    def log(self, name: str, lines: int = 25) -> str:
        """Return the last lines that a part said."""
        path = self.folder / "logs" / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    # ---- hands ----

    def ran(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Return a process of Python in this stack's environment that has ended, well or not."""
        return subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        """Return what a process of Python printed in this stack's environment; it must end well."""
        done = self.ran(*words)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def manage(self, *words: str) -> str:
        """Return what manage.py printed in this stack's environment; it must end well."""
        return self.run("manage.py", *words)

    def redis(self) -> "redis.Redis":
        """Return a client of this stack's Redis, answers as text."""
        return redis.Redis.from_url(self._redis.url, decode_responses=True)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what the database answers to a query with %s placeholders."""
        with psycopg.connect(self.database_url, autocommit=True) as rows:
            answer = rows.execute(query.encode(), values)
            return answer.fetchall() if answer.description else []

    def tick(self, symbol: str, bid: str, ask: str, time_ms: int | None = None) -> None:
        """Write one tick to the stream and wait until every desk has committed it."""
        when = time.time_ns() // 1_000_000 if time_ms is None else time_ms
        with self.redis() as client:
            entry = str(client.xadd("ticks", {"d": f"{symbol},{bid},{ask},{when}"}))
        wait_until(lambda: self._consumed(entry), f"the commit of tick {entry} ({self.log('desk-0')})")

    def _consumed(self, entry: str) -> bool:
        wanted = tuple(map(int, entry.split("-")))
        places = self.rows("SELECT tick_cursor FROM dealing_engineshard")
        return len(places) >= self.shards and all(
            tuple(map(int, place.split("-"))) >= wanted for (place,) in places
        )

    # ---- database ----

    def _server(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def _make_database(self) -> None:
        """Copy the template, which the first stack of the session migrates; on servers that stay it may be an old one."""
        with self._server() as rows:
            if not Stack.has_template:
                if not rows.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                    rows.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
                address = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{TEMPLATE}"
                subprocess.run(
                    [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
                    cwd=ROOT, env={**self.env, "DATABASE_URL": address}, check=True,
                )  # fmt: skip
                Stack.has_template = True
            rows.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(self.name), sql.Identifier(TEMPLATE)
                )
            )


@pytest.fixture(scope="module")
def stack(services: "Services") -> Iterator[Stack]:
    """Return a running desk with its pages, for all tests of a module."""
    with Stack(services) as running:
        yield running
