"""Orders: every request that made a ticket, and what became of it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action

from dealing import services
from engine.order_types import OrderType
from live import figures
from manager.admin import evidence, requotes, show, tables
from manager.admin.acting import act, act_on_rows, found
from manager.admin.base import LiveChangeList
from manager.admin.filters import CreatedFilter, ErrorFilter, LoginGroupFilter, SymbolFilter
from manager.admin.positions import TradingAdmin, seen_prices
from manager.admin.record import Section, facts
from manager.forms import CommentForm, ModifyForm
from orders.models import Order
from positions.models import Deal


@admin.register(Order)
class OrderAdmin(TradingAdmin):
    """Every request that made a ticket."""

    heading = "Orders"
    nothing = "No order matches."
    renews = True
    list_display = (
        "ticket", "shown_time", "shown_login", "symbol", "shown_type", "shown_volume", "shown_price", "shown_now", "shown_sl",
        "shown_tp", "status", "shown_why", "shown_position",
    )  # fmt: skip
    list_filter = ("status", CreatedFilter, "type", "reason", ErrorFilter, SymbolFilter, LoginGroupFilter)
    search_numbers = ("ticket", "login", "position")
    search_words = ("symbol__iexact", "client_id", "comment__icontains")
    search_help_text = "Ticket, login, position, symbol, client id or a word of the comment"
    actions = ("cancel_orders",)
    actions_detail = ("modify", "cancel")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds the prices of now."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each pending order the current price of its side."""
        prices = figures.order_prices([row for row in rows if row.status == "pending"])
        for row in rows:
            row.now = prices.get(row.ticket)

    @admin.display(description="Now")
    def shown_now(self, obj: Any) -> Any:
        """Return the current price of a pending order's side."""
        return show.price(obj.now)

    def heading_of(self, request: HttpRequest) -> str:
        """Return what is shown: the pending ones, or all."""
        return "Pending orders" if request.GET.get("status__exact") == "pending" else self.heading

    def offered(self, obj: Order) -> Sequence[str]:
        """Return what may be done with it: with one that has ended, nothing."""
        if obj.status != "pending":
            return ()
        return ("modify", "cancel") if not OrderType(obj.type).is_market and not obj.smart else ("cancel",)

    def sections(self, request: HttpRequest, obj: Order) -> list[Section]:
        """Return the order with its deals and what the desk saw."""
        may_see_deals = tables.may_see(request, "positions.deal")
        deals = list(Deal.objects.filter(order=obj.ticket).order_by("ticket")[:50]) if may_see_deals else []
        kind = {"pending": "warn", "completed": "good", "failed": "bad"}.get(obj.status, "")
        expires = "at the end of the day" if obj.expires_day else show.time(obj.expires_at)
        found_ = [
            Section(
                "Order",
                facts(
                    ("Account", tables.login(obj.login)), ("Symbol", obj.symbol), ("Type", show.side(obj.type)),
                    ("Volume", show.number(obj.volume)), ("Status", show.flag(obj.get_status_display(), kind)),
                    ("Failed because", obj.error and f"{show.words(obj.error)} ({obj.error})"),
                    ("Requested", show.time(obj.created_at)), ("Changed or ended", show.time(obj.modified_at)),
                    ("Expires", expires if obj.status == "pending" else None),
                    ("Leverage", obj.leverage and f"1:{obj.leverage}"),
                ),
            ),
            Section(
                "Prices",
                facts(
                    ("Price", show.price(obj.price)), ("Limit price", show.price(obj.limit_price)),
                    ("Now", show.price(figures.order_prices([obj]).get(obj.ticket)) if obj.status == "pending" else None),
                    ("Asked for", show.price(obj.requested_price)), ("Changed to", show.price(obj.modified_price)),
                    ("Expected by its sender", show.price(obj.expected_price)),
                    ("Deviation allowed", None if obj.deviation is None else f"{obj.deviation} points"),
                    ("Requoted at", show.price(obj.requote_price)),
                    ("The client", requotes.said(requotes.fates([obj]).get(obj.ticket)) if obj.requote_price is not None else None),
                    ("Stop loss", show.price(obj.sl)), ("Take profit", show.price(obj.tp)),
                ),
            ),
            Section(
                "Came from, led to",
                facts(
                    ("Reason", tables.reason(obj)), ("By", obj.actor), ("Client's id", obj.client_id),
                    ("Comment", obj.comment), ("Position", show.link("positions_position", obj.position)),
                    ("Smart order", show.link("orders_smartorder", obj.smart)),
                    ("Dealers' queue", show.link("orders_dealerrequest", obj.request)),
                ),
            ),
            *([tables.deals(deals, none="It led to no deal.")] if may_see_deals else []),
        ]  # fmt: skip
        found_ += [
            Section(f"Why: deal {d.ticket}", body=evidence.shown(d.evidence), is_wide=True)
            for d in deals
            if d.evidence
        ]
        return found_

    @admin.display(description="Requested", ordering="created_at")
    def shown_time(self, obj: Order) -> Any:
        """Return when it was asked for."""
        return show.time(obj.created_at)

    @admin.display(description="Type", ordering="type")
    def shown_type(self, obj: Order) -> Any:
        """Return the type."""
        return show.side(obj.type)

    @admin.display(description="Price")
    def shown_price(self, obj: Order) -> Any:
        """Return the price that was asked for."""
        return show.price(obj.price if obj.price is not None else obj.requested_price)

    @admin.display(description="SL")
    def shown_sl(self, obj: Order) -> Any:
        """Return the stop loss."""
        return show.price(obj.sl)

    @admin.display(description="TP")
    def shown_tp(self, obj: Order) -> Any:
        """Return the take profit."""
        return show.price(obj.tp)

    @admin.display(description="Why")
    def shown_why(self, obj: Order) -> Any:
        """Return why it failed, else its comment, else who or what made it; a requote with its price."""
        if obj.requote_price is not None:
            return f"{obj.error} at {obj.requote_price:f}"
        return obj.error or obj.comment or tables.reason(obj)

    @admin.display(description="Position")
    def shown_position(self, obj: Order) -> Any:
        """Return its position."""
        return show.link("positions_position", obj.position)

    def _about(self, order: Order) -> list[tuple[str, Any]]:
        return [
            ("Account", order.login),
            (
                "Order",
                f"{order.get_type_display()} {order.volume} {order.symbol} at {order.price or 'the market'}",
            ),
            ("Stop loss", show.price(order.sl)),
            ("Take profit", show.price(order.tp)),
        ]

    @action(description="Modify order", icon="tune", permissions=["act"])
    def modify(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change price and stops of the pending order."""
        order = found(self, request, object_id)
        return act(
            self, request,
            title=f"Modify order {order.ticket}",
            form=ModifyForm(
                request.POST or None, has_limit=order.limit_price is not None,
                initial={"seen": seen_prices(order, "price", "limit_price", "sl", "tp")},
            ),
            run=lambda given, caller: services.modify_order(order.login, order.ticket, caller=caller, **given),
            back=reverse("admin:orders_order_change", args=[order.ticket]),
            submit="Change",
            about=self._about(order),
        )  # fmt: skip

    @action(description="Cancel order", icon="close", permissions=["act"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel the pending order."""
        order = found(self, request, object_id)
        return act(
            self, request,
            title=f"Cancel order {order.ticket}",
            form=CommentForm(request.POST or None),
            run=lambda given, caller: services.cancel_order(order.login, order.ticket, caller=caller, **given),
            back=reverse("admin:orders_order_change", args=[order.ticket]),
            submit="Cancel it",
            about=self._about(order),
        )  # fmt: skip

    @admin.action(description="Cancel orders", permissions=["act"])
    def cancel_orders(self, request: HttpRequest, rows: "QuerySet[Order]") -> HttpResponse | None:
        """Cancel these pending orders."""
        return act_on_rows(
            self, request, rows.filter(status="pending"), action="cancel_orders", title="Cancel orders",
            form=CommentForm(request.POST if "confirmed" in request.POST else None),
            submit="Cancel them",
            listed=lambda orders: show.table(
                ("Order", "Account", "Symbol", "Type", "Volume", "Price"),
                [
                    (o.ticket, o.login, o.symbol, show.side(o.type), show.number(o.volume), show.price(o.price))
                    for o in orders
                ],
            ),
            says=lambda given: [f"{given['rows']} pending orders are cancelled."],
            none="None of the chosen orders is pending.",
            job=lambda given: ("cancel_orders", given, rows.filter(status="pending")),
        )  # fmt: skip
