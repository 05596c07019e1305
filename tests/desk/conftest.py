"""Desks as real processes on the tests' database and Redis, to be killed, stopped and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection

from accounts.setup import put_accounts, put_groups
from dealing import bus, services
from dealing.caller import Caller
from dealing.desk import Desk
from dealing.models import Command, EngineBatch, EngineShard
from manager import audit
from markets.setup import put_symbols
from positions.models import Deal, Position

ROOT = Path(__file__).resolve().parents[2]
LOGIN, OTHER = 1001, 1002
LIMIT_S = 30.0
AT_ONCE = Caller(wait_s=0)
PATIENT = Caller(wait_s=LIMIT_S)


def until(done: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Return what `done` returns once it is true; fail with `what` after the limit."""
    end = time.monotonic() + limit_s
    while not (answer := done()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {limit_s:.0f} s")
        time.sleep(0.01)
    return answer


class World:
    """One database and one Redis, and the desks that were started on them."""

    def __init__(self, env: dict[str, str], client: redis.Redis, folder: Path) -> None:
        self.env = env
        self.redis = client
        self.folder = folder
        self.desks: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str, shard: int = 0, **variables: str) -> subprocess.Popen[bytes]:
        """Start a desk and return its process at once."""
        with (self.folder / "desk.log").open("ab") as log:
            desk = subprocess.Popen(
                [sys.executable, "manage.py", "desk", "--shard", str(shard), *words],
                cwd=ROOT, env={**self.env, **variables}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.desks.append(desk)
        return desk

    def serving(self, *words: str, shard: int = 0, **variables: str) -> subprocess.Popen[bytes]:
        """Start a desk and return its process when it has the shard."""
        before = self.epoch(shard)
        desk = self.start(*words, shard=shard, **variables)
        until(lambda: self.epoch(shard) > before or desk.poll() is not None, "the desk")
        assert self.epoch(shard) > before, self.log()
        return desk

    def epoch(self, shard: int = 0) -> int:
        """Return how often the shard was taken."""
        return EngineShard.objects.filter(shard=shard).values_list("epoch", flat=True).first() or 0

    def tick(self, bid: str, ask: str, *, symbol: str = "EURUSD", entry: str = "*") -> str:
        """Append a tick of this moment to the stream and return its entry."""
        line = f"{symbol},{bid},{ask},{time.time_ns() // 1_000_000}"
        return str(self.redis.xadd("ticks", {"d": line}, id=entry))

    def quoted(self, bid: str, ask: str) -> None:
        """Append a tick and return when the desk has committed it."""
        entry = self.tick(bid, ask)
        until(lambda: EngineShard.objects.filter(tick_cursor=entry).exists(), "the tick")

    def settled(self) -> None:
        """Return when no command waits."""
        until(lambda: not Command.objects.filter(status="pending").exists(), "the outcomes")

    def drain(self, desk: subprocess.Popen[bytes], shard: int = 0) -> str:
        """Let a desk end by itself and return the digest of the state that it left."""
        desk.send_signal(signal.SIGTERM)
        assert desk.wait(LIMIT_S) == 0, self.log()
        last = EngineBatch.objects.filter(shard=shard).order_by("-seq").first()
        assert last is not None and last.state_hash
        return last.state_hash

    def log(self) -> str:
        """Return the end of what the desks said."""
        return (self.folder / "desk.log").read_text()[-4000:]

    def close(self) -> None:
        """Kill the desks that are left."""
        for desk in self.desks:
            if desk.poll() is None:
                os.kill(desk.pid, signal.SIGCONT)
                desk.kill()
            desk.wait()


@pytest.fixture
def world(stack_env: dict[str, str], redis_db: redis.Redis, tmp_path: Path) -> Iterator[World]:
    """Return a market with two symbols and three accounts, without a desk."""
    bus.forget_clients()
    put_symbols([{"name": "EURUSD"}, {"name": "GBPUSD"}])
    put_groups(
        [{"name": "retail"}, {"name": "agents", "agent_commission": {"kind": "per_lot", "amount": "5"}}]
    )
    put_accounts([{"login": login, "group": "retail"} for login in (1001, 1002, 1003)])
    made = World(stack_env, redis_db, tmp_path)
    yield made
    made.close()


def deposit(login: int = LOGIN, amount: str = "100000") -> None:
    """Give an account money."""
    outcome = services.balance_operation(login, "deposit", amount, caller=PATIENT)
    assert outcome.ok, outcome


def assert_clean() -> None:
    """Check that the audit finds nothing."""
    report = audit.run({})
    assert report.is_clean, [str(difference) for difference in report.differences]


def assert_once(acknowledged: list[int]) -> None:
    """Check that every acknowledged market order acted exactly once, and nothing else did."""
    rows = Command.objects.filter(name="PlaceOrder")
    assert set(acknowledged) <= set(rows.values_list("id", flat=True))
    assert not rows.exclude(status="done").exists()
    tickets = list(rows.filter(code="").values_list("ticket", flat=True))
    assert sorted(Deal.objects.filter(direction="in").values_list("order", flat=True)) == sorted(tickets)
    assert sorted(Position.objects.values_list("ticket", flat=True)) == sorted(tickets)


class Here:
    """A desk in this process, run until it has nothing to do."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, **changed: Any) -> Desk:
        """Serve until idle and return the desk."""
        desk = Desk.from_settings(0, until_idle=True, **changed)
        assert desk.run() == "idle"
        connection.close_if_unusable_or_obsolete()
        return desk

    def ask(self, login: int = LOGIN, **given: Any) -> int:
        """Ask for a market order and return the number of its command."""
        words = {"symbol": "EURUSD", "type": "buy", "volume": "0.01", **given}
        return services.place_order(login, caller=AT_ONCE, **words).command_id

    def write(self, name: str, payload: str, login: int | None = LOGIN) -> int:
        """Put a row into the journal behind the doors' backs."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO dealing_command (shard, login, name, payload, ticket, smart, actor, status, code,"
                " message, created_at) VALUES (0, %s, %s, %s::jsonb, 0, 0, '', 'pending', '', '', now())"
                " RETURNING id",
                (login, name, payload),
            )
            return int(cursor.fetchone()[0])


@pytest.fixture
def here(world: World) -> Iterator[Here]:
    """Return a desk of this process, with money on two accounts and a quote."""
    bus.forget_clients()
    made = Here(world)
    for login in (LOGIN, OTHER):
        services.balance_operation(login, "deposit", "100000", caller=AT_ONCE)
    world.tick("1.10000", "1.10010")
    made.run()
    yield made
    bus.forget_clients()


def code_of(number: int) -> str:
    status, code = Command.objects.values_list("status", "code").get(pk=number)
    assert status == "done"
    return code
