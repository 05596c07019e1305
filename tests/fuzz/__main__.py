"""`python -m tests.fuzz`: random scenarios on the engine and the naive twin, until they differ.

Prints a progress bar with events a second; every difference is shrunk and printed as a scenario
file. Exit status 0: none was found; 1: at least one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from scenario.engine_backend import EngineBackend
from tests.fuzz.compare import Maker, Outcome, run_seed, shrink
from tests.fuzz.literal import run_halted
from tests.fuzz.market import PROFILES
from tests.oracle.model import Twin

BAR = 30


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="steps to play in all")
    parser.add_argument("--steps", type=int, default=300, help="steps of one scenario")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first scenario")
    parser.add_argument("--profile", choices=[profile.name for profile in PROFILES])
    parser.add_argument("--max-differences", type=int, default=1, help="stop after so many")
    parser.add_argument(
        "--twin", action="store_true", help="play the twin against itself (measures the generator)"
    )
    parser.add_argument(
        "--literal",
        action="store_true",
        help="play the engine, kill switches included, against itself without its price bounds",
    )
    parser.add_argument("--no-shrink", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Play scenario after scenario and return the exit status."""
    options = arguments()
    maker: Maker = Twin if options.twin else EngineBackend
    started, done, found, seed = time.perf_counter(), 0, 0, options.seed
    while done < options.events and found < options.max_differences:
        count = min(options.steps, options.events - done)
        if options.literal:
            difference = run_halted(seed, count, options.profile)
            if difference is not None:
                found += 1
                print(f"\nseed {seed}: {difference}")
            done += count
            seed += 1
            continue
        outcome = run_seed(seed, count, maker, options.profile)
        done += len(outcome.steps)
        if outcome.difference is not None:
            found += 1
            report(seed, outcome, maker, is_shrunk=not options.no_shrink)
        seed += 1
        show(done, options.events, found, time.perf_counter() - started)
    seconds = time.perf_counter() - started
    print(
        f"\n{done} events, {seed - options.seed} scenarios, {found} differences, {done / seconds:.0f} events/s"
    )
    return 1 if found else 0


def report(seed: int, outcome: Outcome, maker: Maker, *, is_shrunk: bool) -> None:
    """Print a difference and the scenario that shows it."""
    print(f"\nseed {seed} ({outcome.header['why']}): {outcome.difference}")
    if outcome.trace:
        print(outcome.trace)
    header, steps, difference = outcome.header, outcome.steps, outcome.difference
    if is_shrunk:
        header, steps, smaller = shrink(header, steps, maker)
        difference = smaller or difference
        print(f"shrunk to {len(steps)} steps: {difference}")
        one_a_line = ",\n  ".join(json.dumps(step) for step in steps)
        rest = json.dumps(header, indent=None)[:-1]
        print(f'{rest}, "steps": [\n  {one_a_line}\n]}}')


def show(done: int, total: int, found: int, seconds: float) -> None:
    """Draw the progress bar."""
    if not sys.stderr.isatty() and done < total and (done // 300) % 50:
        return
    filled = BAR * done // total
    rate = done / seconds if seconds else 0.0
    left = (total - done) / rate if rate else 0.0
    bar = "#" * filled + "." * (BAR - filled)
    end = "\r" if sys.stderr.isatty() else "\n"
    line = f"[{bar}] {done}/{total} events  {rate:.0f}/s  {found} differences  {left:.0f} s left"
    print(line, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
