"""A desk of the tests' own: a database, a desk process and daphne, all real, and clients for them."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis

from tests.api.seed_words import PASSWORD
from tradingdesk.embedded import free_port

SESSION = """
import django; django.setup()
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
user = get_user_model().objects.get(username="client{login}")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""
UNLIMITED = ("STRANGER", "MISSES", "COST_USER", "COST_ADDRESS", "SOCKETS", "CONNECTIONS_ADDRESS")
ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0


@dataclass
class Answer:
    """What an HTTP request was answered."""

    status: int
    body: Any
    headers: dict[str, str]
    raw: bytes = b""


class Client:
    """One caller: keeps its token and its connection."""

    def __init__(self, world: "World", *, token: str = "", login: int = 0) -> None:
        self.world, self.token, self.login = world, token, login
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        """Return the answer to a request; `body` goes as JSON, `raw` as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = raw
        if raw is None and body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            connection = self._connection or http.client.HTTPConnection(
                "127.0.0.1", self.world.port, timeout=20
            )
            self._connection = connection
            try:
                connection.request(method, path, data, sent)
                response = connection.getresponse()
                found = response.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        shown = {name.lower(): value for name, value in response.getheaders()}
        shown["all-cookies"] = "; ".join(response.headers.get_all("Set-Cookie") or ())
        is_json = shown.get("content-type", "").startswith("application/json")
        return Answer(response.status, json.loads(found) if is_json and found else None, shown, found)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.request("POST", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        return self.request("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.request("DELETE", path, **headers)


@dataclass(repr=False, eq=False)
class World:
    """The processes and what they run on."""

    folder: Path
    database_url: str
    redis_url: str
    port: int = 0
    logins: dict[str, list[int]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    tick_ms: int = 0
    more: dict[str, str] = field(default_factory=dict)  # of the environment

    # ---- processes ----

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
            "PYTHONPATH": str(ROOT),
            "API_LOGIN_RATE": "100000",
            "API_USER_RATE": "5000",
            # A test of one limit starts a server of its own; here nothing else is to be met by it.
            **{f"LIMIT_{name}": "100000" for name in UNLIMITED},
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "HEALTH_PARTS": "database,redis,desk",
            **self.more,
        }

    def run(self, *words: str) -> str:
        """Return what a process of Python printed; it must end well."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a part in a group of its own; its words go to a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_desk(self) -> None:
        """Start the desk and wait for its first heartbeat."""
        self.start("desk", "manage.py", "desk", "--shard", "0")
        self.until(self.desk_alive, "the desk's heartbeat")

    def start_daphne(self) -> None:
        """Start daphne and wait until it answers."""
        self.port = self.port or free_port()
        self.start(
            "daphne", "-m", "tradingdesk.server", "-b", "127.0.0.1", "-p", str(self.port), "-v", "0",
            "--ping-interval", "10", "--ping-timeout", "10", "--websocket-max-message-size", "16384",
            "--websocket-max-frame-size", "16384",
            "tradingdesk.asgi:application",
        )  # fmt: skip

        def answers() -> bool:
            try:
                return Client(self).get("/health/live").status == 200
            except OSError:
                return False

        self.until(answers, "daphne")

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a part that this world started."""
        process = self.processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def close(self) -> None:
        """End all parts."""
        for name in list(self.processes):
            self.stop(name)

    # ---- looking ----

    def sql(self, query: str, *values: Any) -> list[Any]:
        """Return the rows of a query."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def desk_alive(self) -> bool:
        return bool(
            self.sql("SELECT 1 FROM dealing_engineshard WHERE heartbeat_at > now() - interval '2 seconds'")
        )

    def until(self, done: Callable[[], Any], what: str, limit_s: float = READY_S) -> Any:
        """Return what `done` returns once it is true."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            found = done()
            if found:
                return found
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self.said(name)}"
            time.sleep(0.05)
        raise AssertionError(f"{what}: not within {limit_s} s; {self.said('desk')}; {self.said('daphne')}")

    def said(self, name: str) -> str:
        """Return the last words of a part."""
        log = self.folder / f"{name}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    # ---- the market ----

    def tick(self, symbol: str, bid: str, ask: str) -> None:
        """Send one tick and wait until the desk has taken it."""
        self.tick_ms = max(self.tick_ms + 1, int(time.time() * 1000))
        with self.redis() as client:
            client.xadd("ticks", {"d": f"{symbol},{bid},{ask},{self.tick_ms}"})
        sent_ms = self.tick_ms

        def taken() -> bool:
            rows = self.sql(
                "SELECT 1 FROM markets_quote WHERE symbol = %s AND time >= to_timestamp(%s / 1000.0)",
                symbol, sent_ms,
            )  # fmt: skip
            return bool(rows)

        self.until(taken, f"the tick of {symbol}", 15)

    def usual_market(self) -> None:
        """Set every symbol to its usual price."""
        for symbol, bid, ask in (
            ("BTCUSDT", "43000.00", "43000.00"),
            ("ETHUSDT", "2500.00", "2500.00"),
            ("EURUSD", "1.10000", "1.10010"),
            ("GBPUSD", "1.25000", "1.25010"),
            ("XAUUSD", "2000.00", "2000.50"),
        ):
            self.tick(symbol, bid, ask)

    # ---- callers ----

    def client(self, group: str = "hedging") -> Client:
        """Return a caller with an account that no other test uses."""
        login = self.logins[group].pop()
        return self.client_of(login)

    def client_of(self, login: int) -> Client:
        """Return a caller who owns this account."""
        return Client(self, token=self._token(f"client{login}"), login=login)

    def anew(self, client: Client) -> Client:
        """Return the same caller with a login of its own, which may be ended."""
        name = f"client{client.login}" if client.login else "manager"
        answer = Client(self).post("/api/v1/auth/token/", {"username": name, "password": PASSWORD})
        assert answer.status == 200, answer
        return Client(self, token=answer.body["access"], login=client.login)

    def staff(self) -> Client:
        """Return a manager, who owns no account."""
        return Client(self, token=self._token("manager"))

    def _token(self, name: str) -> str:
        if name not in self.tokens:
            answer = Client(self).post("/api/v1/auth/token/", {"username": name, "password": PASSWORD})
            assert answer.status == 200, answer
            self.tokens[name] = answer.body["access"]
        return self.tokens[name]

    def session_of(self, login: int) -> str:
        """Return the key of a new session of this account's owner."""
        return self.run("-c", SESSION.format(login=login)).strip()


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))
