"""A refusal says what was found and what would have been right."""

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.enums import OrderType
from engine.events import CommandDone
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"volume": "0.015"}, "volume 0.015 is not 0.01 to 1000 in steps of 0.01"),
        ({"volume": "1", "leverage": 500}, "leverage 500 is not 1 to 100"),
        ({"volume": "1", "sl": "1.2"}, "SL 1.2 does not fit 1.10000 / 1.10010, 5 points away"),
        ({"volume": "1"}, "free margin 100.00 does not cover 1 EURUSD"),
        (
            {"volume": "1", "type": OrderType.BUY_LIMIT, "price": "1.2"},
            "price 1.2 does not fit 1.10000 / 1.10010, 5 points away",
        ),
    ],
)
def test_place_when_refused_then_the_message_says_what_was_found(values: dict, message: str) -> None:
    state = State()
    state.symbols["EURUSD"] = Symbol.from_values({"name": "EURUSD", "stops_level": 5}, index=0)
    state.groups["std"] = Group.from_values({"name": "std"})
    state.accounts[1] = Account(login=1, group="std", currency="USD", balance=10_000)
    engine = Engine(state)
    engine.on_tick("EURUSD", "1.10000", "1.10010", 1)

    done = engine.on_command(
        c.PlaceOrder(**{"login": 1, "symbol": "EURUSD", "type": OrderType.BUY, **values}), 2
    )[-1]

    assert isinstance(done, CommandDone)
    assert done.message == message
