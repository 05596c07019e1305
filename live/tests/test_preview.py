"""A preview of an order is what the order books (rule 7.17): margin and commission, to the last digit."""

from copy import deepcopy
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.events import CommandDone, DealMade
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol, currency_digits
from engine.state import State
from live.account_view import AccountView
from live.preview import preview_margin

LOGIN = 1001
OIL = {
    "name": "OIL", "digits": 2, "contract_size": "1000", "base_currency": "OIL", "profit_currency": "USD",
    "margin_currency": "USD", "calc_mode": "cfd_leverage", "allow_negative": True,
}  # fmt: skip
QUOTES = {"EURUSD": ("1.10003", "1.10014"), "USDJPY": ("151.237", "151.249"), "OIL": ("-13.37", "-13.31")}


def desk(currency: str, commission: dict[str, str], mode: str = "netting") -> Engine:
    state = State()
    for index, values in enumerate(({"name": "EURUSD"}, {"name": "USDJPY", "digits": 3}, OIL)):
        state.symbols[str(values["name"])] = Symbol.from_values(values, index=index)
    state.groups["g"] = Group.from_values(
        {
            "name": "g",
            "currency": currency,
            "margin_mode": mode,
            "leverage": 30,
            "spread_diff": 3,
            "commission": commission,
        }
    )
    state.accounts[LOGIN] = Account(login=LOGIN, group="g", currency=currency, balance=10**11)
    engine = Engine(state)
    for number, (name, (bid, ask)) in enumerate(QUOTES.items(), start=1):
        engine.on_tick(name, bid, ask, number * 1000)
    return engine


def preview(engine: Engine, symbol: str, side: str, volume: str) -> dict[str, Any]:
    state = deepcopy(engine.state)
    copy = Engine(state)
    copy.recover()
    digits = currency_digits(state.accounts[LOGIN].currency)
    view = SimpleNamespace(engine=copy, state=state, login=LOGIN, money_digits=digits)
    return preview_margin(cast(AccountView, view), {"symbol": symbol, "side": side, "volume": volume})


def minor(text: str) -> int:
    return int(text.replace(".", ""))


@pytest.mark.parametrize("mode", ["netting", "hedging"])
@pytest.mark.parametrize("currency", ["USD", "JPY"])
@pytest.mark.parametrize(
    "commission",
    [
        {"kind": "per_lot", "amount": "7"},
        {"kind": "per_deal", "amount": "3"},
        {"kind": "percent", "amount": "0.013"},
    ],
)
@pytest.mark.parametrize("symbol", ["EURUSD", "OIL"])
def test_preview_when_the_order_is_then_executed_then_it_booked_the_same(
    mode: str, currency: str, commission: dict[str, str], symbol: str
) -> None:
    engine = desk(currency, commission, mode)
    # Opened, increased, reduced, reversed, closed.
    for number, (side, volume) in enumerate(
        (("buy", "0.30"), ("buy", "0.17"), ("sell", "0.11"), ("sell", "0.90"), ("buy", "0.54")), start=1
    ):
        told = preview(engine, symbol, side, volume)
        before = minor(engine.account_view(LOGIN)["margin"])
        fees_before = carried(engine)

        events = engine.on_command(
            c.PlaceOrder(login=LOGIN, symbol=symbol, type=OrderType(side), volume=volume, ticket=number * 10),
            9000,
        )

        done = events[-1]
        assert isinstance(done, CommandDone)
        assert (done.code, told["errors"]) == ("", [])
        deals = [event.deal for event in events if isinstance(event, DealMade)]
        booked = -sum(deal.fees or 0 for deal in deals)
        fees = booked + carried(engine) - fees_before
        assert minor(told["commission"]) == fees, (number, told)
        assert minor(told["margin"]) == minor(engine.account_view(LOGIN)["margin"]) - before, (number, told)
        assert told["free_margin_after"] == engine.account_view(LOGIN)["free_margin"], (number, told)


def carried(engine: Engine) -> int:
    """Return what open positions carry of commission, as a charge."""
    return -sum(position.fees for position in engine.state.positions.values())


def test_preview_when_a_netting_position_is_reduced_then_no_commission_and_margin_is_freed() -> None:
    engine = desk("USD", {"kind": "per_lot", "amount": "7"})
    engine.on_command(
        c.PlaceOrder(login=LOGIN, symbol="OIL", type=OrderType.BUY, volume="1", ticket=10), 9000
    )

    reduced, reversed_ = preview(engine, "OIL", "sell", "0.40"), preview(engine, "OIL", "sell", "1.50")

    # The ask of the group is -13.29: 1000 x 13.29 / 30 is 443.00, of which 0.40 lot is 177.20.
    assert (reduced["commission"], reduced["margin"]) == ("0.00", "-177.20")
    # Half a lot is new at the group's bid of -13.38: 223.00, less 443.00.
    assert (reversed_["commission"], reversed_["margin"]) == ("3.50", "-220.00")


def test_preview_when_refused_for_margin_then_free_margin_after_counts_commission_and_spread_too() -> None:
    engine = desk("USD", {"kind": "per_lot", "amount": "7"}, "hedging")
    engine.state.accounts[LOGIN].balance = 100_000

    told = preview(engine, "EURUSD", "buy", "1")

    # Ask and bid of the group are 1.10016 and 1.10002 (three points more), 1 : 30.
    margin, commission, spread = minor(told["margin"]), 700, 1400
    assert [error["code"] for error in told["errors"]] == ["no_money"]
    assert minor(told["free_margin_after"]) == 100_000 - margin - commission - spread


@pytest.mark.parametrize("mode", ["no_pl", "profit_only", "loss_only", "use_all"])
def test_preview_when_the_group_counts_profit_otherwise_then_so_does_the_free_margin_after(mode: str) -> None:
    engine = desk("USD", {"kind": "per_deal", "amount": "3"}, "hedging")
    values = {"name": "g", "currency": "USD", "margin_mode": "hedging", "leverage": 30, "spread_diff": 3,
              "commission": {"kind": "per_deal", "amount": "3"}, "free_margin_mode": mode}  # fmt: skip
    engine.state.groups["g"] = Group.from_values(values)

    told = preview(engine, "EURUSD", "sell", "0.50")
    engine.on_command(
        c.PlaceOrder(login=LOGIN, symbol="EURUSD", type=OrderType.SELL, volume="0.50", ticket=10), 9000
    )

    assert told["free_margin_after"] == engine.account_view(LOGIN)["free_margin"]
