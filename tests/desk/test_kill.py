"""kill -9 at every seam and at moments of chance: nothing acknowledged is lost, nothing acts twice."""

import os
import random
import signal
import threading
import time

import pytest
from django.db import connection

from dealing import bus, services
from dealing.failpoints import NAMES
from dealing.models import EngineBatch, EngineShard
from positions.models import Deal
from tests.desk.conftest import LIMIT_S, LOGIN, World, assert_clean, assert_once, deposit, until

KILLED = -signal.SIGKILL


def place(number: int, **given: object) -> int:
    """Place a market order without waiting and return its command's number: it is acknowledged."""
    words = {"symbol": "EURUSD", "type": "buy" if number % 2 else "sell", "volume": "0.01", **given}
    return services.place_order(
        LOGIN, caller=services.Caller(client_id=f"order-{number}", wait_s=0), **words
    ).command_id


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in ("after_lease", "after_load", "in_recovery")]
)
def test_desk_when_killed_at_a_seam_of_a_batch_then_every_order_acts_once(world: World, name: str) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    world.drain(world.desks[0])
    desk = world.start(DESK_FAILPOINT=f"{name}:2")  # where all wait already, there are no more batches
    acknowledged = []
    for number in range(12):
        acknowledged.append(place(number, sl="1.05" if number % 2 else "1.15"))
        if number == 6:
            world.tick("1.10020", "1.10030")
    assert desk.wait(LIMIT_S) == KILLED, world.log()
    acknowledged.append(place(99))

    again = world.serving()
    world.settled()
    left = world.drain(again)
    found = world.drain(world.serving())

    assert_once(acknowledged)
    assert found == left
    assert_clean()


@pytest.mark.parametrize("name", ["after_lease", "in_recovery", "after_load"])
def test_desk_when_killed_while_it_recovers_then_the_next_one_recovers(world: World, name: str) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    world.desks[0].kill()
    acknowledged = [place(number) for number in range(3)]
    assert world.start(DESK_FAILPOINT=name).wait(LIMIT_S) == KILLED, world.log()

    world.serving()
    world.settled()

    assert_once(acknowledged)
    assert_clean()


def stream(world: World, kills: int, seed: int) -> list[int]:
    """Stream orders and prices while desks are killed and replaced; return the acknowledged commands."""
    chance = random.Random(seed)
    acknowledged: list[int] = []
    stop = threading.Event()

    def orders() -> None:
        number = 0
        while not stop.is_set():
            acknowledged.append(place(number, sl="1.05000" if number % 2 else "1.15000"))
            number += 1
            time.sleep(0.01)
        connection.close()

    def prices() -> None:
        walk = random.Random(seed + 1)
        points = 110_000
        while not stop.is_set():
            points += walk.randint(-30, 30)
            text = f"{points // 100_000}.{points % 100_000:05d}"
            world.tick(text, f"{(points + 10) // 100_000}.{(points + 10) % 100_000:05d}")
            time.sleep(0.005)

    workers = [threading.Thread(target=orders), threading.Thread(target=prices)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(kills):
            desk = world.serving()
            time.sleep(chance.uniform(0.0, 0.6))
            os.kill(desk.pid, signal.SIGKILL)
            desk.wait()
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    return acknowledged


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_desk_when_killed_at_chance_while_orders_stream_then_nothing_is_lost_or_doubled(
    world: World, kills: int
) -> None:
    world.serving()
    deposit(amount="10000000")
    world.quoted("1.10000", "1.10010")
    world.desks[0].kill()
    world.desks[0].wait()

    acknowledged = stream(world, kills, seed=kills)
    last = world.serving()
    world.settled()
    newest = bus.stream_client().xrevrange(bus.TICKS, count=1)[0][0].decode()
    # Ticks that are left unread would be taken by the desk that comes, whose state is then another one.
    until(lambda: EngineShard.objects.get(shard=0).tick_cursor == newest, "all ticks to be read")
    left = world.drain(last)
    found = world.drain(world.serving())

    assert len(acknowledged) > 10
    assert_once(acknowledged)
    assert found == left
    keys = list(Deal.objects.exclude(trigger_key=None).values_list("trigger_key", flat=True))
    assert len(keys) == len(set(keys))
    seqs = list(EngineBatch.objects.order_by("seq").values_list("seq", "epoch"))
    assert [seq for seq, _ in seqs] == list(range(1, len(seqs) + 1))
    assert [epoch for _, epoch in seqs] == sorted(epoch for _, epoch in seqs)
    assert_clean()


def test_stop_loss_when_the_desk_is_killed_around_its_tick_then_it_closes_once_at_that_tick(
    world: World,
) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    assert services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="1", sl="1.09500").ok
    world.drain(world.desks[0])
    desk = world.start(DESK_FAILPOINT="before_commit:1")
    world.tick("1.09480", "1.09490")
    assert desk.wait(LIMIT_S) == KILLED, world.log()
    world.tick("1.09000", "1.09010")

    world.serving()
    until(lambda: Deal.objects.filter(direction="out").exists(), "the close")

    assert [str(d.price) for d in Deal.objects.filter(direction="out")] == ["1.09480"]
    assert_clean()
