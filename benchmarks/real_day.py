"""`python -m benchmarks.real_day FILE`: a recorded day of quotes from end to end, and the same day in memory.

The day runs through a feed process, the Redis stream, a Celery desk and PostgreSQL of its own (temporary ones,
durable, unless DATABASE_URL and REDIS_URL are set), and once more through the engine alone; the deals must be the
same field by field. Prints how each symbol of the file is traded, quotes accepted and refused by cause, deals, seconds,
quotes a second, and how long a deal takes from its tick to its commit. Exit status 1 where something differs, 2 where
the file is not one of quotes.

    --features all   pending orders of every kind, plans, three groups of different modes; the audit follows
    --smart N        N smart orders instead of positions
    --kill N         kill the desk N times on the way; the end must be that of an uninterrupted run
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import django

from benchmarks import workload
from benchmarks.instruments import quotes
from gateways.quotefile import BadQuoteFile
from tradingdesk.temporary import temporary_services

LATENCY_TICKS = 20_000
LATENCY_RATE = 1000


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_day", description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--features", choices=["basic", "all"], default="basic")
    parser.add_argument("--accounts", type=int, help="default: 100, with all features 500")
    parser.add_argument("--positions", type=int, help="default: 1000, with all features 2000")
    parser.add_argument("--smart", type=int, default=0, help="that many smart orders instead")
    parser.add_argument("--kill", type=int, default=0, help="how often the desk is killed on the way")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument(
        "--no-latency", action="store_true", help="leave out the measurement at a steady pace"
    )
    return parser.parse_args(argv)


def work_of(asked: argparse.Namespace) -> workload.Workload:
    """Return the day's work."""
    if asked.smart:
        return workload.smart(asked.file, accounts=asked.accounts or 100, plans=asked.smart)
    if asked.features == "all":
        return workload.everything(
            asked.file, accounts=asked.accounts or 500, positions=asked.positions or 2000
        )
    return workload.basic(asked.file, accounts=asked.accounts or 100, positions=asked.positions or 1000)


def differences(stacked: dict[int, list[Any]], alone: dict[int, list[Any]]) -> list[str]:
    """Return a line for each account's first difference."""
    found = []
    for login in sorted(alone):
        ours, theirs = stacked.get(login, []), alone[login]
        for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                keys = [key for key in one if one[key] != other[key]]
                told = ", ".join(f"{key} {one[key]} and {other[key]}" for key in keys)
                found.append(f"account {login} deal {place + 1}: stack and engine differ: {told}")
                break
        else:
            if len(ours) != len(theirs):
                found.append(f"account {login}: {len(ours)} deals on the stack, {len(theirs)} in the engine")
    return found


def different_ends(one: Any, other: Any) -> list[str]:
    """Return what differs between two runs of the stack: rows, and the digest of the state in memory."""
    found = []
    for name in one.end:
        pairs = zip(one.end[name], other.end[name], strict=False)
        place = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
        if place is not None:
            a, b = one.end[name][place], other.end[name][place]
            keys = [key for key in a if a[key] != b[key]]
            found.append(
                f"{name}: row {place + 1} differs in {', '.join(f'{k}: {a[k]} / {b[k]}' for k in keys)}"
            )
        elif len(one.end[name]) != len(other.end[name]):
            found.append(f"{name}: {len(one.end[name])} rows and {len(other.end[name])}")
    if one.hashes != other.hashes:
        found.append(f"state hashes: {one.hashes} and {other.hashes}")
    return found


def measure(asked: argparse.Namespace, day: workload.Workload) -> int:
    """Run and print; return the exit status."""
    # These need Django's settings, which the caller has made ready.
    from benchmarks import alone, stacked  # noqa: PLC0415
    from scenario.scratch import Scratch  # noqa: PLC0415

    commands = sum(len(part.commands) for part in day.parts)
    print(f"{asked.file.name}: {day.file.quotes} quotes, {len(day.accounts)} accounts, {commands} commands")
    for line in [
        *(symbol.told() for symbol in day.file.symbols),
        *(f"left out: {why}" for why in day.file.left_out),
    ]:
        print(f"  {line}")
    memory = alone.run(day, asked.file)
    total = sum(memory.counts.values())
    print(f"engine alone: {memory.seconds:.1f} s, {total / memory.seconds:,.0f} quotes a second")
    print(f"commands: {', '.join(f'{code} {n}' for code, n in sorted(memory.codes.items()))}")
    stack = Scratch(
        shards=asked.shards,
        environment={"DESK_BATCH": str(asked.batch), "DESK_LINGER_MS": "5", "DESK_PLUGINS": "[]"},
    )
    failed: list[str] = []
    try:
        whole = stacked.run(stack, day, asked.file)
        show(whole, len(day.opening))
        failed += differences(whole.deals, memory.deals)
        if {k: v for k, v in whole.counts.items() if v} != memory.counts:
            failed.append(f"ticks: {whole.counts} on the stack, {memory.counts} in the engine")
        if whole.codes != memory.codes:
            failed.append(f"outcomes: {whole.codes} on the stack, {memory.codes} in the engine")
        failed += audit()
        if not asked.no_latency and not asked.smart and asked.features == "basic":
            show_latency(stacked.latencies(stack, day, some_ticks(asked.file), rate=LATENCY_RATE))
        if asked.kill:
            killed = stacked.run(stack, day, asked.file, kills=asked.kill)
            print(f"killed {killed.kills} times:")
            show(killed, len(day.opening))
            failed += different_ends(whole, killed)
            failed += audit()
    finally:
        stack.close()
    for line in failed[:50]:
        print(line)
    print(f"{len(failed)} differences" if failed else "no differences")
    return 1 if failed else 0


def audit() -> list[str]:
    """Return what the audit finds, as lines; none when the books are clean."""
    from live.published import account_states  # noqa: PLC0415
    from manager import audit as books  # noqa: PLC0415

    report = books.run(account_states())
    lines = [str(difference) for difference in report.differences]
    verdict = f"{len(lines)} differences" if lines else "clean"
    print(f"audit: {verdict}; {report.checks} checks, {report.margins_compared} margins compared")
    return lines


def some_ticks(path: Path) -> list[tuple[str, str, str]]:
    """Return the first ticks of the file, for the measurement at a steady pace."""
    found = []
    for symbol, bid, ask, _ in quotes(path):
        found.append((symbol, bid, ask))
        if len(found) == LATENCY_TICKS:
            break
    return found


def show(run: Any, opening: int) -> None:
    """Print what came of a run of the stack; `opening`: how many quotes stood before those of the file."""
    total = sum(run.counts.values())
    deals = sum(len(deals) for deals in run.deals.values())
    refused = ", ".join(
        f"{cause} {n}" for cause, n in sorted(run.counts.items()) if cause != "accepted" and n
    )
    print(
        f"quotes accepted {run.counts.get('accepted', 0) - opening} and {opening} of the opening, refused: {refused or 'none'}"
    )
    print(f"deals {deals}, {run.seconds:.1f} s, {total / run.seconds:,.0f} quotes a second, end to end")


def show_latency(found: list[float]) -> None:
    """Print how long deals took."""
    if not found:
        print("no deals to measure")
        return
    p50, p99 = found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]
    print(f"tick to committed deal at {LATENCY_RATE} quotes a second: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
          f" ({len(found)} deals)")  # fmt: skip


def main(argv: list[str]) -> int:
    """Make the servers ready, and measure."""
    asked = arguments(argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
    try:
        day = work_of(asked)  # a file that is none is told before anything is started
    except BadQuoteFile as error:
        print(error, file=sys.stderr)
        return 2
    with temporary_services(durable=True):
        django.setup()
        return measure(asked, day)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
