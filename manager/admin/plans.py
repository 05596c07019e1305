"""Smart orders: exit plans with their levels, the stop that holds now, and what happened to them."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action

from dealing import services
from live import figures
from manager.admin import show, tables
from manager.admin.acting import act, act_on_rows, found
from manager.admin.base import LiveChangeList, LivePage
from manager.admin.filters import CreatedFilter, LoginGroupFilter, SymbolFilter
from manager.admin.positions import TradingAdmin
from manager.admin.record import Section, facts, table_section
from manager.forms import CancelSeenSmartForm, CancelSmartForm
from orders.models import SmartOrder
from orders.selectors import LIVE_STATES
from positions.models import Deal

KINDS = {"ACTIVE": "good", "PARTIALLY_CLOSED": "good", "PENDING": "warn", "STOPPED": "bad"}


@admin.register(SmartOrder)
class SmartOrderAdmin(LivePage, TradingAdmin):
    """Exit plans."""

    heading = "Smart orders"
    nothing = "No smart order matches."
    renews = True
    list_display = (
        "shown_id", "shown_time", "shown_login", "symbol", "shown_side", "shown_volume", "shown_remaining", "shown_state",
        "shown_levels", "shown_stop", "shown_trailing", "shown_position",
    )  # fmt: skip
    list_filter = ("state", CreatedFilter, "side", "entry", SymbolFilter, LoginGroupFilter)
    search_numbers = ("id", "login", "position")
    search_words = ("symbol__iexact", "client_id")
    search_help_text = "Number, login, position, symbol or client id"
    actions = ("cancel_plans",)
    actions_detail = ("cancel",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds the stops that hold now."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each plan its effective stop and mark."""
        stops = figures.plan_stops(rows)
        for row in rows:
            row.now = stops.get(row.id, (None, None, None))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SmartOrder]":
        """Return the plans that may be seen, with their levels."""
        return super().get_queryset(request).prefetch_related("levels")

    def offered(self, obj: SmartOrder) -> Sequence[str]:
        """Return what may be done with it: with one that has ended, nothing."""
        return ("cancel",) if obj.state in LIVE_STATES else ()

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return the plan, its levels, its stops, and its timeline."""
        stop, source, mark = obj.now
        deals = Deal.objects.filter(position=obj.position).order_by("ticket")[:100] if obj.position else ()
        entry = (
            f"{obj.get_entry_display()} at {obj.entry_price}" if obj.entry_price else obj.get_entry_display()
        )
        return [
            Section(
                "Plan",
                facts(
                    ("Account", tables.login(obj.login)), ("Symbol", obj.symbol), ("Side", show.side(obj.side)),
                    ("Volume", show.number(obj.volume)), ("Still to close", show.number(obj.remaining)),
                    ("State", self.shown_state(obj)), ("Version", obj.version), ("Made", show.time(obj.created_at)),
                    ("Changed", show.time(obj.modified_at)), ("Client's id", obj.client_id),
                    ("Comment", obj.comment),
                ),
            ),
            Section(
                "Stops",
                facts(
                    ("In force", stop and format_html("{} ({})", stop, (source or "").replace("_", " "))),
                    ("Fired", show.price(obj.fired_stop)),
                    ("Stop loss", show.price(obj.stop_loss)),
                    ("Trailing", None if obj.callback is None else f"{obj.callback:f} %"),
                    ("Trails from", show.price(obj.activation)), ("High-water mark", mark),
                    ("Not below", show.price(obj.trail_floor)), ("Break-even", _break_even(obj)),
                ),
            ),
            Section(
                "Came from, leads to",
                facts(
                    ("Entry", entry), ("Order", show.link("orders_order", obj.order)),
                    ("Position", show.link("positions_position", obj.position)),
                ),
            ),
            table_section(
                "Levels",
                ("", "Level", "Price", "Share", "Volume", "Status", "Deal", "Time"),
                [
                    (
                        tables.DOTS[x.status], x.number, show.price(x.price), show.percent(x.percent),
                        show.number(x.volume), x.get_status_display(), show.link("positions_deal", x.deal),
                        show.time(x.time),
                    )
                    for x in obj.levels.all()
                ],
                none="No levels: its stop is the only exit.",
            ),
            table_section(
                "What happened",
                ("Time", "Event", "Version", "Numbers"),
                [(show.time(e.time), show.words(e.what), e.version, _numbers(e.data)) for e in obj.timeline.all()[:500]],
            ),
            *([tables.deals(deals)] if tables.may_see(request, "positions.deal") else []),
        ]  # fmt: skip

    @admin.display(description="Made", ordering="created_at")
    def shown_time(self, obj: Any) -> Any:
        """Return when it was made."""
        return show.time(obj.created_at)

    @admin.display(description="Left", ordering="remaining")
    def shown_remaining(self, obj: Any) -> Any:
        """Return what it has still to close."""
        return show.number(obj.remaining)

    @admin.display(description="State", ordering="state")
    def shown_state(self, obj: Any) -> Any:
        """Return the state."""
        return show.flag(obj.get_state_display(), KINDS.get(obj.state, ""))

    @admin.display(description="Levels")
    def shown_levels(self, obj: Any) -> Any:
        """Return a dot a level and how many are filled."""
        return tables.dots(obj)

    @admin.display(description="Stop")
    def shown_stop(self, obj: Any) -> Any:
        """Return the stop that holds now and what makes it."""
        stop, source, _ = obj.now
        if obj.fired_stop is not None:
            stop, source = f"{obj.fired_stop:f}", "fired"
        if stop is None:
            return show.EMPTY
        return format_html(
            '<span class="td-num" title="{}">{}</span>', (source or "").replace("_", " "), stop
        )

    @admin.display(description="Trailing")
    def shown_trailing(self, obj: Any) -> Any:
        """Return the callback rate."""
        return show.EMPTY if obj.callback is None else show.percent(obj.callback)

    @admin.display(description="Position")
    def shown_position(self, obj: Any) -> Any:
        """Return its position."""
        return show.link("positions_position", obj.position)

    @action(description="Cancel smart order", icon="close", permissions=["act"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End the plan by hand."""
        plan = found(self, request, object_id)
        return act(
            self, request,
            title=f"Cancel smart order {plan.id}",
            form=CancelSeenSmartForm(request.POST or None, initial={"version": plan.version}),
            run=lambda given, caller: services.cancel_smart(plan.login, plan.id, caller=caller, **given),
            back=reverse("admin:orders_smartorder_change", args=[plan.id]),
            submit="Cancel it",
            about=[
                ("Account", plan.login),
                ("Plan", f"{plan.side} {plan.volume} {plan.symbol}"),
                ("Still to close", plan.remaining),
                ("State", plan.get_state_display()),
            ],
            says=lambda given: [
                f"Smart order {plan.id} ends; its levels and its stop no longer act.",
                f"The rest of its position, {plan.remaining:f} lots of {plan.symbol}, "
                + ("is closed at the market." if given["close"] else "stays open without stop loss and take profit."),
            ],
        )  # fmt: skip

    @admin.action(description="Cancel smart orders", permissions=["act"])
    def cancel_plans(self, request: HttpRequest, rows: "QuerySet[SmartOrder]") -> HttpResponse | None:
        """End these plans by hand."""
        return act_on_rows(
            self, request, rows.filter(state__in=LIVE_STATES), action="cancel_plans", title="Cancel smart orders",
            form=CancelSmartForm(request.POST if "confirmed" in request.POST else None),
            submit="Cancel them",
            listed=lambda plans: show.table(
                ("Plan", "Account", "Symbol", "Side", "Volume", "Left", "State"),
                [
                    (
                        p.id, p.login, p.symbol, show.side(p.side), show.number(p.volume), show.number(p.remaining),
                        p.get_state_display(),
                    )
                    for p in plans
                ],
            ),
            says=lambda given: [
                f"{given['rows']} smart orders end. Their positions stay open without stop loss and take profit, "
                "unless you choose to close them."
            ],
            none="None of the chosen smart orders is live.",
            job=lambda given: ("cancel_plans", given, rows.filter(state__in=LIVE_STATES)),
        )  # fmt: skip


def _break_even(obj: SmartOrder) -> str | None:
    if not obj.break_even:
        return None
    offset = f", {obj.offset} points beyond" if obj.offset else ""
    if obj.break_even_triggered:
        return f"reached: stop at {obj.break_even_stop}{offset}"
    return f"after the first level{offset}"


def _numbers(data: dict[str, Any]) -> Any:
    parts = [(key.replace("_", " "), value) for key, value in data.items() if value is not None]
    return format_html_join(", ", "{} {}", parts) or show.EMPTY
