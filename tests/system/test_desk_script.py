"""The script `desk`: what it does before Python takes over."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


#: The environment of a copy of the script, which has a folder of its own to install into.
HOUSE = {name: value for name, value in os.environ.items() if name != "DESK_VENV"} | {
    "PYTHON": sys.executable
}


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", str(ROOT / "desk"), *words], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_script_when_read_by_a_posix_shell_then_no_complaint() -> None:
    shell = shutil.which("dash") or shutil.which("sh")
    assert shell is not None

    assert subprocess.run([shell, "-n", str(ROOT / "desk")], check=False).returncode == 0


def test_script_when_asked_for_help_then_every_command_is_named() -> None:
    told = run("help")

    assert told.returncode == 0
    for command in ("up", "down", "status", "logs", "manage", "psql", "test", "check", "install"):
        assert f"\n  {command} " in told.stdout


def test_script_when_the_command_is_unknown_then_status_1_and_the_list() -> None:
    told = run("dance")

    assert told.returncode == 1
    assert "there is no command dance" in told.stderr
    assert "usage: ./desk" in told.stderr


def test_script_when_nothing_is_installed_then_status_says_how_to_start(tmp_path: Path) -> None:
    told = run("status", DESK_VENV=str(tmp_path / "venv"))

    assert told.returncode == 1
    assert "start with ./desk up" in told.stderr


def test_logs_when_the_reader_goes_away_then_they_end_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "feed.log").write_text("a line that fills the pipe\n" * 100_000)
    with subprocess.Popen(
        [sys.executable, "-m", "tradingdesk.control", "logs", "-n", "100000"], cwd=ROOT,
        env={**os.environ, "DESK_DATA": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as told:  # fmt: skip
        assert told.stdout is not None and told.stderr is not None
        told.stdout.readline()
        told.stdout.close()

        assert told.stderr.read() == b""
        assert told.wait(30) == -signal.SIGPIPE


def test_logs_when_so_many_lines_are_not_a_number_of_lines_then_status_2(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tradingdesk.control", "logs", "-n", "-5"], cwd=ROOT,
        env={**os.environ, "DESK_DATA": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 2
    assert "--lines -5 is below 0" in told.stderr


def test_manage_when_called_from_another_folder_then_paths_begin_there_and_scenarios_start_no_servers(
    tmp_path: Path,
) -> None:
    (tmp_path / "here.json").write_text("{}")

    environment = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    # A folder with a name of ours, as `tests/engine`, is not taken for ours.
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").touch()

    told = subprocess.run(
        [sys.executable, "-m", "tradingdesk.control", "exec", "python", "manage.py", "scenario", "here.json"], cwd=ROOT,
        env={**environment, "DESK_CALLED_FROM": str(tmp_path), "DESK_DATA": str(tmp_path / "data")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 2
    assert told.stderr == "here.json: name: is required\n"
    assert not (tmp_path / "data" / "postgres").exists()


def test_script_when_there_is_no_python_then_it_says_which_is_needed(tmp_path: Path) -> None:
    told = run("up", DESK_VENV=str(tmp_path / "venv"), PYTHON="no-such-python")

    assert told.returncode == 1
    assert "Python 3.11 or 3.12 is needed and was not found (python3 here is Python 3." in told.stderr


def test_script_when_installation_fails_then_the_reason_is_shown_and_nothing_is_stamped(
    tmp_path: Path,
) -> None:
    house = tmp_path / "house"
    house.mkdir()
    shutil.copy(ROOT / "desk", house / "desk")
    (house / "requirements.txt").write_text("./not-there-at-all\n")

    told = subprocess.run(
        ["sh", str(house / "desk"), "up"], env=HOUSE, capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip

    assert told.returncode == 1
    assert "not-there-at-all" in told.stderr
    assert "the packages could not be installed; the whole log is in" in told.stderr
    assert not list((house / ".venv").glob("*.stamp"))


def test_script_when_the_environment_was_left_unfinished_then_it_is_made_again(tmp_path: Path) -> None:
    house = tmp_path / "house"
    (house / ".venv" / "bin").mkdir(parents=True)
    (house / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")  # a Python that has no pip yet
    (house / ".venv" / "bin" / "python").chmod(0o755)
    shutil.copy(ROOT / "desk", house / "desk")
    (house / "requirements.txt").write_text("./not-there-at-all\n")

    told = subprocess.run(
        ["sh", str(house / "desk"), "up"], env=HOUSE, capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip

    assert "the virtual environment is not complete; making it again" in told.stdout
    assert "not-there-at-all" in told.stderr


@pytest.mark.parametrize("name", ["desk", ".ci/run", "manage.py"])
def test_program_when_cloned_then_executable(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
