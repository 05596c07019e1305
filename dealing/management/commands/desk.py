"""`manage.py desk`: the desk of one shard in the foreground, without Celery.

The same loop that the Celery task runs, for tests and for those who host it themselves. SIGTERM and Ctrl-C drain.
With --wait it stands by while another desk has the shard, and takes over a moment after that one has gone.
Exit status 0: drained or idle; 1: another desk has the shard, the lease was lost, or this machine's clock is wrong, or this
process believes in another number of shards than the database has.
"""

import signal
import sys
from argparse import ArgumentParser
from math import inf
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dealing.desk import Desk
from dealing.lease import NoSuchShard
from dealing.shards import WrongShards


class Command(BaseCommand):
    """Run the desk of a shard."""

    help = "Run the desk of one shard in the foreground."
    requires_system_checks: list[str] = []  # a restart is recovery: it should not wait for the pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --shard, --wait, --until-idle and --clock."""
        parser.add_argument("--shard", type=int, default=0, help="number of the shard, from 0")
        parser.add_argument("--wait", action="store_true", help="stand by while another desk has the shard")
        parser.add_argument("--until-idle", action="store_true", help="end when nothing waits any more")
        parser.add_argument("--clock", choices=["wall", "events"], help="what time the engine goes by")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until stopped."""
        stopped: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.append(number)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        changed: dict[str, Any] = {"clock": options["clock"]} if options["clock"] else {}
        desk = Desk.from_settings(
            options["shard"],
            should_stop=lambda: bool(stopped),
            until_idle=options["until_idle"],
            patience_s=inf if options["wait"] else 0.0,
            **changed,
        )
        try:
            ended = desk.run()
        except (WrongShards, NoSuchShard) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"shard {options['shard']}: {ended}")
        if ended in ("held", "lost", "clock"):
            sys.exit(1)
