"""Groups and their terms on securities: settings with the engine's own validation, and kill switches."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import GROUP_FIXED, Account, Group, GroupSecurity
from dealing import services
from engine.enums import HaltScope
from live import published, rights
from live.rights import Right
from manager import words
from manager.admin import show
from manager.admin.accounts import has_something_open
from manager.admin.acting import act, found
from manager.admin.base import LiveChangeList
from manager.admin.reloading import ReloadingAdmin
from manager.forms import HALT_WORDS, HaltForm
from manager.numbers import strict
from markets.models import Security


class GroupSecurityInline(TabularInline):
    """Terms that differ on a security."""

    model = GroupSecurity
    extra = 0
    verbose_name = "security with terms of its own"
    verbose_name_plural = "terms on single securities: what is left empty is the group's"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the rows in the words of the trade, with the securities to choose from."""
        formset = super().get_formset(request, obj, **words.kwargs(words.TERMS), **kwargs)
        words.dress(formset.form)
        return formset

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the securities that there are."""
        if db_field.name == "security":
            names = [("", "---------")]
            names += [(name, name) for name in Security.objects.values_list("name", flat=True)]
            return forms.ChoiceField(choices=names, widget=UnfoldAdminSelectWidget())
        return super().formfield_for_dbfield(db_field, request, **strict(db_field, kwargs))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether terms may be taken away: a change of the group like any other."""
        return rights.may_change(request.user, "accounts.group")

    has_add_permission = has_change_permission = has_delete_permission


class GroupForm(forms.ModelForm):
    """Settings of a group; what would falsify what its accounts hold is refused."""

    class Meta:
        model = Group
        exclude = ("halt",)

    actor: Any = None

    def clean_name(self) -> str:
        """Refuse a group that the one who makes it would not see."""
        name: str = self.cleaned_data["name"]
        if self.instance._state.adding and not rights.may_name_group(self.actor, name):
            raise forms.ValidationError(
                f"your masks do not cover {name}: you would not see the group you make"
            )
        return name

    def clean(self) -> dict[str, Any]:
        """Refuse another currency while there are accounts, another mode while something is open."""
        given = super().clean() or {}
        if self.instance._state.adding:
            return given
        logins = Account.objects.filter(group=self.instance.pk).values("login")
        for field in GROUP_FIXED:
            if field in self.changed_data:
                blocked = logins.exists() if field == "currency" else has_something_open(logins)
                if blocked:
                    why = (
                        "accounts of the group exist"
                        if field == "currency"
                        else "its accounts hold something"
                    )
                    self.add_error(field, f"cannot change while {why}")
        return given


@admin.register(Group)
class GroupAdmin(ReloadingAdmin):
    """Groups: the conditions of their accounts."""

    kind = "group"
    heading = "Groups"
    nothing = "No group matches."
    vocabulary = words.GROUP
    form = GroupForm
    inlines = (GroupSecurityInline,)
    list_display = (
        "name", "description", "shown_accounts", "currency", "margin_mode", "shown_leverage", "shown_margin_call",
        "shown_stop_out", "shown_execution", "shown_halt",
    )  # fmt: skip
    list_filter = ("margin_mode", "execution", "currency")
    search_words = ("name__icontains", "description__icontains")
    search_help_text = "Name or a word of the description"
    actions_detail = ("halt",)
    fieldsets = (
        (
            "Group",
            {
                "fields": (
                    ("name", "description", "currency"),
                    ("margin_mode", "leverage", "leverage_max", "max_orders"),
                )
            },
        ),
        (
            "Margin and stop-out",
            {
                "fields": (
                    ("margin_call", "stop_out", "stop_out_unit", "stop_out_mode"),
                    (
                        "free_margin_mode",
                        "skip_fully_hedged",
                        "hedge_larger_leg",
                        "negative_balance_protection",
                    ),
                )
            },
        ),
        (
            "Trading",
            {
                "fields": (
                    ("execution", "timeout", "ttl", "spread_diff"),
                    ("requote_ttl", "deviation", "price_bound_points"),
                    ("close_fifo", "hedge_prohibited", "positive_slippage", "swap_free"),
                    (
                        "commission_kind",
                        "commission_amount",
                        "agent_commission_kind",
                        "agent_commission_amount",
                    ),
                )
            },
        ),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds kill switches."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each group its kill switch."""
        switches = published.levels("group")
        for row in rows:
            row.switch = switches.get(row.name, "normal")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Group]":
        """Return the groups of this manager's masks, with how many accounts each has."""
        of_group = Account.objects.filter(group=OuterRef("pk")).order_by().values("group")
        return (
            super()
            .get_queryset(request)
            .annotate(accounts=Subquery(of_group.annotate(n=Count("pk")).values("n")))
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Sequence[str]:
        """Return what cannot be edited: the name once it is given."""
        return ("name",) if obj else ()

    @admin.display(description="Accounts", ordering="accounts")
    def shown_accounts(self, obj: Any) -> Any:
        """Return how many accounts the group has, with the way to them."""
        address = f"{reverse('admin:accounts_account_changelist')}?group__name__exact={obj.name}"
        return format_html('<a class="td-link td-num" href="{}">{}</a>', address, f"{obj.accounts or 0:,}")

    @admin.display(description="Leverage", ordering="leverage")
    def shown_leverage(self, obj: Group) -> Any:
        """Return the leverage as one says it."""
        return format_html('<span class="td-num">1:{}</span>', obj.leverage)

    @admin.display(description="Margin call", ordering="margin_call")
    def shown_margin_call(self, obj: Group) -> Any:
        """Return the margin call."""
        return show.percent(obj.margin_call)

    @admin.display(description="Stop-out", ordering="stop_out")
    def shown_stop_out(self, obj: Group) -> Any:
        """Return the stop-out with its unit."""
        if obj.stop_out_unit == "percent":
            return show.percent(obj.stop_out)
        return format_html('<span class="td-num">{} {}</span>', f"{obj.stop_out:,f}", obj.currency)

    @admin.display(description="Execution", ordering="execution")
    def shown_execution(self, obj: Group) -> str:
        """Return who executes."""
        return words.said("execution", obj.execution)

    @admin.display(description="Kill switch")
    def shown_halt(self, obj: Any) -> Any:
        """Return the kill switch where it is turned."""
        return show.switch(obj.switch)

    @action(description="Kill switch", icon="power_settings_new", permissions=["turn_switches"])
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the group's kill switch."""
        group = found(self, request, object_id, right=Right.TURN_SWITCHES)
        now = published.level_of("group", group.name)
        return act(
            self, request,
            title=f"Kill switch of group {group.name}",
            form=HaltForm(request.POST or None, initial={"level": now}),
            run=lambda given, caller: services.set_halt(HaltScope.GROUP, group.name, given["level"], caller=caller),
            back=reverse("admin:accounts_group_change", args=[group.name]),
            submit="Turn it",
            about=[("Accounts", f"{group.accounts or 0:,}"), ("Now", HALT_WORDS[now])],
            says=lambda given: [
                f"Group {group.name} with its {group.accounts or 0:,} accounts goes from "
                f"{now.replace('_', ' ')} to {HALT_WORDS[given['level']]}."
            ],
        )  # fmt: skip
