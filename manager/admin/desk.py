"""The desk itself: kill switches, the journal, gaps, plugins, and what it could not process."""

import json
import re
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.views import ChangeList

from dealing import services
from dealing.caller import Caller
from dealing.models import Command, Gap, Halt, HookFailure, PluginState, PoisonItem
from dealing.plugins import named_plugins
from live import rights
from manager.admin import show, tables
from manager.admin.acting import act, found
from manager.admin.base import ReadOnlyAdmin, ScopedAdmin
from manager.admin.filters import CodeFilter, CreatedFilter
from manager.admin.record import Section, facts
from manager.forms import HALT_WORDS, ConfirmForm, HaltAnyForm, OptionsForm

#: Pages of what a gap's report names.
TOUCHED = {"position": "positions_position", "order": "orders_order", "smart": "orders_smartorder"}
NOT_WHOLE = "not everything was asked or known; what, is told to those who see every group"
_KIND_OF_ERROR = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


def loaded_plugins() -> list[str]:
    """Return the names of the plugins that the settings load, by which they are configured."""
    return [name for name, _ in named_plugins()]


@admin.register(Halt)
class HaltAdmin(ReadOnlyAdmin):
    """Kill switches that are turned; one at normal has no row."""

    heading = "Kill switches"
    nothing = "All switches stand at normal."
    renews = True
    list_display = ("scope", "shown_key", "shown_level", "shown_at")
    list_filter = ("scope", "level")
    actions_list = ("turn",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Halt]":
        """Return each switch once: every shard keeps a row of those that concern it."""
        return super().get_queryset(request).filter(Q(shard=0) | Q(scope="account"))

    def sections(self, request: HttpRequest, obj: Halt) -> list[Section]:
        """Return the switch."""
        return [
            Section(
                "Kill switch",
                facts(
                    ("Of", obj.scope), ("Which", self.shown_key(obj)), ("Level", HALT_WORDS[obj.level]),
                    ("Since", show.time(obj.at)),
                ),
            )
        ]  # fmt: skip

    @admin.display(description="Which", ordering="key")
    def shown_key(self, obj: Halt) -> Any:
        """Return what it is the switch of."""
        names = {"group": "accounts_group", "symbol": "markets_symbol", "account": "accounts_account"}
        return show.link(names[obj.scope], obj.key) if obj.scope in names else "everything"

    @admin.display(description="Level", ordering="level")
    def shown_level(self, obj: Halt) -> Any:
        """Return how far it is turned."""
        return show.flag(obj.level.replace("_", " "), "bad")

    @admin.display(description="Since", ordering="at")
    def shown_at(self, obj: Halt) -> Any:
        """Return since when."""
        return show.time(obj.at)

    @action(description="Turn a kill switch", icon="power_settings_new", permissions=["turn_switches"])
    def turn(self, request: HttpRequest) -> HttpResponse:
        """Turn the switch of the server, a group, a symbol or an account."""

        def run(given: dict[str, Any], caller: Caller) -> services.Outcome:
            scope, key = given["scope"], given["key"].strip()
            why = rights.may_turn(request.user, scope, key)
            if why:
                return services.Outcome(services.REFUSED, "invalid_setting", why)
            key = "" if scope == "server" else key
            return services.set_halt(scope, key, given["level"], caller=caller)

        return act(
            self, request,
            title="Turn a kill switch",
            form=HaltAnyForm(request.POST or None),
            run=run,
            back=reverse("admin:dealing_halt_changelist"),
            submit="Turn it",
            says=lambda given: [
                f"{_whom(given['scope'], given['key'].strip())} goes to {HALT_WORDS[given['level']]}."
            ],
        )  # fmt: skip


def _whom(scope: str, key: str) -> str:
    names = {"server": "The whole server", "group": f"Group {key}", "symbol": f"{key}, for all clients,"}
    return names.get(scope, f"Account {key}")


@admin.register(Command)
class CommandAdmin(ScopedAdmin):
    """The journal: everything that was asked, and its one outcome."""

    heading = "Journal"
    nothing = "No command matches."
    list_display = (
        "id",
        "shown_time",
        "shown_login",
        "name",
        "shown_status",
        "shown_answer",
        "actor",
        "shown_took",
    )
    list_filter = ("status", CreatedFilter, CodeFilter)
    search_numbers = ("id", "login", "ticket", "smart")
    search_words = ("actor", "client_key", "name__istartswith")
    search_help_text = "Number, login, ticket, command, who asked, or client id"
    ordering = ("-id",)
    unexported = ("payload", "result")

    def sections(self, request: HttpRequest, obj: Command) -> list[Section]:
        """Return what was asked and what was answered."""
        return [
            Section(
                "Asked",
                facts(
                    ("Command", obj.name), ("Account", tables.login(obj.login) if obj.login else "the whole desk"),
                    ("By", obj.actor), ("Client's id", obj.client_key), ("At", show.time(obj.created_at)),
                    ("Order", show.link("orders_order", obj.ticket)),
                    ("Smart order", show.link("orders_smartorder", obj.smart)), ("Shard", obj.shard),
                ),
            ),
            Section(
                "Answered",
                facts(
                    ("Status", self.shown_status(obj)), ("Code", obj.code), ("Message", obj.message),
                    ("At", show.time(obj.done_at)), ("After", self.shown_took(obj)),
                ),
            ),
            Section("The command as it was written", body=show.raw(obj.payload), is_wide=True),
            Section("The answer as it was written", body=show.raw(obj.result), is_wide=True),
        ]  # fmt: skip

    @admin.display(description="Asked", ordering="created_at")
    def shown_time(self, obj: Command) -> Any:
        """Return when it was asked."""
        return show.time(obj.created_at)

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: Command) -> Any:
        """Return the account."""
        return tables.login(obj.login)

    @admin.display(description="Status", ordering="status")
    def shown_status(self, obj: Command) -> Any:
        """Return whether it was done, refused, or waits."""
        if obj.status == "pending":
            return show.flag("waiting", "warn")
        return show.flag("refused", "bad") if obj.code else show.flag("done", "good")

    @admin.display(description="Code", ordering="code")
    def shown_answer(self, obj: Command) -> Any:
        """Return the code, with the message at hand."""
        return show.titled(obj.code, obj.message) if obj.code else show.EMPTY

    @admin.display(description="Answered after")
    def shown_took(self, obj: Command) -> Any:
        """Return how long the answer took."""
        if obj.done_at is None:
            return show.EMPTY
        return show.figure(f"{(obj.done_at - obj.created_at).total_seconds() * 1000:,.0f} ms")


class ErrorChangeList(ChangeList):
    """A page of failures, each with what one may know of its error."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the errors as they may be told."""
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        for row in self.result_list:
            row.told_error = _error(request, str(getattr(row, "last_error", "") or getattr(row, "error", "")))


class GapChangeList(ChangeList):
    """A page of gaps, each with how much it touched of what one may see."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page and count."""
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        for gap in self.result_list:
            gap.touched = len(_touched(request, gap))


@admin.register(Gap)
class GapAdmin(ReadOnlyAdmin):
    """Ticks that were not traded on, with what they would have touched."""

    heading = "Gaps"
    nothing = "No gap: the desk has traded on every tick."
    list_display = (
        "id",
        "shown_at",
        "shown_cause",
        "shown_from",
        "shown_to",
        "shown_missed",
        "shown_touched",
        "seen_by",
    )
    list_filter = ("cause", "shard")
    actions_detail = ("seen",)
    unexported = ("report", "note")  # they name accounts and symbols of every group

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that counts what was touched of accounts that may be seen."""
        return GapChangeList

    def offered(self, obj: Gap) -> Sequence[str]:
        """Return what may be done with it: to say that one has dealt with it."""
        return () if obj.seen_by else ("seen",)

    def sections(self, request: HttpRequest, obj: Gap) -> list[Section]:
        """Return the gap and what was touched inside it."""
        touched = _touched(request, obj)
        note = rights.told_text(request.user, obj.note, instead=NOT_WHOLE)
        body = show.table(
            ("What", "Account", "Symbol", "Trigger", "Volume", "Level", "Price", "Profit"),
            [
                (
                    show.link(TOUCHED.get(line.get("kind", ""), "orders_order"), line.get("ticket")),
                    tables.login(line.get("login")), line.get("symbol", ""), show.words(str(line.get("what", ""))),
                    show.number(line.get("volume")), show.price(line.get("level")), show.price(line.get("reached")),
                    show.signed(line.get("profit")),
                )
                for line in touched
            ],
            none="Nothing would have been done inside it.",
        )  # fmt: skip
        return [
            Section(
                "Gap",
                facts(
                    ("Cause", self.shown_cause(obj)), ("From", show.moment(obj.from_ms)), ("To", show.moment(obj.to_ms)),
                    ("Ticks passed over", self.shown_missed(obj)), ("Found", show.time(obj.at)),
                    ("Seen by", obj.seen_by or "nobody yet"), ("Shard", obj.shard),
                    ("What this does not say", note or "nothing: the engine was asked about every tick"),
                    ("From the stream's place", obj.from_cursor), ("To", obj.to_cursor),
                ),
            ),
            Section("What the engine would have done on these ticks, and the desk has not", body=body, is_wide=True),
        ]  # fmt: skip

    @admin.display(description="Found", ordering="at")
    def shown_at(self, obj: Gap) -> Any:
        """Return when it was found."""
        return show.time(obj.at)

    @admin.display(description="Cause", ordering="cause")
    def shown_cause(self, obj: Gap) -> str:
        """Return the cause."""
        return obj.get_cause_display()

    @admin.display(description="From", ordering="from_ms")
    def shown_from(self, obj: Gap) -> Any:
        """Return the time of its first tick."""
        return show.moment(obj.from_ms)

    @admin.display(description="To", ordering="to_ms")
    def shown_to(self, obj: Gap) -> Any:
        """Return the time of its last tick."""
        return show.moment(obj.to_ms)

    @admin.display(description="Ticks", ordering="missed")
    def shown_missed(self, obj: Gap) -> Any:
        """Return how many ticks were passed over."""
        return show.number(obj.missed) if obj.missed else "unknown"

    @admin.display(description="Touched")
    def shown_touched(self, obj: Any) -> Any:
        """Return how much was touched inside it, of accounts that may be seen."""
        return show.number(obj.touched)

    @action(description="I have seen it", icon="done", permissions=["act"])
    def seen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say that one has dealt with it."""
        gap = found(self, request, object_id)

        def run(_given: dict[str, Any], _caller: Caller) -> services.Outcome:
            # A note of the back office, not a trading row: the desk neither reads nor writes it.
            Gap.objects.filter(pk=gap.pk, seen_by="").update(seen_by=request.user.get_username())
            return services.Outcome(services.DONE)

        return act(
            self, request,
            title=f"Gap {gap.pk} is seen",
            form=ConfirmForm(request.POST or None),
            run=run,
            back=reverse("admin:dealing_gap_change", args=[gap.pk]),
            submit="I have dealt with it",
            about=[("Touched", len(_touched(request, gap)))],
        )  # fmt: skip


@admin.register(PluginState)
class PluginAdmin(ReadOnlyAdmin):
    """Plugins that have kept options or memory, and the way to give them new options."""

    heading = "Plugins"
    nothing = "No plugin has kept anything: none is loaded, or none was given options."
    list_display = ("name", "shown_options", "shard")
    list_filter = ("shard",)
    search_words = ("name__icontains",)
    search_help_text = "Name"
    actions_list = ("configure",)
    unexported = ("state",)  # a plugin's memory may name accounts of every group

    def sections(self, request: HttpRequest, obj: PluginState) -> list[Section]:
        """Return what it keeps, how it is loaded, and how often it failed."""
        loaded = [told for name, told in named_plugins() if name == obj.name]
        failed = HookFailure.objects.filter(plugin=obj.name, shard=obj.shard)
        memory = Section("Options and memory as of the last batch", body=show.raw(obj.state), is_wide=True)
        # Memory may name accounts of every group.
        options = Section(
            "Options as of the last batch", body=show.text(self.shown_options(obj)), is_wide=True
        )
        return [
            Section(
                "Plugin",
                facts(
                    ("Name", obj.name), ("Shard", obj.shard), ("Failures", str(sum(f.times for f in failed)) or "0")
                ),
            ),
            *([memory] if rights.sees_everything(request.user) else [options]),
            Section("As it is loaded (DESK_PLUGINS)", body=show.raw(loaded), is_wide=True),
        ]  # fmt: skip

    @admin.display(description="Options that hold")
    def shown_options(self, obj: PluginState) -> str:
        """Return its options on a line."""
        state = obj.state if isinstance(obj.state, dict) else {}
        return json.dumps(state.get("options", {}))

    @action(description="New options", icon="tune", permissions=["act"])
    def configure(self, request: HttpRequest) -> HttpResponse:
        """Give a loaded plugin new options, between two ticks."""
        return act(
            self, request,
            title="New options for a plugin",
            form=OptionsForm(request.POST or None, plugins=loaded_plugins(), initial={"options": {}}),
            run=lambda given, caller: services.configure_plugin(given["plugin"], given["options"], caller=caller),
            back=reverse("admin:dealing_pluginstate_changelist"),
            submit="Hand them over",
            says=lambda given: [
                f"{given['plugin']} works with {json.dumps(given['options'])} from the next tick on, in every shard."
            ],
        )  # fmt: skip


@admin.register(HookFailure)
class HookFailureAdmin(ReadOnlyAdmin):
    """Plugins that raised."""

    heading = "Plugin failures"
    nothing = "No plugin has failed."
    list_display = ("plugin", "point", "times", "shown_error", "shown_at", "shard")
    list_filter = ("point", "shard")
    unexported = ("last_error",)  # it may name accounts of every group

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that tells of an error what this member of staff may know."""
        return ErrorChangeList

    def sections(self, request: HttpRequest, obj: HookFailure) -> list[Section]:
        """Return how often and why."""
        return [
            Section(
                "Failure",
                facts(
                    ("Plugin", obj.plugin), ("Asked at", obj.point), ("Times", obj.times),
                    ("Last", show.time(obj.last_at)), ("Shard", obj.shard),
                ),
            ),
            Section("The last error", body=show.text(_error(request, obj.last_error)), is_wide=True),
        ]  # fmt: skip

    @admin.display(description="Last error")
    def shown_error(self, obj: Any) -> str:
        """Return the last line of the error."""
        return _last_line(obj.told_error)

    @admin.display(description="Last", ordering="last_at")
    def shown_at(self, obj: HookFailure) -> Any:
        """Return when it failed last."""
        return show.time(obj.last_at)


@admin.register(PoisonItem)
class PoisonAdmin(ReadOnlyAdmin):
    """Ticks and commands that the engine could not process, in their raw form."""

    heading = "Unprocessable"
    nothing = "Nothing: the engine has processed all it was given."
    list_display = ("shown_id", "shown_at", "kind", "reference", "shown_error", "shard")
    list_filter = ("kind", "shard")
    unexported = ("error",)  # of a quote it may name accounts of every group

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that tells of an error what this member of staff may know."""
        return ErrorChangeList

    def sections(self, request: HttpRequest, obj: PoisonItem) -> list[Section]:
        """Return the item as it came, and why it could not be processed."""
        return [
            Section(
                "Item",
                facts(
                    ("Kind", obj.get_kind_display()), ("Reference", obj.reference), ("At", show.time(obj.at)),
                    ("Shard", obj.shard),
                ),
            ),
            Section("Error", body=show.text(_error(request, obj.error)), is_wide=True),
            Section("As it came", body=show.text(obj.raw), is_wide=True),
        ]  # fmt: skip

    @admin.display(description="At", ordering="at")
    def shown_at(self, obj: PoisonItem) -> Any:
        """Return when it was found."""
        return show.time(obj.at)

    @admin.display(description="Error")
    def shown_error(self, obj: Any) -> str:
        """Return the last line of the error."""
        return _last_line(obj.told_error)


def _touched(request: HttpRequest, gap: Gap) -> list[dict[str, Any]]:
    """Return what a gap's report says of accounts that this member of staff may see."""
    lines = [line for line in gap.report if isinstance(line, dict)] if isinstance(gap.report, list) else []
    if rights.sees_everything(request.user):
        return lines
    told = [line["login"] for line in lines if isinstance(line.get("login"), int)]
    seen = set(rights.logins_for(request.user).filter(login__in=told).values_list("login", flat=True))
    return [line for line in lines if line.get("login") in seen]


def _error(request: HttpRequest, text: str) -> str:
    """Return an error whole to those who see every group: whatever raised may have named any account; else its kind."""
    kind = _KIND_OF_ERROR.match(_last_line(text))
    return rights.told_text(request.user, text, instead=kind[0] if kind else "an error")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else show.EMPTY
