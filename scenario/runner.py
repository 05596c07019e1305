"""Plays a scenario on a backend and says what did not hold.

Promises to play every step, in order, with the clock that the README of the scenarios
describes, and to collect every failure with its step. It writes nothing and exits nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from engine.calendar import next_day_end
from engine.settings import Server
from scenario.backend import Backend, State, Unsupported
from scenario.expectations import differences
from scenario.format import START_MS, Scenario
from scenario.steps import Step


@dataclass
class Outcome:
    """What came of one file: failures as printable lines, or what a backend cannot do."""

    file: str
    failures: list[str] = field(default_factory=list)
    unsupported: str | None = None
    state: State | None = None


class Clock:
    """The scenario's clock: one second a step, never back; a `day_end` lets the next one come."""

    def __init__(self, server: dict[str, Any]) -> None:
        self.now_ms = START_MS
        self.values = dict(server)
        self.server = Server.from_values(server)

    def advance(self, step: Step) -> int:
        """Return the step's own time in milliseconds, after moving the clock to it.

        It is before the clock only where `at` lies in the past: an old tick.
        """
        if step.at_ms is not None:
            own_ms = step.at_ms
        elif step.action == "wait":
            own_ms = self.now_ms + step.value * 1000
        else:
            own_ms = self.now_ms + 1000
        if step.at_ms is not None and step.action == "wait":
            own_ms += step.value * 1000
        if step.action == "day_end":
            own_ms = next_day_end(self.server.zone, self.server.day_end_ms, own_ms - 1)
        self.now_ms = max(self.now_ms, own_ms)
        return own_ms

    def note(self, step: Step, answer: str | None) -> None:
        """Take over the server's settings from a step that was taken."""
        if step.action == "set" and "server" in step.value and answer is None:
            self.values.update(step.value["values"])
            self.server = Server.from_values(self.values)


def play(backend: Backend, step: Step, own_ms: int, now_ms: int) -> str | None:
    """Return the backend's answer to one step that is not an expectation.

    Raises:
        Unsupported: the backend cannot do it.
    """
    if step.action == "tick":
        return backend.tick({**step.value, "time_ms": own_ms}, now_ms)
    answer: str | None = getattr(backend, step.action)(step.value, now_ms)
    return answer


def run(scenario: Scenario, backend: Backend) -> Outcome:
    """Return what came of the scenario; the final state is in it unless the backend gave up."""
    outcome = Outcome(scenario.file)
    clock = Clock(scenario.server)
    try:
        for step in scenario.steps:
            own_ms = clock.advance(step)
            if step.action == "expect":
                # The clock has moved: what is due by now happens before anybody looks.
                backend.wait(0, clock.now_ms)
                outcome.failures += _compare(scenario.file, step, backend.state())
                continue
            answer = play(backend, step, own_ms, clock.now_ms)
            clock.note(step, answer)
            wanted = step.refused if step.action == "tick" else step.error
            if answer != wanted:
                key = "refused" if step.action == "tick" else "error"
                outcome.failures.append(_line(scenario.file, step, f"{step.action}.{key}", wanted, answer))
        outcome.state = backend.state()
    except Unsupported as error:
        outcome.unsupported = str(error)
    return outcome


def _compare(file: str, step: Step, state: State) -> list[str]:
    return [_line(file, step, path, expected, got) for path, expected, got in differences(step.value, state)]


def _line(file: str, step: Step, path: str, expected: Any, got: Any) -> str:
    return f"{file} step {step.number}: {path} expected {_shown(expected)}, got {_shown(got)}"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
