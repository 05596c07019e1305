"""The server's settings: when its trading day ends, and by whose clock. One row, edited like a symbol or a group."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from engine.calendar import next_day_end
from engine.settings import Server as EngineServer
from live import rights
from manager import clocks, words
from manager.admin import show
from manager.admin.proposals import Proposal
from manager.admin.record import Section, table_section
from manager.admin.reloading import ReloadingAdmin
from manager.snapshots import snapshot
from markets.models import Server, Symbol
from orders.models import Order
from positions.models import Position

#: Day ends that are told ahead, and symbols whose next change is.
AHEAD = 5
MOST_SYMBOLS = 200


@admin.register(Server)
class ServerAdmin(ReloadingAdmin):
    """Day end and time zone."""

    kind = "server"
    heading = "Server"
    nothing = "The server has its defaults."
    vocabulary = words.SERVER
    list_display = ("shown_name", "day_end", "time_zone", "shown_next")
    search_words = ("time_zone__icontains",)
    fieldsets = (("Trading day", {"fields": (("day_end", "time_zone"),)}),)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Server]":
        """Return the row, with its defaults where nobody has set any."""
        Server.objects.get_or_create(pk=1)
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return that there is no second one."""
        return False

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **more: Any) -> HttpResponse:
        """Show the page without the row's number, which says nothing."""
        return super().render_change_form(request, {**context, "title": "Server"}, **more)

    @admin.display(description="Settings of")
    def shown_name(self, obj: Server) -> str:
        """Return whose they are."""
        return "the server"

    @admin.display(description="Next day end, UTC")
    def shown_next(self, obj: Server) -> Any:
        """Return the next day end."""
        return show.moment(clocks.day_end_ms())

    def sections(self, request: HttpRequest, obj: Server) -> list[Section]:
        """Return the next day ends and the next changes of sessions, by every clock."""
        held, now = clocks.server(), clocks.now_ms()
        found = [_next(request, held, now), _ahead(request, held)]
        if rights.may_view(request.user, "markets.symbol"):
            found.append(_sessions(request, held, now))
        return found

    def tells(self, row: Any, proposal: Proposal) -> list[str]:
        """Return what a change of day end or zone means: the moment that moves, and whom it concerns."""
        old, new = EngineServer.from_values(row.values()), _proposed(row, proposal)
        now = clocks.now_ms()
        before, after = clocks.day_end_ms(old), next_day_end(new.zone, new.day_end_ms, now)
        held = Position.objects.filter(status="open").order_by().count()
        day_orders = Order.objects.filter(status="pending", expires_day=True).order_by().count()
        lines = [
            f"The next day end goes from {_both(before, old)} to {_both(after, new)}.",
            f"Then {held:,} open positions get their swap and {day_orders:,} day orders expire, as they stand now.",
        ]
        if old.time_zone != new.time_zone:
            following = [
                symbol.name
                for symbol in Symbol.objects.order_by("position", "name")
                if (symbol.sessions or symbol.holidays) and not (symbol.sessions or {}).get("time_zone")
            ]
            named = (
                f": {', '.join(following[:10])}" + (" ..." if len(following) > 10 else "")
                if following
                else ""
            )
            lines.append(
                f"Sessions and holidays of {len(following):,} symbols follow the server's clock, and move with it{named}."
            )
        lines.append("Days that have ended stay as they are; daily candles keep their beginnings until now.")
        return lines


def _proposed(row: Any, proposal: Proposal) -> EngineServer:
    return EngineServer.from_values({**snapshot(row), **proposal.values})


def _both(at_ms: int, held: EngineServer) -> str:
    return f"{clocks.local(at_ms, held.zone)} {held.time_zone} ({clocks.local(at_ms, clocks.UTC)} UTC)"


def _next(request: HttpRequest, held: EngineServer, now: int) -> Section:
    at = clocks.day_end_ms(held)
    pairs: list[tuple[str, Any]] = [("In", clocks.in_words(at, of=now).removeprefix("in "))]
    if at <= now:
        pairs = [
            ("Overdue", show.flag("the desk has not got there: it makes up for it when it runs", "warn"))
        ]
    return Section("Next day end", [*clocks.clocks_of(request, at, held.time_zone), *pairs])


def _ahead(request: HttpRequest, held: EngineServer) -> Section:
    """Return the day ends after the next one: a daylight-saving change shows here."""
    at, rows = clocks.day_end_ms(held), []
    for _ in range(AHEAD):
        at = next_day_end(held.zone, held.day_end_ms, at)
        rows.append(tuple(text for _, text in clocks.clocks_of(request, at, held.time_zone)))
    names = [name for name, _ in clocks.clocks_of(request, at, held.time_zone)]
    return Section("And after it", body=show.table(names, rows))


def _sessions(request: HttpRequest, held: EngineServer, now: int) -> Section:
    """Return which markets are open, and when that changes; the next first."""
    found = []
    for symbol in Symbol.objects.order_by("position", "name")[:MOST_SYMBOLS]:
        change = clocks.change_of(symbol, held.time_zone, now)
        if change is not None and not (change.is_open and change.at_ms is None):
            found.append((change.at_ms or 2**62, symbol, change))
    found.sort(key=lambda one: (one[0], one[1].position, one[1].name))
    rows = [
        (
            show.link("markets_symbol", symbol.name), session_flag(change),
            *((text for _, text in clocks.clocks_of(request, change.at_ms, held.time_zone)) if change.at_ms else ("not within a year",)),
            "" if change.at_ms is None else clocks.in_words(change.at_ms, of=now),
        )
        for _, symbol, change in found
    ]  # fmt: skip
    names = [name for name, _ in clocks.clocks_of(request, now, held.time_zone)]
    return table_section(
        "Next changes of sessions", ("Symbol", "Now", *names, ""), rows, none="All symbols are always open."
    )


def session_flag(change: "clocks.Change") -> Any:
    """Return whether a market is open, and what comes next."""
    if change.is_open:
        return show.flag("open, closes" if change.at_ms else "always open", "good")
    return show.flag("closed, opens" if change.at_ms else "closed", "warn")
