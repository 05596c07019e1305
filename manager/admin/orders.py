"""Orders, smart orders with levels and timeline, and the dealers' queue with its answers."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import TabularInline
from unfold.decorators import action

from dealing import services
from dealing.models import Dealer
from engine.enums import By
from manager import live
from manager.admin import show
from manager.admin.acting import act, act_on_each, found
from manager.admin.base import LiveChangeList
from manager.admin.positions import LoginLinks
from manager.forms import CancelSmartForm, CommentForm, ConfirmForm, ConfirmRequestForm, RequoteForm
from orders.models import DealerRequest, Order, SmartEvent, SmartLevel, SmartOrder
from orders.selectors import LIVE_STATES
from positions.models import Deal

DOTS = {"PENDING": "○", "TRIGGERED": "◐", "FILLED": "●", "CANCELLED": "✕"}


@admin.register(Order)
class OrderAdmin(LoginLinks):
    """Every request that made a ticket."""

    list_display = (
        "ticket", "shown_time", "shown_login", "symbol", "shown_type", "shown_volume", "shown_price", "shown_sl",
        "shown_tp", "status", "shown_why",
    )  # fmt: skip
    list_filter = ("status", "type", "reason", "error")
    search_fields = ("=ticket", "=login", "=position", "symbol", "client_id", "comment")
    search_help_text = "Ticket, login, position, symbol, client id or words of the comment"
    actions = ("cancel_orders",)
    actions_detail = ("cancel",)
    readonly_fields = ("shown_deals",)
    fieldsets = (
        (
            "Order",
            {
                "fields": (
                    ("ticket", "login", "status"), ("symbol", "type", "volume", "leverage"),
                    ("price", "limit_price", "requested_price", "modified_price"), ("sl", "tp"),
                    ("created_at", "modified_at", "expires_at", "expires_day"),
                    ("reason", "error", "comment"), ("position", "smart", "request"),
                    ("client_id", "actor"),
                )
            },
        ),
        ("Deals and what the desk saw", {"fields": ("shown_deals",)}),
    )  # fmt: skip

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
        """Return why it failed, else its comment, else who or what made it."""
        return obj.error or obj.comment or obj.get_reason_display()

    @admin.display(description="")
    def shown_deals(self, obj: Order) -> Any:
        """Return its deals with their evidence."""
        return show.table(
            ("Deal", "Time", "", "Side", "Volume", "Price", "Profit", "Evidence"),
            [
                (
                    show.link("positions_deal", d.ticket), show.time(d.time), d.direction, show.side(d.side),
                    show.number(d.volume), show.price(d.price), show.gain(d.profit), show.evidence(d.evidence),
                )
                for d in Deal.objects.filter(order=obj.ticket).order_by("ticket")[:50]
            ],
        )  # fmt: skip

    @action(description="Cancel", icon="close", permissions=["act"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel the pending order."""
        order = found(self, request, object_id)
        return act(
            self, request,
            title=f"Cancel order {order.ticket}",
            form=CommentForm(request.POST or None),
            run=lambda given: services.cancel_order(
                order.login, order.ticket, by=By.MANAGER, actor=request.user.get_username(), **given
            ),
            back=reverse("admin:orders_order_change", args=[order.ticket]),
            submit="Cancel it",
            about=[("Order", f"{order.get_type_display()} {order.volume} {order.symbol}")],
        )  # fmt: skip

    @admin.action(description="Cancel orders", permissions=["act"])
    def cancel_orders(self, request: HttpRequest, rows: "QuerySet[Order]") -> HttpResponse | None:
        """Cancel these pending orders."""
        return act_on_each(
            self, request, rows.filter(status="pending"), action="cancel_orders", title="Cancel orders",
            form=CommentForm(request.POST or None),
            run=lambda order, given: services.cancel_order(
                order.login, order.ticket, by=By.MANAGER, actor=request.user.get_username(), **given
            ),
            submit="Cancel them",
        )  # fmt: skip


class Shown(TabularInline):
    """Rows of a plan that can only be looked at."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return that whoever sees the plan sees them."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return that nothing is added here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return that nothing is changed here."""
        return False


class LevelInline(Shown):
    """The levels of a plan."""

    model = SmartLevel
    fields = readonly_fields = ("number", "shown_status", "price", "percent", "volume", "shown_deal", "time")

    @admin.display(description="Status")
    def shown_status(self, obj: SmartLevel) -> str:
        """Return the status with its dot."""
        return f"{DOTS[obj.status]} {obj.get_status_display()}"

    @admin.display(description="Deal")
    def shown_deal(self, obj: SmartLevel) -> Any:
        """Return the deal that filled it."""
        return show.link("positions_deal", obj.deal)


class TimelineInline(Shown):
    """What happened to a plan."""

    model = SmartEvent
    verbose_name_plural = "timeline"
    fields = readonly_fields = ("shown_time", "what", "version", "shown_data")
    per_page = 50

    @admin.display(description="Time")
    def shown_time(self, obj: SmartEvent) -> Any:
        """Return when it happened."""
        return show.time(obj.time)

    @admin.display(description="Numbers")
    def shown_data(self, obj: SmartEvent) -> Any:
        """Return its numbers."""
        parts = [(key.replace("_", " "), value) for key, value in obj.data.items() if value is not None]
        return format_html_join(", ", "{} {}", parts) or show.EMPTY


@admin.register(SmartOrder)
class SmartOrderAdmin(LoginLinks):
    """Exit plans."""

    list_display = (
        "id", "shown_time", "shown_login", "symbol", "shown_side", "shown_volume", "shown_remaining", "state",
        "shown_levels", "shown_stop", "shown_trailing", "shown_position",
    )  # fmt: skip
    list_filter = ("state", "side", "symbol", "entry")
    search_fields = ("=id", "=login", "=position", "symbol", "client_id")
    search_help_text = "Number, login, position, symbol or client id"
    inlines = (LevelInline, TimelineInline)
    readonly_fields = ("shown_effective", "shown_mark")
    actions = ("cancel_plans",)
    actions_detail = ("cancel",)
    fieldsets = (
        (
            "Plan",
            {
                "fields": (
                    ("id", "login", "state", "version"), ("symbol", "side", "volume", "remaining"),
                    ("entry", "entry_price", "order", "position"), ("created_at", "modified_at"),
                    ("client_id", "comment"),
                )
            },
        ),
        (
            "Stops",
            {
                "fields": (
                    ("stop_loss", "callback", "activation", "activated"),
                    ("break_even", "offset", "break_even_stop", "break_even_triggered"),
                    ("shown_effective", "shown_mark", "trail_floor"),
                )
            },
        ),
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds the stops that hold now."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each plan its effective stop and mark."""
        stops = live.plan_stops(rows)
        for row in rows:
            row.now = stops.get(row.id, (None, None, None))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return one plan with the stop that holds now."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.add_live([row])
        return row

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SmartOrder]":
        """Return the plans that may be seen, with their levels counted."""
        return (
            super()
            .get_queryset(request)
            .prefetch_related("levels")
            .annotate(filled=Count("levels", filter=Q(levels__status="FILLED")))
        )

    @admin.display(description="Made", ordering="created_at")
    def shown_time(self, obj: Any) -> Any:
        """Return when it was made."""
        return show.time(obj.created_at)

    @admin.display(description="Left", ordering="remaining")
    def shown_remaining(self, obj: Any) -> Any:
        """Return what it has still to close."""
        return show.number(obj.remaining)

    @admin.display(description="Levels")
    def shown_levels(self, obj: Any) -> Any:
        """Return a dot a level and how many are filled."""
        levels = list(obj.levels.all())
        if not levels:
            return show.EMPTY
        dots = format_html_join(
            "", '<span class="td-dot td-dot-{}" title="{}">{}</span>',
            ((x.status.lower(), f"{x.number}: {x.get_status_display()} at {x.price}", DOTS[x.status]) for x in levels),
        )  # fmt: skip
        return format_html("{} {}/{}", dots, obj.filled, len(levels))

    @admin.display(description="Stop")
    def shown_stop(self, obj: Any) -> Any:
        """Return the stop that holds now and what makes it."""
        stop, source, _ = obj.now
        if stop is None:
            return show.EMPTY
        return format_html(
            '<span class="td-num" title="{}">{}</span>', (source or "").replace("_", " "), stop
        )

    @admin.display(description="Effective stop")
    def shown_effective(self, obj: Any) -> Any:
        """Return the stop that holds now and what makes it, in words."""
        stop, source, _ = obj.now
        return show.EMPTY if stop is None else f"{stop} ({(source or '').replace('_', ' ')})"

    @admin.display(description="High-water mark")
    def shown_mark(self, obj: Any) -> Any:
        """Return the mark from which the trailing stop hangs."""
        return obj.now[2] or show.EMPTY

    @admin.display(description="Trailing")
    def shown_trailing(self, obj: Any) -> Any:
        """Return the callback rate."""
        return show.EMPTY if obj.callback is None else f"{obj.callback:f} %"

    @admin.display(description="Position")
    def shown_position(self, obj: Any) -> Any:
        """Return its position."""
        return show.link("positions_position", obj.position)

    @action(description="Cancel", icon="close", permissions=["act"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End the plan by hand."""
        plan = found(self, request, object_id)
        return act(
            self, request,
            title=f"Cancel smart order {plan.id}",
            form=CancelSmartForm(request.POST or None),
            run=lambda given: services.cancel_smart(
                plan.login, plan.id, by=By.MANAGER, actor=request.user.get_username(), **given
            ),
            back=reverse("admin:orders_smartorder_change", args=[plan.id]),
            submit="Cancel it",
            about=[
                ("Plan", f"{plan.side} {plan.volume} {plan.symbol}"),
                ("Left", plan.remaining),
                ("State", plan.get_state_display()),
            ],
        )  # fmt: skip

    @admin.action(description="Cancel smart orders", permissions=["act"])
    def cancel_plans(self, request: HttpRequest, rows: "QuerySet[SmartOrder]") -> HttpResponse | None:
        """End these plans by hand."""
        acting = rows.filter(state__in=LIVE_STATES)
        return act_on_each(
            self, request, acting, action="cancel_plans", title="Cancel smart orders",
            form=CancelSmartForm(request.POST or None),
            run=lambda plan, given: services.cancel_smart(
                plan.login, plan.id, by=By.MANAGER, actor=request.user.get_username(), **given
            ),
            submit="Cancel them",
        )  # fmt: skip


@admin.register(DealerRequest)
class DealerRequestAdmin(LoginLinks):
    """The dealers' queue: what waits for a person, and what became of it."""

    list_display = (
        "id", "shown_time", "shown_login", "kind", "symbol", "shown_side", "shown_volume", "shown_price",
        "dealer", "shown_state", "shown_until",
    )  # fmt: skip
    list_filter = ("is_open", "kind", "symbol")
    search_fields = ("=id", "=login", "=order", "=position", "dealer")
    search_help_text = "Number, login, order, position or dealer"
    actions_list = ("come", "go")
    actions_row = ("take", "confirm", "requote", "reject")
    actions_detail = ("take", "confirm", "requote", "reject")
    readonly_fields = ("shown_context",)
    fieldsets = (
        (
            "Request",
            {
                "fields": (
                    ("id", "login", "kind"), ("symbol", "side", "volume"), ("price", "requested_price"),
                    ("order", "position", "smart", "level", "opposite"), ("created_at", "expires_at"),
                    ("dealer", "is_open", "outcome"),
                )
            },
        ),
        ("What the desk saw", {"fields": ("shown_context",)}),
    )  # fmt: skip

    @admin.display(description="Waiting since", ordering="created_at")
    def shown_time(self, obj: DealerRequest) -> Any:
        """Return when it was queued."""
        return show.time(obj.created_at)

    @admin.display(description="Until", ordering="expires_at")
    def shown_until(self, obj: DealerRequest) -> Any:
        """Return when it times out."""
        return show.time(obj.expires_at) if obj.is_open else show.EMPTY

    @admin.display(description="Price")
    def shown_price(self, obj: DealerRequest) -> Any:
        """Return the market or level when it was queued."""
        return show.price(obj.price)

    @admin.display(description="State", ordering="is_open")
    def shown_state(self, obj: DealerRequest) -> Any:
        """Return whether it waits, else its outcome."""
        if obj.is_open:
            return format_html('<span class="td-flag td-flag-warn">{}</span>', "waiting")
        return obj.outcome or "answered"

    @admin.display(description="")
    def shown_context(self, obj: DealerRequest) -> Any:
        """Return what was gathered when it was queued."""
        return show.evidence(obj.context)

    def _queue(self) -> str:
        return reverse("admin:orders_dealerrequest_changelist") + "?is_open__exact=1"

    def _about(self, obj: DealerRequest) -> list[tuple[str, Any]]:
        return [
            ("Request", f"{obj.get_kind_display()} of account {obj.login}"),
            ("Deal", f"{obj.side} {obj.volume} {obj.symbol}"),
            ("Price", show.price(obj.price)),
        ]

    @action(description="I am online", icon="login", permissions=["act"])
    def come(self, request: HttpRequest) -> HttpResponse:
        """Say that this dealer has come."""
        return self._presence(request, "I am online", services.dealer_online)

    @action(description="I am going", icon="logout", permissions=["act"])
    def go(self, request: HttpRequest) -> HttpResponse:
        """Say that this dealer has gone."""
        return self._presence(request, "I am going", services.dealer_offline)

    def _presence(self, request: HttpRequest, title: str, say: Any) -> HttpResponse:
        online = Dealer.objects.filter(online=True).order_by("name").values_list("name", flat=True)
        return act(
            self, request,
            title=title,
            form=ConfirmForm(request.POST or None),
            run=lambda _: say(request.user.get_username()),
            back=self._queue(),
            submit="Say so",
            about=[("Dealers online", ", ".join(online) or "none")],
        )  # fmt: skip

    @action(description="Take", icon="back_hand", permissions=["act"])
    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Own the request, so that no other dealer answers it."""
        obj = found(self, request, object_id)
        return act(
            self, request,
            title=f"Take request {obj.id}",
            form=CommentForm(request.POST or None),
            run=lambda _: services.take_request(obj.id, request.user.get_username()),
            back=self._queue(),
            submit="Take it",
            about=self._about(obj),
        )  # fmt: skip

    @action(description="Confirm", icon="check", permissions=["act"])
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Execute it, at a price if one is given."""
        obj = found(self, request, object_id)
        form = ConfirmRequestForm(request.POST or None)
        return self._answer(request, obj, "confirm", form, "Confirm")

    @action(description="Requote", icon="sync_alt", permissions=["act"])
    def requote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Offer another price."""
        obj = found(self, request, object_id)
        return self._answer(request, obj, "requote", RequoteForm(request.POST or None), "Requote")

    @action(description="Reject", icon="block", permissions=["act"])
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse it."""
        obj = found(self, request, object_id)
        return self._answer(request, obj, "reject", CommentForm(request.POST or None), "Reject")

    def _answer(
        self, request: HttpRequest, obj: DealerRequest, word: str, form: Any, submit: str
    ) -> HttpResponse:
        return act(
            self, request,
            title=f"{submit} request {obj.id}",
            form=form,
            run=lambda given: services.answer_request(
                obj.id, word, dealer=request.user.get_username(), **given
            ),
            back=self._queue(),
            submit=submit,
            about=self._about(obj),
        )  # fmt: skip
