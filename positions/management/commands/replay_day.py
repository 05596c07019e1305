"""`manage.py replay_day DATE`: compute a UTC day of a shard again from its inputs, and hold every deal against the rows.

It reads only, and may run while the desk trades. Exit status 0: all deals came out again; 1: there are differences, which
are printed; 2: the day cannot be computed again, and why.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from dealing.kept_ticks import TickFolder
from dealing.replay import NotReplayable, Replay, Replayed, TickSource
from positions.replayed import differences

MOST_TOLD = 200


class Command(BaseCommand):
    """Replay a day."""

    help = "Compute a day of a shard again from its inputs, and compare every deal with the rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the date, --shard and --account."""
        parser.add_argument(
            "date", type=date.fromisoformat, help="a UTC day, by when its batches were written"
        )
        parser.add_argument("--shard", type=int, default=0, help="number of the shard, from 0")
        parser.add_argument("--account", type=int, metavar="LOGIN", help="compare this account only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay and compare."""
        begun = datetime.now(UTC)
        made = {"batches": 0, "deals": 0, "commands": 0}
        found = 0
        try:
            with connection.cursor() as cursor:
                replay = Replay(
                    cursor, options["shard"], options["date"], TickSource(TickFolder(settings.DESK_TICKS))
                )
                replay.prepare()
                for note in replay.notes:
                    self.stderr.write(f"note: {note}")
                for difference in differences(
                    cursor, _counted(replay.run(), made), shard=options["shard"],
                    shards=replay.engine.state.shards, login=options["account"],
                ):  # fmt: skip
                    found += 1
                    if found <= MOST_TOLD:
                        self.stdout.write(difference)
        except NotReplayable as error:
            raise CommandError(str(error), returncode=2) from None
        if found > MOST_TOLD:
            self.stdout.write(f"and {found - MOST_TOLD} more")
        seconds = (datetime.now(UTC) - begun).total_seconds()
        self.stdout.write(
            f"{options['date']}, shard {options['shard']}, from batch {replay.begins}: {made['batches']} batches,"
            f" {made['commands']} commands, {made['deals']} deals in {seconds:.1f} s, {found} differences"
        )
        if found:
            sys.exit(1)


def _counted(batches: Iterator[Replayed], made: dict[str, int]) -> Iterator[Replayed]:
    for batch in batches:
        made["batches"] += 1
        made["deals"] += len(batch.deals)
        made["commands"] += len(batch.answers)
        yield batch
