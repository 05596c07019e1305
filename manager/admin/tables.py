"""The tables that several pages show: positions, orders, plans, deals and ledger entries, each row with its links."""

from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import LedgerEntry
from live import figures, rights
from manager.admin import evidence, show
from manager.admin.record import Section, table_section
from orders.models import Order, SmartOrder
from positions.models import Deal, Position

DOTS = {"PENDING": "○", "TRIGGERED": "◐", "FILLED": "●", "CANCELLED": "✕"}
REASON_KINDS = {"forced_close": "bad", "stop_loss": "warn"}


def may_see(request: Any, *models: str) -> bool:
    """Return whether this member of staff may look at rows of these kinds, as in "orders.order"."""
    return all(rights.may_view(request.user, name) for name in models)


def login(value: Any) -> SafeString | str:
    """Return a link to an account."""
    return show.link("accounts_account", value)


def reason(row: Any) -> SafeString | str:
    """Return why a deal or order came about; what the desk did by itself stands out."""
    kind = REASON_KINDS.get(row.reason)
    return show.flag(row.get_reason_display(), kind) if kind else row.get_reason_display()


def stop_of(position: Position, stops: dict[int, tuple[str | None, str | None, str | None]]) -> Any:
    """Return the stop that protects a position: its own, or its plan's with what makes it."""
    if not position.smart:
        return show.price(position.sl)
    stop, source, _ = stops.get(position.smart, (None, None, None))
    words = f"plan {position.smart}" + (f", {(source or '').replace('_', ' ')}" if stop else "")
    text = show.link("orders_smartorder", position.smart, stop or "plan")
    return format_html('<span class="td-num" title="{}">{}</span>', words, text)


def target_of(position: Position) -> Any:
    """Return the take profit of a position, or the link to the plan that has the levels."""
    if not position.smart:
        return show.price(position.tp)
    return format_html(
        '<span class="td-num">{}</span>', show.link("orders_smartorder", position.smart, "plan")
    )


def positions(rows: list[Position], *, more: Any = None) -> Section:
    """Return the panel of an account's open positions."""
    floating, stops = figures.of_positions(rows)
    lines = [
        (
            show.link("positions_position", p.ticket), p.symbol, show.side(p.side), show.number(p.volume),
            show.price(p.open_price), show.price(floating[p.ticket][0], p.digits), stop_of(p, stops), target_of(p),
            show.gain(floating[p.ticket][1]), show.number(p.swap), show.time(p.opened_at),
        )
        for p in rows
    ]  # fmt: skip
    headers = (
        "Position", "Symbol", "Side", "Volume", "Open price", "Now", "SL", "TP", "Profit", "Swap", "Opened",
    )  # fmt: skip
    return table_section("Open positions", headers, lines, none="No open positions.", more=more)


def orders(rows: Iterable[Order], *, title: str, none: str, more: Any = None) -> Section:
    """Return a panel of orders."""
    lines = [
        (
            show.link("orders_order", o.ticket), show.time(o.created_at), o.symbol, show.side(o.type),
            show.number(o.volume), show.price(o.price if o.price is not None else o.requested_price),
            show.price(o.sl), show.price(o.tp), o.get_status_display(), o.error or o.comment or reason(o),
        )
        for o in rows
    ]  # fmt: skip
    headers = ("Order", "Requested", "Symbol", "Type", "Volume", "Price", "SL", "TP", "Status", "Why")
    return table_section(title, headers, lines, none=none, more=more)


def dots(plan: SmartOrder) -> Any:
    """Return a dot a level and how many of them are filled."""
    levels = list(plan.levels.all())
    if not levels:
        return show.EMPTY
    marks = format_html_join(
        "", '<span class="td-dot td-dot-{}" title="{}">{}</span>',
        ((x.status.lower(), f"{x.number}: {x.get_status_display()} at {x.price}", DOTS[x.status]) for x in levels),
    )  # fmt: skip
    return format_html("{} {}/{}", marks, sum(x.status == "FILLED" for x in levels), len(levels))


def plans(rows: list[SmartOrder], *, more: Any = None) -> Section:
    """Return the panel of an account's live smart orders."""
    stops = figures.plan_stops(rows)
    lines = [
        (
            show.link("orders_smartorder", s.id), s.symbol, show.side(s.side), show.number(s.volume),
            show.number(s.remaining), s.get_state_display(), dots(s), show.price(stops.get(s.id, (None,))[0]),
            show.link("positions_position", s.position),
        )
        for s in rows
    ]  # fmt: skip
    headers = ("Plan", "Symbol", "Side", "Volume", "Left", "State", "Levels", "Stop", "Position")
    return table_section("Smart orders", headers, lines, none="No live smart orders.", more=more)


def deals(
    rows: Iterable[Deal], *, title: str = "Deals", none: str = "No deals.", more: Any = None
) -> Section:
    """Return a panel of deals, with what made the automatic ones."""
    lines = [
        (
            show.link("positions_deal", d.ticket), show.time(d.time), d.symbol, show.side(d.side), d.direction,
            show.number(d.volume), show.price(d.price), show.gain(d.profit), show.number(d.fees),
            show.number(d.swap), show.link("positions_position", d.position), show.link("orders_order", d.order),
            reason(d), evidence.in_short(d.evidence) or d.comment,
        )
        for d in rows
    ]  # fmt: skip
    headers = (
        "Deal", "Time", "Symbol", "Side", "", "Volume", "Price", "Profit", "Fees", "Swap", "Position", "Order",
        "Reason", "What the desk saw",
    )  # fmt: skip
    return table_section(title, headers, lines, none=none, more=more)


def ledger(rows: Iterable[LedgerEntry], *, title: str = "Ledger", more: Any = None) -> Section:
    """Return a panel of ledger entries."""
    lines = [
        (
            show.link("accounts_ledgerentry", e.pk, f"#{e.seq}"), show.time(e.time), e.get_kind_display(),
            show.gain(e.amount), show.number(e.balance_after), show.link("positions_deal", e.deal), e.comment,
            e.actor,
        )
        for e in rows
    ]  # fmt: skip
    headers = ("Entry", "Time", "Kind", "Amount", "Balance", "Deal", "Comment", "By")
    return table_section(title, headers, lines, none="Nothing was booked.", more=more)
