"""Files of at most 500 lines and functions of at most 70; what is longer stands here, with the reason.

Scripts of the pages are judged by the same numbers in tests/js/eslint.config.mjs; a file counts here too.
"""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE_LINES, FUNCTION_LINES = 500, 70
pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="git says which files are the project's own"
)
#: No exception is a licence to grow.
MOST_LINES = 600
LONGER_FILES = {
    "engine/settings.py": "a table a kind of settings, read from top to bottom; most lines are fields",
    "dealing/loop.py": "one loop, whose steps share what is in hand; what is sought when an item fails has left it",
    "dealing/services.py": "one function a wish, each hardly more than the list of what it passes on",
    "manager/tests/test_admin.py": "one walk through all actions on one seeded book",
    "static/portal/css/terminal.css": "one sheet, so that one place decides what overrides what",
    "tests/browser/test_slips.py": "slips of one hand on one page, which all start from the same page",
    "tests/fuzz/generator.py": "one class: every step draws from the same random numbers, in one order",
    "tradingdesk/embedded.py": "two services that start, wait and end alike: PostgreSQL and Redis of our own",
    "tradingdesk/supervisor.py": "one state machine: start, watch, restart and stop of all parts",
}
LONGER_FUNCTIONS: dict[str, str] = {}


def sources(*endings: str) -> list[Path]:
    """Return the project's own files with these endings; migrations are made by Django."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *(f"*.{one}" for one in endings)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if "/migrations/" not in name and (ROOT / name).exists()]


def functions(path: Path) -> list[tuple[str, int]]:
    """Return the functions of a file with their lines, decorators not counted."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def test_files_when_listed_then_none_is_a_link_which_leads_elsewhere_on_another_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()

    assert len(listed) > 400
    assert [line for line in listed if line.startswith("120000 ")] == []


def test_files_when_counted_then_only_the_listed_are_longer_than_500_lines() -> None:
    files = sources("py", "js", "mjs", "css", "html")
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files
    }

    assert len(lines) > 400
    assert {
        name: count for name, count in lines.items() if count > FILE_LINES and name not in LONGER_FILES
    } == {}
    assert set(LONGER_FILES) <= set(lines)
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_functions_when_counted_then_only_the_listed_are_longer_than_70_lines() -> None:
    counted = [one for path in sources("py") for one in functions(path)]

    assert len(counted) > 2000
    assert {
        name: count for name, count in counted if count > FUNCTION_LINES and name not in LONGER_FUNCTIONS
    } == {}
