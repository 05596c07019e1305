"""Positions with their profit at the last quotes, and deals with their evidence."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action

from dealing import services
from engine.enums import By
from manager import live
from manager.admin import show
from manager.admin.acting import act, act_on_each, found
from manager.admin.base import LiveChangeList, ScopedAdmin
from manager.forms import CloseForm, CommentForm, StopsForm
from positions.models import Deal, Position


class LoginLinks(ScopedAdmin):
    """Columns that positions and deals share."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Let links name an account, a position or an order."""
        known = ("login", "position", "order", "symbol")
        return lookup in known or super().lookup_allowed(lookup, value, request)

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: Any) -> Any:
        """Return the account."""
        return show.link("accounts_account", obj.login)

    @admin.display(description="Side", ordering="side")
    def shown_side(self, obj: Any) -> Any:
        """Return the side."""
        return show.side(obj.side)

    @admin.display(description="Volume", ordering="volume")
    def shown_volume(self, obj: Any) -> Any:
        """Return the volume in lots."""
        return show.number(obj.volume)


@admin.register(Position)
class PositionAdmin(LoginLinks):
    """Positions, open and closed."""

    list_display = (
        "ticket", "shown_login", "symbol", "shown_side", "shown_volume", "shown_open", "shown_now", "shown_sl",
        "shown_tp", "shown_profit", "shown_opened", "status",
    )  # fmt: skip
    list_filter = ("status", "side", "symbol")
    search_fields = ("=ticket", "=login", "symbol")
    search_help_text = "Ticket, login or symbol"
    date_hierarchy = None
    actions = ("close_positions",)
    actions_detail = ("close", "stops")
    readonly_fields = ("shown_deals", "shown_profit", "shown_now")
    fieldsets = (
        (
            "Position",
            {
                "fields": (
                    ("ticket", "login", "status"), ("symbol", "side", "volume", "volume_opened"),
                    ("open_price", "shown_now", "close_price"), ("sl", "tp", "smart"),
                    ("opened_at", "modified_at"), "comment",
                )
            },
        ),
        (
            "Money",
            {
                "fields": (
                    ("shown_profit", "profit"), ("fees", "fees_booked"), ("swap", "swap_booked"),
                    ("leverage", "margin_rate", "last_rate"),
                )
            },
        ),
        ("Deals", {"fields": ("shown_deals",)}),
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds price and profit."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each open position its price and profit at the last quotes."""
        figures = live.floating([row for row in rows if row.status == "open"])
        for row in rows:
            row.now, row.floating = figures.get(row.ticket, (None, None))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return one position with its profit at the last quotes."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.add_live([row])
        return row

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
        """Return the stop loss; a plan's stop is on the plan."""
        return show.link("orders_smartorder", obj.smart, "plan") if obj.smart else show.price(obj.sl)

    @admin.display(description="TP")
    def shown_tp(self, obj: Any) -> Any:
        """Return the take profit."""
        return show.link("orders_smartorder", obj.smart, "plan") if obj.smart else show.price(obj.tp)

    @admin.display(description="Profit")
    def shown_profit(self, obj: Any) -> Any:
        """Return floating profit of an open position, realised profit of a closed one."""
        return show.gain(obj.floating if obj.status == "open" else obj.profit)

    @admin.display(description="Opened", ordering="opened_at")
    def shown_opened(self, obj: Any) -> Any:
        """Return when it was opened."""
        return show.time(obj.opened_at)

    @admin.display(description="")
    def shown_deals(self, obj: Any) -> Any:
        """Return its deals in a table."""
        return show.table(
            ("Deal", "Order", "Time", "", "Side", "Volume", "Price", "Profit", "Fees", "Swap", "Reason"),
            [
                (
                    show.link("positions_deal", d.ticket), show.link("orders_order", d.order),
                    show.time(d.time), d.direction, show.side(d.side), show.number(d.volume),
                    show.price(d.price), show.gain(d.profit), show.number(d.fees), show.number(d.swap),
                    d.get_reason_display(),
                )
                for d in Deal.objects.filter(position=obj.ticket).order_by("ticket")[:200]
            ],
        )  # fmt: skip

    @action(description="Close", icon="close", permissions=["act"])
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close the position or part of it."""
        position = found(self, request, object_id)
        return act(
            self, request,
            title=f"Close position {position.ticket}",
            form=CloseForm(request.POST or None),
            run=lambda given: services.close_position(
                position.login, position.ticket, by=By.MANAGER, actor=request.user.get_username(), **given
            ),
            back=reverse("admin:positions_position_change", args=[position.ticket]),
            submit="Close it",
            about=[
                ("Position", f"{position.side} {position.volume} {position.symbol} at {position.open_price}"),
                ("Profit now", show.gain(position.floating)),
            ],
        )  # fmt: skip

    @action(description="Stop loss and take profit", icon="tune", permissions=["act"])
    def stops(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change stop loss and take profit."""
        position = found(self, request, object_id)
        return act(
            self, request,
            title=f"Stops of position {position.ticket}",
            form=StopsForm(request.POST or None),
            run=lambda given: services.modify_position(
                position.login, position.ticket, by=By.MANAGER, actor=request.user.get_username(), **given
            ),
            back=reverse("admin:positions_position_change", args=[position.ticket]),
            submit="Change",
            about=[
                ("Position", f"{position.side} {position.volume} {position.symbol} at {position.open_price}"),
                ("Price", show.price(position.now, position.digits)),
                ("Stop loss", show.price(position.sl)),
                ("Take profit", show.price(position.tp)),
            ],
        )  # fmt: skip

    @admin.action(description="Close positions", permissions=["act"])
    def close_positions(self, request: HttpRequest, rows: "QuerySet[Position]") -> HttpResponse | None:
        """Close these positions at the market."""
        return act_on_each(
            self, request, rows.filter(status="open"), action="close_positions", title="Close positions",
            form=CommentForm(request.POST or None),
            run=lambda position, given: services.close_position(
                position.login, position.ticket, by=By.MANAGER, actor=request.user.get_username(),
                comment=given["comment"],
            ),
            submit="Close",
        )  # fmt: skip


@admin.register(Deal)
class DealAdmin(LoginLinks):
    """Deals: what was executed, and why."""

    list_display = (
        "ticket", "shown_time", "shown_login", "symbol", "shown_side", "direction", "shown_volume",
        "shown_price", "shown_profit", "reason", "shown_position", "shown_order",
    )  # fmt: skip
    list_filter = ("direction", "reason", "side", "symbol")
    search_fields = ("=ticket", "=login", "=order", "=position", "trigger_key")
    search_help_text = "Deal, login, order, position or trigger key"
    fieldsets = (
        (
            "Deal",
            {
                "fields": (
                    ("ticket", "login", "time"), ("symbol", "side", "direction", "volume"),
                    ("price", "requested_price", "open_price"), ("order", "position", "reason"),
                    ("comment", "trigger_key"),
                )
            },
        ),
        ("Money", {"fields": (("profit", "fees", "swap", "profit_rate"),)}),
        ("Evidence", {"fields": ("shown_evidence",)}),
    )  # fmt: skip
    readonly_fields = ("shown_evidence",)

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

    @admin.display(description="Position")
    def shown_position(self, obj: Deal) -> Any:
        """Return its position."""
        return show.link("positions_position", obj.position)

    @admin.display(description="Order")
    def shown_order(self, obj: Deal) -> Any:
        """Return its order."""
        return show.link("orders_order", obj.order)

    @admin.display(description="What the desk saw")
    def shown_evidence(self, obj: Deal) -> Any:
        """Return tick, level, hook answers and figures of an automatic deal."""
        return show.evidence(obj.evidence)
