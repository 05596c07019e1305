"""The portal's pages without a browser: who sees what, what may be cached, and how strict the policy is."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.views.defaults import bad_request, permission_denied, server_error

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Client:
    """Return a client who is logged in as anna."""
    get_user_model().objects.create_user("anna", password=PASSWORD)
    client = Client()
    answer = client.post("/login/", {"username": "anna", "password": PASSWORD})
    assert answer.status_code == 302
    return client


def test_terminal_when_nobody_is_logged_in_then_the_login_page_comes_first() -> None:
    answer = Client().get("/")

    assert answer.status_code == 302
    assert answer["Location"] == "/login/?next=/"


@pytest.mark.parametrize("path", ["/password/", "/password/done/"])
def test_password_pages_when_nobody_is_logged_in_then_the_login_page_comes_first(path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")


def test_terminal_when_logged_in_then_it_is_not_kept_and_the_csrf_cookie_is_set(anna: Client) -> None:
    answer = anna.get("/")

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert "csrftoken" in answer.cookies
    assert b'data-user="anna"' in answer.content


def test_every_page_when_served_then_the_policy_allows_own_files_only(anna: Client) -> None:
    for client, path in ((Client(), "/login/"), (anna, "/"), (anna, "/password/")):
        policy = client.get(path)["Content-Security-Policy"]

        assert "script-src 'self'" in policy
        assert "style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_templates_when_read_then_no_script_or_style_is_inline_and_nothing_is_external() -> None:
    for path in (ROOT / "templates" / "portal").glob("*.html"):
        text = path.read_text()

        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), path.name
        assert not re.search(r"(src|href)=\"https?:", text), path.name


def test_scripts_when_read_then_none_takes_html_or_builds_code() -> None:
    for path in (ROOT / "static" / "portal" / "js").glob("*.js"):
        text = path.read_text()

        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), (
            path.name
        )
        assert not re.search(r"new Function|parseFloat", text), path.name


def test_login_when_the_password_is_wrong_then_the_page_says_so_beside_no_field() -> None:
    get_user_model().objects.create_user("anna", password=PASSWORD)

    answer = Client().post("/login/", {"username": "anna", "password": "wrong"})

    assert answer.status_code == 200
    assert b"Name or password is wrong." in answer.content
    assert b'role="alert"' in answer.content


def test_login_when_it_failed_too_often_then_a_page_explains_the_lock() -> None:
    client = Client()

    for _ in range(6):
        answer = client.post("/login/", {"username": "mallory", "password": "wrong"})

    assert answer.status_code == 429
    assert b"locked for a quarter of an hour" in answer.content


def test_login_when_next_points_elsewhere_then_it_is_not_followed() -> None:
    get_user_model().objects.create_user("anna", password=PASSWORD)

    answer = Client().post(
        "/login/?next=https://evil.example/",
        {"username": "anna", "password": PASSWORD, "next": "https://evil.example/"},
    )

    assert answer["Location"] == "/"


def test_logout_when_asked_by_a_link_then_it_is_refused_and_by_the_button_it_ends_the_session(
    anna: Client,
) -> None:
    assert anna.get("/logout/").status_code == 405
    assert anna.get("/").status_code == 200

    assert anna.post("/logout/").status_code == 302

    assert anna.get("/").status_code == 302


def test_password_when_changed_then_the_other_session_ends_and_this_one_goes_on(anna: Client) -> None:
    other = Client()
    other.post("/login/", {"username": "anna", "password": PASSWORD})
    new = "a longer horse battery"

    answer = anna.post(
        "/password/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new}, follow=True
    )

    assert b"Your password was changed" in answer.content
    assert anna.get("/").status_code == 200
    assert other.get("/").status_code == 302


def test_password_when_the_new_one_is_weak_then_it_is_refused_and_the_old_one_stays(anna: Client) -> None:
    answer = anna.post(
        "/password/", {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    )

    assert b"too short" in answer.content
    assert b'aria-invalid="true"' in answer.content
    assert get_user_model().objects.get(username="anna").check_password(PASSWORD)


def test_manager_link_when_the_user_is_no_staff_then_it_is_not_shown(anna: Client) -> None:
    assert b"Manager" not in anna.get("/").content

    get_user_model().objects.filter(username="anna").update(is_staff=True)

    assert b"/admin/" in anna.get("/").content


def test_error_page_when_an_address_is_unknown_then_it_looks_like_the_house(anna: Client) -> None:
    answer = anna.get("/nothing/")

    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content
    assert b"portal/css/card.css" in answer.content


def test_error_page_when_a_form_comes_without_its_token_then_it_says_that_nothing_was_done() -> None:
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "anna", "password": "x"})

    assert answer.status_code == 403
    assert b"Nothing was done" in answer.content


def test_error_page_when_the_server_fails_then_it_asks_the_database_nothing(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    with django_assert_num_queries(0):
        answer = server_error(RequestFactory().get("/"))

    assert answer.status_code == 500
    assert b"written it down" in answer.content


@pytest.mark.parametrize("view", [bad_request, permission_denied])
def test_error_page_when_refused_then_it_shows_nothing_of_the_exception(
    view: Callable[..., HttpResponse],
) -> None:
    answer = view(RequestFactory().get("/"), Exception("<secret>"))

    assert answer.status_code in (400, 403)
    assert b"tradingdesk" in answer.content
    assert b"secret" not in answer.content
