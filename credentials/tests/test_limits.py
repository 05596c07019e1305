"""How often a password may be tried: exact counts, also of many at one moment, and without Redis."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from credentials import limits
from credentials.limits import LocalCounts, TooManyAttempts

HOME, OFFICE, ATTACKER = "192.0.2.1", "192.0.2.2", "198.51.100.9"


@pytest.fixture(params=["redis", "process"])
def counted(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where attempts are counted, with limits that a test can reach."""
    settings.LOGIN_FAILURES_PAIR, settings.LOGIN_FAILURES_ADDRESS, settings.LOGIN_FAILURES_NAME = 5, 12, 8
    settings.API_LOGIN_RATE, settings.LOGIN_LOCK_S = 1000, 900
    limits.LOCAL.forget()
    if request.param == "redis":
        request.getfixturevalue("redis_db")
        monkeypatch.setattr(limits, "_away_until_s", 0.0)
    else:
        gone = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.1)
        monkeypatch.setattr(limits, "_client", lambda: gone)
        monkeypatch.setattr(limits, "_away_until_s", 0.0)
    return str(request.param)


def failures(name: str, address: str, *, times: int, known: bool = False) -> int:
    """Return how many of these wrong passwords were looked at."""
    looked_at = 0
    for _ in range(times):
        try:
            limits.take(name, address, known=known)
        except TooManyAttempts:
            continue
        looked_at += 1
    return looked_at


def test_pair_when_wrong_too_often_then_locked_for_a_quarter_of_an_hour(counted: str) -> None:
    assert failures("ben", ATTACKER, times=7) == 5

    with pytest.raises(TooManyAttempts) as refused:
        limits.take("ben", ATTACKER, known=False)

    assert 895 <= refused.value.wait <= 900
    assert str(refused.value.wait) in str(refused.value.detail)


def test_pair_when_others_are_locked_then_the_user_at_home_is_not(counted: str) -> None:
    for number in range(10):
        failures("ben", f"198.51.100.{number}", times=5)

    assert failures("ben", HOME, times=1, known=True) == 1
    assert failures("ben", OFFICE, times=1) == 0  # new to them: locked by name


def test_name_when_many_new_addresses_fail_then_exactly_the_limit_is_looked_at(counted: str) -> None:
    assert sum(failures("ben", f"198.51.100.{number}", times=1) for number in range(30)) == 8

    assert failures("carla", "198.51.100.1", times=1) == 1


def test_address_when_many_names_fail_then_exactly_the_limit_is_looked_at(counted: str) -> None:
    assert sum(failures(f"user{number}", ATTACKER, times=1) for number in range(30)) == 12

    assert failures("user1", HOME, times=1) == 1


def test_success_when_it_comes_then_it_is_no_failure_and_the_pair_is_forgotten(counted: str) -> None:
    failures("ben", HOME, times=4)

    for _ in range(20):
        limits.succeeded(limits.take("ben", HOME, known=True))

    assert failures("ben", HOME, times=7, known=True) == 5


def test_success_when_it_is_an_attackers_own_then_their_failures_stay(counted: str) -> None:
    failures("ben", ATTACKER, times=4)
    failures("carla", ATTACKER, times=4)
    failures("dora", ATTACKER, times=3)

    for _ in range(5):
        limits.succeeded(limits.take("mallory", ATTACKER, known=True))

    assert failures("erik", ATTACKER, times=5) == 1


def test_rate_when_an_address_logs_in_too_often_then_limited_though_all_were_right(
    counted: str, settings: Any
) -> None:
    settings.API_LOGIN_RATE = 10
    for _ in range(10):
        limits.succeeded(limits.take("ben", HOME, known=True))

    with pytest.raises(TooManyAttempts) as refused:
        limits.take("ben", HOME, known=True)

    assert 55 <= refused.value.wait <= 60
    limits.take("ben", OFFICE, known=True)


def test_attempts_when_many_come_at_once_then_no_more_than_the_limit_are_looked_at(counted: str) -> None:
    barrier = threading.Barrier(16)

    def attempt(_: int) -> int:
        barrier.wait(10)
        return failures("ben", ATTACKER, times=1)

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(16))) == 5


def test_attempt_when_the_password_could_not_be_looked_at_then_it_is_not_counted(counted: str) -> None:
    for _ in range(20):
        limits.not_made(limits.take("ben", HOME, known=False))

    assert failures("ben", HOME, times=7) == 5


def test_name_when_it_is_no_text_of_a_database_then_it_is_counted_all_the_same(counted: str) -> None:
    assert failures("\ud800\0" + "x" * 100_000, ATTACKER, times=7) == 5


def test_redis_when_looked_at_then_no_name_is_readable_and_all_counts_end(
    redis_db: "redis.Redis", settings: Any
) -> None:
    limits.take("benjamin", ATTACKER, known=False)

    keys = list(redis_db.scan_iter("td:login:*"))

    assert len(keys) == 4
    assert not [key for key in keys if "benjamin" in str(key)]
    assert all(redis_db.pttl(key) > 0 for key in keys)


def test_local_counts_when_time_has_passed_then_free_again() -> None:
    counts = LocalCounts()
    counter = limits.Counter("x", 2, 1000)

    assert [counts.take((counter,), now_s=now) for now in (0.0, 0.5, 0.6)] == [0.0, 0.0, 900.0]
    assert counts.take((counter,), now_s=1.6) == 0.0


def test_local_counts_when_there_are_too_many_then_the_oldest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_COUNTERS", 3)
    counts = LocalCounts()

    for name in "abcd":
        counts.take((limits.Counter(name, 1, 60_000),), now_s=0.0)

    assert [counts.take((limits.Counter(name, 1, 60_000),), now_s=0.0) > 0 for name in "da"] == [True, False]
