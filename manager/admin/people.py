"""Users, their rights, and which groups a member of staff sees."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseRoleAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import ManagerScope

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
    verbose_name_plural = "scope"


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    """People who can log in. They are made inactive, never deleted: their log of changes would go with them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = (ScopeInline,)
    list_display = ("username", "first_name", "last_name", "email", "is_staff", "is_active", "last_login")
    list_per_page = 50
    compressed_fields = True

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return False: the log of what a member of staff changed hangs on their row."""
        return False


@admin.register(Role)
class RoleAdmin(BaseRoleAdmin, ModelAdmin):
    """Sets of rights."""
