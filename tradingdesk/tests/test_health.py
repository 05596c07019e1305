"""What health tells, and to whom: each fault of a part by itself, on rows and keys that say so."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from dealing import bus
from dealing.lease import LOCK_SPACE
from dealing.models import Command, EngineControl, EngineShard
from manager.tests.book import put_symbols
from tradingdesk import health, vitals

pytestmark = pytest.mark.django_db(transaction=True)

AWAY = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}


@pytest.fixture
def well(redis_db: Any) -> Iterator[Any]:
    """Return Redis of a server on which all is well: one shard, its lease held, everybody alive, quotes flowing."""
    EngineControl.objects.update_or_create(pk=1, defaults={"shards": 1})
    EngineShard.objects.update_or_create(shard=0, defaults={"owner": "here:1"})
    put_symbols([{"name": "EURUSD"}])
    entry = redis_db.xadd("ticks", {"d": "EURUSD,1.1,1.2,1"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 0)", [LOCK_SPACE])
        row("heartbeat_at = clock_timestamp(), tick_cursor = %s", entry)
    now_ms = int(time.time() * 1000)
    redis_db.hset(bus.PULSE, mapping={"worker:engine": now_ms, "worker:celery": now_ms, "beat": now_ms})
    yield redis_db
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look every time, however short ago the last look was."""
    monkeypatch.setattr(vitals, "KEPT_S", -1.0)


def row(columns: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE dealing_engineshard SET {columns} WHERE shard = 0", values)


def test_ready_when_all_is_well_then_200_with_every_part(well: Any, client: Client) -> None:
    answers = [client.get(path) for path in ("/health/ready", "/healthz")]

    assert [answer.status_code for answer in answers] == [200, 200], answers[0].json()
    told = answers[0].json()
    assert (told["status"], told["reasons"]) == ("ok", [])
    assert told["parts"] == dict.fromkeys(("database", "redis", "desk", "workers", "beat", "feed"), "ok")
    assert [(shard["shard"], shard["is_held"]) for shard in told["shards"]] == [(0, True)]


def _silence(redis_db: Any) -> None:
    row("heartbeat_at = clock_timestamp() - interval '7 seconds'")


def _loading(redis_db: Any) -> None:
    row("heartbeat_at = NULL, quiet_until = clock_timestamp() + interval '50 seconds'")


def _crashes(redis_db: Any) -> None:
    row("takes = array_fill(clock_timestamp(), ARRAY[3]), crashes = array_fill(clock_timestamp(), ARRAY[2])")


def _released(redis_db: Any) -> None:
    row("owner = '', heartbeat_at = NULL")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def _lag(redis_db: Any) -> None:
    now_ms = int(time.time() * 1000)
    redis_db.delete("ticks")
    redis_db.xadd("ticks", {"d": "x"}, id=f"{now_ms - 9000}-0")
    redis_db.xadd("ticks", {"d": "x"}, id=f"{now_ms}-0")
    row("tick_cursor = %s", f"{now_ms - 10_000}-0")


def _unanswered(redis_db: Any) -> None:
    command = Command.objects.create(shard=0, login=1, name="PlaceOrder", payload={})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dealing_command SET created_at = clock_timestamp() - interval '8 seconds' WHERE id = %s",
            [command.pk],
        )


def _two_shards(redis_db: Any) -> None:
    EngineControl.objects.update(shards=2)


def _old_pulse(name: str) -> Callable[[Any], None]:
    return lambda redis_db: redis_db.hset(bus.PULSE, name, int(time.time() * 1000) - 12_000)


def _quiet_feed(redis_db: Any) -> None:
    redis_db.delete("ticks")
    redis_db.xadd("ticks", {"d": "x"}, id=f"{int(time.time() * 1000) - 40_000}-0")
    row("tick_cursor = %s", redis_db.xrevrange("ticks", count=1)[0][0])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (_silence, "desk: shard 0: the desk is silent: its last heartbeat came 7."),
        (_loading, "desk: shard 0: the desk is loading or writing something long: it has not beaten yet"),
        (_crashes, "desk: shard 0: crash loop: 2 desks have died within a minute, and the lease was taken 3 times"),
        (_released, "desk: shard 0: no desk holds the lease; a desk has given it back"),
        (_two_shards, "desk: shard 1: no desk has ever run"),
        (_lag, "desk: shard 0: a quote has been waiting for 9."),
        (_unanswered, "desk: shard 0: a command has been waiting for its answer for 8."),
        (_old_pulse("worker:engine"), "workers: none for the queue engine: the last sign of life came 12."),
        (_old_pulse("worker:celery"), "workers: none for the queue celery: the last sign of life came 12."),
        (_old_pulse("beat"), "beat: nobody sends what is due: the last sign of life came 12."),
        (lambda r: r.delete(bus.PULSE), "beat: nobody sends what is due, and there has been none since Redis began"),
        (_quiet_feed, "feed: the last quote came 40."),
        (lambda r: r.delete("ticks"), "feed: no quote has come, and EURUSD is in session"),
    ],
)  # fmt: skip
def test_ready_when_a_part_is_not_well_then_503_with_the_reason(
    well: Any, client: Client, fault: Callable[[Any], None], told: str
) -> None:
    fault(well)

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert any(reason.startswith(told) for reason in answer.json()["reasons"]), answer.json()["reasons"]


def test_ready_when_crashes_are_older_than_a_minute_then_no_loop(well: Any, client: Client) -> None:
    row("crashes = array_fill(clock_timestamp() - interval '61 seconds', ARRAY[9])")

    assert client.get("/health/ready").status_code == 200


def test_ready_when_the_feed_is_quiet_outside_every_session_then_200(well: Any, client: Client) -> None:
    _quiet_feed(well)
    put_symbols([{"name": "EURUSD", "sessions": {}}])

    assert client.get("/health/ready").json()["reasons"] == []


def test_ready_when_a_part_has_not_to_be_then_it_is_not_asked_after(
    well: Any, client: Client, settings: Any
) -> None:
    well.delete(bus.PULSE)
    settings.HEALTH_PARTS = ["database", "redis", "desk"]

    assert client.get("/health/ready").json()["parts"] == {"database": "ok", "redis": "ok", "desk": "ok"}


@pytest.mark.parametrize("part", ["database", "redis"])
def test_ready_when_a_server_is_silent_then_503_soon_and_live_does_not_care(
    well: Any, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    if part == "redis":
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    else:
        monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    begun = time.monotonic()

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert any(reason.startswith(f"{part}: it does not answer: ") for reason in answer.json()["reasons"])
    assert time.monotonic() - begun < 10
    assert client.get("/health/live").json() == {"status": "ok"}


@pytest.mark.parametrize("host", ["evil.example", "a b", "[", "", "x" * 300])
@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/healthz"])
def test_health_when_the_host_is_any_then_answered(
    well: Any, client: Client, settings: Any, path: str, host: str
) -> None:
    settings.ALLOWED_HOSTS = ["trade.example"]
    settings.SECURE_SSL_REDIRECT = True

    assert client.get(path, HTTP_HOST=host).status_code == 200


@pytest.mark.parametrize(
    "caller",
    [
        {"REMOTE_ADDR": "203.0.113.9"}, {"REMOTE_ADDR": ""}, AWAY, {"HTTP_FORWARDED": "for=1.2.3.4"},
        {"HTTP_X_REAL_IP": "1.2.3.4"}, {"HTTP_VIA": "1.1 x"}, {"HTTP_COOKIE": "sessionid=" + "a" * 32},
    ],
)  # fmt: skip
def test_ready_when_a_stranger_asks_then_no_more_than_ok_or_not(
    well: Any, client: Client, caller: dict[str, str]
) -> None:
    caller = {"REMOTE_ADDR": "203.0.113.9", **caller} if "HTTP_COOKIE" in caller else caller
    good = client.get("/health/ready", **caller)
    _crashes(well)
    bad = client.get("/health/ready", **caller)

    assert (good.status_code, good.json()) == (200, {"status": "ok"})
    assert (bad.status_code, bad.json()) == (503, {"status": "unavailable"})


def test_ready_when_there_is_a_proxy_then_callers_from_here_are_strangers_too(
    well: Any, client: Client, settings: Any
) -> None:
    settings.PROXY_COUNT = 1

    assert client.get("/health/ready").json() == {"status": "ok"}


def test_ready_when_staff_asks_from_afar_then_they_are_told(well: Any, client: Client) -> None:
    client.force_login(User.objects.create_user("dora", is_staff=True))
    told = client.get("/health/ready", **AWAY).json()
    client.force_login(User.objects.create_user("anna"))

    assert told["parts"]["desk"] == "ok"
    assert client.get("/health/ready", **AWAY).json() == {"status": "ok"}


def test_health_when_the_method_is_another_then_405(services: Any, client: Client) -> None:
    assert {client.post(path).status_code for path in health.PAGES} == {405}


def test_look_when_many_ask_at_once_then_it_is_made_once(well: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[vitals.Look] = []
    monkeypatch.setattr(vitals, "KEPT_S", 60.0)
    monkeypatch.setattr(vitals, "_kept", {})
    monkeypatch.setattr(vitals, "look", lambda: looks.append(vitals.Look()) or looks[-1])

    assert vitals.recent_look() is vitals.recent_look()
    assert len(looks) == 1
