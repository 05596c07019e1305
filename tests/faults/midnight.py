"""Midnight: the desk's worker is killed around a day end and stays down across it, and nobody's figures may show it.

Hedging and netting accounts in three currencies hold positions whose swaps are of several modes, and day orders. Prices
go on all the while; they are near each other, so that nothing triggers. Before the night a second engine is loaded from the
same rows, in memory: it gets the same ticks at the same moments and never dies. What the two have afterwards has to be
the same: balances, the swap of each position, how day orders ended and when, the rows that the day end keeps. What was
asked while the desk was away acts after the day end. The moment of the day end is written into the shard's row while no
desk runs; the server's own day end, half a day away, is the one after it.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
from django.db import connection

from accounts.setup import put_accounts, put_groups
from dealing import bus, services, shard_book
from dealing.lease import Lease
from dealing.ticks import ticks_of
from engine.events import AccountDayEnded, DealMade
from engine.settings import currency_digits
from markets.models import Server
from markets.setup import put_symbols
from tests.faults import checks
from tests.faults.world import Stuck, World

DAY_MS = 86_400_000
#: Symbols, the price that each stays near (points), and its digits.
MIDS = {"EURUSD": (110_000, 5), "GBPUSD": (127_000, 5), "USDJPY": (150_000, 3), "AUDUSD": (66_000, 5), "NZDUSD": (60_000, 5)}  # fmt: skip
SPREAD = 10
GROUPS = (
    {"name": "hedging", "leverage": 200},
    {"name": "netting", "leverage": 200, "margin_mode": "netting"},
    {"name": "yen", "leverage": 200, "currency": "JPY", "spread_diff": 4},
    {"name": "euro", "leverage": 200, "currency": "EUR", "margin_mode": "netting"},
    {"name": "free", "leverage": 200, "swap_free": True},
)
LOGINS = {1001: "hedging", 1002: "hedging", 2001: "netting", 2002: "netting", 3001: "yen", 4001: "euro", 5001: "free"}  # fmt: skip
SHORT_LIMIT_S, LONG_LIMIT_S = (
    600,
    1,
)  # DESK_GAP_LIMIT_S: no absence here is longer than the first, or shorter than the other
LEAD_S = 2.0  # from a desk that serves to the day end
AGAIN_IN = (
    2  # rounds of a kind, of which in the last the desk that comes back dies as well, there or at chance
)
SHORT_PLACES = ("after_load:1", "before_commit:1", "after_commit:1")
LONG_PLACES = ("in_gap:2", "before_commit:1", "after_commit:1", "after_gap:1")
#: Redis itself gives a tick its time and its entry, in one step: whoever reads after a moment has all that came before it.
SEND = (
    "redis.replicate_commands() local t = redis.call('TIME')"
    " local ms = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))"
    " return redis.call('XADD', KEYS[1], ms .. '-' .. ARGV[2], 'd', ARGV[1] .. ',' .. ms)"
)


@dataclass
class Nights:
    """What came of the rounds of one kind."""

    is_long: bool
    asked: int
    done: int = 0
    ticks: int = 0
    missed: int = 0
    compared: int = 0
    seconds: float = 0.0
    recoveries: list[float] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return what the table calls them."""
        return f"day end, {'long' if self.is_long else 'short'} absence"


class Market:
    """Prices that walk about their places and come as long as somebody asks for them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.client = bus.client()
        self.mids = {name: mid for name, (mid, _) in MIDS.items()}
        self.number = 0

    def send(self, name: str = "") -> None:
        """Append a tick of a symbol, of any without a name."""
        name = name or self.chance.choice(list(MIDS))
        mid, digits = MIDS[name]
        self.mids[name] = max(mid - 200, min(mid + 200, self.mids[name] + self.chance.randint(-9, 9)))
        bid, ask = (Decimal(points).scaleb(-digits) for points in (self.mids[name], self.mids[name] + SPREAD))
        self.number += 1
        self.client.eval(SEND, 1, bus.TICKS, f"{name},{bid},{ask}", self.number)

    def until(self, world: World, done: Callable[[], Any], what: str) -> None:
        """Let prices come until `done`."""
        world.until(lambda: (self.send(), done())[1], what)


class Undisturbed:
    """The engine as it would have gone on: of the rows as they are now, then the ticks that came after them."""

    def __init__(self, world: World) -> None:
        with psycopg.connect(world.postgres.url, autocommit=True) as conn:
            epoch = world.epoch()
            lease = cast(Lease, SimpleNamespace(conn=conn, shard=0, epoch=epoch, row={}))
            loaded = shard_book.load(lease, shards=1)
        self.engine, self.state, self.cursor = loaded.engine, loaded.state, str(loaded.row["tick_cursor"])
        self.swaps = {ticket: position.swap for ticket, position in self.state.positions.items()}
        self.orders = dict(self.state.orders)
        self.days: list[AccountDayEnded] = []
        self.ticks = 0

    def go_on(self) -> None:
        """Take all ticks of the stream, each at its moment.

        Raises:
            Stuck: one of them traded, so that the two may differ for a good reason.
        """
        for entry, fields in bus.stream_client().xrange(bus.TICKS, f"({self.cursor}", "+"):
            for tick in ticks_of(entry.decode(), fields):
                events = self.engine.on_tick(tick.symbol, tick.bid, tick.ask, tick.time_ms)
                self.days += [event for event in events if isinstance(event, AccountDayEnded)]
                if any(isinstance(event, DealMade) for event in events):
                    raise Stuck(f"the tick {tick.place} makes a deal: {tick.raw}")
                self.ticks += 1

    def money(self, login: int, amount: int) -> Decimal:
        """Return an amount of an account as rows have it."""
        return Decimal(amount).scaleb(-currency_digits(self.state.accounts[login].currency))


def now_ms() -> int:
    """Return this machine's time."""
    return time.time_ns() // 1_000_000


def serve(world: World, limit_s: int, market: Market | None = None) -> float:
    """Start the worker and return how many seconds it took to have a desk; with prices where there is a market."""
    begun, epoch = time.monotonic(), world.epoch()
    world.start_celery(DESK_GAP_LIMIT_S=str(limit_s))
    is_there = lambda: world.epoch() > epoch and world.owner()  # noqa: E731
    if market is None:
        world.until(is_there, "a desk")
    else:
        market.until(world, is_there, "a desk")
    return time.monotonic() - begun


def kill(world: World) -> None:
    """kill -9 of the worker, its pool and beat: what is left of them is nothing."""
    for name in ("engine", "beat"):
        part = world.parts.pop(name)
        part.end_group()
        if part.process is not None:
            part.process.wait()


def settle(world: World) -> None:
    """Wait until all is answered and read.

    Raises:
        Stuck: something was refused: a night needs all that is asked.
    """

    def quiet() -> bool:
        last = bus.stream_client().xrevrange(bus.TICKS, count=1)[0][0].decode()
        place = world.sql("SELECT tick_cursor FROM dealing_engineshard WHERE shard = 0")
        waiting = world.sql("SELECT count(*) FROM dealing_command WHERE status = 'pending'")
        return bool(place and waiting) and place[0][0] == last and waiting[0][0] == 0

    world.until(quiet, "the end of what was asked")
    refused = world.sql("SELECT name, login, code, message FROM dealing_command WHERE code <> ''")
    if refused:
        raise Stuck(f"the desk refused what a night needs: {refused}")


def prepare(world: World, chance: random.Random) -> Market:
    """Write the settings, let a desk serve, and let everybody have money and positions."""
    world.empty()
    connection.close()
    bus.forget_clients()
    now = now_ms()
    triple = [1] * 7
    for day in (now // DAY_MS, now // DAY_MS + 1):
        triple[(day + 3) % 7] = 3
    put_symbols(
        [
            {"name": "EURUSD", "swap_mode": "points", "swap_long": "-7.3", "swap_short": "2.1", "swap_multipliers": triple},
            {"name": "GBPUSD", "swap_mode": "percent", "swap_long": "-3.1", "swap_short": "1.7", "swap_multipliers": [1] * 7},
            {"name": "USDJPY", "digits": 3, "swap_mode": "money_base", "swap_long": "4.4", "swap_short": "-9.9",
             "swap_multipliers": triple},
            {"name": "AUDUSD", "swap_mode": "money_deposit", "swap_long": "-2.5", "swap_short": "-1", "swap_multipliers": [1] * 7},
            {"name": "NZDUSD", "swap_mode": "percent_open", "swap_long": "2", "swap_short": "-2", "swap_multipliers": [1] * 7},
        ]
    )  # fmt: skip
    far = (now // 3_600_000 + 12) % 24
    Server.objects.update_or_create(id=1, defaults={"day_end": f"{far:02d}:00", "time_zone": "UTC"})
    put_groups(GROUPS)
    put_accounts([{"login": login, "group": group} for login, group in LOGINS.items()])
    market = Market(random.Random(chance.random()))  # of its own: how many ticks come is the machine's
    serve(world, SHORT_LIMIT_S)
    for name in MIDS:
        market.send(name)
    settle(world)
    for login in LOGINS:
        services.balance_operation(login, "deposit", "10000000", caller=services.Caller(wait_s=0))
        for name in MIDS:
            trade(chance, login, name)
    settle(world)
    return market


def trade(chance: random.Random, login: int, name: str) -> None:
    """Open a position, or add to one or take from it where the account nets."""
    side, volume = chance.choice(("buy", "sell")), f"0.{chance.randint(10, 99)}"
    services.place_order(login, symbol=name, type=side, volume=volume, caller=services.Caller(wait_s=0))


def far_order(login: int, *, expires: str | None) -> int:
    """Ask for a pending order that no price here reaches, and return its ticket."""
    asked = services.place_order(
        login,
        symbol="EURUSD",
        type="buy_limit",
        volume="0.10",
        price="1.00000",
        expires=expires,
        caller=services.Caller(wait_s=0),
    )
    return int(asked.ticket or 0)


def die_again(world: World, market: Market, chance: random.Random, nights: Nights, start_s: float) -> None:
    """Let desks come back that die while they recover: at a named place, or at chance with their worker."""
    limit_s = LONG_LIMIT_S if nights.is_long else SHORT_LIMIT_S
    place = chance.choice(("", *(LONG_PLACES if nights.is_long else SHORT_PLACES)))
    epoch, begun = world.epoch(), time.monotonic()
    world.start_celery(DESK_GAP_LIMIT_S=str(limit_s), **({"DESK_FAILPOINT": place} if place else {}))
    if place:  # who takes the shard next has found the first one dead
        market.until(world, lambda: world.epoch() > epoch + 1, f"a desk's death at {place}")
    else:
        die_at = begun + chance.uniform(0.6, 1.2) * start_s
        market.until(world, lambda: time.monotonic() >= die_at, "the moment to kill it again")
    kill(world)
    again_at = time.monotonic() + (1.6 if nights.is_long else 0.1)
    market.until(world, lambda: time.monotonic() >= again_at, "the moment to come back again")


def play_night(world: World, market: Market, chance: random.Random, nights: Nights, start_s: float) -> None:
    """Play one round, from a desk that serves to a desk that serves."""
    for name in MIDS:
        market.send(name)
    trade(chance, chance.choice(list(LOGINS)), chance.choice(list(MIDS)))
    for login in LOGINS:
        far_order(login, expires="day")
    far_order(chance.choice(list(LOGINS)), expires=None)
    settle(world)
    world.stop_parts()
    limit_s = LONG_LIMIT_S if nights.is_long else SHORT_LIMIT_S
    ends = now_ms() + int((start_s + LEAD_S) * 1000)
    world.sql("UPDATE dealing_engineshard SET day_end_ms = %s WHERE shard = 0", (ends,))
    undisturbed, gaps = Undisturbed(world), checks.rows("SELECT count(*) FROM dealing_gap")[0][0]
    serve(world, limit_s)
    near_s = chance.choice((0.1, 1.5))
    kill_at = ends + int(chance.uniform(-near_s, near_s / 3) * 1000)
    market.until(world, lambda: now_ms() >= kill_at, "the moment to kill")
    kill(world)
    away_s = chance.uniform(1.6, 4.0) if nights.is_long else chance.uniform(0.1, 1.0)
    back_at = max(ends + chance.randint(1, 500), now_ms() + int(away_s * 1000))
    market.until(world, lambda: now_ms() >= back_at, "the moment to come back")
    given = {login: Decimal(chance.randint(1, 999)) for login in LOGINS}
    for login, amount in given.items():
        services.balance_operation(login, "deposit", str(amount), caller=services.Caller(wait_s=0))
    later = [far_order(login, expires="day") for login in LOGINS]
    if nights.done % AGAIN_IN == AGAIN_IN - 1:
        die_again(world, market, chance, nights, start_s)
    nights.recoveries.append(serve(world, limit_s, market))
    settle(world)
    undisturbed.go_on()
    nights.ticks += undisturbed.ticks
    found = [*compare(undisturbed, ends, given, later, nights), *passed_over(nights, gaps), *checks.audited()]
    where = f"{nights.name}, round {nights.done + 1}, killed {kill_at - ends:+d} ms from the day end"
    nights.breaches += [f"{where}: {text}" for text in found]
    nights.done += 1


def passed_over(nights: Nights, before: int) -> Iterable[str]:
    """Check that a long absence made a gap and a short one none, so that both ways are tried."""
    found = checks.rows("SELECT cause, missed FROM dealing_gap ORDER BY id")[before:]
    nights.missed += sum(missed for _, missed in found)
    if {cause for cause, _ in found} != ({"lag"} if nights.is_long else set()):
        yield f"the absence made the gaps {found}"


def compare(
    undisturbed: Undisturbed, ends: int, given: dict[int, Decimal], later: list[int], nights: Nights
) -> Iterable[str]:
    """Hold the rows against the engine that was not disturbed, one line for each that differs."""
    state, money = undisturbed.state, undisturbed.money
    expected: dict[str, Any] = {}
    for position in state.positions.values():
        login = position.login
        expected[f"position {position.ticket} of {login}"] = (
            "open", money(login, position.swap), money(login, position.swap_booked)
        )  # fmt: skip
    for order in undisturbed.orders.values():
        expected[f"order {order.ticket}"] = order.status.value, order.reason.value, order.modified_ms
    for login, account in state.accounts.items():
        expected[f"account {login}"] = (
            money(login, account.balance) + given[login],
            money(login, account.credit),
        )
    for day in undisturbed.days:
        figures = day.figures
        amounts = (figures.balance, figures.credit, figures.equity, figures.margin, figures.floating)
        expected[f"day end {day.time_ms} of {day.login}"] = tuple(money(day.login, each) for each in amounts)
    rows = dict(stands(ends))
    for ticket in later:
        told = rows.pop(f"order {ticket}", None)
        if not told or told[:1] != ("pending",):
            yield f"the day order {ticket}, asked after the day end, is {told}"
    nights.compared += len(expected) + len(later)
    for key in sorted(expected.keys() | rows.keys()):
        if expected.get(key) != rows.get(key):
            yield f"{key} has {rows.get(key)}, undisturbed it has {expected.get(key)}"
    if {day.time_ms for day in undisturbed.days} != {ends}:
        yield "the undisturbed engine did not end this one day"
    if undisturbed.swaps == {ticket: position.swap for ticket, position in state.positions.items()}:
        yield "the undisturbed engine booked no swap"


def stands(ends: int) -> Iterable[tuple[str, Any]]:
    """Yield what the rows say: open positions, orders that were pending until this day end, accounts, this day's rows."""
    for ticket, login, *values in checks.rows(
        "SELECT ticket, login, status, swap, swap_booked FROM positions_position WHERE status = 'open'"
    ):
        yield f"position {ticket} of {login}", tuple(values)
    for ticket, *values in checks.rows(
        "SELECT ticket, status, reason, (extract(epoch FROM modified_at) * 1000)::bigint FROM orders_order"
        " WHERE status = 'pending' OR (status = 'canceled' AND modified_at >= to_timestamp(%s))",
        (ends - 1_000) / 1000,
    ):
        yield f"order {ticket}", tuple(values)
    for login, *values in checks.rows("SELECT login, balance, credit FROM accounts_account"):
        yield f"account {login}", tuple(values)
    for login, at, *values in checks.rows(
        "SELECT login, (extract(epoch FROM time) * 1000)::bigint, balance, credit, equity, margin, floating"
        " FROM accounts_accountday WHERE time >= to_timestamp(%s)",
        (ends - 1_000) / 1000,
    ):
        yield f"day end {at} of {login}", tuple(values)


def play(
    wanted: int, seed: int, deadline: float, data: Path, progress: Callable[[int], None]
) -> list[Nights]:
    """Play rounds of both kinds by turns, and return what came of them."""
    kinds = [Nights(False, -(-wanted // 2)), Nights(True, wanted // 2)]
    chance = random.Random(f"midnight-{seed}")
    with World() as world:
        try:
            market = prepare(world, chance)
            start_s = 4.0
            for turn in range(wanted):
                if time.monotonic() > deadline:
                    break
                nights, begun = kinds[turn % 2], time.monotonic()
                try:
                    play_night(world, market, chance, nights, start_s)
                finally:
                    nights.seconds += time.monotonic() - begun
                start_s = nights.recoveries[-1]
                progress(turn + 1)
        except Stuck as stuck:
            kinds[0].breaches.append(str(stuck))
        if any(nights.breaches for nights in kinds):
            shutil.copytree(world.logs, data / "logs-midnight", dirs_exist_ok=True)
        connection.close()
    return [nights for nights in kinds if nights.asked]
