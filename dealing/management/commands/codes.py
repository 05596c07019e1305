"""`manage.py codes`: prints docs/codes.md from the engine's enum; `--check` only compares."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from engine.codes import CODES, Code
from engine.precedence import PRECEDENCE

PAGE = Path(settings.BASE_DIR) / "docs" / "codes.md"
_HEAD = """# Codes

Why a request was refused, in the order in which the checks are made: the first failure is the answer. `timeout`
(it came too late) stands before everything else, then `halted`, then the rulebook's section 4. Where a kind of request
is judged in an order of its own, the second table says so. The same code is given at every door: in the `code` of a REST or WebSocket answer, in the `error` of an order, in
a scenario's `"error"`. This page is printed from `engine/codes.py` and `engine/precedence.py` by `./desk manage codes`.

| code | HTTP | meaning |
| --- | --- | --- |
"""
_FAMILIES = """
## By kind of request

Of two rules that a request breaks, the one that stands first in its row is the answer. `rejected` is a plugin's here
(none is asked about a thing that is not there); a dealer's comes later. `close_only` stands where an account's does; a symbol's comes with its other trade modes.
What is accepted of a requote is then judged like the request that was requoted.

| request | judged in this order |
| --- | --- |
"""


def page() -> str:
    """Return the whole page."""
    rows = [f"| `{code.value}` | {CODES[code].http_status} | {CODES[code].meaning} |" for code in Code]
    families = [
        f"| {family} | {', '.join(f'`{code.value}`' for code in order)} |"
        for family, order in PRECEDENCE.items()
    ]
    return _HEAD + "\n".join(rows) + "\n" + _FAMILIES + "\n".join(families) + "\n"


class Command(BaseCommand):
    """Print or compare the page of codes."""

    help = "Write docs/codes.md from the engine's enum, or with --check only compare it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page differs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the page, or say whether it is what the enum says."""
        if not options["check"]:
            PAGE.write_text(page(), encoding="utf-8")
            self.stdout.write(f"{len(Code)} codes written")
            return
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            self.stderr.write("docs/codes.md is not what engine/codes.py says; run: ./desk manage codes")
            sys.exit(1)
