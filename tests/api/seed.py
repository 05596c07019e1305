"""Rows of the tests' world, written once by `python -m tests.api.seed` before its desk starts.

Prints the logins by group as JSON. Deposits go into the journal and are booked when the desk starts.
"""

import json

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - after the applications are loaded

from accounts.models import Account  # noqa: E402
from accounts.setup import put_accounts, put_groups  # noqa: E402
from dealing import services  # noqa: E402
from markets.setup import put_symbols  # noqa: E402
from tests.api.seed_words import PASSWORD  # noqa: E402

ACCOUNTS = {"hedging": 300, "netting": 10, "wide": 10, "manual": 10, "brief": 10, "oil": 10}
SYMBOLS = [
    {"name": "BTCUSDT", "digits": 2, "contract_size": "1", "base_currency": "BTC", "profit_currency": "USD",
     "calc_mode": "cfd_leverage", "volume_min": "0.001", "volume_step": "0.001", "security": "crypto"},
    {"name": "ETHUSDT", "digits": 2, "contract_size": "10", "base_currency": "ETH", "profit_currency": "USD",
     "calc_mode": "cfd_leverage", "volume_min": "0.01", "volume_step": "0.01", "security": "crypto"},
    {"name": "EURUSD", "stops_level": 10, "security": "forex"},
    {"name": "GBPUSD", "trade_mode": "close_only", "security": "forex"},
    {"name": "XAUUSD", "digits": 2, "contract_size": "100", "base_currency": "XAU", "calc_mode": "cfd_leverage",
     "security": "metals"},
    {"name": "WTI", "digits": 2, "contract_size": "100", "base_currency": "WTI", "profit_currency": "USD", "calc_mode": "cfd_leverage",
     "allow_negative": True, "security": "metals"},
]  # fmt: skip
GROUPS = [
    {"name": "hedging", "leverage": 100, "requote_ttl": "3600"},
    {"name": "netting", "margin_mode": "netting", "leverage": 100},
    {"name": "wide", "leverage": 100, "securities": {"crypto": {"spread_diff": 5}}},
    {"name": "manual", "execution": "manual", "leverage": 100, "requote_ttl": "3600", "deviation": 3},
    {"name": "brief", "leverage": 100, "requote_ttl": "0.05"},
    {"name": "oil", "leverage": 100, "margin_mode": "netting"},
]


def main() -> None:
    put_symbols(SYMBOLS)
    put_groups(GROUPS)
    users = get_user_model().objects
    # One hash for all: hashing all the passwords would take longer than the tests.
    first = users.create_user("nobody", password=PASSWORD)
    logins: dict[str, list[int]] = {}
    login = 1000
    for group in GROUPS:
        for _ in range(ACCOUNTS[group["name"]]):
            login += 1
            put_accounts([{"login": login, "group": group["name"]}])
            user = users.create(username=f"client{login}", password=first.password)
            Account.objects.filter(login=login).update(user=user)
            logins.setdefault(str(group["name"]), []).append(login)
            services.balance_operation(
                login, "deposit", "100000", caller=services.Caller(client_id=f"seed-{login}", wait_s=0)
            )
    manager = users.create(username="manager", password=first.password, is_staff=True, is_superuser=True)
    assert manager.is_active
    print(json.dumps(logins))


if __name__ == "__main__":
    main()
