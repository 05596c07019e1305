"""A running server with accounts of several groups, and clients for them."""

import copy
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.api.seed_words import PASSWORD
from tests.stack import Stack
from tradingdesk.embedded import free_port
from tradingdesk.web import web_names

if TYPE_CHECKING:
    from tests.services import Services

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
#: A test of one limit starts a server of its own; here nothing else is to be met by it.
UNLIMITED = ("STRANGER", "MISSES", "COST_USER", "COST_ADDRESS", "SOCKETS", "CONNECTIONS_ADDRESS")
NO_LIMITS = {
    "API_LOGIN_RATE": "100000",
    "API_USER_RATE": "5000",
    **{f"LIMIT_{name}": "100000" for name in UNLIMITED},
    "ALLOWED_HOSTS": "127.0.0.1,localhost",
}


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


class World(Stack):
    """A stack with accounts of several groups, and their callers."""

    def __init__(
        self,
        services: "Services | None" = None,
        *,
        environment: Mapping[str, str] = NO_LIMITS,
        after_seed: str = "SELECT 1",
        **more: Any,
    ) -> None:
        """Plan it; `after_seed` is SQL that adds rows before the desk starts. See Stack for the rest."""
        super().__init__(services, environment=environment, desk=False, web=False, **more)
        self.after_seed = after_seed
        self.logins: dict[str, list[int]] = {}
        self.tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start desk and pages on the accounts, every symbol at its usual price."""
        super().__enter__()
        try:
            self.logins = json.loads(self.run("-m", "tests.api.seed"))
            self.rows(self.after_seed)
            self.serve()
            self.start_web()
            self.web_ready()
            self.usual_market()
        except BaseException:
            self.__exit__()
            raise
        return self

    def serve(self) -> None:
        """Start the desk and wait for its first heartbeat."""
        self.start_desk()
        self.until(
            lambda: self.rows(
                "SELECT 1 FROM dealing_engineshard WHERE heartbeat_at > now() - interval '2 seconds'"
            ),
            "the desk's heartbeat",
        )

    @contextmanager
    def beside(self, webs: int = 1, **variables: str) -> Iterator["World"]:
        """Return the same world behind so many web processes of their own, which have these variables of the environment, too."""
        other = copy.copy(self)
        other.port = free_port()
        other.url = f"http://127.0.0.1:{other.port}"
        other.webs, other.web_port = web_names(webs), None
        other.parts, other.tokens, other.env = {}, {}, {**self.env, **variables}
        try:
            other.start_web()
            other.web_ready()
            yield other
        finally:
            for name in list(other.parts):
                other.stop(name)
            if other.web_port is not None:
                other.web_port.close()

    # ---- the market ----

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
