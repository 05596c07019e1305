"""What is accepted is a new request: kill switches and plugins are asked about it, and a refusal says what was found."""

from typing import Any

import pytest

from engine import commands as c
from engine.codes import Code
from engine.enums import Answer, HaltLevel, HaltScope, OrderStatus
from engine.events import CommandDone
from engine.hooks import Plugin, Registration
from engine.order_types import OrderType
from tests.engine.market import CLIENT, OTHER, Market


class NoOpenings(Plugin):
    """Refuses whatever opens."""

    name = "no openings"

    def command_filter(self, command: c.Command, time_ms: int) -> Answer:
        return Answer.REJECT if isinstance(command, c.PlaceOrder) else Answer.OK


def requoted(market: Market) -> int:
    """Return the order of a market order that was requoted."""
    done = market.place(OrderType.BUY, expected_price="1.10000", deviation=0)
    assert done.code == Code.REQUOTE
    return done.ticket


def requoted_close(market: Market) -> int:
    """Return the order of a close that was requoted."""
    position = market.place(OrderType.BUY).ticket
    done = market.ask(
        c.ClosePosition(login=CLIENT, position=position, expected_price="1.10005", deviation=0, ticket=500)
    )
    assert done.code == Code.REQUOTE
    return done.ticket


def accept(market: Market, order: int, *, login: int = CLIENT) -> CommandDone:
    return market.ask(c.AcceptRequote(login=login, order=order, ticket=900))


def switch(market: Market, level: HaltLevel, scope: HaltScope = HaltScope.SERVER, key: str = "") -> None:
    market.do(c.SetHalt(scope=scope, key=key, level=level))


@pytest.mark.parametrize("level", [HaltLevel.NO_NEW_POSITIONS, HaltLevel.CLOSE_ONLY, HaltLevel.HALT])
@pytest.mark.parametrize(
    ("scope", "key"), [(HaltScope.SERVER, ""), (HaltScope.SYMBOL, "EURUSD"), (HaltScope.GROUP, "retail")]
)
def test_acceptance_when_a_kill_switch_forbids_openings_then_halted_and_used_up(
    level: HaltLevel, scope: HaltScope, key: str
) -> None:
    market = Market()
    order = requoted(market)
    switch(market, level, scope, key)

    events = market.do(c.AcceptRequote(login=CLIENT, order=order, ticket=900))

    done = events[-1]
    assert isinstance(done, CommandDone) and (done.code, done.ticket) == (Code.HALTED, 900)
    (failed,) = {
        id(e.order): e.order for e in events if hasattr(e, "order") and not isinstance(e.order, int)
    }.values()
    assert (failed.ticket, failed.status, failed.error) == (900, OrderStatus.FAILED, Code.HALTED)
    assert not market.state.positions and not market.state.offers
    assert accept(market, order).code == Code.REQUEST_NOT_FOUND


def test_acceptance_when_it_closes_and_only_closing_is_allowed_then_done() -> None:
    market = Market()
    order = requoted_close(market)
    switch(market, HaltLevel.CLOSE_ONLY)

    assert accept(market, order).code == ""
    assert not market.state.positions


def test_acceptance_when_a_plugin_forbids_what_it_opens_then_rejected_but_a_close_is_done() -> None:
    market = Market()
    opening, closing = requoted(market), requoted_close(market)
    market.engine.core.hooks.registrations = (Registration(NoOpenings(), name="no openings"),)

    assert accept(market, opening).code == Code.REJECTED
    assert accept(market, closing).code == ""
    assert not market.state.positions


def test_acceptance_when_of_another_account_then_not_found_and_the_offer_stands() -> None:
    market = Market()
    order = requoted(market)

    assert accept(market, order, login=OTHER).code == Code.REQUEST_NOT_FOUND
    assert accept(market, order).code == ""


def test_order_when_requoted_then_it_says_until_when_its_price_may_be_accepted() -> None:
    market = Market(group={"requote_ttl": "1.5"})

    events = market.do(
        c.PlaceOrder(login=CLIENT, symbol="EURUSD", type=OrderType.BUY, volume="0.10", ticket=7, expected_price="1.1", deviation=0)
    )  # fmt: skip

    done = events[-1]
    assert isinstance(done, CommandDone)
    assert done.data == {"requote_price": "1.10010", "requote_expires_ms": market.time_ms + 1500}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deviation": 3}, "deviation 3 needs an expected price that it is measured from"),
        ({"expected_price": "1.1", "deviation": -1}, "deviation -1 is below 0; points that the price may be worse by are needed"),
        ({"expected_price": "1.100001"}, "expected price 1.100001 is no price of EURUSD, which has 5 digits"),
        ({"expected_price": "0", "deviation": 1}, "expected price 0 is no price of EURUSD, which has 5 digits"),
    ],
)  # fmt: skip
def test_price_that_was_seen_when_it_is_none_then_told_what_was_found(
    given: dict[str, Any], said: str
) -> None:
    market = Market()
    position = market.place(OrderType.BUY).ticket

    opened = market.place(OrderType.BUY, **given)
    closed = market.ask(c.ClosePosition(login=CLIENT, position=position, **given))

    assert [(done.code, done.message) for done in (opened, closed)] == [(Code.INVALID_PRICE, said)] * 2
    assert list(market.state.positions) == [position]
