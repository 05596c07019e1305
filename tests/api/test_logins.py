"""Logins of programs and browsers against real processes: what works once works once, what has ended has ended."""

import http.client
import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.api.seed_words import PASSWORD
from tests.api.sockets import Socket
from tests.api.world import Answer, Client, World

pytestmark = pytest.mark.stack

NEW = "a longer horse battery"
SET_PASSWORD = """
import django; django.setup()
from django.contrib.auth import get_user_model
user = get_user_model().objects.get(username="{name}")
user.set_password("{password}"); user.save()
"""
AT_ONCE_S = 1.0


def token(world: World, name: str, password: str = PASSWORD) -> Answer:
    return Client(world).post("/api/v1/auth/token/", {"username": name, "password": password})


def refresh(world: World, value: str) -> Answer:
    return Client(world).post("/api/v1/auth/refresh/", {"refresh": value})


def accounts(world: World, access: str) -> int:
    return Client(world, token=access).get("/api/v1/accounts/").status


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Return what as many threads were answered that began at one moment."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait(20)
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


@pytest.fixture
def name(world: World) -> str:
    """Return a user that no other test uses."""
    return f"client{world.logins['hedging'].pop()}"


# ---- a refresh token works once ----


@pytest.mark.parametrize("_round", range(3))
def test_refresh_when_twelve_use_it_at_one_moment_then_one_200_and_eleven_401(
    world: World, name: str, _round: int
) -> None:
    used = token(world, name).body["refresh"]

    answers = together(12, lambda _: refresh(world, used))

    assert sorted(one.status for one in answers) == [200] + [401] * 11
    assert {one.body["code"] for one in answers if one.status == 401} == {"unauthorized"}
    (pair,) = [one.body for one in answers if one.status == 200]
    assert accounts(world, pair["access"]) == 200
    assert refresh(world, pair["refresh"]).status == 200


def test_refresh_when_used_again_soon_then_only_refused(world: World, name: str) -> None:
    used = token(world, name).body["refresh"]
    pair = refresh(world, used).body

    assert refresh(world, used).status == 401

    assert accounts(world, pair["access"]) == 200
    assert refresh(world, pair["refresh"]).status == 200


def test_refresh_when_used_again_later_then_its_family_ends_and_no_other(world: World, name: str) -> None:
    first, other = token(world, name).body, token(world, name).body
    second = refresh(world, first["refresh"]).body
    world.rows(
        "UPDATE credentials_refreshtoken SET used_at = used_at - interval '10.5 seconds' WHERE used_at IS NOT NULL"
        " AND user_id = (SELECT id FROM auth_user WHERE username = %s)",
        name,
    )

    assert refresh(world, first["refresh"]).status == 401

    assert [accounts(world, one["access"]) for one in (first, second, other)] == [401, 401, 200]
    assert [refresh(world, one["refresh"]).status for one in (second, other)] == [401, 200]


def test_refresh_when_expired_then_refused(world: World, name: str) -> None:
    pair = token(world, name).body
    world.rows(
        "UPDATE credentials_refreshtoken SET expires_at = clock_timestamp() - interval '1 second'"
        " WHERE user_id = (SELECT id FROM auth_user WHERE username = %s)",
        name,
    )

    assert refresh(world, pair["refresh"]).status == 401


@pytest.mark.parametrize("value", ["x", "", "a" * 2000, "é", "null"])
def test_refresh_when_it_is_none_of_ours_then_refused(world: World, value: str) -> None:
    assert refresh(world, value).status == (400 if not value else 401)


def test_refresh_tokens_when_kept_then_as_hashes(world: World, name: str) -> None:
    pair = token(world, name).body
    dumped = json.dumps(world.rows("SELECT * FROM credentials_refreshtoken"), default=str)

    assert pair["refresh"] not in dumped
    assert re.search(r"[0-9a-f]{64}", dumped)


def test_access_when_its_statement_is_signed_but_of_no_login_then_refused(world: World) -> None:
    code = (
        "import django; django.setup()\n"
        "from rest_framework_simplejwt.tokens import AccessToken\n"
        "from django.contrib.auth import get_user_model\n"
        "print(AccessToken.for_user(get_user_model().objects.get(username='manager')))"
    )

    assert accounts(world, world.run("-c", code).strip()) == 401


# ---- everything ends at once ----


class Browser:
    """A session by the pages, with its cookies."""

    def __init__(self, world: World, name: str, password: str = PASSWORD, *, login: str = "/login/") -> None:
        self.world, self.cookies = world, dict[str, str]()
        self.get(login)
        answer = self.post(login, {"username": name, "password": password})
        assert answer.status == 302, answer.body

    def get(self, path: str) -> Answer:
        return self._taken(Client(self.world).get(path, Cookie=self.cookie))

    def post(self, path: str, form: dict[str, str]) -> Answer:
        form = {**form, "csrfmiddlewaretoken": self.cookies["csrftoken"]}
        head = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": self.cookie}
        return self._taken(Client(self.world).request("POST", path, raw=urlencode(form).encode(), **head))

    @property
    def cookie(self) -> str:
        return "; ".join(f"{key}={value}" for key, value in self.cookies.items())

    def _taken(self, answer: Answer) -> Answer:
        for key, value in re.findall(r"(csrftoken|sessionid)=([^;]*)", answer.headers.get("all-cookies", "")):
            self.cookies[key] = value
        return answer

    def logged_in(self) -> bool:
        return self.get("/").status == 200

    def socket(self) -> Any:
        origin = f"http://127.0.0.1:{self.world.port}"
        url = f"ws://127.0.0.1:{self.world.port}/ws/"
        return connect(
            url, origin=origin, additional_headers={"Cookie": self.cookie}, compression=None, proxy=None
        )  # type: ignore[arg-type]


@dataclass
class Held:
    """All that one user can hold."""

    world: World
    name: str

    def __post_init__(self) -> None:
        self.pair = token(self.world, self.name).body
        self.client = Client(self.world, token=self.pair["access"])
        self.browser = Browser(self.world, self.name)
        self.sockets = [Socket(self.client).connection, self.browser.socket()]
        self.ticket = self.client.post("/api/v1/ws-ticket/").body["ticket"]

    def assert_lives(self) -> None:
        assert accounts(self.world, self.pair["access"]) == 200
        assert self.browser.logged_in()
        for socket in self.sockets:
            assert closed_within(socket, 0.0) is None

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()

    def assert_ended(self, *, since_s: float) -> None:
        for socket in self.sockets:
            assert closed_within(socket, since_s + AT_ONCE_S - time.monotonic() + 0.5) == 4003
        assert accounts(self.world, self.pair["access"]) == 401
        assert refresh(self.world, self.pair["refresh"]).status == 401
        assert not self.browser.logged_in()
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{self.world.port}/ws/?ticket={self.ticket}", proxy=None)


def closed_within(socket: Any, limit_s: float) -> int | None:
    """Return the code with which a socket is closed, None while it is open."""
    end = time.monotonic() + max(limit_s, 0.05)
    while (left := end - time.monotonic()) > 0:
        try:
            socket.recv(timeout=left)
        except TimeoutError:
            return None
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0
    return None


def by_shell(world: World, name: str) -> None:
    world.run("-c", SET_PASSWORD.format(name=name, password=NEW))


def by_sql(world: World, name: str) -> None:
    world.rows(
        "UPDATE auth_user SET password = (SELECT password FROM auth_user WHERE username = 'nobody') || 'x'"
        " WHERE username = %s",
        name,
    )


def by_portal(world: World, name: str) -> None:
    browser = Browser(world, name)
    browser.get("/password/")
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/password/", form).status == 302
    assert browser.logged_in()


def by_admin(world: World, name: str) -> None:
    staff = Browser(world, "manager", login="/admin/login/?next=/admin/")
    ((number,),) = world.rows("SELECT id FROM auth_user WHERE username = %s", name)
    path = f"/admin/auth/user/{number}/password/"
    staff.get(path)
    form = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"}
    assert staff.post(path, form).status == 302


def by_deactivation(world: World, name: str) -> None:
    world.rows("UPDATE auth_user SET is_active = false WHERE username = %s", name)


def by_deactivation_and_back(world: World, name: str) -> None:
    world.rows("UPDATE auth_user SET is_active = false WHERE username = %s", name)
    world.rows("UPDATE auth_user SET is_active = true WHERE username = %s", name)


def by_logging_out(world: World, name: str) -> None:
    answer = Client(world, token=token(world, name).body["access"]).post("/api/v1/auth/logout/")
    assert (answer.status, answer.body) == (200, {"ended": "everything"})


def by_logging_out_with_the_refresh_token(world: World, name: str) -> None:
    body = {"refresh": token(world, name).body["refresh"]}
    assert Client(world).post("/api/v1/auth/logout/", body).status == 200


ENDS = [
    by_shell, by_sql, by_portal, by_admin, by_deactivation, by_deactivation_and_back, by_logging_out,
    by_logging_out_with_the_refresh_token,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_credentials_when_they_end_then_tokens_sessions_sockets_and_tickets_do_at_once(
    world: World, name: str, end: Callable[[World, str], None]
) -> None:
    held = Held(world, name)
    bystander = Held(world, f"client{world.logins['hedging'][0]}")
    held.assert_lives()

    end(world, name)

    held.assert_ended(since_s=time.monotonic())
    bystander.assert_lives()
    bystander.close()


def test_password_when_changed_then_the_new_one_logs_in_and_the_old_does_not(world: World, name: str) -> None:
    by_shell(world, name)

    assert token(world, name).status == 401
    pair = token(world, name, NEW).body
    assert accounts(world, pair["access"]) == 200
    assert refresh(world, pair["refresh"]).status == 200


def test_logout_when_of_this_login_alone_then_another_goes_on(world: World, name: str) -> None:
    first, other = token(world, name).body, token(world, name).body
    client = Client(world, token=first["access"])
    with Socket(client) as mine, Socket(Client(world, token=other["access"])) as theirs:
        ticket = client.post("/api/v1/ws-ticket/").body["ticket"]

        answer = client.post("/api/v1/auth/logout/", {"everywhere": False})

        assert (answer.status, answer.body) == (200, {"ended": "this login"})
        assert closed_within(mine.connection, AT_ONCE_S + 0.5) == 4003
        assert closed_within(theirs.connection, 0.5) is None
    assert [accounts(world, one["access"]) for one in (first, other)] == [401, 200]
    assert [refresh(world, one["refresh"]).status for one in (first, other)] == [401, 200]
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{world.port}/ws/?ticket={ticket}", proxy=None)


def test_logout_when_by_the_page_then_the_sessions_socket_closes_at_once(world: World, name: str) -> None:
    browser, other = Browser(world, name), Browser(world, name)
    socket, stays = browser.socket(), other.socket()

    assert browser.post("/logout/", {}).status == 302

    assert closed_within(socket, AT_ONCE_S + 0.5) == 4003
    assert closed_within(stays, 0.5) is None
    stays.close()
    assert other.logged_in()


def test_logout_when_with_anothers_refresh_token_then_refused_and_nothing_ends(
    world: World, name: str
) -> None:
    mine = token(world, name).body
    theirs = token(world, f"client{world.logins['hedging'][0]}").body

    answer = Client(world, token=mine["access"]).post("/api/v1/auth/logout/", {"refresh": theirs["refresh"]})

    assert answer.status == 401
    assert [accounts(world, one["access"]) for one in (mine, theirs)] == [200, 200]


@pytest.mark.parametrize(
    "body",
    [{"everywhere": "perhaps"}, {"everywhere": "no"}, {"everywhere": 0}, {"all": True}, [], {"refresh": 7.5}],
)
def test_logout_when_not_understood_then_refused_and_nothing_ends(world: World, name: str, body: Any) -> None:
    access = token(world, name).body["access"]

    assert Client(world, token=access).post("/api/v1/auth/logout/", body).status in (400, 401)

    assert accounts(world, access) == 200


# ---- lock-outs ----


def attempt(world: World, source: str, name: str, password: str) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and body of a log-in from a local address of its own."""
    wire = http.client.HTTPConnection("127.0.0.1", world.port, timeout=20, source_address=(source, 0))
    body = json.dumps({"username": name, "password": password})
    wire.request("POST", "/api/v1/auth/token/", body, {"Content-Type": "application/json"})
    answer = wire.getresponse()
    found = json.loads(answer.read())
    wire.close()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, found


def test_wrong_passwords_when_sixteen_come_at_once_then_five_are_looked_at(world: World, name: str) -> None:
    answers = together(16, lambda number: attempt(world, "127.0.0.21", name, f"wrong {number}"))

    assert sorted(status for status, _, _ in answers) == [401] * 5 + [429] * 11
    for status, head, body in answers:
        if status == 429:
            assert body["code"] == "too_many_requests"
            assert 880 <= int(head["retry-after"]) <= 900
    assert attempt(world, "127.0.0.21", name, PASSWORD)[0] == 429
    assert attempt(world, "127.0.0.22", name, PASSWORD)[0] == 200


def test_right_passwords_when_twelve_come_at_once_then_none_is_a_failure(world: World, name: str) -> None:
    # A busy machine lets some wait too long (503); nobody is locked out by being right.
    statuses = together(12, lambda _: attempt(world, "127.0.0.23", name, PASSWORD)[0])

    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    assert attempt(world, "127.0.0.23", name, PASSWORD)[0] == 200
