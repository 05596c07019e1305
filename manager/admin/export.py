"""Lists as CSV files: what is filtered and searched on the page, every column of the rows, no formulas.

A spreadsheet takes a cell that begins with = + - @ for a formula. Text comes from clients, so such text gets an
apostrophe before it; numbers stay numbers. A list longer than `LIMIT` is refused, not cut.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone

LIMIT = 200_000
CHUNK = 2_000
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> Any:
    """Return what a cell holds: text that a spreadsheet would run is made plain text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(DANGEROUS) else text


class Exporting:
    """Gives a list its CSV file. Whoever may see the list may have it: the same rows, no others."""

    #: Columns that are left out: the desk's own bookkeeping.
    unexported: tuple[str, ...] = ("gen", "digits")

    def exported(self, rows: Any) -> Iterator[list[Any]]:
        """Return the headers and then the rows, column by column as the database has them."""
        fields = [f for f in rows.model._meta.concrete_fields if f.name not in self.unexported]
        yield [f.attname for f in fields]
        for values in rows.values_list(*(f.attname for f in fields)).iterator(chunk_size=CHUNK):
            yield list(values)

    def get_urls(self: Any) -> list[Any]:
        """Return the addresses of the lists with that of the file, which keeps the list's query."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/", self.admin_site.admin_view(self.csv), name=name), *super().get_urls()]  # type: ignore[misc]

    def csv(self: Any, request: HttpRequest) -> HttpResponse:
        """Return the list as it is filtered as a file.

        Raises:
            PermissionDenied: this member of staff may not see the list.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        try:
            if any("\x00" in value for _, values in request.GET.lists() for value in values):
                raise IncorrectLookupParameters
            rows = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            messages.error(request, "The address names a filter that does not exist.")
            return HttpResponseRedirect(back)
        if rows.order_by()[: LIMIT + 1].count() > LIMIT:
            messages.error(
                request, f"More than {LIMIT:,} rows: narrow the list by a filter or a search first."
            )
            return HttpResponseRedirect(f"{back}?{request.GET.urlencode()}")
        text = io.StringIO()
        writer = csv.writer(text)
        for line in self.exported(rows):
            writer.writerow([cell(value) for value in line])
        name = self.heading.lower().replace(" ", "-").replace("'", "")
        # The mark at the beginning makes spreadsheets read UTF-8.
        answer = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y%m%d-%H%M%S}.csv"'
        return answer
