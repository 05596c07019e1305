"""How much is done, counted in calls of Python functions: the same however many accounts hover, or positions stand.

`python -m benchmarks.limits` measures the same in seconds.
"""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import limits
from engine import commands as c
from engine.engine import Engine
from engine.enums import HaltLevel, HaltScope
from engine.events import MarginCallChanged
from engine.stages import stopout

FEW, MANY = 20, 400


def calls_of(work: Callable[[], object]) -> int:
    """Return how many Python functions are called."""
    count = 0

    def profiler(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profiler)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("names", [["EURUSD"], list(limits.SYMBOLS)], ids=["one symbol", "three symbols"])
def test_ticks_when_accounts_hover_then_cost_at_most_five_times_as_much_for_twenty_times_as_many(
    names: list[str],
) -> None:
    def work(count: int) -> int:
        engine = limits.at_levels(count, names, 51, 60)
        quotes = list(limits.walk(names, 500, 8, 2))
        for name, points in quotes[:100]:
            limits.tick(engine, name, points)
        return calls_of(lambda: [limits.tick(engine, name, points) for name, points in quotes[100:]])

    assert work(MANY) <= 5 * work(FEW)


def test_ticks_when_accounts_are_halted_below_their_stop_out_then_cost_what_they_cost_without() -> None:
    engine = limits.at_levels(MANY, ["EURUSD"], 52, 60)
    for login in range(1, MANY + 1):
        engine.on_command(c.SetHalt(scope=HaltScope.ACCOUNT, key=str(login), level=HaltLevel.HALT), 1)
    limits.tick(engine, "EURUSD", 109_000)
    assert len(engine.core.bounds.parked) == MANY
    empty = limits.market()

    def ticks(of: Engine) -> int:
        return calls_of(lambda: [limits.tick(of, "EURUSD", 109_000 + n % 7) for n in range(100)])

    assert ticks(engine) <= 1.1 * ticks(empty)


def test_ticks_when_margin_calls_come_and_go_then_no_account_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = limits.at_levels(MANY, ["EURUSD"], 91, 109)
    quotes = list(limits.walk(["EURUSD"], 300, 60, 3))
    for name, points in quotes[:10]:
        limits.tick(engine, name, points)
    looks: list[int] = []
    monkeypatch.setattr(stopout, "look", lambda core, tick, login: looks.append(login))
    told = 0
    for _, points in quotes[10:]:
        bid, ask = f"1.{points - 100_000:05d}", f"1.{points - 99_990:05d}"
        events = engine.on_tick("EURUSD", bid, ask, engine.state.now_ms + 1)
        told += sum(isinstance(event, MarginCallChanged) for event in events)

    assert looks == []
    assert told > 300


def test_order_when_the_account_holds_much_then_costs_at_most_twice_what_it_costs_at_one() -> None:
    def work(count: int) -> int:
        engine = limits.market()
        limits.add(engine, 1, 10**12)
        for _ in range(count):
            limits.buy(engine, 1, "EURUSD", "0.01")
        limits.tick(engine, "EURUSD", 110_000)

        def order_and_tick() -> None:
            limits.buy(engine, 1, "EURUSD", "0.01")
            limits.tick(engine, "EURUSD", 110_001)

        return calls_of(order_and_tick)

    assert work(MANY) <= 2 * work(1)
