"""The engine against itself without its price bounds: every account is looked at on every tick, as the rule says.

The twin knows no kill switches; here they are turned now and then, so that accounts which may not be acted on are
parked and woken. The twin only leads the generator. Every answer and the digest of the whole state are compared.
"""

from __future__ import annotations

from random import Random
from typing import Any

from engine import commands as c
from engine.enums import By, HaltLevel, HaltScope
from scenario import steps
from scenario.engine_backend import EngineBackend
from scenario.runner import play
from tests.fuzz.compare import Difference, Duel, Record
from tests.fuzz.generator import Generator, profile_of

HALTS = 0.06  # of all steps, before which a kill switch is turned


class Literal(EngineBackend):
    """An engine that knows of no account whether a tick can hurt it."""

    def tick(self, value: Any, time_ms: int) -> str | None:
        """Look at every account, whatever is known of it."""
        self.engine.core.bounds.touch_all()
        return super().tick(value, time_ms)


class HaltedDuel(Duel):
    """An engine and a literal one, their kill switches turned alike."""

    def __init__(self, header: Record, seed: int) -> None:
        super().__init__(header, EngineBackend)
        self.literal = Literal(self.scenario)
        self.rng = Random(seed)
        self.standing: list[tuple[HaltScope, str]] = []

    def step(self, raw: Record) -> Difference | None:
        """Play one raw step on all three and return where the engines' answers or states differ."""
        step = steps.parse(self.played + 1, self.names, raw)
        own_ms = self.clock.advance(step)
        self.clock.note(step, play(self.twin, step, own_ms, self.clock.now_ms))
        if self.rng.random() < HALTS:
            self._turn(own_ms)
        wanted = play(self.literal, step, own_ms, self.clock.now_ms)
        got = self._guarded(lambda: play(self.other, step, own_ms, self.clock.now_ms))
        self.played += 1
        if wanted != got:
            return Difference(self.played - 1, f"answer to {step.action}", wanted, got)
        assert isinstance(self.other, EngineBackend)
        hashes = [backend.engine.state_hash() for backend in (self.literal, self.other)]
        return None if hashes[0] == hashes[1] else Difference(self.played - 1, "state", *hashes)

    def _turn(self, own_ms: int) -> None:
        """Turn a kill switch: often one that stands back."""
        rng = self.rng
        if self.standing and rng.random() < 0.6:
            scope, key = rng.choice(self.standing)
            self.standing.remove((scope, key))
            return self._do(c.SetHalt(scope=scope, key=key, level=HaltLevel.NORMAL, by=By.MANAGER), own_ms)
        scope = rng.choice(list(HaltScope))
        keys = {
            HaltScope.GROUP: list(self.names.groups), HaltScope.SYMBOL: list(self.names.symbols),
            HaltScope.ACCOUNT: [str(login) for login in self.names.accounts],
        }.get(scope, [""])  # fmt: skip
        key, level = rng.choice(keys), rng.choice([HaltLevel.HALT, HaltLevel.HALT, HaltLevel.CLOSE_ONLY])
        self.standing.append((scope, key))
        return self._do(c.SetHalt(scope=scope, key=key, level=level, by=By.MANAGER), own_ms)

    def _do(self, command: c.Command, own_ms: int) -> None:
        for backend in (self.literal, self.other):
            assert isinstance(backend, EngineBackend)
            backend._do(command, own_ms)


def run_halted(seed: int, count: int, profile: str | None = None) -> Difference | None:
    """Return the first difference in `count` random steps between the engine and the literal one."""
    generator = Generator(seed, profile_of(seed, profile))
    duel = HaltedDuel(generator.header(seed), seed)
    try:
        for number in range(1, count + 1):
            found = duel.step(generator.step(number, duel.twin.book))
            if found is not None:
                return found
    finally:
        duel.stop()
        duel.literal.stop()
    return None
