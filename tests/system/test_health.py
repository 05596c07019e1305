"""Health against real processes: a desk that is killed, one that stands still, one that dies at every take."""

import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.services import Services
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.stack

CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "tradingdesk"]
QUIET = ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]


def asked(stack: Stack, path: str = "/health/ready", **headers: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of a page, asked of this machine without a proxy."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(stack.url + path, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def told(stack: Stack, words: str) -> Callable[[], bool]:
    """Return a question whether health is not well and one of its reasons holds these words."""

    def is_told() -> bool:
        status, body = asked(stack)
        return status == 503 and any(words in reason for reason in body["reasons"])

    return is_told


def test_ready_when_the_desk_is_killed_then_told_until_another_one_serves(stack: Stack) -> None:
    wait_until(lambda: asked(stack)[0] == 200, "a server that is well")

    stack.stop("desk-0", signal.SIGKILL)

    wait_until(
        told(stack, "shard 0: no desk holds the lease; its last heartbeat came"), "its death", limit_s=3
    )
    assert asked(stack, "/health/live") == (200, {"status": "ok"})
    assert asked(stack, X_Forwarded_For="203.0.113.9") == (503, {"status": "unavailable"})
    stack.start_desk()
    wait_until(lambda: asked(stack)[0] == 200, "the next desk")
    assert stack.rows("SELECT cardinality(takes), cardinality(crashes) FROM dealing_engineshard") == [(2, 1)]


def test_ready_when_the_desk_stands_still_then_silent_although_it_holds_the_lease(stack: Stack) -> None:
    wait_until(lambda: asked(stack)[0] == 200, "a server that is well")
    process = stack.parts["desk-0"].process
    assert process is not None

    process.send_signal(signal.SIGSTOP)

    wait_until(told(stack, "the desk is silent: its last heartbeat came 5."), "the silence", limit_s=8)
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: asked(stack)[0] == 200, "a server that is well again")


def test_health_when_the_host_is_any_then_answered(stack: Stack) -> None:
    for host in ("evil.example", "a b", "["):
        assert asked(stack, "/health/live", Host=host) == (200, {"status": "ok"})
        assert asked(stack, "/healthz", Host=host)[0] in (200, 503)


def test_ready_when_the_desk_dies_at_every_take_then_a_crash_loop_is_told_with_the_second_death(
    services: Services,
) -> None:
    words = {"HEALTH_PARTS": "database,redis,desk,workers,beat,feed", "DESK_FAILPOINT": "after_load"}
    with Stack(services, desk=False, environment=words) as stack:
        assert any(
            reason.startswith("workers: none for the queue engine") for reason in asked(stack)[1]["reasons"]
        )
        stack.start("engine", [*CELERY, "worker", "-Q", "engine", "-n", "engine@%h", "-c", "2", *QUIET])
        stack.start("worker", [*CELERY, "worker", "-Q", "celery", "-n", "worker@%h", "-c", "1", *QUIET])
        schedule = str(stack.folder / "beat-schedule")
        stack.start("beat", [*CELERY, "beat", "--schedule", schedule, "--pidfile=", "--loglevel", "INFO"])
        died = "SELECT 1 FROM dealing_engineshard WHERE cardinality(crashes) >= 2"
        wait_until(lambda: stack.rows(died), f"the second death ({stack.log('engine')})")

        status, body = asked(stack)

        assert status == 503
        assert any("shard 0: crash loop: " in reason for reason in body["reasons"]), body["reasons"]
        ((seconds,),) = stack.rows(
            "SELECT extract(epoch FROM crashes[cardinality(crashes) - 1] - takes[cardinality(takes)])::float8"
            " FROM dealing_engineshard"
        )
        print(f"from the first take to the second death: {seconds:.1f} s")
        wait_until(
            lambda: not any(reason.startswith(("workers", "beat")) for reason in asked(stack)[1]["reasons"]),
            "signs of life of workers and beat",
        )
        stack.stop("beat", signal.SIGKILL)
        wait_until(told(stack, "beat: nobody sends what is due"), "beat's silence", limit_s=20)
