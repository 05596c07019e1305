"""Lists as CSV files: what is filtered and searched on the page, every column of the rows, no formulas.

A spreadsheet takes a cell that begins with = + - @ for a formula, full-width ones and ones behind signs that are not
seen included, and where its separator is another one than ours a cell begins inside of a text. Text comes from
clients, so an apostrophe is put before whatever a formula could begin with, and every text is quoted; numbers stay
numbers. A file is made row by row while it is sent, from one snapshot, so that it may have any length.
It does not wait for a reader: how much of an answer waits in the server is for the server to say.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils import timezone

from manager.admin.streams import streamed

CHUNK = 2_000
#: Files that one process makes at a time: each keeps a connection of its own for as long as it takes.
AT_ONCE = 3
_making = threading.BoundedSemaphore(AT_ONCE)
#: What spreadsheets of some country or setting take for the end of a cell.
_SEPARATORS = re.compile(r"([;,\t|\r\n\v\f\x1c-\x1f\x85\u2028\u2029])")
_BEGINS = frozenset("=+-@\u2212")
#: Signs that a cell may begin with and that nobody sees; quotes are taken off by whoever reads the file.
_UNSEEN = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Co", "Cn"))
#: Blank by looks, a letter by its class.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def _begins_formula(piece: str) -> bool:
    """Return whether a spreadsheet that reads this as a cell could take it for a formula."""
    for sign in piece:
        if sign == '"' or sign in _BLANK or unicodedata.category(sign) in _UNSEEN:
            continue
        plain = unicodedata.normalize("NFKC", sign)[:1]
        if plain.isspace():
            continue
        return plain in _BEGINS
    return False


def plain_text(text: str) -> str:
    """Return a text in which no cell begins as a formula, whatever ends a cell."""
    head = len(text) - len(text.lstrip(" \t\r\n"))
    pieces = _SEPARATORS.split(text[head:])
    # Every second piece is a separator.
    safe = "".join(
        f"'{piece}" if number and number % 2 == 0 and _begins_formula(piece) else piece
        for number, piece in enumerate(pieces)
    )
    is_risky = _begins_formula(pieces[0]) or text[:1] in ("\t", "\r", "\n")
    return ("'" if is_risky else "") + text[:head] + safe


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
    return plain_text(str(value))


def _field(value: Any) -> str:
    """Return a cell as it stands in the file: numbers bare, all else in quotes."""
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    text = str(cell(value))
    return text if is_number else '"' + text.replace('"', '""') + '"'


def file_pieces(lines: Iterable[list[Any]], *, rows: int = 200) -> Iterator[bytes]:
    """Return a CSV file in pieces of so many rows; the mark at its beginning makes spreadsheets read UTF-8."""
    text = "\ufeff"
    for number, line in enumerate(lines, 1):
        text += ",".join(map(_field, line)) + "\r\n"
        if number % rows == 0:
            yield text.encode("utf-8", "replace")
            text = ""
    if text:
        yield text.encode("utf-8", "replace")


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

    def csv(self: Any, request: HttpRequest) -> HttpResponseBase:
        """Return the list as it is filtered as a file, sent while it is made.

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
            rows.order_by()[:1].exists()  # a filter that no row can answer is told here, not in the file
        except IncorrectLookupParameters:
            messages.error(request, "The address names a filter that does not exist.")
            return HttpResponseRedirect(back)
        if request.method == "HEAD":
            return HttpResponse(content_type="text/csv; charset=utf-8")
        if self._is_busy():
            messages.error(request, f"{AT_ONCE} files are being made already: try again in a minute.")
            return HttpResponseRedirect(f"{back}?{request.GET.urlencode()}")
        name = self.heading.lower().replace(" ", "-").replace("'", "")
        answer = streamed(request, lambda: self._pieces(rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y%m%d-%H%M%S}.csv"'
        answer["X-Accel-Buffering"] = "no"
        return answer

    def _pieces(self: Any, rows: Any) -> Iterator[bytes]:
        # A cursor of the server's needs a transaction; so all of the file is of one moment.
        with _making, transaction.atomic():
            yield from file_pieces(self.exported(rows))

    def _is_busy(self) -> bool:
        """Return whether as many files are being made as may be; one that begins just now waits for its turn."""
        if not _making.acquire(blocking=False):
            return True
        _making.release()
        return False
