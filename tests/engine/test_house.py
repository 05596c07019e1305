"""What holds for the engine's source: no floats, no clock, no chance, no outside."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine"
FILES = sorted(ENGINE.rglob("*.py"))
PURE = {
    "abc", "bisect", "collections", "copy", "dataclasses", "datetime", "enum", "fnmatch", "fractions", "functools",
    "hashlib", "heapq", "itertools", "json", "math", "re", "typing", "engine",
    "importlib", "zoneinfo",  # the zones of the pinned tzdata package
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_engine_source_when_read_then_it_holds_no_float_and_imports_only_pure_modules(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float), f"line {node.lineno}: {node.value}"
        if isinstance(node, ast.Name):
            assert node.id != "float", f"line {node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("now", "today", "utcnow"), f"line {node.lineno}: time comes in"
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= PURE
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in PURE


def test_engine_when_the_hash_seed_differs_then_the_state_does_not() -> None:
    script = (
        "import random\n"
        "from scenario.engine_backend import EngineBackend\n"
        "from scenario.format import load\n"
        "from scenario.runner import run\n"
        "from pathlib import Path\n"
        "for path in sorted(Path('tests/scenarios').rglob('*.json'))[::4]:\n"
        "    backend = EngineBackend(load(path)); run(load(path), backend)\n"
        "    print(path.name, backend.engine.state_hash())\n"
    )
    logs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "PATH": ""},
            cwd=ENGINE.parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "4711", "99999")
    }

    assert len(logs) == 1
    assert len(logs.pop().splitlines()) > 20
