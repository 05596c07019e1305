"""The manager's face: Django's admin in unfold's dress.

Trading rows can only be looked at here; everything that changes one goes through `dealing.services`, so a
click in the admin is a command in the journal like any other. Settings of symbols, groups and accounts are
edited as rows and handed to the desk by a reload command. Staff see the groups of their masks.
"""

from manager.admin import (
    account_days,
    accounts,
    desk,
    groups,
    ledger,
    markets,
    orders,
    people,
    plans,
    positions,
    queue,
    server,
)

__all__ = [
    "account_days", "accounts", "desk", "groups", "ledger", "markets", "orders", "people", "plans", "positions", "queue",
    "server",
]  # fmt: skip
