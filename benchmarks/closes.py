"""`python -m benchmarks.closes`: how quickly a tick that reaches thousands of exits is committed, against a bare COPY.

    python -m benchmarks.closes [--closes 10000] [--accounts 1000] [--rounds 3] [--json FILE] [--profile] [--least RATIO]

Opens positions whose SL or TP one tick reaches, half of them long and half short, then sends that tick through Redis to a
desk in this process: computing, collecting and committing are counted, from the tick until its last commit; loading and
publishing after that are not. In the same run the very rows that this wrote (orders, deals, positions, ledger entries,
accounts, events) are sent by COPY, ready-made and in binary, into empty tables with the same indexes and constraints, in
one transaction. Both wait for the disk. The ratio of the two is what means something on a shared machine, and on a busy one the
CPU microseconds a close: of the desk, of PostgreSQL's process that serves it, and of the one that takes the bare COPY.

Temporary, durable servers unless DATABASE_URL and REDIS_URL are set. Exit status 1 when the ratio is below --least.
"""

import argparse
import cProfile
import json
import os
import pstats
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import django

from tradingdesk.temporary import temporary_services

if TYPE_CHECKING:
    from dealing.lease import Lease
    from engine.commands import PlaceOrder

SYMBOL = "EURUSD"
QUIET, FALLEN = ("1.10000", "1.10010"), ("1.08990", "1.09000")
FAR = "1.15000"
OPENED_AT_ONCE = 2_000
FIRST_LOGIN = 1001
#: Table, and which of its rows a round's closes wrote, by the last numbers of before.
ROWS = {
    "orders_order": '"ticket" > %(order)s',
    "positions_deal": "ticket > %(deal)s",
    "positions_position": "ticket > %(opened)s",
    "accounts_ledgerentry": "id > %(ledger)s",
    "accounts_account": "true",
    "dealing_outbox": "id > %(outbox)s",
}
MARKS = """
SELECT (SELECT coalesce(max(ticket), 0) FROM orders_order) AS "order",
       (SELECT coalesce(max(ticket), 0) FROM positions_deal) AS deal,
       (SELECT coalesce(max(id), 0) FROM accounts_ledgerentry) AS ledger,
       (SELECT coalesce(max(id), 0) FROM dealing_outbox) AS outbox,
       (SELECT coalesce(max(ticket), 0) FROM positions_position) AS opened
"""


@dataclass
class Round:
    """What one round measured: closes a second, bytes of WAL a close, and rows a close by table."""

    closes_per_s: float
    bare_per_s: float
    commit_share: float  # of the time until the last commit, what the transactions took
    desk_cpu_us: float  # a close
    database_cpu_us: float  # a close, of the desk's session; 0 where the server is not on this machine
    bare_cpu_us: float  # a close, of the session that takes the bare COPY
    wal: float
    bare_wal: float
    rows: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Return how the desk's pace compares with a bare COPY."""
        return self.closes_per_s / self.bare_per_s


@dataclass
class Spent:
    """Seconds: until the last commit, in the transactions, of our CPU, and of the CPU of PostgreSQL's process for us."""

    seconds: float = 0.0
    commits: float = 0.0
    desk_cpu: float = 0.0
    database_cpu: float = 0.0


def cpu_of(process: int) -> float:
    """Return the CPU seconds that a process has taken, 0 where it is on another machine."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.closes", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--closes", type=int, default=10_000)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.0, help="lowest ratio to a bare COPY")
    parser.add_argument("--json", type=Path, help="the figures, there as well as on the screen")
    parser.add_argument("--profile", action="store_true", help="of one more round, where the time goes")
    asked = parser.parse_args(argv)
    for name in ("closes", "accounts", "rounds"):
        if getattr(asked, name) < 1:
            parser.error(f"--{name} is at least 1")
    return asked


class Bench:
    """A database with accounts, and a desk that is started on it again and again."""

    def __init__(self, asked: argparse.Namespace) -> None:
        """Make the rows that everything needs."""
        # These need Django's settings, which the caller has made ready.
        from django.core.management import call_command  # noqa: PLC0415

        from accounts.setup import put_accounts, put_groups  # noqa: PLC0415
        from markets.setup import put_symbols  # noqa: PLC0415

        call_command("migrate", verbosity=0, interactive=False)
        self.asked = asked
        self.random = Random(asked.seed)
        self.now_ms = 1_000
        self.order = 10
        put_symbols([{"name": SYMBOL}])
        put_groups([{"name": "retail", "leverage": 500}])
        self.logins = range(FIRST_LOGIN, FIRST_LOGIN + asked.accounts)
        put_accounts([{"login": login, "group": "retail"} for login in self.logins])
        self._take_orders([self._deposit(login) for login in self.logins])

    # Opening

    def _deposit(self, login: int) -> Any:
        from engine import commands as cmd  # noqa: PLC0415
        from engine.enums import By, LedgerKind  # noqa: PLC0415

        return cmd.BalanceOperation(login=login, kind=LedgerKind.DEPOSIT, amount="1000000", by=By.MANAGER)

    def open_positions(self) -> None:
        """Open a round's positions, dealt out over the accounts."""
        self._take_orders(list(self._orders()))

    def _orders(self) -> "Iterator[PlaceOrder]":
        from engine import commands as cmd  # noqa: PLC0415
        from engine.order_types import OrderType  # noqa: PLC0415

        for number in range(self.asked.closes):
            self.order += 10
            near = f"1.09{self.random.randrange(100, 900):03d}"
            buys = self.random.random() < 0.5
            yield cmd.PlaceOrder(
                login=self.logins[number % len(self.logins)], symbol=SYMBOL,
                type=OrderType.BUY if buys else OrderType.SELL, volume=f"0.{self.random.randrange(1, 100):02d}",
                sl=near if buys else FAR, tp=FAR if buys else near, ticket=self.order,
            )  # fmt: skip

    def _take_orders(self, commands: list[Any]) -> None:
        """Let an engine of our own do this, and commit it as a desk would."""
        from dealing import lease, shard_book  # noqa: PLC0415
        from dealing.batch import Batch, commit  # noqa: PLC0415
        from dealing.changes import Changes  # noqa: PLC0415

        taken = lease.take(0)
        if taken is None:
            raise RuntimeError("a desk has the shard")
        loaded = shard_book.load(taken, shards=taken.shards)
        self._quote(loaded.engine)
        for first in range(0, len(commands), OPENED_AT_ONCE):
            batch = Batch(Changes(loaded.state), "0-0", 0)
            for command in commands[first : first + OPENED_AT_ONCE]:
                done = batch.changes.collect(loaded.engine.on_command(command, self.now_ms), self.now_ms)
                if done is None or done.code:
                    raise RuntimeError(f"the bench could not be set up: {done}")
            commit(taken, batch, loaded.state, published=0, books=[])
        loaded.state.next_order = max(loaded.state.next_order, self.order + 10)
        self._keep_place(taken)
        taken.release()

    def _quote(self, engine: Any) -> None:
        self.now_ms += 1_000
        engine.on_tick(SYMBOL, *QUIET, self.now_ms)

    def _keep_place(self, taken: "Lease") -> None:
        """Let the next desk begin at the end of the stream, with everything published."""
        from dealing import bus  # noqa: PLC0415

        last = bus.client().xadd(bus.TICKS, {"d": f"{SYMBOL},{QUIET[0]},{QUIET[1]},{self.now_ms}"})
        taken.conn.execute(
            "UPDATE dealing_engineshard SET tick_cursor = %s, next_order = greatest(next_order, %s),"
            " published = (SELECT coalesce(max(id), 0) FROM dealing_outbox)",
            (last, self.order + 10),
        )

    # Closing

    def close_all(self, profile: cProfile.Profile | None) -> "Spent":
        """Send the tick that reaches everything, and return what it took until its last commit."""
        from dealing import bus, taking  # noqa: PLC0415
        from dealing.desk import Desk  # noqa: PLC0415

        plain = taking.commit
        begun = spent = Spent()

        def timed(held: "Lease", batch: Any, *given: Any, **named: Any) -> Any:
            started = time.monotonic()
            done = plain(held, batch, *given, **named)
            if batch.items:
                now = time.monotonic()
                spent.commits += now - started
                spent.seconds = now - begun.seconds
                spent.desk_cpu = time.process_time() - begun.desk_cpu
                spent.database_cpu = cpu_of(held.conn.info.backend_pid) - begun.database_cpu
            return done

        def serving() -> None:
            nonlocal begun
            begun = Spent(
                time.monotonic(), 0.0, time.process_time(), cpu_of(desk.lease.conn.info.backend_pid)
            )
            self.now_ms += 1_000
            bus.client().xadd(bus.TICKS, {"d": f"{SYMBOL},{FALLEN[0]},{FALLEN[1]},{self.now_ms}"})
            if profile is not None:
                profile.enable()

        desk: Desk = Desk(shard=0, clock="events", until_idle=True, when_serving=serving)
        taking.commit = timed  # type: ignore[assignment]
        try:
            ended = desk.run()
        finally:
            taking.commit = plain
            if profile is not None:
                profile.disable()
        if ended != "idle":
            raise RuntimeError(f"the desk ended: {ended}")
        return spent

    def measure(self, profile: cProfile.Profile | None) -> Round:
        """Open, close, and send the same rows bare."""
        from django.db import connection  # noqa: PLC0415

        with connection.cursor() as cursor:
            cursor.execute(MARKS)
            opened = cursor.fetchone()[4]
        self.open_positions()
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
            cursor.execute(MARKS)
            marks = dict(zip(("order", "deal", "ledger", "outbox"), cursor.fetchone(), strict=False))
            marks["opened"] = opened
            at = _wal(cursor)
        spent = self.close_all(profile)
        closes = self.asked.closes
        with connection.cursor() as cursor:
            wal = _wal(cursor) - at
            cursor.execute("SELECT count(*) FROM positions_deal WHERE ticket > %(deal)s", marks)
            if (made := cursor.fetchone()[0]) != closes:
                raise RuntimeError(f"{closes} closes were to be made, there are {made} deals")
            cursor.execute("CHECKPOINT")
            bare, bare_wal, rows = bare_copy(cursor, marks)
        return Round(
            closes / spent.seconds, closes / bare.seconds, spent.commits / spent.seconds,
            spent.desk_cpu / closes * 1e6, spent.database_cpu / closes * 1e6, bare.database_cpu / closes * 1e6,
            wal / closes, bare_wal / closes, {name: count / closes for name, count in rows.items()},
        )  # fmt: skip


def _wal(cursor: Any) -> int:
    cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    return int(cursor.fetchone()[0])


def bare_copy(cursor: Any, marks: dict[str, int]) -> tuple[Spent, int, dict[str, int]]:
    """Send the rows of a round into empty tables like theirs; return what it took, bytes of WAL, and rows by table."""
    ready: dict[str, list[bytes]] = {}
    counts = {}
    for table, where in ROWS.items():
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {where}", marks)
        counts[table] = cursor.fetchone()[0]
        with cursor.copy(
            f"COPY (SELECT * FROM {table} WHERE {where}) TO STDOUT (FORMAT BINARY)", marks
        ) as copy:
            ready[table] = [bytes(block) for block in copy]
        cursor.execute(f"DROP TABLE IF EXISTS bare_{table}")
        cursor.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
    at = _wal(cursor)
    backend = cursor.connection.info.backend_pid
    began = Spent(time.monotonic(), database_cpu=cpu_of(backend))
    cursor.execute("BEGIN")
    for table, blocks in ready.items():
        with cursor.copy(f"COPY bare_{table} FROM STDIN (FORMAT BINARY)") as copy:
            for block in blocks:
                copy.write(block)
    cursor.execute("COMMIT")
    spent = Spent(time.monotonic() - began.seconds, database_cpu=cpu_of(backend) - began.database_cpu)
    wal = _wal(cursor) - at
    for table in ROWS:
        cursor.execute(f"DROP TABLE bare_{table}")
    return spent, wal, counts


def show(asked: argparse.Namespace, rounds: list[Round]) -> dict[str, Any]:
    """Print the rounds and return what they come to: medians."""
    print(f"{asked.closes:,} closes at one tick, {asked.accounts:,} accounts, seed {asked.seed}")
    print(
        "| round | closes/s | bare COPY/s | ratio | in commits | CPU a close: desk + database | bare | WAL a close | bare |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for number, one in enumerate(rounds, 1):
        print(
            f"| {number} | {one.closes_per_s:,.0f} | {one.bare_per_s:,.0f} | {one.ratio:.2f} | {one.commit_share:.0%} |"
            f" {one.desk_cpu_us:.0f} + {one.database_cpu_us:.0f} us | {one.bare_cpu_us:.0f} us |"
            f" {one.wal:,.0f} B | {one.bare_wal:,.0f} B |"
        )
    figures: dict[str, float] = {
        name: statistics.median(getattr(one, name) for one in rounds)
        for name in (one.name for one in fields(Round) if one.name != "rows")
    }
    figures["ratio"] = statistics.median(one.ratio for one in rounds)
    figures["cpu_ratio"] = statistics.median(
        one.bare_cpu_us / (one.desk_cpu_us + one.database_cpu_us) for one in rounds
    )
    print(f"rows a close: {', '.join(f'{name} {each:.2f}' for name, each in rounds[-1].rows.items())}")
    print(
        f"median: {figures['closes_per_s']:,.0f} committed closes a second, bare COPY of the same rows"
        f" {figures['bare_per_s']:,.0f}, ratio {figures['ratio']:.2f}"
    )
    return {"closes": asked.closes, "accounts": asked.accounts, "seed": asked.seed, **figures,
            "load": os.getloadavg()[0], "rows": rounds[-1].rows}  # fmt: skip


def measure(asked: argparse.Namespace) -> int:
    """Measure all rounds and print them."""
    bench = Bench(asked)
    rounds = []
    profile = cProfile.Profile() if asked.profile else None
    for _ in range(asked.rounds):
        rounds.append(bench.measure(None))
    found = show(asked, rounds)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if profile is not None:
        bench.measure(profile)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return 0 if found["ratio"] >= asked.least else 1


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
