"""Plugins on a desk that is killed, and plugins that fail where only a desk asks them."""

import json
from typing import Any

import pytest

from dealing import services
from dealing.models import HookFailure, PluginState
from engine.enums import By
from engine.hooks import Plugin, Reject
from engine.records import Deal
from orders.models import Order
from positions.models import Deal as DealRow
from tests.desk.conftest import LIMIT_S, LOGIN, PATIENT, World, deposit, until

HERE = "tests.desk.test_plugins"


class Counting(Plugin):
    """Remembers every deal that it has seen, and a loss limit that they use up."""

    name = "counting"

    def __init__(self) -> None:
        self.deals: list[int] = []

    def memory(self) -> dict[str, Any]:
        return {"deals": self.deals}

    def remember(self, memory: dict[str, Any]) -> None:
        self.deals = list(memory["deals"])

    def on_deal(self, deal: Deal) -> None:
        self.deals.append(deal.ticket)


class Failing(Plugin):
    """Fails where the engine alone does not ask."""

    name = "failing"

    def after_commit(self, events: Any) -> None:
        raise RuntimeError("after the commit")

    def remember(self, memory: dict[str, Any]) -> None:
        raise RuntimeError("what is this")


class Unmade(Plugin):
    """Cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no")


class Refusing(Plugin):
    """Refuses whatever a client asks."""

    name = "refusing"

    def command_filter(self, command: Any, time_ms: int) -> Reject:
        return Reject("closed for lunch")


def loaded(*classes: type[Plugin]) -> str:
    return json.dumps([{"path": f"{HERE}.{made.__name__}"} for made in classes])


@pytest.mark.parametrize(
    "seam",
    [
        "before_fence",
        "after_fence",
        "after_deals",
        "after_ledger",
        "before_commit",
        "after_commit",
        "after_publish",
    ],
)
def test_memory_when_the_desk_is_killed_at_any_seam_then_each_deal_is_remembered_once(
    world: World, seam: str
) -> None:
    world.serving(DESK_PLUGINS=loaded(Counting))
    deposit()
    world.quoted("1.10000", "1.10010")
    world.drain(world.desks[0])
    desk = world.start(DESK_PLUGINS=loaded(Counting), DESK_FAILPOINT=f"{seam}:3")
    for number in range(6):
        services.place_order(
            LOGIN,
            symbol="EURUSD",
            type="buy",
            volume="0.01",
            caller=services.Caller(client_id=f"o{number}", wait_s=0),
        )
        world.tick("1.10000", "1.10010")
        if number == 2:
            until(lambda: DealRow.objects.exists() or desk.poll() is not None, "a deal")
    assert desk.wait(LIMIT_S) < 0, world.log()

    again = world.serving(DESK_PLUGINS=loaded(Counting))
    world.settled()
    world.drain(again)

    made = list(DealRow.objects.order_by("ticket").values_list("ticket", flat=True))
    assert len(made) == 6
    assert PluginState.objects.get(name="counting").state == {"deals": made}


def test_desk_when_plugins_fail_outside_the_engine_then_they_are_counted_and_orders_go_on(
    world: World,
) -> None:
    PluginState.objects.create(shard=0, name="failing", state={"kept": 1})
    plugins = json.dumps(
        [
            *json.loads(loaded(Failing, Unmade)),
            {"path": "nowhere.Plugin"},
            {"path": f"{HERE}.Counting", "groups": ["retail"]},
            {"path": f"{HERE}.Counting", "options": {"unknown": 1}},
            {"path": f"{HERE}.loaded"},
        ]
    )
    world.serving(DESK_PLUGINS=plugins)
    deposit()
    world.quoted("1.10000", "1.10010")

    outcome = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=PATIENT)
    world.quoted("1.10000", "1.10010")
    world.settled()

    assert outcome.ok, outcome
    until(lambda: HookFailure.objects.filter(point="after_commit", times__gt=0).exists(), "the count")
    found = set(HookFailure.objects.values_list("plugin", "point"))
    assert {("failing", "after_commit"), ("failing", "remember"), ("Unmade", "__init__")} <= found
    assert {("Plugin", "__init__"), ("Counting", "__init__"), ("loaded", "__init__")} <= found
    assert PluginState.objects.get(name="failing").state == {"kept": 1}
    assert world.epoch() == 1


def test_refusal_when_a_plugin_refuses_then_the_ticket_leads_to_a_failed_order(world: World) -> None:
    world.serving(DESK_PLUGINS=loaded(Refusing))
    deposit()
    world.quoted("1.10000", "1.10010")

    outcome = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=PATIENT)
    manager = services.place_order(
        LOGIN,
        symbol="EURUSD",
        type="buy",
        volume="0.01",
        caller=services.Caller(by=By.MANAGER, wait_s=LIMIT_S),
    )

    assert (outcome.code, outcome.message) == ("rejected", "refusing: closed for lunch")
    order = Order.objects.get(pk=outcome.ticket)
    assert (order.status, order.error) == ("failed", "rejected")
    assert manager.ok, manager
