"""`python -m tests.fuzz.stack`: random scenarios through rows, journal, stream and worker against the twin.

A `restart` kills the worker with SIGKILL. Temporary servers are used where the environment names none.
Exit status 0: nothing differed; 1: something did, and it is printed with its seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import nullcontext

import django

from tests.fuzz.compare import Outcome, run_seed
from tests.fuzz.generator import Generator
from tests.fuzz.market import PROFILES, Record
from tests.oracle.book import Book


class UniqueIds(Generator):
    """Without repeated client ids: the journal compares the whole request, the engine alone cannot."""

    def step(self, number: int, book: Book) -> Record:
        made = super().step(number, book)
        if "place" in made:
            made["place"].pop("client_id", None)
        return made


def play(first: int, count: int, steps: int) -> int:
    """Play seeds first, first + 1, ... and return how many differed."""
    from scenario.scratch import close_scratch
    from scenario.stack_backend import StackBackend

    differing = 0
    try:
        for seed in range(first, first + count):
            started = time.perf_counter()
            outcome: Outcome = run_seed(seed, steps, StackBackend, source=UniqueIds)
            seconds = time.perf_counter() - started
            profile = PROFILES[seed % len(PROFILES)].name
            print(
                f"seed {seed} {profile}: {len(outcome.steps)} steps, {seconds:.1f} s, {outcome.difference}",
                flush=True,
            )
            if outcome.difference is not None:
                differing += 1
                print(outcome.trace)
    finally:
        close_scratch()
    return differing


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.stack", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=len(PROFILES), help="how many")
    parser.add_argument("--steps", type=int, default=150, help="steps of one scenario")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
    from tradingdesk.temporary import temporary_services

    has_servers = os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")
    with nullcontext() if has_servers else temporary_services():
        django.setup()
        return 1 if play(options.seed, options.seeds, options.steps) else 0


if __name__ == "__main__":
    sys.exit(main())
