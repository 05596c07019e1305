"""PostgreSQL and Redis for the tests, as a pytest plugin (`-p tests.services` in pyproject.toml).

It promises that a session finds DATABASE_URL and REDIS_URL set before Django reads them: those of
the environment, else those of embedded servers in a temporary folder with free ports of their
own. The servers start only when a collected test needs them (database access, the mark `stack`,
or one of the fixtures below), so tests of the engine alone pay nothing; and they stop at the end,
also after a failure. `DESK_TEST_FSYNC=1` makes them as durable as in production.

Fixtures: `services` (the two addresses), `open_folder` (for servers of a test's own), `redis_db` (a client of an emptied Redis), `stack_env`
(the environment for processes that are to work on the tests' database).
"""

import atexit
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import django.test
import pytest
import redis

from tradingdesk.embedded import Postgres, Redis

NEEDY = {
    "db",
    "transactional_db",
    "django_db_reset_sequences",
    "django_db_serialized_rollback",
    "django_db_setup",
    "live_server",
    "admin_client",
    "admin_user",
    "services",
    "redis_db",
    "stack_env",
    "stack",
}
NEEDY_MARKS = ("django_db", "stack", "browser")
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "DESK_DATA")
PLANNED = "DESK_TESTS_PLANNED"  # names those of the addresses that this module chose itself


@dataclass
class Services:
    """The two servers of this session, planned at once and started on first use."""

    folder: Path
    postgres: Postgres | None = None
    redis: Redis | None = None
    started: bool = False
    held: list[socket.socket] = field(default_factory=list)

    def plan(self) -> None:
        """Choose ports and passwords, and set the environment that Django will read."""
        durable = os.environ.get("DESK_TEST_FSYNC") == "1"
        if not os.environ.get("DATABASE_URL"):
            self.postgres = Postgres(self.folder / "postgres", port=self._hold(), durable=durable)
            os.environ["DATABASE_URL"] = self.postgres.url
        if not os.environ.get("REDIS_URL"):
            self.redis = Redis(self.folder / "redis", port=self._hold(), durable=durable)
            os.environ["REDIS_URL"] = self.redis.url

    @property
    def are_own(self) -> bool:
        """Whether both are this session's own, so that a second one beside it disturbs neither."""
        return self.postgres is not None and self.redis is not None

    def _hold(self) -> int:
        """Return a free port that stays ours until the server takes it."""
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        self.held.append(holder)
        port: int = holder.getsockname()[1]
        return port

    def start(self) -> None:
        """Start what was planned; a second call does nothing."""
        if self.started:
            return
        self.started = True
        for holder in self.held:
            holder.close()
        for service in (self.postgres, self.redis):
            if service is not None:
                service.start()

    def stop(self) -> None:
        """Stop the servers and remove their folder."""
        for service in (self.redis, self.postgres):
            if service is not None:
                service.discard()
        shutil.rmtree(self.folder, ignore_errors=True)


def make_open_folder() -> Path:
    """Return a new temporary folder that PostgreSQL's account can reach when we are root.

    pytest's own are closed to other accounts, and every session closes them again.
    """
    folder = Path(tempfile.mkdtemp(prefix="tradingdesk-tests-"))
    folder.chmod(0o755)
    return folder


def _plan() -> Services:
    folder = make_open_folder()
    planned = os.environ.pop(PLANNED, "").split()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[PLANNED] = " ".join(name for name in ADDRESSES if not os.environ.get(name))
    else:  # one of several processes: what the one that started it planned is not for it
        for name in planned:
            del os.environ[name]
    os.environ.setdefault("DESK_DATA", str(folder / "desk"))
    os.environ.setdefault("SECRET_KEY", "a key of the tests, which guards nothing that anyone could want")
    # All tests come from one address within minutes; those of the limits set their own.
    for limit in ("API_LOGIN_RATE", "LOGIN_FAILURES_ADDRESS", "LOGIN_FAILURES_NAME"):
        os.environ.setdefault(limit, "100000")
    (folder / "desk" / "static").mkdir(parents=True)
    services = Services(folder)
    services.plan()
    return services


# At import: pytest-django reads the settings before any conftest.py is looked at.
SERVICES = _plan()
atexit.register(SERVICES.stop)  # also where a mere import made the folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --slow."""
    parser.addoption("--slow", action="store_true", help="also run the long form of the tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests unless they are asked for, by --slow or by `-m slow`."""
    if config.getoption("--slow") or "slow" in (config.getoption("-m") or ""):
        return
    reason = pytest.mark.skip(reason="slow: asked for by --slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(reason)


def needs_services(item: pytest.Item) -> bool:
    """Return whether that test works on PostgreSQL or Redis."""
    if any(item.get_closest_marker(mark) for mark in NEEDY_MARKS):
        return True
    if NEEDY & set(getattr(item, "fixturenames", ())):
        return True
    owner = getattr(item, "cls", None)
    return owner is not None and issubclass(owner, django.test.TransactionTestCase)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers when a test that was chosen needs them."""
    if not session.config.option.collectonly and any(needs_services(item) for item in session.items):
        SERVICES.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop them at the end, whatever happened in between."""
    SERVICES.stop()


@pytest.fixture(scope="session")
def services() -> Services:
    """Return the running servers; their addresses are in DATABASE_URL and REDIS_URL."""
    SERVICES.start()
    return SERVICES


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder for embedded servers of a test's own."""
    folder = make_open_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_db(services: Services) -> Iterator[redis.Redis]:
    """Return a client of the tests' Redis, emptied before and after."""
    with redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def stack_env(transactional_db: None, services: Services) -> dict[str, str]:
    """Return the environment of a child process that works on the tests' database and Redis.

    Rows must be committed for the child to see them, hence transactional_db.
    """
    from django.db import connection  # the settings are not to be read when this module loads

    settings = connection.settings_dict
    address = f"{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": f"postgres://{settings['USER']}:{settings['PASSWORD']}@{address}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
    }


@pytest.fixture(scope="session")
def python_for_everybody() -> Iterator[str]:
    """Return a Python that every account may run: ours, or a copy, which finds packages and libraries by the environment."""
    path = Path(sys.executable).resolve()
    if all(folder.stat().st_mode & 0o001 for folder in path.parents):
        yield sys.executable
        return
    folder = make_open_folder()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "bin").mkdir()
    (folder / "lib").mkdir()
    shutil.copy2(path, folder / "bin" / version)
    for library in (Path(sys.base_prefix) / "lib").glob("libpython*"):
        shutil.copy2(library, folder / "lib" / library.name, follow_symlinks=False)
    leave = shutil.ignore_patterns("test", "site-packages", "config-*", "__pycache__", "idlelib")
    shutil.copytree(Path(sys.base_prefix) / "lib" / version, folder / "lib" / version, ignore=leave)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(folder / "lib"))
        yield str(folder / "bin" / version)
    shutil.rmtree(folder, ignore_errors=True)
