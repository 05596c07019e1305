"""After a long absence: what the engine would have done is its own answer, and candles equal the stream."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Group
from dealing import bus, clock, rehearsal, services
from dealing.models import EngineShard, Gap
from dealing.ticks import Tick
from engine import commands as c
from engine.enums import EntryType, Side
from engine.order_types import OrderType
from markets.candles import INTERVALS
from markets.models import Candle, Quote, Symbol
from positions.models import Deal, Position
from tests.desk.conftest import LIMIT_S, LOGIN, World, assert_clean, deposit, until
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
        services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", sl=sl, wait_s=LIMIT_S)
        for sl in ("1.09000", "1.09900")
    )
    limit = services.place_order(
        LOGIN, symbol="EURUSD", type="buy_limit", volume="0.01", price="1.08500", wait_s=LIMIT_S
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
        LOGIN, symbol="EURUSD", type="buy", volume="0.01", sl="1.09000", wait_s=LIMIT_S
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
