"""Rows of the recorded world, written by `python -m tests.recorded.seed` before its desk starts. Money comes by the admin."""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - after the applications are loaded
from django.contrib.auth.models import Group as Role  # noqa: E402

from accounts.models import Account, ManagerScope  # noqa: E402
from accounts.setup import put_accounts, put_groups  # noqa: E402
from markets.setup import put_symbols  # noqa: E402
from tests.recorded.words import ACCOUNTS, OTHERS, PASSWORD, SCOPES  # noqa: E402

EVERY_DAY = [1] * 7  # so that the day of the week decides nothing
CRYPTO = {"digits": 2, "profit_currency": "USD", "calc_mode": "cfd_leverage", "security": "crypto"}
SYMBOLS = [
    {"name": "BTCUSDT", "contract_size": "1", "base_currency": "BTC", "volume_min": "0.001", "volume_step": "0.001",
     "swap_mode": "points", "swap_long": "-12", "swap_short": "3", **CRYPTO},
    {"name": "ETHUSDT", "contract_size": "10", "base_currency": "ETH", "pending_margin_rate": "0.5",
     "margin_rate_buy": "1.5", **CRYPTO},
    {"name": "EURUSD", "stops_level": 10, "security": "forex", "swap_mode": "points", "swap_long": "-5", "swap_short": "1"},
    {"name": "GBPUSD", "trade_mode": "close_only", "security": "forex"},
    {"name": "USDJPY", "digits": 3, "security": "forex", "conversion": "market", "freeze_level": 20},
    {"name": "EURJPY", "digits": 3, "security": "forex"},
    {"name": "AUDUSD", "trade_mode": "disabled", "security": "forex"},
    {"name": "NZDUSD", "trade_mode": "long_only", "security": "forex"},
    {"name": "USDCAD", "trade_mode": "short_only", "security": "forex"},
    {"name": "USDCHF", "sessions": {}, "security": "forex"},
    {"name": "USDSEK", "security": "forex"},
    {"name": "XAUUSD", "digits": 2, "contract_size": "100", "base_currency": "XAU", "calc_mode": "cfd", "security": "metals"},
    {"name": "WTI", "digits": 2, "contract_size": "100", "base_currency": "WTI", "profit_currency": "USD",
     "calc_mode": "futures", "tick_size": "0.01", "tick_value": "1", "margin_initial": "500", "allow_negative": True,
     "security": "energy"},
]  # fmt: skip
FEE = {"kind": "per_lot", "amount": "3.5"}
TERMS = {"leverage": 100, "requote_ttl": "3600", "ttl": 3600, "timeout": 3600}
GROUPS = [
    {"name": "hedging", "description": "The usual", "commission": FEE, **TERMS},
    {"name": "netting", "margin_mode": "netting", **TERMS},
    {"name": "wide", "securities": {"crypto": {"spread_diff": 5}, "forex": {"spread_diff": 3, "commission": FEE}}, **TERMS},
    {"name": "manual", **TERMS, "execution": "manual", "deviation": 3},
    {"name": "small", "max_orders": 2, **TERMS},
    {"name": "fifo", "close_fifo": True, **TERMS},
    {"name": "oneway", "hedge_prohibited": True, **TERMS},
    {"name": "euro", "currency": "EUR", "free_margin_mode": "loss_only", **TERMS},
    {"name": "thin", "stop_out": "50", "margin_call": "100", "leverage": 500, "requote_ttl": "3600"},
]  # fmt: skip


def main() -> None:
    put_symbols([{**one, "swap_multipliers": EVERY_DAY} for one in SYMBOLS])
    put_groups(GROUPS)
    put_accounts([{"login": login, "name": f"Client {login}", **given} for login, given in ACCOUNTS.items()])
    users = get_user_model().objects
    first = users.create_user("nobody", password=PASSWORD)  # one hash for all: hashing costs time
    owner = users.create(username="owner", password=first.password, email="owner@example.com")
    other = users.create(username="other", password=first.password)
    Account.objects.update(user=owner)
    Account.objects.filter(login__in=OTHERS).update(user=other)
    users.create(username="manager", password=first.password, is_staff=True, is_superuser=True)
    for role in Role.objects.order_by("name"):
        user = users.create(
            username=f"staff-{role.name}".replace(" ", "-"), password=first.password, is_staff=True
        )
        user.groups.set([role])
        ManagerScope.objects.create(user=user, group_masks=SCOPES)


if __name__ == "__main__":
    main()
