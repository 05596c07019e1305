"""Rights by fields and people: what a member of staff may set of an account, and what of whom of the users."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Group, ManagerScope
from accounts.setup import put_accounts, put_groups
from dealing.models import Command, Gap, SettingsChange
from live import rights
from live.roles import ROLES, put_roles
from manager.tests.staff import FOREIGN_WORD, Corner, browser_of, two_corners
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a desk that does not run."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)


@pytest.fixture
def corners(redis_db: Any) -> tuple[Corner, Corner]:
    """Return what is inside the masks of staff, and what is outside."""
    return two_corners(redis_db)


def member(*codenames: str, masks: str = "mi*", name: str = "dora") -> tuple[User, Client]:
    """Return a member of staff with these rights, and a browser of theirs."""
    user = User.objects.create_user(name, password="dora-dora-dora", is_staff=True)
    ManagerScope.objects.create(user=user, group_masks=masks)
    found = Permission.objects.filter(codename__in=codenames)
    assert {row.codename for row in found} == set(codenames)
    user.user_permissions.set(found)
    browser = Client()
    browser.force_login(user)
    return user, browser


def saved(browser: Client, login: int, **changed: Any) -> int:
    """Send the form of an account with everything as it is, but for what is changed; return the status."""
    account = Account.objects.get(login=login)
    sent = {
        "name": account.name, "user": account.user_id or "", "group": account.group_id, "leverage": account.leverage,
        "tier": account.tier, "agent": account.agent or "", "enabled": "on",
    }  # fmt: skip
    return browser.post(
        reverse("admin:accounts_account_change", args=[login]), {**sent, **changed}
    ).status_code


# ---- fields of an account ----


@pytest.mark.parametrize(
    ("right", "field"), [("set_owner", "user_id"), ("set_group", "group_id"), ("set_leverage", "leverage")]
)
def test_field_when_its_own_right_is_given_then_it_changes_and_no_other(
    corners: tuple[Corner, Corner], right: str, field: str
) -> None:
    mine, _ = corners
    put_groups([{"name": "mine-too"}])
    put_accounts([{"login": 91_000_002, "group": "mine", "user": User.objects.create_user("second")}])
    _, browser = member("view_account", "change_account", right)
    before = Account.objects.values().get(login=mine.login)
    wanted = {"user_id": User.objects.get(username="second").pk, "group_id": "mine-too", "leverage": 33}
    orders = Order.objects.filter(login=mine.login).update(status="canceled")

    status = saved(browser, mine.login, user=wanted["user_id"], group="mine-too", leverage="33", name="New")

    # What the desk goes by is asked of it; what it does not know is written at once.
    after = Account.objects.values().get(login=mine.login)
    asked = [c.payload["values"] for c in Command.objects.filter(name="ChangeSettings")]
    told = {
        f"{key}_id" if key == "group" else key: value for values in asked for key, value in values.items()
    }
    now = {**after, **told}
    assert (status, orders) == (302, 1)
    assert {key for key in before if before[key] != now[key]} == {"name", field}
    assert now[field] == wanted[field]


def test_put_back_when_it_names_what_is_not_seen_then_refused_and_nothing_is_asked(
    corners: tuple[Corner, Corner],
) -> None:
    mine, foreign = corners
    _, browser = member("view_account", "change_account", "set_group", "set_owner", "set_leverage")
    before = Account.objects.values().get(login=mine.login)
    where = reverse("admin:accounts_account_put_back", args=[mine.login])
    for values in ({"group": foreign.group}, {"user": foreign.user.pk}, {"agent": foreign.login}):
        line = SettingsChange.objects.create(
            kind="account", key=str(mine.login), before=values, after={"group": "mine"}, actor="boss"
        )

        assert browser.post(where, {"change": str(line.pk)}).status_code == 403, values

    assert not Command.objects.filter(name="ChangeSettings").exists()
    assert Account.objects.values().get(login=mine.login) == before


def test_fields_when_no_right_of_their_own_is_given_then_only_the_others_change(
    corners: tuple[Corner, Corner],
) -> None:
    mine, _ = corners
    put_groups([{"name": "mine-too"}])
    _, browser = member("view_account", "change_account")
    before = Account.objects.values().get(login=mine.login)

    saved(browser, mine.login, user="", group="mine-too", leverage="500", name="New")

    assert Account.objects.values().get(login=mine.login) == {**before, "name": "New"}


def test_choices_when_foreign_ones_are_sent_then_refused_and_nothing_changes(
    corners: tuple[Corner, Corner],
) -> None:
    mine, foreign = corners
    boss = User.objects.create_superuser("boss")
    _, browser = member("view_account", "change_account", "set_owner", "set_group", "set_leverage")
    before = Account.objects.values().get(login=mine.login)

    for changed in (
        {"user": foreign.user.pk}, {"user": boss.pk}, {"group": foreign.group}, {"agent": foreign.login},
    ):  # fmt: skip
        assert saved(browser, mine.login, **changed) == 200, changed

    assert Account.objects.values().get(login=mine.login) == before


def test_account_when_its_owner_is_staff_then_it_is_not_taken_from_them(
    corners: tuple[Corner, Corner],
) -> None:
    mine, _ = corners
    boss = User.objects.create_superuser("boss")
    Account.objects.filter(login=mine.login).update(user=boss)
    _, browser = member("view_account", "change_account", "set_owner")

    assert saved(browser, mine.login, user=mine.user.pk, name="New") == 302

    assert Account.objects.get(login=mine.login).user_id == boss.pk


def test_account_when_opened_then_in_a_seen_group_without_owner_and_leverage(
    corners: tuple[Corner, Corner],
) -> None:
    mine, foreign = corners
    _, browser = member("view_account", "add_account")
    new = {"login": 91_000_009, "name": "New", "tier": "PRO", "user": mine.user.pk, "leverage": "500"}
    add = reverse("admin:accounts_account_add")

    refused = browser.post(add, {**new, "group": foreign.group}).status_code
    made = browser.post(add, {**new, "group": mine.group}).status_code

    assert (refused, made) == (200, 302)
    account = Account.objects.get(login=91_000_009)
    assert (account.group_id, account.user_id, account.leverage) == (mine.group, None, 0)


def test_group_when_its_name_is_outside_ones_masks_then_not_made(corners: tuple[Corner, Corner]) -> None:
    _, browser = member("view_group", "add_group")
    form = browser.get(reverse("admin:accounts_group_add")).context["adminform"].form
    sent = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    sent = {
        name: "on" if value is True else value
        for name, value in sent.items()
        if value is not None and value is not False
    }
    sent |= {"margin_call": "100", "stop_out": "50", "commission_amount": "0", "agent_commission_amount": "0"}
    inline = {"securities-TOTAL_FORMS": "0", "securities-INITIAL_FORMS": "0"}

    page = browser.post(reverse("admin:accounts_group_add"), {**sent, **inline, "name": "vip"})
    made = browser.post(reverse("admin:accounts_group_add"), {**sent, **inline, "name": "mine-new"})

    assert "your masks do not cover vip" in page.content.decode()
    assert made.status_code == 302, made.context["adminform"].form.errors
    assert set(Group.objects.values_list("name", flat=True)) >= {"mine-new"}
    assert not Group.objects.filter(name="vip").exists()


# ---- users ----


def tried(browser: Client, user: User) -> dict[str, Any]:
    """Try to change a user's name and password and to make them a superuser; return the answers."""
    own = {"username": user.username, "first_name": "Taken", "is_active": "on"}
    power = {"is_staff": "on", "is_superuser": "on", "user_permissions": [Permission.objects.first().pk]}
    word = {"password1": "new-new-new-1", "password2": "new-new-new-1", "usable_password": "true"}
    change = reverse("admin:auth_user_change", args=[user.pk])
    password = reverse("admin:auth_user_password_change", args=[user.pk])
    return {
        "look": browser.get(change).status_code,
        "change": browser.post(change, {**own, **power}).status_code,
        "password": browser.post(password, word).status_code,
    }


def test_users_when_changed_then_those_of_seen_accounts_only_and_no_rights_are_won(
    corners: tuple[Corner, Corner],
) -> None:
    mine, foreign = corners
    me, browser = member("view_user", "change_user", "add_user")
    both = User.objects.create_user("both")
    put_accounts(
        [{"login": 91_000_003, "group": mine.group, "user": both}, {"login": 82_828_003, "group": foreign.group, "user": both}]
    )  # fmt: skip
    boss, colleague = (
        User.objects.create_superuser("boss"),
        User.objects.create_user("colleague", is_staff=True),
    )
    lonely = User.objects.create_user("lonely")
    known = {user.pk: user.password for user in User.objects.all()}

    answers = {
        user.username: tried(browser, user)
        for user in (mine.user, both, foreign.user, boss, colleague, lonely, me)
    }

    hidden, seen = (
        {"look": 404, "change": 404, "password": 404},
        {"look": 200, "change": 403, "password": 403},
    )
    assert answers == {
        "mine-client": {"look": 200, "change": 302, "password": 302}, "both": seen, "dora": seen,
        "zzforeign-client": hidden, "boss": hidden, "colleague": hidden, "lonely": hidden,
    }  # fmt: skip
    changed = {user.username for user in User.objects.all() if known[user.pk] != user.password}
    assert changed == {"mine-client"}
    assert set(User.objects.filter(first_name="Taken").values_list("username", flat=True)) == {"mine-client"}
    assert set(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == {"boss"}
    assert not User.objects.get(username="mine-client").is_staff
    assert not User.objects.exclude(pk=me.pk).filter(user_permissions__isnull=False).exists()


def test_user_when_made_by_staff_then_seen_by_them_until_it_has_a_foreign_account(
    corners: tuple[Corner, Corner],
) -> None:
    _, foreign = corners
    _, browser = member("view_user", "change_user", "add_user")
    _, other = member("view_user", "change_user", name="otto")
    sent = {
        "username": "fresh", "usable_password": "true", "password1": "long-enough-1", "password2": "long-enough-1",
        "is_staff": "on", "is_superuser": "on",
    }  # fmt: skip

    assert browser.post(reverse("admin:auth_user_add"), sent).status_code == 302
    fresh = User.objects.get(username="fresh")
    page = reverse("admin:auth_user_change", args=[fresh.pk])

    assert (fresh.is_staff, fresh.is_superuser) == (False, False)
    assert (browser.get(page).status_code, other.get(page).status_code) == (200, 404)
    put_accounts([{"login": 82_828_004, "group": foreign.group, "user": fresh}])
    assert browser.get(page).status_code == 404


def test_users_when_listed_then_only_their_seen_accounts_stand_beside_them(
    corners: tuple[Corner, Corner],
) -> None:
    mine, foreign = corners
    put_accounts([{"login": 82_828_005, "group": foreign.group, "user": mine.user}])
    _, browser = member("view_user")

    text = browser.get(reverse("admin:auth_user_changelist")).content.decode()

    assert str(mine.login) in text
    assert "82828005" not in text


# ---- masks ----


@pytest.mark.parametrize("masks", ["real*,,x", "!real*", "real?", "real*;x", "a!b"])
def test_masks_when_they_are_none_then_not_saved_by_anybody(
    admin_client: Client, redis_db: Any, masks: str
) -> None:
    dora = User.objects.create_user("dora", is_staff=True)
    sent = {
        "username": "dora", "is_active": "on", "is_staff": "on", "managerscope-TOTAL_FORMS": "1",
        "managerscope-INITIAL_FORMS": "0", "managerscope-0-group_masks": masks, "managerscope-0-user": dora.pk,
    }  # fmt: skip

    page = admin_client.post(reverse("admin:auth_user_change", args=[dora.pk]), sent)
    with pytest.raises(ValidationError):
        ManagerScope.objects.create(user=dora, group_masks=masks)

    assert page.status_code == 200
    assert not ManagerScope.objects.exists()


def test_masks_when_stored_ones_cannot_be_read_then_nobody_is_seen(redis_db: Any) -> None:
    put_groups([{"name": "real"}])
    put_accounts([{"login": 1, "group": "real"}])
    dora = User.objects.create_user("dora", is_staff=True)
    ManagerScope.objects.create(user=dora, group_masks="real")
    assert rights.accounts_for(dora).count() == 1
    ManagerScope.objects.update(group_masks="real,[")

    assert (rights.accounts_for(dora).count(), rights.groups_for(dora).count()) == (0, 0)


# ---- who is nobody ----


def test_accounts_when_a_client_is_disabled_or_unknown_then_none(corners: tuple[Corner, Corner]) -> None:
    mine, _ = corners

    assert [row.login for row in rights.own_accounts(mine.user)] == [mine.login]
    assert [row.login for row in rights.accounts_for(mine.user)] == [mine.login]
    assert not rights.scoped(mine.user, Account.objects.all()).exists()
    mine.user.is_active = False
    assert not rights.own_accounts(mine.user).exists()
    assert not rights.may_view(mine.user, "accounts.account")


def test_kind_when_nobody_has_said_who_sees_it_then_refused() -> None:
    from dealing.models import Outbox

    with pytest.raises(LookupError):
        rights.scoped(User(is_staff=True, is_superuser=True), Outbox.objects.all())


# ---- roles ----


def test_roles_when_changed_by_hand_then_kept_until_restored(capsys: pytest.CaptureFixture[str]) -> None:
    from django.contrib.auth.models import Group as Role

    put_roles()
    cashier = Role.objects.get(name="cashier")
    cashier.permissions.clear()
    Role.objects.get(name="clerk").delete()

    call_command("roles")
    assert "cashier (changed here)" in capsys.readouterr().out
    assert cashier.permissions.count() == 0
    call_command("roles", "--restore", "cashier")
    assert cashier.permissions.count() == len(ROLES["cashier"])
    assert set(Role.objects.values_list("name", flat=True)) == set(ROLES)
    with pytest.raises(CommandError):
        call_command("roles", "--restore", "king")


def test_roles_when_held_then_no_role_but_superusers_gives_rights(corners: tuple[Corner, Corner]) -> None:
    for role in ROLES:
        browser = browser_of(role)
        me = User.objects.get(username=f"staff-{role}".replace(" ", "-"))

        for user in (me, corners[0].user):
            tried(browser, user)
            user.refresh_from_db()
            assert (user.is_superuser, user.user_permissions.count()) == (False, 0), role


def test_free_text_when_it_may_name_anybody_then_whole_to_those_who_see_every_group(
    corners: tuple[Corner, Corner],
) -> None:
    limited, limited_browser = member("view_hookfailure", "view_poisonitem", "view_gap")
    boss, boss_browser = member("view_hookfailure", "view_poisonitem", "view_gap", masks="*", name="boss")
    told = {
        user.username: {
            kind: browser.get(reverse(f"admin:dealing_{kind}_changelist")).content.decode()
            for kind in ("hookfailure", "poisonitem")
        }
        for user, browser in ((limited, limited_browser), (boss, boss_browser))
    }

    assert all("ValueError" in page and FOREIGN_WORD not in page for page in told["dora"].values())
    assert all(f"of {FOREIGN_WORD}" in page for page in told["boss"].values())
    note = limited_browser.get(reverse("admin:dealing_gap_change", args=[Gap.objects.get().pk]))
    assert "what, is told to those who see every group" in note.content.decode()
