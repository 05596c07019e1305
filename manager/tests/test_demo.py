"""The demo makes a small broker once, and a second run changes nothing."""

import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from accounts.models import Account, Group
from dealing.models import Command
from engine.settings import Group as EngineGroup
from engine.settings import Symbol as EngineSymbol
from gateways.walk import PROFILES
from live.rights import accounts_for
from manager import demo
from markets.models import Symbol

pytestmark = pytest.mark.django_db


@pytest.fixture
def loaded(tmp_path: Path, redis_db: object) -> demo.Loaded:
    """Load the demo without quotes."""
    return demo.load(tmp_path, wait_s=0)


def test_symbols_are_those_of_the_feed_with_its_digits(loaded: demo.Loaded) -> None:
    assert {s.name: s.digits for s in Symbol.objects.all()} == {n: p.digits for n, p in PROFILES.items()}
    for row in Symbol.objects.all():
        row.full_clean()


def test_everything_converts_into_dollars(loaded: demo.Loaded) -> None:
    pairs = {(s.base_currency, s.profit_currency) for s in Symbol.objects.all()}
    for symbol in Symbol.objects.all():
        for currency in (symbol.profit_currency, symbol.margin_currency):
            assert currency == "USD" or (currency, "USD") in pairs or ("USD", currency) in pairs


def test_settings_are_ones_that_the_engine_takes() -> None:
    for values in demo.GROUPS:
        EngineGroup.from_values({k: v for k, v in values.items() if k != "description"})
    for index, values in enumerate(demo.SYMBOLS):
        EngineSymbol.from_values({k: v for k, v in values.items() if k != "description"}, index=index)


def test_money_is_asked_for_through_the_journal(loaded: demo.Loaded) -> None:
    deposits = Command.objects.filter(name="BalanceOperation").order_by("login")

    assert [(c.login, c.payload["amount"]) for c in deposits] == [
        (1001, "50000"), (1002, "25000"), (1003, "100000"), (1004, "5000"),
    ]  # fmt: skip
    assert not Account.objects.exclude(balance=0).exists()
    assert "no quotes of BTCUSDT" in loaded.notes[0]


def test_second_run_changes_nothing_and_prints_the_same(loaded: demo.Loaded, tmp_path: Path) -> None:
    Group.objects.filter(name="retail").update(leverage=77)
    before = Command.objects.count()

    again = demo.load(tmp_path, wait_s=0)

    assert again.logins == loaded.logins
    assert (again.notes, Command.objects.count()) == ([], before)
    assert Group.objects.get(name="retail").leverage == 77


def test_printed_passwords_let_in(loaded: demo.Loaded, client: Client, tmp_path: Path) -> None:
    for login in loaded.logins:
        assert User.objects.get(username=login["username"]).check_password(login["password"])
    assert (tmp_path / "demo-logins.json").stat().st_mode & 0o077 == 0


def test_dealer_sees_their_groups_and_has_no_right_over_users(loaded: demo.Loaded) -> None:
    dealer = User.objects.get(username="dealer")

    assert list(accounts_for(dealer).values_list("login", flat=True)) == [1001, 1003, 1004]
    assert not any(right.startswith("auth.") for right in dealer.get_all_permissions())


def test_first_trades_are_asked_for_once_there_are_quotes(
    tmp_path: Path, redis_db: Any, settings: Any
) -> None:
    for name, profile in PROFILES.items():
        bid = f"{profile.price / 10**profile.digits:.{profile.digits}f}"
        redis_db.hset("td:quotes", name, f'["{bid}", "{bid}", {time.time_ns() // 1_000_000}]')
    settings.DESK_DATA = tmp_path
    out = StringIO()

    call_command("demo", stdout=out)

    names = list(Command.objects.filter(name__startswith="Place").values_list("name", flat=True))
    assert (names.count("PlaceOrder"), names.count("PlaceSmart")) == (len(demo.TRADES), len(demo.PLANS)), (
        out.getvalue()
    )
    assert "anna" in out.getvalue(), out.getvalue()
