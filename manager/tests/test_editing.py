"""Editors neither lose nor surprise: stale saves change nothing, what would follow is told, history can be put back."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Group, GroupSecurity, ManagerScope
from dealing import services
from dealing.models import Command, SettingsChange
from manager.admin.proposals import Proposal
from manager.tests.book import write_book
from manager.tests.test_admin import form_of
from markets.models import Security, Symbol

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(redis_db: object, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return a superuser's browser before a small book; nobody waits for a desk that does not run."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)
    write_book()
    return admin_client


def page_of(name: str, key: Any) -> str:
    return reverse(f"admin:{name}_change", args=[key])


def last_change() -> dict[str, Any]:
    row = Command.objects.filter(name="ChangeSettings").latest("id")
    return {key: row.payload[key] for key in ("values", "seen")}


def test_form_when_somebody_saved_another_setting_meanwhile_then_only_what_was_changed_is_sent(
    boss: Client,
) -> None:
    where = page_of("accounts_group", "retail")
    opened = form_of(boss.get(where))
    Group.objects.filter(name="retail").update(leverage=20, description="theirs")

    boss.post(where, opened | {"max_orders": 7})

    assert last_change() == {"values": {"max_orders": 7}, "seen": {"max_orders": 0}}
    assert Group.objects.values_list("leverage", "description").get(name="retail") == (20, "theirs")


@pytest.mark.parametrize(
    ("name", "key", "column", "theirs", "mine"),
    [
        ("accounts_group", "retail", "max_orders", 5, 7),
        ("accounts_group", "retail", "description", "theirs", "mine"),
        ("accounts_group", "retail", "stop_out", "30", "20"),
        ("markets_symbol", "EURUSD", "stops_level", 5, 7),
        ("markets_symbol", "EURUSD", "description", "theirs", "mine"),
        ("accounts_account", 1001, "name", "theirs", "mine"),
        ("accounts_account", 1001, "tier", "FREE", "ENTERPRISE"),
    ],
)
def test_form_when_stale_then_nothing_is_saved_and_all_three_values_are_shown(
    boss: Client, name: str, key: Any, column: str, theirs: Any, mine: Any
) -> None:
    model: Any = {"accounts_group": Group, "markets_symbol": Symbol, "accounts_account": Account}[name]
    where = page_of(name, key)
    page = boss.get(where)
    opened = form_of(page) | {"sessions": "", "holidays": "[]", "swap_multipliers": "[1,1,3,1,1,0,0]"}
    seen = str(page.context["adminform"].form[column].value())
    model.objects.filter(pk=key).update(**{column: theirs})
    before = model.objects.filter(pk=key).values().get()

    answer = boss.post(where, opened | {column: mine})

    text = answer.content.decode()
    assert "Nothing was saved" in text
    for value in (str(theirs), str(mine), seen):
        assert f">{value}<" in text or value == "", value
    assert model.objects.filter(pk=key).values().get() == before
    assert not Command.objects.filter(name="ChangeSettings").exists()


def test_conflict_when_theirs_was_looked_at_then_mine_can_be_proposed_against_it(boss: Client) -> None:
    where = page_of("accounts_group", "retail")
    opened = form_of(boss.get(where))
    Group.objects.filter(name="retail").update(max_orders=5, leverage=30)
    conflict = boss.post(where, opened | {"max_orders": 7})

    boss.post(conflict.context["action"], {"proposal": conflict.context["proposal"], "again": "1"})

    assert last_change() == {"values": {"max_orders": 7}, "seen": {"max_orders": 5}}


def test_stop_out_when_5000_instead_of_50_then_the_page_tells_and_asks_for_the_number(boss: Client) -> None:
    where = page_of("accounts_group", "retail")

    told = boss.post(where, form_of(boss.get(where)) | {"stop_out": "500000"})
    acting = told.context["acting"]
    sent = {"proposal": told.context["proposal"], "confirmed": "yes"}

    assert acting == 1
    text = told.content.decode()
    assert "1 accounts would be stopped out" in text and "1001" in text
    for typed in ("", "2", "yes"):
        again = boss.post(told.context["action"], sent | {"typed": typed})
        assert "Type 1, the number of accounts" in again.content.decode()
    assert not Command.objects.filter(name="ChangeSettings").exists()

    boss.post(told.context["action"], sent | {"typed": "1"})
    boss.post(told.context["action"], sent | {"typed": "1"})  # twice
    row = Command.objects.get(name="ChangeSettings")
    assert (row.payload["values"], row.payload["accounts"]) == ({"stop_out": "500000"}, 1)


def test_preview_when_enter_is_pressed_then_it_only_computes_again(boss: Client) -> None:
    where = page_of("accounts_group", "retail")
    text = boss.post(where, form_of(boss.get(where)) | {"stop_out": "500000"}).content.decode()

    form = text[text.index('name="proposal"') :]
    assert form.index('name="look"') < form.index('name="confirmed"')
    assert "autofocus" not in form


def test_saving_when_more_would_close_by_now_then_the_new_figures_are_shown(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = services.Outcome(
        services.REFUSED, "conflict", "it would close more", data={"forecast": {"acting": 2}}
    )
    monkeypatch.setattr(services, "change_settings", lambda *_, **__: refused)
    where = page_of("accounts_group", "retail")
    told = boss.post(where, form_of(boss.get(where)) | {"stop_out": "500000"})

    answer = boss.post(
        told.context["action"], {"proposal": told.context["proposal"], "confirmed": "yes", "typed": "1"}
    )

    assert "These are the figures of now" in " ".join(str(m) for m in get_messages(answer.wsgi_request))
    assert answer.context["acting"] == 1
    assert (
        Proposal.read(answer.context["proposal"]).client_key
        != Proposal.read(told.context["proposal"]).client_key
    )  # type: ignore[union-attr]


def test_terms_when_one_security_is_edited_then_only_it_is_sent(boss: Client) -> None:
    for name in ("forex", "metals"):
        Security.objects.get_or_create(name=name)
    GroupSecurity.objects.create(group_id="retail", security="metals", spread_diff=4)
    where = page_of("accounts_group", "retail")
    page = boss.get(where)
    opened = form_of(page)
    (row,) = page.context["inline_admin_formsets"][0].formset.initial_forms
    opened |= {
        row.add_prefix(name): "" if row[name].value() is None else row[name].value() for name in row.fields
    }

    answer = boss.post(where, opened | {row.add_prefix("spread_diff"): "9"})
    assert answer.status_code == 302, [f.formset.errors for f in answer.context["inline_admin_formsets"]]

    sent = last_change()
    assert sent["values"] == {"securities.metals": {"spread_diff": 9}}
    assert sent["seen"] == {"securities.metals": {"spread_diff": 4}}


def test_history_when_a_change_is_put_back_then_it_is_proposed_as_a_new_change(boss: Client) -> None:
    Group.objects.filter(name="retail").update(max_orders=5)
    line = SettingsChange.objects.create(
        kind="group", key="retail", actor="ann", before={"max_orders": 0}, after={"max_orders": 5}
    )
    page = boss.get(page_of("accounts_group", "retail")).content.decode()
    assert "Most positions and orders: 0 → 5" in page or "Most positions and orders: - → 5" in page

    boss.post(reverse("admin:accounts_group_put_back", args=["retail"]), {"change": line.pk})

    assert last_change() == {"values": {"max_orders": 0}, "seen": {"max_orders": 5}}


def test_book_when_it_is_large_then_a_job_computes_and_the_page_waits_for_it(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manager.forecasts.AT_ONCE", 0)
    sent: list[int] = []
    monkeypatch.setattr("manager.mass.hint", lambda job: sent.append(job.pk))
    where = page_of("accounts_group", "retail")

    waits = boss.post(where, form_of(boss.get(where)) | {"stop_out": "500000"})
    assert "is being computed" in waits.content.decode()
    from manager import mass

    mass.run(sent[0])
    told = boss.post(waits.context["action"], {"proposal": waits.context["proposal"], "look": "1"})

    assert told.context["acting"] == 1


@pytest.mark.parametrize(
    ("name", "key", "given"), [("positions_position_stops", 10, "sl"), ("orders_order_modify", 20, "price")]
)
def test_prices_when_modified_then_what_the_page_showed_of_them_goes_along(
    boss: Client, name: str, key: int, given: str
) -> None:
    where = reverse(f"admin:{name}", args=[key])
    page = boss.get(where)
    form = page.context["form"]
    seen = form["seen"].value()

    boss.post(where, {"key": "c" * 32, given: "1.05", "seen": seen})

    row = Command.objects.latest("id")
    assert list(row.payload["seen"]) == [given]
    assert "Seen" not in page.content.decode()


# Rows that the desk does not go by


def test_user_when_two_edit_different_things_then_both_hold_and_the_same_is_told(boss: Client) -> None:
    user = User.objects.create_user("dora", first_name="Dora", email="d@x.example")
    where = page_of("auth_user", user.pk)
    opened = {k: v for k, v in form_of(boss.get(where)).items() if k not in ("last_login", "date_joined")}
    opened |= {
        "last_login_0": "",
        "last_login_1": "",
        "date_joined_0": "2024-01-01",
        "date_joined_1": "00:00",
    }
    User.objects.filter(pk=user.pk).update(email="new@x.example")

    boss.post(where, opened | {"first_name": "Dorothea"})
    user.refresh_from_db()
    assert (user.first_name, user.email) == ("Dorothea", "new@x.example")

    stale = boss.post(where, opened | {"first_name": "Dorothea", "email": "mine@x.example", "is_staff": "on"})
    user.refresh_from_db()
    assert "Nothing was saved" in stale.content.decode()
    assert (user.email, user.is_staff) == ("new@x.example", False)
    assert [line.after for line in SettingsChange.objects.filter(kind="auth.user")] == [
        {"first_name": "Dorothea"}
    ]


def test_security_when_stale_then_nothing_is_saved(boss: Client) -> None:
    Security.objects.update_or_create(name="forex", defaults={"description": "old"})
    where = page_of("markets_security", "forex")
    opened = form_of(boss.get(where))
    Security.objects.filter(name="forex").update(description="theirs")

    answer = boss.post(where, opened | {"description": "mine"})

    assert "Nothing was saved" in answer.content.decode()
    assert Security.objects.get(name="forex").description == "theirs"


def test_masks_when_they_were_not_touched_then_a_stale_page_does_not_write_them(boss: Client) -> None:
    user = User.objects.create_user("dora", is_staff=True)
    scope = ManagerScope.objects.create(user=user, group_masks="retail*")
    where = page_of("auth_user", user.pk)
    page = boss.get(where)
    opened = form_of(page) | {"date_joined_0": "2024-01-01", "date_joined_1": "00:00"}
    (row,) = page.context["inline_admin_formsets"][0].formset.initial_forms
    opened |= {
        row.add_prefix(name): "" if row[name].value() is None else row[name].value() for name in row.fields
    }
    ManagerScope.objects.filter(pk=scope.pk).update(group_masks="pro*")

    boss.post(where, opened | {"first_name": "Dora"})

    assert ManagerScope.objects.get(pk=scope.pk).group_masks == "pro*"
    assert User.objects.get(pk=user.pk).first_name == "Dora"


def test_people_and_roles_when_changed_then_their_pages_show_who_changed_what_in_words(boss: Client) -> None:
    role = Role.objects.create(name="night shift")
    right = Permission.objects.get(codename="view_account")
    user = User.objects.create_user("dora", first_name="Dora")
    where = page_of("auth_user", user.pk)
    opened = {k: v for k, v in form_of(boss.get(where)).items() if k not in ("last_login", "date_joined")}
    opened |= {
        "date_joined_0": "2024-01-01",
        "date_joined_1": "00:00",
        "last_login_0": "",
        "last_login_1": "",
    }

    boss.post(where, opened | {"first_name": "Dorothea", "groups": [role.pk]})
    boss.post(
        page_of("auth_group", role.pk),
        form_of(boss.get(page_of("auth_group", role.pk))) | {"permissions": [right.pk]},
    )
    user_page = boss.get(where).content.decode()
    role_page = boss.get(page_of("auth_group", role.pk)).content.decode()

    assert "First name: Dora → Dorothea" in user_page
    assert "Groups: - → night shift" in user_page
    assert "Permissions: - → Can view account" in role_page
    assert user_page.count(">admin<") >= 1
    assert (
        "No change is on record."
        in boss.get(page_of("markets_security", Security.objects.first().pk)).content.decode()
    )
