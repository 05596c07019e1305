"""Whatever a text of a row holds, no page of the admin makes markup, a script or a link that runs of it.

Every text of every row is hostile here: names of groups, symbols, clients and plugins, comments, client ids, errors, kept
records. All pages are read as a browser reads them; what would run is found by its marks, wherever it stands.
"""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.db.models import CharField, JSONField, TextField
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Group
from accounts.setup import put_accounts, put_groups
from dealing import services
from manager.models import MassItem, MassJob
from manager.tests.test_sweep import at_once, manager, named  # noqa: F401 - fixtures
from markets.models import Symbol
from orders.models import Order, SmartEvent, SmartLevel
from positions.models import Position

pytestmark = pytest.mark.django_db

#: Ends an attribute of either quote, begins a tag that runs at once, and is a template as well.
MARKUP = "\"'><img src=x onerror=pwn()>"
LONG = (
    MARKUP + "</script><script>pwn()</script>{{ settings.SECRET_KEY }}<a href='javascript:pwn()'>`${pwn()}`"
)
NAME = "\"'><svg onload=pwn()>"
LINK = "javascript:pwn()"
#: What ties rows together, or is one of a few words that the desk writes.
KEPT = {"symbol", "margin_factor", "security", "currency", "base_currency", "profit_currency", "margin_currency", "password", "scope",
        "username", "key", "codename", "app_label", "timezone", "day_end_zone", "session_zone"}  # fmt: skip

#: What people type, or programs of theirs send.
SURELY = {"account.name", "position.comment", "order.comment", "order.client_id", "ledgerentry.comment", "user.email",
          "user.first_name", "command.client_key", "command.payload", "hookfailure.plugin", "hookfailure.last_error",
          "poisonitem.raw", "gap.note", "symbol.description", "group.description", "deal.evidence", "massitem.message",
          "dealerrequest.context", "pluginstate.name"}  # fmt: skip


class Found(HTMLParser):
    """What would run of a page, and the addresses that it names."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[str] = []
        self._script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._script = "data" if tag == "script" and "json" in given.get("type", "") else tag
        for name, value in given.items():
            is_code = name.startswith(("on", "x-", ":", "@", "hx-")) and "pwn" in value
            address = "".join(value.split()).lower()
            is_link = name in ("href", "src", "action", "formaction") and address.startswith(
                ("javascript:", "data:text")
            )
            if is_code or is_link or (tag in ("img", "svg") and "pwn" in str(given)):
                self.runs.append(f"<{tag} {name}={value!r}>")

    def handle_data(self, data: str) -> None:
        if self._script == "script" and "pwn" in data:
            self.runs.append(f"script: {data[:200]}")

    def handle_endtag(self, tag: str) -> None:
        self._script = ""


def runs_in(text: str) -> list[str]:
    """Return what would run of this text, read as a page."""
    found = Found()
    found.feed(text)
    found.close()
    return found.runs


def poison(model: Any) -> Iterator[str]:
    """Make every text of every row of a model hostile; yield the names of those that are."""
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        is_free = not (field.primary_key or field.unique or field.choices or field.is_relation)
        if (
            not is_free or field.name in KEPT or field.name.endswith("_exact")
        ):  # exact numbers, written by the desk
            continue
        if isinstance(field, CharField | TextField):
            text = LONG if (field.max_length or 1000) >= len(LONG) else MARKUP
            values[field.name] = text if (field.max_length or 1000) >= len(text) else None
        elif isinstance(field, JSONField) and field.name in ("evidence", "payload", "result", "context"):
            values[field.name] = {
                LONG: LONG,
                "level": LONG,
                "tick": {"bid": LONG},
                "before": {"balance": LONG},
            }
    once = {name for rule in model._meta.constraints for name in getattr(rule, "fields", ())}
    rows = model._default_manager
    for name, value in values.items():
        chosen = rows.filter(pk__in=rows.order_by("pk").values("pk")[:1]) if name in once else rows.all()
        try:
            with transaction.atomic():
                changed = chosen.update(**{name: value}) if value else 0
        except IntegrityError:
            continue  # a rule of the database forbids it on these rows: nothing hostile to show
        if changed:
            yield f"{model._meta.model_name}.{name}"


@pytest.fixture
def hostile(manager: Client) -> Client:  # noqa: F811
    """Return a superuser's browser before rows whose every text is hostile, names included."""
    Symbol.objects.filter(name="EURUSD").update(description=LONG[:100])
    Group.objects.create(name=NAME)
    put_accounts([{"login": 1003, "group": "retail", "name": LONG[:100]}])
    Account.objects.filter(login=1003).update(group_id=NAME)
    symbol = Symbol.objects.get(name="USDJPY")
    symbol.name = NAME
    symbol.save(force_insert=True)
    Position.objects.filter(ticket=10).update(symbol=NAME, login=1003)
    Order.objects.filter(ticket=10).update(symbol=NAME, login=1003)
    LogEntry.objects.create(
        user_id=manager.session["_auth_user_id"], content_type_id=None, object_id="1001", object_repr=LONG[:200],
        action_flag=2, change_message=LONG,
    )  # fmt: skip
    job = MassJob.objects.create(
        kind="money_file",
        title=LONG,
        user_id=manager.session["_auth_user_id"],
        client_key="x",
        total=1,
        given={},
    )
    MassItem.objects.create(job=job, number=1, login=1001, ticket=1, given={"amount": "1", "comment": LONG})
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL session_replication_role = replica"
        )  # facts are facts: their triggers forbid this
        done = {
            name
            for model in (*admin.site._registry, SmartEvent, SmartLevel, MassItem)
            for name in poison(model)
        }
        assert done >= SURELY, SURELY - done
        cursor.execute("SET LOCAL session_replication_role = origin")
    return manager


def seen(browser: Client, address: str, *, sent: dict[str, Any] | None = None) -> str:
    """Return a page; it must be one, hold nothing that runs, and tell no secret."""
    answer = browser.get(address) if sent is None else browser.post(address, sent, follow=True)
    assert answer.status_code in (200, 302, 404), address
    text = answer.getvalue().decode() if answer.status_code == 200 else ""
    assert runs_in(text) == [], address
    assert settings.SECRET_KEY not in text, address
    return str(text)


@pytest.mark.parametrize(
    "text",
    [MARKUP, LONG, NAME, f'<a href="{LINK}">', '<b x-data="{a: pwn()}">', "<a href=' java\nscript:pwn()'>"],
)
def test_reader_when_something_would_run_then_it_is_found(text: str) -> None:
    assert runs_in(f"<p title=''>{text}</p>")


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda m: m._meta.label_lower)
def test_pages_when_every_text_is_hostile_then_nothing_of_it_runs(hostile: Client, model: Any) -> None:
    face = admin.site._registry[model]
    where = reverse(f"admin:{named(model)}_changelist")
    keys = [str(key).replace("/", "_2F") for key in model._default_manager.values_list("pk", flat=True)[:4]]
    if model in (Symbol, Group):
        keys.append("_22_27_3E_3Csvg onload_3Dpwn_28_29_3E")
    text = seen(hostile, where)
    seen(hostile, f"{where}?q={MARKUP}")
    seen(hostile, f"{where}?o=1&{MARKUP}={MARKUP}")
    for key in keys:
        for name in ("change", "history", *face.actions_detail):
            text += seen(hostile, f"{where}{key}/{name}/")
    for action in face.actions:
        chosen = list(model._default_manager.values_list("pk", flat=True))
        text += seen(hostile, where, sent={"action": action, "_selected_action": chosen, "index": "0"})

    shown = hostile.get(where, headers={"X-Renew": "1"})
    if shown.headers["Content-Type"] == "application/json":
        told = shown.json()
        pieces = [piece for part in told["parts"].values() for _, piece in part if piece]
        assert runs_in("".join(pieces)) == []
        assert runs_in(told["heading"]) == []


@pytest.mark.parametrize("address", ["index", "manager_mass_list", "search", "mass_job"])
def test_frame_when_every_text_is_hostile_then_nothing_of_it_runs(hostile: Client, address: str) -> None:
    if address == "search":
        text = seen(hostile, f"/admin/search/?s={MARKUP}") + seen(hostile, "/admin/search/?s=svg")
    elif address == "mass_job":
        text = seen(hostile, reverse("admin:manager_mass_job", args=[MassJob.objects.get().pk]))
    else:
        text = seen(hostile, reverse(f"admin:{address}"))

    assert "</html>" in text or address == "search"


def test_file_of_bookings_when_its_cells_are_hostile_then_the_preview_shows_them_as_text(
    manager: Client,  # noqa: F811
) -> None:
    lines = f'login;amount;comment\n1001;5;"{LONG}"\n"{MARKUP}";7;x\n1001;"{MARKUP}";y\n'
    file = SimpleUploadedFile(f"{NAME}.csv", lines.replace("\"'", "'").encode(), content_type="text/csv")

    text = seen(
        manager,
        reverse("admin:manager_mass_file"),
        sent={"kind": "deposit", "file": file, "comment": MARKUP, "partly": "on", "key": "0" * 32},
    )

    assert "onerror=pwn" in text  # as text


@pytest.mark.parametrize("text", [MARKUP, LINK, NAME])
def test_answers_of_forms_when_what_was_sent_is_hostile_then_they_repeat_it_as_text(
    manager: Client,  # noqa: F811
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_groups([{"name": "retail"}])
    refused = services.Outcome("refused", "invalid_request", text)
    monkeypatch.setattr("dealing.services.close_position", lambda *_, **__: refused)
    monkeypatch.setattr("dealing.services.set_halt", lambda *_, **__: refused, raising=False)
    forms: list[tuple[str, Any, dict[str, Any]]] = [
        ("positions_position_close", 30, {"volume": text, "price": text, "comment": text}),
        ("positions_position_close", 10, {"volume": "", "price": "", "comment": text, "confirmed": "yes"}),
        ("accounts_account_money", 1001, {"kind": text, "amount": text, "comment": text}),
        ("accounts_account_order", 1001, {"symbol": text, "type": text, "volume": text, "client_id": text}),
        ("dealing_halt_turn", None, {"scope": "symbol", "key": text, "level": "halt"}),
        ("dealing_pluginstate_configure", None, {"plugin": text, "options": json.dumps({text: text})}),
        ("accounts_group_change", "retail", {"name": text, "description": text, "currency": text}),
        ("accounts_group_add", None, {"name": text, "description": text}),
        ("markets_symbol_add", None, {"name": text, "description": text, "sessions": text, "holidays": text}),
        ("markets_security_add", None, {"name": text}),
        ("auth_user_add", None, {"username": text, "password1": text, "password2": text, "email": text}),
    ]
    for name, key, sent in forms:
        seen(manager, reverse(f"admin:{name}", args=[] if key is None else [key]), sent={"key": text, **sent})
