"""An account's whole state at one event number: what a client starts from before events change it.

Promises: the state and `seq` are of the same committed moment, so that state plus later events is the later
state. `events_after` gives the events instead, where the outbox still holds all of them.
"""

from datetime import UTC, datetime
from typing import Any

from dealing.models import Outbox
from live.account_view import AccountView, one_snapshot, realised_profits
from live.shapes import show_account, show_order, show_position, show_request, show_requote, show_smart
from orders.selectors import open_requests, pending_orders, smart_orders, standing_offers
from positions.selectors import open_positions

MAX_EVENTS = 500


def snapshot_of(login: int) -> dict[str, Any]:
    """Return {account, positions, orders, smart_orders, requests, requotes, seq}.

    Raises:
        Account.DoesNotExist: there is no such account.
    """
    with one_snapshot() as cursor:
        view = AccountView(cursor, login)
        positions = view.position_values()
        smarts = list(smart_orders(login, live=True))
        live_smarts = view.smart_values()
        realised = realised_profits(smarts)
        return {
            "account": show_account(view.account, view.account_values()),
            "positions": [
                show_position(row, view.money_digits, positions.get(row.ticket))
                for row in open_positions(login)
            ],
            "orders": [show_order(row, view.engine.order_price(row.ticket)) for row in pending_orders(login)],
            "smart_orders": [
                show_smart(row, live_smarts.get(row.id), realised.get(row.id)) for row in smarts
            ],
            "requests": [show_request(row) for row in open_requests().filter(login=login)],
            "requotes": [show_requote(row) for row in standing_offers(login, at=datetime.now(UTC))],
            "seq": view.account.event_seq,
        }


def events_after(login: int, seq: int) -> list[dict[str, Any]] | None:
    """Return the account's events after number `seq`, None where the outbox does not hold them all.

    None too where more than 500 came since: a snapshot is the shorter way.
    """
    with one_snapshot() as cursor:
        cursor.execute("SELECT event_seq FROM accounts_account WHERE login = %s", (login,))
        found = cursor.fetchone()
        if found is None or not 0 <= found[0] - seq <= MAX_EVENTS:
            return None
        rows = list(Outbox.objects.filter(login=login, seq__gt=seq, seq__lte=found[0]).order_by("seq"))
    if [row.seq for row in rows] != list(range(seq + 1, found[0] + 1)):
        return None
    return [
        {"login": row.login, "seq": row.seq, "kind": row.kind, "time_ms": row.time_ms, "data": row.data}
        for row in rows
    ]
