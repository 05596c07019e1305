"""Symbols, quotes and extremes come back from their rows as they went in."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.records import Quote
from engine.settings import SettingError, Symbol
from engine.state import State
from markets import models, setup, store

pytestmark = pytest.mark.django_db

FULL = {
    "name": "XAUUSD", "digits": 2, "contract_size": "100", "calc_mode": "cfd_leverage",
    "volume_min": "0.01", "volume_max": "50", "volume_step": "0.01", "trade_mode": "long_only",
    "stops_level": 10, "freeze_level": 5, "filter_points": 300, "filter_ticks": 2, "quotes_timeout": 60,
    "margin_initial": "1000", "margin_hedged": "50", "margin_rate_buy": "1.5", "swap_mode": "points",
    "swap_long": "-3.25", "swap_short": "1.1", "swap_multipliers": [1, 1, 1, 1, 3, 0, 0],
    "security": "metals", "gateway": True, "sessions": {"mon": [["01:00", "23:00"]]},
    "holidays": ["2026-12-25"], "allow_negative": True, "halt": "close_only",
}  # fmt: skip
FUTURE = {
    "name": "ESZ6", "digits": 2, "calc_mode": "futures", "contract_size": "50", "base_currency": "USD",
    "profit_currency": "USD", "margin_initial": "12000", "margin_maintenance": "10000", "tick_size": "0.25",
    "tick_value": "12.5",
}  # fmt: skip


def loaded(shard: int = 0) -> State:
    """Return what a desk of that shard reads."""
    state = State()
    with connection.cursor() as cursor:
        store.load(cursor, state, shard=shard, shards=2)
    return state


def stored(quotes: dict[str, Quote], *, shard: int = 0) -> None:
    """Write quotes as the desk of that shard."""
    changes = SimpleNamespace(
        quotes=quotes, extremes=set(), shard=shard, state=loaded(), settings_written_here=list
    )
    with connection.cursor() as cursor:
        store.record(cursor, changes)


@pytest.mark.parametrize("values", [{"name": "EURUSD"}, FULL, FUTURE])
def test_symbol_when_stored_means_what_its_file_says(values: dict[str, object]) -> None:
    row = setup.put_symbols([values])[0]
    expected = Symbol.from_values(values, index=0)

    assert loaded().symbols == {expected.name: expected}
    row.refresh_from_db()
    row.full_clean()
    assert row.to_engine(index=0) == expected


def test_symbols_when_loaded_stand_in_list_order() -> None:
    setup.put_symbols([{"name": "USDJPY"}, {"name": "EURUSD"}, {"name": "AUDUSD"}])

    assert [(s.name, s.index) for s in loaded().symbols.values()] == [
        ("USDJPY", 0),
        ("EURUSD", 1),
        ("AUDUSD", 2),
    ]


def test_symbol_that_the_engine_cannot_take_is_refused_with_its_key() -> None:
    with pytest.raises(SettingError, match="volume_min"):
        setup.put_symbols([{"name": "EURUSD", "volume_min": "5", "volume_max": "1"}])
    row = setup.put_symbols([{"name": "EURUSD"}])[0]
    row.sessions = {"monday": []}

    with pytest.raises(ValidationError) as refused:
        row.full_clean()

    assert list(refused.value.message_dict) == ["sessions"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bid=st.integers(-(10**12), 10**12),
    spread=st.integers(0, 10**6),
    time_ms=st.integers(0, 4_000_000_000_000),
    seq=st.integers(0, 2**53),
    deviating=st.integers(-1000, 1000),
    digits=st.integers(0, 10),
)
def test_quote_when_stored_comes_back_equal(
    bid: int, spread: int, time_ms: int, seq: int, deviating: int, digits: int
) -> None:
    quote = Quote(bid, bid + spread, time_ms, seq, deviating)
    with transaction.atomic():
        setup.put_symbols([{"name": "EURUSD", "digits": digits}])
        stored({"EURUSD": quote})

        assert loaded().quotes == {"EURUSD": quote}
        transaction.set_rollback(True)


def test_quote_is_written_by_shard_0_alone_and_read_by_all() -> None:
    setup.put_symbols([{"name": "EURUSD"}])
    stored({"EURUSD": Quote(110000, 110010, 1000, 1)})
    stored({"EURUSD": Quote(120000, 120010, 2000, 2)}, shard=1)

    assert loaded(1).quotes == {"EURUSD": Quote(110000, 110010, 1000, 1)}


def test_quote_when_digits_shrink_below_it_waits_for_the_next_tick() -> None:
    setup.put_symbols([{"name": "EURUSD"}])
    stored({"EURUSD": Quote(110001, 110010, 1000, 1)})
    models.Symbol.objects.update(digits=4)

    assert loaded().quotes == {}
