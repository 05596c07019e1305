"""Every address of the admin with everything one can type into it: an answer each time, never a traceback.

Lists with each filter, order, search and page, rows that exist and do not, each action with nothing, one and all
chosen, and each form with odd and huge values. A view that raises fails the test, because Django's test client
lets exceptions through. The whole of it takes minutes (`--slow`); what it once found is asked every time.
"""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from dealing.models import Gap, HookFailure, PluginState, PoisonItem
from manager.tests.book import write_book
from manager.tests.test_admin import form_of
from orders.models import DealerRequest

pytestmark = pytest.mark.django_db

MODELS = [
    model for model in admin.site._registry if model._meta.app_label in
    ("accounts", "markets", "orders", "positions", "dealing", "auth")
]  # fmt: skip
ODD = [
    "-1",
    "1e999999",
    "NaN",
    "9" * 400,
    "abc",
    "\x00",
    "\u0661\u0662",
    "\u00b2",
    "[]",
    "1,000",
    "' OR 1=1 --",
    "a" * 5000,
]
KEYS = ["-1", "9" * 30, "abc", "\u00b2", "%00", "_5F"]


@pytest.fixture
def manager(redis_db: object, admin_client: Client, settings: Any) -> Client:
    """Return a superuser's browser before a small book, with a row of every kind, and a desk nobody waits for."""
    settings.DESK_PLUGINS = [{"path": "plugins.spike_guard.SpikeGuard"}]
    write_book()
    DealerRequest.objects.create(
        id=11, kind="market", login=1001, symbol="EURUSD", side="buy", volume="1.00", price="1.10010",
        created_at="2024-01-02T00:00:00Z", is_open=True, context={"tick": {"bid": "1.1"}, "trigger": "stop_loss"},
    )  # fmt: skip
    Gap.objects.create(
        shard=0, cause="long", from_cursor="1-0", to_cursor="2-0", report=[{"login": 1001, "x": [1]}]
    )
    PoisonItem.objects.create(shard=0, kind="tick", reference="1-0:1", raw="EURUSD,\x7f", error="")
    HookFailure.objects.create(shard=0, plugin="spike_guard", point="stops_apply", times=3)
    PluginState.objects.create(shard=0, name="spike_guard", state=[1, 2])
    return admin_client


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a desk that does not run."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)


def named(model: Any) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label_lower)
def test_list_when_filtered_searched_ordered_and_paged_then_it_answers(manager: Client, model: Any) -> None:
    where = reverse(f"admin:{named(model)}_changelist")
    page = manager.get(where)
    changes = page.context["cl"]
    asked: list[dict[str, str]] = [{}]
    for spec in changes.filter_specs:
        for choice in list(spec.choices(changes))[:3]:  # further choices are alike
            query = choice.get("query_string", "?").lstrip("?")
            asked.append(dict(part.split("=", 1) for part in query.split("&") if "=" in part))
        asked += [
            {parameter: word} for parameter in spec.expected_parameters() for word in ("\x00", "9" * 30)
        ]
    asked += [{"q": word} for word in (*ODD, "1001", "EURUSD", "#10 1001 x y z a b c")]
    asked += [{"o": f"{sign}{n}"} for n in range(len(changes.list_display) + 2) for sign in ("", "-")]
    asked += [
        {"o": "x"},
        {"o": "1.2.-3"},
        {"p": "0"},
        {"p": "2"},
        {"p": "-1"},
        {"p": "x"},
        {"p": "9" * 30},
        {"all": ""},
    ]
    asked += [{"login": word} for word in ODD] + [
        {"password__startswith": "a"},
        {"e": "1"},
        {"_popup": "1"},
        {"_facets": "1"},
    ]

    for query in asked:
        answers = {manager.get(where, query).status_code, manager.get(f"{where}csv/", query).status_code}

        assert answers <= {200, 302, 400}, query


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label_lower)
def test_page_when_the_key_is_odd_then_it_answers(manager: Client, model: Any) -> None:
    base = reverse(f"admin:{named(model)}_changelist")
    names = ["change", "history", "delete", *admin.site._registry[model].actions_detail]
    rows = [str(key) for key in model._default_manager.values_list("pk", flat=True)[:2]]
    for key in (*KEYS, *rows):
        for name in names:
            address = f"{base}{key}/{name}/"

            answers = {manager.get(address).status_code, manager.post(address, {"post": "yes"}).status_code}

            assert answers <= {200, 302, 400, 403, 404}, address


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label_lower)
def test_action_on_rows_when_nothing_one_or_all_are_chosen_then_it_answers(
    manager: Client, model: Any
) -> None:
    where = reverse(f"admin:{named(model)}_changelist")
    keys = list(model._default_manager.values_list("pk", flat=True))
    for action in (*admin.site._registry[model].actions, "delete_selected", "no_such_action"):
        name = action if isinstance(action, str) else action.__name__
        for chosen in ([], keys[:1], keys, ["x"]):
            for more in (
                {},
                {"confirmed": "yes"},
                {"select_across": "1"},
                {"select_across": "1", "confirmed": "yes"},
            ):
                answer = manager.post(
                    where, {"action": name, "_selected_action": chosen, "index": "0", **more}
                )

                assert answer.status_code in (200, 302, 403), (name, chosen, more)


FORMS = [
    ("accounts_account_money", 1001, {"kind": "deposit", "amount": "1", "comment": "", "override": "on"}),
    (
        "accounts_account_order", 1001,
        {
            "symbol": "EURUSD", "type": "buy_limit", "volume": "1", "price": "1", "limit_price": "", "sl": "", "tp": "",
            "expires": "time", "expires_at": "2030-01-01 10:00", "comment": "", "open_price": "", "open_time": "",
        },
    ),
    ("accounts_account_halt", 1001, {"level": "halt"}),
    ("accounts_group_halt", "retail", {"level": "halt"}),
    ("markets_symbol_halt", "EURUSD", {"level": "halt"}),
    ("positions_position_close", 10, {"volume": "", "price": "", "comment": ""}),
    ("positions_position_stops", 10, {"sl": "1", "tp": "2"}),
    ("orders_order_cancel", 10, {"comment": ""}),
    ("orders_order_modify", 10, {"price": "1", "sl": "", "tp": ""}),
    ("orders_smartorder_cancel", 7, {"close": "on", "comment": ""}),
    ("orders_dealerrequest_confirm", 11, {"price": "1"}),
    ("orders_dealerrequest_requote", 11, {"price": "1"}),
    ("orders_dealerrequest_reject", 11, {"comment": ""}),
    ("dealing_halt_turn", None, {"scope": "server", "key": "", "level": "halt"}),
    ("dealing_pluginstate_configure", None, {"plugin": "spike_guard", "options": "{}"}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "key", "good"), FORMS, ids=[name for name, *_ in FORMS])
def test_form_when_values_are_odd_then_it_answers(
    manager: Client, name: str, key: Any, good: dict[str, str]
) -> None:
    where = reverse(f"admin:{name}", args=[] if key is None else [key])
    for field in (*good, "key", "confirmed", "edit"):
        for value in ODD:
            answer = manager.post(where, {"confirmed": "yes", **good, field: value})

            assert answer.status_code in (200, 302), (field, value)
    assert manager.post(where, good).status_code in (200, 302)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("markets_symbol", "USDJPY"),
        ("accounts_group", "retail"),
        ("accounts_account", 1001),
        ("auth_user", None),
    ],
)
def test_settings_when_values_are_odd_then_it_answers(
    manager: Client, name: str, key: Any, django_capture_on_commit_callbacks: Any, django_user_model: Any
) -> None:
    key = key or django_user_model.objects.create_user("anna").pk
    where = reverse(f"admin:{name}_change", args=[key])
    good = {k: v for k, v in form_of(manager.get(where)).items() if not isinstance(v, list)}
    if name == "markets_symbol":
        good |= {"swap_multipliers": "[1,1,3,1,1,0,0]", "holidays": "[]", "sessions": ""}
    for number, field in enumerate(good):
        for value in ODD if number % 4 == 0 else ODD[:3]:
            with django_capture_on_commit_callbacks(execute=True):
                answer = manager.post(where, {**good, field: value})

            assert answer.status_code in (200, 302), (field, value)


@pytest.mark.parametrize("chosen", ["x", "9" * 30, "\x00"])
def test_action_on_rows_when_a_chosen_row_cannot_be_then_said_so(manager: Client, chosen: str) -> None:
    where = reverse("admin:accounts_account_changelist")

    page = manager.post(where, {"action": "disable", "_selected_action": ["1001", chosen]}, follow=True)

    assert "A chosen row does not exist; nothing was done." in page.content.decode()


@pytest.mark.parametrize(
    "query", [{"of": "\x00"}, {"in_group": "\x00"}, {"login": "9" * 30}, {"p": "9" * 30}]
)
def test_list_when_the_address_is_odd_then_it_answers(manager: Client, query: dict[str, str]) -> None:
    where = reverse("admin:orders_order_changelist")

    assert {manager.get(where, query).status_code, manager.get(f"{where}csv/", query).status_code} <= {
        200,
        302,
    }


@pytest.mark.parametrize("key", KEYS)
def test_page_when_there_is_no_such_row_then_not_found(manager: Client, key: str) -> None:
    for name in ("positions/position/{}/close/", "markets/symbol/{}/halt/"):
        assert manager.get(f"/admin/{name.format(key)}").status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/admin/search/?s=1001", "/admin/search/?s=%00", "/admin/search/?s=a&extended=1", "/admin/autocomplete/",
        "/admin/autocomplete/?app_label=auth&model_name=user&field_name=x&term=a", "/admin/nothing/", "/admin/accounts/",
        "/admin/jsi18n/", "/admin/r/1/2/", "/admin/password_change/",
        "/admin/autocomplete/?app_label=accounts&model_name=account&field_name=user&term=%00",
    ],
)  # fmt: skip
def test_address_of_the_frame_when_asked_for_then_it_answers(manager: Client, address: str) -> None:
    assert manager.get(address).status_code in (200, 302, 400, 403, 404)
