"""Checks of passwords: who is let in, what is renewed, on which threads, and that nobody is told apart by time."""

import threading
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.test import Client

from credentials import checks
from credentials.limits import TooManyAttempts
from credentials.models import Credential, KnownAddress

PASSWORD = "correct horse battery"
HOME = "192.0.2.1"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ben(redis_db: Any) -> Any:
    """Return a user with a password."""
    return get_user_model().objects.create_user("ben", password=PASSWORD)


def test_hash_when_made_then_it_is_argon2id_at_the_figures_of_owasp(ben: Any) -> None:
    assert ben.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("hasher", ["dear", "pbkdf2_sha256"])
def test_hash_when_of_other_figures_then_renewed_at_the_log_in_and_no_token_ends(
    ben: Any, hasher: str
) -> None:
    dear = Argon2PasswordHasher()
    encoded = (
        dear.encode(PASSWORD, dear.salt()) if hasher == "dear" else make_password(PASSWORD, hasher=hasher)
    )
    get_user_model().objects.filter(pk=ben.pk).update(password=encoded)
    before = Credential.objects.get(user=ben).epoch

    assert checks.check("ben", PASSWORD, address=HOME) == ben

    renewed = get_user_model().objects.get(pk=ben.pk).password
    assert "$m=19456,t=2,p=1$" in renewed
    assert Credential.objects.get(user=ben).epoch == before
    assert checks.check("ben", PASSWORD, address=HOME) == ben


def test_hash_when_the_password_is_wrong_then_not_renewed(ben: Any) -> None:
    encoded = make_password(PASSWORD, hasher="pbkdf2_sha256")
    get_user_model().objects.filter(pk=ben.pk).update(password=encoded)

    assert checks.check("ben", "another", address=HOME) is None

    assert get_user_model().objects.get(pk=ben.pk).password == encoded


@pytest.mark.parametrize(
    "name",
    ["nobody", "ben ", "BEN", "ben\0", "\ud800", ""],
    ids=["absent", "space", "case", "nul", "half", "empty"],
)
def test_check_when_nobody_has_the_name_then_a_hash_is_made_all_the_same(
    ben: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(checks, "make_password", lambda password: made.append(password) or "x")

    assert checks.check(name, PASSWORD, address=HOME) is None

    assert made == [PASSWORD]


def test_check_when_the_user_is_not_active_then_nobody_and_counted(ben: Any) -> None:
    get_user_model().objects.filter(pk=ben.pk).update(is_active=False)

    assert [checks.check("ben", PASSWORD, address=HOME) for _ in range(5)] == [None] * 5
    with pytest.raises(TooManyAttempts):
        checks.check("ben", PASSWORD, address=HOME)


def test_check_when_right_then_the_address_is_known_by_its_network(ben: Any) -> None:
    checks.check("ben", PASSWORD, address="2001:db8:1:2::7")
    checks.check("ben", PASSWORD, address="2001:db8:1:2::8")
    checks.check("ben", "wrong", address=HOME)

    assert list(KnownAddress.objects.values_list("user", "address")) == [(ben.pk, "2001:db8:1:2::/64")]


def test_check_when_strangers_fail_without_end_then_the_user_is_let_in_from_where_they_were(
    ben: Any, settings: Any
) -> None:
    settings.LOGIN_FAILURES_NAME = 8
    checks.check("ben", PASSWORD, address=HOME)
    refused = 0
    for number in range(20):
        try:
            checks.check("ben", "wrong", address=f"198.51.100.{number}")
        except TooManyAttempts:
            refused += 1

    assert refused == 12
    assert checks.check("ben", PASSWORD, address=HOME) == ben
    with pytest.raises(TooManyAttempts):
        checks.check("ben", PASSWORD, address="203.0.113.1")


def test_check_when_called_from_any_thread_then_hashed_on_the_executor(
    ben: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    verify = checks._verify

    def noting(password: str, encoded: str | None) -> tuple[bool, bool]:
        threads.append(threading.current_thread().name)
        return verify(password, encoded)

    monkeypatch.setattr(checks, "_verify", noting)
    checks.check("ben", PASSWORD, address=HOME)

    assert threads[0].startswith("password_")
    assert threading.current_thread().name != threads[0]


def test_every_page_when_locked_then_429_with_the_seconds_to_wait(ben: Any) -> None:
    staff = get_user_model().objects.create_superuser("anna", password=PASSWORD)
    browser = Client()
    browser.force_login(staff)
    change = {"new_password1": "a longer horse battery", "new_password2": "a longer horse battery"}
    for number in range(5):
        assert browser.post("/password/", {**change, "old_password": f"wrong {number}"}).status_code == 200

    for caller, path, form in (
        (browser, "/password/", {**change, "old_password": PASSWORD}),
        (browser, "/admin/password_change/", {**change, "old_password": PASSWORD}),
        (Client(), "/login/", {"username": "anna", "password": PASSWORD}),
        (Client(), "/admin/login/", {"username": "anna", "password": PASSWORD}),
    ):
        answer = caller.post(path, form)

        assert answer.status_code == 429, path
        assert 880 <= int(answer["Retry-After"]) <= 900
        assert b"locked for a quarter of an hour" in answer.content
    rest = Client().post(
        "/api/v1/auth/token/", {"username": "anna", "password": PASSWORD}, "application/json"
    )
    assert (rest.status_code, rest.json()["code"]) == (429, "too_many_requests")
    assert 880 <= int(rest["Retry-After"]) <= 900
    staff.refresh_from_db()
    assert staff.check_password(PASSWORD)


def test_own_password_of_staff_when_right_then_changed_and_this_session_goes_on(ben: Any) -> None:
    staff = get_user_model().objects.create_superuser("anna", password=PASSWORD)
    browser = Client()
    browser.force_login(staff)
    new = "a longer horse battery"

    page = browser.get("/admin/password_change/")
    answer = browser.post(
        "/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    )

    assert page.status_code == 200
    assert b"old_password" in page.content
    assert answer["Location"] == "/admin/password_change/done/"
    assert browser.get("/admin/").status_code == 200
    staff.refresh_from_db()
    assert staff.check_password(new)
