"""The dealers' queue: what waits for a person, how long it still may, and the answers to it."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.signals import user_logged_out
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.decorators import action

from accounts.models import Account, Group
from dealing import dealers, services
from live import figures, rights
from manager.admin import evidence, requotes, show, tables
from manager.admin.acting import act, found
from manager.admin.base import LiveChangeList, LivePage
from manager.admin.filters import LoginGroupFilter, SymbolFilter
from manager.admin.positions import TradingAdmin
from manager.admin.record import Section, facts
from manager.forms import CommentForm, ConfirmForm, ConfirmRequestForm, RequoteForm
from orders.models import DealerRequest, Order

ANSWERS = (("confirm", "Confirm"), ("requote", "Requote"), ("reject", "Reject"))
#: Requests that clients made; triggers of the desk can be confirmed or rejected, not requoted.
ASKED_BY_CLIENTS = ("market", "close", "close_by")
#: How long a stop-out that nobody answered is told of, and how many are counted.
UNANSWERED = timedelta(hours=1)
MOST_UNANSWERED = 1000
_PAGE = re.compile(r"[0-9a-f-]{16,40}")


def _served_by(user: Any) -> list[str] | None:
    """Return the masks of the groups for which a member of staff deals, None: all."""
    if rights.sight_of(user).everything:
        return None
    masks = rights.masks_of(user)
    return [*masks.named, *(f"!{mask}" for mask in masks.excluded)]


def _digest(session_key: str | None) -> str:
    """Return what tells a session from others and opens none."""
    return hashlib.sha256((session_key or "").encode()).hexdigest()


@receiver(user_logged_out)
def _leave(sender: Any, request: HttpRequest | None, **_: Any) -> None:
    """End the pages of a session whose user logs out."""
    if request is not None and request.session.session_key:
        dealers.end_session(_digest(request.session.session_key))


@admin.register(DealerRequest)
class DealerRequestAdmin(LivePage, TradingAdmin):
    """The dealers' queue: what waits for a person, and what became of it."""

    class Media:
        js = ("manager/dealer.js",)

    heading = "Dealers' queue"
    change_list_template = "manager/queue.html"
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
        views = figures.views(rows)
        for row in rows:
            row.quote = views.get(row.id)

    def heading_of(self, request: HttpRequest) -> str:
        """Return the name of the list with who is there to answer."""
        return f"{self.heading} (online: {', '.join(sorted(dealers.online())) or 'nobody'})"

    def get_urls(self) -> list[Any]:
        """Add the two addresses by which a page says that it is open, and that it has been closed."""
        own = [
            path(f"{word}/", self.admin_site.admin_view(view), name=f"orders_dealerrequest_{word}")
            for word, view in (("beat", self.beat), ("end", self.end))
        ]
        return [*own, *super().get_urls()]

    def beat(self, request: HttpRequest) -> HttpResponse:
        """Keep a page's dealer online for the groups of their masks.

        Raises:
            PermissionDenied: they may look at the queue and not answer.
        """
        number = self._page(request)
        if number is None:
            return HttpResponseBadRequest("the number of the page is missing")
        dealers.beat(
            number, request.user.get_username(), groups=_served_by(request.user),
            session=_digest(request.session.session_key),
        )  # fmt: skip
        return HttpResponse(status=204)

    def end(self, request: HttpRequest) -> HttpResponse:
        """Take note that a page has been closed.

        Raises:
            PermissionDenied: it is no dealer's.
        """
        number = self._page(request)
        if number is None:
            return HttpResponseBadRequest("the number of the page is missing")
        dealers.end(number, request.user.get_username())
        return HttpResponse(status=204)

    def _page(self, request: HttpRequest) -> str | None:
        if not self.has_act_permission(request):
            raise PermissionDenied
        number = request.POST.get("page", "")
        return number if _PAGE.fullmatch(number) else None

    def changelist_view(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Show the queue, and above it the stop-outs of the last hour that nobody has answered."""
        since = timezone.now() - UNANSWERED
        rows = DealerRequest.objects.filter(kind="stop_out", outcome="timeout", expires_at__gte=since)
        missed = list(rights.scoped(request.user, rows).order_by("-id")[:MOST_UNANSWERED])
        if missed and "X-Renew" not in request.headers:
            more = "at least " if len(missed) == MOST_UNANSWERED else ""
            logins = ", ".join(dict.fromkeys(str(row.login) for row in missed[:5]))
            messages.error(
                request,
                f"In the last hour {more}{len(missed)} times a stop-out waited for a dealer in vain, last of {logins}. "
                "The accounts are as they were, and wait for the next quote.",
            )
        shown = {**(extra_context or {}), "requotes": requotes.section(request.user)}
        return super().changelist_view(request, shown)

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
        offered = (
            Order.objects.filter(ticket=obj.order, requote_price__isnull=False).first() if obj.order else None
        )
        if offered is not None:
            found_.append(
                Section(
                    "Requote",
                    facts(
                        ("Offered", show.price(offered.requote_price)), ("At", show.time(offered.modified_at)),
                        ("The client", requotes.said(requotes.fates([offered]).get(offered.ticket))),
                    ),
                )
            )  # fmt: skip
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
        return requotes.left(obj.expires_at)

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
            ("Time left", self.shown_left(obj)) if obj.is_open else ("State", self.shown_state(obj)),
        ]

    def _market(self, obj: Any) -> Decimal | None:
        """Return the market's price on the side of the deal, as the client's group sees it."""
        return None if not obj.quote else obj.quote[1 if obj.side == "buy" else 0]

    def _bound(self, obj: Any) -> str:
        """Return between which prices one by hand may be, in a sentence; "" where nothing binds it or is known."""
        market = self._market(obj)
        if market is None or obj.kind == "close_by":
            return ""
        group = Group.objects.filter(name=Account.objects.filter(login=obj.login).values("group")[:1]).first()
        low, high = bounds(market, obj.digits, group.price_bound_points if group else None)
        return f"Between {low} and {high} as the market stands; the desk judges by the price of the moment."

    @action(description="Take", icon="back_hand", permissions=["act"])
    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Own the request, so that no other dealer answers it."""
        obj = found(self, request, object_id)
        return act(
            self, request,
            title=f"Take request {obj.id}",
            form=ConfirmForm(request.POST or None),
            run=lambda _, caller: services.take_request(obj.id, caller.actor, caller=caller),
            back=self._queue(),
            submit="Take it",
            about=self._about(obj),
            is_live=True,
        )  # fmt: skip

    @action(description="Confirm", icon="check", permissions=["act"])
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Execute it, at a price if one is given."""
        obj = found(self, request, object_id)
        form = ConfirmRequestForm(request.POST or None, bound=self._bound(obj))
        return self._answer(request, obj, "confirm", form, "Confirm")

    @action(description="Requote", icon="sync_alt", permissions=["act"])
    def requote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Offer another price."""
        obj = found(self, request, object_id)
        market = self._market(obj)
        first = {} if market is None else {"price": f"{market:f}"}
        form = RequoteForm(request.POST or None, initial=first, bound=self._bound(obj))
        return self._answer(request, obj, "requote", form, "Requote")

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
            run=lambda given, caller: services.answer_request(
                obj.id, word, dealer=caller.actor, caller=caller, **given
            ),
            back=self._queue(),
            submit=submit,
            about=self._about(obj),
            is_live=True,
        )  # fmt: skip


def bounds(market: Decimal, digits: int, points: int | None) -> tuple[Decimal, Decimal]:
    """Return the lowest and the highest price by hand that a group lets through (§5.7); None points: 1 % of the market."""
    point = Decimal(1).scaleb(-digits)
    far = abs(market) / 100 // point * point if points is None else points * point
    return market - far, market + far
