#!/usr/bin/env python
"""Django's command line with this project's settings.

A command that plays on the whole stack gets temporary servers where the environment names none.
"""

import os
import sys

from django.core.management import execute_from_command_line

from tradingdesk.temporary import temporary_services


def main(argv: list[str]) -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
    on_stack = argv[1:2] == ["scenario"] and "--stack" in argv
    if on_stack and not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        with temporary_services():
            execute_from_command_line(argv)
    else:
        execute_from_command_line(argv)


if __name__ == "__main__":
    main(sys.argv)
