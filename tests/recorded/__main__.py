"""`python -m tests.recorded OUT_DIR [--short]`: writes a recording; the folder must not be there or be empty."""

import argparse
import sys
from pathlib import Path

from tests.recorded.recording import record


def main() -> int:
    """Record, and say what was asked."""
    words = argparse.ArgumentParser(prog="python -m tests.recorded", description=__doc__)
    words.add_argument("folder", type=Path)
    words.add_argument("--short", action="store_true", help="fewer filters, records and roles")
    asked = words.parse_args()
    if asked.folder.exists() and any(asked.folder.iterdir()):
        print(f"{asked.folder} is not empty", file=sys.stderr)
        return 2
    done = record(asked.folder, thorough=not asked.short)
    print(
        f"{done.answers} answers, {done.operations} addresses and methods, {len(done.models)} models, {done.seconds:.0f} s"
    )
    for failure in done.failures:
        print(f"5xx: {failure}")
    return 1 if done.failures else 0


if __name__ == "__main__":
    sys.exit(main())
