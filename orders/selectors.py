"""What may be seen of orders, smart orders and the dealers' queue: querysets that can be sliced and filtered.

They take logins; whose logins somebody may name is decided by `accounts.selectors`.
"""

from datetime import datetime

from django.db.models import QuerySet

from orders.models import DealerRequest, Order, RequoteOffer, SmartOrder

LIVE_STATES = ("PENDING", "ACTIVE", "PARTIALLY_CLOSED")


def pending_orders(login: int) -> "QuerySet[Order]":
    """Return an account's pending orders by ticket."""
    return Order.objects.filter(login=login, status="pending").order_by("ticket")


def order_history(login: int) -> "QuerySet[Order]":
    """Return an account's orders, newest first."""
    return Order.objects.filter(login=login).order_by("-ticket")


def smart_orders(login: int, *, live: bool | None = None) -> "QuerySet[SmartOrder]":
    """Return an account's smart orders with their levels, newest first.

    `live` keeps only those that still act (True) or have ended (False).
    """
    found = SmartOrder.objects.filter(login=login).prefetch_related("levels").order_by("-id")
    if live is None:
        return found
    return found.filter(state__in=LIVE_STATES) if live else found.exclude(state__in=LIVE_STATES)


def smart_order(login: int, smart: int) -> SmartOrder | None:
    """Return one smart order of an account with levels and timeline, None where it has no such one."""
    return smart_orders(login).prefetch_related("timeline").filter(id=smart).first()


def standing_offers(login: int, *, at: datetime) -> "QuerySet[RequoteOffer]":
    """Return the prices that an account may accept at this time instead of those that it asked for."""
    return RequoteOffer.objects.filter(login=login, expires_at__gte=at).order_by("order")


def open_requests() -> "QuerySet[DealerRequest]":
    """Return the dealers' queue, oldest first."""
    return DealerRequest.objects.filter(is_open=True).order_by("id")


def request_owner(request: int) -> int | None:
    """Return the account of a request of the dealers' queue, None where there is no such request."""
    return DealerRequest.objects.filter(id=request).values_list("login", flat=True).first()
