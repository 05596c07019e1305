"""Candles built tick by tick, in batches and across restarts, are those that a plain scan gives."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.v1.markets import _end_ms, _show_candle
from engine.settings import Server, Symbol
from engine.state import State
from markets import models
from markets.candles import INTERVALS, CandleBook, TradingDays

pytestmark = pytest.mark.django_db

Tick = tuple[str, int, int]
Row = tuple[str, str, int, int, int, int, int, int]


DAY_MS = 86_400_000


def market(zone: str = "UTC", day_end: str = "00:00") -> State:
    """Return a state with the symbols of these tests and a server of this clock."""
    state = State(server=Server.from_values({"time_zone": zone, "day_end": day_end}))
    for index, name in enumerate(("EURUSD", "USDJPY")):
        state.symbols[name] = Symbol.from_values({"name": name, "digits": 5}, index=index)
    return state


def at(text: str) -> int:
    """Return a time of UTC in ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def shown_dates(state: State) -> list[str]:
    """Return the dates under which REST shows the daily candles."""
    rows = models.Candle.objects.filter(interval="1d").order_by("time")
    return [_show_candle(row, state.server)["date"] for row in rows]


def by_scan(ticks: Sequence[Tick]) -> set[Row]:
    """Return the candles of these ticks the slow way: group, then take first, highest, lowest, last."""
    groups: dict[tuple[str, str, int], list[int]] = {}
    for symbol, bid, time_ms in ticks:
        for interval, length in {**INTERVALS, "1d": DAY_MS}.items():
            groups.setdefault((symbol, interval, time_ms - time_ms % length), []).append(bid)
    return {
        (symbol, interval, start, bids[0], max(bids), min(bids), bids[-1], len(bids))
        for (symbol, interval, start), bids in groups.items()
    }


def in_rows() -> set[Row]:
    """Return the candles of the table, prices in points of 5 digits."""
    return {
        (
            c.symbol,
            c.interval,
            round(c.time.timestamp() * 1000),
            *(int(p.scaleb(5)) for p in (c.open, c.high, c.low, c.close)),
            c.ticks,
        )
        for c in models.Candle.objects.all()
    }


@st.composite
def tick_rows(draw: st.DrawFn) -> list[Tick]:
    """Draw ticks of two symbols whose times never go back; gaps from none to days."""
    now, ticks = 1_700_000_000_000, []
    for _ in range(draw(st.integers(1, 60))):
        now += draw(st.sampled_from([0, 1, 900, 30_000, 61_000, 400_000, 4_000_000, 90_000_000]))
        ticks.append((draw(st.sampled_from(["EURUSD", "USDJPY"])), draw(st.integers(1, 200_000)), now))
    return ticks


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ticks=tick_rows(), batch=st.integers(1, 20), restart_every=st.integers(1, 5))
def test_candles_when_batched_and_restarted_equal_a_scan(
    ticks: list[Tick], batch: int, restart_every: int
) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        book = CandleBook(market())
        for number, start in enumerate(range(0, len(ticks), batch), start=1):
            for symbol, bid, time_ms in ticks[start : start + batch]:
                book.add(symbol, bid, time_ms, 5)
            book.write(cursor)
            if number % restart_every == 0:
                book = CandleBook(market())
                book.load(cursor)

        assert in_rows() == by_scan(ticks)
        transaction.set_rollback(True)


def test_candles_when_nothing_changed_write_nothing() -> None:
    book = CandleBook(market())
    with connection.cursor() as cursor:
        book.add("EURUSD", 110000, 60_000, 5)
        book.write(cursor)
        models.Candle.objects.all().delete()
        book.write(cursor)

    assert not models.Candle.objects.exists()


def test_candles_when_digits_change_start_anew() -> None:
    book = CandleBook(market())
    with connection.cursor() as cursor:
        book.add("EURUSD", 110000, 60_000, 5)
        book.write(cursor)
        book.add("EURUSD", 11000, 61_000, 4)
        book.write(cursor)

    candle = models.Candle.objects.get(interval="1h")
    assert (str(candle.low), str(candle.high)) == ("1.1000", "1.1000")


#: New York 17:00: a day of 23 hours in March, one of 25 in November; Kolkata has no such days.
DAYS = [
    ("America/New_York", "17:00", "2026-03-06T22:00", ["2026-03-07T22:00", "2026-03-08T21:00", "2026-03-09T21:00"]),
    ("America/New_York", "17:00", "2026-10-30T21:00", ["2026-10-31T21:00", "2026-11-01T22:00", "2026-11-02T22:00"]),
    ("America/New_York", "02:30", "2026-03-07T07:30", ["2026-03-08T07:00", "2026-03-09T06:30", "2026-03-10T06:30"]),
    ("America/New_York", "01:30", "2026-10-31T05:30", ["2026-11-01T05:30", "2026-11-02T06:30", "2026-11-03T06:30"]),
    ("Europe/Berlin", "00:00", "2026-03-27T23:00", ["2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"]),
    ("Asia/Kolkata", "00:00", "2026-03-06T18:30", ["2026-03-07T18:30", "2026-03-08T18:30", "2026-03-09T18:30"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "day_end", "first", "ends"), DAYS)
def test_daily_candles_when_clocks_change_then_they_are_the_servers_days(
    zone: str, day_end: str, first: str, ends: list[str]
) -> None:
    state = market(zone, day_end)
    starts = [at(first), *map(at, ends)]
    with connection.cursor() as cursor:
        book = CandleBook(state)
        for day, start in enumerate(starts, start=1):  # the last tick of a day, and the first of the next
            for time_ms, bid in ((start - 1, day * 1000 + 90), (start, day * 1000 + 110)):
                book.add("EURUSD", bid, time_ms, 5)
                book.write(cursor)
                book = CandleBook(state)  # as after a restart
                book.load(cursor)

    daily = {row[2]: row[3:] for row in in_rows() if row[1] == "1d"}
    assert daily == {
        starts[0] - DAY_MS: (1090, 1090, 1090, 1090, 1),
        starts[0]: (1110, 2090, 1110, 2090, 2),
        starts[1]: (2110, 3090, 2110, 3090, 2),
        starts[2]: (3110, 4090, 3110, 4090, 2),
        starts[3]: (4110, 4110, 4110, 4110, 1),
    }
    dates = [at(f"{day}T00:00") for day in shown_dates(state)]
    assert [date - dates[0] for date in dates] == [n * DAY_MS for n in range(5)]
    newest = models.Candle.objects.filter(interval="1d").latest("time")
    assert _end_ms(newest, state.server) == starts[-1] + DAY_MS
    hours = {row[2] for row in in_rows() if row[1] == "1h"}
    assert all(hour % 3_600_000 == 0 for hour in hours)


def test_daily_candle_when_new_york_changes_its_clocks_then_its_date_is_the_day_that_ends() -> None:
    server = Server.from_values({"time_zone": "America/New_York", "day_end": "17:00"})
    shown = [
        _show_candle(
            models.Candle(symbol="EURUSD", interval=interval, time=datetime.fromisoformat(start).replace(tzinfo=UTC),
                          open=1, high=1, low=1, close=1, ticks=1), server,
        )["date"]
        for interval, start in (
            ("1d", "2026-03-07T22:00"), ("1d", "2026-03-08T21:00"), ("1d", "2026-10-31T21:00"), ("1h", "2026-03-07T22:00"),
        )
    ]  # fmt: skip

    assert shown == ["2026-03-08", "2026-03-09", "2026-11-01", None]


def test_trading_days_when_the_settings_change_then_from_the_next_moment_on() -> None:
    state = market("UTC", "17:00")
    days = TradingDays(state)
    assert days.start_of(at("2026-05-05T12:00")) == at("2026-05-04T17:00")

    state.server = Server.from_values({"day_end": "00:00"})

    # The day that is under way goes on until the next moment by the new settings.
    assert days.start_of(at("2026-05-05T12:01")) == at("2026-05-04T17:00")
    assert days.start_of(at("2026-05-05T23:59")) == at("2026-05-04T17:00")
    assert days.start_of(at("2026-05-06T00:00")) == at("2026-05-06T00:00")
    assert days.start_of(at("2026-05-07T12:00")) == at("2026-05-07T00:00")
