"""Rows of the browser tests' world, written once by `python -m tests.browser.seed` before anybody logs in.

One trader with an account that may do everything (1001, PRO) and one of the tier FREE (1002). Deposits go
through the journal, so the desk books them.
"""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - after the applications are loaded

from accounts.models import Account  # noqa: E402
from accounts.setup import put_accounts, put_groups  # noqa: E402
from dealing import services  # noqa: E402
from markets.setup import put_symbols  # noqa: E402
from tests.browser.words import PASSWORD, USER  # noqa: E402

SYMBOLS = [
    {"name": "EURUSD", "security": "forex"},
    {"name": "BTCUSDT", "digits": 2, "contract_size": "1", "base_currency": "BTC", "profit_currency": "USD",
     "calc_mode": "cfd_leverage", "volume_min": "0.01", "volume_step": "0.01", "security": "crypto"},
]  # fmt: skip


def main() -> None:
    """Write the rows and tell the desk of them."""
    put_symbols(SYMBOLS)
    put_groups([{"name": "retail", "leverage": 100}])
    put_accounts(
        [
            {"login": 1001, "group": "retail"},
            {"login": 1002, "group": "retail", "tier": "FREE"},
        ]
    )
    user = get_user_model().objects.create_user(USER, password=PASSWORD)
    Account.objects.filter(login__in=(1001, 1002)).update(user=user)
    for symbol in SYMBOLS:
        services.reload_settings("symbol", symbol["name"])
    services.reload_settings("group", "retail")
    for login in (1001, 1002):
        services.reload_settings("account", str(login))
        outcome = services.balance_operation(
            login, "deposit", "10000", caller=services.Caller(client_id=f"seed-{login}")
        )
        if outcome.state != "done":
            raise SystemExit(f"the deposit of {login}: {outcome.code} {outcome.message}")


if __name__ == "__main__":
    main()
