"""manage.py demo: load the demo where it is missing and print its logins."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from manager import demo


class Command(BaseCommand):
    """Load the demo; a second run changes nothing and prints the same."""

    help = "Load symbols, groups, users, accounts, deposits and first trades of the demo, where missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print logins and notes as one JSON object")
        parser.add_argument("--wait", type=float, default=20, help="seconds to wait for first quotes")
        parser.add_argument("--new-passwords", action="store_true", help="give every demo user a new one")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load and print."""
        loaded = demo.load(settings.DESK_DATA, wait_s=options["wait"], new_passwords=options["new_passwords"])
        if options["json"]:
            self.stdout.write(json.dumps({"logins": loaded.logins, "notes": loaded.notes}, indent=2))
            return
        for login in loaded.logins:
            accounts = f"   accounts {login['accounts']}" if login["accounts"] else ""
            self.stdout.write(f"{login['username']:<8} {login['password']:<14} {login['role']}{accounts}")
        for note in loaded.notes:
            self.stdout.write(note)
