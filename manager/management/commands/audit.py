"""manage.py audit: recompute money, volumes, profits and margins from the rows and print every difference.

Exit status 0 when the book is clean, 1 with one line a difference. Reads only.
"""

import json
import sys
from argparse import ArgumentParser
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand

from live.published import account_states
from manager import audit


class Command(BaseCommand):
    """Print what `manager.audit` finds."""

    help = "Recompute balances, volumes, profits and margins from the rows; print every difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare --json."""
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the audit and leave with its verdict."""
        started = monotonic()
        report = audit.run(account_states())
        seconds = monotonic() - started
        if options["json"]:
            shown = {
                "clean": report.is_clean,
                "differences": [vars(difference) for difference in report.differences],
                "counts": report.counts,
                "checks": report.checks,
                "margins_compared": report.margins_compared,
                "seconds": round(seconds, 2),
            }
            self.stdout.write(json.dumps(shown, indent=2))
        else:
            for difference in report.differences:
                self.stdout.write(str(difference))
            counts = ", ".join(f"{number:,} {label}" for label, number in report.counts.items())
            verdict = "clean" if report.is_clean else f"{len(report.differences)} differences"
            self.stdout.write(
                f"audit: {verdict}; {report.checks} checks on {counts}; "
                f"{report.margins_compared} margins compared; {seconds:.1f} s"
            )
        if not report.is_clean:
            sys.exit(1)
