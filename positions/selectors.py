"""What may be seen of positions and deals: querysets that can be sliced and filtered.

They take logins; whose logins somebody may name is decided by `accounts.selectors`.
"""

from datetime import datetime

from django.db.models import QuerySet

from positions.models import Deal, Position


def open_positions(login: int) -> "QuerySet[Position]":
    """Return an account's open positions by ticket."""
    return Position.objects.filter(login=login, status="open").order_by("ticket")


def closed_positions(login: int) -> "QuerySet[Position]":
    """Return an account's closed positions, the last closed first."""
    return Position.objects.filter(login=login, status="closed").order_by("-modified_at", "-ticket")


def deals(login: int, *, since: datetime | None = None, until: datetime | None = None) -> "QuerySet[Deal]":
    """Return an account's deals, newest first, from `since` on and before `until`."""
    found = Deal.objects.filter(login=login).order_by("-ticket")
    if since:
        found = found.filter(time__gte=since)
    if until:
        found = found.filter(time__lt=until)
    return found


def closing_deals(login: int) -> "QuerySet[Deal]":
    """Return the deals that closed positions or parts of them, the newest first."""
    return Deal.objects.filter(login=login, direction="out").order_by("-ticket")


def deals_of_order(order: int) -> "QuerySet[Deal]":
    """Return an order's deals in the order of execution."""
    return Deal.objects.filter(order=order).order_by("time", "ticket")
