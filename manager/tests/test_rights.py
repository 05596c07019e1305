"""What a member of staff may see and do: each right opens its pages and actions, and nothing else opens them.

Every page and action is asked for directly, by GET and by POST, as somebody would who knows the address.
"""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from accounts.models import Account, ManagerScope
from dealing.models import Command, Gap, Halt, PluginState
from manager.models import MassItem, MassJob
from manager.tests.book import write_book
from orders.models import DealerRequest

pytestmark = pytest.mark.django_db

#: Lists, and the rights of which each alone opens them.
LISTS = {
    "accounts_account": ("view_account", "change_account"),
    "accounts_group": ("view_group", "change_group"),
    "accounts_ledgerentry": ("view_ledgerentry",),
    "markets_symbol": ("view_symbol", "change_symbol"),
    "markets_security": ("view_security", "change_security"),
    "orders_order": ("view_order", "change_order"),
    "orders_smartorder": ("view_smartorder", "change_smartorder"),
    "orders_dealerrequest": ("view_dealerrequest", "change_dealerrequest"),
    "positions_position": ("view_position", "change_position"),
    "positions_deal": ("view_deal",),
    "dealing_command": ("view_command",),
    "dealing_halt": ("view_halt", "turn_switches"),
    "dealing_gap": ("view_gap", "change_gap"),
    "dealing_poisonitem": ("view_poisonitem",),
    "dealing_hookfailure": ("view_hookfailure",),
    "dealing_pluginstate": ("view_pluginstate", "change_pluginstate"),
    "auth_user": ("view_user", "change_user"),
}
#: Actions on account 1002 of the group netting and what is its: address, key, right to look, right to act.
ACTIONS: list[tuple[str, Any, str, str, dict[str, Any]]] = [
    ("accounts_account_money", 1002, "view_account", "move_money", {"kind": "deposit", "amount": "1"}),
    ("accounts_account_order", 1002, "view_account", "place_orders", {"symbol": "EURUSD", "type": "buy", "volume": "1"}),
    ("accounts_account_halt", 1002, "view_account", "turn_switches", {"level": "halt"}),
    ("accounts_group_halt", "netting", "view_group", "turn_switches", {"level": "halt"}),
    ("positions_position_close", 70, "view_position", "change_position", {"volume": "1"}),
    ("positions_position_stops", 70, "view_position", "change_position", {"sl": "1"}),
    ("orders_order_cancel", 70, "view_order", "change_order", {}),
    ("orders_order_modify", 70, "view_order", "change_order", {"price": "1"}),
    ("orders_dealerrequest_take", 21, "view_dealerrequest", "change_dealerrequest", {}),
    ("orders_dealerrequest_confirm", 21, "view_dealerrequest", "change_dealerrequest", {"price": ""}),
    ("orders_dealerrequest_requote", 21, "view_dealerrequest", "change_dealerrequest", {"price": "1"}),
    ("orders_dealerrequest_reject", 21, "view_dealerrequest", "change_dealerrequest", {"comment": ""}),
]  # fmt: skip
#: The same of account 1001, whose group this member of staff does not see.
FOREIGN = {
    "accounts_account_money": 1001, "accounts_account_order": 1001, "accounts_account_halt": 1001,
    "accounts_group_halt": "retail", "positions_position_close": 10, "positions_position_stops": 10,
    "orders_order_cancel": 10, "orders_order_modify": 10, "orders_dealerrequest_take": 11,
    "orders_dealerrequest_confirm": 11, "orders_dealerrequest_requote": 11, "orders_dealerrequest_reject": 11,
}  # fmt: skip


@pytest.fixture(autouse=True)
def book(redis_db: object) -> None:
    """Write a small book, with a request of each account in the queue."""
    write_book()
    for number, login in ((11, 1001), (21, 1002)):
        DealerRequest.objects.create(
            id=number, kind="market", login=login, symbol="EURUSD", side="buy", volume="1.00", price="1.10010",
            created_at="2024-01-02T00:00:00Z", is_open=True,
        )  # fmt: skip
    Gap.objects.create(shard=0, cause="long", from_cursor="1-0", to_cursor="2-0", report=[{"login": 1001, "kind": "position", "ticket": 10}])  # fmt: skip
    PluginState.objects.create(shard=0, name="guard", state={})


def staff(client: Client, *rights: str, masks: str = "net*") -> Client:
    """Return a browser of a member of staff with these rights and no others."""
    user = User.objects.create_user("dora", password="dora-dora-dora", is_staff=True)
    ManagerScope.objects.create(user=user, group_masks=masks)
    found = Permission.objects.filter(codename__in=rights).exclude(
        codename__in=("view_group", "change_group"), content_type__app_label="auth"
    )
    user.user_permissions.set(found)
    client.force_login(user)
    return client


def test_lists_when_no_right_is_given_then_all_are_closed_and_the_overview_is_bare(client: Client) -> None:
    dora = staff(client)

    closed = {name: dora.get(reverse(f"admin:{name}_changelist")).status_code for name in LISTS}
    files = {name: dora.get(reverse(f"admin:{name}_csv")).status_code for name in LISTS}

    assert set(closed.values()) == {403}, closed
    assert set(files.values()) == {403}, files
    page = dora.get(reverse("admin:index")).content.decode()
    assert "Clients" not in page.replace("clients' exposure", "")
    assert "Latest deals" not in page


def test_lists_when_one_right_is_given_then_that_list_opens_and_no_other(client: Client) -> None:
    dora = staff(client)
    user = User.objects.get(username="dora")
    for name, rights in LISTS.items():
        for right in rights:
            label = "manager" if right == "turn_switches" else name.partition("_")[0]
            user.user_permissions.set(
                Permission.objects.filter(codename=right, content_type__app_label=label)
            )

            opened = {n for n in LISTS if dora.get(reverse(f"admin:{n}_changelist")).status_code == 200}

            assert opened == {name}, right


@pytest.mark.parametrize(("name", "key", "look", "right", "form"), ACTIONS)
def test_action_when_the_right_is_missing_then_refused_and_nothing_is_asked_of_the_desk(
    client: Client, name: str, key: Any, look: str, right: str, form: dict[str, Any]
) -> None:
    every = {row[2] for row in ACTIONS} | {row[3] for row in ACTIONS} - {right}
    dora = staff(client, *every)
    before = Command.objects.count()
    where = reverse(f"admin:{name}", args=[key])

    answers = dora.get(where).status_code, dora.post(where, {"confirmed": "yes", **form}).status_code

    assert answers == (403, 403)
    assert Command.objects.count() == before


@pytest.mark.parametrize(("name", "key", "look", "right", "form"), ACTIONS)
def test_action_when_right_is_given_then_own_accounts_only(
    client: Client, name: str, key: Any, look: str, right: str, form: dict[str, Any]
) -> None:
    dora = staff(client, look, right)
    foreign = reverse(f"admin:{name}", args=[FOREIGN[name]])
    posted = {"confirmed": "yes", "key": "0" * 32, **form}
    before = Command.objects.count()

    refused = dora.get(foreign).status_code, dora.post(foreign, posted).status_code
    asked_by_then = Command.objects.count()
    done = dora.post(reverse(f"admin:{name}", args=[key]), posted).status_code

    assert refused == (404, 404)
    assert asked_by_then == before
    assert done == 302
    assert Command.objects.count() == before + 1


@pytest.mark.parametrize(
    ("name", "action", "key", "right"),
    [
        ("accounts_account", "close_all", 1002, "change_position"),
        ("accounts_account", "cancel_all", 1002, "change_order"),
        ("accounts_account", "disable", 1002, "change_account"),
        ("positions_position", "close_positions", 70, "change_position"),
        ("orders_order", "cancel_orders", 70, "change_order"),
        ("orders_smartorder", "cancel_plans", 7, "change_smartorder"),
    ],
)
def test_action_on_rows_when_the_right_is_missing_then_nothing_is_asked(
    client: Client, name: str, action: str, key: int, right: str
) -> None:
    looks = ("view_account", "view_position", "view_order", "view_smartorder")
    acts = {"change_position", "change_order", "change_smartorder", "move_money"} - {right}
    dora = staff(client, *looks, *acts, masks="*")
    before = Command.objects.count()

    answer = dora.post(
        reverse(f"admin:{name}_changelist"),
        {"action": action, "_selected_action": [key], "confirmed": "yes", "key": "a" * 32},
    )

    assert answer.status_code in (200, 302, 403)
    assert Command.objects.count() == before
    assert not MassJob.objects.exists()


def test_close_all_when_a_foreign_account_is_chosen_then_it_is_left_alone(client: Client) -> None:
    dora = staff(client, "view_account", "change_position")

    dora.post(
        reverse("admin:accounts_account_changelist"),
        {"action": "close_all", "_selected_action": [1001, 1002], "confirmed": "yes", "key": "a" * 32},
    )

    assert set(MassItem.objects.values_list("login", flat=True)) == {1002}


def test_overrides_when_not_allowed_then_left_out_of_forms_and_ignored_when_posted(client: Client) -> None:
    dora = staff(client, "view_account", "place_orders", "move_money", "view_position", "change_position")
    order = reverse("admin:accounts_account_order", args=[1002])
    money = reverse("admin:accounts_account_money", args=[1002])
    close = reverse("admin:positions_position_close", args=[70])
    fields = [dora.get(where).context["form"].fields for where in (order, money, close)]

    dora.post(order, {"symbol": "EURUSD", "type": "buy", "volume": "1", "open_price": "1.5", "open_time": "2024-01-02 10:00", "skip_margin": "on", "confirmed": "yes"})  # fmt: skip
    placed = Command.objects.latest("id").payload
    dora.post(money, {"kind": "withdrawal", "amount": "5", "override": "on", "confirmed": "yes"})
    booked = Command.objects.latest("id").payload
    dora.post(close, {"price": "9.9", "confirmed": "yes"})
    closed = Command.objects.latest("id").payload

    assert not {"open_price", "open_time", "skip_margin", "override", "price"} & {*fields[0], *fields[1], *fields[2]} - {"price"}  # fmt: skip
    assert "price" not in fields[2]
    assert (placed["open_price"], placed["open_time_ms"], placed["check_margin"]) == (None, None, True)
    assert booked["override"] is False
    assert closed["price"] is None


def test_override_when_allowed_then_price_and_time_reach_the_desk(client: Client) -> None:
    dora = staff(client, "view_account", "place_orders", "override_terms")

    asked = dora.post(
        reverse("admin:accounts_account_order", args=[1002]),
        {"symbol": "EURUSD", "type": "buy", "volume": "1", "open_price": "1.5", "open_time": "2024-01-02 10:00", "skip_margin": "on", "confirmed": "yes"},
    )  # fmt: skip

    payload = Command.objects.latest("id").payload
    assert asked.status_code == 302
    assert (payload["open_price"], payload["open_time_ms"], payload["check_margin"]) == (
        "1.5",
        1_704_189_600_000,
        False,
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"scope": "server", "key": ""}, "invalid_setting"),
        ({"scope": "symbol", "key": "EURUSD"}, "invalid_setting"),
        ({"scope": "group", "key": "retail"}, "invalid_setting"),
        ({"scope": "account", "key": "1001"}, "invalid_setting"),
        ({"scope": "account", "key": "\u00b2"}, "invalid_setting"),
        ({"scope": "account", "key": "9" * 40}, "invalid_setting"),
    ],
)
def test_switches_when_of_others_then_refused(client: Client, given: dict[str, str], code: str) -> None:
    dora = staff(client, "turn_switches")
    before = Command.objects.count()

    page = dora.post(reverse("admin:dealing_halt_turn"), {**given, "level": "halt", "confirmed": "yes"})

    assert code in page.content.decode()
    assert Command.objects.count() == before


def test_switches_when_own_then_turned(client: Client) -> None:
    dora = staff(client, "turn_switches")

    for key in ({"scope": "group", "key": "netting"}, {"scope": "account", "key": "1002"}):
        dora.post(reverse("admin:dealing_halt_turn"), {**key, "level": "halt", "confirmed": "yes"})

        assert Command.objects.latest("id").payload["key"] == key["key"]


def test_switches_when_of_foreign_groups_and_accounts_then_not_listed(client: Client) -> None:
    for scope, key in (("server", ""), ("group", "retail"), ("group", "netting"), ("account", "1001"), ("account", "1002")):  # fmt: skip
        Halt.objects.create(shard=0, scope=scope, key=key, level="halt")
    dora = staff(client, "turn_switches")

    listed = dora.get(reverse("admin:dealing_halt_changelist")).context["cl"].result_list

    assert {(row.scope, row.key) for row in listed} == {
        ("server", ""),
        ("group", "netting"),
        ("account", "1002"),
    }


def test_journal_and_gaps_when_of_foreign_accounts_then_not_shown(client: Client) -> None:
    dora = staff(client, "view_command", "view_gap")

    logins = {
        row.login for row in dora.get(reverse("admin:dealing_command_changelist")).context["cl"].result_list
    }
    gap = dora.get(reverse("admin:dealing_gap_change", args=[Gap.objects.get().pk])).content.decode()

    assert logins == {1002}
    assert "Nothing would have been done inside it" in gap


def test_users_when_changed_by_staff_then_no_rights_are_won(client: Client) -> None:
    boss = User.objects.create_superuser("boss", password="boss-boss-boss")
    anna = User.objects.create_user("anna", password="anna-anna-anna")
    Account.objects.filter(login=1002).update(user=anna)
    dora = staff(client, "view_user", "change_user", "add_user", "change_managerscope", "add_managerscope")
    me = User.objects.get(username="dora")

    for user in (boss, me):
        page = dora.post(
            reverse("admin:auth_user_change", args=[user.pk]), {"username": "x", "is_superuser": "on"}
        )
        word = dora.post(
            reverse("admin:auth_user_password_change", args=[user.pk]), {"password1": "new-new-new-1", "password2": "new-new-new-1"}
        )  # fmt: skip
        assert page.status_code in (302, 403, 404)
        assert word.status_code in (403, 404)
    data = {
        "username": "anna",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "first_name": "Anne",
    }
    dora.post(reverse("admin:auth_user_change", args=[anna.pk]), data)

    boss.refresh_from_db(), me.refresh_from_db(), anna.refresh_from_db()
    assert (boss.username, boss.check_password("boss-boss-boss")) == ("boss", True)
    assert (me.is_superuser, anna.is_staff, anna.is_superuser, anna.first_name) == (
        False,
        False,
        False,
        "Anne",
    )


def test_roles_when_not_a_superuser_then_closed(client: Client) -> None:
    user = User.objects.create_user("dora", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(user)

    assert client.get(reverse("admin:auth_group_add")).status_code == 403


def test_file_of_users_when_asked_for_then_without_passwords(admin_client: Client) -> None:
    text = admin_client.get(reverse("admin:auth_user_csv")).getvalue().decode()

    assert "admin" in text
    assert "password" not in text
    assert "argon2" not in text


def test_account_settings_when_only_seen_then_not_changed(client: Client) -> None:
    dora = staff(client, "view_account", "move_money")
    where = reverse("admin:accounts_account_change", args=[1002])

    seen = dora.get(where)
    posted = dora.post(where, {"name": "Mine", "group": "netting", "leverage": "500", "tier": "PRO"})

    assert (seen.status_code, posted.status_code) == (200, 403)
    assert Account.objects.get(login=1002).name == ""


def test_post_without_the_token_is_refused(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    staff(strict, "view_account", "move_money")
    before = Command.objects.count()

    answer = strict.post(
        reverse("admin:accounts_account_money", args=[1002]),
        {"kind": "deposit", "amount": "1", "confirmed": "yes"},
    )

    assert answer.status_code == 403
    assert Command.objects.count() == before
