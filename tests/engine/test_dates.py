"""Times that no date can be: refused by the engine with a code, so that none of them reaches a row."""

import pytest

from engine import commands as c
from engine.codes import Code
from engine.engine import Engine
from engine.enums import By
from engine.events import CommandDone, Event
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import LAST_MS, Group, Symbol
from engine.state import State

NOON = 1_704_196_800_000
BEYOND = [LAST_MS + 1, 10**18, 10**400, -1, -(10**18)]


@pytest.fixture
def engine() -> Engine:
    """Return an engine with one account and a quote."""
    state = State(now_ms=NOON)
    state.symbols["EURUSD"] = Symbol.from_values({"name": "EURUSD"}, index=0)
    state.groups["std"] = Group.from_values({"name": "std"})
    state.accounts[1001] = Account(login=1001, group="std", currency="USD", balance=1_000_000)
    made = Engine(state)
    made.on_tick("EURUSD", "1.10000", "1.10010", NOON)
    return made


def done(events: list[Event]) -> str:
    last = events[-1]
    assert isinstance(last, CommandDone)
    return str(last.code)


def limit(expires: object) -> c.PlaceOrder:
    return c.PlaceOrder(
        login=1001, symbol="EURUSD", type=OrderType.BUY_LIMIT, volume="0.10", price="1.00000", ticket=10,
        expires=expires,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("expires", [*BEYOND, NOON, NOON - 1, 0, 1.5, True, [], "soon"])
def test_expiry_when_no_order_can_expire_then_it_is_refused(engine: Engine, expires: object) -> None:
    assert done(engine.on_command(limit(expires), NOON)) == Code.INVALID_EXPIRATION
    assert not engine.state.orders


@pytest.mark.parametrize("expires", [NOON + 1, LAST_MS, "day", "gtc", None])
def test_expiry_when_it_is_to_come_then_the_order_waits(engine: Engine, expires: object) -> None:
    assert done(engine.on_command(limit(expires), NOON)) == ""
    assert len(engine.state.orders) == 1


@pytest.mark.parametrize("at", BEYOND)
def test_time_when_it_is_no_date_then_the_clock_stands(engine: Engine, at: int) -> None:
    assert done(engine.on_command(c.AdvanceTime(time_ms=at), NOON)) == Code.INVALID_SETTING
    assert engine.state.now_ms == NOON


@pytest.mark.parametrize("at", BEYOND)
def test_open_time_when_it_is_no_date_then_nothing_opens(engine: Engine, at: int) -> None:
    order = c.PlaceOrder(
        login=1001,
        symbol="EURUSD",
        type=OrderType.BUY,
        volume="0.10",
        ticket=10,
        by=By.MANAGER,
        open_time_ms=at,
    )

    assert done(engine.on_command(order, NOON)) == Code.INVALID_SETTING
    assert not engine.state.positions


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("1.1e0", 110_000), ("11E-1", 110_000), ("+1.1e+0", 110_000), ("0.000011e5", 110_000), ("1.1e00", 110_000),
        ("1e999999999", None), ("1E-400000", None), ("1e100", None), ("1e-26", None), ("1e25", None), ("e5", None),
        ("1e", None), ("1e1.5", None), ("9" * 26, None), ("9" * 5000, None), ("1_1", None), ("١.١", None), ("", None),
        ("nan", None), ("inf", None), ("1.1e0 ", None),
    ],
)  # fmt: skip
def test_price_when_it_has_an_exponent_then_it_is_bounded_before_it_is_read(
    engine: Engine, text: str, points: int | None
) -> None:
    engine.on_tick("EURUSD", text, "1.2", NOON + 1)

    assert engine.state.quotes["EURUSD"].bid == (points or 110_000)
    assert engine.state.quotes["EURUSD"].seq == (1 if points is None else 2)
