"""Every address of the admin for every role of staff, with what is inside one's masks, outside, and absent.

The tables say to whom each page opens. An address, a model, an action or a role that is not in them fails, so
that nothing is added to the admin without somebody saying who may see it.
"""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dealing import dealers
from dealing.models import Command
from live.rights import SCOPES
from live.roles import ROLES
from manager.models import MassItem, MassJob
from manager.tests.staff import FOREIGN_DIGITS, FOREIGN_WORD, Corner, absent_of, browser_of, two_corners

pytestmark = pytest.mark.django_db

#: Letters of the table. A superuser is let in everywhere.
LETTERS = {
    "d": "dealer", "h": "head dealer", "r": "risk", "c": "clerk", "k": "cashier", "o": "compliance", "a": "auditor",
    "u": "support", "s": "settings",
}  # fmt: skip
NOBODY = ""
#: Of each kind of row: who may look (list, file, record, history, choices), make, and change it on its form.
KINDS = {
    "accounts_account": ("dhrckoau", "c", "rco"),
    "accounts_group": ("dhrcoaus", "s", "rs"),
    "accounts_ledgerentry": ("hrkoau", NOBODY, NOBODY),
    "accounts_accountday": ("hrkoau", NOBODY, NOBODY),
    "orders_order": ("dhroau", NOBODY, NOBODY),
    "orders_smartorder": ("dhroau", NOBODY, NOBODY),
    "orders_dealerrequest": ("dhroau", NOBODY, NOBODY),
    "positions_position": ("dhroau", NOBODY, NOBODY),
    "positions_deal": ("dhroau", NOBODY, NOBODY),
    "dealing_command": ("hroa", NOBODY, NOBODY),
    "dealing_halt": ("hroas", NOBODY, NOBODY),
    "dealing_gap": ("hroas", NOBODY, NOBODY),
    "dealing_poisonitem": ("hroas", NOBODY, NOBODY),
    "dealing_hookfailure": ("hroas", NOBODY, NOBODY),
    "dealing_pluginstate": ("hroas", NOBODY, NOBODY),
    "markets_server": ("dhroaus", NOBODY, "s"),
    "markets_symbol": ("dhroaus", "s", "s"),
    "markets_security": ("oas", "s", "s"),
    "auth_user": ("coau", "c", "cu"),
    "auth_group": ("oa", NOBODY, NOBODY),
}
#: What of these belongs to the house: the right to look is enough.
HOUSE = {
    "dealing_gap", "dealing_hookfailure", "dealing_pluginstate", "markets_server", "markets_symbol", "markets_security",
    "auth_group",
}  # fmt: skip
#: What there is one of: not even a superuser makes another.
ONE_ROW = {"markets_server"}
#: Pages of actions: who may, and what is sent by those who do.
ACTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "accounts_account_money": ("k", {"kind": "deposit", "amount": "1"}),
    "accounts_account_order": ("dh", {"symbol": "EURUSD", "type": "buy", "volume": "1"}),
    "accounts_account_halt": ("hro", {"level": "halt"}),
    "accounts_group_halt": ("hro", {"level": "halt"}),
    "markets_symbol_halt": ("r", {"level": "halt"}),
    "positions_position_close": ("dhr", {"volume": "1"}),
    "positions_position_stops": ("dhr", {"sl": "1"}),
    "orders_order_modify": ("dhr", {"price": "1"}),
    "orders_order_cancel": ("dhr", {}),
    "orders_smartorder_cancel": ("dhr", {}),
    "orders_dealerrequest_take": ("dh", {}),
    "orders_dealerrequest_confirm": ("dh", {}),
    "orders_dealerrequest_requote": ("dh", {"price": "1"}),
    "orders_dealerrequest_reject": ("dh", {}),
    "dealing_gap_seen": ("hr", {}),
    "auth_user_password_change": ("cu", {}),
}
#: Pages on which a proposed change is looked at and saved: who may change the kind, by its form.
PROPOSALS = {f"{kind}_{page}": kind for kind in ("accounts_account", "accounts_group", "markets_symbol", "markets_server")
             for page in ("proposal", "put_back")}  # fmt: skip
#: Pages of actions that are about no row.
LOOSE: dict[str, str] = {
    "manager_mass_list": "dhrckoaus",
    "manager_mass_file": "k",
    "dealing_halt_turn": "hro",
    "dealing_pluginstate_configure": "s",
}
#: What pages say by themselves: that they are open, and that they have been closed.
SAID: dict[str, str] = {"orders_dealerrequest_beat": "dh", "orders_dealerrequest_end": "dh"}
#: Actions on rows of a list.
ON_ROWS = {
    ("accounts_account", "close_all"): "dhr",
    ("accounts_account", "cancel_all"): "dhr",
    ("accounts_account", "move_group"): "r",
    ("accounts_account", "disable"): "rco",
    ("accounts_account", "enable"): "rco",
    ("positions_position", "close_positions"): "dhr",
    ("orders_order", "cancel_orders"): "dhr",
    ("orders_smartorder", "cancel_plans"): "dhr",
}
#: The frame, which shows no row, and choices of foreign keys, which are tried below.
FRAME = {
    "index", "search", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n",
    "view_on_site", "app_list",
}  # fmt: skip
PARTS = ("changelist", "csv", "add", "change", "history", "delete")
EVERYBODY = [*LETTERS.values(), "superuser"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a desk that does not run."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)


@pytest.fixture
def corners(redis_db: Any) -> tuple[Corner, Corner]:
    """Return what is inside the masks of staff, and what is outside."""
    return two_corners(redis_db)


def opens(letters: str, role: str) -> bool:
    return role == "superuser" or role in {LETTERS[letter] for letter in letters}


def asked(browser: Client, name: str, key: Any = None, sent: Any = None) -> int:
    """Return the status of a page; what it shows must hold nothing of the foreign corner."""
    where = reverse(f"admin:{name}", args=[] if key is None else [key])
    answer = browser.get(where) if sent is None else browser.post(where, sent)
    if answer.status_code == 200 and not browser.session.get("boss"):
        text = answer.getvalue().decode()
        assert FOREIGN_WORD not in text.replace(where, ""), where
        assert FOREIGN_DIGITS not in text.replace(where, ""), where
    return answer.status_code


def browser_for(role: str) -> Client:
    browser = browser_of(role)
    session = browser.session
    session["boss"] = role == "superuser"
    session.save()
    return browser


# ---- nothing is left out ----


def names_of(patterns: Any) -> set[str]:
    found: set[str] = set()
    for one in patterns:
        found |= names_of(one.url_patterns) if hasattr(one, "url_patterns") else {one.name} - {None}
    return found


def test_tables_when_compared_with_the_addresses_then_none_is_missing() -> None:
    standard = {f"{kind}_{part}" for kind in KINDS for part in PARTS}

    own = {
        "manager_mass_job",
        "manager_mass_go",
        "manager_mass_stop",
    }  # one's own: manager/tests/test_mass.py
    names = own | set(ACTIONS) | set(PROPOSALS) | set(LOOSE) | set(SAID) | FRAME
    assert names_of(admin.site.get_urls()) == standard | names


def test_tables_when_compared_with_models_actions_and_roles_then_none_is_missing() -> None:
    faces = {f"{m._meta.app_label}_{m._meta.model_name}": face for m, face in admin.site._registry.items()}
    on_rows = {
        (kind, action if isinstance(action, str) else action.__name__)
        for kind, face in faces.items()
        for action in face.actions
    }

    assert set(faces) == set(KINDS)
    assert on_rows == set(ON_ROWS)
    assert set(LETTERS.values()) == set(ROLES)
    assert {kind.replace("_", ".") for kind in KINDS} <= set(SCOPES)


# ---- every page for every role ----


@pytest.mark.parametrize("role", EVERYBODY)
def test_page_when_asked_for_then_as_the_table_says(role: str, corners: tuple[Corner, Corner]) -> None:
    mine, foreign = corners
    browser = browser_for(role)
    wrong = []
    for kind, (look, add, change) in KINDS.items():
        may_look, may_add, may_change = (opens(letters, role) for letters in (look, add, change))
        is_form = "change" in change_words(kind)
        may_add, may_change = may_add and is_form and kind not in ONE_ROW, may_change and is_form
        key, none = mine.keys[kind], absent_of(mine.keys[kind])
        wanted = {
            (f"{kind}_changelist", None, None): 200 if may_look else 403,
            (f"{kind}_csv", None, None): 200 if may_look else 403,
            (f"{kind}_add", None, None): 200 if may_add else 403,
            (f"{kind}_change", key, None): 200 if may_look else 403,
            (f"{kind}_history", key, None): 200 if may_look else 403,
            (f"{kind}_delete", key, None): 403,
            (f"{kind}_delete", none, None): 403,
            (f"{kind}_change", none, None): 404 if may_look else 403,
            (f"{kind}_history", none, None): 404,
        }
        if not may_change:
            wanted[f"{kind}_change", key, "post"] = 403
        if kind not in HOUSE and role != "superuser":
            theirs = foreign.keys[kind]
            wanted |= {
                (name, theirs, how): status
                for (name, at, how), status in wanted.items()
                if at == none and name != f"{kind}_delete"
            }
            wanted[f"{kind}_delete", theirs, None] = 403
        for (name, at, how), status in wanted.items():
            found = asked(browser, name, at, {"name": "x"} if how else None)
            if found != status:
                wrong.append((name, at, how, found, status))

    assert wrong == []


def change_words(kind: str) -> str:
    """Return "change" where rows of a kind have a form, "" where their page is a record."""
    app, model = kind.split("_")
    face = next(
        f for m, f in admin.site._registry.items() if (m._meta.app_label, m._meta.model_name) == (app, model)
    )
    return "" if type(face).has_change_permission.__qualname__.startswith("ReadOnly") else "change"


@pytest.mark.parametrize("role", EVERYBODY)
def test_action_when_asked_for_then_as_the_table_says(role: str, corners: tuple[Corner, Corner]) -> None:
    mine, foreign = corners
    browser = browser_for(role)
    wrong = []
    for number, (name, (letters, form)) in enumerate(ACTIONS.items()):
        may, kind = opens(letters, role), next(kind for kind in KINDS if name.startswith(kind + "_"))
        sent = {"confirmed": "yes", "key": f"{number:032x}", **form}
        key = mine.keys[kind]
        outside = [
            absent_of(key),
            *([foreign.keys[kind]] if kind not in HOUSE and role != "superuser" else []),
        ]
        before = Command.objects.count()
        refused = {(at, how is None): asked(browser, name, at, how) for at in outside for how in (None, sent)}
        if Command.objects.count() != before:
            wrong.append((name, "asked the desk for what is not seen"))
        if set(refused.values()) != {404 if may else 403}:
            wrong.append((name, refused))
        answers = [asked(browser, name, key)]
        answers.append(asked(browser, name, key, sent))
        if name == "auth_user_password_change":
            answers[1] = 302 if answers[1] == 200 else answers[1]  # without a password it asks again
        if answers != ([200, 302] if may else [403, 403]):
            wrong.append((name, answers, may))
        if not may and Command.objects.count() != before:
            wrong.append((name, "asked the desk without the right"))

    assert wrong == []


@pytest.mark.parametrize("role", EVERYBODY)
def test_proposal_when_asked_for_then_as_the_table_says(role: str, corners: tuple[Corner, Corner]) -> None:
    mine, foreign = corners
    browser = browser_for(role)
    before = Command.objects.count()
    wrong = []
    for name, kind in PROPOSALS.items():
        look, _, change = KINDS[kind]
        is_seen = opens(look, role)
        may = 302 if opens(change, role) else 403 if is_seen else 404
        for sent in (None, {"proposal": "x", "change": "1", "confirmed": "yes"}):
            found = asked(browser, name, mine.keys[kind], sent)
            if found != may and not (found == 403 and may == 404):
                wrong.append((name, sent, found, may))
            if kind in HOUSE or role == "superuser":
                continue
            found = asked(browser, name, foreign.keys[kind], sent)
            if found not in (403, 404):
                wrong.append((name, "foreign", sent, found))

    assert wrong == []
    assert Command.objects.count() == before


@pytest.mark.parametrize("role", EVERYBODY)
def test_action_on_rows_when_chosen_then_the_seen_ones_only(
    role: str, corners: tuple[Corner, Corner]
) -> None:
    mine, foreign = corners
    browser = browser_for(role)
    wrong = []
    for (kind, action), letters in ON_ROWS.items():
        before = Command.objects.count()
        where = reverse(f"admin:{kind}_changelist")
        chosen = [mine.keys[kind], foreign.keys[kind]]
        for number, more in enumerate(({}, {"select_across": "1"})):
            browser.post(
                where,
                {
                    "action": action,
                    "_selected_action": chosen,
                    "confirmed": "yes",
                    "index": "0",
                    "group": mine.group,
                    "key": f"{number}" * 32,
                    **more,
                },
            )
        touched = set(MassItem.objects.values_list("login", flat=True))
        MassJob.objects.all().delete()
        assert Command.objects.count() == before
        wanted = {mine.login} if opens(letters, role) else set()
        wanted |= {foreign.login} if role == "superuser" else set()
        if touched != wanted:
            wrong.append((kind, action, touched, wanted))

    assert wrong == []


@pytest.mark.parametrize("role", EVERYBODY)
def test_loose_page_when_asked_for_then_as_the_table_says(role: str, corners: tuple[Corner, Corner]) -> None:
    browser = browser_for(role)

    found = {name: asked(browser, name) for name in LOOSE}

    assert found == {name: 200 if opens(letters, role) else 403 for name, letters in LOOSE.items()}


@pytest.mark.parametrize("role", EVERYBODY)
def test_what_pages_say_when_said_then_only_those_who_deal_are_heard(role: str) -> None:
    browser = browser_for(role)

    found = {
        name: browser.post(reverse(f"admin:{name}"), {"page": "0123456789abcdef"}).status_code
        for name in SAID
    }

    assert found == {name: 204 if opens(letters, role) else 403 for name, letters in SAID.items()}
    assert bool(dealers.online()) is opens("dh", role)


@pytest.mark.parametrize("role", EVERYBODY)
def test_frame_when_asked_for_then_it_shows_nothing_foreign(
    role: str, corners: tuple[Corner, Corner]
) -> None:
    browser = browser_for(role)

    assert asked(browser, "index") == 200
    for query in ("s=zzf", "s=82828", "s=a&extended=1"):
        text = browser.get(f"/admin/search/?{query}").content.decode()
        assert FOREIGN_WORD not in text
        assert f"{FOREIGN_DIGITS}001" not in text
    for app in ("accounts", "orders", "positions", "dealing", "markets", "auth"):
        assert browser.get(f"/admin/{app}/").status_code in (200, 404)


@pytest.mark.parametrize("role", EVERYBODY)
def test_choices_when_asked_for_then_the_seen_ones_only(role: str, corners: tuple[Corner, Corner]) -> None:
    browser = browser_for(role)
    where = reverse("admin:autocomplete")

    answer = browser.get(
        where, {"app_label": "accounts", "model_name": "account", "field_name": "user", "term": "client"}
    )

    if not opens(KINDS["auth_user"][0], role):
        assert answer.status_code == 403
        return
    named = {row["text"] for row in answer.json()["results"]}
    assert named == ({"mine-client", f"{FOREIGN_WORD}-client"} if role == "superuser" else {"mine-client"})


def test_staff_when_without_masks_then_nobody_is_seen(corners: tuple[Corner, Corner]) -> None:
    mine, foreign = corners
    for role, masks in (("auditor", ""), ("risk", "mine*,!m*")):
        browser = browser_of(role, masks)
        for corner in (mine, foreign):
            for kind in (
                "accounts_account",
                "accounts_group",
                "orders_order",
                "positions_position",
                "positions_deal",
            ):
                assert asked(browser, f"{kind}_change", corner.keys[kind]) == 404
        assert asked(browser, "accounts_account_changelist") == 200


def test_staff_when_not_active_any_more_then_shown_to_the_door(corners: tuple[Corner, Corner]) -> None:
    browser = browser_for("auditor")
    User.objects.filter(username="staff-auditor").update(is_active=False)

    assert asked(browser, "accounts_account_changelist") == 302
