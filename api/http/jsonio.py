"""JSON in and out without floats.

`StrictParser` reads bodies of at most 64 KiB: numbers become int or Decimal, and what no field can mean (NaN,
lone surrogates, NUL characters, names given twice, nesting beyond 20, numbers beyond 40 digits) is refused
as a malformed request. `ExactRenderer` writes a Decimal as the JSON number with the same digits and a time as ISO 8601 with
milliseconds. Neither knows what a field means.
"""

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from rest_framework.exceptions import NotAcceptable, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from dealing.columns import iso, storable

MAX_BODY_BYTES = 65_536
MAX_DEPTH = 20
MAX_NUMBER_CHARS = 40


class StrictParser(BaseParser):
    """Read application/json."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the body's value.

        Raises:
            ParseError: it is not JSON that a field can mean.
            RequestDataTooBig: it has more than 64 KiB.
        """
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise RequestDataTooBig(f"more than {MAX_BODY_BYTES} bytes")
        return loads(raw)


def loads(raw: bytes | str) -> Any:
    """Return the value of JSON text.

    Raises:
        ParseError: it is not JSON that a field can mean.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(
            text, parse_float=_number, parse_int=_number, parse_constant=_constant, object_pairs_hook=_object
        )
        _judge(value, 0)
    except RecursionError:
        raise ParseError("The body is nested too deeply.") from None
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}") from None
    return value


def _number(text: str) -> int | Decimal:
    if len(text) > MAX_NUMBER_CHARS:
        raise ValueError(f"a number of {len(text)} characters")
    if not any(sign in text for sign in ".eE"):
        return int(text)
    try:
        value = Decimal(text)
    except InvalidOperation:  # an exponent of more digits than any decimal has; it is no ValueError
        raise ValueError(f"the number {text} is out of range") from None
    if abs(value.adjusted()) > MAX_NUMBER_CHARS:
        raise ValueError(f"the number {text} is out of range")
    return value


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _judge(value: Any, depth: int) -> None:
    """Raise ValueError at text that a database cannot hold, or nesting that no request needs."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        if not storable(value):
            raise ValueError("a text holds a NUL character or half a character")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _judge(key, depth + 1)
            _judge(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _judge(inner, depth + 1)


class ExactRenderer(JSONRenderer):
    """Write application/json without floats."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        """Return the body; nothing for None."""
        return b"" if data is None else dumps(data).encode()


class AlwaysJson(DefaultContentNegotiation):
    """Answer JSON whatever the caller says it accepts: every answer of the API is JSON, errors too."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the renderer that fits, else the first one."""
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except (Http404, NotAcceptable):
            return renderers[0], renderers[0].media_type


class _Exact(Exception):
    """A value that the standard writer would not write exactly was met."""


def _unknown(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Decimal):
        raise _Exact
    return str(value)  # lazily translated messages of the framework


def dumps(value: Any) -> str:
    """Return JSON text; a Decimal becomes the number with its own digits."""
    try:
        return json.dumps(value, default=_unknown, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except _Exact:
        return _exact(value)


def _exact(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(k))}:{_exact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_exact, value)) + "]"
    return json.dumps(value, default=_unknown, ensure_ascii=False, allow_nan=False)
