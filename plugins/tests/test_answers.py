"""What a plugin may do wrong: it is that plugin's failure, its default counts, and trading goes on."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.enums import Answer, By, OrderStatus
from engine.events import CommandDone, DealMade, Event, HookFailed, OrderChanged, PluginChanged
from engine.hooks import OK, Context, Plugin, Registration, Reject, Verdict
from engine.order_types import OrderType
from engine.records import Account, Deal
from engine.settings import Group, Symbol
from engine.state import State
from plugins.loss_limit import LossLimit
from plugins.tests.test_bundled import NOON, buy, engine_with


def plugin_with(**methods: Any) -> Plugin:
    made: Plugin = type("Wrong", (Plugin,), {"name": "wrong", **methods})()
    return made


def raises(*_: Any) -> Any:
    raise RuntimeError("on purpose")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def raises_unprintably(*_: Any) -> Any:
    raise Unprintable


def failures(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.plugin, event.point) for event in events if isinstance(event, HookFailed)]


def deals(events: Sequence[Event]) -> list[int]:
    return [event.deal.price for event in events if isinstance(event, DealMade)]


class Thing:
    """Anything at all; its name has no address, so that a test of it is called the same in every process."""

    def __repr__(self) -> str:
        return "a thing"


WRONG = [None, True, "ok", 1, {}, [], Verdict, Thing()]


@pytest.mark.parametrize("answer", [*WRONG, OK, Verdict(Answer.OK)], ids=repr)
def test_filter_when_it_answers_no_answer_then_none_counts_and_the_stop_executes(answer: Any) -> None:
    engine = engine_with(plugin_with(stops_filter=lambda _, __: answer))
    buy(engine, sl="1.09900")

    events = engine.on_tick("EURUSD", "1.09890", "1.09900", NOON + 2)

    assert deals(events) == [109_890]
    assert failures(events) == [("wrong", "stops_filter")]


PRICES = [
    *("NaN", "Infinity", "-Infinity", "abc", "", " ", "-5", "0", "0.000004", "1e5", "1,1", "1" * 30),
    *(1.0991, 1, True, b"1.1", ["1.1"]),
]


@pytest.mark.parametrize(
    "answer",
    [*WRONG, Answer.OK, Verdict("ok"), Verdict(None), *(Verdict(Answer.OK, price) for price in PRICES)],  # type: ignore[arg-type]
    ids=repr,
)
def test_apply_when_its_answer_cannot_be_used_then_the_close_waits_for_the_next_tick(answer: Any) -> None:
    engine = engine_with(plugin_with(stops_apply=lambda _, __: answer))
    buy(engine, sl="1.09900")

    events = engine.on_tick("EURUSD", "1.09890", "1.09900", NOON + 2)

    assert deals(events) == []
    assert failures(events) == [("wrong", "stops_apply")]
    assert len(engine.state.positions) == 1
    again = engine.on_tick("EURUSD", "1.09880", "1.09890", NOON + 3)
    assert failures(again) == [("wrong", "stops_apply")]


@pytest.mark.parametrize(
    ("price", "points"),
    [
        ("1.0991", 109_910),
        ("1.099104999", 109_910),
        ("1.099105", 109_911),
        ("+1.09912", 109_912),
        (None, 109_890),
    ],
)
def test_apply_when_its_price_is_one_then_the_deal_has_it_on_the_grid_half_up(
    price: str | None, points: int
) -> None:
    engine = engine_with(plugin_with(stops_apply=lambda _, __: Verdict(Answer.OK, price)))
    buy(engine, sl="1.09900")

    events = engine.on_tick("EURUSD", "1.09890", "1.09900", NOON + 2)

    assert deals(events) == [points]
    assert failures(events) == []


@pytest.mark.parametrize(
    "how", [raises, raises_unprintably, lambda: None], ids=["raises", "no words", "arguments"]
)
@pytest.mark.parametrize(
    "method",
    [
        *(
            "pendings_filter",
            "pendings_apply",
            "stops_filter",
            "stops_apply",
            "stopouts_filter",
            "stopouts_apply",
        ),
        *("command_filter", "on_tick", "on_deal", "memory", "after_commit"),
    ],
)
def test_engine_when_any_method_fails_then_ticks_and_orders_go_on(method: str, how: Any) -> None:
    engine = engine_with(plugin_with(**{"on_deal": lambda self, deal: None, method: how}))
    buy(engine, sl="1.09900")
    command = c.PlaceOrder(
        login=1001, symbol="EURUSD", type=OrderType.BUY_STOP, volume="0.10", price="1.10050", ticket=20
    )
    assert answer_of(engine, command).code == ""

    for at, (bid, ask) in enumerate([("1.10050", "1.10060"), ("1.09890", "1.09900"), ("0.00010", "0.00020")]):
        engine.after_commit(engine.on_tick(ask=ask, bid=bid, symbol_name="EURUSD", time_ms=NOON + 3 + at))
        engine.check()

    assert set(engine.core.hooks.failures) == {f"wrong.{method}"}
    assert engine.state.quotes["EURUSD"].bid == 10


MEMORIES: list[Any] = [
    {"x": {1}}, {1: "a"}, {"x": float("nan")}, {"x": float("inf")}, {"x": b"1"}, {"x": Thing()}, {"x": "a\x00b"},
    {"x": "\ud800"}, {"\x00": 1}, {"x": [{"y": {2: 3}}]}, {"x": "a" * 2_000_000}, [], None, "memory", {"x": 1 + 2j},
]  # fmt: skip


@pytest.mark.parametrize("memory", MEMORIES, ids=lambda value: repr(value)[:30])
def test_memory_when_it_is_no_json_then_the_last_good_one_stays(memory: Any) -> None:
    plugin = plugin_with(on_deal=lambda self, deal: None)
    given: list[Any] = [{"good": [1, "two", None, 0.5, True]}, memory]
    type(plugin).memory = lambda self: given[0]  # type: ignore[method-assign]
    engine = engine_with(plugin)
    buy(engine)
    given.pop(0)

    events = engine.on_command(c.ClosePosition(login=1001, position=10, ticket=20), NOON + 2)

    assert failures(events) == [("wrong", "memory")]
    assert not any(isinstance(event, PluginChanged) for event in events)
    assert engine.core.hooks.memories["wrong"] == '{"good": [1, "two", null, 0.5, true]}'


def test_memory_when_the_plugin_changes_what_it_returned_then_the_change_is_kept() -> None:
    kept: dict[str, Any] = {"deals": []}
    engine = engine_with(
        plugin_with(memory=lambda self: kept, on_deal=lambda self, deal: kept["deals"].append(deal.ticket))
    )

    buy(engine)
    events = engine.on_command(c.ClosePosition(login=1001, position=10, ticket=20), NOON + 2)

    assert [event.state for event in events if isinstance(event, PluginChanged)] == [{"deals": [11, 21]}]
    assert events[-2].state is not kept  # type: ignore[attr-defined]


def test_memory_when_it_cannot_be_taken_back_then_it_stays_as_it_was() -> None:
    plugin = plugin_with(remember=raises, memory=lambda self: {"new": 1}, on_deal=lambda self, deal: None)
    engine = engine_with(plugin)
    engine.state.plugin_states = {"wrong": {"old": 1}}

    told = engine.recover()
    buy(engine)

    assert failures(told) == [("wrong", "remember")]
    assert engine.core.hooks.memories == {"wrong": '{"old": 1}'}


def test_memory_when_a_plugin_is_registered_twice_then_each_keeps_its_own() -> None:
    class Counting(Plugin):
        name = "counting"

        def __init__(self) -> None:
            self.count = 0

        def memory(self) -> dict[str, Any]:
            return {"count": self.count}

        def on_deal(self, deal: Deal) -> None:
            self.count += 1

    engine = engine_with(Registration(Counting(), symbols="XAU*"), Registration(Counting()))  # type: ignore[arg-type]

    buy(engine)

    assert engine.core.hooks.memories == {"counting": '{"count": 0}', "counting#2": '{"count": 1}'}


@pytest.mark.parametrize(
    "error", [ValueError, KeyError, AttributeError, ZeroDivisionError, RuntimeError, OSError]
)
def test_configure_when_it_raises_anything_then_it_is_a_refusal_with_its_words(
    error: type[Exception],
) -> None:
    def configure(self: Plugin, values: dict[str, Any]) -> None:
        raise error("not these")

    engine = engine_with(plugin_with(configure=configure))

    events = engine.on_command(c.ConfigurePlugin(plugin="wrong", values={"a": 1}, by=By.MANAGER), NOON + 1)

    done = events[-1]
    assert isinstance(done, CommandDone)
    assert done.code == "invalid_setting"
    assert "not these" in done.message
    assert failures(events) == ([] if error is ValueError else [("wrong", "configure")])


def market_of_two(*plugins: Registration) -> Engine:
    state = State(now_ms=NOON)
    for index, name in enumerate(("EURUSD", "XAUUSD")):
        state.symbols[name] = Symbol.from_values({"name": name, "digits": 5}, index=index)
    for login, name in ((1001, "std"), (1002, "gold"), (1003, "gold-vip")):
        state.groups[name] = Group.from_values({"name": name})
        state.accounts[login] = Account(login=login, group=name, currency="USD", balance=100_000_000)
    engine = Engine(state, plugins)
    for name in state.symbols:
        engine.on_tick(name, "1.10000", "1.10010", NOON)
    return engine


def answer_of(engine: Engine, command: c.Command) -> CommandDone:
    done = engine.on_command(command, NOON + 1)[-1]
    assert isinstance(done, CommandDone)
    return done


@pytest.mark.parametrize(
    ("login", "symbol", "code"),
    [
        (1001, "EURUSD", ""), (1001, "XAUUSD", ""), (1002, "EURUSD", ""), (1002, "XAUUSD", "rejected"),
        (1003, "XAUUSD", ""), (9999, "XAUUSD", "account_disabled"),
    ],
)  # fmt: skip
def test_command_filter_when_it_has_masks_then_it_is_asked_about_nothing_else(
    login: int, symbol: str, code: str
) -> None:
    refusing = plugin_with(command_filter=lambda *_: Reject("not today"))
    engine = market_of_two(Registration(refusing, "gold*,!*-vip", "XAU*"))
    order = {"login": login, "symbol": symbol, "type": OrderType.BUY, "volume": "0.10"}

    assert answer_of(engine, c.PlaceOrder(ticket=10, **order)).code == code  # type: ignore[arg-type]


def test_command_filter_when_a_change_is_of_another_symbol_then_it_is_not_asked() -> None:
    engine = market_of_two()
    for ticket, symbol in ((10, "EURUSD"), (20, "XAUUSD")):
        place = c.PlaceOrder(login=1002, symbol=symbol, type=OrderType.BUY, volume="0.10", ticket=ticket)
        assert answer_of(engine, place).code == ""
    refusing = Registration(plugin_with(command_filter=lambda *_: Answer.REJECT), "gold", "XAU*", "wrong")
    engine.core.hooks.registrations = (refusing,)

    closes = [
        answer_of(engine, c.ClosePosition(login=1002, position=number, ticket=30 + number)).code
        for number in (10, 20, 99)
    ]

    assert closes == ["", "rejected", "position_not_found"]


def test_after_commit_and_on_deal_when_they_have_masks_then_they_see_nothing_else() -> None:
    seen: list[Any] = []
    committed: list[Event] = []
    watching = plugin_with(
        on_deal=lambda self, deal: seen.append((deal.login, deal.symbol)),
        after_commit=lambda self, events: committed.extend(events),
    )
    engine = market_of_two(Registration(watching, "gold", "XAU*"))

    for ticket, login, symbol in ((10, 1001, "XAUUSD"), (20, 1002, "EURUSD"), (30, 1002, "XAUUSD")):
        command = c.PlaceOrder(login=login, symbol=symbol, type=OrderType.BUY, volume="0.10", ticket=ticket)
        engine.after_commit(engine.on_command(command, NOON + 1))
    engine.after_commit(engine.on_tick("EURUSD", "1.20000", "1.20010", NOON + 2))

    assert seen == [(1002, "XAUUSD")]
    assert {event.order.ticket for event in committed if isinstance(event, OrderChanged)} == {30}
    assert not any(getattr(event, "symbol", "XAUUSD") == "EURUSD" for event in committed)


def test_refusal_when_a_plugin_gives_words_then_they_and_its_name_are_told_and_the_order_has_failed() -> None:
    engine = market_of_two(Registration(plugin_with(command_filter=lambda *_: Reject("closed for lunch"))))
    order = c.PlaceOrder(login=1001, symbol="EURUSD", type=OrderType.BUY, volume="0.10", ticket=10)

    events = engine.on_command(order, NOON + 1)

    done = events[-1]
    assert isinstance(done, CommandDone)
    assert (done.code, done.message, done.ticket) == ("rejected", "wrong: closed for lunch", 10)
    made = [event.order for event in events if isinstance(event, OrderChanged)][-1]
    assert (made.ticket, made.status, made.error) == (10, OrderStatus.FAILED, "rejected")
    assert not engine.state.positions
    assert not engine.state.orders


@pytest.mark.parametrize("reason", [None, 5, b"x"])
def test_refusal_when_its_reason_is_no_text_then_it_is_the_plugins_failure(reason: Any) -> None:
    engine = engine_with(plugin_with(command_filter=lambda *_: Reject(reason)))

    buy(engine)

    assert engine.core.hooks.failures == {"wrong.command_filter": 1}


def test_command_filter_when_it_changes_the_command_then_the_engine_has_its_own() -> None:
    def meddle(self: Plugin, command: c.PlaceSmart, time_ms: int) -> Answer:
        command.take_profits.clear()
        return Answer.NONE

    engine = engine_with(plugin_with(command_filter=meddle))
    from_client: dict[str, Any] = {
        "login": 1001,
        "symbol": "EURUSD",
        "smart": 10,
        "ticket": 20,
        "volume": "0.10",
    }
    command = c.from_json(
        "PlaceSmart",
        {**from_client, "side": "buy", "entry": "market", "take_profits": [["1.20000", "100"]]},
    )

    engine.on_command(command, NOON + 1)

    assert [level.price for level in engine.state.smarts[10].levels] == [120_000]


def test_loss_limit_when_it_is_spent_then_orders_are_refused_and_closing_is_not() -> None:
    engine = engine_with(LossLimit(limit=1_000))
    for ticket in (10, 20):
        place = c.PlaceOrder(login=1001, symbol="EURUSD", type=OrderType.BUY, volume="0.10", ticket=ticket)
        assert answer_of(engine, place).code == ""
    engine.on_tick("EURUSD", "1.09900", "1.09910", NOON + 1)

    first = answer_of(engine, c.ClosePosition(login=1001, position=10, ticket=30))
    place = c.PlaceOrder(login=1001, symbol="EURUSD", type=OrderType.BUY, volume="0.10", ticket=40)
    refused = answer_of(engine, place)
    second = answer_of(engine, c.ClosePosition(login=1001, position=20, ticket=50))

    assert (first.code, second.code) == ("", "")
    assert refused.message == "loss_limit: account 1001 has lost 1100 today, its limit is 1000"


class Both(Plugin):
    """Refuses by each apply point with words: the same as a verdict that is not OK."""

    name = "both"

    def stops_apply(self, context: Context) -> Reject:
        return Reject("wait")


def test_apply_when_it_rejects_with_words_then_the_close_waits_and_nothing_has_failed() -> None:
    engine = engine_with(Both())
    buy(engine, sl="1.09900")

    events = engine.on_tick("EURUSD", "1.09890", "1.09900", NOON + 2)

    assert deals(events) == []
    assert failures(events) == []
