"""Requotes as the admin shows them: what was offered, how long it may still be accepted, and what the client did.

An offer is a row until it is used (§5.9); accepting it is a command of the journal, whose ticket is the new order. Promises:
nothing is written; of some orders it costs two indexed reads. Whether an acceptance is in time is for the engine to say.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.html import format_html

from dealing.models import Command
from live import rights
from manager.admin import show, tables
from manager.admin.record import Section
from orders.models import DealerRequest, Order, RequoteOffer

#: How long a requote stands below the queue, how long its order may have waited before, and how many are shown.
RECENT = timedelta(minutes=15)
WAITED = timedelta(days=31)
MOST = 20
#: So few seconds stand out.
HURRY_S = 30


class Fate(NamedTuple):
    """What became of a requote: `expires_at` while its client may accept it, `accepted` is their command."""

    expires_at: datetime | None
    is_open: bool
    accepted: dict[str, Any] | None


def recent(user: Any) -> list[Order]:
    """Return the orders that were requoted a while ago and may be seen, the latest first."""
    since = timezone.now() - RECENT
    rows: QuerySet[Order] = Order.objects.filter(
        error="requote", requote_price__isnull=False, created_at__gte=since - WAITED, modified_at__gte=since
    )
    return list(rights.scoped(user, rows).order_by("-modified_at", "-ticket")[:MOST])


def fates(orders: Sequence[Order]) -> dict[int, Fate]:
    """Return what became of requoted orders, by ticket."""
    tickets = [order.ticket for order in orders]
    if not tickets:
        return {}
    now, owners = timezone.now(), {order.ticket: order.login for order in orders}
    offers = dict(RequoteOffer.objects.filter(order__in=tickets).values_list("order", "expires_at"))
    asked = Command.objects.filter(
        name="AcceptRequote", login__in={order.login for order in orders}, payload__order__in=tickets
    )
    accepts: dict[int, Any] = {
        row["payload"]["order"]: row
        for row in asked.order_by("-id").values("login", "payload", "ticket", "status", "code", "message")
        if row["login"] == owners[row["payload"]["order"]]
    }
    return {
        ticket: Fate(offers.get(ticket), ticket in offers and offers[ticket] >= now, accepts.get(ticket))
        for ticket in tickets
    }


def said(fate: Fate | None) -> Any:
    """Return what became of a requote in words, with a countdown while the client may accept it."""
    if fate is None:
        return show.EMPTY
    if fate.accepted is not None:
        return _accepted(fate.accepted)
    if fate.is_open:
        assert fate.expires_at is not None
        return format_html("{} {}", show.flag("waits for the client", "warn"), left(fate.expires_at))
    return "ran out, the client did nothing" if fate.expires_at else "not accepted"


def _accepted(command: dict[str, Any]) -> Any:
    if command["status"] == "pending":
        return show.flag("accepted, being executed", "warn")
    if command["code"]:
        text = show.titled(f"accepted, refused ({command['code']})", command["message"])
        return format_html("{} {}", text, show.link("orders_order", _made(command["ticket"])))
    order = show.link("orders_order", command["ticket"], f"order {command['ticket']}")
    return format_html("{} {}", show.flag("accepted", "good"), order)


def _made(ticket: int) -> int:
    """Return a reserved ticket where an order was made of it; else 0."""
    return ticket if ticket and Order.objects.filter(ticket=ticket).exists() else 0


def left(until: datetime | None) -> Any:
    """Return the seconds until a moment, which static/manager/dealer.js counts down; marked when they are few."""
    if until is None:
        return "no limit"
    seconds = max(0, int((until - timezone.now()).total_seconds()))
    return format_html(
        '<span class="td-num{}" data-left="{}">{} s</span>',
        " td-loss" if seconds < HURRY_S else "",
        seconds,
        seconds,
    )


def _wanted(order: Order) -> Any:
    """Return the price that its sender named; where they named none, that of the market when the order came."""
    return order.requested_price if order.expected_price is None else order.expected_price


def section(user: Any) -> Section | None:
    """Return the panel of the latest requotes; None where there were none."""
    orders = recent(user)
    if not orders:
        return None
    found = fates(orders)
    asked = {
        row.order: row
        for row in rights.scoped(user, DealerRequest.objects.filter(order__in=[o.ticket for o in orders]))
    }
    lines = [
        (
            show.link("orders_order", o.ticket), show.time(o.modified_at), tables.login(o.login), o.symbol,
            show.side(o.type), show.number(o.volume), show.price(_wanted(o)), show.price(o.requote_price),
            (asked[o.ticket].dealer or "a dealer") if o.ticket in asked else "the market", said(found.get(o.ticket)),
        )
        for o in orders
    ]  # fmt: skip
    headers = (
        "Order",
        "Requoted",
        "Account",
        "Symbol",
        "Side",
        "Volume",
        "Asked for",
        "Offered",
        "By",
        "The client",
    )
    minutes = int(RECENT.total_seconds() // 60)
    return Section(f"Requotes of the last {minutes} minutes", body=show.table(headers, lines), is_wide=True)
