"""The one reading of symbol names in the API: a name in any case, or a base currency such as `btc`."""

from rest_framework.request import Request

from api.http.errors import invalid
from api.http.fields import text_param
from markets.models import Symbol

MAX_NAME_CHARS = 32

# Full names that were found once. Symbols are neither deleted nor renamed, so that such a name stays one, and an order
# that gives it waits for no table that others read.
_known: set[str] = set()


def symbol_named(text: str) -> Symbol | None:
    """Return the symbol that a client means, None where it is none; of several of a base currency the first in the list."""
    name = text.strip().upper()
    if not name or len(name) > MAX_NAME_CHARS or "\0" in name:
        return None
    rows = Symbol.objects.order_by("position", "name")
    for field in ("name__iexact", "base_currency__iexact"):
        found = rows.filter(**{field: name}).first()
        if found is not None:
            return found
    return None


def symbol_name(text: str) -> str:
    """Return the full name of the symbol that a body means, the text itself where it is none: the engine refuses it."""
    if text in _known:
        return text
    found = symbol_named(text)
    if found is None:
        return text
    _known.add(str(found.name))
    return str(found.name)


def symbol_param(request: Request, name: str = "symbol") -> str:
    """Return the full name of the symbol that a parameter of the address means, "" where it is left out.

    Raises:
        Refused: there is no such symbol: an empty list would say that nothing was done in it.
    """
    text = text_param(request, name)
    if not text:
        return ""
    found = symbol_named(text)
    if found is None:
        raise invalid(f"{name}: there is no symbol {text!a}")
    return str(found.name)
