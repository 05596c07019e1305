"""`manage.py shards [N]`: shows among how many desks the accounts are divided, or divides them anew.

The number belongs to the database. It changes only while no desk runs; accounts go to the shard `login % N`, with
what waits for them, and no ticket is ever given out twice. Exit status 1 where it stays as it was, with the reason.
"""

from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from dealing import bus, shards


class Command(BaseCommand):
    """Show or change the number of shards."""

    help = (
        "Show the shards and who serves them, or divide the accounts among another number while no desk runs."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("number", nargs="?", type=int, help="among how many desks to divide the accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change the number where one is given, and show how things stand."""
        if options["number"] is not None:
            self._change(options["number"])
        self._show()

    def _change(self, number: int) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                changed = shards.change(cursor, number)
        except shards.NotChanged as error:
            raise CommandError(str(error)) from None
        if changed.before == changed.after:
            self.stdout.write("nothing changed: that is the number already")
            return
        self.stdout.write(
            f"{changed.before or 'no'} -> {changed.after} shards, {changed.commands} commands moved"
        )
        gone = range(changed.after, changed.before)
        try:
            if gone:
                bus.client().hdel(bus.HEALTH, *[str(shard) for shard in gone])
                bus.client().delete(*[bus.ticks_key(shard) for shard in gone])
        except redis.RedisError as error:
            self.stderr.write(f"what Redis shows of shards that are gone stays for a while: {error}")

    def _show(self) -> None:
        with connection.cursor() as cursor:
            fact = shards.fact(cursor)
            cursor.execute(
                "SELECT s.shard, s.owner, s.epoch, s.seq, s.tick_cursor, s.clock_skew_ms,"
                " extract(epoch FROM clock_timestamp() - s.heartbeat_at)::float8,"
                " (SELECT count(*) FROM dealing_command c WHERE c.shard = s.shard AND c.status = 'pending')"
                " FROM dealing_engineshard s ORDER BY s.shard"
            )
            rows = cursor.fetchall()
        expected = shards.believed()
        hint = f", this process believes {expected}" if expected and expected != fact else ""
        self.stdout.write(f"shards: {fact or 'not said yet, the first desk or command does'}{hint}")
        for shard, owner, epoch, seq, cursor_, skew_ms, age_s, waiting in rows:
            beat = "no desk" if age_s is None else f"{owner}, beat {max(age_s, 0):.1f} s ago"
            self.stdout.write(
                f"  {shard}: {beat}; epoch {epoch}, batch {seq}, ticks up to {cursor_}, clock {skew_ms:+d} ms,"
                f" {waiting} commands wait"
            )
