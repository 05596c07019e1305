"""`python -m benchmarks.attack`: what an order takes while somebody attacks the doors, on servers of its own.

    --seconds S      length of each measurement (default 60)
    --only KINDS     some of the attacks, by their names in benchmarks/attackers.py
    --addresses N    every attack from so many addresses instead of its own number
    --json FILE      the figures, there as well as on the screen

Market orders go at 20 a second by token from 127.0.0.2 to one web process with its usual limits; each counts from the
moment at which it was due. Before each attack the same requests go to an idle process beside it: what that changes
is the machine's, which attackers and desk share here. Everything stays on 127.0.0.0/8. The goal is a p99 of at most three
times that without an attack.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.api import cpu_seconds
from benchmarks.attackers import KINDS
from tests.api.world import Client, World
from tests.stack import ROOT
from tradingdesk.embedded import free_port
from tradingdesk.temporary import temporary_services

RATE = 20
CALLERS = 10
ATTACKERS = 20
ORDER_ADDRESS = "127.0.0.2"
LEAD_S = 1.0  # an attack runs before its first order counts
GOAL = 3.0
CANDLES = """
INSERT INTO markets_candle (symbol, interval, time, open, high, low, close, ticks)
SELECT 'EURUSD', '1m', date_trunc('minute', now()) - make_interval(mins => n), 1.1, 1.2, 1.0, 1.1, 60
FROM generate_series(1, 5000) AS n ON CONFLICT DO NOTHING
"""


@dataclass
class Figures:
    """What orders took, in ms, and what the attackers were told."""

    name: str
    p50: float
    p99: float
    most: float
    orders: int
    failed: int
    web_share: float  # of a core, the web process
    told: dict[str, int] = field(default_factory=dict)


class Orders:
    """Callers that place orders at a steady pace."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.callers = [world.client() for _ in range(CALLERS)]

    def measure(self, name: str, seconds: float) -> Figures:
        """Place orders for so long and return what they took."""
        took: list[float] = []
        failed: list[Any] = []
        total = int(RATE * seconds)
        start = time.monotonic() + 0.2
        web = self.world.pid("daphne")
        before = cpu_seconds(web)

        def call(number: int, caller: Client) -> None:
            connection = HTTPConnection(
                "127.0.0.1", self.world.port, timeout=30, source_address=(ORDER_ADDRESS, 0)
            )
            sent = {"Authorization": f"Bearer {caller.token}", "Content-Type": "application/json"}
            body = json.dumps({"symbol": "EURUSD", "type": "buy", "volume": "0.01"})
            for place in range(number, total, CALLERS):
                due = start + place / RATE
                time.sleep(max(0.0, due - time.monotonic()))
                connection.request("POST", "/api/v1/orders/", body, sent)
                answer = connection.getresponse()
                said = answer.read()
                if answer.status != 201:
                    failed.append((answer.status, said[:200]))
                took.append((time.monotonic() - due) * 1000)
            connection.close()

        threads = [threading.Thread(target=call, args=pair) for pair in enumerate(self.callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            print(f"{name}: {len(failed)} orders failed, the first: {failed[0]}")
        cuts = statistics.quantiles(took, n=100)
        share = (cpu_seconds(web) - before) / seconds
        return Figures(name, cuts[49], cuts[98], max(took), len(took), len(failed), share)


def attacked(orders: Orders, kind: str, port: int, seconds: float, asked: dict[str, Any]) -> Figures:
    """Return the figures of orders while an attack goes to a port."""
    attacker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.attackers", kind, str(port), str(seconds + 2 * LEAD_S)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert attacker.stdin is not None and attacker.stdout is not None
    try:
        attacker.stdin.write(json.dumps(asked))
        attacker.stdin.close()
        time.sleep(LEAD_S)
        figures = orders.measure(kind, seconds)
        told = attacker.stdout.read()
        if attacker.wait(30) != 0:
            raise SystemExit(f"the attackers of {kind} failed")
        figures.told = json.loads(told)
        return figures
    finally:
        attacker.kill()
        attacker.wait()


def measure_all(world: World, kinds: list[str], seconds: float, addresses: int) -> dict[str, Any]:
    """Return the figures without and with each attack."""
    orders = Orders(world)
    tokens = [world.client().token for _ in range(ATTACKERS)]
    asked = {"tokens": tokens, "addresses": addresses}
    sink_port = free_port()
    orders.measure("warm", min(3.0, seconds))
    alone = orders.measure("none", seconds)
    show(alone, None, alone)
    rows = []
    for kind in kinds:
        sink = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.attackers", "sink", str(sink_port), str(seconds + 30)],
            cwd=ROOT,
        )
        try:
            time.sleep(0.5)
            beside = attacked(orders, kind, sink_port, seconds, asked)
        finally:
            sink.kill()
            sink.wait()
        figures = attacked(orders, kind, world.port, seconds, asked)
        rows.append({"attack": asdict(figures), "sink": asdict(beside), "ratio": figures.p99 / alone.p99})
        show(figures, beside, alone)
        time.sleep(LEAD_S)
        world.usual_market()
    return {"seconds": seconds, "alone": asdict(alone), "attacks": rows}


def show(figures: Figures, beside: Figures | None, alone: Figures) -> None:
    """Print a row of the table."""
    title = KINDS[figures.name].title if figures.name in KINDS else "no attack"
    row = f"| {title} | {figures.p50:.1f} | {figures.p99:.1f} | {figures.p99 / alone.p99:.1f} |"
    row += f" {beside.p50:.1f} | {beside.p99:.1f} |" if beside else " | |"
    print(f"{row} {figures.web_share:.0%} | {json.dumps(figures.told)} |", flush=True)


def main(argv: list[str]) -> int:
    """Measure and print; return 1 where an order failed or the goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--addresses", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(argv)
    with temporary_services(durable=True), tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(
            "SECRET_KEY", "a key of a benchmark, which guards nothing that anyone could want"
        )
        with World(folder=Path(folder), durable=True, environment={}, after_seed=CANDLES) as world:
            print(
                "| attack | p50 ms | p99 ms | times alone | p50, sink | p99, sink | web, of a core | answers |"
            )
            print("|---|---|---|---|---|---|---|---|")
            found = measure_all(world, asked.only, asked.seconds, asked.addresses)
    text = json.dumps(found, indent=1)
    print(text)
    if asked.json:
        asked.json.write_text(text)
    failed = [row for row in found["attacks"] if row["attack"]["failed"] or row["ratio"] > GOAL]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
