"""The demo: a small broker with the six symbols of the simulated feed, three groups, four clients.

Promises: what exists already is left as it is, so it can run at every start; settings and people are rows, but
money and trades go through the services, so they wait in the journal where no desk runs yet. Passwords are made
once and kept in the data folder, readable by its owner alone. It is no test data: nothing depends on it.
"""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group as Role
from django.db import transaction

from accounts.models import Account, Group, ManagerScope
from accounts.setup import put_accounts, put_groups
from dealing import services
from dealing.caller import Caller
from live import published
from live.roles import put_roles
from markets.models import Symbol
from markets.setup import put_symbols

FRESH_QUOTE_MS = 10_000  # a feed may begin with quotes of the past, at which nobody trades
COIN = {"calc_mode": "cfd_leverage", "profit_currency": "USD", "security": "crypto", "quotes_timeout": 60}
SYMBOLS: list[dict[str, Any]] = [
    {
        "name": "EURUSD", "description": "Euro against US dollar", "digits": 5, "security": "forex",
        "volume_max": "100", "filter_points": 400, "quotes_timeout": 60, "swap_mode": "points",
        "swap_long": "-7.2", "swap_short": "2.1",
    },
    {
        "name": "USDJPY", "description": "US dollar against yen", "digits": 3, "security": "forex",
        "volume_max": "100", "filter_points": 500, "quotes_timeout": 60, "swap_mode": "points",
        "swap_long": "9.4", "swap_short": "-14.8",
    },
    {
        "name": "XAUUSD", "description": "Gold, ounce", "digits": 2, "security": "metals",
        "calc_mode": "cfd_leverage", "contract_size": "100", "volume_max": "50", "filter_points": 1500,
        "quotes_timeout": 60, "swap_mode": "points", "swap_long": "-38.5", "swap_short": "17.3",
    },
    {
        **COIN, "name": "BTCUSDT", "description": "Bitcoin", "digits": 2, "base_currency": "BTC",
        "contract_size": "1", "volume_min": "0.001", "volume_step": "0.001", "volume_max": "50",
        "margin_rate_buy": "10", "margin_rate_sell": "10", "swap_mode": "percent", "swap_long": "-12",
        "swap_short": "-4", "swap_multipliers": [1, 1, 1, 1, 1, 1, 1],
    },
    {
        **COIN, "name": "ETHUSDT", "description": "Ether", "digits": 2, "base_currency": "ETH",
        "contract_size": "1", "volume_max": "500", "margin_rate_buy": "10", "margin_rate_sell": "10",
        "swap_mode": "percent", "swap_long": "-12", "swap_short": "-4",
        "swap_multipliers": [1, 1, 1, 1, 1, 1, 1],
    },
    {
        **COIN, "name": "SOLUSDT", "description": "Solana", "digits": 2, "base_currency": "SOL",
        "contract_size": "1", "volume_min": "0.1", "volume_step": "0.1", "volume_max": "5000",
        "margin_rate_buy": "10", "margin_rate_sell": "10",
    },
]  # fmt: skip
GROUPS: list[dict[str, Any]] = [
    {
        "name": "retail", "description": "Hedging accounts, executed at once", "leverage": 100,
        "negative_balance_protection": True, "max_orders": 200,
    },
    {
        "name": "netting", "description": "One position a symbol", "margin_mode": "netting", "leverage": 50,
        "stop_out": "30", "commission": {"kind": "per_lot", "amount": "3.5"}, "max_orders": 200,
    },
    {
        "name": "pro", "description": "Dealers confirm while one is online", "leverage": 200,
        "execution": "manual_unless_no_dealers", "positive_slippage": True, "max_orders": 500,
        "commission": {"kind": "per_lot", "amount": "7"},
        "securities": {"metals": {"spread_diff": 4}, "crypto": {"commission": {"kind": "percent", "amount": "0.02"}}},
    },
]  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody who can log in, and the accounts that are theirs."""

    username: str
    name: str
    email: str
    role: str  # "superuser", "dealer" or "client"
    accounts: tuple[dict[str, Any], ...] = ()


PEOPLE = (
    Person("manager", "Mara Nagel", "manager@demo.example", "superuser"),
    Person("dealer", "Dario Leal", "dealer@demo.example", "dealer"),
    Person(
        "anna", "Anna Berger", "anna@demo.example", "client",
        (
            {"login": 1001, "group": "retail", "deposit": "50000"},
            {"login": 1002, "group": "netting", "deposit": "25000"},
        ),
    ),
    Person("ben", "Ben Okafor", "ben@demo.example", "client", ({"login": 1003, "group": "pro", "deposit": "100000"},)),
    Person(
        "carla", "Carla Ruiz", "carla@demo.example", "client",
        ({"login": 1004, "group": "retail", "deposit": "5000", "tier": "FREE", "leverage": 30},),
    ),
)  # fmt: skip
#: First trades: login, symbol, type, volume, and distances from the market in percent (SL, TP, price).
TRADES: tuple[dict[str, Any], ...] = (
    {"login": 1001, "symbol": "EURUSD", "type": "buy", "volume": "0.50", "sl": "-0.8", "tp": "1.2"},
    {"login": 1001, "symbol": "XAUUSD", "type": "sell", "volume": "0.20", "sl": "1.5", "tp": "-2.5"},
    {"login": 1001, "symbol": "BTCUSDT", "type": "buy", "volume": "0.050", "sl": "-4"},
    {"login": 1001, "symbol": "EURUSD", "type": "buy_limit", "volume": "0.30", "price": "-0.6"},
    {"login": 1002, "symbol": "USDJPY", "type": "buy", "volume": "0.40", "sl": "-1", "tp": "1"},
    {"login": 1002, "symbol": "SOLUSDT", "type": "sell", "volume": "25.0"},
    {"login": 1003, "symbol": "XAUUSD", "type": "buy", "volume": "0.80", "sl": "-1.2"},
    {"login": 1003, "symbol": "USDJPY", "type": "sell", "volume": "1.50", "tp": "-1.4"},
    {"login": 1003, "symbol": "ETHUSDT", "type": "buy_stop", "volume": "5.00", "price": "1.1"},
    {"login": 1004, "symbol": "EURUSD", "type": "sell", "volume": "0.20", "sl": "1", "tp": "-1"},
)
PLANS: tuple[dict[str, Any], ...] = (
    {
        "login": 1001, "symbol": "ETHUSDT", "side": "buy", "volume": "4.00",
        "levels": (("0.6", "40"), ("1.5", "30"), ("3", "30")), "stop": "-2.5", "break_even": True,
    },
    {
        "login": 1003, "symbol": "BTCUSDT", "side": "buy", "volume": "0.200",
        "levels": (("1.2", "25"), ("2.4", "25")), "stop": "-3", "callback": "1.5",
    },
)  # fmt: skip


@dataclass
class Loaded:
    """What the demo did, for whoever prints it."""

    logins: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load(data_folder: Path, *, wait_s: float = 20, new_passwords: bool = False) -> Loaded:
    """Make what is missing of the demo and return its logins.

    `wait_s` is how long to wait for quotes before leaving out the first trades.
    """
    loaded = Loaded()
    changed = _settings()
    people = _people(data_folder / "demo-logins.json", loaded, new_passwords=new_passwords)
    changed += [("account", str(login)) for login in _accounts(people)]
    for kind, key in changed:
        # A desk that runs learns of it now; one that starts later reads the rows.
        services.reload_settings(kind, key, caller=Caller(actor="demo", wait_s=2))
    new = _deposits()
    if new:
        _first_trades(new, loaded, wait_s=wait_s)
    return loaded


def _settings() -> list[tuple[str, str]]:
    """Write the symbols and groups that are missing and return them as (kind, key)."""
    changed = []
    if not Symbol.objects.exists():
        changed += [("symbol", row.name) for row in put_symbols(SYMBOLS)]
    known = set(Group.objects.values_list("name", flat=True))
    changed += [("group", row.name) for row in put_groups(g for g in GROUPS if g["name"] not in known)]
    return changed


def _people(path: Path, loaded: Loaded, *, new_passwords: bool) -> dict[str, Any]:
    """Make the users that are missing and return all of them by name; passwords are kept in `path`."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    users = {}
    for person in PEOPLE:
        user, is_new = get_user_model().objects.get_or_create(
            username=person.username,
            defaults={
                "email": person.email,
                "first_name": person.name.split()[0],
                "last_name": person.name.split()[1],
                "is_staff": person.role != "client",
                "is_superuser": person.role == "superuser",
            },
        )
        if is_new or new_passwords:
            kept[person.username] = secrets.token_urlsafe(9)
            user.set_password(kept[person.username])
            user.save()
        if is_new and person.role == "dealer":
            ManagerScope.objects.create(user=user, group_masks="pro,retail")
            put_roles()
            user.groups.set(Role.objects.filter(name="head dealer"))
        users[person.username] = user
        loaded.logins.append(
            {
                "role": {"superuser": "manager (admin)", "dealer": "dealer (admin)"}.get(
                    person.role, "client"
                ),
                "username": person.username,
                "password": kept.get(person.username, "(unchanged)"),
                "accounts": ", ".join(str(account["login"]) for account in person.accounts),
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(kept, indent=2))
    return users


@transaction.atomic
def _accounts(users: dict[str, Any]) -> list[int]:
    """Open the accounts that are missing and return their logins."""
    known = set(Account.objects.values_list("login", flat=True))
    missing = [
        {key: value for key, value in account.items() if key != "deposit"}
        | {"user": users[person.username], "name": person.name}
        for person in PEOPLE
        for account in person.accounts
        if account["login"] not in known
    ]
    return [row.login for row in put_accounts(missing)]


def _deposits() -> set[int]:
    """Ask for the first deposit of every account that never had one, and return those accounts."""
    new = set()
    for person in PEOPLE:
        for account in person.accounts:
            login, key = account["login"], "demo-deposit"
            if services.outcome_by_client_id(login, key) is None:
                services.balance_operation(
                    login, "deposit", account["deposit"],
                    caller=Caller(actor="demo", comment="first deposit", client_id=key, wait_s=2),
                )  # fmt: skip
                new.add(login)
    return new


def _first_trades(logins: set[int], loaded: Loaded, *, wait_s: float) -> None:
    """Open a few positions, pending orders and plans, so that the first look has something to see."""
    wanted = {trade["symbol"] for trade in (*TRADES, *PLANS)}
    quotes = _wait_for_quotes(wanted, wait_s)
    missing = sorted(wanted - quotes.keys())
    if missing:
        loaded.notes.append(f"no quotes of {', '.join(missing)} yet: the demo opened no positions")
        return
    digits = dict(Symbol.objects.values_list("name", "digits"))
    for number, trade in enumerate(TRADES, start=1):
        if trade["login"] in logins:
            market = Market(*quotes[trade["symbol"]][:2], digits[trade["symbol"]])
            outcome = services.place_order(
                trade["login"],
                symbol=trade["symbol"],
                type=trade["type"],
                volume=trade["volume"],
                price=market.away(trade.get("price")),
                sl=market.away(trade.get("sl")),
                tp=market.away(trade.get("tp")),
                caller=Caller(actor="demo", client_id=f"demo-{number}", wait_s=3),
            )
            loaded.notes += _failed(outcome, f"{trade['type']} {trade['symbol']} of {trade['login']}")
    for number, plan in enumerate(PLANS, start=1):
        if plan["login"] in logins:
            market = Market(*quotes[plan["symbol"]][:2], digits[plan["symbol"]])
            outcome = services.place_smart(
                plan["login"],
                symbol=plan["symbol"],
                side=plan["side"],
                volume=plan["volume"],
                take_profits=[[market.away(distance), percent] for distance, percent in plan["levels"]],
                stop_loss=market.away(plan["stop"]),
                callback=plan.get("callback"),
                break_even=plan.get("break_even", False),
                caller=Caller(actor="demo", client_id=f"demo-plan-{number}", wait_s=3),
            )
            loaded.notes += _failed(outcome, f"plan on {plan['symbol']} of {plan['login']}")


def _wait_for_quotes(symbols: set[str], wait_s: float) -> dict[str, tuple[str, str, int]]:
    end = time.monotonic() + wait_s
    while True:
        oldest_ms = time.time() * 1000 - FRESH_QUOTE_MS
        quotes = {name: quote for name, quote in published.quotes().items() if quote[2] >= oldest_ms}
        if symbols <= quotes.keys() or time.monotonic() >= end:
            return quotes
        time.sleep(0.2)


@dataclass(frozen=True)
class Market:
    """A quote, from which prices some percent away are made."""

    bid: str
    ask: str
    digits: int

    def away(self, percent: str | None) -> str | None:
        """Return the price that many percent from the middle, on the symbol's grid."""
        if percent is None:
            return None
        middle = (Decimal(self.bid) + Decimal(self.ask)) / 2
        price = middle * (1 + Decimal(percent) / 100)
        return str(price.quantize(Decimal(1).scaleb(-self.digits), ROUND_HALF_UP))


def _failed(outcome: services.Outcome, what: str) -> Iterator[str]:
    if not outcome.ok:
        yield f"{what}: {outcome.code or outcome.state} {outcome.message}".strip()
