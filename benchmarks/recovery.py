"""`python -m benchmarks.recovery`: how long a desk needs until it trades again, by how much it has to load.

Opens positions with SL and TP through the whole stack, kills the desk, and measures what the next one does: taking the
lease and loading the book from the rows (in this process, several times), and from `kill -9` of the desk in a Celery
worker to its successor's first commit. Temporary, durable servers unless DATABASE_URL and REDIS_URL are set.
"""

import argparse
import os
import sys
import time

import django

from tradingdesk.temporary import temporary_services

LOADS = 5
SYMBOL = "EURUSD"


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__.split("\n")[0])
    parser.add_argument("--positions", type=int, default=10_000)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    return parser.parse_args(argv)


def measure(asked: argparse.Namespace) -> int:
    """Open, kill, load, and print."""
    # These need Django's settings, which the caller has made ready.
    from scenario.scratch import Scratch  # noqa: PLC0415

    stack = Scratch(environment={"DESK_PLUGINS": "[]", "DESK_CLOCK": "events"})
    try:
        open_positions(stack, asked)
        stack.drain()
        cpu = time.process_time()
        loads = sorted(load() for _ in range(LOADS))
        cpu = (time.process_time() - cpu) / LOADS
        print(
            f"{asked.positions} positions: lease and book in {loads[LOADS // 2]:.2f} s, at most {loads[-1]:.2f} s;"
            f" {cpu:.2f} s of that is this process's own computing"
        )
        stack.serve()
        took = sorted(kill(stack) for _ in range(asked.kills))
        print(
            f"kill -9 to the first commit: p50 {took[len(took) // 2]:.2f} s, at most {took[-1]:.2f} s"
            f" ({asked.kills} kills)"
        )
    finally:
        stack.close()
    return 0


def open_positions(stack: "object", asked: argparse.Namespace) -> None:
    """Open the positions, dealt out over the accounts, with levels that stay out of reach."""
    from accounts.setup import put_accounts, put_groups  # noqa: PLC0415
    from benchmarks.stacked import submit, wait_until_read  # noqa: PLC0415
    from dealing import bus  # noqa: PLC0415
    from engine import commands as cmd  # noqa: PLC0415
    from engine.enums import By, LedgerKind  # noqa: PLC0415
    from engine.order_types import OrderType  # noqa: PLC0415
    from markets.setup import put_symbols  # noqa: PLC0415

    stack.empty()  # type: ignore[attr-defined]
    put_symbols([{"name": SYMBOL}])
    put_groups([{"name": "retail", "leverage": 500}])
    logins = range(1001, 1001 + asked.accounts)
    put_accounts([{"login": login, "group": "retail"} for login in logins])
    stack.serve()  # type: ignore[attr-defined]
    bus.client().xadd(bus.TICKS, {"d": f"{SYMBOL},1.10000,1.10010,1000"})
    wait_until_read()
    money = [
        cmd.BalanceOperation(login=login, kind=LedgerKind.DEPOSIT, amount="1000000", by=By.MANAGER)
        for login in logins
    ]
    orders = [
        cmd.PlaceOrder(
            login=logins[number % asked.accounts], symbol=SYMBOL, type=OrderType.BUY, volume="0.01",
            sl="1.00000", tp="1.20000",
        )
        for number in range(asked.positions)
    ]  # fmt: skip
    submit([*money, *orders], at_ms=None)


def load() -> float:
    """Return the seconds for taking the lease and loading the book."""
    from dealing import lease, shard_book  # noqa: PLC0415

    begun = time.perf_counter()
    taken = lease.take(0)
    if taken is None:
        raise RuntimeError("a desk has the shard")
    found = shard_book.load(taken, shards=1)
    seconds = time.perf_counter() - begun
    taken.release()
    if not found.state.positions:
        raise RuntimeError("the book is empty")
    return seconds


def kill(stack: "object") -> float:
    """Kill the desk under an order that waits; return the seconds until its successor has committed."""
    from dealing import services  # noqa: PLC0415
    from dealing.models import EngineBatch  # noqa: PLC0415

    epoch = stack.epochs()[0]  # type: ignore[attr-defined]
    begun = time.time()
    stack.kill_desk(0)  # type: ignore[attr-defined]
    services.balance_operation(1001, "deposit", "1", caller=services.Caller(wait_s=60))
    first = EngineBatch.objects.filter(epoch__gt=epoch).order_by("seq")[0]
    return first.at.timestamp() - begun


def main(argv: list[str]) -> int:
    """Make the servers ready, and measure."""
    asked = arguments(argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    with temporary_services(durable=True):
        django.setup()
        return measure(asked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
