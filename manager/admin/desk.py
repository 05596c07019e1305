"""The desk itself: kill switches, the journal, gaps, and what it could not process."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action

from dealing import services
from dealing.models import Command, Gap, Halt, HookFailure, PoisonItem
from manager.admin import show
from manager.admin.acting import act
from manager.admin.base import ReadOnlyAdmin
from manager.forms import HaltAnyForm


@admin.register(Halt)
class HaltAdmin(ReadOnlyAdmin):
    """Kill switches that are turned; one at normal has no row."""

    list_display = ("scope", "key", "level", "shown_at")
    list_filter = ("scope", "level")
    actions_list = ("turn",)

    @admin.display(description="Since", ordering="at")
    def shown_at(self, obj: Halt) -> Any:
        """Return since when."""
        return show.time(obj.at)

    @action(description="Turn a kill switch", icon="power_settings_new", permissions=["act"])
    def turn(self, request: HttpRequest) -> HttpResponse:
        """Turn the switch of the server, a group, a symbol or an account."""

        def run(given: dict[str, Any]) -> services.Outcome:
            if given["scope"] == "account" and not given["key"].isdecimal():
                return services.Outcome(services.REFUSED, "invalid_setting", f"{given['key']!r} is no login")
            key = "" if given["scope"] == "server" else given["key"]
            return services.set_halt(given["scope"], key, given["level"], actor=request.user.get_username())

        return act(
            self, request,
            title="Turn a kill switch",
            form=HaltAnyForm(request.POST or None),
            run=run,
            back=reverse("admin:dealing_halt_changelist"),
            submit="Turn it",
        )  # fmt: skip


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    """The journal: everything that was asked, and its one outcome."""

    list_display = ("id", "shown_time", "shown_login", "name", "status", "code", "actor", "shown_took")
    list_filter = ("status", "name", "code")
    search_fields = ("=id", "=login", "=ticket", "actor", "client_key")
    search_help_text = "Number, login, ticket, actor or client id"
    ordering = ("-id",)
    readonly_fields = ("shown_payload", "shown_result")
    fieldsets = (
        (
            "Command",
            {
                "fields": (
                    ("id", "name", "login", "shard"), ("actor", "client_key"), ("ticket", "smart"),
                    ("created_at", "done_at", "status"), ("code", "message"), "shown_payload", "shown_result",
                )
            },
        ),
    )  # fmt: skip

    @admin.display(description="Asked", ordering="created_at")
    def shown_time(self, obj: Command) -> Any:
        """Return when it was asked."""
        return show.time(obj.created_at)

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: Command) -> Any:
        """Return the account."""
        return show.link("accounts_account", obj.login)

    @admin.display(description="Answered after")
    def shown_took(self, obj: Command) -> Any:
        """Return how long the answer took."""
        if obj.done_at is None:
            return show.EMPTY
        return f"{(obj.done_at - obj.created_at).total_seconds() * 1000:,.0f} ms"

    @admin.display(description="Asked for")
    def shown_payload(self, obj: Command) -> Any:
        """Return the command as it was written."""
        return show.evidence(obj.payload)

    @admin.display(description="Answer")
    def shown_result(self, obj: Command) -> Any:
        """Return the answer."""
        return show.evidence(obj.result)


@admin.register(Gap)
class GapAdmin(ReadOnlyAdmin):
    """Ticks that were not traded on, with what they would have touched."""

    list_display = ("id", "shown_at", "shard", "cause", "from_cursor", "to_cursor", "missed", "seen_by")
    list_filter = ("cause", "shard")
    readonly_fields = ("shown_report",)
    fieldsets = (
        (
            "Gap",
            {
                "fields": (
                    ("id", "shard", "cause", "missed"), ("from_cursor", "to_cursor"), ("from_ms", "to_ms"),
                    ("seen_by", "at"), "shown_report",
                )
            },
        ),
    )  # fmt: skip

    @admin.display(description="Found", ordering="at")
    def shown_at(self, obj: Gap) -> Any:
        """Return when it was found."""
        return show.time(obj.at)

    @admin.display(description="Touched inside the gap")
    def shown_report(self, obj: Gap) -> Any:
        """Return what was touched inside the gap."""
        return show.evidence(obj.report)


@admin.register(PoisonItem)
class PoisonAdmin(ReadOnlyAdmin):
    """Ticks and commands that the engine could not process, in their raw form."""

    list_display = ("id", "at", "shard", "kind", "reference", "error")
    list_filter = ("kind", "shard")


@admin.register(HookFailure)
class HookFailureAdmin(ReadOnlyAdmin):
    """Plugins that raised."""

    list_display = ("plugin", "point", "times", "last_error", "last_at", "shard")
    list_filter = ("plugin", "point")
