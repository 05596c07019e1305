"""After a long absence: what the engine would have done is its own answer, and candles equal the stream."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from accounts.models import AccountDay, Group
from accounts.setup import put_accounts, put_groups
from dealing import bus, clock, gaps, rehearsal, services
from dealing.desk import Desk
from dealing.models import EngineShard, Gap
from dealing.ticks import Tick
from engine import commands as c
from engine.enums import EntryType, Side
from engine.order_types import OrderType
from markets.candles import INTERVALS
from markets.models import Candle, Quote, Symbol
from markets.setup import put_symbols
from orders.models import Order
from positions.models import Deal, Position
from tests.desk.conftest import AT_ONCE, LIMIT_S, LOGIN, PATIENT, World, assert_clean, deposit, until
from tests.engine.market import CLIENT, Market

AWAY_MS = 200_000


def ticks(*prices: tuple[str, str]) -> list[Tick]:
    return [Tick("1-0", n, False, "", "EURUSD", bid, ask, 100_000 + n) for n, (bid, ask) in enumerate(prices)]


def told(market: Market, *prices: tuple[str, str]) -> list[tuple[Any, ...]]:
    done = rehearsal.rehearse(market.engine, ticks(*prices))
    assert (done.ticks, done.cut) == (len(prices), "")
    return [
        (line["kind"], line["ticket"], line["what"], line["level"], line["reached"]) for line in done.lines
    ]


def test_rehearsal_when_a_take_profit_is_inside_then_the_engine_says_so() -> None:
    market = Market()
    ticket = market.place(tp="1.10500").ticket

    assert told(market, ("1.10600", "1.10610"), ("1.10010", "1.10020")) == [
        ("position", ticket, "tp", "1.10500", "1.10500")
    ]


def test_rehearsal_when_a_smart_orders_level_is_inside_then_it_is_told() -> None:
    market = Market()
    market.ask(
        c.PlaceSmart(
            login=CLIENT, smart=7, ticket=10, symbol="EURUSD", side=Side.BUY, volume="0.10",
            entry=EntryType.MARKET, take_profits=[["1.10500", "100"]], stop_loss="1.09000",
        )
    )  # fmt: skip

    found = told(market, ("1.10600", "1.10610"))

    assert [(kind, ticket, level) for kind, ticket, _, level, _ in found] == [("position", 10, "1.10500")]


def test_rehearsal_when_the_groups_spread_is_wider_then_what_it_sees_counts() -> None:
    market = Market(group={"spread_diff": 40})
    market.place(tp="1.10590")

    # The group sees 20 points less: 1.10600 is 1.10580 for it, 1.10610 its level.
    assert told(market, ("1.10600", "1.10610")) == []
    assert len(told(market, ("1.10610", "1.10620"))) == 1


def test_rehearsal_when_a_pending_order_fills_and_its_stop_is_met_then_both_are_told() -> None:
    market = Market()
    ticket = market.place(OrderType.BUY_LIMIT, price="1.09500", sl="1.09000").ticket

    found = told(market, ("1.09400", "1.09410"), ("1.08900", "1.08910"), ("1.10000", "1.10010"))

    assert [(kind, number) for kind, number, *_ in found] == [("order", ticket), ("position", ticket)]
    assert [reached for *_, reached in found] == ["1.09500", "1.08900"]


def test_rehearsal_when_the_account_is_stopped_out_inside_then_it_is_told() -> None:
    market = Market()
    for _ in range(8):
        market.place(volume="1")

    found = told(market, ("0.50000", "0.50010"), ("1.10000", "1.10010"))

    assert found and all(kind == "position" for kind, *_ in found)
    assert {reached for *_, reached in found} == {"0.50000"}


def test_rehearsal_when_there_are_too_many_ticks_then_all_are_counted_and_the_cut_is_told() -> None:
    market = Market()
    market.place(tp="1.10500")

    done = rehearsal.rehearse(
        market.engine, ticks(*[("1.10000", "1.10010")] * 5, ("1.10600", "1.10610")), most=5
    )

    assert (done.ticks, done.lines) == (6, [])
    assert done.cut == "the engine was asked about the first 5 ticks only, up to tick 5"


def deal(position: int, trigger: str, volume: str = "0.10") -> dict[str, Any]:
    return {"direction": "out", "position": position, "order": 99, "trigger": trigger, "volume": volume}


def line(ticket: int, what: str, volume: str = "0.10") -> dict[str, Any]:
    return {"kind": "position", "ticket": ticket, "what": what, "volume": volume}


def test_report_when_the_desk_has_done_the_same_then_it_is_left_out_once() -> None:
    lines = [line(10, "tp"), line(10, "tp"), line(20, "sl")]

    assert rehearsal.not_done(lines, [deal(10, "take_profit"), deal(20, "take_profit")]) == [
        line(10, "tp"),
        line(20, "sl"),
    ]


class Away:
    """A desk that was away: its place in the stream lies minutes back, and ticks have come since."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.at_ms = int(world.redis.time()[0]) * 1000 - AWAY_MS
        self.lines: list[tuple[str, str, str, int]] = []
        world.redis.delete(bus.TICKS)
        self.send("EURUSD", "1.10000", "1.10010", count=False)
        EngineShard.objects.update(tick_cursor=f"{self.at_ms}-0", tick_offset=0)
        Quote.objects.update(time=datetime.fromtimestamp(self.at_ms / 1000, UTC))

    def send(
        self, symbol: str, bid: str, ask: str, *, later_ms: int = 0, count: bool = True, time_ms: int = 0
    ) -> None:
        self.at_ms += later_ms
        stamp = time_ms or self.at_ms
        if count:
            self.lines.append((symbol, bid, ask, stamp))
        last = self.world.redis.xrevrange(bus.TICKS, count=1)
        number = int(last[0][0].split("-")[1]) + 1 if last and last[0][0].startswith(f"{self.at_ms}-") else 0
        self.world.redis.xadd(bus.TICKS, {"d": f"{symbol},{bid},{ask},{stamp}"}, id=f"{self.at_ms}-{number}")


def ohlc(prices: Sequence[tuple[int, str]], length_ms: int) -> dict[int, tuple[Decimal, ...]]:
    found: dict[int, list[Decimal]] = {}
    for time_ms, bid in prices:
        found.setdefault(time_ms - time_ms % length_ms, []).append(Decimal(bid))
    return {
        start: (bids[0], max(bids), min(bids), bids[-1], Decimal(len(bids))) for start, bids in found.items()
    }


def candles(symbol: str, interval: str) -> dict[int, tuple[Decimal, ...]]:
    return {
        int(row.time.timestamp()) * 1000: (row.open, row.high, row.low, row.close, Decimal(row.ticks))
        for row in Candle.objects.filter(symbol=symbol, interval=interval)
    }


def test_candles_when_there_was_a_gap_then_they_equal_the_stream_whatever_restarts(world: World) -> None:
    world.drain(world.serving())
    away = Away(world)
    good: list[tuple[int, str]] = []
    for n in range(60):
        bid = f"{110_000 + (n * 37) % 101 - n:06d}"
        bid = f"{bid[0]}.{bid[1:]}"
        away.send("EURUSD", bid, "1.20000", later_ms=3_000)
        good.append((away.at_ms, bid))
        if n % 7 == 0:  # crossed, late, no price, no symbol of ours: not a quote
            away.send("EURUSD", "1.30000", "1.20000", later_ms=1)
            away.send("EURUSD", "1.05000", "1.20000", later_ms=1, time_ms=away.at_ms - 90_000)
            away.send("EURUSD", "x", "1.20000", later_ms=1)
            away.send("NOSUCH", "1.05000", "1.20000", later_ms=1)
    # A desk that dies right after it has passed them over made its candles; the next one makes no more of them.
    first = world.serving()
    until(lambda: Gap.objects.exists(), "the gap")
    first.kill()
    world.serving().kill()
    world.serving()
    for bid in ("1.15000", "1.02000"):
        stamp = time.time_ns() // 1_000_000
        entry = world.redis.xadd("ticks", {"d": f"EURUSD,{bid},1.20000,{stamp}"})
        until(lambda e=entry: EngineShard.objects.filter(tick_cursor=e).exists(), "the tick")
        good.append((stamp, bid))

    for interval, length in INTERVALS.items():
        assert candles("EURUSD", interval) == ohlc(good, length), interval
    assert Gap.objects.count() == 1
    assert Gap.objects.get().missed == 60 + 4 * 9
    assert not Deal.objects.exists()
    assert_clean()


def test_report_when_the_desk_was_away_then_it_says_what_the_engine_would_have_done(world: World) -> None:
    Group.objects.filter(name="retail").update(spread_diff=0)
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    inside, stays = (
        services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", sl=sl, caller=PATIENT)
        for sl in ("1.09000", "1.09900")
    )
    limit = services.place_order(
        LOGIN, symbol="EURUSD", type="buy_limit", volume="0.01", price="1.08500", caller=PATIENT
    )
    assert inside.ok and stays.ok and limit.ok
    world.drain(desk)
    away = Away(world)
    away.send("EURUSD", "1.08000", "1.08010", later_ms=60_000)
    away.send("EURUSD", "1.09500", "1.09510", later_ms=60_000)
    begun = clock.monotonic_ms()

    world.serving()
    until(lambda: Gap.objects.exists(), "the gap")
    world.quoted("1.09600", "1.09610")
    gap = until(lambda: Gap.objects.filter(note="").first(), "the engine's answer")

    # Away's own quotes are a minute old; the stop at 1.09900 is met by the fresh tick as well, the others are not.
    assert sorted((x["kind"], x["ticket"], x["reached"]) for x in gap.report) == [
        ("order", limit.ticket, "1.08500"),
        ("position", inside.ticket, "1.08000"),
    ]
    assert gap.missed == 2
    assert clock.monotonic_ms() - begun < rehearsal.FRESH_WITHIN_S * 1000
    assert {p.ticket for p in Position.objects.filter(status="open")} == {inside.ticket}
    assert_clean()


def test_report_when_no_fresh_tick_comes_then_the_lines_stand_already(world: World) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    placed = services.place_order(
        LOGIN, symbol="EURUSD", type="buy", volume="0.01", sl="1.09000", caller=PATIENT
    )
    world.drain(desk)
    Away(world).send("EURUSD", "1.08000", "1.08010", later_ms=60_000)

    desk = world.serving()
    gap = until(lambda: Gap.objects.exclude(report=[]).first(), "the report")

    assert (gap.note, [x["ticket"] for x in gap.report]) == (rehearsal.ASKED, [placed.ticket])
    world.drain(desk)  # it ends the process that still waits


@pytest.mark.parametrize("shard", [1])
def test_report_when_another_shard_was_away_then_it_counts_its_ticks_and_makes_no_candles(
    world: World, shard: int
) -> None:
    world.env["DESK_SHARDS"] = "2"
    Symbol.objects.filter(name="GBPUSD").delete()
    for desk in [world.serving(shard=n) for n in range(2)]:
        world.drain(desk, world.desks.index(desk))
    Away(world).send("EURUSD", "1.08000", "1.08010", later_ms=60_000)

    world.serving(shard=shard)

    until(lambda: Gap.objects.filter(shard=shard, missed=1, note="").exists(), "the report")
    assert not Candle.objects.exists()


# Day ends that were missed (§10.3)

DAY_MS = 86_400_000


def utc_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


class DaysAway:
    """A market in yen with a swap of two currencies, a buy and a day order, and a desk that left days ago."""

    def __init__(self, world: World, monday_ms: int) -> None:
        put_symbols(
            [
                {
                    "name": "EURUSD",
                    "swap_mode": "points",
                    "swap_long": "-7",
                    "swap_multipliers": [1, 1, 3, 1, 1, 0, 0],
                },
                {"name": "USDJPY", "digits": 3},
            ]
        )
        put_groups([{"name": "yen", "currency": "JPY"}])
        put_accounts([{"login": 2001, "group": "yen"}])
        desk = world.serving()
        deposit(2001, "10000000")
        world.quoted("1.10000", "1.10010")
        entry = world.tick("150.000", "150.010", symbol="USDJPY")
        until(lambda: EngineShard.objects.filter(tick_cursor=entry).exists(), "the tick")
        for kind, more in (("buy", {}), ("buy_limit", {"price": "1.00000", "expires": "day"})):
            placed = services.place_order(
                2001, symbol="EURUSD", type=kind, volume="1.00", caller=PATIENT, **more
            )
            assert placed.ok, placed
        world.drain(desk)
        self.away = Away(world)
        self.away.at_ms = monday_ms
        world.redis.delete(bus.TICKS)
        Candle.objects.all().delete()
        self.away.send("EURUSD", "1.10000", "1.10010", count=False)
        EngineShard.objects.update(
            tick_cursor=f"{monday_ms}-0", tick_offset=0, clock_ms=monday_ms,
            day_end_ms=monday_ms - monday_ms % DAY_MS + DAY_MS,
        )  # fmt: skip
        Quote.objects.update(time=datetime.fromtimestamp(monday_ms / 1000, UTC))

    def rate(self, stamp: str, bid: str) -> None:
        """Let the yen have a price at a moment."""
        self.away.at_ms = utc_ms(stamp)
        self.away.send("USDJPY", bid, f"{Decimal(bid) + Decimal('0.010'):.3f}")


def days_of(login: int) -> list[tuple[int, Decimal]]:
    rows = AccountDay.objects.filter(login=login).order_by("time")
    return [(int(row.time.timestamp()) * 1000, row.equity) for row in rows]


@pytest.mark.parametrize(
    "die", ["", "in_gap:1", "in_gap:3", "before_commit:1", "after_commit:1", "after_gap:1"]
)
def test_day_ends_when_missed_then_each_is_booked_once_at_the_quotes_of_its_moment(
    world: World, die: str
) -> None:
    # A Monday to the Thursday after it, all long past: Tuesday's, Wednesday's (triple) and Thursday's moments at 00:00.
    now = datetime.now(UTC)
    monday = (now - timedelta(days=14 + now.weekday())).date()
    day = [str(monday + timedelta(days=n)) for n in range(14)]
    desks = DaysAway(world, utc_ms(f"{day[0]}T12:00:00"))
    desks.rate(f"{day[0]}T23:59:59", "151.000")
    desks.rate(f"{day[1]}T00:00:00", "170.000")  # at the moment itself: after it
    desks.rate(f"{day[1]}T18:00:00", "152.000")
    desks.rate(f"{day[3]}T06:00:00", "153.000")
    if die:
        dying = world.start(DESK_FAILPOINT=die)
        dying.wait(LIMIT_S)
        assert dying.returncode == -9, world.log()
    world.serving()
    until(
        lambda: AccountDay.objects.filter(login=2001, time__gt=now - timedelta(days=1)).exists(),
        "today's day end",
    )

    # -7 points of 100000 EUR are -7 USD a night, and a buy is converted at the ask of the yen of the moment.
    asks = {day[1]: "151.010", day[2]: "152.010", day[3]: "152.010"}
    expected, swap = [], Decimal(0)
    for n in range(1, (now.date() - monday).days + 1):
        ends = monday + timedelta(days=n)
        ask = Decimal(asks.get(str(ends), "153.010"))
        nights = [1, 1, 3, 1, 1, 0, 0][(n - 1) % 7]
        swap += yen(-7 * nights * ask)
        expected.append((utc_ms(f"{ends}T00:00:00"), 10_000_000 + yen(-10 * ask) + swap))
    assert days_of(2001) == expected
    assert Position.objects.get(login=2001).swap == swap
    assert not Order.objects.filter(status="pending").exists()
    ended = Order.objects.get(type="buy_limit")
    assert (ended.status, ended.reason) == ("canceled", "expiration")
    assert int(ended.modified_at.timestamp()) * 1000 == utc_ms(f"{day[1]}T00:00:00")
    assert [gap.missed for gap in Gap.objects.all()] == [4]
    quote = Quote.objects.get(symbol="USDJPY")
    assert (quote.bid, int(quote.time.timestamp()) * 1000) == (
        Decimal("153.000"),
        utc_ms(f"{day[3]}T06:00:00"),
    )
    assert [row[3] for row in candles("USDJPY", "1h").values()][-4:] == [
        Decimal(bid) for bid in ("151.000", "170.000", "152.000", "153.000")
    ]
    assert_clean()


def test_gap_when_the_desk_died_before_it_was_answered_then_the_next_one_says_so(world: World) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", sl="1.09000", caller=PATIENT)
    world.drain(desk)
    Away(world).send("EURUSD", "1.08000", "1.08010", later_ms=60_000)
    desk = world.serving()
    gap = until(lambda: Gap.objects.exclude(report=[]).first(), "the report")
    assert gap.note == rehearsal.ASKED
    desk.kill()
    desk.wait()

    world.serving()

    again = until(lambda: Gap.objects.exclude(note=rehearsal.ASKED).first(), "the next desk's word")
    assert (again.id, again.note, again.report) == (gap.id, gaps.UNANSWERED, gap.report)


def yen(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1), ROUND_HALF_UP)


def unread_before_day_end(world: World) -> tuple[str, int]:
    """Leave a tick that no desk has read, a day end after it and a deposit after that; return the entry and the moment."""
    Group.objects.filter(name="retail").update(spread_diff=0)
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    assert services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="1.00", caller=PATIENT).ok
    world.drain(desk)
    entry = world.tick("1.20000", "1.20010")
    ends = int(entry.split("-")[0]) + 1
    EngineShard.objects.update(day_end_ms=ends)
    services.balance_operation(
        LOGIN, "deposit", "5", caller=AT_ONCE
    )  # it waits, and its time is after the day end
    return entry, ends


def assert_counted(ends: int) -> None:
    """Check that the day ended at its moment, with the tick before it and without the deposit after it."""
    day = until(lambda: AccountDay.objects.filter(login=LOGIN).first(), "the day end")
    assert int(day.time.timestamp() * 1000 + 0.5) == ends
    assert (day.balance, day.floating) == (Decimal("100000.00"), Decimal("9990.00"))


def test_day_end_when_ticks_before_it_are_unread_after_a_short_absence_then_they_count(world: World) -> None:
    _, ends = unread_before_day_end(world)

    world.serving(DESK_GAP_LIMIT_S="600")

    assert_counted(ends)


def test_day_end_when_the_desk_loads_anew_after_it_waited_in_vain_then_ticks_before_it_count(
    world: World,
) -> None:
    entry, ends = unread_before_day_end(world)
    desk = Desk.from_settings(0, clock="wall", gap_limit_s=600, until_idle=True)
    # As a load leaves it that saw the day end due and lost its connection for longer than the wait may last.
    desk.day_end_read = ends, entry, time.monotonic() - 1

    assert desk.run() == "idle"

    assert_counted(ends)
