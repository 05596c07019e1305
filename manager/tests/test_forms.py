"""Every form of the admin, as it is sent by hand: fields left out, sent twice, of other kinds, huge; and by those who may not.

The fields are read from the pages themselves, so that a new form is tried without anybody naming it. A view that raises
fails its test, because Django's test client lets exceptions through. Which role may open what says `test_role_table`.
"""

import random
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from dealing import dealers
from manager.tests.staff import Corner, browser_of, two_corners
from manager.tests.test_role_table import (
    ACTIONS,
    EVERYBODY,
    KINDS,
    LOOSE,
    ON_ROWS,
    PROPOSALS,
    SAID,
    change_words,
    opens,
)
from manager.tests.test_sweep import ODD

pytestmark = pytest.mark.django_db

HUGE = "x" * 300_000
WORDS = [*ODD, HUGE, "0", "-0", "1e400", "0x10", "true", "null", "on", "2024-13-45", "99999-01-01", "\ud800", "\u202e", "\r\n",
         str(2**63), str(-(2**63) - 1), "1" * 19, "1001", "EURUSD", "../../etc/passwd", "%s%n", "{}", '{"a": [[[[1]]]]}',
         "[" * 2000]  # fmt: skip
ANSWERS = {200, 204, 302, 400, 403, 404, 413}
ROUNDS, ROUNDS_SLOW = 4, 60
COUNTED = ("dealing_command", "dealing_settingschange", "accounts_account", "accounts_group", "accounts_groupsecurity",
           "markets_symbol", "markets_security", "markets_server", "auth_user", "auth_user_groups",
           "auth_user_user_permissions", "auth_group_permissions", "manager_massjob", "manager_massitem", "dealing_gap",
           "accounts_managerscope", "orders_dealerrequest", "credentials_credential")  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a desk that does not run."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)


@pytest.fixture
def corners(redis_db: Any, settings: Any) -> tuple[Corner, Corner]:
    """Return what is inside the masks of staff, and what is outside; a plugin is loaded."""
    settings.DESK_PLUGINS = [{"path": "plugins.spike_guard.SpikeGuard"}]
    return two_corners(redis_db)


class Fields(HTMLParser):
    """The fields of a page's forms that are sent to the page itself, with what stands in them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self.found.setdefault(self._select, []).append(given.get("value", ""))
        elif tag in ("input", "textarea", "button") and name:
            is_off = given.get("type") in ("checkbox", "radio") and "checked" not in given
            self.found.setdefault(name, [] if is_off else [given.get("value", "")])
        if tag == "select" and name:
            self.found.setdefault(name, [])


def fields_of(page: Any) -> dict[str, Any]:
    """Return the fields of a page as a browser would send them."""
    reader = Fields()
    reader.feed(page.getvalue().decode())
    return {name: values for name, values in reader.found.items() if name not in ("csrfmiddlewaretoken", "q")}


def forms_of(corner: Corner) -> dict[str, tuple[str, str]]:
    """Return the address of every form by its name, with the name of the page that it stands on."""
    found = {}
    for kind in KINDS:
        if "change" in change_words(kind):
            found[f"{kind}_change"] = reverse(f"admin:{kind}_change", args=[corner.keys[kind]])
            found[f"{kind}_add"] = reverse(f"admin:{kind}_add")
        found[f"{kind}_delete"] = reverse(f"admin:{kind}_delete", args=[corner.keys[kind]])
        found[f"{kind}_changelist"] = reverse(f"admin:{kind}_changelist")
    for name in ACTIONS:
        kind = next(kind for kind in KINDS if name.startswith(kind + "_"))
        found[name] = reverse(f"admin:{name}", args=[corner.keys[kind]])
    for name, kind in PROPOSALS.items():
        found[name] = reverse(f"admin:{name}", args=[corner.keys[kind]])
    found |= {name: reverse(f"admin:{name}") for name in (*LOOSE, *SAID)}
    found |= {
        "own_password": "/admin/password_change/",
        "job": "/admin/mass/1/go/",
        "no job": f"/admin/mass/{10**30}/stop/",
    }
    return {name: (address, name) for name, address in found.items()}


def odd(chance: random.Random, good: dict[str, Any]) -> dict[str, Any]:
    """Return a form with something wrong about it."""
    sent = {name: list(values) for name, values in good.items()}
    sent |= chance.choice(
        [{}, {"confirmed": ["yes"]}, {"confirmed": ["yes"], "key": ["0" * 32]}, {"edit": ["1"]}]
    )
    for _ in range(chance.choice((1, 1, 2, 5, 40))):
        name = chance.choice(
            [
                *sent,
                "key",
                "proposal",
                "typed",
                "again",
                "change",
                "_save",
                "action",
                "_selected_action",
                "page",
            ]
        )
        match chance.randrange(6):
            case 0:
                sent.pop(name, None)
            case 1:
                sent[name] = [chance.choice(WORDS), chance.choice(WORDS)]
            case 2:
                sent[name] = [
                    SimpleUploadedFile("a\x00b.csv", chance.choice([b"", b"\xff\xfe\x00", b"1001;5\n" * 9]))
                ]
            case _:
                sent[name] = [chance.choice(WORDS)]
    return sent


def tries(browser: Client, address: str, name: str, rounds: int) -> None:
    """Send a page's form in odd ways; each must be answered."""
    chance = random.Random(name)
    page = browser.get(address)
    good = fields_of(page) if page.status_code == 200 else {}
    for number in range(rounds):
        sent = {} if number == 0 else odd(chance, good)
        try:
            answer = browser.post(address, sent)
        except UnicodeEncodeError:  # half a character cannot be sent at all
            continue

        assert answer.status_code in ANSWERS, (
            address,
            answer.status_code,
            {k: str(v)[:80] for k, v in sent.items()},
        )
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
    bodies = [
        (parts, b"--x\r\n\r\n\r\n--x--"),
        (form, b"a=%00&b=%ff&c[]=1&=&&&"),
        ("application/json", b'{"a": 1}'),
        (form, b"\xff\xfe"),
    ]
    for kind, body in bodies:
        assert browser.generic("POST", address, body, kind).status_code in ANSWERS, (address, kind, body)


def names() -> list[str]:
    kinds = [f"{kind}_{part}" for kind in KINDS for part in ("change", "add", "delete", "changelist")]
    return [*kinds, *ACTIONS, *PROPOSALS, *LOOSE, *SAID, "own_password", "job", "no job"]


@pytest.mark.parametrize("name", names())
def test_form_when_sent_in_odd_ways_then_it_is_answered(
    corners: tuple[Corner, Corner], name: str, request: pytest.FixtureRequest,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    browser = browser_of("superuser")
    if name not in forms_of(corners[0]):
        return  # a record has no form
    rounds = ROUNDS_SLOW if request.config.getoption("--slow") else ROUNDS
    with django_capture_on_commit_callbacks(execute=False):
        tries(browser, forms_of(corners[0])[name][0], name, rounds)


def state() -> list[tuple[Any, ...]]:
    """Return how many rows there are, and what they hold."""
    with connection.cursor() as cursor:
        found = []
        for table in COUNTED:
            cursor.execute(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            found.append((table, *cursor.fetchone()))
    return found


def may_send(name: str, role: str) -> bool:
    """Return whether the tables let a role send this form."""
    if name in ACTIONS:
        return opens(ACTIONS[name][0], role)
    if name in PROPOSALS:
        return opens(KINDS[PROPOSALS[name]][2], role)
    if name in LOOSE or name in SAID:
        return opens({**LOOSE, **SAID}[name], role)
    if name.endswith("_changelist"):
        kind = name.removesuffix("_changelist")
        return any(opens(letters, role) for (one, _), letters in ON_ROWS.items() if one == kind)
    kind, _, part = name.rpartition("_")
    if part in ("add", "change") and kind in KINDS:
        return opens(KINDS[kind][1 if part == "add" else 2], role)
    return name in ("own_password", "job", "no job")


@pytest.mark.parametrize("role", [role for role in EVERYBODY if role != "superuser"])
def test_forms_of_others_when_sent_by_hand_then_refused_and_nothing_changes(
    corners: tuple[Corner, Corner], role: str
) -> None:
    mine, _ = corners
    boss, browser = browser_of("superuser"), browser_of(role)
    actions = sorted({action for _, action in ON_ROWS})
    before, wrong = state(), []
    for name, (address, _) in forms_of(mine).items():
        if may_send(name, role):
            continue
        page = boss.get(address)
        good = fields_of(page) if page.status_code == 200 else {}
        given = ACTIONS[name][1] if name in ACTIONS else {}
        sent: list[dict[str, Any]] = [
            {**good, **given, "confirmed": "yes", "key": "1" * 32, "post": "yes", "_save": "1"}
        ]
        if name.endswith("_changelist"):
            kind = name.removesuffix("_changelist")
            sent = [
                {
                    "action": action,
                    "_selected_action": mine.keys[kind],
                    "confirmed": "yes",
                    "index": "0",
                    "group": mine.group,
                }
                for action in actions
            ]
        for form in sent:
            status = browser.post(address, form).status_code
            if status not in (302, 403, 404) and not (status == 200 and name.endswith("_changelist")):
                wrong.append((name, status))

    assert wrong == []
    assert state() == before
    assert not dealers.online()
