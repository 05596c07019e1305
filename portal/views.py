"""The client's pages: the terminal, and getting in and out of it.

The terminal is one page; its data come through the REST API and the WebSocket with the session's
cookie, so that the page itself decides nothing about trading. Promises: no page but the login is
shown to anybody who is not logged in, and none of them is kept by a cache.
"""

from http import HTTPStatus
from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView, PasswordChangeDoneView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.generic import TemplateView

from credentials.forms import TellsAddress
from engine.order_types import OrderType
from portal.forms import ClientLoginForm, ClientPasswordForm

SECONDS_A_MINUTE = 60


@method_decorator([never_cache, ensure_csrf_cookie], name="dispatch")
class TerminalView(LoginRequiredMixin, TemplateView):
    """The trading terminal; its script reads the CSRF cookie for every request it makes."""

    template_name = "portal/terminal.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return whose terminal it is and which types orders have; everything else is asked by the page."""
        return super().get_context_data(
            user_name=self.request.user.get_username(),
            order_types=[row.as_facts() for row in OrderType],
            **kwargs,
        )


class ClientLoginView(LoginView):
    """Log in with a session; who is logged in already goes to the terminal."""

    template_name = "portal/login.html"
    authentication_form = ClientLoginForm
    redirect_authenticated_user = True


@method_decorator(never_cache, name="dispatch")
class PasswordView(TellsAddress, PasswordChangeView):
    """Change one's own password; other sessions of the user end with it."""

    template_name = "portal/password.html"
    form_class = ClientPasswordForm
    success_url = reverse_lazy("portal:password-done")


class PasswordDoneView(PasswordChangeDoneView):
    """Say that the password was changed."""

    template_name = "portal/password_done.html"


def locked_out(request: HttpRequest, wait_s: int) -> HttpResponse:
    """Return the page for somebody whose passwords were wrong too often, with how long to wait."""
    shown = {"minutes": -(-wait_s // SECONDS_A_MINUTE), "back": request.path}
    page = render(request, "portal/locked.html", shown, status=HTTPStatus.TOO_MANY_REQUESTS)
    page["Retry-After"] = str(wait_s)
    page["Cache-Control"] = "no-store"
    return page
