"""Symbols and securities: settings with the engine's own validation."""

import itertools
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from dealing import services
from engine.calendar import zone_of
from engine.enums import FOREX_MODES, HaltScope
from live import published, rights
from live.rights import Right
from manager import clocks, words
from manager.admin import show
from manager.admin.acting import act, found
from manager.admin.base import LiveChangeList
from manager.admin.editing import GuardedAdmin
from manager.admin.record import Section
from manager.admin.reloading import ReloadingAdmin, SettingsAdmin
from manager.admin.server import session_flag
from manager.forms import HALT_WORDS, HaltForm
from markets.models import SYMBOL_FIXED, Security, Symbol
from orders.models import Order
from positions.models import Deal, Position


def _is_span(span: Any) -> bool:
    return isinstance(span, list) and len(span) == 2 and all(isinstance(part, str) for part in span)


WEEK_MS = 7 * 86_400_000
#: A name that says its currencies: two codes of three letters.
_PAIR = re.compile(r"[A-Z]{6}")


class SymbolForm(forms.ModelForm):
    """Settings of a symbol; the engine judges them, and what would falsify its deals is refused."""

    session_zone = forms.CharField(required=False, max_length=64, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Symbol
        exclude = ("halt",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Let the currencies follow from a name that is two three-letter codes, where they are left empty.

        The zone of the sessions, which is kept with them, has a field of its own.
        """
        super().__init__(*args, **kwargs)
        held = self.initial.get("sessions")
        if isinstance(held, dict) and "time_zone" in held:
            self.initial["session_zone"] = held["time_zone"] or ""
            self.initial["sessions"] = {key: value for key, value in held.items() if key != "time_zone"}
        if "session_zone" in self.fields:
            self.fields["session_zone"].label, self.fields["session_zone"].help_text = words.SYMBOL[
                "session_zone"
            ]
        for field in ("base_currency", "profit_currency", "margin_currency"):
            if field in self.fields:
                self.fields[field].required = False
                self.fields[field].help_text = "Empty: from a name such as EURUSD."

    def clean_session_zone(self) -> str:
        """Refuse what is no zone, in a sentence."""
        name: str = self.cleaned_data["session_zone"].strip()
        try:
            zone_of(name or "UTC")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return name

    def clean_sessions(self) -> Any:
        """Refuse sessions of a day that overlap: the engine would take them, a typing error it is."""
        sessions = self.cleaned_data["sessions"]
        for day, spans in sessions.items() if isinstance(sessions, dict) else ():
            in_order = sorted(span for span in spans if _is_span(span)) if isinstance(spans, list) else []
            for (_, end), (start, _) in itertools.pairwise(in_order):
                if start < end:
                    raise forms.ValidationError(
                        f"{day}: the session from {start} begins before the one before it ends, at {end}"
                    )
        return sessions

    def clean(self) -> dict[str, Any]:
        """Fill in currencies and refuse what open positions, pending orders or past deals rest on.

        Profits of past deals are recomputed from the symbol by the audit, so its units stay for good; a
        contract with other units is another symbol.
        """
        given = super().clean() or {}
        self._join_zone(given)
        name = given.get("name") or self.instance.name or ""
        for field, letters in (("base_currency", name[:3]), ("profit_currency", name[3:])):
            if not given.get(field) and _PAIR.fullmatch(name):
                given[field] = letters
            elif not given.get(field) and field not in self.errors and field in self.fields:
                self.add_error(
                    field, f"{name or 'the symbol'} is not a name of two currencies: say which it is"
                )
        if self.errors:
            return given
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

    def _join_zone(self, given: dict[str, Any]) -> None:
        """Keep the zone of the sessions with them."""
        zone, sessions = given.get("session_zone"), given.get("sessions")
        if not zone or "sessions" in self.errors:
            return
        if not isinstance(sessions, dict) or not sessions:
            self.add_error(
                "session_zone",
                "there are no sessions that it could be the clock of: name sessions, or leave it empty",
            )
        elif sessions.get("time_zone") not in (None, zone):
            self.add_error("session_zone", f"the sessions beside name another zone: {sessions['time_zone']}")
        else:
            given["sessions"] = {**sessions, "time_zone": zone}

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
    heading = "Symbols"
    nothing = "No symbol matches."
    renews = True
    vocabulary = words.SYMBOL
    form = SymbolForm
    list_display = (
        "name", "description", "security", "shown_bid", "shown_ask", "shown_spread", "shown_age", "shown_contract",
        "shown_session", "shown_mode", "shown_trading", "shown_halt",
    )  # fmt: skip
    list_filter = ("security", "calc_mode", "trade_mode")
    search_words = ("name__icontains", "description__icontains")
    search_help_text = "Name or a word of the description"
    actions_detail = ("halt",)
    fieldsets = (
        (
            "Symbol",
            {
                "fields": (
                    ("name", "description", "security", "position"), ("digits", "contract_size", "calc_mode"),
                    ("base_currency", "profit_currency", "margin_currency", "conversion"),
                )
            },
        ),
        (
            "Trading",
            {
                "fields": (
                    ("volume_min", "volume_max", "volume_step"),
                    ("trade_mode", "stops_level", "freeze_level", "gateway"),
                )
            },
        ),
        (
            "Quotes and sessions",
            {
                "fields": (
                    ("filter_points", "filter_ticks", "quotes_timeout", "allow_negative"), ("sessions", "session_zone"),
                    "holidays",
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
        """Return the list that adds quotes and switches."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each symbol its last quote and its kill switch."""
        quotes, switches = published.quotes(), published.levels("symbol")
        zone, now = clocks.server().time_zone, clocks.now_ms()
        for row in rows:
            row.quote = quotes.get(row.name)
            row.session = clocks.change_of(row, zone, now)
            row.switch = switches.get(row.name, "normal")

    def get_readonly_fields(self, request: HttpRequest, obj: Symbol | None = None) -> Sequence[str]:
        """Return what cannot be edited: the name once it is given."""
        return ("name",) if obj else ()

    def sections(self, request: HttpRequest, obj: Symbol) -> list[Section]:
        """Return when the market opens or closes next, by every clock."""
        zone, now = clocks.server().time_zone, clocks.now_ms()
        change = clocks.change_of(obj, zone, now)
        if change is None:
            return [Section("Sessions", [("State", show.flag("its settings cannot be read", "bad"))])]
        pairs: list[tuple[str, Any]] = [("Now", session_flag(change))]
        if change.at_ms is not None:
            own = self.session_zone(obj)
            if own not in (show.EMPTY, "UTC", zone):
                pairs.append((f"Its sessions' time ({own})", clocks.local(change.at_ms, zone_of(own))))
            pairs += clocks.clocks_of(request, change.at_ms, zone)
            pairs.append(("In", clocks.in_words(change.at_ms, of=now).removeprefix("in ")))
        return [Section("Next change of session", pairs)]

    @admin.display(description="Session, UTC")
    def shown_session(self, obj: Any) -> Any:
        """Return until when the market is open, or closed."""
        if obj.session is None:
            return show.flag("cannot be read", "bad")
        is_open, at_ms = obj.session
        if at_ms is None:
            return "always open" if is_open else show.flag("closed", "warn")
        text = f"{'open' if is_open else 'closed'} until {clocks.local(at_ms, clocks.UTC, is_far=at_ms - clocks.now_ms() >= WEEK_MS)}"
        return text if is_open else show.flag(text, "warn")

    @admin.display(description="Sessions by the clock of")
    def session_zone(self, obj: Symbol | None) -> str:
        """Return the zone of the sessions, for those who may look and not change."""
        return str(
            (obj.sessions if obj and isinstance(obj.sessions, dict) else {}).get("time_zone") or show.EMPTY
        )

    @admin.display(description="Bid")
    def shown_bid(self, obj: Any) -> Any:
        """Return the last bid."""
        return show.price(obj.quote[0]) if obj.quote else show.EMPTY

    @admin.display(description="Ask")
    def shown_ask(self, obj: Any) -> Any:
        """Return the last ask."""
        return show.price(obj.quote[1]) if obj.quote else show.EMPTY

    @admin.display(description="Spread")
    def shown_spread(self, obj: Any) -> Any:
        """Return the spread in points, before any group's own."""
        if not obj.quote:
            return show.EMPTY
        points = (Decimal(obj.quote[1]) - Decimal(obj.quote[0])).scaleb(obj.digits)
        return show.number(points, digits=0)

    @admin.display(description="Quote")
    def shown_age(self, obj: Any) -> Any:
        """Return how old the quote is; one that is too old to trade at stands out."""
        return (
            show.age(published.age_s(obj.quote[2]), obj.quotes_timeout)
            if obj.quote
            else show.flag("none yet", "warn")
        )

    @admin.display(description="Margin and profit", ordering="calc_mode")
    def shown_mode(self, obj: Any) -> str:
        """Return the formula."""
        return words.said("calc_mode", obj.calc_mode)

    @admin.display(description="Trading", ordering="trade_mode")
    def shown_trading(self, obj: Any) -> Any:
        """Return what may be traded."""
        said = words.said("trade_mode", obj.trade_mode)
        return said if obj.trade_mode == "full" else show.flag(said, "warn")

    @admin.display(description="Contract", ordering="contract_size")
    def shown_contract(self, obj: Any) -> Any:
        """Return the contract size."""
        return show.number(obj.contract_size)

    @admin.display(description="Kill switch")
    def shown_halt(self, obj: Any) -> Any:
        """Return the kill switch where it is turned."""
        return show.switch(obj.switch)

    def has_turn_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may turn switches that concern accounts of every group."""
        return not rights.may_turn(request.user, "symbol", "")

    @action(description="Kill switch", icon="power_settings_new", permissions=["turn"])
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the symbol's kill switch."""
        symbol = found(self, request, object_id, right=Right.TURN_SWITCHES)
        now = published.level_of("symbol", symbol.name)
        return act(
            self, request,
            title=f"Kill switch of {symbol.name}",
            form=HaltForm(request.POST or None, initial={"level": now}),
            run=lambda given, caller: services.set_halt(HaltScope.SYMBOL, symbol.name, given["level"], caller=caller),
            back=reverse("admin:markets_symbol_change", args=[symbol.name]),
            submit="Turn it",
            about=[("Symbol", symbol.description or symbol.name), ("Now", HALT_WORDS[now])],
            says=lambda given: [
                f"{symbol.name} goes, for all clients, from {now.replace('_', ' ')} to {HALT_WORDS[given['level']]}."
            ],
        )  # fmt: skip


@admin.register(Security)
class SecurityAdmin(GuardedAdmin, SettingsAdmin):
    """Securities: names by which groups give terms."""

    heading = "Securities"
    nothing = "No security matches."
    vocabulary = words.SECURITY
    list_display = ("name", "description")
    search_words = ("name__icontains",)
    search_help_text = "Name"

    def get_readonly_fields(self, request: HttpRequest, obj: Security | None = None) -> Sequence[str]:
        """Return what cannot be edited: the name, by which groups give terms."""
        return ("name",) if obj else ()
