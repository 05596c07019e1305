"""A short run of the comparison for every change; the long one is `python -m tests.fuzz`."""

import json

import pytest

from scenario.engine_backend import EngineBackend
from scenario.format import parse
from tests.fuzz.compare import first_difference, run_seed, shrink
from tests.fuzz.generator import Generator, profile_of
from tests.fuzz.market import PROFILES
from tests.oracle.model import Twin

SEEDS = range(9001, 9065)


@pytest.mark.parametrize("seed", SEEDS)
def test_engine_when_random_steps_are_played_then_agrees_with_the_twin(seed: int) -> None:
    outcome = run_seed(seed, 200, EngineBackend)

    if outcome.difference is not None:
        header, steps, difference = shrink(outcome.header, outcome.steps, EngineBackend)
        pytest.fail(f"{difference}\n{json.dumps({**header, 'steps': steps})}\n{outcome.trace}")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_generator_when_given_the_same_seed_then_makes_the_same_scenario(profile) -> None:
    first, second = (run_seed(7, 60, Twin, profile.name) for _ in range(2))

    assert first.steps == second.steps
    assert first.difference is None
    assert len(parse({**first.header, "steps": first.steps}, "generated").steps) == 60


class Settling(EngineBackend):
    """An engine that does ahead of each tick what a change of settings or a day's end has left to do."""

    def tick(self, value, time_ms):
        self.engine.arm_bounds(2)
        return super().tick(value, time_ms)


@pytest.mark.parametrize("seed", range(9101, 9117))
def test_engine_when_settled_between_ticks_then_agrees_with_the_twin_too(seed: int) -> None:
    assert run_seed(seed, 150, Settling).difference is None


class Forgetful(Twin):
    """A twin with a bug: it forgets the swap at a day's end."""

    def __init__(self, scenario):
        super().__init__(scenario)
        for group in self.book.groups.values():
            group.swap_free = True


def test_comparison_when_a_rule_is_broken_then_finds_and_shrinks_it() -> None:
    outcomes = (run_seed(seed, 300, Forgetful, "fees") for seed in range(1, 20))
    outcome = next(o for o in outcomes if o.difference is not None)

    _, steps, difference = shrink(outcome.header, outcome.steps, Forgetful)

    assert difference is not None
    assert any("day_end" in step for step in steps)
    assert len(steps) <= 6


def test_first_difference_when_a_list_is_longer_then_names_the_extra_item() -> None:
    found = first_difference({"deals": [1, 2]}, {"deals": [1]})

    assert found == ("deals[1]", [2], [])


def test_profile_when_seeds_follow_each_other_then_all_profiles_come() -> None:
    assert {profile_of(seed).name for seed in range(len(PROFILES))} == {p.name for p in PROFILES}
    assert Generator(3, PROFILES[0]).header(3)["symbols"]
