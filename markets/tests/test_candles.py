"""Candles built tick by tick, in batches and across restarts, are those that a plain scan gives."""

from collections.abc import Sequence

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markets import models
from markets.candles import INTERVALS, CandleBook

pytestmark = pytest.mark.django_db

Tick = tuple[str, int, int]
Row = tuple[str, str, int, int, int, int, int, int]


def by_scan(ticks: Sequence[Tick]) -> set[Row]:
    """Return the candles of these ticks the slow way: group, then take first, highest, lowest, last."""
    groups: dict[tuple[str, str, int], list[int]] = {}
    for symbol, bid, time_ms in ticks:
        for interval, length in INTERVALS.items():
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
        book = CandleBook()
        for number, start in enumerate(range(0, len(ticks), batch), start=1):
            for symbol, bid, time_ms in ticks[start : start + batch]:
                book.add(symbol, bid, time_ms, 5)
            book.write(cursor)
            if number % restart_every == 0:
                book = CandleBook()
                book.load(cursor, {"EURUSD": 5, "USDJPY": 5})

        assert in_rows() == by_scan(ticks)
        transaction.set_rollback(True)


def test_candles_when_nothing_changed_write_nothing() -> None:
    book = CandleBook()
    with connection.cursor() as cursor:
        book.add("EURUSD", 110000, 60_000, 5)
        book.write(cursor)
        models.Candle.objects.all().delete()
        book.write(cursor)

    assert not models.Candle.objects.exists()


def test_candles_when_digits_change_start_anew() -> None:
    book = CandleBook()
    with connection.cursor() as cursor:
        book.add("EURUSD", 110000, 60_000, 5)
        book.write(cursor)
        book.add("EURUSD", 11000, 61_000, 4)
        book.write(cursor)

    candle = models.Candle.objects.get(interval="1h")
    assert (str(candle.low), str(candle.high)) == ("1.1000", "1.1000")
