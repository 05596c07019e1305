"""What another site can make a browser do: nothing that changes anything, and no way out of here by our redirects."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from manager.tests.book import write_book

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
AWAY = [
    "//evil.example", "https://evil.example/", "http:evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
    "javascript:alert(1)", "data:text/html,x", "\t//evil.example", "/\t/evil.example", "https:///evil.example",
    "//testserver@evil.example", "/%0d%0aLocation:%20https://evil.example", "https://testserver.evil.example/", "x\r\nX: y",
]  # fmt: skip
#: Doors that read no cookie: another site has nothing there that is not its own. And pages that say no to every POST.
WITHOUT_COOKIES = {"/api/v1/auth/token/", "/api/v1/auth/refresh/"}
ONLY_READ = {"/health/live", "/health/ready", "/healthz", "/metrics", "/favicon.ico"}
COUNTED = ("dealing_command", "dealing_settingschange", "accounts_account", "accounts_group", "markets_symbol", "auth_user",
           "auth_user_groups", "manager_massjob", "manager_massitem", "django_session", "credentials_tokenfamily",
           "dealing_gap", "accounts_managerscope", "django_admin_log")  # fmt: skip


def addresses() -> list[str]:
    """Return every address of the server, its parameters filled in."""
    found: list[str] = []

    def walk(patterns: Any, start: str) -> None:
        for one in patterns:
            path = start + str(one.pattern).replace("^", "").replace("$", "").replace("/?", "/")
            if hasattr(one, "url_patterns"):
                walk(one.url_patterns, path)
            else:
                found.append(path)

    walk(get_resolver().url_patterns, "/")
    return sorted({_filled(path) for path in found})


def _filled(path: str) -> str:
    path = re.sub(r"\(\?P<url>.*?\)$|\(\?P<format>[^)]*\)\??", "x", path)
    path = re.sub(r"<uuid:[^>]*>", "00000000-0000-0000-0000-000000000001", path)
    path = re.sub(r"<(str|path|slug):symbol>|<str:name>", "EURUSD", path)
    return re.sub(r"\(\?P<[^>]*>[^)]*\)|<[^>]*>", "1001", path)


def state() -> list[tuple[Any, ...]]:
    """Return how many rows there are, and what the rows of settings and users hold."""
    with connection.cursor() as cursor:
        found = []
        for table in COUNTED:
            cursor.execute(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            found.append((table, *cursor.fetchone()))
    return found


@pytest.fixture
def boss(redis_db: Any) -> Client:
    """Return the browser of a superuser with an account of their own, whose requests need the token of a page."""
    write_book()
    user = get_user_model().objects.create_superuser("boss", password=PASSWORD)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_account SET user_id = %s WHERE login = 1001", [user.pk])
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(user)
    return browser


def test_requests_when_another_site_makes_them_then_refused_everywhere_and_nothing_changes(
    boss: Client,
) -> None:
    before, wrong = state(), []
    assert len(addresses()) > 100
    for path in addresses():
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = boss.generic(
                method, path, "symbol=EURUSD&confirmed=yes&post=yes", "application/x-www-form-urlencoded"
            )
            says_so = answer.status_code == 403 and any(
                word in answer.content for word in (b"CSRF", b"This page is out of date")
            )
            is_closed = answer.status_code in (404, 405) or path in ONLY_READ | WITHOUT_COOKIES
            if not says_so and not is_closed:
                wrong.append((method, path, answer.status_code, answer.content[:80]))

    assert wrong == [], wrong[:40]
    assert state() == before


def test_requests_when_they_only_read_then_nothing_changes(boss: Client) -> None:
    """A link or a picture of another site can make a browser read; no address does anything when it is read."""
    for path in addresses():
        before = state()
        boss.get(
            path, {"confirmed": "yes", "post": "yes", "action": "close_positions", "_selected_action": "10"}
        )

        assert [row for row in state() if row[0] != "django_session"] == [
            row for row in before if row[0] != "django_session"
        ], path


@pytest.mark.parametrize("door", ["/login/", "/admin/login/"])
@pytest.mark.parametrize("to", AWAY)
def test_door_when_told_to_go_elsewhere_afterwards_then_it_stays_here(
    redis_db: Any, door: str, to: str
) -> None:
    get_user_model().objects.create_superuser("boss", password=PASSWORD)
    sent = {"username": "boss", "password": PASSWORD, "next": to}

    answers = [
        Client().post(door, sent),
        Client().post(f"{door}?next={quote(to)}", {"username": "boss", "password": PASSWORD}),
    ]
    known = Client()
    known.force_login(get_user_model().objects.get())
    answers += [known.get(door, {"next": to}), known.post("/logout/", {"next": to})]

    for answer in answers:
        assert answer.status_code in (200, 302)
        if answer.status_code == 302:
            aim = urlsplit(answer["Location"])
            assert (aim.scheme, aim.netloc) == ("", ""), answer["Location"]
            assert answer["Location"].startswith("/")
            assert not answer["Location"].startswith(("//", "/\\"))
            assert "X" not in answer.headers


@pytest.mark.parametrize(
    "path", ["//evil.example/admin", "//evil.example", "/\\evil.example", "//evil.example/%2e%2e/login"]
)
def test_path_when_it_looks_like_a_host_then_no_redirect_leads_there(redis_db: Any, path: str) -> None:
    get_user_model().objects.create_superuser("boss", password=PASSWORD)
    for browser in (Client(), Client()):
        answer = browser.generic("GET", "/", PATH_INFO=path)

        assert answer.status_code in (301, 302, 400, 404)
        assert not answer.headers.get("Location", "/x").startswith(("//", "/\\", "http"))
