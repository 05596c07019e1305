"""What a page of the admin sends when it renews itself: the pieces that changed, not the page.

The page asks for its own address with `X-Renew`, and names in `X-Known` the marks of the pieces that it has. Parts that
renew themselves stand between `<!--live:NAME-->` and `<!--/live:NAME-->`; a part is cut before every row of a list
and every panel of a record. Promises: pieces put together are the part as the page would have it; a piece that the
page names is sent by its mark alone; an answer that is no page, a refusal or a redirect goes through as it is.
It saves what travels, not what is computed.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

_PART = re.compile(r"<!--live:([a-z]+)-->(.*?)<!--/live:\1-->", re.DOTALL)
_CUT = re.compile(r"(?=<tbody|<section|<a class=\"td-card)")
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_SAID = re.compile(r'<div class="py-4 td-said">(.*?)</div>', re.DOTALL)
_HEADING = re.compile(r'<h1 class="td-heading">(.*?)</h1>', re.DOTALL)
MOST_MARKS = 400


def mark_of(piece: str) -> str:
    """Return a short name of what a piece holds."""
    return blake2b(piece.encode("utf-8", "replace"), digest_size=9).hexdigest()


def parts_of(text: str, known: set[str]) -> dict[str, list[tuple[str, str | None]]]:
    """Return the parts of a page in pieces: each with its mark, and its text where the page has it not."""
    parts: dict[str, list[tuple[str, str | None]]] = {}
    for name, inner in _PART.findall(text):
        sent = set(known)
        pieces: list[tuple[str, str | None]] = []
        for piece in _CUT.split(inner):
            mark = mark_of(piece)
            pieces.append((mark, None if mark in sent else piece))
            sent.add(mark)
        parts[name] = pieces
    return parts


def _plain(found: "re.Match[str] | None") -> str:
    return "" if found is None else " ".join(re.sub(r"<[^>]*>", "", found[1]).split())


class RenewalMiddleware:
    """Cuts the pages of those who only renew them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer, in pieces where that is wanted."""
        response = self.get_response(request)
        wanted = request.method == "GET" and "X-Renew" in request.headers
        is_page = isinstance(response, HttpResponse) and response.status_code == 200
        if not (wanted and is_page and response.headers.get("Content-Type", "").startswith("text/html")):
            return response
        text = response.content.decode(response.charset or "utf-8")  # type: ignore[attr-defined]
        known = set(request.headers.get("X-Known", "").split(".")[:MOST_MARKS])
        told: dict[str, Any] = {
            "parts": parts_of(text, known),
            "title": _plain(_TITLE.search(text)),
            "heading": heading[1] if (heading := _HEADING.search(text)) else "",
            "said": _plain(_SAID.search(text)),
        }
        pieces = JsonResponse(told)
        pieces["Cache-Control"] = "no-store"
        for name in ("Vary", "Content-Security-Policy"):
            if name in response.headers:
                pieces[name] = response.headers[name]
        pieces.cookies = response.cookies
        return pieces
