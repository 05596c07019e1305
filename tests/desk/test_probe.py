"""Suspects are tried in forks of the desk: few loads, no innocent blamed, and nothing of a fork is left.

On a busy machine ticks wait longer than a gap may be; passing over them is judged elsewhere.
"""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dealing import bus, failpoints, probe, shard_book
from dealing.columns import Inexact, units_of
from dealing.desk import Desk
from dealing.failpoints import Poison
from dealing.models import EngineShard, PoisonItem, TickCount
from dealing.ticks import ticks_of
from engine.stages import stops
from orders.models import Order
from positions.models import Deal, Position
from tests.desk.conftest import LOGIN, OTHER, Here, assert_clean, code_of

SEAMS = ("make", "engine", "collect", "columns", "copy", "write")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with an entry for each time that the desk, and no fork of it, has loaded its book."""
    found: list[int] = []
    real = shard_book.load

    def counted(*args: Any, **named: Any) -> shard_book.ShardBook:
        found.append(os.getpid())
        return real(*args, **named)

    monkeypatch.setattr(shard_book, "load", counted)
    return found


@pytest.fixture
def at_seam(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, list[str]], None]], None]:
    """Return what has a function called at every seam, with its name and the items in hand."""

    def arm(act: Callable[[str, list[str]], None]) -> None:
        poison = Poison("1:0")

        def pass_by(name: str, keys: Iterable[str]) -> None:
            act(name, list(keys))

        monkeypatch.setattr(poison, "pass_by", pass_by)
        monkeypatch.setattr(failpoints, "_poison", poison)

    return arm


def test_book_when_many_items_are_poisonous_then_it_is_loaded_once_for_all_of_them(
    here: Here, loads: list[int], at_seam: Any
) -> None:
    asked = [here.ask(OTHER) for _ in range(24)]
    entries = [here.world.tick(f"1.1{n}000", f"1.1{n}010") for n in range(6)]
    bad = {f"command {asked[4 * n + 1]}": seam for n, seam in enumerate(SEAMS)}
    bad |= {f"tick {entries[1]}:0": "engine", f"tick {entries[4]}:0": "write"}

    def act(name: str, keys: list[str]) -> None:
        if any(bad.get(key) == name for key in keys):
            raise ValueError(f"poison at {name}")

    at_seam(act)

    here.run(gap_limit_s=0)

    assert len(loads) == 2  # the desk's first one, and one for the first item that failed
    aside = {f"{item.kind} {item.reference}" for item in PoisonItem.objects.all()}
    assert aside == set(bad)
    assert PoisonItem.objects.count() == len(bad)
    assert [code_of(one) for one in asked] == [
        "internal_error" if f"command {one}" in bad else "" for one in asked
    ]
    assert (Position.objects.count(), Deal.objects.count(), Order.objects.count()) == (18, 18, 18)
    assert TickCount.objects.get(cause="accepted").ticks == 5
    assert EngineShard.objects.get(shard=0).tick_cursor == entries[5]
    assert_clean()


@pytest.mark.parametrize("place", ["engine", "write"])
def test_item_when_what_is_thrown_in_passing_meets_it_twice_then_it_is_not_blamed(
    here: Here, at_seam: Any, place: str
) -> None:
    met = multiprocessing.Value("i", 0)  # in all processes
    asked = [here.ask(OTHER) for _ in range(3)]
    entry = here.world.tick("1.20000", "1.20010")
    unlucky = {f"command {asked[1]}", f"tick {entry}:0"}
    left = {key: multiprocessing.Value("i", 2) for key in unlucky}

    def act(name: str, keys: list[str]) -> None:
        for key in unlucky.intersection(keys if name == place else ()):
            if left[key].value > 0:
                left[key].value -= 1
                met.value += 1
                raise KeyError("in passing")

    at_seam(act)

    here.run(gap_limit_s=0)

    assert met.value == 4
    assert [code_of(one) for one in asked] == ["", "", ""]
    assert not PoisonItem.objects.exists()
    assert EngineShard.objects.get(shard=0).tick_cursor == entry
    assert_clean()


def test_item_when_it_ends_every_process_that_takes_it_then_it_is_put_aside(
    here: Here, loads: list[int], at_seam: Any
) -> None:
    asked = [here.ask(OTHER) for _ in range(3)]
    desk = os.getpid()

    def act(name: str, keys: list[str]) -> None:
        if name == "engine" and f"command {asked[1]}" in keys:
            if os.getpid() == desk:
                raise ValueError("the tests' own process has to go on")
            os.kill(os.getpid(), signal.SIGKILL)

    at_seam(act)

    here.run(gap_limit_s=0)

    assert [code_of(one) for one in asked] == ["", "internal_error", ""]
    assert PoisonItem.objects.get().error == "the process that had it in hand ended"
    assert len(loads) == 2


def test_desk_when_the_owner_before_it_died_then_items_are_tried_before_they_are_taken(
    here: Here, loads: list[int], at_seam: Any
) -> None:
    EngineShard.objects.filter(shard=0).update(owner="elsewhere:1")  # as one leaves it that is killed
    asked = [here.ask(OTHER) for _ in range(3)]
    desk = os.getpid()
    taken_here: list[str] = []

    def act(name: str, keys: list[str]) -> None:
        if name == "engine" and f"command {asked[1]}" in keys:
            if os.getpid() != desk:
                os.kill(os.getpid(), signal.SIGKILL)
            taken_here.append(name)

    at_seam(act)

    here.run(gap_limit_s=0)

    assert taken_here == []
    assert [code_of(one) for one in asked] == ["", "internal_error", ""]
    assert len(loads) == 1


def test_item_when_a_fork_does_not_end_then_it_is_found_on_the_desks_own_memory(
    here: Here, at_seam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LIMIT_S", 1)
    asked = [here.ask(OTHER) for _ in range(3)]
    desk = os.getpid()

    def act(name: str, keys: list[str]) -> None:
        if name == "write" and f"command {asked[1]}" in keys:
            if os.getpid() != desk:
                signal.pause()
            raise ValueError("poison")

    at_seam(act)

    here.run(gap_limit_s=0)

    assert [code_of(one) for one in asked] == ["", "internal_error", ""]
    assert PoisonItem.objects.get().reference == str(asked[1])
    assert_clean()


def test_item_when_nothing_can_be_forked_then_it_is_found_on_the_desks_own_memory(
    here: Here, at_seam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> int:
        raise OSError("no more processes")

    asked = [here.ask(OTHER) for _ in range(3)]
    entry = here.world.tick("1.20000", "1.20010")
    bad = {f"command {asked[1]}", f"tick {entry}:0"}

    def act(name: str, keys: list[str]) -> None:
        if name == "write" and bad.intersection(keys):
            raise ValueError("poison")

    at_seam(act)
    monkeypatch.setattr(os, "fork", refused)

    here.run(gap_limit_s=0)

    assert [code_of(one) for one in asked] == ["", "internal_error", ""]
    assert {f"{item.kind} {item.reference}" for item in PoisonItem.objects.all()} == bad
    assert_clean()


@pytest.mark.parametrize("is_guilty", [True, False], ids=["the account", "the tick"])
def test_tick_when_it_fails_at_an_account_then_a_fork_tells_whose_fault_it_is(
    here: Here, loads: list[int], monkeypatch: pytest.MonkeyPatch, is_guilty: bool
) -> None:
    for login in (LOGIN, OTHER):
        here.ask(login, sl="1.05000")
    here.run(gap_limit_s=0)
    ticket = Position.objects.get(login=LOGIN).ticket
    before = TickCount.objects.get(cause="accepted").ticks
    loads.clear()
    real = stops._close

    def failing(core: Any, tick: Any, position: Any, *args: Any) -> Any:
        if not is_guilty or position.ticket == ticket:
            raise RecursionError("odd")
        return real(core, tick, position, *args)

    monkeypatch.setattr(stops, "_close", failing)
    entry = here.world.tick("1.04000", "1.04010")

    here.run(gap_limit_s=0)

    kept = PoisonItem.objects.get()
    assert (kept.kind, kept.reference) == (
        ("account", f"account {LOGIN}") if is_guilty else ("tick", f"{entry}:0")
    )
    assert len(loads) == (
        3 if is_guilty else 2
    )  # the first one, the failure's, and the one without the account
    assert TickCount.objects.get(cause="accepted").ticks == before + is_guilty
    assert set(Position.objects.values_list("login", "status")) == {
        (LOGIN, "open"), (OTHER, "closed" if is_guilty else "open")
    }  # fmt: skip


def test_fork_when_it_tries_what_an_order_does_then_nobody_hears_of_it(
    here: Here, at_seam: Any, tmp_path: Path
) -> None:
    EngineShard.objects.filter(shard=0).update(owner="elsewhere:1")
    heard = here.world.redis.pubsub()
    heard.subscribe(bus.EVENTS)
    heard.get_message(timeout=2)
    asked = here.ask(OTHER)
    odd = here.write("NoSuch", "{}")
    lines = logging.FileHandler(tmp_path / "log")
    logging.getLogger().addHandler(lines)
    forks = multiprocessing.Value("i", 0)
    desk = os.getpid()

    def act(name: str, keys: list[str]) -> None:
        if name == "write" and os.getpid() != desk:
            forks.value += 1

    at_seam(act)

    here.run(gap_limit_s=0)

    told = 0
    while message := heard.get_message(timeout=0.5):
        told += '"deal"' in str(message["data"])
    heard.close()
    assert forks.value == 1
    assert (code_of(asked), code_of(odd)) == ("", "internal_error")
    logging.getLogger().removeHandler(lines)
    assert (tmp_path / "log").read_text().count("a command is put aside") == 1
    assert told == Deal.objects.count() == 1


def test_chance_when_forked_then_each_process_draws_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    poison = Poison("1:0:1")
    monkeypatch.setattr(failpoints, "_poison", poison)
    ear, door = os.pipe()
    for _ in range(3):
        pid = os.fork()
        if not pid:
            os.write(door, f"{poison.chance.random()}\n".encode())
            os._exit(0)
        os.waitpid(pid, 0)
    os.close(door)
    with os.fdopen(ear) as lines:
        drawn = {float(line) for line in lines}

    assert len({*drawn, poison.chance.random()}) == 4


@pytest.mark.parametrize("text", ["0", "1.10", "-0.01", "1E+3", "123456789012345678.00", "0.1000000"])
def test_units_when_they_are_whole_then_they_equal_the_fraction(text: str) -> None:
    assert units_of(Decimal(text), 2) == units_of(text, 2) == Fraction(text) * 100


@pytest.mark.parametrize("text", ["0.001", "-1.105", "1E-9"])
def test_units_when_there_are_more_decimals_then_it_is_inexact(text: str) -> None:
    with pytest.raises(Inexact):
        units_of(Decimal(text), 2)


def test_tick_when_it_is_suspected_then_new_orders_do_not_keep_it_waiting(here: Here, at_seam: Any) -> None:
    entry = here.world.tick("1.20000", "1.20010")
    tried = multiprocessing.Value("i", 0)
    asked: list[int] = []

    def act(name: str, keys: list[str]) -> None:
        if name == "engine" and f"tick {entry}:0" in keys:
            tried.value += 1
            raise ValueError("poison")
        if name == "show" and len(asked) < 200:
            asked.append(here.ask(OTHER))  # one each time round

    at_seam(act)

    desk = Desk.from_settings(0, gap_limit_s=0, should_stop=lambda: PoisonItem.objects.exists())

    assert desk.run() == "drained"
    assert PoisonItem.objects.get().reference == f"{entry}:0"
    assert tried.value == 3
    assert 0 < len(asked) < 200


@pytest.mark.parametrize(("times", "is_malformed"), [(1, False), (2, False), (3, True)])
def test_line_when_reading_it_raises_in_passing_then_it_is_read_again(
    at_seam: Callable[[Callable[[str, list[str]], None]], None], times: int, is_malformed: bool
) -> None:
    met: list[str] = []

    def act(name: str, _keys: list[str]) -> None:
        if name == "decode" and len(met) < times:
            met.append(name)
            raise MemoryError("in passing")

    at_seam(act)
    (tick,) = ticks_of("1-0", {b"d": b"EURUSD,1.1,1.2,1000"})

    assert (tick.time_ms < 0, bool(tick.error)) == (is_malformed, is_malformed)
    assert tick.raw == "EURUSD,1.1,1.2,1000"


@pytest.mark.parametrize(("is_of_a_desk", "signalled"), [(False, True), (True, False)])
def test_failpoint_when_a_process_is_forked_then_only_forks_of_a_desk_pass_it_by(
    monkeypatch: pytest.MonkeyPatch, is_of_a_desk: bool, signalled: bool
) -> None:
    monkeypatch.setattr(failpoints, "_left", {"after_load": 1})
    pid = os.fork()
    if not pid:
        if is_of_a_desk:
            failpoints.disarm()
        failpoints.failpoint("after_load")  # what a worker's process does that becomes a desk
        os._exit(0)

    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]) is signalled
