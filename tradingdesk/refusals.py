"""What is answered before Django is asked: a status, a code and a sentence in the form of the address that was meant.

Below /api/ that is the form of every error of the doors, below the plain trade addresses theirs, else a short page.
Promises: no answer costs more than a few microseconds or repeats anything that the caller sent.
"""

import json
import math
from functools import cache

from django.template import loader

from api.http.errors import Refused, plain_body

API = "/api/"
PLAIN_ADDRESSES = ("/api/v1/trade/", "/api/v1/balance", "/api/v1/assets")
PAGE = "<!doctype html><html lang=en><meta charset=utf-8><title>{status} {title}</title><h1>{title}</h1><p>{message}</p>"
TITLES = {
    400: "Bad request", 404: "Not found", 408: "Too slow", 413: "Too large", 429: "Too many requests",
    431: "Headers too large", 503: "Busy",
}  # fmt: skip
PHRASES = {408: "Request Timeout", 413: "Content Too Large", 431: "Request Header Fields Too Large"}

Headers = list[tuple[bytes, bytes]]


def refusal(
    path: str, status: int, code: str, message: str, *, wait_s: float = 0.0
) -> tuple[int, Headers, bytes]:
    """Return status, headers and body; `wait_s` above 0 is told as Retry-After, in whole seconds."""
    if path.startswith(API):
        refused = Refused(code, message)
        plain = path.startswith(PLAIN_ADDRESSES)
        said = plain_body(refused) if plain else refused.body()
        kind, body = b"application/json", json.dumps(said).encode()
    else:
        page = PAGE.format(status=status, title=TITLES[status], message=message)
        kind, body = b"text/html; charset=utf-8", page.encode()
    headers = [
        (b"Content-Type", kind),
        (b"Content-Length", str(len(body)).encode()),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    ]
    if wait_s > 0:
        headers.append((b"Retry-After", str(max(1, math.ceil(wait_s))).encode()))
    return status, headers, body


def missing(path: str) -> tuple[int, Headers, bytes]:
    """Return the answer to an address that does not exist."""
    if path.startswith(API):
        return refusal(path, 404, "not_found", "There is nothing at this address.")
    body = _missing_page()
    return 404, [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Content-Security-Policy", b"default-src 'self'; frame-ancestors 'none'"),
    ], body  # fmt: skip


@cache
def _missing_page() -> bytes:
    return loader.get_template("404.html").render().encode()


def as_bytes(answer: tuple[int, Headers, bytes]) -> bytes:
    """Return the answer as it goes over a connection that ends with it."""
    status, headers, body = answer
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, TITLES[status])}".encode()]
    lines += [name + b": " + value for name, value in [*headers, (b"Connection", b"close")]]
    return b"\r\n".join([*lines, b"", body])
