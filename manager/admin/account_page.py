"""What stands above an account's settings: its money, what it holds, and what happened last."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.models import AccountDay, LedgerEntry
from manager.admin import account_days, show, tables
from manager.admin.record import Section
from orders.models import Order, SmartOrder
from orders.selectors import LIVE_STATES
from positions.models import Deal, Position

SHOWN = 50
LATEST = 10


def flags(obj: Any) -> SafeString:
    """Return what is out of the ordinary with an account, in words."""
    found = [
        (not obj.enabled, "disabled", "bad"),
        (obj.margin_call, "margin call", "bad"),
        (obj.halt != "normal", f"switch: {obj.get_halt_display().lower()}", "bad"),
        (obj.read_only, "read only", "warn"),
        (obj.close_only, "close only", "warn"),
    ]
    return format_html_join(
        " ",
        '<span class="td-flag td-flag-{}">{}</span>',
        ((kind, word) for is_so, word, kind in found if is_so),
    )


def sections(request: HttpRequest, obj: Any) -> list[Section]:
    """Return money, positions, orders, plans, ledger and deals: those that this member of staff may see."""
    found = [_money(obj)]
    if tables.may_see(request, "positions.position"):
        held = Position.objects.filter(login=obj.login, status="open").order_by("ticket")
        found.append(
            tables.positions(list(held[:SHOWN]), more=_all(obj, "positions_position", "all positions"))
        )
    if tables.may_see(request, "orders.order"):
        waiting = Order.objects.filter(login=obj.login, status="pending").order_by("ticket")[:SHOWN]
        found.append(
            tables.orders(
                waiting, title="Pending orders", none="No pending orders.",
                more=_all(obj, "orders_order", "all orders"),
            )
        )  # fmt: skip
    if tables.may_see(request, "orders.smartorder"):
        plans = SmartOrder.objects.filter(login=obj.login, state__in=LIVE_STATES).prefetch_related("levels")
        rows = list(plans.order_by("id")[:SHOWN])
        found.append(tables.plans(rows, more=_all(obj, "orders_smartorder", "all smart orders")))
    if tables.may_see(request, "positions.deal"):
        found.append(
            tables.deals(
                Deal.objects.filter(login=obj.login).order_by("-ticket")[:LATEST], title="Latest deals",
                more=_all(obj, "positions_deal", "all deals"),
            )
        )  # fmt: skip
    if tables.may_see(request, "accounts.ledgerentry"):
        booked = LedgerEntry.objects.filter(login=obj.login).order_by("-seq")[:LATEST]
        found.append(
            tables.ledger(
                booked, title="Latest bookings", more=_all(obj, "accounts_ledgerentry", "the ledger")
            )
        )
    if tables.may_see(request, "accounts.accountday"):
        days = AccountDay.objects.filter(login=obj.login).order_by("-time")[:LATEST]
        found.append(account_days.section(list(days), more=_all(obj, "accounts_accountday", "all day ends")))
    return found


def _all(obj: Any, name: str, words: str) -> tuple[str, str]:
    return f"{reverse(f'admin:{name}_changelist')}?login={obj.login}", words


def _money(obj: Any) -> Section:
    """Return the account's figures, all of one moment: the desk's last ones, else those of the row."""
    state = obj.live or {}
    digits = obj.digits
    own = obj.balance + obj.credit
    pairs = [
        ("Balance", show.money(state.get("balance", obj.balance), obj.currency, digits)),
        ("Credit", show.number(state.get("credit", obj.credit), digits=digits)),
        ("Floating", show.gain(state.get("floating"))),
        ("Equity", show.number(state.get("equity", own), digits=digits)),
        ("Margin", show.number(state.get("margin", 0), digits=digits)),
        ("Free margin", show.number(state.get("free_margin", own), digits=digits)),
        ("Margin level", show.percent(state.get("margin_level"))),
        ("Called at", show.percent(obj.group.margin_call)),
        ("Stopped out at", _stop_out(obj)),
    ]
    marks = flags(obj)
    if marks:
        pairs.append(("State", marks))
    journal = reverse("admin:dealing_command_changelist")
    return Section("Money", pairs, is_wide=True, more=(f"{journal}?login={obj.login}", "the journal"))


def _stop_out(obj: Any) -> Any:
    if obj.group.stop_out_unit == "percent":
        return show.percent(obj.group.stop_out)
    return show.money(obj.group.stop_out, obj.currency, obj.digits)
