"""Every worked case through database, queue and worker: one worker for all of them, killed where a case says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import Services

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def play(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "scenario", "--stack", *words],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradingdesk.settings"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.stack
def test_stack_when_all_scenarios_are_played_then_all_expectations_hold(services: Services) -> None:
    done = play(str(FOLDER))

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    count = len(list(FOLDER.rglob("*.json")))
    assert f"{count} files: {count} hold, 0 fail, 0 invalid, 0 unsupported" in done.stdout


@pytest.mark.stack
def test_stack_when_an_expectation_fails_then_says_where_and_leaves_no_database(
    services: Services, tmp_path: Path
) -> None:
    text = (FOLDER / "stops" / "exact-level.json").read_text(encoding="utf-8")
    file = tmp_path / "wrong.json"
    file.write_text(text.replace('"balance": "', '"balance": "9', 1), encoding="utf-8")

    done = play(str(file))

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{file} step" in done.stderr and "balance expected 9" in done.stderr


@pytest.mark.stack
def test_stack_when_settings_are_refused_then_answered_as_by_the_engine_and_the_rows_stay(
    services: Services, tmp_path: Path
) -> None:
    steps = [
        {"tick": {"symbol": "EURUSD", "bid": "1.10000", "ask": "1.10010"}},
        {"place": {"login": 1, "symbol": "EURUSD", "type": "buy", "volume": "0.10", "as": "o"}},
        {"set": {"symbol": "EURUSD", "values": {"volume_min": "2000"}}},
        {"set": {"symbol": "EURUSD", "values": {"digits": 2}}},
        {"set": {"group": "g", "values": {"currency": "EUR"}}},
        {"expect": {"positions": {"1": [{"of": "o", "volume": "0.10", "open_price": "1.10010"}]}}},
    ]
    file = tmp_path / "set.json"
    raw = {"name": "n", "why": "w", "symbols": [{"name": "EURUSD"}], "groups": [{"name": "g"}]}
    file.write_text(
        json.dumps({**raw, "accounts": [{"login": 1, "group": "g"}], "steps": steps}), encoding="utf-8"
    )

    done = play(str(file))

    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines() == [
        f"{file} step {number}: set.error expected null, got invalid_setting" for number in (3, 4, 5)
    ]
