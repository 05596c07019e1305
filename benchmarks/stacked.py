"""A workload on the whole stack: rows, journal, a feed process, the stream, Celery desks, the database."""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, Sum

from accounts.models import LedgerEntry
from accounts.setup import put_accounts, put_groups
from benchmarks.instruments import quotes
from benchmarks.workload import Maker, Workload
from dealing import bus, services
from dealing.columns import ms_of, plain
from dealing.journal import number_of_shards as shard_count
from dealing.models import Command, EngineBatch, PoisonItem, TickCount
from engine import commands as cmd
from engine.records import VOLUME_SCALE
from gateways.quotefile import EPOCH
from markets.setup import put_symbols
from orders.models import Order, SmartLevel, SmartOrder
from positions.models import Deal, Position
from scenario.scratch import ROOT, Scratch

LIMIT_S = 3600.0
LATENCY_ORDERS = 1000


@dataclass
class Stacked:
    """What came of a run."""

    deals: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    report: str = ""
    kills: int = 0
    hashes: dict[int, str] = field(default_factory=dict)
    end: dict[str, list[Any]] = field(default_factory=dict)


def run(stack: Scratch, day: Workload, path: Path, *, kills: int = 0, seed: int = 1) -> Stacked:
    """Return what the stack makes of the day; `kills`: how often a desk is killed on the way."""
    stack.empty()
    with transaction.atomic():
        put_symbols(day.symbols)
        put_groups(day.groups)
        put_accounts(day.accounts)
    stack.serve()
    out = Stacked()
    for symbol, bid, ask, time_ms in day.opening:
        bus.client().xadd(bus.TICKS, {"d": f"{symbol},{bid},{ask},{time_ms}"})
    wait_until_read()
    with tempfile.TemporaryDirectory(prefix="tradingdesk-day-") as folder:
        files = split(path, [part.quotes for part in day.parts], Path(folder))
        begun = time.perf_counter()
        for place, (part, file) in enumerate(zip(day.parts, files, strict=True)):
            submit(part.commands, at_ms=part.time_ms if place == 0 else None)
            times = kills * (place + 1) // len(day.parts) - out.kills
            killer = Killer(stack, times, random.Random(seed + place), part.quotes)
            out.report += feed(stack, file, killer)
            out.kills += killer.done
        out.seconds = time.perf_counter() - begun
    stack.drain()
    read_back(out, day)
    return out


def submit(commands: list[cmd.Command], *, at_ms: int | None) -> None:
    """Write commands to the journal, and return when all have their outcome."""
    for command in commands:
        login = getattr(command, "login", 0)
        if login:
            services.submit(command, login=login, caller=services.Caller(wait_s=0, at_ms=at_ms))
        else:
            services.submit_to_all(command, caller=services.Caller(wait_s=0, at_ms=at_ms))
    end = time.monotonic() + LIMIT_S
    while Command.objects.filter(status="pending").exists():
        if time.monotonic() > end:
            raise TimeoutError("the desks do not answer")
        time.sleep(0.02)


def wait_until_read() -> None:
    """Return when every desk has read the stream to its end."""
    last = bus.client().xinfo_stream(bus.TICKS)["last-generated-id"]
    end = time.monotonic() + LIMIT_S
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM dealing_engineshard WHERE tick_cursor = %s", (last,))
            if cursor.fetchone()[0] == shard_count():
                return
            if time.monotonic() > end:
                raise TimeoutError("the desks do not read")
            time.sleep(0.005)


def split(path: Path, sizes: list[int], folder: Path) -> list[Path]:
    """Cut the file into parts of so many quotes each; a single part is the file itself."""
    if len(sizes) == 1:
        return [path]
    lines = quotes(path)
    files = []
    for place, size in enumerate(sizes):
        file = folder / f"part{place}.csv"
        with file.open("w", encoding="utf-8") as out:
            out.write("time,symbol,bid,ask\n")
            for symbol, bid, ask, time_ms in islice(lines, size):
                moment = EPOCH + timedelta(milliseconds=time_ms)
                out.write(f"{moment.isoformat(timespec='milliseconds')},{symbol},{bid},{ask}\n")
        files.append(file)
    return files


class Killer:
    """Kills desks while a feed runs, each time at a place of chance among the ticks to come."""

    def __init__(self, stack: Scratch, times: int, chance: random.Random, quotes: int) -> None:
        self.stack = stack
        self.done = 0
        self.chance = chance
        begun = ticks_read() if times else 0
        # The end of the part is left alone, so that all of them come before it is over.
        self.places = sorted(begun + chance.randrange(max(quotes * 9 // 10, 1)) for _ in range(times))

    def act(self) -> None:
        """Kill a desk if the next place has been reached."""
        if self.done < len(self.places) and ticks_read() >= self.places[self.done]:
            self.stack.kill_desk(self.chance.randrange(self.stack.shards))
            self.done += 1


def ticks_read() -> int:
    """Return how many ticks the first shard has committed."""
    total: int = TickCount.objects.filter(shard=0).aggregate(total=Sum("ticks", default=0))["total"]
    return total


def feed(stack: Scratch, file: Path, killer: Killer) -> str:
    """Replay a file through a feed process as fast as the desks take it, and return its report."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "feed", "replay", str(file), "--max"],
        cwd=ROOT, env=stack.variables(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while process.poll() is None:
        killer.act()
        time.sleep(0.02)
    told = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise RuntimeError(f"the feed ended with status {process.returncode}:\n{told}")
    return told


def read_back(out: Stacked, day: Workload) -> None:
    """Read everything that counts from the rows."""
    poison = PoisonItem.objects.first()
    if poison is not None:
        raise RuntimeError(f"{poison.kind} {poison.reference} was put aside: {poison.error}")
    out.deals = {row["login"]: [] for row in day.accounts}
    for deal in Deal.objects.order_by("ticket").iterator():
        out.deals[deal.login].append(_facts(deal))
    shard0 = TickCount.objects.filter(shard=0)
    out.counts = {row.cause: row.ticks for row in shard0}
    asked = Command.objects.filter(Q(login__isnull=False) | Q(shard=0))  # what concerns all has a row a shard
    own = ("AdvanceTime", "BookAgentCommission")  # of the drain, and between shards
    for code in asked.exclude(name__in=own).values_list("code", flat=True):
        name = code or "done"
        out.codes[name] = out.codes.get(name, 0) + 1
    for batch in EngineBatch.objects.exclude(state_hash="").order_by("seq"):
        out.hashes[batch.shard] = batch.state_hash
    skipped = {"gen", "mark_seq", "last_rate", "last_rate_exact", "created_at", "id"}
    tables: dict[str, Callable[[], Any]] = {
        "orders": lambda: Order.objects.order_by("ticket"),
        "positions": lambda: Position.objects.order_by("ticket"),
        "deals": lambda: Deal.objects.order_by("ticket"),
        "plans": lambda: SmartOrder.objects.order_by("id"),
        "levels": lambda: SmartLevel.objects.order_by("smart_id", "number"),
        "ledger": lambda: LedgerEntry.objects.order_by("login", "seq"),
    }
    for name, rows in tables.items():
        out.end[name] = [{k: v for k, v in row.items() if k not in skipped} for row in rows().values()]


def _units(text: Any, digits: int) -> int | None:
    if text is None:
        return None
    value = Fraction(plain(text)) * 10**digits
    if value.denominator != 1:
        raise ValueError(f"{text} has more than {digits} decimals")
    return value.numerator


def _facts(deal: Deal) -> dict[str, Any]:
    """Return a deal as `alone.deal_facts` does."""
    money = 2
    opened = deal.open_price_exact
    return {
        "symbol": deal.symbol, "side": deal.side, "direction": deal.direction,
        "volume": int(Fraction(plain(deal.volume)) * VOLUME_SCALE), "price": _units(deal.price, deal.digits),
        "requested_price": _units(deal.requested_price, deal.digits), "time_ms": ms_of(deal.time),
        "reason": deal.reason, "profit": _units(deal.profit, money), "fees": _units(deal.fees, money),
        "swap": _units(deal.swap, money), "open_price": None if opened is None else str(Fraction(opened)),
    }  # fmt: skip


def latencies(stack: Scratch, day: Workload, ticks: list[tuple[str, str, str]], *, rate: int) -> list[float]:
    """Return, in ms and rising, how long each deal took from the stream's taking its tick to its commit.

    The market goes back to where the day opened, orders with near levels are placed, and the ticks are sent one
    an entry, `rate` a second, with times after the day's end.
    """
    stack.serve()
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(clock_ms), max(seq) FROM dealing_engineshard")
        clock_ms, seq = cursor.fetchone()
    for symbol, bid, ask, _ in day.opening:
        bus.client().xadd(bus.TICKS, {"d": f"{symbol},{bid},{ask},{clock_ms}"})
    wait_until_read()
    maker = Maker(day.file.symbols)
    logins = [account["login"] for account in day.accounts]
    orders = [maker.near_order(logins[n % len(logins)], n) for n in range(LATENCY_ORDERS)]
    submit(list(orders), at_ms=None)
    begun = time.perf_counter()
    for number, (symbol, bid, ask) in enumerate(ticks):
        early = number / rate - (time.perf_counter() - begun)
        if early > 0:
            time.sleep(early)
        bus.client().xadd(bus.TICKS, {"d": f"{symbol},{bid},{ask},{clock_ms + number}"})
    wait_until_read()
    found = []
    for batch in EngineBatch.objects.filter(seq__gt=seq, deals__gt=0).exclude(last_tick=""):
        taken_ms = int(batch.last_tick.split("-")[0])
        found += [batch.at.timestamp() * 1000 - taken_ms] * batch.deals
    return sorted(found)
