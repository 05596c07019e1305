"""Every worked case through database, queue and worker: one worker for all of them, killed where a case says so."""

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
