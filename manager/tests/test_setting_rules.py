"""What the forms of settings refuse before the desk is asked: agents, leverages, currencies of symbols."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from accounts.setup import put_accounts, put_groups
from manager.tests.test_admin import form_of
from markets.models import Symbol
from markets.setup import put_symbols

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def world(redis_db: object) -> None:
    put_symbols([{"name": "EURUSD"}])
    put_groups([{"name": "std", "leverage": 30, "leverage_max": 50}, {"name": "euro", "currency": "EUR"}])
    put_accounts(
        [
            {"login": 1001, "group": "std"}, {"login": 1002, "group": "euro"}, {"login": 1003, "group": "std"},
            {"login": 1004, "group": "std", "leverage": 400},
        ]
    )  # fmt: skip


def said(browser: Client, login: int, **given: Any) -> str:
    where = reverse("admin:accounts_account_change", args=[login])
    return browser.post(where, form_of(browser.get(where)) | given, follow=True).content.decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"agent": "1001"}, "an account cannot be its own agent"),
        ({"agent": "1002"}, "account 1002 keeps EUR, its client USD"),
        ({"agent": "4711"}, "there is no account 4711"),
        ({"leverage": "51"}, "51 is above 50, the most of group std"),
    ],
)
def test_account_when_a_setting_cannot_be_then_its_field_says_why_and_nothing_changes(
    admin_client: Client, given: dict[str, str], words: str
) -> None:
    assert words in said(admin_client, 1001, **given)

    account = Account.objects.get(pk=1001)
    assert (account.agent, account.leverage) == (None, 0)


def test_account_when_it_has_more_leverage_than_its_group_allows_then_other_settings_can_be_changed(
    admin_client: Client,
) -> None:
    page = said(admin_client, 1004, name="renamed")

    assert "is above 50" not in page
    assert Account.objects.get(pk=1004).granted_leverage == 50


@pytest.mark.parametrize(
    ("name", "given", "missing"),
    [
        ("GBPUSD", {}, []),
        ("gbpusd", {}, ["base_currency", "profit_currency"]),
        ("US500", {}, ["base_currency", "profit_currency"]),
        ("BITCOIN", {"base_currency": "BTC"}, ["profit_currency"]),
        ("EURUSD.pro", {"base_currency": "EUR", "profit_currency": "USD"}, []),
    ],
)
def test_symbol_when_its_name_is_not_two_currencies_then_they_are_demanded(
    admin_client: Client, name: str, given: dict[str, str], missing: list[str]
) -> None:
    where = reverse("admin:markets_symbol_add")
    data = form_of(admin_client.get(reverse("admin:markets_symbol_change", args=["EURUSD"])))
    empty = {"base_currency": "", "profit_currency": "", "margin_currency": ""}
    data |= {"name": name, "swap_multipliers": "[1,1,3,1,1,0,0]", "holidays": "[]", "sessions": ""}

    page = admin_client.post(where, data | empty | given, follow=True)

    form = page.context.get("adminform") if page.context else None
    found = [field for field in empty if form is not None and field in form.form.errors]
    assert found == missing
    assert Symbol.objects.filter(name=name).exists() is not bool(missing)
