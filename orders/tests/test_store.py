"""Orders, smart orders and requests come back from their rows as they went in."""

from dataclasses import fields, replace
from fractions import Fraction
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.enums import EntryType, LevelStatus, OrderReason, OrderStatus, RequestKind, Side, SmartState
from engine.events import RequestChanged, SmartChanged
from engine.order_types import OrderType
from engine.records import Level, Order, Request, SmartOrder
from engine.state import State
from orders import models, store

pytestmark = pytest.mark.django_db

BIG = 10**15
tickets = st.integers(1, 2**53)
optional_tickets = st.just(0) | tickets
logins = st.integers(1, 10**6)
times = st.integers(1, 4_000_000_000_000)
optional_times = st.just(0) | times
prices = st.integers(-BIG, BIG)
optional_prices = st.none() | prices
volumes = st.integers(1, BIG)
digits = st.integers(0, 10)
texts = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=30)
names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._#", min_size=1, max_size=32)
percents = st.integers(1, 10**10).map(lambda n: Fraction(n, 10**8))
values = st.dictionaries(
    st.text("abc_", min_size=1, max_size=5), st.integers(-9, 9) | st.text("xyz"), max_size=3
)

orders = st.builds(
    Order,
    ticket=tickets,
    login=logins,
    symbol=texts,
    type=st.sampled_from(OrderType),
    volume=volumes,
    status=st.just(OrderStatus.PENDING),
    reason=st.sampled_from(OrderReason),
    created_ms=times,
    modified_ms=times,
    price=optional_prices,
    limit_price=optional_prices,
    sl=optional_prices,
    tp=optional_prices,
    expires_ms=optional_times,
    expires_day=st.booleans(),
    leverage=st.none() | st.integers(-(2**60), 2**60),
    requested_price=optional_prices,
    modified_price=optional_prices,
    position=optional_tickets,
    smart=optional_tickets,
    comment=texts,
    client_id=texts,
    actor=texts,
    digits=digits,
    request=optional_tickets,
    gen=st.integers(0, 2**40),
)
requests = st.builds(
    Request,
    id=tickets,
    kind=st.sampled_from(RequestKind),
    login=logins,
    symbol=names,
    side=st.sampled_from(Side),
    volume=volumes,
    price=optional_prices,
    created_ms=times,
    expires_ms=optional_times,
    order=optional_tickets,
    position=optional_tickets,
    smart=optional_tickets,
    level=st.integers(0, 20),
    opposite=optional_tickets,
    requested_price=optional_prices,
    dealer=texts,
    digits=digits,
    context=values,
)


@st.composite
def smarts(draw: st.DrawFn) -> SmartOrder:
    """Draw a live smart order with up to five levels."""
    volume = draw(volumes)
    levels = [
        Level(
            number=number,
            price=draw(prices),
            percent=draw(percents),
            volume=draw(st.integers(0, volume)),
            status=(status := draw(st.sampled_from(LevelStatus))),
            deal=draw(tickets if status is LevelStatus.FILLED else optional_tickets),
            time_ms=draw(optional_times),
        )
        for number in range(1, draw(st.integers(0, 5)) + 1)
    ]
    return SmartOrder(
        id=draw(tickets),
        login=draw(logins),
        symbol=draw(names),
        side=draw(st.sampled_from(Side)),
        volume=volume,
        entry=draw(st.sampled_from(EntryType)),
        state=draw(st.sampled_from([SmartState.PENDING, SmartState.ACTIVE, SmartState.PARTIALLY_CLOSED])),
        created_ms=draw(times),
        modified_ms=draw(times),
        levels=levels,
        order=draw(optional_tickets),
        position=draw(optional_tickets),
        entry_price=draw(st.none() | st.fractions(min_value=-BIG, max_value=BIG)),
        stop_loss=draw(optional_prices),
        callback=draw(st.none() | percents),
        activation=draw(optional_prices),
        activated=draw(st.booleans()),
        break_even=draw(st.booleans()),
        offset=draw(st.integers(-BIG, BIG)),
        break_even_stop=draw(optional_prices),
        break_even_triggered=draw(st.booleans()),
        trail_floor=draw(optional_prices),
        mark=draw(optional_prices),
        mark_seq=draw(st.integers(0, 2**53)),
        remaining=draw(st.integers(0, volume)),
        version=draw(st.integers(1, 2**40)),
        digits=draw(digits),
        client_id=draw(texts),
        comment=draw(texts),
        gen=draw(st.integers(0, 2**40)),
    )


def changes_of(*records: object, closed: bool = False) -> SimpleNamespace:
    """Return what a batch with these records hands to the store."""
    found = SimpleNamespace(orders={}, smarts={}, smart_timeline=[], requests={}, offers={})
    for record in records:
        if isinstance(record, Order):
            found.orders[record.ticket] = record
        elif isinstance(record, SmartOrder):
            found.smarts[record.id] = record
        elif isinstance(record, SmartChanged):
            found.smart_timeline.append(record)
        else:
            found.requests[record.id] = RequestChanged(record, not closed, "rejected" if closed else "")
    return found


def stored(*records: object) -> None:
    """Write records."""
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(*records))


def loaded(shard: int = 0, shards: int = 1) -> State:
    """Return what a desk of that shard reads."""
    state = State()
    with connection.cursor() as cursor:
        store.load(cursor, state, shard=shard, shards=shards)
    return state


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(order=orders)
def test_order_when_stored_comes_back_equal(order: Order) -> None:
    with transaction.atomic():
        stored(order)

        assert loaded().orders == {order.ticket: order}
        transaction.set_rollback(True)


@quick
@given(smart=smarts())
def test_smart_order_when_stored_comes_back_equal(smart: SmartOrder) -> None:
    with transaction.atomic():
        stored(smart)

        assert loaded().smarts == {smart.id: smart}
        transaction.set_rollback(True)


@quick
@given(request=requests)
def test_request_when_stored_comes_back_equal(request: Request) -> None:
    with transaction.atomic():
        stored(request)

        assert loaded().requests == {request.id: request}
        transaction.set_rollback(True)


def an_order(**changes: object) -> Order:
    """Return a pending buy limit of one lot."""
    made = Order(
        10, 1001, "EURUSD", OrderType.BUY_LIMIT, 10**8, OrderStatus.PENDING, OrderReason.CLIENT, 1000, 1000,
        price=110000,
    )  # fmt: skip
    return replace(made, **changes)


def a_smart(*levels: Level, **changes: object) -> SmartOrder:
    """Return an active plan of one lot."""
    made = SmartOrder(
        7, 1001, "EURUSD", Side.BUY, 10**8, EntryType.MARKET, SmartState.ACTIVE, 1000, 1000,
        levels=list(levels), remaining=10**8,
    )  # fmt: skip
    return replace(made, **changes)


def test_rows_when_loaded_by_shard_are_divided_by_login() -> None:
    stored(an_order(), an_order(ticket=20, login=1002))

    assert list(loaded(0, 2).orders) == [20]
    assert list(loaded(1, 2).orders) == [10]


def test_ended_rows_are_not_loaded() -> None:
    stored(an_order(status=OrderStatus.COMPLETED), a_smart(state=SmartState.CLOSED, remaining=0))
    request = Request(5, RequestKind.MARKET, 1001, "EURUSD", Side.BUY, 10**8, 110000, 1000, 0)
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(request, closed=True))

    state = loaded()

    assert (state.orders, state.smarts, state.requests) == ({}, {}, {})
    assert models.DealerRequest.objects.get().outcome == "rejected"


def test_levels_when_replaced_leave_nothing_behind() -> None:
    first = [Level(n, 110000 + n, Fraction(25), 10**7) for n in (1, 2, 3)]
    stored(a_smart(*first))

    stored(a_smart(replace(first[0], status=LevelStatus.FILLED, deal=9), replace(first[1], price=110500)))

    rows = list(models.SmartLevel.objects.values_list("number", "status", "price"))
    assert [(n, s, str(p)) for n, s, p in rows] == [(1, "FILLED", "1.10001"), (2, "PENDING", "1.10500")]


def test_timeline_when_recorded_keeps_its_order_and_numbers() -> None:
    smart = a_smart(version=4)
    stored(
        smart,
        SmartChanged(smart, "level_filled", 5000, {"level": 1}),
        SmartChanged(smart, "stopped", 5000, {}),
    )

    lines = models.SmartEvent.objects.values_list("what", "version", "data")

    assert list(lines) == [("level_filled", 4, {"level": 1}), ("stopped", 4, {})]


@pytest.mark.parametrize(
    "broken",
    [
        {"volume": 0},
        {"status": OrderStatus.FAILED},
        {"error": "no_money"},
        {"status": OrderStatus.COMPLETED, "request": 4},
    ],
)
def test_order_that_is_no_order_is_refused_by_the_database(broken: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        stored(an_order(**broken))


def test_failed_order_may_have_any_volume() -> None:
    stored(an_order(volume=0, status=OrderStatus.FAILED, error="invalid_volume"))

    assert models.Order.objects.get().error == "invalid_volume"


@pytest.mark.parametrize("ended", [OrderStatus.COMPLETED, OrderStatus.CANCELED])
def test_order_when_ended_stays_ended(ended: OrderStatus) -> None:
    stored(an_order(status=ended))

    with pytest.raises(IntegrityError, match="has ended"), transaction.atomic():
        stored(an_order())


@pytest.mark.parametrize("ended", [SmartState.CLOSED, SmartState.STOPPED, SmartState.CANCELLED])
def test_smart_order_when_ended_stays_ended(ended: SmartState) -> None:
    stored(a_smart(state=ended, remaining=0))

    with pytest.raises(IntegrityError, match="has ended"), transaction.atomic():
        stored(a_smart())


@pytest.mark.parametrize("broken", [{"remaining": 10**9}, {"state": SmartState.CLOSED}, {"version": 0}])
def test_smart_order_that_is_none_is_refused_by_the_database(broken: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        stored(a_smart(**broken))


@pytest.mark.parametrize(
    ("record", "table", "elsewhere"),
    [
        (Order, store.ORDERS, set()),
        (SmartOrder, store.SMARTS, {"levels", "group"}),
        (Level, store.LEVELS, {"smart_id"}),
        (Request, store.REQUESTS, {"is_open", "outcome"}),
    ],
)
def test_every_field_of_a_record_has_its_column(
    record: type, table: store.Table, elsewhere: set[str]
) -> None:
    columns = {name for name in table.columns if not name.endswith("_exact")}
    renamed = {f"{n.removesuffix('_at')}_ms" if n.endswith("_at") else n for n in columns}
    renamed = {"time_ms" if n == "time" else n for n in renamed}

    assert renamed ^ {f.name for f in fields(record)} == elsewhere
