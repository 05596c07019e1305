"""Users, their rights, and which groups a member of staff sees.

Rights are given by superusers alone: whoever could give them could take them all. Other staff with the right to
change users look after clients' users and cannot touch those of staff.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseRoleAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import Account, ManagerScope
from manager.admin import show
from manager.admin.base import DeskAdmin, LiveChangeList

admin.site.unregister(User)
admin.site.unregister(Role)
# Rows of libraries that are nobody's business here.
for model in [m for m in admin.site._registry if m._meta.app_label in ("token_blacklist", "axes")]:
    admin.site.unregister(model)


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
            help_texts={"group_masks": "Masks separated by commas, such as retail*, pro. Without any: no account is seen."},
            **kwargs,
        )  # fmt: skip


@admin.register(User)
class UserAdmin(BaseUserAdmin, DeskAdmin):  # type: ignore[misc]
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
    #: What only a superuser gives.
    RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Return what cannot be edited: times, and rights for all but superusers."""
        times = ("last_login", "date_joined")
        return times if request.user.is_superuser else (*times, *self.RIGHTS)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Return the scope of staff, for superusers."""
        return self.inlines if request.user.is_superuser and obj is not None and obj.is_staff else ()

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether this user may be changed: staff by superusers only, the password included."""
        if obj is not None and (obj.is_staff or obj.is_superuser) and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the log of what a member of staff changed hangs on their row."""
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the users: to those who are no superusers, only clients' users and themselves."""
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(is_staff=False, is_superuser=False) | rows.filter(pk=request.user.pk)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that adds accounts."""
        return LiveChangeList

    def add_live(self, rows: Any) -> None:
        """Give each user the logins of their accounts."""
        logins: dict[int, list[int]] = {}
        found = Account.objects.filter(user__in=[row.pk for row in rows]).order_by("login")
        for login, user in found.values_list("login", "user"):
            logins.setdefault(user, []).append(login)
        for row in rows:
            row.logins = logins.get(row.pk, [])

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
class RoleAdmin(BaseRoleAdmin, DeskAdmin):  # type: ignore[misc]
    """Sets of rights, which superusers alone make and change."""

    heading = "Roles"
    nothing = "No role yet: a role is a set of rights that several members of staff share."
    search_words = ("name__icontains",)
    search_help_text = "Name"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may make roles."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may change roles."""
        return bool(request.user.is_superuser)
