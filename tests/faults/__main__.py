"""`python -m tests.faults`: break everything, many times, and see whether a promise breaks.

    python -m tests.faults --kills 1000 --pauses 300 --pg-stops 200 --lost-commits 200 --full-disk 5 --redis-flushes 50 \
        --clock-skews 50 --midnight 10

Servers of its own in a temporary folder; nothing else is touched. `--seconds` bounds the whole (a round that was
begun is finished). Prints a table; exit status 1 on any breach, and the folder with its logs is kept then.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

BAR = 24
WITH_PAGES = 5  # faults in a round from which on a client of REST takes part


@dataclass
class Line:
    """What came of one kind of fault."""

    name: str
    asked: int
    done: int = 0
    acks: int = 0
    retries: int = 0
    deals: int = 0
    judged: int = 0
    ticks: int = 0
    missed: int = 0
    unavailable: int = 0
    seconds: float = 0.0
    recoveries: list[float] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n")[0])
    for name, text in (
        ("kills", "kill -9 of the desk: at chance, at failpoints, while it recovers"),
        ("pauses", "SIGSTOP and SIGCONT of the desk, also inside a transaction"),
        ("pg-stops", "immediate stops of PostgreSQL"),
        ("lost-commits", "commits whose answer, or which themselves, are lost"),
        ("full-disk", "times that the disk of PostgreSQL is full (needs the right to mount a tmpfs)"),
        ("clock-skews", "times that the clock of the desk that serves goes wrong by seconds to a day"),
        ("redis-flushes", "times that Redis loses everything, or stands still"),
    ):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N", help=text)
    parser.add_argument(
        "--poison", type=int, default=0, metavar="N", help="items that raise, at every seam, and random bytes"
    )
    parser.add_argument(
        "--midnight", type=int, default=0, metavar="N",
        help="day ends around which the desk's worker is killed, and across which it stays down",
    )  # fmt: skip
    parser.add_argument("--positions", type=int, default=10_000, help="open while poison is thrown")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=7200.0, help="begin no round after so long")
    asked = parser.parse_args(argv)
    if not any(value for name, value in vars(asked).items() if name not in ("seed", "seconds", "positions")):
        parser.error("name at least one fault and how often, such as --kills 20")
    return asked


def main(argv: list[str]) -> int:
    """Play what was asked for and return the exit status."""
    asked = arguments(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that all is cleared away
    data = Path(tempfile.mkdtemp(prefix="tradingdesk-faults-log-"))
    os.environ.setdefault("DESK_DATA", str(data / "desk"))
    os.environ.setdefault(
        "SECRET_KEY", "a key of the fault tests, which guards nothing that anyone could want"
    )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    import django

    django.setup()
    from tests.faults.kinds import KINDS

    deadline = time.monotonic() + asked.seconds
    lines: list[Line] = []
    for option, kinds in KINDS.items():
        number = getattr(asked, option)
        shares = sum(kind.share for kind in kinds)
        left = number
        for place, kind in enumerate(kinds):
            part = left if place == len(kinds) - 1 else -(-number * kind.share // shares)
            part = min(part, left)
            left -= part
            if part > 0 and time.monotonic() < deadline:
                lines.append(series(kind, part, asked.seed, deadline, data))
                show(lines[-1:])
    if len(lines) > 1:
        show(lines)
    if asked.poison:
        lines.append(poison(asked, deadline))
    if asked.midnight:
        nights = midnight(asked, deadline, data)
        show(nights)
        lines += nights
    breaches = [breach for line in lines for breach in line.breaches]
    if breaches:
        print(f"\n{len(breaches)} breaches; acknowledgements and desk logs are in {data}")
        return 1
    shutil.rmtree(data, ignore_errors=True)
    print("\nno breach")
    return 0


def series(kind, number: int, seed: int, deadline: float, data: Path) -> Line:
    """Play rounds of one kind until the number is reached."""
    from tests.faults.log import Log
    from tests.faults.rounds import Round, play
    from tests.faults.world import Stuck, World

    line = Line(kind.name, number)
    begun = time.monotonic()
    try:
        with World(small_disk=kind.small_disk, proxies=kind.proxies) as world:
            turn = 0
            while line.done < number and time.monotonic() < deadline:
                turn += 1
                chance = random.Random(f"{kind.name}-{seed}-{turn}")
                variables = {}
                if kind.failpoints:
                    name = kind.failpoints[turn % len(kind.failpoints)]
                    from tests.faults.kinds import STARTING

                    count = 1 if name in STARTING else chance.randint(2, 30)
                    variables = {"DESK_FAILPOINT": f"{name}:{count}:{kind.how}"}
                wanted = min(kind.a_round, number - line.done)
                log = Log(data / f"{kind.name.replace(' ', '-').replace(',', '')}-{turn}.jsonl")
                progress = lambda n, before=line.done: show_progress(kind.name, before + n, number)  # noqa: E731
                round_ = Round(world, log, chance, wanted, deadline, progress)
                try:
                    found = play(
                        round_, kind.inject, host=kind.hosts[turn % len(kind.hosts)], variables=variables,
                        web=kind.web and wanted >= WITH_PAGES, seed=seed * 1000 + turn,
                    )  # fmt: skip
                except Stuck as stuck:
                    found = [*log.breaches, str(stuck)]
                    world.stop_parts()
                line.done += round_.done
                line.acks += len(log.acks)
                line.retries += log.retries
                line.deals += round_.deals
                line.judged += round_.judged
                line.ticks += len(log.ticks)
                line.missed += round_.missed
                line.unavailable += round_.unavailable
                line.recoveries += round_.recoveries
                if found:
                    line.breaches += [f"{kind.name}, round {turn}: {text}" for text in found]
                    shutil.copytree(world.logs, data / f"logs-{log.path.stem}", dirs_exist_ok=True)
                    for text in found[:5]:
                        print(f"\n  BREACH {text}", file=sys.stderr)
                    if round_.done == 0:
                        break
    except Stuck as stuck:
        print(f"\n{kind.name}: left out, {stuck}", file=sys.stderr)
    line.seconds = time.monotonic() - begun
    return line


def poison(asked: argparse.Namespace, deadline: float) -> Line:
    """Throw poison, print its figures and return its line."""
    from tests.faults.poison import play

    begun = time.monotonic()
    thrown, breaches, paused = play(asked.poison, asked.positions, asked.seed, deadline)
    raised, rows, entries = len(thrown.poisoned), len(thrown.garbage_rows), thrown.garbage_entries
    print(
        f"\npoison {thrown.number}/{asked.poison} with {asked.positions} positions open: {raised} items that raise,"
        f" {rows} rows and {entries} entries of random bytes, among {len(thrown.orders)} orders and"
        f" {len(thrown.ticks)} ticks\nlongest stop of trading {paused[-1]:.2f} s, p99 of the time between two commits"
        f" {paused[len(paused) * 99 // 100]:.2f} s; {len(thrown.loads)} loads of the book, the longest"
        f" {max(thrown.loads, default=0):.2f} s, breaches {len(breaches)}, {time.monotonic() - begun:.0f} s"
    )
    for text in breaches[:10]:
        print(f"  BREACH {text}", file=sys.stderr)
    return Line("poison", asked.poison, done=thrown.number, breaches=breaches)


def midnight(asked: argparse.Namespace, deadline: float, data: Path) -> list[Line]:
    """Kill the worker around day ends, print what differs and return a line for each kind."""
    from tests.faults.midnight import play

    found = play(
        asked.midnight, asked.seed, deadline, data, lambda n: show_progress("midnight", n, asked.midnight)
    )
    for text in [breach for nights in found for breach in nights.breaches][:20]:
        print(f"  BREACH {text}", file=sys.stderr)
    return [
        Line(
            nights.name, nights.asked, nights.done, judged=nights.compared, ticks=nights.ticks, missed=nights.missed,
            seconds=nights.seconds, recoveries=nights.recoveries, breaches=nights.breaches,
        )
        for nights in found
    ]  # fmt: skip


def show_progress(name: str, done: int, total: int) -> None:
    """Draw the bar."""
    if not sys.stderr.isatty() and done < total and done % 10:
        return
    filled = BAR * done // total
    end = "\r" if sys.stderr.isatty() and done < total else "\n"
    print(
        f"[{'#' * filled}{'.' * (BAR - filled)}] {name}: {done}/{total}", end=end, file=sys.stderr, flush=True
    )


def show(lines: list[Line]) -> None:
    """Print the table."""
    print(
        f"\n{'fault':<28}{'done':>11}{'acks':>8}{'retries':>9}{'503':>6}{'ticks':>9}{'missed':>8}{'deals':>8}"
        f"{'judged':>8}{'p50 s':>7}{'p99 s':>7}{'breaches':>10}{'s':>7}"
    )
    for line in lines:
        found = sorted(line.recoveries)
        p50 = f"{found[len(found) // 2]:.2f}" if found else "-"
        p99 = f"{found[min(len(found) - 1, len(found) * 99 // 100)]:.2f}" if found else "-"
        print(
            f"{line.name:<28}{f'{line.done}/{line.asked}':>11}{line.acks:>8}{line.retries:>9}{line.unavailable:>6}"
            f"{line.ticks:>9}{line.missed:>8}{line.deals:>8}{line.judged:>8}{p50:>7}{p99:>7}"
            f"{len(line.breaches):>10}{line.seconds:>7.0f}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
