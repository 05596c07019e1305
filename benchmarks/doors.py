"""`python -m benchmarks.doors`: how fast the doors are, on servers of its own.

    --sockets N   that many WebSocket clients of one daphne, all quotes at five updates a second (default 1000)
    --rate N      market orders a second over REST, each answered after its commit (default 100)
    --seconds S   length of each measurement (default 15)

Prints p50 and p99 of tick to client (coalescing included) and of order to answer, and what daphne needed.
The clients run on the same machine and take their share of it.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
from websockets.asyncio.client import ClientConnection, connect

from tests.api.world import Client, World, with_database
from tradingdesk.temporary import temporary_services

SOCKETS_A_USER = 20
SYMBOLS = ("BTCUSDT", "ETHUSDT", "EURUSD", "XAUUSD")
TICKS_A_SECOND = 5
ORDER_CALLERS = 16
OPEN_AT_ONCE = 25


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


async def read_quotes(opened: ClientConnection, lags: list[float], until_s: float) -> int:
    """Read until the time is over; note how old each frame's newest quote was. Return the frames."""
    frames = 0
    while (left := until_s - time.monotonic()) > 0:
        try:
            frame = json.loads(await asyncio.wait_for(opened.recv(), left))
        except TimeoutError:
            break
        if frame["type"] == "quotes":
            frames += 1
            lag = time.time() - max(quote[2] for quote in frame["quotes"].values()) / 1000
            if frames > 1:  # the first holds the last quotes, however old
                lags.append(lag)
    return frames


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

    async def opened(ticket: str) -> ClientConnection:
        async with gate:
            url = f"ws://127.0.0.1:{world.port}/ws/?ticket={ticket}"
            socket = await connect(url, compression=None, proxy=None, ping_interval=None, open_timeout=60)
            await socket.send('{"op": "subscribe", "channel": "quotes", "symbols": "*"}')
            return socket

    started = time.monotonic()
    sockets = await asyncio.gather(*(opened(ticket) for ticket in tickets[:count]))
    print(f"{count} sockets opened in {time.monotonic() - started:.1f} s")
    daphne = world.processes["daphne"].pid
    feed = threading.Thread(target=move_market, args=(world, seconds + 1), daemon=True)
    feed.start()
    await asyncio.sleep(1)
    lags: list[float] = []
    before, until_s = cpu_seconds(daphne), time.monotonic() + seconds
    frames = await asyncio.gather(*(read_quotes(socket, lags, until_s) for socket in sockets))
    used = cpu_seconds(daphne) - before
    print(percentiles(f"tick to client, {count} sockets", lags))
    each = sum(frames) / count / seconds
    print(f"{each:.2f} frames a second and socket; daphne used {used / seconds:.0%} of a core")
    await asyncio.gather(*(socket.close() for socket in sockets))
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
    start = time.monotonic() + 0.5
    total = int(rate * seconds)

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

    callers = [
        threading.Thread(target=caller, args=(number, world.client())) for number in range(ORDER_CALLERS)
    ]
    parts = {part: world.processes[part].pid for part in ("daphne", "desk")}
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
    name = f"doors_bench_{os.getpid()}"
    with temporary_services(durable=True), tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(
            "SECRET_KEY", "a key of a benchmark, which guards nothing that anyone could want"
        )
        os.environ.setdefault("DESK_DATA", folder)
        admin_url = os.environ["DATABASE_URL"]
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        world = World(
            folder=Path(folder),
            database_url=with_database(admin_url, name),
            redis_url=with_database(os.environ["REDIS_URL"], "8"),
        )
        try:
            world.run("manage.py", "migrate", "--verbosity", "0")
            world.logins = json.loads(world.run("-m", "tests.api.seed"))
            world.start_desk()
            world.start_daphne()
            world.usual_market()
            if asked.rate:
                measure_orders(world, asked.rate, asked.seconds)
            if asked.sockets:
                asyncio.run(measure_sockets(world, asked.sockets, asked.seconds))
        finally:
            world.close()
            with psycopg.connect(admin_url, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
