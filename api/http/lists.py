"""Pages of long lists, newest first, by the key of the last row: stable while rows are added."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from api.http.errors import invalid
from api.http.fields import text_param, whole_param
from api.http.scope import number_of

MAX_ROWS = 200
USUAL_ROWS = 50
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": USUAL_ROWS}
)
CURSOR = OpenApiParameter(
    "cursor", {"type": "string", "pattern": "^[0-9]{0,18}$"}, description="`next` of the page before."
)


def take_page(
    request: Request,
    rows: QuerySet[Any],
    *,
    key: str = "ticket",
    usual: int = USUAL_ROWS,
    most: int = MAX_ROWS,
) -> tuple[list[Any], str | None]:
    """Return rows of a falling key, from `?cursor=` on, `?limit=` of them, and the cursor of the next page.

    Raises:
        Refused: limit or cursor is malformed.
    """
    limit = whole_param(request, "limit", usual, low=1, high=most)
    cursor = text_param(request, "cursor")
    if cursor:
        last = number_of(cursor)
        if last is None:
            raise invalid("cursor: take it from the page before")
        rows = rows.filter(**{f"{key}__lt": last})
    found = list(rows.order_by(f"-{key}")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return found, str(getattr(found[-1], key)) if more else None


def page(
    request: Request, rows: QuerySet[Any], show: Callable[[Any], dict[str, Any]], *, key: str = "ticket"
) -> dict[str, Any]:
    """Return a page as `{"results", "next"}`.

    Raises:
        Refused: limit or cursor is malformed.
    """
    found, following = take_page(request, rows, key=key)
    return {"results": [show(row) for row in found], "next": following}
