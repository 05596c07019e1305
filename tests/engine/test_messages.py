"""A refusal says what was found and what would have been right, whatever was asked for."""

from typing import Any

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.enums import By, EntryType, LedgerKind, Side, TradeMode
from engine.events import CommandDone
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State
from tests.engine.market import CLIENT, Market

#: What `desk_with_things` makes: a buy with its number, a second one, a limit order, a plan.
BUY, SELL, LIMIT, PLAN, MANAGED = 10, 20, 30, 5, 40


def desk(**group: Any) -> Engine:
    """Return an engine with one account, a market at 1.10000 / 1.10010 and stops 5 points away."""
    state = State()
    symbol = {"name": "EURUSD", "stops_level": 5, "freeze_level": 3, "contract_size": "100000"}
    state.symbols["EURUSD"] = Symbol.from_values(symbol, index=0)
    state.symbols["CLOSED"] = Symbol.from_values({"name": "CLOSED", "trade_mode": "close_only"}, index=1)
    state.groups["std"] = Group.from_values({"name": "std", **group})
    state.accounts[1] = Account(login=1, group="std", currency="USD", balance=10_000)
    engine = Engine(state)
    engine.on_tick("EURUSD", "1.10000", "1.10010", 1)
    return engine


def said(engine: Engine, command: c.Command) -> str:
    """Return the message of a command that must be refused."""
    done = engine.on_command(command, 2)[-1]
    assert isinstance(done, CommandDone)
    assert done.code
    return done.message


def desk_with_things(**group: Any) -> Engine:
    """Return an engine whose account holds a buy, a sell, a buy limit near the market and a plan."""
    engine = desk(**group)
    engine.state.accounts[1].balance = 10_000_000
    usual = {"login": 1, "symbol": "EURUSD"}
    for ticket, kind, more in (
        (BUY, OrderType.BUY, {"volume": "0.10", "sl": "1.09997", "by": By.MANAGER}),
        (SELL, OrderType.SELL, {"volume": "0.20"}),
        (LIMIT, OrderType.BUY_LIMIT, {"volume": "0.10", "price": "1.09000"}),
    ):
        assert not engine.on_command(c.PlaceOrder(ticket=ticket, type=kind, **usual, **more), 2)[-1].code
    plan = c.PlaceSmart(
        smart=PLAN, ticket=MANAGED, side=Side.BUY, volume="0.10", entry=EntryType.MARKET, stop_loss="1.09",
        take_profits=[["1.12", "50"], ["1.13", "50"]], **usual,
    )  # fmt: skip
    assert not engine.on_command(plan, 2)[-1].code
    return engine


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"volume": "0.015"}, "volume 0.015 is not 0.01 to 1000 in steps of 0.01"),
        ({"volume": "1", "leverage": 500}, "leverage 500 is not 1 to 100"),
        ({"volume": "1", "sl": "1.2"}, "SL 1.2 must be 1.09995 or lower (buy measured from 1.10000)"),
        ({"volume": "1", "tp": "1.1"}, "TP 1.1 must be 1.10005 or higher (buy measured from 1.10000)"),
        ({"volume": "1", "tp": "1.123456"}, "TP 1.123456 is no price of EURUSD, which has 5 digits"),
        ({"volume": "1"}, "free margin 100.00 does not cover 1 EURUSD"),
        ({"volume": "1", "symbol": "NONE"}, "there is no symbol NONE"),
        ({"volume": "1", "symbol": "CLOSED"}, "CLOSED may only be closed"),
        (
            {"volume": "1", "type": OrderType.BUY_LIMIT, "price": "1.2"},
            "price 1.2 of a buy limit must be 1.10005 or lower (ask 1.10010)",
        ),
        ({"volume": "1", "type": OrderType.SELL_LIMIT}, "a sell limit needs a price"),
        (
            {"volume": "1", "type": OrderType.BUY_STOP_LIMIT, "price": "1.2", "limit_price": "1.3"},
            "limit price 1.3 must be 1.19999 or lower",
        ),
        (
            {"volume": "1", "type": OrderType.BUY_LIMIT, "price": "1.09", "expires": 1},
            'expiry 1 is neither "gtc", "day" nor a time to come',
        ),
    ],
)
def test_place_when_refused_then_the_message_says_what_was_found(values: dict, message: str) -> None:
    order = {"login": 1, "symbol": "EURUSD", "type": OrderType.BUY, **values}
    assert said(desk(), c.PlaceOrder(**order)) == message


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (c.ClosePosition(login=1, position=77), "account 1 has no open position 77"),
        (c.ClosePosition(login=1, position=BUY, volume="0.3"), "volume 0.3 is more than the position's 0.1"),
        (
            c.ClosePosition(login=1, position=SELL, volume="0.015"),
            "volume 0.015 is not 0.01 to 1000 in steps of 0.01, nor the position's 0.2",
        ),
        (c.CloseBy(login=1, position=BUY, opposite=78), "account 1 has no open position 78"),
        (
            c.CloseBy(login=1, position=BUY, opposite=MANAGED),
            "position 10 is a buy of EURUSD and 40 is a buy of EURUSD; "
            "two opposite ones of one symbol close by each other",
        ),
        (
            c.ModifyPosition(login=1, position=SELL, sl="1.1"),
            "SL 1.1 must be 1.10015 or higher (sell measured from 1.10010)",
        ),
        (
            c.ModifyPosition(login=1, position=BUY, tp="1.2"),
            "SL 1.09997 is within 3 points of the market at 1.10000: position 10 is frozen",
        ),
        (
            c.ModifyPosition(login=1, position=MANAGED, tp="1.2"),
            "position 40 belongs to smart order 5: change or cancel that",
        ),
        (
            c.ModifyOrder(login=1, order=LIMIT, price="1.2"),
            "price 1.2 of a buy limit must be 1.10005 or lower (ask 1.10010)",
        ),
        (c.ModifyOrder(login=1, order=LIMIT, limit_price="1.08"), "a buy limit has no limit price"),
        (
            c.ModifyOrder(login=1, order=LIMIT, sl="1.095"),
            "SL 1.095 must be 1.08995 or lower (buy measured from 1.09000)",
        ),
        (c.ModifyOrder(login=1, order=79, sl="1"), "account 1 has no pending order 79"),
        (c.CancelOrder(login=1, order=79), "account 1 has no pending order 79"),
        (c.ModifySmart(login=1, smart=9), "account 1 has no live smart order 9"),
        (
            c.ModifySmart(login=1, smart=PLAN, version=7),
            "version 7 was named, smart order 5 stands at version 1",
        ),
        (
            c.ModifySmart(login=1, smart=PLAN, stop_loss="1.2"),
            "stop loss 1.2 must be 1.09995 or lower (buy measured from 1.10000)",
        ),
        (
            c.ModifySmart(login=1, smart=PLAN, callback="100"),
            "callback 100 is not a percentage above 0 and below 100",
        ),
        (
            c.ModifySmart(login=1, smart=PLAN, levels=[["1.2", "60"], ["1.3", "60"]]),
            "the levels close 120.00 % in all, which is more than 100",
        ),
        (
            c.ModifySmart(login=1, smart=PLAN, levels=[["1.2", "50"], ["1.15", "50"]]),
            "a level must close 0.01 lots or more and lie farther than the one before, level 2",
        ),
        (
            c.CancelSmart(login=1, smart=PLAN, version=3),
            "version 3 was named, smart order 5 stands at version 1",
        ),
    ],
)
def test_change_when_refused_then_the_message_says_what_was_found(command: c.Command, message: str) -> None:
    assert said(desk_with_things(), command) == message


def test_close_when_an_older_one_goes_first_then_it_is_named() -> None:
    engine = desk_with_things(close_fifo=True)
    command = c.ClosePosition(login=1, position=MANAGED)
    assert said(engine, command) == "position 10 is older than 40 and closes first"


@pytest.mark.parametrize(
    ("kind", "amount", "message"),
    [
        (LedgerKind.DEPOSIT, "0", "the amount 0 of a deposit must be above 0"),
        (LedgerKind.DEPOSIT, "1.001", "'1.001' is no amount of USD, which has 2 digits"),
        (LedgerKind.DEPOSIT, "NaN", "'NaN' is no amount of USD, which has 2 digits"),
        (
            LedgerKind.DEPOSIT,
            "1000000000000000.01",
            "the amount 1000000000000000.01 is more than 1000000000000000",
        ),
        (
            LedgerKind.DEPOSIT,
            "1000000000000000",
            "1000000000000100.00 is more than an account holds, which is 1000000000000000",
        ),
        (LedgerKind.WITHDRAWAL, "500", "withdrawal of 500: the balance is 100.00"),
        (LedgerKind.CREDIT_OUT, "1", "credit out of 1: the credit is 0.00"),
    ],
)
def test_balance_when_refused_then_the_message_says_what_was_found(
    kind: LedgerKind, amount: str, message: str
) -> None:
    assert said(desk(), c.BalanceOperation(login=1, kind=kind, amount=amount)) == message


def test_smart_order_when_anything_of_it_is_refused_then_the_number_is_its_own() -> None:
    market = Market()
    plan = {
        "login": CLIENT,
        "symbol": "EURUSD",
        "side": Side.BUY,
        "volume": "0.10",
        "entry": EntryType.MARKET,
    }
    market.ask(c.PlaceSmart(smart=700, ticket=710, take_profits=[["1.20000", "100"]], **plan))
    market.state.symbols["EURUSD"].trade_mode = TradeMode.DISABLED

    refused = [
        market.ask(c.PlaceSmart(smart=800, ticket=810, **plan)),
        market.ask(c.ModifySmart(login=CLIENT, smart=700, version=9)),
        market.ask(c.CancelSmart(login=CLIENT, smart=999)),
        market.ask(c.CancelSmart(login=CLIENT, smart=700, ticket=720, close=True)),
    ]

    assert [(done.code, done.ticket) for done in refused] == [
        ("trade_disabled", 800), ("conflict", 700), ("smart_not_found", 999), ("trade_disabled", 700),
    ]  # fmt: skip
