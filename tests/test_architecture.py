"""docs/architecture.md names files, classes and functions: all of them are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(
    set(
        re.findall(
            r"`([\w./]+/[\w./]*|[\w./]+\.py)(?::([\w.]+))?`", (ROOT / "docs/architecture.md").read_text()
        )
    )
)


def names_in(path: Path) -> set[str]:
    """Return the functions, classes and methods of a file, methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)
            }
    return found


@pytest.mark.parametrize(("place", "name"), NAMED)
def test_architecture_when_it_names_a_place_then_it_is_there(place: str, name: str) -> None:
    path = ROOT / place

    assert path.exists() or (ROOT / "engine/stages" / place).exists()
    assert not name or name in names_in(path)


def test_architecture_when_read_then_names_every_room() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert {room for room in rooms if f"`{room}/`" not in text} == set()


def test_architecture_when_read_then_names_every_file_of_the_engine() -> None:
    named = {place for place, _ in NAMED}
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("engine/*.py")} - {"engine/__init__.py"}

    assert files - named == set()


def test_redis_when_named_then_all_names_stand_in_one_file() -> None:
    sources = [path for room in ROOT.glob("*/__init__.py") for path in room.parent.rglob("*.py")]
    own = [path for path in sources if not {"tests", "benchmarks", "migrations"} & set(path.parts)]
    named = {path.relative_to(ROOT).as_posix() for path in own if re.search(r"[\"']td:", path.read_text())}

    assert named == {"dealing/bus.py"}


def test_spread_when_a_quote_is_widened_then_one_place_outside_the_engine_asks_for_it() -> None:
    """The audit and the twin have formulas of their own, to be compared with."""
    halves = re.compile(r"spread_diff\b.*//|\bdiff // 2|\bwiden\(")
    sources = [path for room in ROOT.glob("*/__init__.py") for path in room.parent.rglob("*.py")]
    own = [
        path for path in sources if not {"tests", "benchmarks", "engine"} & set(path.relative_to(ROOT).parts)
    ]
    named = {path.relative_to(ROOT).as_posix() for path in own if halves.search(path.read_text())}

    assert named == {"live/quotes.py", "manager/audit/margins.py"}
