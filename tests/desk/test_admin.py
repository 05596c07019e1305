"""The manager's pages against a desk that runs: what is asked there is done, what is refused says why."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, LedgerEntry
from dealing import services
from dealing.models import SettingsChange
from live import figures
from manager import mass
from manager.models import MassJob
from markets.models import Server, Symbol
from orders.models import DealerRequest, Order, SmartOrder
from positions.models import Position
from tests.desk.conftest import LOGIN, World, assert_clean, deposit

pytestmark = pytest.mark.stack


@pytest.fixture
def manager(world: World, admin_client: Client) -> Client:
    """Return a manager's browser beside a desk with quotes."""
    world.serving()
    world.quoted("1.10000", "1.10010")
    return admin_client


def act(browser: Client, name: str, key: Any, **form: Any) -> str:
    """Fill in the form of an action and return the page that follows, as text."""
    page = browser.post(
        reverse(f"admin:{name}", args=[key]), {"sent": "1", "confirmed": "yes", **form}, follow=True
    )
    assert page.status_code == 200
    return page.content.decode()


def form_of(page: Any) -> dict[str, Any]:
    """Return what a browser would send back of a change form."""
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for formset in page.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        data |= {management.add_prefix(name): management[name].value() for name in management.fields}
        for row in formset.formset.initial_forms:
            data |= {row.add_prefix(name): row[name].value() for name in row.fields}
    return {key: "" if value is None else value for key, value in data.items() if value is not False}


def test_money_when_moved_by_a_manager_is_booked_with_their_name(manager: Client) -> None:
    assert "done" in act(
        manager, "accounts_account_money", LOGIN, kind="deposit", amount="250.50", comment="cash"
    )

    assert str(Account.objects.get(login=LOGIN).balance) == "250.50"
    entry = LedgerEntry.objects.get(login=LOGIN)
    assert (entry.comment, entry.actor) == ("cash", "admin")
    assert_clean()


def test_withdrawal_when_there_is_not_enough_is_refused_unless_overridden(manager: Client) -> None:
    deposit(amount="100")
    asked = {"kind": "withdrawal", "amount": "100.01"}

    assert "(no_money)" in act(manager, "accounts_account_money", LOGIN, **asked)
    assert str(Account.objects.get(login=LOGIN).balance) == "100.00"

    act(manager, "accounts_account_money", LOGIN, **asked, override="on")
    assert str(Account.objects.get(login=LOGIN).balance) == "-0.01"
    assert_clean()


def on_rows(manager: Client, name: str, action: str, *keys: int) -> None:
    """Choose rows, say yes, and let the worker do the mass action."""
    sent = {"action": action, "_selected_action": keys, "confirmed": "yes", "key": "a" * 32}
    manager.post(reverse(f"admin:{name}_changelist"), sent)
    job = MassJob.objects.get()
    while mass.run(job.pk):
        pass
    assert mass.counts(job)["done"] == job.total == len(keys)


def test_order_when_placed_and_closed_by_a_manager_leaves_a_clean_book(manager: Client) -> None:
    deposit()
    act(manager, "accounts_account_order", LOGIN, symbol="EURUSD", type="buy", volume="0.5", sl="1.09")
    position = Position.objects.get(login=LOGIN)
    assert (str(position.open_price), str(position.sl), position.status) == ("1.10010", "1.09000", "open")

    assert "(invalid_stops)" in act(manager, "positions_position_stops", position.ticket, sl="1.2")
    act(manager, "positions_position_stops", position.ticket, sl="1.05", tp="1.2")
    act(manager, "positions_position_close", position.ticket, volume="0.2")
    on_rows(manager, "positions_position", "close_positions", position.ticket)

    position.refresh_from_db()
    assert (position.status, str(position.profit), str(position.tp)) == ("closed", "-5.00", "1.20000")
    assert set(Order.objects.values_list("reason", flat=True)) == {"manager"}
    assert_clean()


def test_symbol_when_edited_acts_from_the_next_command_on(manager: Client) -> None:
    deposit()
    where = reverse("admin:markets_symbol_change", args=["EURUSD"])
    data = form_of(manager.get(where)) | {
        "stops_level": 100, "swap_multipliers": "[1,1,3,1,1,0,0]", "holidays": "[]", "sessions": "",
    }  # fmt: skip

    page = manager.post(where, data, follow=True).content.decode()

    assert "goes by the new settings" in page
    near = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.1", sl="1.09950")
    assert near.code == "invalid_stops"


def test_setting_that_only_the_desk_knows_to_be_wrong_is_refused(manager: Client) -> None:
    deposit()
    services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.1")
    Symbol.objects.filter(name="EURUSD").update(digits=4)  # past the form

    outcome = services.reload_settings("symbol", "EURUSD")

    assert (outcome.state, outcome.code) == ("refused", "invalid_setting")


def test_request_when_confirmed_in_the_queue_becomes_a_position(manager: Client) -> None:
    deposit()
    where = reverse("admin:accounts_group_change", args=["retail"])
    manager.post(where, form_of(manager.get(where)) | {"execution": "manual"})
    services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.1")
    services.place_order(LOGIN, symbol="EURUSD", type="sell", volume="0.2")
    first, second = DealerRequest.objects.filter(is_open=True).order_by("id")

    act(manager, "orders_dealerrequest_take", first.id)
    act(manager, "orders_dealerrequest_confirm", first.id, price="1.10005")
    act(manager, "orders_dealerrequest_reject", second.id, comment="not today")

    assert str(Position.objects.get().open_price) == "1.10005"
    assert Order.objects.get(status="failed").error == "rejected"
    assert not DealerRequest.objects.filter(is_open=True).exists()
    assert_clean()


def test_account_when_opened_and_funded_in_the_admin_trades_at_once(manager: Client) -> None:
    new = {"login": 5000, "name": "New", "group": "retail", "leverage": 0, "tier": "PRO", "enabled": "on"}
    manager.post(reverse("admin:accounts_account_add"), new)
    act(manager, "accounts_account_money", 5000, kind="deposit", amount="5000")

    assert services.place_order(5000, symbol="EURUSD", type="buy", volume="0.1").ok

    act(manager, "accounts_account_halt", 5000, level="close_only")
    assert services.place_order(5000, symbol="EURUSD", type="buy", volume="0.1").code == "halted"
    on_rows(manager, "accounts_account", "disable", 5000)
    assert Account.objects.get(login=5000).enabled is False
    ticket = Position.objects.get(login=5000).ticket
    assert services.close_position(5000, ticket).code == "account_disabled"
    assert_clean()


def test_plan_shows_the_stop_that_holds_though_only_its_mark_moved(world: World, manager: Client) -> None:
    deposit()
    placed = services.place_smart(
        LOGIN, symbol="EURUSD", side="buy", volume="0.1", take_profits=[["1.20000", "50"]],
        stop_loss="1.05000", callback="1",
    )  # fmt: skip
    world.quoted("1.15000", "1.15010")
    world.quoted("1.14500", "1.14510")

    plan = SmartOrder.objects.get(id=placed.ticket)
    page = manager.get(reverse("admin:orders_smartorder_change", args=[plan.id])).content.decode()

    assert figures.plan_stops([plan]) == {plan.id: ("1.13850", "trailing", "1.15000")}
    assert "1.13850 (trailing)" in page


def test_server_when_its_zone_is_saved_on_its_page_then_the_running_desk_goes_by_it_and_it_can_be_put_back(
    manager: Client,
) -> None:
    deposit()
    first_half = datetime.now(UTC).hour < 12
    half = [["00:00", "12:00"]] if first_half else [["12:00", "24:00"]]
    days = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), half)
    assert services.change_settings("symbol", "EURUSD", {"sessions": days}, seen={"sessions": None}).ok
    order = {"symbol": "EURUSD", "type": "buy", "volume": "0.1"}
    assert services.place_order(LOGIN, **order).ok
    where = reverse("admin:markets_server_change", args=[1])
    form = form_of(manager.get(where))

    told = manager.post(
        where, form | {"time_zone": "Etc/GMT-12"}
    )  # twelve hours ahead: the other half of the day
    said = manager.post(
        told.context["action"], {"proposal": told.context["proposal"], "confirmed": "yes"}, follow=True
    )

    assert "goes by the new settings" in said.content.decode()
    assert Server.objects.get().time_zone == "Etc/GMT-12"
    assert services.place_order(LOGIN, **order).code == "market_closed"
    stale = manager.post(where, form | {"time_zone": "Europe/Berlin"})  # a page that was opened before
    assert "Nothing was saved" in stale.content.decode()

    change = SettingsChange.objects.get(kind="server")
    assert (change.actor, change.before, change.after) == (
        "admin",
        {"time_zone": "UTC"},
        {"time_zone": "Etc/GMT-12"},
    )
    back = manager.post(reverse("admin:markets_server_put_back", args=[1]), {"change": change.pk})
    manager.post(back.context["action"], {"proposal": back.context["proposal"], "confirmed": "yes"})

    assert Server.objects.get().time_zone == "UTC"
    assert services.place_order(LOGIN, **order).ok
    assert_clean()


def test_plan_when_it_has_changed_since_its_page_was_opened_then_it_is_not_ended(
    world: World, manager: Client
) -> None:
    deposit()
    placed = services.place_smart(
        LOGIN,
        symbol="EURUSD",
        side="buy",
        volume="0.1",
        take_profits=[["1.20000", "50"]],
        stop_loss="1.05000",
    )
    plan = SmartOrder.objects.get(id=placed.ticket)
    where = reverse("admin:orders_smartorder_cancel", args=[plan.id])
    version = manager.get(where).context["form"]["version"].value()
    assert version == plan.version
    assert services.modify_smart(LOGIN, plan.id, stop_loss="1.06000").ok

    refused = manager.post(where, {"version": version, "close": "on", "comment": "", "confirmed": "yes"})

    assert refused.status_code == 200
    assert SmartOrder.objects.get(id=plan.id).state == "ACTIVE"
    assert Position.objects.get(ticket=plan.position).status == "open"
    shown = manager.post(where, {"version": version, "close": "on", "comment": ""})
    assert ("version", str(version)) in shown.context["hidden"]  # the page that asks carries it on
    fresh = manager.get(where).context["form"]["version"].value()
    assert manager.post(where, {"version": fresh, "close": "on", "confirmed": "yes"}).status_code == 302
    assert Position.objects.get(ticket=plan.position).status == "closed"
