"""Positions and deals come back from their rows as they went in."""

from dataclasses import fields, replace
from fractions import Fraction
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import UniqueViolation

from engine.enums import Direction, OrderReason, PositionStatus, Side
from engine.records import Account, Deal, Position
from engine.state import State
from positions import models, store

pytestmark = pytest.mark.django_db

BIG = 10**15
tickets = st.integers(1, 2**53)
optional_tickets = st.just(0) | tickets
times = st.integers(1, 4_000_000_000_000)
prices = st.integers(-BIG, BIG)
money = st.integers(-BIG, BIG)
texts = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=30)
names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._#", min_size=1, max_size=32)
ratios = st.fractions(min_value=Fraction(1, 10**9), max_value=10**12)
exact_prices = st.fractions(min_value=-BIG, max_value=BIG)
currencies = st.sampled_from(["USD", "JPY", "BTC"])
digits = st.integers(0, 10)
json_values = st.dictionaries(
    st.text("abc_", min_size=1, max_size=5), st.integers(-9, 9) | st.text("xyz"), max_size=3
)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """Draw an open position."""
    volume = draw(st.integers(1, BIG))
    return Position(
        ticket=draw(tickets),
        login=draw(st.integers(1, 10**6)),
        symbol=draw(names),
        side=draw(st.sampled_from(Side)),
        volume=volume,
        open_price=draw(exact_prices),
        leverage=draw(st.fractions(min_value=1, max_value=10**6)),
        margin_rate=draw(ratios),
        opened_ms=draw(times),
        modified_ms=draw(times),
        sl=draw(st.none() | prices),
        tp=draw(st.none() | prices),
        volume_opened=volume + draw(st.integers(0, BIG)),
        fees=draw(money),
        swap=draw(money),
        profit=draw(money),
        fees_booked=draw(money),
        swap_booked=draw(money),
        close_price=draw(st.none() | prices),
        smart=draw(optional_tickets),
        comment=draw(texts),
        digits=draw(digits),
        gen=draw(st.integers(0, 2**40)),
        last_rate=draw(st.none() | ratios),
    )


@st.composite
def deals(draw: st.DrawFn) -> Deal:
    """Draw a deal: money on `out` ones only."""
    direction = draw(st.sampled_from(Direction))
    out = direction is Direction.OUT
    return Deal(
        ticket=draw(tickets),
        order=draw(tickets),
        position=draw(tickets),
        login=draw(st.integers(1, 10**6)),
        symbol=draw(names),
        side=draw(st.sampled_from(Side)),
        direction=direction,
        volume=draw(st.integers(1, BIG)),
        price=draw(prices),
        requested_price=draw(prices),
        time_ms=draw(times),
        reason=draw(st.sampled_from(OrderReason)),
        digits=draw(digits),
        profit=draw(money) if out else None,
        fees=draw(money) if out else None,
        swap=draw(money) if out else None,
        profit_rate=draw(ratios) if out else None,
        open_price=draw(exact_prices) if out else None,
        comment=draw(texts),
        trigger_key=draw(st.none() | st.text("abc:0123456789", min_size=1, max_size=80)),
        evidence=draw(st.none() | json_values),
    )


def changes_of(*records: object, currency: str = "USD") -> SimpleNamespace:
    """Return what a batch with these records hands to the stores."""
    found = SimpleNamespace(positions={}, deals=[], accounts={})
    for record in records:
        found.accounts[record.login] = Account(record.login, "g", currency)
        if isinstance(record, Position):
            found.positions[record.ticket] = record
        else:
            found.deals.append(record)
    return found


def loaded(login: int, currency: str) -> dict[int, Position]:
    """Return what a desk with that account reads."""
    state = State(accounts={login: Account(login, "g", currency)})
    with connection.cursor() as cursor:
        store.load(cursor, state, shard=0, shards=1)
    return state.positions


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=positions(), currency=currencies)
def test_position_when_stored_comes_back_equal(position: Position, currency: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        store.record(cursor, changes_of(position, currency=currency))

        assert loaded(position.login, currency) == {position.ticket: position}
        transaction.set_rollback(True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deal=deals(), currency=currencies)
def test_deal_when_stored_comes_back_equal(deal: Deal, currency: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        store.record(cursor, changes_of(deal, currency=currency))
        columns = ", ".join(f'"{c}"' for c in store.DEALS.columns)
        cursor.execute(f"SELECT {columns} FROM positions_deal WHERE ticket = %s", (deal.ticket,))
        digits = {"USD": 2, "JPY": 0, "BTC": 8}[currency]

        assert store.deal_of(cursor.fetchone(), digits) == deal
        transaction.set_rollback(True)


def a_position(**changes: object) -> Position:
    """Return an open buy of one lot."""
    made = Position(
        10, 1001, "EURUSD", Side.BUY, 10**8, Fraction(110010), Fraction(100), Fraction(11, 10), 1000, 1000,
        volume_opened=10**8,
    )  # fmt: skip
    return replace(made, **changes)


def a_deal(**changes: object) -> Deal:
    """Return an opening deal."""
    made = Deal(
        20, 10, 10, 1001, "EURUSD", Side.BUY, Direction.IN, 10**8, 110010, 110010, 1000, OrderReason.CLIENT, 5
    )
    return replace(made, **changes)


def test_rows_when_read_by_sql_are_printed_numbers() -> None:
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(a_position(volume=150_000_000, volume_opened=150_000_000, fees=-350)))
        cursor.execute("SELECT open_price::text, volume::text, fees::text FROM positions_position")

        assert cursor.fetchone() == ("1.10010", "1.50", "-3.50")


@pytest.mark.parametrize(("number", "statements"), [(20, 2), (300, 5), (900, 5)])
def test_many_records_when_stored_take_no_more_statements(number: int, statements: int) -> None:
    batch = changes_of(
        *[a_position(ticket=n + 1) for n in range(number)], *[a_deal(ticket=n + 1) for n in range(number)]
    )

    with connection.cursor() as cursor:
        before = len(connection.queries_log)
        connection.force_debug_cursor = True
        try:
            with connection.cursor() as logged:
                store.record(logged, batch)
        finally:
            connection.force_debug_cursor = False

        assert len(connection.queries_log) - before == statements
        cursor.execute("SELECT count(*) FROM positions_deal")
        assert cursor.fetchone() == (number,)


def test_position_when_changed_overwrites_its_row_and_closed_ones_are_not_loaded() -> None:
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(a_position()))
        store.record(
            cursor, changes_of(a_position(volume=0, status=PositionStatus.CLOSED, close_price=110020))
        )

    assert models.Position.objects.get().status == "closed"
    assert loaded(1001, "USD") == {}


@pytest.mark.parametrize(
    "broken",
    [{"volume": 0}, {"status": PositionStatus.CLOSED}, {"volume_opened": 5}, {"digits": 11}],
)
def test_position_that_is_no_position_is_refused_by_the_database(broken: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        store.record(cursor, changes_of(a_position(**broken)))


def test_position_when_closed_cannot_open_again() -> None:
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(a_position(volume=0, status=PositionStatus.CLOSED)))

    with (
        pytest.raises(IntegrityError, match="has ended"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        store.record(cursor, changes_of(a_position()))


@pytest.mark.parametrize("sql", ["UPDATE positions_deal SET price = 1", "DELETE FROM positions_deal"])
def test_deal_when_written_can_neither_change_nor_go(sql: str) -> None:
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(a_deal()))

    with pytest.raises(IntegrityError, match="facts"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_trigger_key_when_used_twice_is_refused() -> None:
    first, second = a_deal(trigger_key="smart:1:1"), a_deal(ticket=30, trigger_key="smart:1:1")

    with pytest.raises(UniqueViolation), transaction.atomic(), connection.cursor() as cursor:
        store.record(cursor, changes_of(first, second))


@pytest.mark.parametrize(("record", "table"), [(Position, store.POSITIONS), (Deal, store.DEALS)])
def test_every_field_of_a_record_has_its_column(record: type, table: store.Table) -> None:
    columns = {name for name in table.columns if not name.endswith("_exact")}
    renamed = {f"{n.removesuffix('_at')}_ms" if n.endswith("_at") else n for n in columns}

    assert {"time_ms" if n == "time" else n for n in renamed} == {f.name for f in fields(record)}


def test_account_with_a_position_unlike_its_deals_is_named() -> None:
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(a_position(), a_deal()))
        assert store.disagreements(cursor, 0, 1) == {}

        models.Position.objects.update(volume="0.50")

        assert list(store.disagreements(cursor, 1, 2)) == [1001]
