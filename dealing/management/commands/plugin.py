"""`manage.py plugin NAME OPTIONS`: hands new options to a loaded plugin between two ticks."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dealing import services


class Command(BaseCommand):
    """Configure one plugin on every shard."""

    help = "Hand new options (a JSON object) to a loaded plugin; they are kept over restarts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", help="the plugin's name, for example news_window")
        parser.add_argument("options", help="a JSON object, as docs/hooks.md describes for the plugin")

    def handle(self, *args: Any, **options: Any) -> None:
        """Submit the options and say what came of it."""
        try:
            values = json.loads(options["options"])
        except json.JSONDecodeError as error:
            raise CommandError(f"the options are not JSON: {error}") from error
        if not isinstance(values, dict):
            raise CommandError("the options must be a JSON object")
        outcome = services.configure_plugin(
            options["name"], values, caller=services.Caller(actor="command line")
        )
        if outcome.state == "refused":
            raise CommandError(f"{outcome.code}: {outcome.message}")
        self.stdout.write("done" if outcome.state == "done" else "accepted; no desk has answered yet")
