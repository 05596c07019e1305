"""Nobody learns from a door whether a name exists: whatever is wrong, the words and the work are the same."""

import re
from typing import Any

import argon2.low_level
import pytest
from argon2 import _password_hasher
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import get_resolver

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
#: Who tries what: absent, wrong, no password set, not active though the password is right, a name that no row can hold.
TRIES = {
    "absent": ("nobody", PASSWORD),
    "wrong": ("ben", "another horse battery"),
    "unset": ("zoe", PASSWORD),
    "inactive": ("ida", PASSWORD),
    "staff": ("sam", "another horse battery"),
    "nul": ("ben\0", PASSWORD),
}
DOORS = ("/login/", "/admin/login/", "/api/v1/auth/token/")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Return the figures (memory, time, lanes) of every Argon2 that is computed from now on."""
    done: list[tuple[int, int, int]] = []
    make, verify = argon2.low_level.hash_secret, _password_hasher.verify_secret

    def made(*args: Any, **given: Any) -> Any:
        done.append((given["memory_cost"], given["time_cost"], given["parallelism"]))
        return make(*args, **given)

    def verified(encoded: bytes, *args: Any) -> Any:
        figures = re.search(rb"m=(\d+),t=(\d+),p=(\d+)", encoded)
        assert figures is not None
        done.append((int(figures[1]), int(figures[2]), int(figures[3])))
        return verify(encoded, *args)

    monkeypatch.setattr(argon2.low_level, "hash_secret", made)
    monkeypatch.setattr(_password_hasher, "verify_secret", verified)
    return done


@pytest.fixture
def people(redis_db: Any) -> None:
    """Make a client, one without a password, one who is not active, and a member of staff."""
    users = get_user_model().objects
    users.create_user("ben", password=PASSWORD)
    users.create_user("zoe")
    users.create_user("ida", password=PASSWORD, is_active=False)
    users.create_user("sam", password=PASSWORD, is_staff=True)


def told(door: str, name: str, password: str) -> tuple[int, str]:
    """Return how a door answers, without what is the caller's own or of one moment."""
    sent = {"username": name, "password": password}
    browser = Client(REMOTE_ADDR=f"198.51.100.{abs(hash((door, name))) % 250}")
    answer = browser.post(door, sent, "application/json") if "api" in door else browser.post(door, sent)
    text = answer.content.decode().replace(name.replace("\0", ""), "NAME")
    text = re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]*', r"\1", text)
    return answer.status_code, re.sub(r'value="NAME[^"]*"|"request_id": ?"[^"]*"', "", text)


@pytest.mark.parametrize("door", DOORS)
def test_door_when_name_or_password_are_wrong_then_same_words_and_same_work(
    people: None, work: list[tuple[int, int, int]], door: str
) -> None:
    answers, costs = {}, {}
    for who, (name, password) in TRIES.items():
        if who == "nul":
            continue  # forms refuse it as text before it is a name; below
        work.clear()
        answers[who] = told(door, name, password)
        costs[who] = list(work)

    assert set(costs["absent"]) == {(19_456, 2, 1)}
    assert costs == dict.fromkeys(costs, costs["absent"])
    assert answers == dict.fromkeys(answers, answers["absent"])


def test_door_of_staff_when_a_client_comes_with_the_right_password_then_told_what_a_stranger_is(
    people: None, work: list[tuple[int, int, int]]
) -> None:
    stranger = told("/admin/login/", *TRIES["absent"])
    work.clear()

    assert told("/admin/login/", "ben", PASSWORD) == stranger
    assert work == [(19_456, 2, 1)]


@pytest.mark.parametrize("name", ["nobody", "ben"])
def test_name_when_it_holds_a_nul_then_refused_alike(people: None, name: str) -> None:
    plain = [told(door, f"{other}\0", PASSWORD)[0] for door in DOORS for other in ("nobody", "ben")]

    assert [told(door, f"{name}\0", PASSWORD)[0] for door in DOORS] == plain[::2] == plain[1::2]


def test_addresses_when_listed_then_no_door_registers_or_resets_without_being_in_the_tests_above() -> None:
    """A new door for strangers' names or passwords is to be tried like the others."""
    paths: list[str] = []

    def walk(patterns: Any, start: str) -> None:
        for one in patterns:
            if hasattr(one, "url_patterns"):
                walk(one.url_patterns, start + str(one.pattern))
            else:
                paths.append(start + str(one.pattern))

    walk(get_resolver().url_patterns, "/")
    plain = {
        re.sub(r"<[^>]*>|\(.*?\)", "N", one).replace("^", "").replace("$", "").replace("/?", "/")
        for one in paths
    }
    doors = {one for one in plain if re.search(r"login|token|regist|sign|reset|forgot|password", one)}

    inside = {
        "/password/", "/password/done/", "/admin/password_change/", "/admin/password_change/done/",
        "/admin/auth/user/N/password/",
    }  # fmt: skip
    assert doors == {"/login/", "/admin/login/", "/api/v1/auth/token/"} | inside
