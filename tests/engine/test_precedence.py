"""Of two rules that a request breaks at once, the code that stands first in its row of docs/codes.md is the answer."""

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import commands as c
from engine.codes import CODES, Code
from engine.enums import Answer, EntryType, HaltLevel, HaltScope, Side, TradeMode
from engine.hooks import Plugin, Registration
from engine.order_types import OrderType
from engine.precedence import PRECEDENCE
from engine.settings import Symbol
from tests.engine.market import CLIENT, Market

Fields = dict[str, Any]
Break = Callable[[Market, Fields], None]
LATE = 1


class Refusing(Plugin):
    """Refuses whatever it is asked."""

    name = "refusing"

    def command_filter(self, command: c.Command, time_ms: int) -> Answer:
        return Answer.REJECT


def symbol_of(market: Market) -> Symbol:
    return market.state.symbols["EURUSD"]


def close_the_market(symbol: Symbol) -> None:
    symbol.sessions = ((),) * 7
    symbol.follow("UTC")


def field(name: str, value: Any) -> Break:
    return lambda market, fields: fields.update({name: value})


def account(name: str, value: Any) -> Break:
    return lambda market, fields: setattr(market.state.accounts[CLIENT], name, value)


def group(name: str, value: Any) -> Break:
    return lambda market, fields: setattr(market.state.groups["retail"], name, value)


def traded(mode: TradeMode) -> Break:
    return lambda market, fields: setattr(symbol_of(market), "trade_mode", mode)


def no_quote(market: Market, fields: Fields) -> None:
    del fields
    market.state.quotes.clear()


def poor(market: Market, fields: Fields) -> None:
    del fields
    market.state.accounts[CLIENT].balance = 1
    symbol_of(market).pending_margin_rate = Fraction(1)


def refused_by_a_plugin(market: Market, fields: Fields) -> None:
    del fields
    market.engine.core.hooks.registrations = (Registration(Refusing(), name="refusing"),)


def halted(market: Market, fields: Fields) -> None:
    del fields
    market.do(c.SetHalt(scope=HaltScope.SERVER, key="", level=HaltLevel.HALT))


def frozen(market: Market, fields: Fields) -> None:
    del fields
    symbol_of(market).freeze_level = 10**6


def owned(market: Market, fields: Fields) -> None:
    del fields
    for thing in (*market.state.positions.values(), *market.state.orders.values()):
        thing.smart = 4711


def saw_better(price: str) -> Break:
    """Return what lets a request say that it saw a better price; a deviation that stands is left."""

    def break_(market: Market, fields: Fields) -> None:
        fields["expected_price"] = price
        fields.setdefault("deviation", 0)

    return break_


ALWAYS: dict[Code, Break] = {
    Code.HALTED: halted,
    Code.REJECTED: refused_by_a_plugin,
    Code.ACCOUNT_DISABLED: account("enabled", False),
    Code.READ_ONLY: account("read_only", True),
}
OPENING: dict[Code, Break] = {
    **ALWAYS,
    Code.CLOSE_ONLY: account("close_only", True),
    Code.SYMBOL_NOT_FOUND: field("symbol", "NOPE"),
    Code.TRADE_DISABLED: traded(TradeMode.DISABLED),
    Code.SHORT_ONLY: traded(TradeMode.SHORT_ONLY),
    Code.MARKET_CLOSED: lambda market, fields: close_the_market(symbol_of(market)),
    Code.OFF_QUOTES: no_quote,
    Code.INVALID_VOLUME: field("volume", "0"),
    Code.LIMIT_REACHED: group("max_orders", 1),
    Code.NO_MONEY: poor,
}
CLOSED = OPENING[Code.MARKET_CLOSED]
LATE_CODE: dict[Code, Break] = {Code.TIMEOUT: field("valid_until_ms", LATE)}
STANDING: Fields = {"login": CLIENT, "position": 10}
ORDER: Fields = {"login": CLIENT, "symbol": "EURUSD", "volume": "0.10", "ticket": 900}

#: Row of the table -> the request that breaks nothing, and how it is made to break each rule.
Case = tuple[str, type[c.Command], Fields, dict[Code, Break]]
CASES: dict[str, Case] = {
    "market": (
        "place an order", c.PlaceOrder, {**ORDER, "type": OrderType.BUY},
        {
            **OPENING, **LATE_CODE, Code.INVALID_LEVERAGE: field("leverage", 10**6),
            Code.INVALID_STOPS: field("sl", "2.0"), Code.HEDGE_PROHIBITED: group("hedge_prohibited", True),
            Code.INVALID_PRICE: field("deviation", -1), Code.REQUOTE: saw_better("0.50000"),
        },
    ),
    "pending": (
        "place an order", c.PlaceOrder, {**ORDER, "type": OrderType.BUY_LIMIT, "price": "1.05000"},
        {
            **OPENING, Code.INVALID_LEVERAGE: field("leverage", 10**6), Code.INVALID_PRICE: field("price", "2.0"),
            Code.INVALID_STOPS: field("sl", "3.0"), Code.INVALID_EXPIRATION: field("expires", 1),
        },
    ),
    "smart, market": (
        "place a smart order", c.PlaceSmart,
        {**ORDER, "smart": 800, "side": Side.BUY, "entry": EntryType.MARKET, "take_profits": [["1.20000", "100"]]},
        {
            **OPENING, **LATE_CODE, Code.SUBSCRIPTION_REQUIRED: account("tier", "FREE"),
            Code.INVALID_STOPS: field("stop_loss", "2.0"), Code.HEDGE_PROHIBITED: group("hedge_prohibited", True),
            Code.INVALID_LEVELS: field("take_profits", [["1.20000", "70"], ["1.30000", "70"]]),
        },
    ),
    "smart, limit": (
        "place a smart order", c.PlaceSmart,
        {
            **ORDER, "smart": 800, "side": Side.BUY, "entry": EntryType.LIMIT, "price": "1.05000",
            "take_profits": [["9.20000", "100"]],
        },
        {**OPENING, Code.INVALID_PRICE: field("price", "2.0"), Code.INVALID_STOPS: field("stop_loss", "3.0")},
    ),
    "close": (
        "close a position", c.ClosePosition, {**STANDING, "position": 20, "ticket": 900},
        {
            **ALWAYS, Code.POSITION_NOT_FOUND: field("position", 999), Code.TRADE_DISABLED: traded(TradeMode.DISABLED),
            Code.MARKET_CLOSED: CLOSED, Code.OFF_QUOTES: no_quote, Code.INVALID_VOLUME: field("volume", "7"),
            Code.FIFO: group("close_fifo", True), Code.INVALID_PRICE: field("deviation", -1),
            Code.REQUOTE: saw_better("0.50000"),
        },
    ),
    "close by": (
        "close by", c.CloseBy, {**STANDING, "position": 20, "opposite": 30, "ticket": 900},
        {
            **ALWAYS, Code.POSITION_NOT_FOUND: field("opposite", 999), Code.TRADE_DISABLED: traded(TradeMode.DISABLED),
            Code.MARKET_CLOSED: CLOSED, Code.FIFO: group("close_fifo", True),
            Code.INVALID_CLOSE_BY: field("opposite", 10),
        },
    ),
    "modify a position": (
        "modify a position", c.ModifyPosition, {**STANDING, "sl": "2.00000"},
        {
            **ALWAYS, Code.POSITION_NOT_FOUND: field("position", 999), Code.MANAGED_BY_SMART_ORDER: owned,
            Code.MARKET_CLOSED: CLOSED, Code.OFF_QUOTES: no_quote, Code.FROZEN: frozen,
            Code.INVALID_STOPS: field("sl", "0.5"),
        },
    ),
    "modify an order": (
        "modify an order", c.ModifyOrder, {"login": CLIENT, "order": 40, "price": "1.04000"},
        {
            **ALWAYS, Code.ORDER_NOT_FOUND: field("order", 999), Code.MANAGED_BY_SMART_ORDER: owned,
            Code.MARKET_CLOSED: CLOSED, Code.OFF_QUOTES: no_quote, Code.FROZEN: frozen,
            Code.INVALID_PRICE: field("price", "2.0"), Code.INVALID_STOPS: field("sl", "3.0"),
            Code.INVALID_EXPIRATION: field("expires", 1),
        },
    ),
    "cancel an order": (
        "cancel an order", c.CancelOrder, {"login": CLIENT, "order": 40},
        {**ALWAYS, Code.ORDER_NOT_FOUND: field("order", 999), Code.MARKET_CLOSED: CLOSED, Code.FROZEN: frozen},
    ),
    "modify a smart order": (
        "modify a smart order", c.ModifySmart, {"login": CLIENT, "smart": 700, "stop_loss": "0.50000"},
        {
            **ALWAYS, Code.SMART_NOT_FOUND: field("smart", 999), Code.CONFLICT: field("version", 99),
            Code.INVALID_STOPS: field("stop_loss", "2.0"),
            Code.INVALID_LEVELS: field("levels", [["1.20000", "70"], ["1.30000", "70"]]),
        },
    ),
    "cancel a smart order": (
        "cancel a smart order", c.CancelSmart, {"login": CLIENT, "smart": 700},
        {**ALWAYS, Code.SMART_NOT_FOUND: field("smart", 999), Code.CONFLICT: field("version", 99)},
    ),
}  # fmt: skip
#: Both are the symbol's one trade mode, or one field of the request: it cannot break them at once. And no plugin is
#: asked about a thing that is not there.
APART = [
    {Code.TRADE_DISABLED, Code.SHORT_ONLY},
    {Code.POSITION_NOT_FOUND, Code.INVALID_CLOSE_BY},
    {Code.REJECTED, Code.POSITION_NOT_FOUND},
    {Code.REJECTED, Code.ORDER_NOT_FOUND},
    {Code.REJECTED, Code.SMART_NOT_FOUND},
]


def market_with_things() -> Market:
    """Return a market in which one account has what every case needs."""
    market = Market()
    for type_ in (OrderType.SELL, OrderType.SELL, OrderType.BUY):
        assert not market.place(type_, sl="2.00000" if type_ is OrderType.SELL else "0.50000").code
    assert not market.place(OrderType.BUY_LIMIT, price="1.05000").code
    plan = c.PlaceSmart(
        login=CLIENT, smart=700, ticket=710, symbol="EURUSD", side=Side.BUY, volume="0.10", entry=EntryType.MARKET,
        take_profits=[["1.20000", "100"]],
    )  # fmt: skip
    assert not market.ask(plan).code
    return market


def answered(case: Case, codes: tuple[Code, ...]) -> str:
    _, command, fields, breaks = case
    market, asked = market_with_things(), dict(fields)
    for code in codes:
        breaks[code](market, asked)
    return market.ask(command(**asked)).code


PAIRS = [
    (name, one, other)
    for name, case in CASES.items()
    for one, other in combinations(case[3], 2)
    if {one, other} not in APART
]


@pytest.mark.parametrize("name", CASES)
def test_request_when_it_breaks_nothing_then_it_is_done(name: str) -> None:
    assert answered(CASES[name], ()) == ""


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, case in CASES.items() for code in case[3]])
def test_request_when_it_breaks_one_rule_then_that_is_the_answer(name: str, code: Code) -> None:
    assert answered(CASES[name], (code,)) == code


@pytest.mark.parametrize(("name", "one", "other"), PAIRS)
def test_request_when_it_breaks_two_rules_then_the_first_of_its_row_is_the_answer(
    name: str, one: Code, other: Code
) -> None:
    case = CASES[name]
    row = PRECEDENCE[case[0]]

    found = answered(case, (one, other))

    assert found == min((one, other), key=row.index)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_request_when_it_breaks_any_rules_then_the_first_of_its_row_is_the_answer(
    data: st.DataObject,
) -> None:
    case = CASES[data.draw(st.sampled_from(sorted(CASES)))]
    codes = data.draw(st.lists(st.sampled_from(sorted(case[3])), min_size=2, unique=True))
    broken = tuple(code for code in codes if not any({code, other} in APART for other in codes))
    if not broken:
        return

    assert answered(case, broken) == min(broken, key=PRECEDENCE[case[0]].index)


def test_codes_when_listed_then_timeout_and_halted_come_first_and_all_have_a_meaning() -> None:
    assert list(Code)[:3] == [Code.TIMEOUT, Code.HALTED, Code.ACCOUNT_DISABLED]
    assert list(CODES) == list(Code)


@pytest.mark.parametrize("family", ["place an order", "place a smart order"])
def test_precedence_when_an_opening_is_judged_then_its_row_is_in_the_order_of_all_codes(family: str) -> None:
    order = list(Code)
    elsewhere = {Code.REJECTED, Code.POSITION_NOT_FOUND, Code.MANAGED_BY_SMART_ORDER, Code.CLOSE_ONLY}

    row = [code for code in PRECEDENCE[family] if code not in elsewhere]

    assert row == sorted(row, key=order.index)
