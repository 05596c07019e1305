"""Parameters of an address: what its document names may be given, anything else is refused.

A parameter that is misspelt would be left out silently, and its sender would believe in it: a list without its filter, or
the first account for the one that was meant. What an address takes is what `extend_schema` declares for it, so that
document and door cannot differ; `account` is taken everywhere.
"""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from api.http.errors import invalid

ALWAYS = frozenset({"account"})

_known: dict[tuple[type, str], frozenset[str]] = {}


class KnownParameters(BasePermission):
    """Refuse parameters of the address that it does not know, once its caller is known."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True.

        Raises:
            Refused: a parameter is unknown, or stands twice.
        """
        known = known_parameters(view, str(request.method).lower())
        if known is None:
            return True
        for name, values in request.query_params.lists():
            if name not in known:
                raise invalid(
                    f"{name[:64]}: unknown parameter; this address takes {', '.join(sorted(known))}"
                )
            if len(values) > 1:
                raise invalid(f"{name}: it stands {len(values)} times")
        return True


def known_parameters(view: Any, method: str) -> frozenset[str] | None:
    """Return the names that a method of a view takes in its address, None where it declares nothing at all."""
    handler = getattr(view, method, None)
    declared = getattr(handler, "kwargs", {}).get("schema")
    if declared is None or type(view).__module__.startswith("drf_spectacular"):
        return None
    key = (type(view), method)
    if key not in _known:
        schema = declared()
        schema.view = view
        named = (one.name for one in schema.get_override_parameters() if one.location == "query")
        _known[key] = ALWAYS | frozenset(named)
    return _known[key]
