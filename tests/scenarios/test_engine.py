"""Every worked case on the engine alone, and the command that plays them."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from scenario.engine_backend import EngineBackend
from scenario.format import load
from scenario.runner import run

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_engine_when_a_scenario_is_played_then_all_expectations_hold(path: Path) -> None:
    scenario = load(path)

    outcome = run(scenario, EngineBackend(scenario))

    assert outcome.unsupported is None
    assert outcome.failures == []


def play(*arguments: str) -> tuple[int, str, str]:
    """Return exit status, output and errors of the command."""
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("scenario", *arguments, stdout=out, stderr=err)
    return int(stopped.value.code or 0), out.getvalue(), err.getvalue()


def test_command_when_a_folder_holds_then_status_is_zero() -> None:
    status, out, err = play(str(FOLDER / "orders"))

    assert (status, err) == (0, "")
    assert "files: " in out and " 0 fail" in out


def test_command_when_an_expectation_fails_then_names_step_path_and_goes_on(tmp_path: Path) -> None:
    raw = json.loads((FOLDER / "ticks" / "rounded-to-digits.json").read_text(encoding="utf-8"))
    raw["steps"][-1]["expect"]["positions"]["1001"][0]["open_price"] = "2000.00"
    (tmp_path / "a.json").write_text(json.dumps(raw), encoding="utf-8")
    (tmp_path / "b.json").write_text("{}", encoding="utf-8")

    failing, _, failed = play(str(tmp_path / "a.json"))
    broken, out, errors = play(str(tmp_path))

    path = "positions.1001[0].open_price"
    assert failing == 1
    assert f"{tmp_path / 'a.json'} step 4: {path} expected 2000.00, got 2000.01" in failed
    assert broken == 2
    assert f"{tmp_path / 'b.json'}: name: is required" in errors
    assert "0 hold, 1 fail, 1 invalid" in out


def test_command_when_an_opening_balance_cannot_be_booked_then_the_file_is_invalid(tmp_path: Path) -> None:
    raw = json.loads((FOLDER / "ticks" / "rounded-to-digits.json").read_text(encoding="utf-8"))
    raw["accounts"][0]["balance"] = "100.001"
    (tmp_path / "a.json").write_text(json.dumps(raw), encoding="utf-8")

    status, _, err = play(str(tmp_path / "a.json"))

    assert status == 2
    assert f"{tmp_path / 'a.json'}: account 1001: 100.001 cannot be booked: invalid_amount" in err


def test_command_when_asked_for_json_then_prints_the_final_state() -> None:
    status, out, _ = play("--json", str(FOLDER / "ticks" / "rounded-to-digits.json"))

    state = json.loads(out)
    assert status == 0
    assert set(state) == {"accounts", "orders", "positions", "deals", "smart", "ledger"}
    assert state["positions"]["1001"][0]["open_price"] == "2000.01"
    assert state["orders"]["b"]["status"] == "completed"
