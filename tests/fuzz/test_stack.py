"""A few random scenarios through the whole stack, restarts by SIGKILL included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.market import PROFILES
from tests.services import Services

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.stack
def test_stack_when_random_steps_are_played_then_agrees_with_the_twin(services: Services) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.stack", "--seed", "1", "--steps", "80"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradingdesk.settings"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count(", None") == len(PROFILES)
