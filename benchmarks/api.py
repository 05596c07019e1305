"""`python -m benchmarks.api`: how quick REST and WebSockets are, on servers of its own.

    --web N          so many web processes behind one port (default 1)
    --rate N ...     market orders a second over REST, each answered after its commit (default 100 150; 0: none)
    --sockets N      that many WebSocket clients, all quotes at five updates a second (default 1000)
    --seconds S      length of each measurement (default 15)
    --json FILE      the same figures for programs

Prints p50 and p99 of orders from when each was due to its answer, over REST and before that by the same services without
HTTP from as many processes; of tick to client (coalescing included); and what the web processes needed. The exit status is
1 where an order was not placed. The clients run on the same machine and take their share of it.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.paced import paced
from benchmarks.readers import Lags, Reader
from tests.api.world import World
from tests.stack import ROOT
from tradingdesk.temporary import temporary_services

SOCKETS_A_USER = 20
SYMBOLS = ("BTCUSDT", "ETHUSDT", "EURUSD", "XAUUSD")
TICKS_A_SECOND = 5
ORDER_CALLERS = 16
ORDER = {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}
OPEN_AT_ONCE = 25
OPEN_WITHIN_S = 60.0
SETTLE_S = 1.0
SUBSCRIBE = '{"op": "subscribe", "channel": "quotes", "symbols": "*"}'


def percentiles(name: str, seconds: list[float]) -> str:
    """Return a line with p50 and p99 in ms."""
    if len(seconds) < 100:
        return f"{name}: {len(seconds)} samples are too few"
    cuts = statistics.quantiles(seconds, n=100)
    return f"{name}: p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, {len(seconds):,} samples"


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- sockets ----


async def measure_sockets(world: World, count: int, seconds: float) -> None:
    """Open the sockets, let the market move, and print how late its quotes came."""
    logins = world.logins["hedging"]
    clients = [
        world.client_of(logins[number // SOCKETS_A_USER]) for number in range(0, count, SOCKETS_A_USER)
    ]
    tickets = [
        client.post("/api/v1/ws-ticket/").body["ticket"] for client in clients for _ in range(SOCKETS_A_USER)
    ]
    gate = asyncio.Semaphore(OPEN_AT_ONCE)
    lags = Lags()

    async def opened(ticket: str) -> Reader:
        async with gate:
            _, reader = await asyncio.get_running_loop().create_connection(
                lambda: Reader(f"/ws/?ticket={ticket}", f"127.0.0.1:{world.port}", SUBSCRIBE, lags.note),
                "127.0.0.1",
                world.port,
            )
            await asyncio.wait_for(reader.ready, OPEN_WITHIN_S)
            return reader

    started = time.monotonic()
    readers = await asyncio.gather(*(opened(ticket) for ticket in tickets[:count]))
    print(f"{count} sockets opened in {time.monotonic() - started:.1f} s")
    webs = [world.pid(name) for name in world.webs]
    feed = threading.Thread(target=move_market, args=(world, seconds + SETTLE_S), daemon=True)
    feed.start()
    await asyncio.sleep(SETTLE_S)
    had, before = sum(reader.frames for reader in readers), sum(map(cpu_seconds, webs))
    lags.counting = True
    await asyncio.sleep(seconds)
    used, frames = sum(map(cpu_seconds, webs)) - before, sum(reader.frames for reader in readers) - had
    print(percentiles(f"tick to client, {count} sockets", lags.seconds))
    each = frames / count / seconds
    print(f"{each:.2f} frames a second and socket; the web processes used {used / seconds:.0%} of a core")
    for reader in readers:
        reader.close()
    feed.join()


def move_market(world: World, seconds: float) -> None:
    """Send every symbol a tick five times a second."""
    end, step = time.monotonic() + seconds, 0
    with world.redis() as client:
        while time.monotonic() < end:
            step += 1
            stamp = int(time.time() * 1000)
            lines = [f"{name},1{step % 90 + 10}.00,1{step % 90 + 10}.05,{stamp}" for name in SYMBOLS]
            client.xadd("ticks", {"d": "\n".join(lines)})
            time.sleep(1 / TICKS_A_SECOND)


# ---- orders ----


def measure_orders(world: World, rate: float, seconds: float) -> dict[str, Any]:
    """Send market orders at a steady pace, without HTTP and over REST, and print how long each way took."""
    world.usual_market()
    direct = without_http(world, rate, seconds)
    told(f"market order without HTTP, {rate:g} a second", direct)
    world.usual_market()
    rest = over_rest(world, rate, seconds)
    told(f"market order over REST, {rate:g} a second", rest)
    found = {"rate": rate, "direct": direct, "rest": rest, "ratio_p99": rest["p99_ms"] / direct["p99_ms"]}
    print(f"p99 over REST is {found['ratio_p99']:.2f} times that without HTTP")
    return found


def over_rest(world: World, rate: float, seconds: float) -> dict[str, Any]:
    """Return the figures of orders over REST."""
    clients = [world.client() for _ in range(ORDER_CALLERS)]  # logging in takes its time
    for client in clients:
        client.get("/api/v1/balance")
    parts = {part: world.pid(part) for part in (*world.webs, "desk-0")}
    before = {part: cpu_seconds(pid) for part, pid in parts.items()}
    took, answers = paced(
        rate, seconds, len(clients), lambda caller: str(clients[caller].post("/api/v1/orders/", ORDER).status)
    )
    used = {part: (cpu_seconds(pid) - before[part]) / len(took) * 1000 for part, pid in parts.items()}
    return {**figures(took), "answers": answers, "cpu_ms": used, "failed": len(took) - answers.get("201", 0)}


def without_http(world: World, rate: float, seconds: float) -> dict[str, Any]:
    """Return the figures of the same orders through `dealing.services`, from as many processes as serve the pages."""
    count = len(world.webs)
    logins = [str(world.client().login) for _ in range(ORDER_CALLERS)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.direct_orders", str(rate / count), str(seconds), *logins[number::count]],
            cwd=ROOT, env={**world.env, "DATABASE_POOL": "1"}, stdout=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    took: list[float] = []
    answers: Counter[str] = Counter()
    for one in started:
        said, _ = one.communicate()
        if one.returncode:
            raise SystemExit(f"orders without HTTP ended with status {one.returncode}")
        found = json.loads(said)
        took += found["took"]
        answers.update(found["states"])
    return {**figures(took), "answers": dict(answers), "failed": len(took) - answers["done"]}


def figures(took: list[float]) -> dict[str, Any]:
    """Return how many there were, with p50, p99 and the longest in ms."""
    cuts = statistics.quantiles(took, n=100)
    return {
        "orders": len(took),
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
        "longest_ms": max(took) * 1000,
    }


def told(name: str, found: dict[str, Any]) -> None:
    """Print a line of figures, what was answered, and the CPU time of each part."""
    print(
        f"{name}: p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms, longest {found['longest_ms']:.0f} ms; "
        + ", ".join(f"{count:,} x {answer}" for answer, count in sorted(found["answers"].items()))
    )
    for part, used in found.get("cpu_ms", {}).items():
        print(f"{part} used {used:.1f} ms of a core an order")


def main(argv: list[str]) -> int:
    """Measure and print; return 0 when every order was placed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__.split("\n")[0])
    parser.add_argument("--web", type=int, default=1)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rate", type=float, nargs="+", default=[100, 150])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(argv)
    load = os.getloadavg()[0]
    print(f"{asked.web} web processes, {os.cpu_count()} cores, load {load:.1f}")
    orders = []
    with temporary_services(durable=True), tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(
            "SECRET_KEY", "a key of a benchmark, which guards nothing that anyone could want"
        )
        with World(folder=Path(folder), durable=True, webs=asked.web) as world:
            for rate in filter(None, asked.rate):
                orders.append(measure_orders(world, rate, asked.seconds))
            if asked.sockets:
                asyncio.run(measure_sockets(world, asked.sockets, asked.seconds))
    if asked.json:
        asked.json.write_text(json.dumps({"web": asked.web, "load": load, "orders": orders}, indent=1))
    return 1 if any(found[way]["failed"] for found in orders for way in ("direct", "rest")) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
