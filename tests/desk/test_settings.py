"""Changes of settings against a desk that runs: the row, its history and the effect are one transaction of the desk's."""

from decimal import Decimal

import pytest

from accounts.models import Account, Group, GroupSecurity
from dealing import services
from dealing.models import SettingsChange
from markets.models import Security, Symbol
from positions.models import Position
from tests.desk.conftest import LOGIN, World, assert_clean, deposit

pytestmark = pytest.mark.stack


@pytest.fixture
def desk(world: World) -> World:
    """Return a world whose desk serves and has a quote."""
    world.serving()
    world.quoted("1.10000", "1.10010")
    return world


def test_change_when_two_see_the_same_group_then_both_settings_hold_and_the_history_tells_who(
    desk: World,
) -> None:
    first = services.change_settings(
        "group", "retail", {"leverage": 50}, seen={"leverage": 100}, caller=services.Caller(actor="ann")
    )
    second = services.change_settings(
        "group", "retail", {"stop_out": "30"}, seen={"stop_out": "50"}, caller=services.Caller(actor="bob")
    )
    late = services.change_settings(
        "group", "retail", {"stop_out": "40"}, seen={"stop_out": "50"}, caller=services.Caller(actor="eve")
    )

    group = Group.objects.get(name="retail")
    assert (first.ok, second.ok, late.code) == (True, True, "conflict")
    assert late.data["fields"] == [{"field": "stop_out", "yours": "40", "theirs": "30", "seen": "50"}]
    assert (group.leverage, group.stop_out) == (50, Decimal(30))
    rows = list(SettingsChange.objects.order_by("id").values_list("kind", "key", "actor", "before", "after"))
    assert rows == [
        ("group", "retail", "ann", {"leverage": 100}, {"leverage": 50}),
        ("group", "retail", "bob", {"stop_out": "50"}, {"stop_out": "30"}),
    ]


def test_change_when_the_desk_starts_again_then_it_loads_what_was_changed(desk: World) -> None:
    deposit()
    Security.objects.create(name="majors")
    terms = {"spread_diff": 7, "commission": None, "agent_commission": {"kind": "per_lot", "amount": "2.5"}}
    services.change_settings(
        "group", "retail", {"securities.majors": terms}, seen={"securities.majors": None}
    )
    services.change_settings(
        "symbol", "EURUSD",
        {"security": "majors", "sessions": {"mon": [["00:00", "24:00"]]}, "margin_initial": "5", "holidays": ["2020-01-01"]},
        seen={"security": "default", "sessions": None, "margin_initial": None, "holidays": []},
    )  # fmt: skip
    services.change_settings("account", LOGIN, {"read_only": True}, seen={"read_only": False})
    desk.drain(desk.desks[-1])
    desk.serving()

    late = services.change_settings(
        "group", "retail", {"securities.majors": None}, seen={"securities.majors": terms}
    )
    back = services.change_settings(
        "symbol", "EURUSD", {"margin_initial": None}, seen={"margin_initial": "5.0"}
    )

    assert (late.ok, back.ok) == (True, True)
    assert not GroupSecurity.objects.exists()
    symbol = Symbol.objects.get(name="EURUSD")
    assert (symbol.security_id, symbol.sessions, symbol.margin_initial) == (
        "majors",
        {"mon": [["00:00", "24:00"]]},
        None,
    )
    assert Account.objects.get(login=LOGIN).read_only
    assert_clean()


def test_change_when_more_would_close_than_was_confirmed_then_conflict_and_nobody_is_closed(
    desk: World,
) -> None:
    deposit()
    services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.1")

    seen, wanted = {"stop_out": "50"}, {"stop_out": "500000"}
    refused = services.change_settings("group", "retail", wanted, seen=seen, accounts=0)
    desk.quoted("1.10001", "1.10011")

    assert (refused.code, refused.data["forecast"]["acting"]) == ("conflict", 1)
    assert Group.objects.get(name="retail").stop_out == 50
    assert Position.objects.get(login=LOGIN).status == "open"
    assert not SettingsChange.objects.exists()

    assert services.change_settings("group", "retail", wanted, seen=seen, accounts=1).ok
    desk.quoted("1.10000", "1.10010")
    assert Position.objects.get(login=LOGIN).status == "closed"
    assert_clean()


def test_change_when_sent_twice_with_one_key_then_made_once(desk: World) -> None:
    asked = {"seen": {"leverage": 100}, "caller": services.Caller(client_id="page-1")}
    answers = [services.change_settings("group", "retail", {"leverage": 50}, **asked) for _ in range(2)]

    assert [answer.ok for answer in answers] == [True, True]
    assert SettingsChange.objects.count() == 1
