"""Positions with their profit at the last quotes, and deals with their evidence."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action

from accounts.models import LedgerEntry
from dealing import services
from live import figures, rights
from live.account_view import read_account_view
from live.rights import Right
from manager import words
from manager.admin import evidence, show, tables
from manager.admin.acting import act, act_on_rows, found
from manager.admin.base import LiveChangeList, LivePage, ScopedAdmin
from manager.admin.filters import LoginGroupFilter, OpenedFilter, SinceFilter, SymbolFilter
from manager.admin.record import Section, facts
from manager.forms import CloseForm, CommentForm, StopsForm
from orders.models import Order
from positions.models import Deal, Position


def seen_prices(row: Any, *names: str) -> dict[str, str | None]:
    """Return prices of a row as they stand, as text, for a form to carry."""
    values = {name: getattr(row, name) for name in names}
    return {name: None if value is None else f"{value:f}" for name, value in values.items()}


def _next_swap(position: Position) -> Decimal | None:
    """Return what the next day end would book at the quotes of the moment; None where no rate is known."""
    view = read_account_view(position.login).position_values().get(position.ticket)
    told = view["next_swap"] if view else None
    return None if told is None else Decimal(told)


class TradingAdmin(ScopedAdmin):
    """Columns that positions, deals, orders, plans and requests share."""

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: Any) -> Any:
        """Return the account."""
        return tables.login(obj.login)

    @admin.display(description="Side", ordering="side")
    def shown_side(self, obj: Any) -> Any:
        """Return the side."""
        return show.side(obj.side)

    @admin.display(description="Volume", ordering="volume")
    def shown_volume(self, obj: Any) -> Any:
        """Return the volume in lots."""
        return show.number(obj.volume)


@admin.register(Position)
class PositionAdmin(LivePage, TradingAdmin):
    """Positions, open and closed."""

    heading = "Positions"
    nothing = "No position matches."
    renews = True
    list_display = (
        "ticket", "shown_login", "symbol", "shown_side", "shown_volume", "shown_open", "shown_now", "shown_sl",
        "shown_tp", "shown_swap", "shown_profit", "shown_opened", "status",
    )  # fmt: skip
    list_filter = ("status", OpenedFilter, "side", SymbolFilter, LoginGroupFilter)
    search_numbers = ("ticket", "login")
    search_words = ("symbol__iexact",)
    search_help_text = "Ticket, login or symbol"
    actions = ("close_positions",)
    actions_detail = ("close", "stops")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds price and profit."""
        return LiveChangeList

    def heading_of(self, request: HttpRequest) -> str:
        """Return what is shown: the open ones, or all."""
        return "Open positions" if request.GET.get("status__exact") == "open" else self.heading

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each open position its price and profit at the last quotes, and its plan's stop."""
        floating, stops = figures.of_positions([row for row in rows if row.status == "open"])
        for row in rows:
            row.now, row.floating = floating.get(row.ticket, (None, None))
            row.stops = stops

    def offered(self, obj: Any) -> Sequence[str]:
        """Return what may be done with it: a plan keeps the stops, and a closed one nothing."""
        if obj.status != "open":
            return ()
        return ("close",) if obj.smart else ("close", "stops")

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return the position with its orders, deals and bookings."""
        is_open = obj.status == "open"
        deals = list(Deal.objects.filter(position=obj.ticket).order_by("ticket")[:200])
        found_ = [
            Section(
                "Position",
                facts(
                    ("Account", tables.login(obj.login)), ("Symbol", obj.symbol), ("Side", show.side(obj.side)),
                    ("Volume", show.number(obj.volume) if is_open else None),
                    ("Opened in all", show.number(obj.volume_opened)),
                    ("Status", show.flag(obj.get_status_display(), "good" if is_open else "")),
                    ("Opened", show.time(obj.opened_at)),
                    ("Changed" if is_open else "Closed", show.time(obj.modified_at)), ("Comment", obj.comment),
                ),
            ),
            Section(
                "Prices",
                facts(
                    ("Opened at", show.price(obj.open_price)),
                    ("Now" if is_open else "Closed at", self.shown_now(obj)),
                    ("Stop loss", self.shown_sl(obj)), ("Take profit", self.shown_tp(obj)),
                    ("Managed by", show.link("orders_smartorder", obj.smart, f"smart order {obj.smart}")),
                ),
            ),
            Section(
                "Money",
                facts(
                    ("Floating profit", show.gain(obj.floating) if is_open else None),
                    ("Realised profit", show.gain(obj.profit)), ("Fees booked", show.number(obj.fees_booked)),
                    ("Swap booked", show.number(obj.swap_booked)),
                    ("Fees to come", show.number(obj.fees) if is_open else None),
                    ("Swap to come", show.number(obj.swap) if is_open else None),
                    ("Swap at the next day end", show.gain(_next_swap(obj)) if is_open else None),
                    ("Leverage", f"1:{show.plain(obj.leverage)}"), ("Margin rate", show.plain(obj.margin_rate)),
                ),
            ),
            *([tables.deals(deals)] if tables.may_see(request, "positions.deal") else []),
        ]  # fmt: skip
        automatic = [deal for deal in deals if deal.evidence and tables.may_see(request, "positions.deal")]
        found_ += [
            Section(f"Why: deal {d.ticket}, {d.get_reason_display().lower()}", body=evidence.shown(d.evidence), is_wide=True)
            for d in automatic[-3:]
        ]  # fmt: skip
        if tables.may_see(request, "orders.order"):
            made = Order.objects.filter(position=obj.ticket).order_by("ticket")[:200]
            found_.append(tables.orders(made, title="Orders", none="No orders."))
        if tables.may_see(request, "accounts.ledgerentry"):
            booked = rights.scoped(
                request.user, LedgerEntry.objects.filter(deal__in=[d.ticket for d in deals])
            )
            found_.append(tables.ledger(booked.order_by("id"), title="Bookings"))
        return found_

    @admin.display(description="Open price", ordering="open_price")
    def shown_open(self, obj: Any) -> Any:
        """Return the open price."""
        return show.price(obj.open_price)

    @admin.display(description="Price")
    def shown_now(self, obj: Any) -> Any:
        """Return the price at which it would close, or closed."""
        return show.price(obj.now if obj.status == "open" else obj.close_price, obj.digits)

    @admin.display(description="SL")
    def shown_sl(self, obj: Any) -> Any:
        """Return the stop loss, a plan's where a plan has it."""
        return tables.stop_of(obj, obj.stops)

    @admin.display(description="TP")
    def shown_tp(self, obj: Any) -> Any:
        """Return the take profit; a plan's levels are on the plan."""
        return tables.target_of(obj)

    @admin.display(description="Swap", ordering="swap")
    def shown_swap(self, obj: Any) -> Any:
        """Return the swap accrued by an open position, booked by a closed one."""
        return show.number(obj.swap if obj.status == "open" else obj.swap_booked)

    @admin.display(description="Profit")
    def shown_profit(self, obj: Any) -> Any:
        """Return floating profit of an open position, realised profit of a closed one."""
        return show.gain(obj.floating if obj.status == "open" else obj.profit)

    @admin.display(description="Opened", ordering="opened_at")
    def shown_opened(self, obj: Any) -> Any:
        """Return when it was opened."""
        return show.time(obj.opened_at)

    def _about(self, position: Any) -> list[tuple[str, Any]]:
        return [
            ("Account", position.login),
            ("Position", f"{position.side} {position.volume} {position.symbol} at {position.open_price}"),
            ("Price now", show.price(position.now, position.digits)),
            ("Profit now", show.gain(position.floating)),
        ]

    @action(description="Close position", icon="close", permissions=["act"])
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close the position or part of it."""
        position = found(self, request, object_id)
        return act(
            self, request,
            title=f"Close position {position.ticket}",
            form=CloseForm(request.POST or None, may_override=rights.may(request.user, Right.OVERRIDE_TERMS)),
            run=lambda given, caller: services.close_position(position.login, position.ticket, caller=caller, **given),
            back=reverse("admin:positions_position_change", args=[position.ticket]),
            submit="Close it",
            about=self._about(position),
            says=lambda given: close_in_words(position, given),
        )  # fmt: skip

    @action(description="Stop loss, take profit", icon="tune", permissions=["act"])
    def stops(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change stop loss and take profit."""
        position = found(self, request, object_id)
        return act(
            self, request,
            title=f"Stops of position {position.ticket}",
            form=StopsForm(request.POST or None, initial={"seen": seen_prices(position, "sl", "tp")}),
            run=lambda given, caller: services.modify_position(position.login, position.ticket, caller=caller, **given),
            back=reverse("admin:positions_position_change", args=[position.ticket]),
            submit="Change",
            about=[
                *self._about(position), ("Stop loss", show.price(position.sl)),
                ("Take profit", show.price(position.tp)),
            ],
        )  # fmt: skip

    @admin.action(description="Close positions", permissions=["act"])
    def close_positions(self, request: HttpRequest, rows: "QuerySet[Position]") -> HttpResponse | None:
        """Close these positions at the market."""
        return act_on_rows(
            self, request, rows.filter(status="open"), action="close_positions", title="Close positions",
            form=CommentForm(request.POST if "confirmed" in request.POST else None),
            submit="Close them", listed=self._listed,
            says=lambda given: [f"{given['rows']} positions are closed whole, at the market."],
            none="None of the chosen positions is open.",
            job=lambda given: ("close_positions", given, rows.filter(status="open")),
        )  # fmt: skip

    def _listed(self, rows: Sequence[Any]) -> Any:
        self.add_live(rows)
        return show.table(
            ("Position", "Account", "Symbol", "Side", "Volume", "Open price", "Now", "Profit"),
            [
                (
                    p.ticket, p.login, p.symbol, show.side(p.side), show.number(p.volume), show.price(p.open_price),
                    self.shown_now(p), show.gain(p.floating),
                )
                for p in rows
            ],
        )  # fmt: skip


def close_in_words(position: Any, given: dict[str, Any]) -> list[str]:
    """Return what closing will do, what stays open included."""
    price = given.get("price")
    at = f"at {price}" if price else "at the market"
    if not price and position.now is not None:
        at += f", now {position.now}"
    volume, left = given.get("volume"), ""
    if volume:
        try:
            rest = position.volume - Decimal(volume)
            left = f" {rest:f} lots stay open." if rest > 0 else ""
        except InvalidOperation:  # the desk will say what is wrong with it
            left = ""
    lines = [
        f"{volume or f'{position.volume:f}'} lots of position {position.ticket} ({position.side} {position.symbol}, "
        f"account {position.login}) are closed {at}.{left}"
    ]
    if position.smart:
        lines.append(
            f"Smart order {position.smart} manages it: its open levels are cut, or end with the position."
        )
    return lines


def _caused(deal: Deal) -> str:
    """Return who caused a deal, a member of staff by name (§6.12)."""
    who = deal.get_by_display() if deal.by else ""
    return f"{who}: {deal.actor}" if deal.actor else who


def _decided(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the settings that decided on a deal, in words."""
    return [
        (show.words(key), words.said(key, value) if value is not None else "none")
        for key, value in settings.items()
    ]


@admin.register(Deal)
class DealAdmin(TradingAdmin):
    """Deals: what was executed, and why."""

    heading = "Deals"
    nothing = "No deal matches."
    renews = True
    list_display = (
        "ticket", "shown_time", "shown_login", "symbol", "shown_side", "direction", "shown_volume",
        "shown_price", "shown_profit", "shown_reason", "shown_position", "shown_order",
    )  # fmt: skip
    list_filter = ("reason", SinceFilter, "direction", "side", SymbolFilter, LoginGroupFilter)
    search_numbers = ("ticket", "login", "order", "position")
    search_words = ("symbol__iexact", "trigger_key")
    search_help_text = "Deal, login, order, position or symbol"

    def sections(self, request: HttpRequest, obj: Deal) -> list[Section]:
        """Return the deal, what the desk saw, and what was booked for it."""
        came = [
            ("Order", show.link("orders_order", obj.order)),
            ("Position", show.link("positions_position", obj.position)),
            ("Reason", tables.reason(obj)), ("Comment", obj.comment), ("Executed once as", obj.trigger_key),
        ]  # fmt: skip
        found_ = [
            Section(
                "Deal",
                facts(
                    ("Account", tables.login(obj.login)), ("Time", show.time(obj.time)), ("Symbol", obj.symbol),
                    ("Side", format_html("{} {}", show.side(obj.side), obj.direction)),
                    ("Volume", show.number(obj.volume)),
                ),
            ),
            Section(
                "Prices",
                facts(
                    ("Executed at", show.price(obj.price)), ("Asked for", show.price(obj.requested_price)),
                    ("Position opened at", show.price(obj.open_price, obj.digits)),
                    ("Market's bid", show.price(obj.market_bid)), ("Market's ask", show.price(obj.market_ask)),
                    ("Bid as the group saw it", show.price(obj.group_bid)),
                    ("Ask as the group saw it", show.price(obj.group_ask)),
                ),
            ),
            Section("Came from", facts(("Caused by", _caused(obj)), *came)),
            *([Section("Settings that decided", facts(*_decided(obj.settings)))] if obj.settings else []),
        ]  # fmt: skip
        if obj.direction == "out":
            found_.append(
                Section(
                    "Money",
                    facts(
                        ("Profit", show.gain(obj.profit)), ("Fees", show.number(obj.fees)),
                        ("Swap", show.number(obj.swap)), ("Rate to the account's currency", None if obj.profit_rate is None else show.plain(obj.profit_rate)),
                    ),
                )
            )  # fmt: skip
        if obj.evidence:
            found_.append(Section("What the desk saw", body=evidence.shown(obj.evidence), is_wide=True))
        if tables.may_see(request, "accounts.ledgerentry"):
            booked = rights.scoped(request.user, LedgerEntry.objects.filter(deal=obj.ticket))
            found_.append(tables.ledger(booked.order_by("id"), title="Bookings"))
        return found_

    @admin.display(description="Time", ordering="time")
    def shown_time(self, obj: Deal) -> Any:
        """Return when it was executed."""
        return show.time(obj.time)

    @admin.display(description="Price", ordering="price")
    def shown_price(self, obj: Deal) -> Any:
        """Return the price."""
        return show.price(obj.price)

    @admin.display(description="Profit", ordering="profit")
    def shown_profit(self, obj: Deal) -> Any:
        """Return the profit of an out deal."""
        return show.gain(obj.profit)

    @admin.display(description="Reason", ordering="reason")
    def shown_reason(self, obj: Deal) -> Any:
        """Return why it came about, with what the desk saw at hand."""
        said = tables.reason(obj)
        return (
            format_html('<span title="{}">{}</span>', evidence.in_short(obj.evidence), said)
            if obj.evidence
            else said
        )

    @admin.display(description="Position")
    def shown_position(self, obj: Deal) -> Any:
        """Return its position."""
        return show.link("positions_position", obj.position)

    @admin.display(description="Order")
    def shown_order(self, obj: Deal) -> Any:
        """Return its order."""
        return show.link("orders_order", obj.order)
