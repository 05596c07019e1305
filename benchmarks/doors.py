"""`python -m benchmarks.doors`: how fast the doors are, on servers of its own.

    --sockets N   that many WebSocket clients of one daphne, all quotes at five updates a second (default 1000)
    --rate N      market orders a second over REST, each answered after its commit (default 100)
    --seconds S   length of each measurement (default 15)

Prints p50 and p99 of tick to client (coalescing included) and of order to answer, and what daphne needed.
The clients run on the same machine and take their share of it.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.readers import Lags, Reader
from tests.api.world import Client, World
from tradingdesk.temporary import temporary_services

SOCKETS_A_USER = 20
SYMBOLS = ("BTCUSDT", "ETHUSDT", "EURUSD", "XAUUSD")
TICKS_A_SECOND = 5
ORDER_CALLERS = 16
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
    daphne = world.pid("daphne")
    feed = threading.Thread(target=move_market, args=(world, seconds + SETTLE_S), daemon=True)
    feed.start()
    await asyncio.sleep(SETTLE_S)
    had, before, lags.counting = sum(reader.frames for reader in readers), cpu_seconds(daphne), True
    await asyncio.sleep(seconds)
    used, frames = cpu_seconds(daphne) - before, sum(reader.frames for reader in readers) - had
    print(percentiles(f"tick to client, {count} sockets", lags.seconds))
    each = frames / count / seconds
    print(f"{each:.2f} frames a second and socket; daphne used {used / seconds:.0%} of a core")
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


def measure_orders(world: World, rate: int, seconds: float) -> None:
    """Send market orders at a steady pace from several callers and print how long each took."""
    world.usual_market()
    took: list[float] = []
    lock = threading.Lock()
    total = int(rate * seconds)
    clients = [world.client() for _ in range(ORDER_CALLERS)]  # logging in takes its time
    for client in clients:
        client.get("/api/v1/balance")
    start = time.monotonic() + 0.5

    def caller(number: int, client: Client) -> None:
        body = {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}
        for place in range(number, total, ORDER_CALLERS):
            time.sleep(max(0.0, start + place / rate - time.monotonic()))
            sent = time.monotonic()
            answer = client.post("/api/v1/orders/", body)
            if answer.status != 201:
                raise SystemExit(f"an order was answered {answer.status}: {answer.body}")
            with lock:
                took.append(time.monotonic() - sent)

    callers = [threading.Thread(target=caller, args=pair) for pair in enumerate(clients)]
    parts = {part: world.pid(part) for part in ("daphne", "desk-0")}
    before = {part: cpu_seconds(pid) for part, pid in parts.items()}
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    print(percentiles(f"market order over REST, {rate} a second", took))
    for part, pid in parts.items():
        print(f"{part} used {(cpu_seconds(pid) - before[part]) / total * 1000:.1f} ms of a core an order")


def main(argv: list[str]) -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doors", description=__doc__.split("\n")[0])
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args(argv)
    with temporary_services(durable=True), tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(
            "SECRET_KEY", "a key of a benchmark, which guards nothing that anyone could want"
        )
        with World(folder=Path(folder), durable=True) as world:
            if asked.rate:
                measure_orders(world, asked.rate, asked.seconds)
            if asked.sockets:
                asyncio.run(measure_sockets(world, asked.sockets, asked.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
