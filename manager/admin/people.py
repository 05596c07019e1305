"""Users, their rights, and which groups a member of staff sees.

Rights are given by superusers alone: whoever could give them could take them all. Other staff with the right to
change users look after clients of their groups and cannot touch users of staff. live/rights.py decides.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseRoleAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.views import ChangeList

from accounts.models import Account, ManagerScope
from live import rights
from manager.admin import show
from manager.admin.base import DeskAdmin
from manager.admin.editing import GuardedAdmin
from manager.admin.proposals import Clash, note

admin.site.unregister(User)
admin.site.unregister(Role)


class ScopeInline(StackedInline):
    """The groups that a member of staff sees."""

    model = ManagerScope
    extra = 0
    verbose_name = "groups that this member of staff sees"
    verbose_name_plural = "groups that this member of staff sees"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form in the words of the trade."""
        return super().get_formset(
            request, obj, labels={"group_masks": "Groups"},
            help_texts={"group_masks": "Masks separated by commas: retail*, !retail-vip*. * is any characters; ! excludes, and wins wherever it stands. Without any: no account is seen."},
            **kwargs,
        )  # fmt: skip


class NamesRows:
    """Tells roles and rights by their names: changes keep their numbers."""

    def said(self, key: str, value: Any) -> str:
        """Return a value of a setting in words."""
        kinds: dict[str, Any] = {"groups": Role, "user_permissions": Permission, "permissions": Permission}
        if key not in kinds or not isinstance(value, list):
            return super().said(key, value)  # type: ignore[misc]
        known = {row.pk: row.name for row in kinds[key].objects.filter(pk__in=value)}
        return ", ".join(known.get(number, f"no longer there ({number})") for number in value) or show.EMPTY


class PeopleChangeList(ChangeList):
    """A page of users, each with those of their accounts that may be seen."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page and its accounts."""
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        logins: dict[int, list[int]] = {}
        owned = Account.objects.filter(user__in=[row.pk for row in self.result_list]).order_by("login")
        for login, user in rights.scoped(request.user, owned).values_list("login", "user"):
            logins.setdefault(user, []).append(login)
        for row in self.result_list:
            row.logins = logins.get(row.pk, [])


@admin.register(User)
class UserAdmin(NamesRows, GuardedAdmin, BaseUserAdmin, DeskAdmin):  # type: ignore[misc]
    """People who can log in. They are made inactive, never deleted: their log of changes would go with them."""

    heading = "Users"
    nothing = "No user matches."
    unexported = ("password",)
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = (ScopeInline,)
    list_display = (
        "username", "shown_name", "email", "shown_kind", "shown_active", "shown_accounts", "shown_login",
    )  # fmt: skip
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_words = (
        "username__icontains",
        "first_name__icontains",
        "last_name__icontains",
        "email__icontains",
    )
    search_help_text = "User name, name or e-mail"
    compressed_fields = True

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Return what cannot be edited: times, and rights for all but superusers."""
        return ("last_login", "date_joined", *rights.closed_fields(request.user, self.kind_of_row))

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        """Write the masks where they were changed, unless they stand otherwise than was seen."""
        seen = self.seen_of(form) if change else None
        if seen is not None:
            kept = [each for each in formsets if self._is_kept(request, form, each, seen)]
            for each in kept:  # the admin's log asks for what was saved of it
                each.new_objects, each.changed_objects, each.deleted_objects = [], [], []
            formsets = [each for each in formsets if each not in kept]
        super().save_related(request, form, formsets, change)

    def _is_kept(self, request: Any, form: Any, formset: Any, seen: dict[str, Any]) -> bool:
        """Return whether the masks stay as they are: they were not touched, or are a clash."""
        if formset.model is not ManagerScope:
            return False
        sent = [
            each.cleaned_data.get("group_masks")
            for each in formset.forms
            if each not in formset.deleted_forms
        ]
        mine = next((masks for masks in sent if masks is not None), None)
        was = seen.get("masks")
        if mine == was:
            return True
        user = form.instance
        now = ManagerScope.objects.select_for_update().filter(user=user).first()
        theirs = now.group_masks if now else None
        if theirs not in (was, mine):
            request.td_clashes = [*request.td_clashes, Clash("masks", mine, theirs, was)]
            transaction.set_rollback(True)
            return True
        note("auth.user", str(user.pk), {"masks": theirs}, {"masks": mine}, request.user.get_username())
        return False

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the filters: those that tell staff apart to those who see staff."""
        return self.list_filter if request.user.is_superuser else ("is_active",)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Return the scope of staff, for superusers."""
        may = rights.may_change(request.user, "accounts.managerscope")
        return self.inlines if may and obj is not None and obj.is_staff else ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that adds accounts."""
        return PeopleChangeList

    @admin.display(description="Name", ordering="last_name")
    def shown_name(self, obj: User) -> str:
        """Return first and last name."""
        return obj.get_full_name() or show.EMPTY

    @admin.display(description="Kind", ordering="is_staff")
    def shown_kind(self, obj: User) -> Any:
        """Return whether it is a client or staff."""
        return (
            show.flag("superuser", "warn")
            if obj.is_superuser
            else show.flag("staff")
            if obj.is_staff
            else "client"
        )

    @admin.display(description="Active", ordering="is_active")
    def shown_active(self, obj: User) -> Any:
        """Return whether they can log in."""
        return "yes" if obj.is_active else show.flag("no", "bad")

    @admin.display(description="Accounts")
    def shown_accounts(self, obj: Any) -> Any:
        """Return their accounts."""
        links = ((reverse("admin:accounts_account_change", args=[login]), login) for login in obj.logins[:10])
        return format_html_join(" ", '<a class="td-link" href="{}">{}</a>', links) or show.EMPTY

    @admin.display(description="Last login", ordering="last_login")
    def shown_login(self, obj: User) -> Any:
        """Return when they logged in last."""
        return show.time(obj.last_login)


@admin.register(Role)
class RoleAdmin(NamesRows, GuardedAdmin, BaseRoleAdmin, DeskAdmin):  # type: ignore[misc]
    """Sets of rights, which superusers alone make and change."""

    heading = "Roles"
    nothing = "No role yet: a role is a set of rights that several members of staff share."
    search_words = ("name__icontains",)
    search_help_text = "Name"
