"""Pages of long lists, newest first, by the key of the last row: stable while rows are added."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request

from doors.errors import invalid
from doors.fields import text_param, whole_param
from doors.scope import number_of

MAX_ROWS = 200
USUAL_ROWS = 50


def page(
    request: Request,
    rows: QuerySet[Any],
    show: Callable[[Any], dict[str, Any]],
    *,
    key: str = "ticket",
    usual: int = USUAL_ROWS,
    most: int = MAX_ROWS,
) -> dict[str, Any]:
    """Return `{"results", "next"}`: rows of a falling key, from `?cursor=` on, `?limit=` of them.

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
    return {"results": [show(row) for row in found], "next": str(getattr(found[-1], key)) if more else None}
