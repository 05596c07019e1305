"""Groups and their terms on securities: settings with the engine's own validation, and kill switches."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import action

from accounts.models import GROUP_FIXED, Account, Group, GroupSecurity
from accounts.selectors import groups_visible_to
from dealing import services
from engine.enums import HaltScope
from manager import live
from manager.admin import show
from manager.admin.accounts import has_something_open
from manager.admin.acting import act, found
from manager.admin.reloading import ReloadingAdmin
from manager.forms import HaltForm


class GroupSecurityInline(TabularInline):
    """Terms that differ on a security."""

    model = GroupSecurity
    extra = 0
    tab = True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether terms may be taken away: a change of the group like any other."""
        return request.user.has_perm("accounts.change_group")

    has_add_permission = has_change_permission = has_delete_permission


class GroupForm(forms.ModelForm):
    """Settings of a group; what would falsify what its accounts hold is refused."""

    class Meta:
        model = Group
        exclude = ("halt",)

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
    form = GroupForm
    inlines = (GroupSecurityInline,)
    list_display = (
        "name", "description", "currency", "margin_mode", "leverage", "shown_margin_call", "shown_stop_out",
        "execution", "shown_halt",
    )  # fmt: skip
    list_filter = ("margin_mode", "execution", "currency")
    search_fields = ("name", "description")
    actions_detail = ("halt",)
    fieldsets = (
        (
            "Group",
            {"fields": (("name", "currency"), "description", ("margin_mode", "leverage", "max_orders"))},
        ),
        (
            "Margin and stop-out",
            {
                "fields": (
                    ("margin_call", "stop_out", "stop_out_unit", "stop_out_mode"),
                    ("free_margin_mode", "skip_fully_hedged", "hedge_larger_leg"),
                    ("negative_balance_protection",),
                )
            },
        ),
        (
            "Trading",
            {
                "fields": (
                    ("execution", "timeout", "ttl", "spread_diff"),
                    ("close_fifo", "hedge_prohibited", "positive_slippage", "swap_free"),
                    ("commission_kind", "commission_amount"),
                    ("agent_commission_kind", "agent_commission_amount"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Group]":
        """Return the groups of this manager's masks."""
        return groups_visible_to(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Sequence[str]:
        """Return what cannot be edited: the name once it is given."""
        return ("name",) if obj else ()

    @admin.display(description="Margin call", ordering="margin_call")
    def shown_margin_call(self, obj: Group) -> Any:
        """Return the margin call."""
        return format_html("{} %", show.price(obj.margin_call))

    @admin.display(description="Stop-out", ordering="stop_out")
    def shown_stop_out(self, obj: Group) -> Any:
        """Return the stop-out with its unit."""
        unit = "%" if obj.stop_out_unit == "percent" else obj.currency
        return format_html("{} {}", show.price(obj.stop_out), unit)

    @admin.display(description="Kill switch")
    def shown_halt(self, obj: Group) -> Any:
        """Return the kill switch where it is turned."""
        return live.halt_of("group", obj.name) or show.EMPTY

    @action(description="Kill switch", icon="power_settings_new", permissions=["act"])
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the group's kill switch."""
        group = found(self, request, object_id)
        now = live.halt_of("group", group.name)
        return act(
            self, request,
            title=f"Kill switch of group {group.name}",
            form=HaltForm(request.POST or None, initial={"level": now or "normal"}),
            run=lambda given: services.set_halt(
                HaltScope.GROUP, group.name, given["level"], actor=request.user.get_username()
            ),
            back=reverse("admin:accounts_group_change", args=[group.name]),
            submit="Turn it",
            about=[("Now", now or "normal")],
        )  # fmt: skip
