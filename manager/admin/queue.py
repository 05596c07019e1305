"""The dealers' queue: what waits for a person, how long it still may, and the answers to it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.decorators import action

from dealing import services
from dealing.models import Dealer
from manager import live
from manager.admin import evidence, show, tables
from manager.admin.acting import act, found
from manager.admin.base import LiveChangeList
from manager.admin.filters import LoginGroupFilter, SymbolFilter
from manager.admin.positions import TradingAdmin
from manager.admin.record import Section, facts
from manager.forms import CommentForm, ConfirmForm, ConfirmRequestForm, RequoteForm
from orders.models import DealerRequest

ANSWERS = (("confirm", "Confirm"), ("requote", "Requote"), ("reject", "Reject"))
#: Requests that clients made; triggers of the desk can be confirmed or rejected, not requoted.
ASKED_BY_CLIENTS = ("market", "close", "close_by")
HURRY_S = 30


@admin.register(DealerRequest)
class DealerRequestAdmin(TradingAdmin):
    """The dealers' queue: what waits for a person, and what became of it."""

    heading = "Dealers' queue"
    nothing = "Nothing waits for a dealer."
    renews = True
    counts = True
    list_display = (
        "shown_id", "shown_left", "shown_login", "shown_kind", "symbol", "shown_side", "shown_volume", "shown_price",
        "shown_bid", "shown_ask", "dealer", "shown_state", "shown_time",
    )  # fmt: skip
    list_filter = ("is_open", "kind", SymbolFilter, LoginGroupFilter)
    search_numbers = ("id", "login", "order", "position")
    search_words = ("dealer", "symbol__iexact")
    search_help_text = "Number, login, order, position, symbol or dealer"
    actions_list = ("come", "go")
    actions_detail = ("take", "confirm", "requote", "reject")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds quotes."""
        return LiveChangeList

    def get_list_display(self, request: HttpRequest) -> Sequence[str]:
        """Return the columns, with the answers for those who may give them."""
        columns = super().get_list_display(request)
        return (*columns, "shown_answers") if self.has_act_permission(request) else columns

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each request the quote of the moment, as its account sees it."""
        views = live.views(rows)
        for row in rows:
            row.quote = views.get(row.id)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return one request with the quote of the moment."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.add_live([row])
        return row

    def heading_of(self, request: HttpRequest) -> str:
        """Return the name of the list with who is there to answer."""
        online = Dealer.objects.filter(online=True).order_by("name").values_list("name", flat=True)
        return f"{self.heading} (online: {', '.join(online) or 'nobody'})"

    def offered(self, obj: DealerRequest) -> Sequence[str]:
        """Return the answers that there are: to an answered one, none."""
        if not obj.is_open:
            return ()
        return self.actions_detail if obj.kind in ASKED_BY_CLIENTS else ("take", "confirm", "reject")

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return the request, what led to it, and what the desk saw."""
        found_ = [
            Section(
                "Request",
                facts(
                    ("Account", tables.login(obj.login)), ("Kind", show.words(obj.kind)), ("Symbol", obj.symbol),
                    ("Side", show.side(obj.side)), ("Volume", show.number(obj.volume)),
                    ("State", self.shown_state(obj)), ("Dealer", obj.dealer),
                    ("Time left", self.shown_left(obj) if obj.is_open else None),
                    ("Queued", show.time(obj.created_at)), ("Until", show.time(obj.expires_at)),
                ),
            ),
            Section(
                "Prices",
                facts(
                    ("When queued", show.price(obj.price)), ("Asked for", show.price(obj.requested_price)),
                    ("Bid now", self.shown_bid(obj)), ("Ask now", self.shown_ask(obj)),
                ),
            ),
            Section(
                "Concerns",
                facts(
                    ("Order", show.link("orders_order", obj.order)),
                    ("Position", show.link("positions_position", obj.position)),
                    ("Opposite position", show.link("positions_position", obj.opposite)),
                    ("Smart order", show.link("orders_smartorder", obj.smart)), ("Level", obj.level),
                ),
            ),
        ]  # fmt: skip
        if obj.context:
            found_.append(Section("What the desk saw", body=evidence.shown(obj.context), is_wide=True))
        return found_

    @admin.display(description="Queued", ordering="created_at")
    def shown_time(self, obj: DealerRequest) -> Any:
        """Return when it was queued."""
        return show.time(obj.created_at)

    @admin.display(description="Left", ordering="expires_at")
    def shown_left(self, obj: DealerRequest) -> Any:
        """Return how many seconds are left to answer."""
        if not obj.is_open:
            return show.EMPTY
        if obj.expires_at is None:
            return "no limit"
        left = max(0, int((obj.expires_at - timezone.now()).total_seconds()))
        return format_html('<span class="td-num{}">{} s</span>', " td-loss" if left < HURRY_S else "", left)

    @admin.display(description="Kind", ordering="kind")
    def shown_kind(self, obj: DealerRequest) -> str:
        """Return what waits."""
        return show.words(obj.kind)

    @admin.display(description="Price")
    def shown_price(self, obj: DealerRequest) -> Any:
        """Return the market or level when it was queued."""
        return show.price(obj.price)

    @admin.display(description="Bid now")
    def shown_bid(self, obj: Any) -> Any:
        """Return the bid of the moment."""
        return show.price(obj.quote[0]) if obj.quote else show.EMPTY

    @admin.display(description="Ask now")
    def shown_ask(self, obj: Any) -> Any:
        """Return the ask of the moment."""
        return show.price(obj.quote[1]) if obj.quote else show.EMPTY

    @admin.display(description="State", ordering="is_open")
    def shown_state(self, obj: DealerRequest) -> Any:
        """Return whether it waits, else its outcome."""
        if obj.is_open:
            return show.flag("waiting", "warn")
        return show.words(obj.outcome or "answered")

    @admin.display(description="Answer")
    def shown_answers(self, obj: DealerRequest) -> Any:
        """Return the ways to the answers."""
        names = self.offered(obj)
        links = (
            (reverse(f"admin:orders_dealerrequest_{name}", args=[obj.pk]), words)
            for name, words in ANSWERS
            if name in names
        )
        return format_html_join(" ", '<a class="td-link" href="{}">{}</a>', links) or show.EMPTY

    def _queue(self) -> str:
        return reverse("admin:orders_dealerrequest_changelist") + "?is_open__exact=1"

    def _about(self, obj: Any) -> list[tuple[str, Any]]:
        return [
            ("Request", f"{show.words(obj.kind)} of account {obj.login}"),
            ("Deal", f"{obj.side} {obj.volume} {obj.symbol}"),
            ("When queued", show.price(obj.price)),
            ("Bid now", self.shown_bid(obj)),
            ("Ask now", self.shown_ask(obj)),
            ("Time left", self.shown_left(obj)),
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
            run=lambda _given, _key: say(request.user.get_username()),
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
            form=ConfirmForm(request.POST or None),
            run=lambda _given, _key: services.take_request(obj.id, request.user.get_username()),
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
            run=lambda given, _: services.answer_request(
                obj.id, word, dealer=request.user.get_username(), **given
            ),
            back=self._queue(),
            submit=submit,
            about=self._about(obj),
        )  # fmt: skip
