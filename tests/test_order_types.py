"""The table of order types, walked through every room: each knows every type of it, and no other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from api.http.errors import Refused
from api.v1.orders import NewOrder, entry_prices
from engine.enums import Side
from engine.order_types import ENTRY_TYPES, MARKET_OF, OrderType
from engine.records import Order
from engine.state import State
from manager.admin import show
from manager.forms import OrderForm
from orders import store
from orders.models import Order as OrderRow
from orders.tests.test_store import an_order, changes_of
from plugins.triggers import family_of
from scenario.engine_backend import EngineBackend
from scenario.format import ScenarioError, parse
from scenario.runner import run
from tests.fuzz.generator import PENDING
from tests.oracle.model import Twin
from tests.oracle.order_types import ORDER_TYPES

ROOT = Path(__file__).parent.parent
ROOMS = "accounts api credentials dealing engine gateways live manager markets orders plugins portal positions realtime"
ROOMS += " scenario tradingdesk static/portal static/manager templates"
WORDS = {row.value for row in OrderType}
UNKNOWN = "buy_unknown"
PENDINGS = [row for row in OrderType if not row.is_market]
BID, ASK, AWAY = 110_000, 110_010, 100
every_type = pytest.mark.parametrize("row", list(OrderType))
every_pending = pytest.mark.parametrize("row", PENDINGS)


def text(points: int) -> str:
    return f"{points // 10**5}.{points % 10**5:05}"


def quote(row: OrderType, opening: int) -> dict[str, Any]:
    """Return a tick at which orders of this type's side would open at `opening`."""
    bid = opening - (ASK - BID) if row.side is Side.BUY else opening
    return {"tick": {"symbol": "EURUSD", "bid": text(bid), "ask": text(bid + ASK - BID)}}


def played(*steps: dict[str, Any]) -> list[str]:
    """Return what does not hold when engine and twin play steps on one account."""
    scenario = parse(
        {
            "name": "a type", "why": "Every type of the table is played.", "symbols": [{"name": "EURUSD"}],
            "groups": [{"name": "std"}], "accounts": [{"login": 1001, "group": "std"}], "steps": list(steps),
        },
        "order types",
    )  # fmt: skip
    return [
        fault
        for backend in (EngineBackend(scenario), Twin(scenario))
        for fault in run(scenario, backend).failures
    ]


def placed(row: OrderType, **more: Any) -> dict[str, Any]:
    return {
        "place": {"login": 1001, "symbol": "EURUSD", "type": row.value, "volume": "0.10", "as": "a", **more}
    }


def is_pending(**facts: Any) -> dict[str, Any]:
    return {"expect": {"positions": {"1001": []}, "orders": {"a": {"status": "pending", **facts}}}}


def is_open(row: OrderType, price: int) -> dict[str, Any]:
    position = {"side": row.side.value, "open_price": text(price)}
    return {"expect": {"positions": {"1001": [position]}, "orders": {"a": {"status": "completed"}}}}


def test_table_when_read_then_each_kind_stands_once_on_each_side() -> None:
    kinds = [(row.kind, row.side) for row in OrderType]

    assert len(kinds) == len(set(kinds))
    assert {kind for kind, side in kinds if side is Side.BUY} == {
        kind for kind, side in kinds if side is Side.SELL
    }
    assert {OrderType(row.value) for row in OrderType} == set(OrderType)
    assert set(MARKET_OF) == set(Side)


@every_type
def test_row_when_read_then_its_columns_fit_each_other(row: OrderType) -> None:
    price = None if row.reached is None else row.reached.name.partition("_")[0]

    assert price in (None, "ASK" if row.side is Side.BUY else "BID")
    assert row.value.partition("_")[0] == row.side.value
    if row.has_limit:
        limit = OrderType(row.limit_word)
        assert (limit.side, limit.own_price, row.own_price) == (row.side, True, False)
        assert limit.rises is not row.rises
    if row.entry is not None:
        assert ENTRY_TYPES[row.entry, row.side] is row


@every_type
def test_engine_and_twin_when_a_type_is_played_then_both_do_what_its_row_says(row: OrderType) -> None:
    market = ASK if row.side is Side.BUY else BID
    if row.is_market:
        assert played(quote(row, market), placed(row), is_open(row, market)) == []
        return
    ahead = 1 if row.rises else -1
    price = market + ahead * AWAY
    limit = price + (-20 if row.side is Side.BUY else 20)
    prices = {"price": text(price), **({"limit_price": text(limit)} if row.has_limit else {})}
    beyond = price + ahead * 5
    steps = [
        quote(row, market), placed(row, **prices), is_pending(type=row.value, price=text(price)),
        quote(row, price - ahead), is_pending(type=row.value), quote(row, beyond),
    ]  # fmt: skip
    if row.has_limit:
        steps += [
            is_pending(type=row.limit_word, price=text(limit)), quote(row, limit + ahead), is_pending(),
            quote(row, limit), is_open(row, limit),
        ]  # fmt: skip
    else:
        steps += [is_open(row, price if row.own_price else beyond)]

    assert played(*steps) == []


@every_pending
def test_engine_and_twin_when_a_price_is_on_the_wrong_side_then_both_refuse_it(row: OrderType) -> None:
    market = ASK if row.side is Side.BUY else BID
    price = market + (-1 if row.rises else 1) * AWAY
    limit = {"limit_price": text(price + (-20 if row.side is Side.BUY else 20))} if row.has_limit else {}
    place = {**placed(row, price=text(price), **limit), "error": "invalid_price"}

    assert played(quote(row, market), place) == []


def test_twin_when_its_own_table_is_compared_then_it_says_the_same() -> None:
    assert set(ORDER_TYPES) == WORDS
    for word, own in ORDER_TYPES.items():
        row = OrderType(word)
        assert own.side == row.side.value
        assert own.waits_for == (None if row.is_market else "rise" if row.rises else "fall")
        assert (own.at_own_price, own.then or "") == (row.own_price, row.limit_word)


def test_generator_when_its_own_table_is_compared_then_it_knows_every_pending_type() -> None:
    assert {row.value: (row.side.value, row.rises, row.has_limit) for row in PENDINGS} == PENDING


def test_worked_cases_when_read_then_each_type_is_in_one_and_an_unknown_one_is_refused() -> None:
    files = (ROOT / "tests" / "scenarios").rglob("*.json")
    named = set(re.findall(r'"type": "(\w+)"', "".join(path.read_text() for path in files)))

    assert named >= WORDS
    with pytest.raises(ScenarioError, match=UNKNOWN):
        played({"place": {"login": 1001, "symbol": "EURUSD", "type": UNKNOWN, "volume": "0.10"}})


@pytest.mark.django_db
@every_type
def test_store_when_a_type_is_written_then_it_is_read_back(row: OrderType) -> None:
    order: Order = an_order(type=row)
    state = State()

    with connection.cursor() as cursor:
        store.record(cursor, changes_of(order))
        store.load(cursor, state, shard=0, shards=1)

    assert state.orders[order.ticket].type is row


@pytest.mark.django_db
def test_store_when_a_type_is_not_in_the_table_then_the_row_is_refused() -> None:
    with connection.cursor() as cursor:
        store.record(cursor, changes_of(an_order()))
        with pytest.raises(IntegrityError, match="order_type"), transaction.atomic():
            cursor.execute("UPDATE orders_order SET type = %s", [UNKNOWN])


def test_model_when_asked_for_choices_then_they_are_the_table() -> None:
    assert {word for word, _ in OrderRow._meta.get_field("type").choices or ()} == WORDS


@every_type
def test_rest_when_a_type_is_asked_for_then_it_takes_the_prices_of_its_row(row: OrderType) -> None:
    body = NewOrder(data={"symbol": "EURUSD", "type": row.value, "volume": "0.10"})
    prices = {"price": "1.1", "limit_price": "1.2"}

    assert body.is_valid(), body.errors
    for name, is_taken in (("price", not row.is_market), ("limit_price", row.has_limit)):
        asked = {"type": row.value, name: prices[name]}
        if is_taken:
            assert entry_prices(asked) == {name: prices[name]}
            continue
        with pytest.raises(Refused, match=f"{name} {prices[name]}: a {row.value} order"):
            entry_prices(asked)


def test_rest_when_a_type_is_unknown_then_the_known_are_listed() -> None:
    body = NewOrder(data={"symbol": "EURUSD", "type": UNKNOWN, "volume": "0.10"})

    assert not body.is_valid()
    assert str(body.errors["type"][0]) == f"'{UNKNOWN}' is none of {', '.join(OrderType)}"


def test_openapi_when_made_then_orders_are_of_the_table() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)

    assert document["components"]["schemas"]["NewOrderTypeEnum"]["enum"] == list(OrderType)


@every_type
def test_admin_when_a_type_is_shown_then_it_has_the_arrow_of_its_side(row: OrderType) -> None:
    arrow = "↑" if row.side is Side.BUY else "↓"

    assert show.side(row.value) == (
        f'<span class="td-{row.side}"><span aria-hidden="true">{arrow}</span> {row.words}</span>'
    )


def test_admin_when_an_order_is_placed_then_every_type_is_offered() -> None:
    form = OrderForm(symbols=["EURUSD"], may_override=False)

    assert {word for word, _ in form.fields["type"].choices if word} == WORDS  # type: ignore[attr-defined]


@every_pending
def test_plugins_when_a_type_is_triggered_then_its_family_is_by_its_fill(row: OrderType) -> None:
    assert family_of(row.value) == ("limits" if row.own_price else "stops")


@pytest.mark.django_db
def test_terminal_when_its_page_is_read_then_it_has_the_table() -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("anna"))
    page = client.get("/").content.decode()
    printed = re.search(r'<script id="order-types" type="application/json">(.*?)</script>', page)

    assert printed is not None
    assert json.loads(printed[1]) == [row.as_facts() for row in OrderType]


def test_sources_when_read_then_no_other_file_lists_types() -> None:
    """Data of the demo name types as any client does; migrations are the past."""
    apart = {"engine/order_types.py", "manager/demo.py"}
    names = "|".join(row.name for row in PENDINGS)
    naming = re.compile(
        rf"\b(?:{names}|{names.lower()})\b|(?:startswith|startsWith|endswith|endsWith)\(.(?:buy|sell)"
    )
    files = [
        path
        for room in ROOMS.split()
        for path in (ROOT / room).rglob("*")
        if path.suffix in (".py", ".js", ".html")
    ]
    sources = [path for path in files if not {"tests", "migrations"} & set(path.parts[len(ROOT.parts) :])]
    found = {str(path.relative_to(ROOT)) for path in sources if naming.search(path.read_text())}

    assert len(sources) > 200
    assert found - apart == set()
