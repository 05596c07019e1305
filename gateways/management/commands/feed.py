"""`manage.py feed simulate|replay`: quotes into the stream.

Exit status 0 when all went well or somebody stopped it, 1 when Redis or the desks are silent,
2 for a file or words that are not understood.
"""

import secrets
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from gateways.quotefile import BadQuoteFile
from gateways.replay import DeskSilent, Replay, progress_bar
from gateways.simulator import last_quotes, log, now_ms, simulate, write_past
from gateways.walk import PROFILES, UNIT, Walk


def multiple(text: str) -> int:
    """Return a factor such as 0.5 or 20 in units of UNIT."""
    try:
        factor = int(Decimal(text) * UNIT)
    except (InvalidOperation, ValueError, OverflowError):
        raise CommandError(f"{text} is not a number", returncode=2) from None
    if not UNIT // 1000 <= factor <= UNIT * 1000:
        raise CommandError(f"{text} is not between 0.001 and 1000", returncode=2)
    return factor


class Command(BaseCommand):
    """Feed quotes to the desks."""

    help = "Write quotes to the stream that the desks read: a random walk, or a recorded file."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the two feeds."""
        feeds = parser.add_subparsers(dest="feed", required=True)
        walk = feeds.add_parser("simulate", help="a random walk of six symbols")
        walk.add_argument("--seed", type=int, help="the same seed, the same walk (default: a new one)")
        walk.add_argument(
            "--rate", default="1", help="ticks as a multiple of the usual (about 4 a second each)"
        )
        walk.add_argument("--volatility", default="1", help="moves as a multiple of the usual")
        walk.add_argument(
            "--past",
            type=int,
            default=0,
            metavar="HOURS",
            help="where there are no quotes yet, write so many hours before now first, for the charts",
        )
        walk.add_argument("--symbols", nargs="+", default=list(PROFILES), metavar="SYMBOL")
        file = feeds.add_parser("replay", help="a CSV or CSV.gz file: time,symbol,bid,ask")
        file.add_argument("file", type=Path)
        pace = file.add_mutually_exclusive_group()
        pace.add_argument("--speed", type=int, default=1, help="a multiple of the recorded pace")
        pace.add_argument("--max", action="store_true", help="as fast as the desks take it")
        file.add_argument(
            "--rebase",
            action="store_true",
            help="shift the times so that the first tick is now, and none is of the future",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the feed until it ends or somebody stops it."""
        asked: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: asked.append(number))
        client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, socket_timeout=10)
        try:
            if options["feed"] == "simulate":
                self._simulate(client, options, asked)
            else:
                self._replay(client, options, asked)
        except redis.RedisError as error:
            raise CommandError(f"Redis is silent: {error}", returncode=1) from None
        except DatabaseError as error:
            raise CommandError(f"the database is silent: {error}", returncode=1) from None
        finally:
            client.close()

    def _simulate(self, client: "redis.Redis", options: dict[str, Any], asked: list[int]) -> None:
        unknown = [name for name in options["symbols"] if name not in PROFILES]
        if unknown:
            raise CommandError(
                f"no walk for {', '.join(unknown)}; there are {', '.join(PROFILES)}", returncode=2
            )
        seed = secrets.randbits(32) if options["seed"] is None else options["seed"]
        last, volatility = last_quotes(client), multiple(options["volatility"])
        if options["past"] > 0 and not last:
            last = write_past(
                client, seed=seed, hours=options["past"], symbols=options["symbols"], volatility=volatility
            )
        walk = Walk(
            seed=seed,
            start_ms=now_ms(),
            symbols=options["symbols"],
            last=last,
            rate=multiple(options["rate"]),
            volatility=volatility,
        )
        log.info("simulating", seed=seed, symbols=" ".join(options["symbols"]))
        sent = simulate(client, walk, stopped=lambda: bool(asked))
        log.info("stopped", quotes=sent)

    def _replay(self, client: "redis.Redis", options: dict[str, Any], asked: list[int]) -> None:
        if options["speed"] < 1:
            raise CommandError(f"--speed {options['speed']} is below 1", returncode=2)
        try:
            with progress_bar(shown=sys.stderr.isatty()) as progress:
                result = Replay(
                    client,
                    options["file"],
                    speed=None if options["max"] else options["speed"],
                    rebase=options["rebase"],
                    progress=progress,
                    stopped=lambda: bool(asked),
                ).run()
        except BadQuoteFile as error:
            raise CommandError(str(error), returncode=2) from None
        except DeskSilent as error:
            raise CommandError(str(error), returncode=1) from None
        self.stdout.write(("stopped early\n" if asked else "") + result.report())
        if result.fault:
            raise CommandError(f"{result.fault}\nwhat stands before that line has been sent", returncode=2)
