"""The price bounds change nothing that happens, kill switches included."""

import pytest

from engine.account_bounds import AccountBounds
from tests.fuzz.literal import run_halted

PROFILES = ("asleep", "hovering", "hovering-wide", "many", "stopout-hooks", "sessions")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(9201, 9204))
def test_engine_when_kill_switches_are_turned_then_agrees_with_one_that_looks_at_every_account(
    profile: str, seed: int
) -> None:
    assert run_halted(seed, 200, profile) is None


def test_comparison_when_nothing_wakes_parked_accounts_then_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountBounds, "wake", lambda *_: None)

    assert any(run_halted(seed, 200, "asleep") for seed in range(1, 30))
