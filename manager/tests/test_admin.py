"""Every page of the admin answers, every action goes through the services, every refusal shows its code."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.models import Account, Group, ManagerScope
from dealing import dealers, services
from dealing.models import Command, DealerConnection, Halt
from manager import mass
from manager.models import MassItem, MassJob
from manager.tests.book import write_book
from markets.models import Symbol
from orders.models import DealerRequest
from orders.store import REQUESTS

pytestmark = pytest.mark.django_db

MODELS = [
    model for model in admin.site._registry if model._meta.app_label in
    ("accounts", "markets", "orders", "positions", "dealing", "auth")
]  # fmt: skip


@pytest.fixture
def book(redis_db: object) -> None:
    """Write a small book."""
    write_book()
    DealerRequest.objects.create(
        id=11, kind="market", login=1001, symbol="EURUSD", side="buy", volume="1.00", price="1.10010",
        created_at="2024-01-02T00:00:00Z", is_open=True, context={"bid": "1.10000"},
    )  # fmt: skip
    Halt.objects.create(shard=0, scope="symbol", key="USDJPY", level="close_only")


@pytest.fixture
def manager(book: None, admin_client: Client) -> Client:
    """Return a browser in which a superuser has logged in."""
    return admin_client


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label_lower)
def test_list_of_every_kind_answers(manager: Client, model: Any) -> None:
    name = f"{model._meta.app_label}_{model._meta.model_name}"

    page = manager.get(url(f"{name}_changelist"))
    searched = manager.get(url(f"{name}_changelist"), {"q": "1001"})

    assert (page.status_code, searched.status_code) == (200, 200)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label_lower)
def test_page_of_every_row_answers(manager: Client, model: Any) -> None:
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    for row in model._default_manager.all()[:3]:
        page = manager.get(url(f"{name}_change", row.pk))

        assert page.status_code == 200, row


def test_form_for_a_new_symbol_group_and_account_answers(manager: Client) -> None:
    for name in ("markets_symbol", "accounts_group", "accounts_account", "markets_security", "auth_user"):
        assert manager.get(url(f"{name}_add")).status_code == 200


def test_trading_rows_have_no_form_to_add_or_delete(manager: Client) -> None:
    for name, key in (("orders_order", 10), ("positions_deal", 1), ("positions_position", 10)):
        assert manager.get(url(f"{name}_add")).status_code == 403
        assert manager.post(url(f"{name}_delete", key), {"post": "yes"}).status_code == 403
        assert manager.post(url(f"{name}_change", key), {"volume": "9"}).status_code == 403


def test_user_when_to_be_deleted_then_refused_because_their_log_would_go_too(manager: Client) -> None:
    dealer = User.objects.create_user("gone", is_staff=True)

    one = manager.post(url("auth_user_delete", dealer.pk), {"post": "yes"})
    listed = {"action": "delete_selected", "_selected_action": [dealer.pk], "post": "yes"}
    manager.post(url("auth_user_changelist"), listed)

    assert one.status_code == 403
    assert User.objects.filter(pk=dealer.pk).exists()


def test_overview_shows_money_queue_and_exposure(manager: Client) -> None:
    page = manager.get(url("index")).content.decode()

    assert "20,047.70 USD" in page
    assert "the first times out" in page or "waiting for a dealer" in page
    assert "EURUSD" in page
    assert "symbol USDJPY" in page
    assert page.count("Stop-outs today") == 1


ACTIONS: list[tuple[str, int, str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "accounts_account_money", 1001, "", {"kind": "deposit", "amount": "12.50", "comment": "c"},
        "BalanceOperation", {"kind": "deposit", "amount": "12.50", "override": False, "comment": "c"},
    ),
    (
        "accounts_account_money", 1001, "", {"kind": "withdrawal", "amount": "1.5", "override": "on"},
        "BalanceOperation", {"kind": "withdrawal", "amount": "1.5", "override": True},
    ),
    (
        "accounts_account_order", 1001, "", {"symbol": "EURUSD", "type": "buy_limit", "volume": "1", "price": "1.05"},
        "PlaceOrder", {"symbol": "EURUSD", "type": "buy_limit", "price": "1.05", "by": "manager", "check_margin": True},
    ),
    ("accounts_account_halt", 1001, "", {"level": "halt"}, "SetHalt", {"scope": "account", "key": "1001", "level": "halt"}),
    ("accounts_group_halt", "retail", "", {"level": "close_only"}, "SetHalt", {"scope": "group", "key": "retail"}),
    ("markets_symbol_halt", "EURUSD", "", {"level": "close_only"}, "SetHalt", {"scope": "symbol", "key": "EURUSD"}),
    (
        "positions_position_close", 10, "", {"volume": "0.1", "comment": "bye"},
        "ClosePosition", {"position": 10, "volume": "0.1", "price": None, "by": "manager", "comment": "bye"},
    ),
    ("positions_position_stops", 10, "", {"sl": "1.05", "tp": ""}, "ModifyPosition", {"position": 10, "sl": "1.05", "tp": None}),
    ("orders_order_modify", 10, "", {"price": "1.04", "tp": "0"}, "ModifyOrder", {"order": 10, "price": "1.04", "sl": None, "tp": "0"}),
    ("orders_order_cancel", 10, "", {"comment": "x"}, "CancelOrder", {"order": 10, "comment": "x", "by": "manager"}),
    ("orders_smartorder_cancel", 7, "", {"close": "on"}, "CancelSmart", {"smart": 7, "close": True, "by": "manager"}),
    ("orders_dealerrequest_take", 11, "", {}, "TakeRequest", {"request": 11, "dealer": "admin"}),
    ("orders_dealerrequest_confirm", 11, "", {"price": "1.1"}, "AnswerRequest", {"answer": "confirm", "price": "1.1"}),
    ("orders_dealerrequest_requote", 11, "", {"price": "1.2"}, "AnswerRequest", {"answer": "requote", "price": "1.2"}),
    ("orders_dealerrequest_reject", 11, "", {"comment": "no"}, "AnswerRequest", {"answer": "reject", "dealer": "admin"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "key", "_", "form", "command", "payload"), ACTIONS)
def test_action_writes_its_command_to_the_journal(
    manager: Client, name: str, key: Any, _: str, form: dict[str, Any], command: str, payload: dict[str, Any]
) -> None:
    before = Command.objects.count()
    assert manager.get(url(name, key)).status_code == 200
    assert Command.objects.count() == before

    answer = manager.post(url(name, key), {"confirmed": "yes", **form})

    assert answer.status_code == 302
    row = Command.objects.latest("id")
    assert (row.name, row.actor) == (command, "admin")
    assert {k: row.payload[k] for k in payload} == payload


@pytest.mark.parametrize(
    ("name", "action", "keys", "commands"),
    [
        ("accounts_account", "close_all", [1001], ["ClosePosition 1001 10", "ClosePosition 1001 50"]),
        (
            "accounts_account",
            "disable",
            [1001, 1002],
            ["ChangeSettings None None", "ChangeSettings None None"],
        ),
        ("accounts_account", "enable", [1001], ["ChangeSettings None None"]),
        (
            "positions_position",
            "close_positions",
            [10, 50, 30],
            ["ClosePosition 1001 10", "ClosePosition 1001 50"],
        ),
        ("orders_smartorder", "cancel_plans", [7], ["CancelSmart 1001 7"]),
    ],
)
def test_action_on_chosen_rows_when_confirmed_then_one_mass_action_asks_for_each_and_only_then(
    manager: Client,
    name: str,
    action: str,
    keys: list[int],
    commands: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mass, "PATIENCE_S", 0)
    chosen = {"action": action, "_selected_action": keys}
    before = Command.objects.latest("id").id

    asked = manager.post(url(f"{name}_changelist"), chosen)
    assert asked.status_code == 200
    assert b"confirmed" in asked.content
    assert Command.objects.latest("id").id == before

    sent = {**chosen, "confirmed": "yes", "comment": "by hand", "key": asked.context["key"]}
    done = manager.post(url(f"{name}_changelist"), sent)
    job = MassJob.objects.get()
    assert done["Location"] == url("manager_mass_job", job.pk)
    assert not Command.objects.filter(id__gt=before).exists()  # the request itself asks for nothing

    mass.run(job.pk)
    asked_for = Command.objects.filter(id__gt=before).order_by("id")
    found = [(c, c.payload.get("position") or c.payload.get("smart")) for c in asked_for]
    assert [f"{c.name} {c.login} {ticket}" for c, ticket in found] == commands
    if action in ("close_positions", "cancel_plans"):
        assert {c.payload["comment"] for c in asked_for} == {"by hand"}


@pytest.mark.parametrize(
    ("name", "action", "keys", "said"),
    [
        ("accounts_account", "cancel_all", [1001], "None of the chosen accounts has a pending order"),
        ("orders_order", "cancel_orders", [10], "None of the chosen orders is pending"),
        ("positions_position", "close_positions", [30], "None of the chosen positions is open"),
    ],
)
def test_action_on_rows_of_which_none_fits_says_so(
    manager: Client, name: str, action: str, keys: list[int], said: str
) -> None:
    page = manager.post(url(f"{name}_changelist"), {"action": action, "_selected_action": keys}, follow=True)

    assert said in page.content.decode()


PAGE = "0123456789abcdef"


def beat(browser: Client, page: str = PAGE) -> int:
    return browser.post(url("orders_dealerrequest_beat"), {"page": page}).status_code


def test_page_of_the_queue_when_it_beats_its_dealer_is_online_for_their_masks(
    manager: Client, client: Client
) -> None:
    dealer = User.objects.create_user("dora", is_staff=True)
    dealer.user_permissions.add(
        *Permission.objects.filter(codename__in=("view_dealerrequest", "change_dealerrequest"))
    )
    ManagerScope.objects.create(user=dealer, group_masks="real*,!real-vip*")
    client.force_login(dealer)

    assert (beat(manager), beat(client, "f" * 32)) == (204, 204)

    assert dealers.online() == {"admin": None, "dora": ("real*", "!real-vip*")}
    assert "online: admin, dora" in manager.get(url("orders_dealerrequest_changelist")).content.decode()


def test_page_of_the_queue_when_it_is_closed_then_it_counts_for_a_moment_and_goes_on_if_it_beats(
    manager: Client,
) -> None:
    beat(manager)
    assert manager.post(url("orders_dealerrequest_end"), {"page": PAGE}).status_code == 204

    ends = DealerConnection.objects.get().ends_at - timezone.now()
    beat(manager)
    again = DealerConnection.objects.get().ends_at - timezone.now()

    assert ends.total_seconds() < 7
    assert again.total_seconds() > 10


def test_page_of_the_queue_when_another_names_it_then_it_is_not_theirs(
    manager: Client, client: Client
) -> None:
    beat(manager)
    client.force_login(User.objects.create_superuser("second"))

    beat(client)
    client.post(url("orders_dealerrequest_end"), {"page": PAGE})

    assert DealerConnection.objects.get().name == "admin"
    assert (DealerConnection.objects.get().ends_at - timezone.now()).total_seconds() > 10


def test_log_out_when_a_page_beats_then_its_dealer_is_offline_at_once(manager: Client) -> None:
    beat(manager)

    manager.post(reverse("admin:logout"))

    assert dealers.online() == {}


@pytest.mark.parametrize("page", ["", "x", "0123456789abcdef" * 9, "<script>"])
def test_beat_when_the_number_of_its_page_is_none_is_refused(manager: Client, page: str) -> None:
    assert beat(manager, page) == 400
    assert dealers.online() == {}


def test_silence_when_it_has_lasted_ends_a_connection(manager: Client) -> None:
    beat(manager)
    started = "(SELECT pg_postmaster_start_time())"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT extract(epoch FROM clock_timestamp() - {started})")
        if cursor.fetchone()[0] < dealers.SILENCE_S:
            pytest.skip("PostgreSQL has started a moment ago: no silence counts yet")
    DealerConnection.objects.update(ends_at=timezone.now())

    assert dealers.online() == {}


def test_stop_out_that_nobody_answered_is_told_above_the_queue(manager: Client) -> None:
    DealerRequest.objects.create(
        id=21, kind="stop_out", login=1001, symbol="EURUSD", side="sell", volume="1.00", price="1.1",
        created_at=timezone.now(), expires_at=timezone.now(), is_open=False, outcome="timeout",
    )  # fmt: skip

    page = manager.get(url("orders_dealerrequest_changelist")).content.decode()

    assert "1 times a stop-out waited for a dealer in vain, last of 1001" in page


def test_kill_switch_of_the_server_is_turned(manager: Client) -> None:
    where, switch = url("dealing_halt_turn"), {"scope": "server", "key": "", "level": "close_only"}

    asked = manager.post(where, switch).content.decode()
    assert "The whole server goes to close only" in asked
    manager.post(where, {**switch, "confirmed": "yes"})

    assert Command.objects.latest("id").payload["level"] == "close_only"


def test_bad_login_of_a_kill_switch_is_refused_with_its_code(manager: Client) -> None:
    page = manager.post(
        url("dealing_halt_turn"), {"scope": "account", "key": "x", "level": "halt", "confirmed": "yes"}
    )

    assert b"invalid_setting" in page.content


def test_refusal_of_the_desk_stands_on_the_form_with_its_code(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = services.Outcome(services.REFUSED, "no_money", "not enough money")
    monkeypatch.setattr(services, "balance_operation", lambda *_, **__: refused)

    page = manager.post(
        url("accounts_account_money", 1001), {"kind": "withdrawal", "amount": "999999", "confirmed": "yes"}
    )

    assert page.status_code == 200
    assert b"not enough money (no_money)" in page.content


def test_page_when_sent_twice_then_the_desk_is_asked_once(manager: Client) -> None:
    where = url("accounts_account_money", 1001)
    first = manager.post(where, {"kind": "deposit", "amount": "5", "key": manager.get(where).context["key"]})
    sure = {"kind": "deposit", "amount": "5", "confirmed": "yes", "key": first.context["key"]}
    before = Command.objects.count()

    assert "Balance goes from 10,047.70 to 10,052.70 USD." in first.content.decode()
    manager.post(where, sure)
    manager.post(where, sure)

    assert Command.objects.count() == before + 1


def test_action_on_all_rows_of_a_filter_acts_on_all_pages(manager: Client) -> None:
    Account.objects.bulk_create(
        Account(login=n, group_id="retail", currency="USD") for n in range(5000, 5060)
    )
    where = url("accounts_account_changelist") + "?q=50"
    chosen = {"action": "disable", "_selected_action": [5000], "select_across": "1"}
    before = Command.objects.count()

    asked = manager.post(where, chosen)
    rows = [value for name, value in asked.context["hidden"] if name == "_selected_action"]
    manager.post(where, {"action": "disable", "_selected_action": rows, "confirmed": "yes", "key": "a" * 32})

    assert len(rows) == 60
    assert sorted(MassItem.objects.values_list("login", flat=True)) == sorted(rows)
    assert Command.objects.count() == before


def test_position_when_closed_or_managed_then_only_what_can_be_done_is_offered(manager: Client) -> None:
    def offered(key: int) -> set[str]:
        page = manager.get(url("positions_position_change", key))
        return {action["title"] for action in page.context["actions_detail"]}

    assert offered(10) == {"Close position", "Stop loss, take profit"}
    assert offered(50) == {"Close position"}  # a plan keeps its stops
    assert offered(30) == set()
    assert manager.get(url("orders_order_change", 10)).context["actions_detail"] == []


def test_command_that_nobody_answers_is_said_to_be_acknowledged(manager: Client) -> None:
    page = manager.post(
        url("accounts_account_money", 1001),
        {"kind": "deposit", "amount": "1", "confirmed": "yes"},
        follow=True,
    )

    assert b"the desk has not answered yet" in page.content


def form_of(page: Any) -> dict[str, Any]:
    """Return what a browser would send back of a change form, inlines included."""
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for formset in page.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        data |= {management.add_prefix(name): management[name].value() for name in management.fields}
    return {key: "" if value is None else value for key, value in data.items() if value is not False}


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Any) -> Iterator[Any]:
    """Return what runs the hooks after a commit."""
    return django_capture_on_commit_callbacks


def test_symbol_when_saved_is_handed_to_the_desk(manager: Client, committed: Any) -> None:
    where = url("markets_symbol_change", "USDJPY")
    data = form_of(manager.get(where)) | {"stops_level": 25, "swap_multipliers": "[1,1,3,1,1,0,0]"}
    data |= {"holidays": "[]", "sessions": ""}

    with committed(execute=True):
        answer = manager.post(where, data)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Symbol.objects.get(name="USDJPY").stops_level == 0  # the desk writes it, with the effect
    row = Command.objects.latest("id")
    asked = {key: row.payload[key] for key in ("key", "values", "seen", "accounts")}
    assert row.name == "ChangeSettings"
    assert asked == {
        "key": "USDJPY",
        "values": {"stops_level": 25},
        "seen": {"stops_level": 0},
        "accounts": 0,
    }


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("digits", 4, "while the symbol has open positions"),
        ("contract_size", "1000", "while the symbol has open positions"),
        ("profit_currency", "GBP", "while the symbol has open positions"),
        ("volume_min", "2000", "volume_min"),
        ("sessions", '{"monday": []}', "mon..sun"),
        ("sessions", '{"mon": 5}', "needs a list"),
        ("sessions", '{"mon": [["\u00b2:00", "9:00"]]}', "HH:MM is needed"),
        (
            "sessions",
            '{"mon": [["00:00", "12:00"], ["11:00", "20:00"]]}',
            "begins before the one before it ends",
        ),
        ("sessions", '{"mon": [["12:00", "11:00"]]}', "ends before it starts"),
        ("holidays", "5", "a list of days"),
        ("holidays", '["25.12.2026"]', "holidays"),
        ("margin_initial", "1e999999", "is in exponent form"),
        ("swap_long", "1e-999999", "is in exponent form"),
        ("calc_mode", "futures", "tick_size"),
    ],
)
def test_symbol_setting_that_would_falsify_or_makes_no_sense_is_refused(
    manager: Client, field: str, value: Any, why: str
) -> None:
    where = url("markets_symbol_change", "EURUSD")
    data = form_of(manager.get(where)) | {
        "swap_multipliers": "[1,1,3,1,1,0,0]",
        "holidays": "[]",
        "sessions": "",
    }

    page = manager.post(where, data | {field: value})

    assert page.status_code == 200
    assert why in page.content.decode()
    assert Symbol.objects.get(name="EURUSD").digits == 5


def test_group_of_accounts_with_positions_keeps_currency_and_mode(manager: Client) -> None:
    where = url("accounts_group_change", "retail")
    data = form_of(manager.get(where))

    page = manager.post(where, data | {"currency": "EUR", "margin_mode": "netting"})

    assert b"cannot change while accounts of the group exist" in page.content
    assert b"cannot change while its accounts hold something" in page.content


def test_account_when_the_user_is_no_number_then_refused(manager: Client) -> None:
    where = url("accounts_account_change", 1001)

    for odd in ("1e999999", "9" * 400, "x"):
        page = manager.post(where, form_of(manager.get(where)) | {"user": odd})

        assert "Select a valid choice" in page.content.decode()


def test_group_when_an_amount_is_too_large_then_refused(manager: Client) -> None:
    where = url("accounts_group_change", "retail")

    page = manager.post(where, form_of(manager.get(where)) | {"commission_amount": "1e999999"})

    assert "is in exponent form" in page.content.decode()


def test_setting_that_the_desk_refuses_is_put_back(
    manager: Client, committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = services.Outcome(services.REFUSED, "invalid_setting", "no such thing")
    monkeypatch.setattr(services, "change_settings", lambda *_, **__: refused)
    where = url("accounts_group_change", "retail")

    with committed(execute=True):
        answer = manager.post(where, form_of(manager.get(where)) | {"max_orders": 7})

    assert Group.objects.get(name="retail").max_orders == 0
    assert "(invalid_setting)" in " ".join(str(m) for m in get_messages(answer.wsgi_request))


def test_account_when_saved_leaves_the_money_alone(manager: Client, committed: Any) -> None:
    where = url("accounts_account_change", 1001)
    data = form_of(manager.get(where)) | {"name": "Renamed", "close_only": "on"}
    Account.objects.filter(login=1001).update(balance="77.00")  # the desk commits in between

    with committed(execute=True):
        manager.post(where, data)

    account = Account.objects.get(login=1001)
    assert (account.name, str(account.balance)) == ("Renamed", "77.00")
    assert Command.objects.latest("id").payload["values"] == {"close_only": True}


def test_account_when_opened_takes_its_groups_currency_and_is_handed_to_the_desk(
    manager: Client, committed: Any
) -> None:
    with committed(execute=True):
        answer = manager.post(
            url("accounts_account_add"),
            {"login": 5000, "name": "New", "group": "retail", "leverage": 0, "tier": "PRO", "enabled": "on"},
        )

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Account.objects.get(login=5000).currency == "USD"
    assert Command.objects.latest("id").payload["key"] == "5000"


@pytest.fixture
def dealer(book: None, client: Client) -> Client:
    """Return a browser of a member of staff who sees the group `netting` and may act on accounts."""
    user = User.objects.create_user("dora", password="dora-dora-dora", is_staff=True)
    ManagerScope.objects.create(user=user, group_masks="net*")
    rights = ("view_account", "move_money", "view_position", "view_deal", "view_ledgerentry")
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    return client


def test_manager_sees_the_accounts_of_their_masks_and_no_others(dealer: Client) -> None:
    assert dealer.get(url("accounts_account_change", 1002)).status_code == 200
    assert dealer.get(url("accounts_account_change", 1001)).status_code == 404  # as if there were none
    assert dealer.get(url("accounts_account_money", 1001)).status_code == 404
    assert b"#70" in dealer.get(url("positions_position_change", 70)).content
    assert dealer.get(url("positions_position_change", 10)).status_code == 404
    assert b"10,000.00" in dealer.get(url("index")).content


def test_manager_without_the_right_may_look_and_not_act(dealer: Client) -> None:
    assert dealer.get(url("positions_position_close", 70)).status_code == 403
    assert dealer.get(url("orders_order_changelist")).status_code == 403


def test_client_has_no_business_in_the_admin(book: None, client: Client) -> None:
    client.force_login(User.objects.create_user("anna", password="anna-anna-anna"))
    for model in MODELS:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert client.get(url(f"{name}_changelist")).status_code == 302


def test_every_action_of_a_row_is_in_the_table_above() -> None:
    tried = {name for name, *_ in ACTIONS}
    known = {
        f"{model._meta.app_label}_{model._meta.model_name}_{action}"
        for model, face in admin.site._registry.items()
        for action in (*face.actions_detail, *face.actions_row)
        if action != "seen"  # a note of the back office: it asks the desk for nothing
    }

    assert known <= tried
    assert REQUESTS.name == "orders_dealerrequest"
    with pytest.raises(NoReverseMatch):
        url("orders_order_no_such_action", 1)
