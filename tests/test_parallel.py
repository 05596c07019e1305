"""Tests in several processes: what is told meanwhile, what each gets for itself, and who takes which file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parallel import WAITING, place

ROOT = Path(__file__).resolve().parent.parent

SAYS = """
import os
import pathlib

import pytest

@pytest.mark.stack
def test_address_when_asked_then_it_is_written():
    pathlib.Path(__file__).with_suffix(".said").write_text(os.environ["DATABASE_URL"] + " " + os.environ["REDIS_URL"])
"""
FAILS = """
def test_sum_when_wrong_then_it_fails():
    assert 1 + 1 == 3
"""


def run(folder: Path, *words: str, **environment: str) -> str:
    """Return what pytest says in that folder with the project's plugins; it must end with the status of a failure."""
    ours = ("PYTEST_", "DESK_TESTS_", "DATABASE_URL", "REDIS_URL")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    plugins = ("-p", "tests.services", "-p", "tests.parallel")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--dist", "loadfile", *words], cwd=folder, capture_output=True,
        text=True, timeout=240, check=False,
        env={**outside, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tradingdesk.settings", **environment},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two files of tests that say their servers; the second one has a test that fails, too."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = stack: servers\ntestpaths = .\n")
    (tmp_path / "test_first.py").write_text(SAYS)
    (tmp_path / "test_second.py").write_text(SAYS + FAILS)
    return tmp_path


def test_processes_when_there_are_two_then_each_has_its_servers_and_files_and_failures_are_told(
    folder: Path,
) -> None:
    said = run(folder, "-n", "2", "--durations=3")

    one, other = ((folder / f"test_{name}.said").read_text().split() for name in ("first", "second"))
    assert one[0] != other[0] and one[1] != other[1]  # neither PostgreSQL nor Redis
    for line in (
        r"FAILED test_second.py::test_sum_when_wrong_then_it_fails \(call\)",
        r"test_second.py: 1 failed, 1 passed in \d+ s",
        r"test_first.py: 1 passed in \d+ s",
    ):
        assert re.search(rf"^ +\d+:\d\d {line}$", said, re.M), said
    assert "slowest 3 durations" in said
    assert "1 failed, 2 passed" in said.splitlines()[-1]


def test_auto_when_paths_are_given_then_it_is_one_process(folder: Path) -> None:
    said = run(folder, "-n", "auto", "test_second.py", "-k", "sum")

    assert "workers" not in said
    assert "1 failed, 1 deselected" in said.splitlines()[-1]


def test_auto_when_a_server_is_somebodys_then_it_is_one_process(folder: Path) -> None:
    (folder / "test_first.py").unlink()
    (folder / "test_second.py").write_text(FAILS)

    said = run(folder, "-n", "auto", REDIS_URL="redis://127.0.0.1:1/0")

    assert "workers" not in said
    assert "1 failed" in said.splitlines()[-1]


def test_queue_when_ordered_then_what_waits_for_processes_stands_at_one_end() -> None:
    files = [
        "engine/tests/test_a.py",
        "tests/desk/test_b.py",
        "tests/browser/test_c.py",
        "tests/engine/test_d.py",
    ]

    assert sorted(files, key=place)[:2] == ["tests/browser/test_c.py", "tests/desk/test_b.py"]
    assert all((ROOT / start).exists() for start in WAITING)
