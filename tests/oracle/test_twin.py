"""The twin must pass every worked case before it may judge the engine."""

import re
from pathlib import Path

import pytest

from scenario.format import load
from scenario.runner import run
from tests.oracle.model import Twin

FOLDER = Path(__file__).parent.parent / "scenarios"
FILES = sorted(FOLDER.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_twin_when_a_scenario_is_played_then_all_expectations_hold(path: Path) -> None:
    scenario = load(path)

    outcome = run(scenario, Twin(scenario))

    assert outcome.failures == []
    assert outcome.unsupported is None


def test_scenarios_when_counted_then_none_is_lost() -> None:
    assert len(FILES) >= 80


def test_twin_when_its_sources_are_read_then_none_uses_the_engine() -> None:
    sources = [path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")]

    users = [
        path.name
        for path in sources
        if re.search(r"^\s*(from|import) engine", path.read_text(), re.MULTILINE)
    ]

    assert len(sources) >= 10
    assert users == []
