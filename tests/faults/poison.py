"""Poison: exceptions of random classes at every seam of the path, and random bytes in the stream and the journal.

The desks are told a seed (`DESK_POISON`): of every so many items one raises, always at the same seam and always the
same, and every seam raises in passing now and then. Which items those are is computed here from the same seed, so
that it is known what has to be put aside, and that nothing else may be. Beside them come entries and rows of random
bytes. Promises of the run: trading never stands still for longer than `STOP_LIMIT_S`, nothing is lost, nothing acts
twice, the audit is clean, and each poisonous item is put aside exactly once.
"""

import json
import os
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

from django.db import connection

from accounts.setup import put_accounts, put_groups
from dealing import bus, services
from dealing.failpoints import Poison
from markets.setup import put_symbols
from tests.faults import checks
from tests.faults.rounds import hashes
from tests.faults.world import World

STOP_LIMIT_S = 2.0
ACCOUNTS = 200
ONE_IN = 60  # items, of which one is poisonous
PASSINGS = 3_000  # of any seam, of which one raises
PAUSE_S = 0.02
GARBAGE_IN = 12  # turns, of which one throws random bytes
WAITING_MOST = 60  # commands that may wait before more is sent


@dataclass
class Thrown:
    """What was sent, and what has to come of it."""

    poison: Poison
    orders: list[int] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)  # entries
    garbage_rows: list[int] = field(default_factory=list)
    garbage_entries: int = 0
    garbage_keys: set[str] = field(default_factory=set)  # of entries that the seed draws as poisonous besides
    poisoned: set[str] = field(default_factory=set)
    loads: list[float] = field(default_factory=list)  # seconds
    begun_at: float = 0.0

    def take(self, key: str) -> None:
        """Keep an item that is poisonous."""
        if self.poison.seam_of(key):
            self.poisoned.add(key)

    @property
    def number(self) -> int:
        """Return how much poison there was."""
        return len(self.poisoned) + len(self.garbage_rows) + self.garbage_entries


def prepare(world: World, positions: int) -> None:
    """Open the positions under a desk that is not poisoned, and let it drain."""
    world.empty()
    connection.close()
    put_symbols([{"name": "EURUSD"}, {"name": "GBPUSD"}])
    put_groups([{"name": "retail", "leverage": 500}])
    logins = range(1001, 1001 + ACCOUNTS)
    put_accounts([{"login": login, "group": "retail"} for login in logins])
    for login in logins:
        services.balance_operation(login, "deposit", "10000000", caller=services.Caller(wait_s=0))
    bus.forget_clients()
    bus.client().xadd("ticks", {"d": f"EURUSD,1.10000,1.10010,{time.time_ns() // 1_000_000}"})
    world.start("desk-a", ["manage.py", "desk"])
    world.until(lambda: world.sql("SELECT 1 FROM markets_quote WHERE symbol = 'EURUSD'"), "a quote")
    for number in range(positions):
        services.place_order(
            1001 + number % ACCOUNTS,
            symbol="EURUSD",
            type="buy",
            volume="0.01",
            sl="0.90000",
            tp="1.30000",
            caller=services.Caller(wait_s=0),
        )
        if number % 200 == 0:
            bus.client().xadd("ticks", {"d": f"EURUSD,1.10000,1.10010,{time.time_ns() // 1_000_000}"})
    settle(world, limit_s=600.0)  # ticks as well: what is left would count as thrown
    world.stop_parts()
    found = world.sql("SELECT count(*) FROM positions_position WHERE status = 'open'")
    if found[0][0] != positions:
        codes = world.sql("SELECT code, count(*) FROM dealing_command GROUP BY 1")
        raise RuntimeError(f"{found[0][0]} positions are open, {positions} were asked for; outcomes {codes}")


def throw(world: World, thrown: Thrown, wanted: int, chance: random.Random, deadline: float) -> None:
    """Let orders, prices and poison stream until there was as much poison as is wanted."""
    client = bus.client()
    points, turn = 110_000, 0
    while thrown.number < wanted and time.monotonic() < deadline:
        turn += 1
        points += chance.randint(-20, 20)
        when = time.time_ns() // 1_000_000
        text = f"EURUSD,{points // 100_000}.{points % 100_000:05d},{(points + 10) // 100_000}.{(points + 10) % 100_000:05d}"
        entry = str(client.xadd("ticks", {"d": f"{text},{when}"}))
        thrown.ticks.append(entry)
        thrown.take(f"tick {entry}:0")
        if turn % 2:
            login = 1001 + chance.randrange(ACCOUNTS)
            asked = services.place_order(
                login, symbol="EURUSD", type="buy", volume="0.01", caller=services.Caller(wait_s=0)
            )
            thrown.orders.append(asked.command_id)
            thrown.take(f"command {asked.command_id}")
        if chance.randrange(GARBAGE_IN) == 0:
            _throw_bytes(world, thrown, chance)
        world.rest(PAUSE_S)
        while turn % 10 == 0 and _waiting(world) > WAITING_MOST:
            world.rest(PAUSE_S)


def _throw_bytes(world: World, thrown: Thrown, chance: random.Random) -> None:
    """Put something random into the stream or the journal."""
    if chance.randrange(2):
        name = chance.choice([b"d", b"\xff", b"d\x00"])
        text = chance.randbytes(chance.choice([0, 1, 9, 200, 70_000])).replace(b"\n", b"")
        key = f"tick {bus.client().xadd('ticks', {name: text})}:0"
        thrown.garbage_entries += 1
        if thrown.poison.seam_of(key):
            thrown.garbage_keys.add(key)
        return
    name = chance.choice(
        ["PlaceOrder", "CancelOrder", "EndDay", "ChangeSettings", "Nonsense", "", "BalanceOperation"]
    )
    payload = chance.choice(
        ["[]", "null", "7", '"text"', "[" * 4000 + "]" * 4000, '{"login": 1' + "0" * 4500 + "}", '{"login": [{}]}',
         json.dumps({"login": 1001, "symbol": chance.randbytes(8).decode("latin-1").replace("\0", ""), "type": "buy",
                     "volume": {}, "comment": "\U0001f4a3" * 500}),
         json.dumps({chance.randbytes(3).hex(): chance.random()})]
    )  # fmt: skip
    found = world.sql(
        "INSERT INTO dealing_command (shard, login, name, payload, ticket, smart, actor, status, code, message,"
        " created_at) VALUES (0, 1001, %s, %s::jsonb, 0, 0, '', 'pending', '', '', clock_timestamp()) RETURNING id",
        (name, payload),
    )
    thrown.garbage_rows.append(found[0][0])
    bus.client().xadd(bus.wake_key(0), {b"\xfe": chance.randbytes(20), b"q": chance.randbytes(30)})


def _waiting(world: World) -> int:
    rows = world.sql("SELECT count(*) FROM dealing_command WHERE status = 'pending'")
    return int(rows[0][0]) if rows else 1


def settle(world: World, limit_s: float = 300.0) -> None:
    """Wait until all is answered and read."""

    def quiet() -> bool:
        place = world.sql("SELECT tick_cursor FROM dealing_engineshard WHERE shard = 0")
        last = bus.stream_client().xrevrange("ticks", count=1)
        return _waiting(world) == 0 and bool(place) and place[0][0] == last[0][0].decode()

    world.until(quiet, "the end of what was asked", limit_s=limit_s)


def stops(thrown: Thrown) -> list[float]:
    """Return the seconds between one commit and the next under way, the longest last."""
    found = checks.rows(
        "SELECT extract(epoch FROM at - lag(at) OVER (ORDER BY seq))::float FROM dealing_enginebatch"
        " WHERE at > to_timestamp(%s) ORDER BY seq",
        thrown.begun_at,
    )
    return sorted(gap for (gap,) in found[1:] if gap is not None)


def loads(world: World) -> list[float]:
    """Return the seconds that each load of the book took since the poison began, as the desks told them."""
    texts = [path.read_text(errors="replace") for path in sorted(world.logs.glob("desk-*.log"))]
    return [
        float(seconds) for text in texts for seconds in re.findall(r"book loaded .*\bseconds=([\d.]+)", text)
    ]


def judge(thrown: Thrown) -> list[str]:
    """Return every breach."""
    found: list[str] = []
    aside = Counter(
        f"{kind} {reference}"
        for kind, reference in checks.rows("SELECT kind, reference FROM dealing_poisonitem")
    )
    for key in sorted(thrown.poisoned):
        if aside.pop(key, 0) != 1:
            found.append(
                f"{key} is poisonous at {thrown.poison.seam_of(key)} and was not put aside exactly once"
            )
    rows = {f"command {number}" for number in thrown.garbage_rows} | thrown.garbage_keys
    for key, times in aside.items():
        if key not in rows or times > 1:
            found.append(f"{key} was put aside {times} times and is not poisonous")
    codes = dict(checks.rows("SELECT id, code FROM dealing_command WHERE status = 'done'"))
    for number in thrown.orders:
        expected = "internal_error" if f"command {number}" in thrown.poisoned else ""
        if codes.get(number) != expected:
            found.append(f"order {number} has the code {codes.get(number)!r}, not {expected!r}")
    unanswered = [number for number in thrown.garbage_rows if number not in codes]
    found += [f"row {number} has no answer" for number in unanswered]
    ticks = checks.rows("SELECT coalesce(sum(ticks), 0) FROM dealing_enginebatch")[0][0]
    sent = len(thrown.ticks) + thrown.garbage_entries
    before = checks.rows(
        "SELECT coalesce(sum(ticks), 0) FROM dealing_enginebatch WHERE at <= to_timestamp(%s)",
        thrown.begun_at,
    )[0][0]
    if ticks - before != sent:
        found.append(f"{ticks - before} ticks were consumed, {sent} were sent")
    history, _ = checks.history_of(_NoLog())
    fenced = [
        line for line in checks.fenced(history) if " was put aside: " not in line and "stands at" not in line
    ]
    return [*found, *fenced, *checks.effects(), *checks.triggers_once(), *checks.audited()]


class _NoLog:
    """A log that knows of no ticks: their places are judged above."""

    ticks: list[object] = []


def play(wanted: int, positions: int, seed: int, deadline: float) -> tuple[Thrown, list[str], list[float]]:
    """Play it and return what was thrown, the breaches, and the pauses between commits."""
    words = f"{seed}:{ONE_IN}"
    with World() as world:
        prepare(world, positions)
        thrown = Thrown(Poison(words), begun_at=time.time())
        # Poison costs loads: where they are slow, ticks wait longer than a gap may be, and passing over them is not judged here.
        told = {"LOG_LEVEL": "INFO"}  # so that loads are told
        world.start_pair(DESK_POISON=f"{words}:{PASSINGS}", DESK_GAP_LIMIT_S="0", **told)
        world.until(world.owner, "a poisoned desk")
        thrown.begun_at = time.time()
        throw(world, thrown, wanted, random.Random(seed), deadline)
        settle(world)
        paused = stops(thrown)
        thrown.loads = loads(world)
        left = hashes(world)
        connection.close()
        breaches = judge(thrown)
        if len(set(left)) != 1 or not left[0]:
            breaches.append(f"state recorded and recovered differ: {left}")
        if paused and paused[-1] > STOP_LIMIT_S:
            late = sum(gap > STOP_LIMIT_S for gap in paused)
            breaches.append(
                f"trading stood still {late} times, {paused[-1]:.2f} s the longest, {STOP_LIMIT_S} s are allowed"
            )
        if breaches and os.environ.get("FAULTS_KEEP"):
            print(world.said())
        connection.close()
    return thrown, breaches, paused
