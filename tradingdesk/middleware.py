"""The content security policy of each face, that nobody keeps the API's answers, and the page of who is locked out.

The portal and the API get the strict policy of the settings. The admin's theme evaluates
expressions and sets inline styles, so /admin/ gets a policy of its own; the pages of the API
documentation start from an inline script and get a third. Nothing else is loosened.
"""

from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from credentials.limits import TooManyAttempts
from portal.views import locked_out

LOOSER: dict[str, dict[str, list[str]]] = {
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE], "style-src": [SELF, UNSAFE_INLINE]},
    "/api/v1/docs": {"script-src": [SELF, UNSAFE_INLINE], "style-src": [SELF, UNSAFE_INLINE]},
}


class FacePolicyMiddleware(CSPMiddleware):
    """Set the policy by the beginning of the path."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with its policy; what the API tells is of one caller and one moment."""
        if request.path_info.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Return the settings' policy with the directives replaced that this face needs looser."""
        parts = super().get_policy_parts(request, response, report_only)
        for prefix, directives in LOOSER.items():
            if request.path_info.startswith(prefix):
                parts.replace = {**(parts.replace or {}), **directives}
        return parts


class LockedOutMiddleware(MiddlewareMixin):
    """Answer a page's form whose password was not looked at; REST says it in its own form."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        """Return the page that says how long to wait, for that exception alone."""
        if isinstance(exception, TooManyAttempts):
            return locked_out(request, exception.wait)
        return None
