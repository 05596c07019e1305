"""Two backends side by side on one scenario: the first difference, and the smallest scenario that shows it.

Every answer is compared, and the whole state every few steps and at the end. An exception that a
backend raises is its answer, so that a crash is found and shrunk like any other difference.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scenario import steps
from scenario.backend import Backend, State
from scenario.format import Scenario, ScenarioError, parse
from scenario.names import Names
from scenario.runner import Clock, play
from tests.fuzz.generator import Generator, profile_of
from tests.oracle.model import Twin

Record = dict[str, Any]
Maker = Callable[[Scenario], Backend]
STATE_EVERY = 25
REFUSED_KEYS = ("status", "error", "reason", "login", "comment")


@dataclass(frozen=True)
class Difference:
    """Where two backends part: the step (0-based among those played), the path, and both values."""

    step: int
    path: str
    twin: Any
    other: Any

    def __str__(self) -> str:
        return f"step {self.step + 1}: {self.path}: twin {self.twin!r}, other {self.other!r}"


def first_difference(one: Any, other: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return (path, one, other) of the first place where two states are not equal, or None."""
    if one == other:
        return None
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            inner = f"{path}.{key}" if path else str(key)
            if key not in one or key not in other:
                return inner, one.get(key, "(absent)"), other.get(key, "(absent)")
            found = first_difference(one[key], other[key], inner)
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        for i, (left, right) in enumerate(zip(one, other, strict=False)):
            found = first_difference(left, right, f"{path}[{i}]")
            if found is not None:
                return found
        shorter = min(len(one), len(other))
        return f"{path}[{shorter}]", one[shorter : shorter + 1], other[shorter : shorter + 1]
    return path, one, other


class Duel:
    """The twin and another backend, driven step by step."""

    def __init__(self, header: Record, maker: Maker) -> None:
        self.scenario = parse({**header, "steps": []}, "generated")
        self.names = Names(
            {symbol["name"]: symbol for symbol in self.scenario.symbols},
            {group["name"]: group for group in self.scenario.groups},
            {account["login"]: account for account in self.scenario.accounts},
        )
        self.twin = Twin(self.scenario)
        self.other = maker(self.scenario)
        self.clock = Clock(self.scenario.server)
        self.played = 0
        self.trace = ""

    def step(self, raw: Record) -> Difference | None:
        """Play one raw step on both and return where the answers differ, if they do.

        Raises:
            FormatError: the step is not valid here.
        """
        step = steps.parse(self.played + 1, self.names, raw)
        own_ms = self.clock.advance(step)
        wanted = play(self.twin, step, own_ms, self.clock.now_ms)
        got = self._guarded(lambda: play(self.other, step, own_ms, self.clock.now_ms))
        self.played += 1
        self.clock.note(step, wanted)
        if wanted != got:
            return Difference(self.played - 1, f"answer to {step.action}", wanted, got)
        return None

    def state(self) -> Difference | None:
        """Return where the states differ, if they do."""
        wanted = comparable(self.twin.state())
        got = comparable(self._guarded(self.other.state))
        found = first_difference(wanted, got)
        return None if found is None else Difference(self.played - 1, *found)

    def stop(self) -> None:
        """Release both backends."""
        self.twin.stop()
        self.other.stop()

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - any crash of the other side is a finding to report
            self.trace = traceback.format_exc()
            return f"raised {type(error).__name__}: {error}"


def comparable(state: State) -> State:
    """Return the part of a state that the rulebook decides.

    It says nothing of what a refused request shows besides its code, nor of the comments of
    smart orders' exits.
    """
    if not isinstance(state, dict):
        return state
    orders = {}
    for name, order in state["orders"].items():
        kept = REFUSED_KEYS if order["status"] == "failed" else tuple(order)
        orders[name] = {key: order[key] for key in kept}
    deals = {
        login: [{**deal, "comment": ""} if deal["reason"] == "smart_order" else deal for deal in mine]
        for login, mine in state["deals"].items()
    }
    return {**state, "orders": orders, "deals": deals}


@dataclass
class Outcome:
    """One seed: its raw scenario as far as it was played, and the first difference."""

    header: Record
    steps: list[Record]
    difference: Difference | None
    trace: str = ""


def run_seed(
    seed: int, count: int, maker: Maker, profile: str | None = None, *, source: type[Generator] = Generator
) -> Outcome:
    """Return what came of `count` random steps; `source` makes them."""
    generator = source(seed, profile_of(seed, profile))
    header = generator.header(seed)
    duel = Duel(header, maker)
    played: list[Record] = []
    difference = None
    try:
        for number in range(1, count + 1):
            raw = generator.step(number, duel.twin.book)
            played.append(raw)
            difference = duel.step(raw)
            if difference is None and (number % STATE_EVERY == 0 or number == count):
                difference = duel.state()
            if difference is not None:
                break
    finally:
        duel.stop()
    return Outcome(header, played, difference, duel.trace)


def replay(header: Record, raw_steps: list[Record], maker: Maker) -> Difference | None:
    """Return the first difference of a fixed scenario, comparing the state after every step.

    A scenario that is not valid (a name that is no longer defined) has none.
    """
    try:
        duel = Duel(header, maker)
    except ScenarioError:
        return None
    try:
        for raw in raw_steps:
            difference = duel.step(raw) or duel.state()
            if difference is not None:
                return difference
    except ValueError:  # FormatError: dropping steps has left a name undefined
        return None
    finally:
        duel.stop()
    return None


def shrink(
    header: Record, raw_steps: list[Record], maker: Maker
) -> tuple[Record, list[Record], Difference | None]:
    """Return a smaller scenario that still differs: steps are dropped in halves, quarters, one by one."""
    best = replay(header, raw_steps, maker)
    if best is None:
        return header, raw_steps, None
    raw_steps = raw_steps[: best.step + 1]
    size = max(1, len(raw_steps) // 2)
    while True:
        start, has_shrunk = 0, False
        while start < len(raw_steps):
            fewer = raw_steps[:start] + raw_steps[start + size :]
            found = replay(header, fewer, maker) if fewer else None
            if found is not None:
                raw_steps, best, has_shrunk = fewer[: found.step + 1], found, True
            else:
                start += size
        if size == 1 and not has_shrunk:
            break
        size = max(1, size // 2)
    for key in ("accounts", "groups", "symbols"):
        for item in list(header[key]):
            fewer_header = {**header, key: [other for other in header[key] if other is not item]}
            found = replay(fewer_header, raw_steps, maker)
            if found is not None:
                header, best = fewer_header, found
    return header, raw_steps, best
