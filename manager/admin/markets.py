"""Symbols and securities: settings with the engine's own validation."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action

from dealing import services
from engine.enums import FOREX_MODES, HaltScope
from manager import live
from manager.admin import show
from manager.admin.acting import act, found
from manager.admin.base import DeskAdmin, LiveChangeList
from manager.admin.reloading import ReloadingAdmin
from manager.forms import HaltForm
from markets.models import SYMBOL_FIXED, Security, Symbol
from orders.models import Order
from positions.models import Deal, Position


class SymbolForm(forms.ModelForm):
    """Settings of a symbol; the engine judges them, and what would falsify its deals is refused."""

    class Meta:
        model = Symbol
        exclude = ("halt",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Let the currencies follow from the name where they are left empty."""
        super().__init__(*args, **kwargs)
        for field in ("base_currency", "profit_currency", "margin_currency"):
            if field in self.fields:
                self.fields[field].required = False
                self.fields[field].help_text = "Empty: from the name."

    def clean(self) -> dict[str, Any]:
        """Fill in currencies and refuse what open positions, pending orders or past deals rest on.

        Profits of past deals are recomputed from the symbol by the audit, so its units stay for good; a
        contract with other units is another symbol.
        """
        given = super().clean() or {}
        name = given.get("name") or self.instance.name or ""
        given["base_currency"] = given.get("base_currency") or name[:3]
        given["profit_currency"] = given.get("profit_currency") or name[-3:]
        is_forex = given.get("calc_mode") in {mode.value for mode in FOREX_MODES}
        given["margin_currency"] = given.get("margin_currency") or (
            given["base_currency"] if is_forex else given["profit_currency"]
        )
        if self.instance._state.adding:
            return given
        changed = [
            field for field in SYMBOL_FIXED if field in given and given[field] != self.initial.get(field)
        ]
        if changed:
            held = self._held()
            for field in changed if held else ():
                self.add_error(field, f"cannot change while the symbol has {held}")
        return given

    def _held(self) -> str:
        name = self.instance.name
        if Position.objects.filter(symbol=name, status="open").exists():
            return "open positions"
        if Order.objects.filter(symbol=name, status="pending").exists():
            return "pending orders"
        return "deals" if Deal.objects.filter(symbol=name).exists() else ""


@admin.register(Symbol)
class SymbolAdmin(ReloadingAdmin):
    """Symbols in the order in which conversion looks at them."""

    kind = "symbol"
    form = SymbolForm
    list_display = (
        "name", "description", "security", "shown_bid", "shown_ask", "digits", "shown_contract", "calc_mode",
        "trade_mode", "shown_halt",
    )  # fmt: skip
    list_filter = ("security", "calc_mode", "trade_mode")
    search_fields = ("name", "description")
    actions_detail = ("halt",)
    fieldsets = (
        (
            "Symbol",
            {
                "fields": (
                    ("name", "security", "position"), "description", ("digits", "contract_size", "calc_mode"),
                    ("base_currency", "profit_currency", "margin_currency", "conversion"),
                )
            },
        ),
        (
            "Trading",
            {
                "fields": (
                    ("volume_min", "volume_max", "volume_step"), ("trade_mode", "stops_level", "freeze_level"),
                    ("gateway",),
                )
            },
        ),
        (
            "Quotes and sessions",
            {
                "fields": (
                    ("filter_points", "filter_ticks", "quotes_timeout"), ("allow_negative",), "sessions", "holidays",
                )
            },
        ),
        (
            "Margin",
            {
                "fields": (
                    ("margin_initial", "margin_maintenance", "margin_hedged"),
                    ("margin_rate_buy", "margin_rate_sell", "pending_margin_rate"), ("tick_size", "tick_value"),
                )
            },
        ),
        ("Swap", {"fields": (("swap_mode", "swap_long", "swap_short"), "swap_multipliers")}),
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds quotes."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each symbol its last quote."""
        quotes = live.quotes()
        for row in rows:
            row.quote = quotes.get(row.name)

    def get_readonly_fields(self, request: HttpRequest, obj: Symbol | None = None) -> Sequence[str]:
        """Return what cannot be edited: the name once it is given."""
        return ("name",) if obj else ()

    @admin.display(description="Bid")
    def shown_bid(self, obj: Any) -> Any:
        """Return the last bid."""
        return show.price(obj.quote[0]) if obj.quote else show.EMPTY

    @admin.display(description="Ask")
    def shown_ask(self, obj: Any) -> Any:
        """Return the last ask."""
        return show.price(obj.quote[1]) if obj.quote else show.EMPTY

    @admin.display(description="Contract", ordering="contract_size")
    def shown_contract(self, obj: Any) -> Any:
        """Return the contract size."""
        return show.number(obj.contract_size)

    @admin.display(description="Kill switch")
    def shown_halt(self, obj: Any) -> Any:
        """Return the kill switch where it is turned."""
        return live.halt_of("symbol", obj.name) or show.EMPTY

    @action(description="Kill switch", icon="power_settings_new", permissions=["act"])
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the symbol's kill switch."""
        symbol = found(self, request, object_id)
        now = live.halt_of("symbol", symbol.name)
        return act(
            self, request,
            title=f"Kill switch of {symbol.name}",
            form=HaltForm(request.POST or None, initial={"level": now or "normal"}),
            run=lambda given: services.set_halt(
                HaltScope.SYMBOL, symbol.name, given["level"], actor=request.user.get_username()
            ),
            back=reverse("admin:markets_symbol_change", args=[symbol.name]),
            submit="Turn it",
            about=[("Now", now or "normal")],
        )  # fmt: skip


@admin.register(Security)
class SecurityAdmin(DeskAdmin):
    """Securities: names by which groups give terms."""

    list_display = ("name", "description")
    search_fields = ("name",)
