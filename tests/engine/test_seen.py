"""A change that names what its sender saw changes nothing where that is another by now."""

from typing import Any

import pytest

from engine import commands as c
from engine.codes import Code
from engine.order_types import OrderType
from tests.engine.market import CLIENT, Market


@pytest.fixture
def market() -> Market:
    """Return a market with a buy that has a stop, and a limit order without stops."""
    market = Market()
    market.place(sl="1.09000")
    market.place(OrderType.BUY_LIMIT, price="1.08000")
    return market


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"sl": "1.08000"}, "position 10: sl was 1.08000 when it was seen and is 1.09000"),
        ({"sl": None}, "position 10: sl was none when it was seen and is 1.09000"),
        ({"sl": "0"}, "position 10: sl was 0 when it was seen and is 1.09000"),
        ({"tp": "1.2"}, "position 10: tp was 1.2 when it was seen and is none"),
        ({"sl": "1.09", "tp": "1.2"}, "position 10: tp was 1.2 when it was seen and is none"),
        ({"sl": "1.090001"}, "position 10: sl was 1.090001 when it was seen and is 1.09000"),
        ({"sl": "1,09"}, "position 10: sl was 1,09 when it was seen and is 1.09000"),
        ({"tp": "rubbish"}, "position 10: tp was rubbish when it was seen and is none"),
        ({"volume": "1"}, "position 10: volume was 1 when it was seen and is none"),
    ],
)
def test_stops_when_another_value_was_seen_then_conflict_and_nothing_changes(
    market: Market, seen: dict[str, Any], said: str
) -> None:
    done = market.ask(c.ModifyPosition(login=CLIENT, position=10, sl="1.09500", tp="1.2", seen=seen))

    assert (done.code, done.message) == (Code.CONFLICT, said)
    position = market.state.positions[10]
    assert (position.sl, position.tp) == (109_000, None)


@pytest.mark.parametrize("seen", [None, {}, {"sl": "1.09"}, {"sl": "1.09000", "tp": None}, {"tp": "0"}])
def test_stops_when_what_was_seen_stands_then_changed(market: Market, seen: dict[str, Any] | None) -> None:
    done = market.ask(c.ModifyPosition(login=CLIENT, position=10, sl="1.09500", seen=seen))

    assert (done.code, market.state.positions[10].sl) == ("", 109_500)


@pytest.mark.parametrize(
    "seen", [{"price": "1.07000"}, {"price": None}, {"sl": "1.07"}, {"limit_price": "1.08"}, {"price": "1e0"}]
)
def test_order_when_another_value_was_seen_then_conflict_and_nothing_changes(
    market: Market, seen: dict[str, Any]
) -> None:
    done = market.ask(c.ModifyOrder(login=CLIENT, order=20, price="1.08500", seen=seen))

    assert done.code == Code.CONFLICT
    assert market.state.orders[20].price == 108_000


def test_order_when_what_was_seen_stands_then_changed(market: Market) -> None:
    seen = {"price": "1.08", "limit_price": None, "sl": None, "tp": "0"}

    done = market.ask(c.ModifyOrder(login=CLIENT, order=20, price="1.08500", seen=seen))

    assert (done.code, market.state.orders[20].price) == ("", 108_500)


def test_seen_when_written_to_the_journal_then_read_back() -> None:
    command = c.ModifyPosition(login=CLIENT, position=10, sl="1", seen={"sl": None})

    assert c.from_json("ModifyPosition", c.to_json(command)) == command
    old = {key: value for key, value in c.to_json(command).items() if key != "seen"}
    assert c.from_json("ModifyPosition", old).seen is None  # type: ignore[attr-defined]
