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
