"""A clock that is wrong trades nothing, and leaves nothing behind that waits until time has caught up with it."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F

from dealing import clock, services
from dealing.models import EngineShard
from engine import commands as cmd
from engine.enums import TickRefusal
from engine.order_types import OrderType
from markets.models import Quote, Symbol
from positions.models import Position
from tests.desk.conftest import LIMIT_S, LOGIN, PATIENT, World, assert_clean, deposit, until
from tests.engine.market import CLIENT, Market
from tests.faketime import Clock, library

AHEAD_MS = 90_000


def buy() -> services.Outcome:
    return services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=PATIENT)


@pytest.mark.parametrize(
    ("before", "database", "after", "skew"),
    [
        (100, 150, 200, 0),
        (100, 100, 100, 0),
        (100, 99, 5000, 1),
        (100, 5200, 5000, -200),
        (0, 90_000, 10, -89_990),
    ],
)
def test_skew_when_the_answer_took_long_then_only_what_is_certain_counts(
    before: int, database: int, after: int, skew: int
) -> None:
    assert clock.skew_of(before, database, after) == skew


@pytest.mark.django_db
@pytest.mark.parametrize(("offset_ms", "way"), [(-2500, "behind"), (2500, "ahead of"), (-90_000, "behind")])
def test_comparison_when_more_than_two_seconds_apart_then_it_is_told(
    settings: object, offset_ms: int, way: str
) -> None:
    settings.DESK_CLOCK_OFFSET_MS = offset_ms

    with (
        connection.cursor() as cursor,
        pytest.raises(clock.ClockWrong, match=f"{way} the database's, at most 2 s"),
    ):
        clock.compare(cursor)


@pytest.mark.django_db
def test_comparison_when_less_than_two_seconds_apart_then_the_skew_is_returned(settings: object) -> None:
    settings.DESK_CLOCK_OFFSET_MS = 1500

    with connection.cursor() as cursor:
        skew = clock.compare(cursor)

    assert 0 < skew <= 1500


@pytest.mark.parametrize("offset_ms", [-AHEAD_MS, AHEAD_MS])
def test_desk_when_its_clock_is_wrong_then_it_takes_no_lease_and_says_so(
    world: World, offset_ms: int
) -> None:
    world.drain(world.serving())
    before = world.epoch()

    assert world.start(DESK_CLOCK_OFFSET_MS=str(offset_ms)).wait(LIMIT_S) == 1

    assert world.epoch() == before
    assert "this machine's clock is" in world.log() and "set the clocks" in world.log()
    skew = EngineShard.objects.get().clock_skew_ms
    assert abs(skew - offset_ms) < 30_000 and (skew > 0) == (offset_ms > 0)


@pytest.mark.parametrize("offset_s", [-90, 90])
def test_desk_when_its_clock_goes_wrong_then_another_takes_over_and_trades_at_once(
    world: World, tmp_path: Path, offset_s: int
) -> None:
    if library() is None:
        pytest.skip("faketime is not installed: a clock cannot be moved while its desk runs")
    Symbol.objects.update(quotes_timeout=20)
    hands = Clock(tmp_path / "clock")
    first = world.serving(**hands.variables)
    deposit()
    world.quoted("1.10000", "1.10010")
    assert buy().ok
    world.start("--wait")

    hands.set(offset_s)

    assert first.wait(LIMIT_S) == 1
    until(lambda: world.epoch() == 2, "the other desk")
    world.quoted("1.20000", "1.20010")
    assert buy().ok
    opened = list(Position.objects.order_by("ticket").values_list("open_price", flat=True))
    assert [str(price.normalize()) for price in opened] == ["1.1001", "1.2001"]
    assert "the lease is given back" in world.log()
    assert_clean()


def test_desk_when_one_before_it_was_fast_then_it_brings_the_time_back_and_trades_at_once(
    world: World,
) -> None:
    Symbol.objects.update(quotes_timeout=5)
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    world.drain(desk)
    EngineShard.objects.update(clock_ms=F("clock_ms") + AHEAD_MS)
    Quote.objects.update(time=F("time") + timedelta(milliseconds=AHEAD_MS))

    world.serving()
    world.quoted("1.20000", "1.20010")

    assert buy().ok
    assert str(Position.objects.get().open_price.normalize()) == "1.2001"
    assert EngineShard.objects.get().clock_ms <= time.time_ns() // 1_000_000
    assert "it is brought back" in world.log()
    assert_clean()


def test_ticks_when_they_are_stamped_ahead_then_they_arrive_now_and_later_ones_are_taken(
    world: World,
) -> None:
    world.serving()
    deposit()
    now_ms = time.time_ns() // 1_000_000
    world.redis.xadd("ticks", {"d": f"EURUSD,1.10000,1.10010,{now_ms + 30_000}"})
    until(lambda: Quote.objects.exists(), "the tick")

    world.quoted("1.20000", "1.20010")

    quote = Quote.objects.get()
    assert (str(quote.bid.normalize()), quote.seq) == ("1.2", 2)
    assert quote.time.timestamp() * 1000 < now_ms + 30_000


def test_orders_when_most_quotes_cannot_be_then_they_are_off_quotes_until_that_ends(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    ahead_ms = time.time_ns() // 1_000_000 + AHEAD_MS
    lines = "\n".join(f"EURUSD,1.3,1.30010,{ahead_ms}" for _ in range(10))
    entry = world.redis.xadd("ticks", {"d": lines})
    until(lambda: EngineShard.objects.filter(tick_cursor=entry).exists(), "the ticks")
    assert buy().ok

    entry = world.redis.xadd("ticks", {"d": f"EURUSD,1.3,1.30010,{ahead_ms}"})
    until(lambda: EngineShard.objects.filter(tick_cursor=entry).exists(), "one more")
    refused = buy()

    assert (refused.code, refused.message) == (
        "off_quotes", "11 of the last 20 quotes of EURUSD were refused, at most half may be",
    )  # fmt: skip
    for _ in range(10):
        world.quoted("1.20000", "1.20010")
    assert buy().ok
    assert Position.objects.count() == 2


def test_age_when_time_passes_then_the_engines_time_does_not_count() -> None:
    market = Market(symbol={"quotes_timeout": 10})
    engine = market.engine
    order = cmd.PlaceOrder(login=CLIENT, ticket=10, symbol="EURUSD", type=OrderType.BUY, volume="0.10")
    now_ms = market.state.now_ms
    engine.on_tick("EURUSD", "1.10000", "1.10010", now_ms, passed_ms=1_000 + now_ms, age_ms=4_000)

    def code(*, clock_ms: int, passed_ms: int) -> str:
        return engine.on_command(order, now_ms + clock_ms, passed_ms=passed_ms + now_ms)[-1].code

    # The engine's time leaps by an hour; six seconds pass, and then one millisecond more.
    assert code(clock_ms=3_600_000, passed_ms=7_000) == ""
    assert code(clock_ms=3_600_000, passed_ms=7_001) == "off_quotes"


def test_ticks_when_their_reader_refuses_them_then_they_count_and_move_nothing() -> None:
    market = Market()
    before = (market.state.quotes["EURUSD"].bid, market.state.quotes["EURUSD"].time_ms)

    events = market.engine.refuse_tick("EURUSD", TickRefusal.INVALID)

    assert [(event.symbol, event.cause) for event in events] == [("EURUSD", "invalid")]
    quote = market.state.quotes["EURUSD"]
    assert (quote.bid, quote.time_ms, quote.refusals) == (*before, 1)
    assert market.engine.refuse_tick("NOSUCH", TickRefusal.INVALID)[0].symbol == "NOSUCH"
