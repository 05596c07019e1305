"""A record looks alike from every side, and docs/events.md names what events carry."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings

from dealing import shapes
from dealing.shapes import DEAL, LEVEL, ORDER, POSITION, SHAPES, Shape
from engine.records import Deal, Order, Position
from live.schema import Schema
from live.shapes import schema_of, show_deal, show_order, show_position
from orders import store as order_store
from orders.models import Order as OrderRow
from orders.tests.test_store import orders
from positions import store as position_store
from positions.models import Deal as DealRow
from positions.models import Position as PositionRow
from positions.tests.test_store import deals, positions

MONEY = 2
EVENTS = (Path(__file__).parents[2] / "docs/events.md").read_text(encoding="utf-8")
written_and_read = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def agree(shape: Shape, record: Any, shown: dict[str, Any]) -> None:
    """Assert that REST shows a row as the WebSocket tells the record that it was written from."""
    facts = shape.client(shape.published(record, money=MONEY))
    only_now = {f.name for f in shape.fields if f.to == shapes.NOW}

    assert {name: shown[name] for name in facts} == facts
    assert set(shown) == set(facts) | only_now
    assert list(shown) == list(schema_of(shape)["properties"])


@pytest.mark.django_db
@written_and_read
@given(order=orders)
def test_order_when_written_then_rest_and_websocket_show_the_same(order: Order) -> None:
    OrderRow.objects.all().delete()
    with connection.cursor() as cursor:
        order_store.ORDERS.insert(cursor, [order_store.order_row(order)])

    agree(ORDER, order, show_order(OrderRow.objects.get()))


@pytest.mark.django_db
@written_and_read
@given(position=positions())
def test_position_when_written_then_rest_and_websocket_show_the_same(position: Position) -> None:
    PositionRow.objects.all().delete()
    with connection.cursor() as cursor:
        position_store.POSITIONS.insert(cursor, [position_store.position_row(position, MONEY)])

    agree(POSITION, position, show_position(PositionRow.objects.get(), MONEY))


@pytest.mark.django_db
@written_and_read
@given(deal=deals())
def test_deal_when_written_then_rest_and_websocket_show_the_same(deal: Deal) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE positions_deal DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM positions_deal")
        position_store.DEALS.insert(cursor, [position_store.deal_row(deal, MONEY)])

    agree(DEAL, deal, show_deal(DealRow.objects.get(), MONEY))


@pytest.mark.parametrize("name", SHAPES)
def test_events_when_documented_then_the_page_names_what_they_carry(name: str) -> None:
    (line,) = re.findall(rf"^- \*\*{name}\*\*: (.*)$", EVENTS, re.MULTILINE)
    line, _, levels = line.partition("(each ")
    own = {field.key for field in SHAPES[name].fields if field.is_published}

    assert own <= set(re.findall(r"`(\w+)`", line))
    if name == "smart":
        assert {field.key for field in LEVEL.fields} == set(re.findall(r"`(\w+)`", levels))


def test_schema_when_a_shape_has_lists_then_they_are_described_too() -> None:
    plan: Schema = schema_of(shapes.SMART)

    assert list(plan["properties"]["levels"]["items"]["properties"]) == [f.name for f in LEVEL.fields]
    assert plan["properties"]["order"]["nullable"] is True
