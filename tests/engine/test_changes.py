"""Changes of settings: what was seen is judged, only what changed is laid over, and what would follow is told."""

from typing import Any

import pytest

from engine import commands as c
from engine.codes import Code
from engine.enums import HaltLevel, HaltScope
from engine.events import SettingsChanged
from engine.order_types import OrderType
from tests.engine.market import CLIENT, OTHER, Market

#: Everything that a settings page has of the group.
WHOLE = {"margin_call": "100", "stop_out": "50", "leverage": 100, "spread_diff": 0, "securities": {}}


def change(kind: str, key: str, values: dict[str, Any], seen: Any = None, **more: Any) -> c.ChangeSettings:
    """Return a change that was made from what was seen."""
    return c.ChangeSettings(kind=kind, key=key, values=values, seen=seen, actor="ann", **more)


def trial(
    market: Market, kind: str, key: str, values: dict[str, Any], seen: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures of what would follow, and that asking changed nothing."""
    before = market.engine.state_hash()
    done = market.ask(change(kind, key, values, seen, is_trial=True))
    assert done.code == "", done.message
    assert market.engine.state_hash() == before
    assert done.data is not None
    told: dict[str, Any] = done.data["forecast"]
    return told


# What was seen


def test_group_when_two_change_different_settings_then_both_hold() -> None:
    market = Market(group=WHOLE)

    first = market.ask(change("group", "retail", {"leverage": 50}, {"leverage": 100}))
    second = market.ask(change("group", "retail", {"stop_out": "30"}, {"stop_out": "50"}))

    group = market.state.groups["retail"]
    assert (first.code, second.code) == ("", "")
    assert (group.leverage, group.stop_out, group.margin_call) == (50, 30, 100)


def test_group_when_a_stale_change_comes_then_conflict_with_all_three_values_and_nothing_changes() -> None:
    market = Market(group=WHOLE)
    market.ask(change("group", "retail", {"stop_out": "30"}, {"stop_out": "50"}))

    late = change(
        "group", "retail", {"stop_out": "40", "leverage": 10}, {"stop_out": "50.0", "leverage": 100}
    )
    events = market.do(late)

    assert events[-1].code == Code.CONFLICT  # type: ignore[attr-defined]
    assert events[-1].data == {  # type: ignore[attr-defined]
        "fields": [{"field": "stop_out", "yours": "40", "theirs": "30", "seen": "50.0"}]
    }
    assert len(events) == 1
    assert (market.state.groups["retail"].stop_out, market.state.groups["retail"].leverage) == (30, 100)


def test_group_when_both_meant_the_same_then_no_conflict() -> None:
    market = Market(group=WHOLE)
    market.ask(change("group", "retail", {"stop_out": "30"}, {"stop_out": "50"}))

    assert market.ask(change("group", "retail", {"stop_out": "30.00"}, {"stop_out": "50"})).code == ""


def test_terms_when_two_edit_different_securities_then_both_hold_and_the_same_is_a_conflict() -> None:
    market = Market(group={**WHOLE, "securities": {"metals": {"spread_diff": 4}}})

    one = market.ask(
        change("group", "retail", {"securities.forex": {"spread_diff": 2}}, {"securities.forex": None})
    )
    two = market.ask(
        change("group", "retail", {"securities.metals": None}, {"securities.metals": {"spread_diff": 4}})
    )
    late = market.ask(
        change(
            "group",
            "retail",
            {"securities.metals": {"spread_diff": 9}},
            {"securities.metals": {"spread_diff": 4}},
        )
    )

    assert (one.code, two.code, late.code) == ("", "", Code.CONFLICT)
    assert {k: t.spread_diff for k, t in market.state.groups["retail"].securities.items()} == {"forex": 2}


def test_symbol_when_one_setting_changes_then_the_others_and_the_kill_switch_stay() -> None:
    market = Market(symbol={"stops_level": 20, "margin_hedged": "50000"})
    market.ask(c.SetHalt(scope=HaltScope.SYMBOL, key="EURUSD", level=HaltLevel.CLOSE_ONLY))

    assert market.ask(change("symbol", "EURUSD", {"freeze_level": 5}, {"freeze_level": 0})).code == ""

    symbol = market.state.symbols["EURUSD"]
    assert (symbol.stops_level, symbol.margin_hedged, symbol.freeze_level) == (20, 50_000, 5)
    assert symbol.halt == "close_only"


def test_account_when_its_flag_was_turned_meanwhile_then_conflict() -> None:
    market = Market()
    market.ask(change("account", str(CLIENT), {"read_only": True}, {"read_only": False}))

    late = market.ask(
        change(
            "account", str(CLIENT), {"read_only": False, "leverage": 5}, {"read_only": False, "leverage": 0}
        )
    )

    account = market.state.accounts[CLIENT]
    assert (late.code, account.read_only, account.leverage) == (Code.CONFLICT, True, 0)
    assert market.ask(change("account", str(CLIENT), {"leverage": 5}, {"leverage": 0})).code == ""
    assert (account.read_only, account.leverage) == (True, 5)


def test_event_when_settings_change_then_it_holds_what_differs_and_who() -> None:
    market = Market(group=WHOLE)

    events = market.do(
        c.ChangeSettings(
            kind="group", key="retail", values={**WHOLE, "stop_out": "30", "leverage": 100}, actor="ann"
        )
    )

    (told,) = [event for event in events if isinstance(event, SettingsChanged)]
    assert (told.before, told.after, told.actor) == ({"stop_out": "50"}, {"stop_out": "30"}, "ann")


# What would follow


def test_stop_out_when_5000_instead_of_50_then_told_before_it_happens_and_refused_beyond_what_was_confirmed() -> (
    None
):
    market = Market(group=WHOLE)
    market.place()
    market.place(login=OTHER)

    told = trial(market, "group", "retail", {"stop_out": "5000"}, {"stop_out": "50"})
    assert (told["accounts"], told["stopped_out"], told["acting"]) == (2, 0, 0)
    told = trial(market, "group", "retail", {"stop_out": "50000"}, {"stop_out": "50"})
    assert (told["stopped_out"], told["acting"], told["logins"]["acting"]) == (2, 2, [CLIENT, OTHER])

    refused = market.ask(change("group", "retail", {"stop_out": "50000"}, {"stop_out": "50"}, accounts=1))
    assert (refused.code, market.state.groups["retail"].stop_out) == (Code.CONFLICT, 50)
    assert (
        market.ask(change("group", "retail", {"stop_out": "50000"}, {"stop_out": "50"}, accounts=2)).code
        == ""
    )
    market.tick("1.10000", "1.10010")
    assert market.state.positions == {}


def test_margin_rate_when_raised_then_margin_and_calls_are_told() -> None:
    market = Market(symbol={"margin_rate_buy": "1"}, group=WHOLE)
    market.place(volume="5")

    told = trial(market, "symbol", "EURUSD", {"margin_rate_buy": "2"}, {"margin_rate_buy": "1"})

    before, after = (float(part) for part in told["margin"]["USD"])
    assert after == 2 * before
    assert (told["called"], told["stopped_out"], told["acting"]) == (1, 0, 0)


def test_spread_when_widened_then_stops_and_pendings_that_it_reaches_are_told_and_counted_as_acting() -> None:
    market = Market(group=WHOLE)
    ticket = market.place().ticket
    market.ask(c.ModifyPosition(login=CLIENT, position=ticket, sl="1.09990"))
    market.place(OrderType.BUY_STOP, login=OTHER, price="1.10030")

    told = trial(market, "group", "retail", {"spread_diff": 60}, {"spread_diff": 0})

    assert (told["exits"], told["pendings"], told["acting"]) == (1, 1, 2)


def test_session_when_shut_then_sleepers_are_told_and_when_opened_what_it_wakes() -> None:
    market = Market(group=WHOLE)
    ticket = market.place().ticket
    market.ask(c.ModifyPosition(login=CLIENT, position=ticket, sl="1.09990"))
    shut = {"mon": [["23:00", "24:00"]]}

    assert trial(market, "symbol", "EURUSD", {"sessions": shut}, {"sessions": None})["asleep"] == 1
    market.ask(change("symbol", "EURUSD", {"sessions": shut}, {"sessions": None}))
    market.tick("1.09900", "1.09910")
    told = trial(market, "symbol", "EURUSD", {"sessions": None}, {"sessions": shut})

    assert (told["awake"], told["exits"], told["acting"]) == (1, 1, 1)


def test_execution_when_manual_then_what_would_wait_for_a_dealer_is_told() -> None:
    market = Market(group=WHOLE)
    ticket = market.place().ticket
    market.ask(c.ModifyPosition(login=CLIENT, position=ticket, sl="1.09000"))

    assert trial(market, "group", "retail", {"execution": "manual"}, {"execution": "auto"})["to_dealers"] == 1


def test_leverage_when_cut_then_what_pending_orders_reserve_is_told() -> None:
    market = Market(symbol={"pending_margin_rate": "1"}, group=WHOLE)
    market.place(OrderType.BUY_LIMIT, price="1.09000", volume="1")

    told = trial(market, "group", "retail", {"leverage": 10}, {"leverage": 100})

    before, after = (float(part) for part in told["margin"]["USD"])
    assert after == 10 * before > 0


def test_account_when_moved_to_a_group_with_another_stop_out_then_told() -> None:
    market = Market(group=WHOLE)
    market.state.groups["net"].stop_out = market.state.groups["net"].stop_out * 1000
    market.place()

    told = trial(market, "account", str(CLIENT), {"group": "net"}, {"group": "retail"})

    assert (told["accounts"], told["stopped_out"]) == (1, 1)


@pytest.mark.parametrize("bad", [{"stop_out": "x"}, {"nonsense": 1}, {"leverage": 0}])
def test_change_when_the_engine_cannot_take_it_then_invalid_setting_and_nothing_changes(
    bad: dict[str, Any],
) -> None:
    market = Market(group=WHOLE)
    before = market.state.groups["retail"]

    assert market.ask(change("group", "retail", bad, {})).code == Code.INVALID_SETTING
    assert market.state.groups["retail"] is before


# The server's clock


@pytest.mark.parametrize(
    ("sessions", "asleep"),
    [
        ({"thu": [["00:00", "06:00"]]}, 1),  # by the server's clock: New York has Wednesday evening still
        ({"thu": [["00:00", "06:00"]], "time_zone": "UTC"}, 0),
        (None, 0),
    ],
)
def test_server_when_its_zone_changes_then_told_who_falls_out_of_the_session(
    sessions: Any, asleep: int
) -> None:
    market = Market(symbol={"sessions": sessions}, group=WHOLE)
    market.ask(c.PlaceOrder(login=CLIENT, symbol="EURUSD", type=OrderType.BUY, volume="1"))

    told = trial(market, "server", "1", {"time_zone": "America/New_York"}, {"time_zone": "UTC"})

    assert (told["asleep"], told["acting"]) == (asleep, 0)
    assert market.state.symbols["EURUSD"].in_session(market.time_ms)  # asking has moved no clock
    assert trial(market, "server", "1", {"day_end": "17:00"}, {"day_end": "00:00"})["accounts"] == 0


@pytest.mark.parametrize("name", ["a" * 5000, "Europe/" + "x" * 300, "", "UTC/", "../UTC", "Europe"])
def test_server_when_the_zone_is_none_then_refused_and_nothing_changes(name: str) -> None:
    market = Market()

    done = market.ask(change("server", "1", {"time_zone": name}, {"time_zone": "UTC"}))

    assert (done.code, market.state.server.time_zone) == (Code.INVALID_SETTING, "UTC")
    assert len(done.message) < 200
