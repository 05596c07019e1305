"""Answers that were handed in beforehand: what scenario files use to try the hook points.

Every answer stays until it is replaced, or for `times` calls; a price counts in apply points only.
It does nothing until it is configured, and is loaded only where somebody lists it in DESK_PLUGINS.
"""

from typing import Any

from engine.enums import Answer, HookPoint
from engine.hooks import OK, Context, Plugin, Verdict

_POINTS = {
    point.value
    for point in (
        HookPoint.PENDINGS_FILTER, HookPoint.PENDINGS_APPLY, HookPoint.STOPS_FILTER, HookPoint.STOPS_APPLY,
        HookPoint.STOPOUTS_FILTER, HookPoint.STOPOUTS_APPLY,
    )
}  # fmt: skip
_ANSWERS = {"ok", "none", "reject", "raise"}


class ScriptedFailure(Exception):
    """The failure that a scenario asked for."""


class Scripted(Plugin):
    """Plays the answers of `configure({"name", "answer", "price", "times"})`."""

    name = "scripted"

    def __init__(self) -> None:
        self.script: dict[str, dict[str, Any]] = {}

    def configure(self, values: dict[str, Any]) -> None:
        """Set the answer of one hook point."""
        point, answer, times = values["name"], values["answer"], values.get("times")
        if point not in _POINTS:
            raise ValueError(f"no hook point is named {point!r}")
        if answer not in _ANSWERS:
            raise ValueError(f"{answer!r} is none of {', '.join(sorted(_ANSWERS))}")
        if times is not None and (not isinstance(times, int) or times < 0):
            raise ValueError(f"times must be a whole number, not {times!r}")
        self.script[point] = {"answer": answer, "price": values.get("price"), "times": times}

    def memory(self) -> dict[str, Any]:
        """Return the answers that are left."""
        return {point: dict(entry) for point, entry in self.script.items()}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on with the answers that were left."""
        self.script = {point: dict(entry) for point, entry in memory.items()}

    def _next(self, point: HookPoint) -> dict[str, Any] | None:
        entry = self.script.get(point.value)
        if entry is None:
            return None
        if entry["times"] is not None:
            if entry["times"] <= 0:
                del self.script[point.value]
                return None
            entry["times"] -= 1
        if entry["answer"] == "raise":
            raise ScriptedFailure(point.value)
        return entry

    def _filter(self, point: HookPoint) -> Answer:
        entry = self._next(point)
        return Answer.NONE if entry is None else Answer(entry["answer"])

    def _apply(self, point: HookPoint) -> Verdict:
        entry = self._next(point)
        return OK if entry is None else Verdict(Answer(entry["answer"]), entry["price"])

    def pendings_filter(self, context: Context) -> Answer:
        """Answer by the script."""
        return self._filter(HookPoint.PENDINGS_FILTER)

    def pendings_apply(self, context: Context) -> Verdict:
        """Answer by the script."""
        return self._apply(HookPoint.PENDINGS_APPLY)

    def stops_filter(self, context: Context) -> Answer:
        """Answer by the script."""
        return self._filter(HookPoint.STOPS_FILTER)

    def stops_apply(self, context: Context) -> Verdict:
        """Answer by the script."""
        return self._apply(HookPoint.STOPS_APPLY)

    def stopouts_filter(self, context: Context) -> Answer:
        """Answer by the script."""
        return self._filter(HookPoint.STOPOUTS_FILTER)

    def stopouts_apply(self, context: Context) -> Verdict:
        """Answer by the script."""
        return self._apply(HookPoint.STOPOUTS_APPLY)
