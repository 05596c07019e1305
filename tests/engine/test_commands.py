"""What commands do that the scenario files have no words for."""

from typing import Any

import pytest

from engine import commands as c
from engine.codes import Code
from engine.enums import By, DealerAnswer, EntryType, LevelStatus, Side
from engine.events import AgentCommissionDue, DealMade, LedgerBooked, MarginCallChanged, SettingsChanged
from engine.order_types import OrderType
from engine.settings import Group
from engine.tickets import step_and_ending
from engine.valuation import is_margin_called
from tests.engine.market import CLIENT, NETTING, OTHER, Market

AGENT = {"agent_commission": {"kind": "per_lot", "amount": "5"}}


def of_kind(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# Numbers


@pytest.mark.parametrize(
    ("shard", "numbers"),
    [
        (0, [11, 21, 31]),
        (1, [12, 22, 32]),
        (7, [18, 28, 38]),
        (8, [10_089, 20_089, 30_089]),
        (10, [10_109, 20_109, 30_109]),
        (999, [19_999, 29_999, 39_999]),
    ],
)
def test_numbers_when_the_engine_gives_them_then_rise_and_end_in_its_shard(
    shard: int, numbers: list[int]
) -> None:
    core = Market(shard=shard, shards=1_000).engine.core

    for give in (core.new_order_ticket, core.new_deal_ticket, core.new_request_id):
        assert [give() for _ in numbers] == numbers


def test_numbers_when_a_thousand_shards_count_up_to_what_scripts_take_then_no_two_meet() -> None:
    """Each shard at the beginning, and as high as a JavaScript number is exact."""
    given = [
        count * step + ending
        for shard in range(1_000)
        for step, ending in [step_and_ending(shard)]
        for first in (0, 2**53 // step - 1_500)
        for count in range(first, first + 1_500)
    ]

    assert len(set(given)) == len(given)
    assert all(number % 10 for number in given), "a journal's"
    assert max(given) < 2**53


@pytest.mark.parametrize(("shard", "shards"), [(0, 1_001), (1_000, 1_001), (1, 1), (-1, 1)])
def test_engine_when_tickets_could_not_tell_its_shard_then_refuses_to_be_made(
    shard: int, shards: int
) -> None:
    with pytest.raises(ValueError, match="tickets tell 1000 shards apart"):
        Market(shard=shard, shards=shards)


# Pending orders


@pytest.mark.parametrize("kind", [OrderType.BUY_LIMIT, OrderType.SELL_STOP])
def test_pending_order_when_its_price_is_zero_then_refused(kind: OrderType) -> None:
    assert Market().place(kind, price="0").code == Code.INVALID_PRICE


def test_stop_limit_when_only_its_limit_is_modified_then_only_the_limit_is_judged() -> None:
    market = Market()
    ticket = market.place(OrderType.BUY_STOP_LIMIT, price="1.10500", limit_price="1.10400").ticket

    good = market.ask(c.ModifyOrder(login=CLIENT, order=ticket, limit_price="1.10300"))
    worse = market.ask(c.ModifyOrder(login=CLIENT, order=ticket, limit_price="1.10500"))

    assert (good.code, worse.code) == ("", Code.INVALID_PRICE)
    assert market.state.orders[ticket].limit_price == 110_300


def test_limit_order_when_a_limit_price_is_given_to_it_then_refused() -> None:
    market = Market()
    ticket = market.place(OrderType.BUY_LIMIT, price="1.09000").ticket

    assert (
        market.ask(c.ModifyOrder(login=CLIENT, order=ticket, limit_price="1.08000")).code
        == Code.INVALID_PRICE
    )


def test_pending_order_when_it_reserves_margin_then_the_next_tick_calls_for_margin() -> None:
    market = Market(symbol={"pending_margin_rate": "1"}, group={"margin_call": "450"})
    market.place(volume="1")
    quiet = market.tick("1.10000", "1.10010")

    market.place(OrderType.BUY_LIMIT, price="1.05000", volume="2")
    called = market.tick("1.10000", "1.10010")

    assert of_kind(quiet, MarginCallChanged) == []
    assert [event.account.login for event in of_kind(called, MarginCallChanged)] == [CLIENT]


def test_margin_call_when_it_is_a_fraction_then_is_exact() -> None:
    group = Group.from_values({"name": "g", "margin_call": "100.5"})

    assert is_margin_called(group, 201, 200)
    assert not is_margin_called(group, 2011, 2000)


# Positions


def test_netting_position_when_increased_and_reduced_then_keeps_all_that_was_ever_opened() -> None:
    market = Market()
    market.place(login=NETTING, volume="1")
    market.place(login=NETTING, volume="0.5")
    market.place(OrderType.SELL, login=NETTING, volume="0.2")

    (position,) = market.state.positions.values()
    assert (position.volume, position.volume_opened) == (130_000_000, 150_000_000)


def test_position_when_closed_in_parts_then_books_all_its_fees_once() -> None:
    market = Market(group={"commission": {"kind": "per_lot", "amount": "7"}})
    ticket = market.place(volume="0.3").ticket
    position = market.state.positions[ticket]

    for volume in ("0.1", "0.1", None):
        assert market.ask(c.ClosePosition(login=CLIENT, position=ticket, volume=volume)).code == ""

    assert (position.fees, position.fees_booked) == (0, -210)


@pytest.mark.parametrize("missing", ["position", "opposite"])
def test_close_by_when_one_of_them_is_missing_then_refused(missing: str) -> None:
    market = Market()
    both = {"position": market.place().ticket, "opposite": market.place(OrderType.SELL).ticket}

    done = market.ask(c.CloseBy(login=CLIENT, **{**both, missing: 999}))

    assert done.code == Code.POSITION_NOT_FOUND
    assert len(market.state.positions) == 2


# Smart orders


def plan(market: Market, **given: Any) -> c.PlaceSmart:
    told: dict[str, Any] = {"stop_loss": "1.05000", "volume": "1", **given}
    return c.PlaceSmart(
        login=CLIENT, smart=77, symbol="EURUSD", side=Side.BUY, entry=EntryType.MARKET, ticket=500, **told
    )


def test_levels_when_modified_after_one_is_filled_then_it_is_kept_and_the_rest_is_replaced() -> None:
    market = Market()
    market.ask(plan(market, take_profits=[["1.11000", "50"], ["1.12000", "50"]]))
    market.tick("1.11000", "1.11010")

    done = market.ask(c.ModifySmart(login=CLIENT, smart=77, levels=[["1.13000", "20"], ["1.14000", "30"]]))

    assert done.code == ""
    levels = market.state.smarts[77].levels
    assert [(level.number, level.price, level.volume, level.status) for level in levels] == [
        (1, 111_000, 50_000_000, LevelStatus.FILLED),
        (2, 113_000, 20_000_000, LevelStatus.PENDING),
        (3, 114_000, 30_000_000, LevelStatus.PENDING),
    ]


def test_levels_when_modified_to_more_than_is_left_then_refused_and_all_stay() -> None:
    market = Market()
    market.ask(plan(market, take_profits=[["1.11000", "50"], ["1.12000", "50"]]))
    market.tick("1.11000", "1.11010")

    done = market.ask(c.ModifySmart(login=CLIENT, smart=77, levels=[["1.13000", "30"], ["1.14000", "30"]]))

    assert (done.code, done.level) == (Code.INVALID_LEVELS, 0)
    assert [level.price for level in market.state.smarts[77].levels] == [111_000, 112_000]


@pytest.mark.parametrize("callback", ["0", "100", "x"])
def test_plan_when_its_callback_is_no_part_of_the_price_then_refused(callback: str) -> None:
    market = Market()

    assert market.ask(plan(market, callback=callback)).code == Code.INVALID_STOPS
    assert market.state.smarts == {}


@pytest.mark.parametrize("side", list(Side))
def test_trailing_stop_when_the_group_sees_a_wider_spread_then_goes_by_its_own_prices(side: Side) -> None:
    market = Market(group={"spread_diff": 40})
    entry = c.PlaceSmart(
        login=CLIENT, smart=77, symbol="EURUSD", side=side, volume="1", entry=EntryType.MARKET, callback="1",
        ticket=500,
    )  # fmt: skip
    assert market.ask(entry).code == ""
    stop = "1.08930" if side is Side.BUY else "1.11080"  # entries 1.10030 and 1.09980, one percent away

    if side is Side.BUY:  # its bid is 20 points below the market's
        before, at = market.tick("1.08951", "1.08961"), market.tick("1.08950", "1.08960")
    else:
        before, at = market.tick("1.11049", "1.11059"), market.tick("1.11050", "1.11060")

    assert of_kind(before, DealMade) == []
    (deal,) = (event.deal for event in of_kind(at, DealMade))
    assert deal.evidence is not None
    assert deal.evidence["level"] == stop


# Dealers


def test_request_when_a_dealer_owns_it_then_another_may_neither_take_nor_answer_it() -> None:
    market = Market(group={"execution": "manual"})
    market.place()
    (number,) = market.state.requests
    assert market.ask(c.TakeRequest(request=number, dealer="anna")).code == ""

    taken = market.ask(c.TakeRequest(request=number, dealer="bert"))
    answered = market.ask(c.AnswerRequest(request=number, answer=DealerAnswer.CONFIRM, dealer="bert"))

    assert (taken.code, answered.code) == (Code.CONFLICT, Code.CONFLICT)
    assert market.state.positions == {}
    assert market.ask(c.AnswerRequest(request=number, answer=DealerAnswer.CONFIRM, dealer="anna")).code == ""
    assert len(market.state.positions) == 1


def test_queue_when_requests_come_and_go_then_each_account_knows_its_own() -> None:
    market = Market(group={"execution": "manual"})

    def known() -> dict[int, list[int]]:
        return {login: list(market.state.book(login).requests) for login in (CLIENT, OTHER)}

    ticket = market.place(by=By.MANAGER, sl="1.09000").ticket
    market.place(login=OTHER)
    market.tick("1.08990", "1.09000")
    waiting = known()
    market.ask(c.ClosePosition(login=CLIENT, position=ticket, by=By.MANAGER))

    assert [len(waiting[login]) for login in (CLIENT, OTHER)] == [1, 1]
    assert known() == {CLIENT: [], OTHER: waiting[OTHER]}
    assert list(market.state.requests) == waiting[OTHER]
    market.state.index()
    assert known()[OTHER] == waiting[OTHER]


# The back office


@pytest.mark.parametrize(("shards", "due"), [(1, 0), (2, 1)])
def test_agent_when_his_account_is_not_here_then_another_shard_is_asked_if_there_is_one(
    shards: int, due: int
) -> None:
    market = Market(group=AGENT, shards=shards)
    market.state.accounts[CLIENT].agent = 2000
    ticket = market.place().ticket

    events = market.do(c.ClosePosition(login=CLIENT, position=ticket))

    assert [(e.agent, e.amount, e.client) for e in of_kind(events, AgentCommissionDue)] == [
        (2000, 50, CLIENT)
    ] * due


def test_agent_commission_when_another_shard_asks_then_it_is_booked_once_and_nobody_else_is_paid() -> None:
    market = Market()
    pay = c.BookAgentCommission(login=OTHER, amount="0.50", deal=11, client=CLIENT)

    (booked,) = of_kind(market.do(pay), LedgerBooked)

    assert (booked.entry.login, booked.entry.amount, booked.entry.deal) == (OTHER, 50, 11)
    assert market.state.accounts[OTHER].balance == 1_000_050
    unknown = c.BookAgentCommission(login=9999, amount="0.50", deal=11, client=CLIENT)
    assert market.ask(unknown).code == Code.ACCOUNT_DISABLED


def test_symbol_when_orders_rest_on_it_then_keeps_its_digits() -> None:
    market = Market()
    market.place(OrderType.BUY_LIMIT, price="1.09000")
    change = c.ChangeSettings(kind="symbol", key="EURUSD", values={"digits": 3})

    assert market.ask(change).code == Code.INVALID_SETTING
    assert market.state.symbols["EURUSD"].digits == 5


def test_settings_when_changed_then_it_is_an_event() -> None:
    events = Market().do(c.ChangeSettings(kind="group", key="retail", values={"leverage": 50}))

    assert of_kind(events, SettingsChanged) == [SettingsChanged("group", "retail")]


def test_swap_when_the_mode_is_none_then_nothing_accrues_whatever_the_values() -> None:
    market = Market(symbol={"swap_mode": "none", "swap_long": "-3"})
    ticket = market.place().ticket

    market.engine.on_time(market.engine.next_day_end_ms())

    assert market.state.positions[ticket].swap == 0


# Evidence


def evidence_of(events: list[Any]) -> dict[str, Any]:
    (deal,) = (event.deal for event in of_kind(events, DealMade))
    assert deal.evidence is not None
    return dict(deal.evidence)


def test_stop_loss_when_it_closes_then_keeps_tick_trigger_level_and_answers() -> None:
    market = Market()
    market.place(sl="1.09000")

    found = evidence_of(market.tick("1.08990", "1.09000"))

    assert found == {
        "tick": {"symbol": "EURUSD", "bid": "1.08990", "ask": "1.09000", "time_ms": market.time_ms},
        "trigger": "stop_loss",
        "level": "1.09000",
        "hooks": {"stops_filter": "none", "stops_apply": "ok"},
    }


def test_stop_out_when_it_closes_then_keeps_the_account_before_and_after() -> None:
    market = Market(group={"leverage": 100})
    market.place(volume="8")

    found = evidence_of(market.tick("1.09000", "1.09010"))

    assert (found["trigger"], found["level"]) == ("stop_out", None)
    assert found["before"] == {"equity": "1920.00", "margin": "8800.80", "level": "21.82"}
    assert found["after"] == {"equity": "1920.00", "margin": "0.00", "level": None}
