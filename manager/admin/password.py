"""How staff change their own password: the theme's form, its old password checked as at every other door."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm

from credentials.forms import LimitedOldPassword, TellsAddress


class OwnPasswordForm(LimitedOldPassword, AdminOwnPasswordChangeForm):
    """Old password and the new one twice."""


class OwnPasswordView(TellsAddress, PasswordChangeView):
    """The page at /admin/password_change/."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_template_names(self) -> list[str]:
        """Return the admin's page."""
        return [admin.site.password_change_template or "registration/password_change_form.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the page with what every page of the admin shows."""
        return {**super().get_context_data(**kwargs), **admin.site.each_context(self.request)}
