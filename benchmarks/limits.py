"""What accounts near their limits cost a tick, and what one that holds much costs an order: in the engine alone.

    python -m benchmarks.limits [--before DIRECTORY] [--json FILE] [--quick]

Prints each figure with its goal; `--before` measures the same with the engine of another checkout, in the same run.
Seeds are fixed. Costs are CPU time; on a shared machine only the ratios of one run mean something. Exit status 1 where
a goal is not reached.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from engine import commands as c
from engine.engine import Engine
from engine.enums import HaltLevel, HaltScope
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State

SYMBOLS = {
    "EURUSD": (5, 110_000),
    "GBPUSD": (5, 127_000),
    "USDJPY": (3, 150_000),
}  # digits, first price in points
SPREAD = 10
LEVERAGE = 100
WARM = 200  # ticks before anything is measured
LONGEST_NS = 2_000_000_000
Figures = dict[str, float]


def market(currency: str = "USD") -> Engine:
    """Return an engine with quotes and no account."""
    state = State()
    for index, (name, (digits, _)) in enumerate(SYMBOLS.items()):
        state.symbols[name] = Symbol.from_values({"name": name, "digits": digits}, index=index)
    state.groups["bench"] = Group.from_values(
        {"name": "bench", "currency": currency, "leverage": LEVERAGE, "margin_call": "100", "stop_out": "50"}
    )
    engine = Engine(state)
    for name, (_, points) in SYMBOLS.items():
        tick(engine, name, points)
    return engine


def tick(engine: Engine, name: str, points: int) -> None:
    """Let the engine take a quote."""
    digits = SYMBOLS[name][0]
    scale = 10**digits
    bid, ask = (f"{p // scale}.{p % scale:0{digits}d}" for p in (points, points + SPREAD))
    engine.on_tick(name, bid, ask, engine.state.now_ms + 1)


def add(engine: Engine, login: int, balance: int) -> Account:
    """Return a new account; balance in cents."""
    account = engine.state.accounts[login] = Account(
        login=login, group="bench", currency="USD", balance=balance
    )
    return account


def buy(engine: Engine, login: int, name: str, volume: str) -> None:
    """Buy, whatever there is to pay with."""
    order = c.PlaceOrder(
        login=login,
        symbol=name,
        type=OrderType.BUY,
        volume=volume,
        ticket=10 * len(engine.state.positions) + 10,
    )
    done = engine.on_command(order, engine.state.now_ms)[-1]
    if getattr(done, "code", ""):
        raise SystemExit(f"the bench could not be set up: {done}")


def at_levels(count: int, names: list[str], low: float, high: float) -> Engine:
    """Return an engine with accounts whose margin levels lie evenly between two percentages."""
    engine = market()
    for login in range(1, count + 1):
        account = add(engine, login, 10**9)
        for name in names:
            buy(engine, login, name, "1")
        view = engine.account_view(login)
        cents = {key: round(float(view[key]) * 100) for key in ("equity", "margin")}
        wanted = low + (high - low) * (login - 0.5) / count
        account.balance += round(cents["margin"] * wanted / 100) - cents["equity"]
    return engine


def walk(names: list[str], count: int, reach: int, step: int, seed: int = 1) -> Iterator[tuple[str, int]]:
    """Yield a random walk of `count` quotes that stays within `reach` points of where it began."""
    random, places = Random(seed), dict.fromkeys(names, 0)
    for _ in range(count):
        name = random.choice(names)
        moved = places[name] + random.choice([n for n in range(-step, step + 1) if n])
        places[name] = moved if abs(moved) <= reach else places[name]
        yield name, SYMBOLS[name][1] + places[name]


def timed(engine: Engine, quotes: list[tuple[str, int]], warm: int = WARM) -> tuple[float, float]:
    """Return what a tick costs on average and at most, in microseconds, after some that nobody measures.

    It ends after two seconds.
    """
    for name, points in quotes[:warm]:
        tick(engine, name, points)
    gc.collect()
    gc.disable()
    marks = [time.process_time_ns()]
    for name, points in quotes[warm:]:
        tick(engine, name, points)
        marks.append(time.process_time_ns())
        if marks[-1] - marks[0] > LONGEST_NS:
            break
    gc.enable()
    return (marks[-1] - marks[0]) / 1000 / (len(marks) - 1), max(b - a for a, b in pairwise(marks)) / 1000


def halted(count: int, ticks: int) -> float:
    """Return microseconds a tick with so many halted accounts below their stop-out."""
    engine = at_levels(count, ["EURUSD"], 52, 60)
    for login in range(1, count + 1):
        halt = c.SetHalt(scope=HaltScope.ACCOUNT, key=str(login), level=HaltLevel.HALT)
        engine.on_command(halt, engine.state.now_ms)
        engine.state.accounts[login].balance -= 20_000  # far below
    return timed(engine, [("EURUSD", 109_900 + n % 7) for n in range(ticks)], warm=3)[0]


def hovering(count: int, names: list[str], ticks: int) -> float:
    """Return microseconds a tick with so many accounts at 51 to 60 % of margin level, prices going to and fro."""
    engine = at_levels(count, names, 51, 60)
    return timed(engine, list(walk(names, WARM + ticks, 8, 2)))[0]


def calls(count: int, ticks: int) -> tuple[float, float]:
    """Return microseconds a tick, and at most, with accounts at their margin call of whom each tick crosses 1 %."""
    engine = at_levels(count, ["EURUSD"], 100 - 100 / 11, 100 + 100 / 11)  # 100 points to either side
    return timed(engine, list(walk(["EURUSD"], WARM + ticks, 60, 3)))


def orders(count: int, repeats: int, currency: str = "USD", name: str = "EURUSD") -> tuple[float, float]:
    """Return microseconds an order of an account with so many positions, and an order with the tick after it."""
    engine = market(currency)
    add(engine, 1, 10**12).currency = currency
    first = SYMBOLS[name][1]
    for number in range(count):
        buy(engine, 1, name, "0.01")
        tick(engine, name, first + number % 50)
    spent = both = 0
    for number in range(repeats):
        start = time.process_time_ns()
        buy(engine, 1, name, "0.01")
        middle = time.process_time_ns()
        tick(engine, name, first + number % 3)
        spent += middle - start
        both += time.process_time_ns() - start
        ticket = max(engine.state.positions)
        engine.on_command(c.ClosePosition(login=1, position=ticket), engine.state.now_ms)
    return spent / repeats / 1000, both / repeats / 1000


def views(count: int, repeats: int) -> float:
    """Return the live views a second of accounts with one position on each symbol."""
    engine = at_levels(count, list(SYMBOLS), 300, 900)
    start = time.process_time_ns()
    for number in range(repeats):
        engine.account_view(1 + number % count)
    return repeats * 1e9 / (time.process_time_ns() - start)


def measure(*, quick: bool) -> Figures:
    """Return every figure of this engine."""
    part = 10 if quick else 1
    many, ticks = 100_000 // part, 2_000 // part
    found: Figures = {}
    found["quiet tick, us"] = timed(market(), [("EURUSD", 109_900 + n % 7) for n in range(3000)])[0]
    for count in (1_000, 10_000):
        found[f"{count:,} halted, us a tick"] = halted(count, 3000)
    for label, names in (("one symbol", ["EURUSD"]), ("three symbols", list(SYMBOLS))):
        for count in (1_000, many):
            found[f"{count:,} hovering, {label}, us a tick"] = hovering(count, names, ticks)
    mean, worst = calls(10_000, ticks)
    found["10,000 at their call, ms a tick"], found["... at most, ms"] = mean / 1000, worst / 1000
    for label, place in (("", ("USD", "EURUSD")), (", converted", ("EUR", "USDJPY"))):
        for count in (1, 100, 1_000) if not label else (1, 1_000):
            spent, both = orders(count, 30 if count > 100 else 300 // part, *place)
            found[f"order at {count:,} positions{label}, us"] = spent
            found[f"... and the tick after it, {count:,}{label}"] = both
    found["account views a second"] = views(1_000, 20_000 // part)
    return found


def goals(found: Figures, *, quick: bool) -> list[tuple[str, float, str, bool]]:
    """Return each goal: what is compared, the value, the goal in words, whether it is reached."""
    many = 10_000 if quick else 100_000
    result: list[tuple[str, float, str, bool]] = []

    def at_most(label: str, value: float, limit: float) -> None:
        result.append((label, value, f"at most {limit:g}", value <= limit))

    at_most("10,000 halted to none", found["10,000 halted, us a tick"] / found["quiet tick, us"], 1.5)
    for label in ("one symbol", "three symbols"):
        few, all_ = (found[f"{count:,} hovering, {label}, us a tick"] for count in (1_000, many))
        at_most(f"{many:,} hovering to 1,000, {label}", all_ / few, 5)
    at_most("10,000 at their call, ms", found["10,000 at their call, ms a tick"], 0.3)
    at_most("... worst, ms", found["... at most, ms"], 20)
    for label in ("", ", converted"):
        few, all_ = (found[f"order at {count} positions{label}, us"] for count in ("1", "1,000"))
        at_most(f"order at 1,000 positions to 1{label}", all_ / few, 2)
    rate = found["account views a second"]
    result.append(("account views a second", rate, "at least 20000", rate >= 20_000))
    return result


def before(directory: Path, *, quick: bool) -> Figures:
    """Return the figures of another checkout's engine."""
    words = [sys.executable, str(Path(__file__)), "--bare", *(["--quick"] if quick else [])]
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    done = subprocess.run(words, cwd=directory, env=environment, stdout=subprocess.PIPE, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> int:
    """Measure, print and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="a checkout whose engine is measured, too")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--bare", action="store_true", help="print the figures as JSON and judge nothing")
    options = parser.parse_args()
    if options.bare:
        print(json.dumps(measure(quick=options.quick)))
        return 0
    old = before(options.before, quick=options.quick) if options.before else {}
    found = measure(quick=options.quick)
    for label, value in found.items():
        was = f"{old[label]:>14,.2f}" if label in old else ""
        print(f"{label:<52} {was} {value:>14,.2f}")
    judged = goals(found, quick=options.quick)
    for label, value, goal, reached in judged:
        print(f"{label:<52} {value:>12,.2f}  {goal}: {'reached' if reached else 'NOT reached'}")
    if options.json:
        told: dict[str, Any] = {"after": found, "before": old, "goals": judged}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if all(reached for *_, reached in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
