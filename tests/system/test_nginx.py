"""Behind a real nginx, one and two in a row: whose address counts for lock-outs, limits, sockets and logs."""

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.nginx import Nginx
from tests.services import Services
from tests.stack import Stack

pytestmark = pytest.mark.stack

PASSWORD = "correct horse battery"
USERS = (
    "from django.contrib.auth import get_user_model as model; users = model().objects; "
    f"first = users.create_user('ben', password={PASSWORD!r}); "
    "[users.create(username=name, password=first.password) for name in {names!r}]"
)
NAMES = ["carla", "dora", "erik", "fay", "gil", "hal", *(f"user{number}" for number in range(40))]
LIMITS = {
    "LOGIN_FAILURES_PAIR": "3",
    "LOGIN_FAILURES_NAME": "6",
    "LOGIN_FAILURES_ADDRESS": "12",
    "API_LOGIN_RATE": "10000",
}


@dataclass
class Front:
    """A server and what stands in front of it."""

    stack: Stack
    nginx: Nginx
    proxies: int

    def log_in(
        self,
        name: str,
        password: str,
        *,
        source: str,
        port: int | None = None,
        host: str = "127.0.0.1",
        **head: str,
    ) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers of a log-in that came from a local address."""
        wire = http.client.HTTPConnection(
            host, port or self.nginx.port, timeout=20, source_address=(source, 0)
        )
        sent = {key.replace("_", "-"): value for key, value in head.items()}
        body = json.dumps({"username": name, "password": password})
        wire.request("POST", "/api/v1/auth/token/", body, {"Content-Type": "application/json", **sent})
        answer = wire.getresponse()
        found = json.loads(answer.read())
        wire.close()
        return answer.status, found, dict(answer.getheaders())

    def logged(self, name: str) -> list[str]:
        """Return the addresses that the log tells of failed log-ins with a name."""
        text = self.stack.log("daphne", lines=10_000)
        return re.findall(rf"a log-in failed .*address=(\S+) name={name}\b", text)


@pytest.fixture(scope="module", params=[1, 2], ids=["one proxy", "two proxies"])
def front(request: pytest.FixtureRequest, services: Services) -> Iterator[Front]:
    proxies = request.param
    with Stack(services, desk=False, environment={"PROXY_COUNT": str(proxies), **LIMITS}) as stack:
        stack.manage("shell", "-c", USERS.format(names=NAMES))
        with Nginx(stack.folder / "nginx", stack.port, proxies=proxies) as nginx:
            yield Front(stack, nginx, proxies)


def test_lock_out_when_behind_nginx_then_of_the_callers_address_alone(front: Front) -> None:
    wrong = [front.log_in("ben", f"wrong {number}", source="127.0.0.31")[0] for number in range(5)]
    status, body, head = front.log_in("ben", PASSWORD, source="127.0.0.31")

    assert wrong == [401, 401, 401, 429, 429]
    assert (status, body["code"]) == (429, "too_many_requests")
    assert 880 <= int(head["Retry-After"]) <= 900
    assert front.log_in("ben", PASSWORD, source="127.0.0.32")[0] == 200
    assert front.logged("ben") == ["127.0.0.31"] * 3


def test_lock_out_when_the_caller_writes_the_header_then_it_counts_for_nothing(front: Front) -> None:
    statuses = [
        front.log_in("carla", f"wrong {number}", source="127.0.0.33", X_Forwarded_For=forged)[0]
        for number, forged in enumerate(
            ("8.8.8.1", "8.8.8.2, 8.8.8.3", "unknown", "::1", "8.8.8.5, 8.8.8.6, 8.8.8.7, 127.0.0.40")
        )
    ]

    assert statuses == [401, 401, 401, 429, 429]
    assert front.logged("carla") == ["127.0.0.33"] * 3
    assert front.log_in("carla", PASSWORD, source="127.0.0.34", X_Forwarded_For="127.0.0.33")[0] == 200


def test_lock_out_when_strangers_attack_a_name_then_not_where_its_user_was(front: Front) -> None:
    assert front.log_in("dora", PASSWORD, source="127.0.0.50")[0] == 200

    statuses = [front.log_in("dora", "wrong", source=f"127.0.0.{51 + number}")[0] for number in range(9)]

    assert statuses == [401] * 6 + [429] * 3
    assert front.log_in("dora", PASSWORD, source="127.0.0.70")[0] == 429
    assert front.log_in("dora", PASSWORD, source="127.0.0.50")[0] == 200


def test_lock_out_when_an_address_tries_many_names_then_that_address_alone(front: Front) -> None:
    statuses = [front.log_in(f"user{number}", "wrong", source="127.0.0.71")[0] for number in range(14)]

    assert statuses == [401] * 12 + [429] * 2
    assert front.log_in("user20", PASSWORD, source="127.0.0.71")[0] == 429
    assert front.log_in("user20", PASSWORD, source="127.0.0.72")[0] == 200


def test_lock_out_when_by_ipv6_then_the_callers_address_is_told(front: Front) -> None:
    if not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text().strip():
        pytest.skip("this machine has no IPv6")

    assert front.log_in("erik", "wrong", source="::1", host="::1")[0] == 401

    assert front.logged("erik") == ["::1"]


def test_lock_out_when_a_proxy_was_passed_by_then_the_other_end_counts(front: Front) -> None:
    """Fewer entries than proxies: whoever is at the other end, not what they wrote."""
    inner = front.stack.port if front.proxies == 1 else front.nginx.ports[1]

    assert front.log_in("fay", "wrong", source="127.0.0.80", port=inner)[0] == 401

    assert front.logged("fay") == ["127.0.0.80" if front.proxies == 1 else "127.0.0.1"]


def test_page_when_locked_then_it_says_so_behind_nginx_too(front: Front) -> None:
    for number in range(3):
        front.log_in("gil", f"wrong {number}", source="127.0.0.90")
    wire = http.client.HTTPConnection(
        "127.0.0.1", front.nginx.port, timeout=20, source_address=("127.0.0.90", 0)
    )
    wire.request("GET", "/login/")
    first = wire.getresponse()
    cookie = re.findall(r"csrftoken=([^;]*)", first.headers["Set-Cookie"])[0]
    first.read()

    wire.request(
        "POST", "/login/", f"username=gil&password=x&csrfmiddlewaretoken={cookie}",
        {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={cookie}"},
    )  # fmt: skip
    answer = wire.getresponse()

    assert answer.status == 429
    assert 880 <= int(answer.headers["Retry-After"]) <= 900
    assert b"locked for a quarter of an hour" in answer.read()


def test_socket_when_behind_nginx_then_the_origin_is_that_of_the_proxy(front: Front) -> None:
    status, pair, _ = front.log_in("hal", PASSWORD, source="127.0.0.95")
    assert status == 200
    wire = http.client.HTTPConnection("127.0.0.1", front.nginx.port, timeout=20)
    wire.request("POST", "/api/v1/ws-ticket/", "{}", {"Authorization": f"Bearer {pair['access']}"})
    ticket = json.loads(wire.getresponse().read())["ticket"]
    url = f"ws://127.0.0.1:{front.nginx.port}/ws/?ticket={ticket}"

    for origin in (f"https://127.0.0.1:{front.nginx.port}", f"http://127.0.0.1:{front.stack.port}"):
        # TLS is the proxy's to tell, whatever the caller writes.
        with pytest.raises(InvalidStatus):
            connect(url, origin=origin, additional_headers={"X-Forwarded-Proto": "https"}, proxy=None)  # type: ignore[arg-type]
    with connect(url, origin=f"http://127.0.0.1:{front.nginx.port}", proxy=None) as opened:  # type: ignore[arg-type]
        opened.send('{"op": "ping"}')
        assert json.loads(opened.recv(timeout=5)) == {"type": "pong"}
