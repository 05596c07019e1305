"""Request bodies: serializers that refuse what they do not know, and fields that keep numbers exact.

Promises: a number is decimal text on its way to the journal, never a float; whether it is a good number is
for the engine to say, in its order of codes. The fields check types and sizes only.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from api.http.errors import Refused, invalid
from api.http.jsonio import MAX_NUMBER_CHARS
from api.http.scope import MAX_NUMBER, number_of
from dealing.caller import Caller
from dealing.columns import EPOCH, storable
from engine.codes import Code
from engine.commands import NO_LEVEL
from engine.enums import By
from engine.settings import LAST_MS

MAX_TEXT_CHARS = 64
_FURTHEST = timedelta(milliseconds=LAST_MS)  # from 1970, forward; there is less before it
FIRST_TIME_MS = 100_000_000_000  # of 1973; a smaller number is a time in seconds
_PLAIN = re.compile(r"[+-]?[0-9]*\.?[0-9]*")
_EXPONENT = re.compile(r"[+-]?[0-9.]+[eE][+-]?[0-9]{1,3}")
_LIKE_EXPONENT = re.compile(r"[^a-zA-Z]*[eE][^a-zA-Z]*")
_LIKE_DATE = re.compile(r"[+-]?[0-9]{4,20}-?[0-9]{2}-?[0-9]{2}([T ].{0,40})?")
_CLIENT_ID = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,62}[\x21-\x7e]|[\x21-\x7e]")


class StrictSerializer(serializers.Serializer[Any]):
    """A body whose unknown fields are refused by name."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values of the fields that were given.

        Raises:
            ValidationError: not an object, an unknown field, or a field of another type.
        """
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": ["a JSON object is needed"]})
        for key in data:
            if key not in self.fields:
                raise serializers.ValidationError({str(key)[:MAX_TEXT_CHARS]: ["unknown field"]})
        return super().to_internal_value(data)


@extend_schema_field(
    {"oneOf": [{"type": "string", "format": "decimal", "pattern": "^-?[0-9]{1,25}([.][0-9]{1,25})?$"},
               {"type": "number"}]}
)  # fmt: skip
class DecimalText(serializers.Field[Any, Any, Any, Any]):
    """A price, volume, rate or amount: decimal text or a JSON number, kept digit by digit."""

    def to_internal_value(self, data: Any) -> str:
        """Return decimal text.

        Raises:
            ValidationError: another type, or longer than any number of ours.
        """
        if isinstance(data, bool) or not isinstance(data, (str, int, Decimal)):
            raise serializers.ValidationError("a decimal number is needed")
        text = f"{data:f}" if isinstance(data, Decimal) else str(data).strip()
        if not text or len(text) > MAX_NUMBER_CHARS * 2 or not storable(text):
            raise serializers.ValidationError("a decimal number is needed")
        if text == NO_LEVEL:  # the engine's own word for a deletion: null says it here
            raise serializers.ValidationError("a decimal number is needed, or null for none")
        if _PLAIN.fullmatch(text):
            return text
        return _without_exponent(text)

    def to_representation(self, value: Any) -> str:
        """Return the text."""
        return str(value)


def _without_exponent(text: str) -> str:
    """Return 1e-5 as 0.00001; words as they are, for the engine to refuse with its own code.

    Raises:
        ValidationError: an exponent beyond any number of ours, which would cost more than it says.
    """
    if _LIKE_EXPONENT.fullmatch(text) is None:
        return text
    try:
        value = Decimal(text if _EXPONENT.fullmatch(text) else "NaN")
    except InvalidOperation:
        raise serializers.ValidationError("a decimal number is needed") from None
    if not value.is_finite() or abs(value.adjusted()) > MAX_NUMBER_CHARS:
        raise serializers.ValidationError("the number is out of range")
    return f"{value:f}"


@extend_schema_field(OpenApiTypes.STR)
class Expires(serializers.Field[Any, Any, Any, Any]):
    """When a pending order ends: "gtc", "day", or a time, ISO 8601 with its zone."""

    def to_internal_value(self, data: Any) -> str | int:
        """Return the word, or the time in ms.

        Raises:
            Refused: it is written like a time, and no order can expire then.
            ValidationError: it is neither.
        """
        if data in ("gtc", "day"):
            return str(data)
        try:
            instant = datetime.fromisoformat(data)
        except (TypeError, ValueError):
            instant = None
        if instant is None and isinstance(data, str) and _LIKE_DATE.fullmatch(data):
            raise Refused(
                Code.INVALID_EXPIRATION, f"expires: {data!a} is no date from 1970 to 31 December 9998"
            )
        if instant is None or instant.tzinfo is None:
            raise serializers.ValidationError('"gtc", "day" or a time such as 2026-01-31T12:00:00Z is needed')
        time_ms = (instant - EPOCH) // timedelta(milliseconds=1)
        if not 0 < time_ms <= LAST_MS:
            raise Refused(Code.INVALID_EXPIRATION, f"expires: {data!a} is not from 1970 to 31 December 9998")
        return time_ms

    def to_representation(self, value: Any) -> str:
        """Return the text."""
        return str(value)


@extend_schema_field({"type": "integer", "format": "int64", "minimum": 1})
class Number(serializers.Field[Any, Any, Any, Any]):
    """A login, ticket or id: a whole number above 0, or its digits."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number.

        Raises:
            ValidationError: it is none.
        """
        number = number_of(data)
        if number is None:
            raise serializers.ValidationError("a whole number above 0 is needed")
        return number

    def to_representation(self, value: Any) -> int:
        """Return the number."""
        return int(value)


class Whole(serializers.IntegerField):
    """A whole number, not its digits as text and not true or false."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -MAX_NUMBER)
        kwargs.setdefault("max_value", MAX_NUMBER)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Return the number.

        Raises:
            ValidationError: it is none.
        """
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("a whole number is needed")
        return data


@extend_schema_field(OpenApiTypes.BOOL)
class Flag(serializers.Field[Any, Any, Any, Any]):
    """true or false, not a word or a number for one."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the flag.

        Raises:
            ValidationError: it is none.
        """
        if not isinstance(data, bool):
            raise serializers.ValidationError("true or false is needed")
        return data

    def to_representation(self, value: Any) -> bool:
        """Return the flag."""
        return bool(value)


class Text(serializers.CharField):
    """A short text; numbers are not taken for one."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_TEXT_CHARS)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the text.

        Raises:
            ValidationError: it is none.
        """
        if not isinstance(data, str):
            raise serializers.ValidationError("a text is needed")
        return str(super().to_internal_value(data))


class ClientId(Text):
    """A caller's own key of a request, taken as it stands: " a" trimmed would be the key "a", another's. `client_id_of` judges it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class Word(Text):
    """One of some words."""

    def __init__(self, words: Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = [str(one) for one in words]
        self._spectacular_annotation = {"field": {"type": "string", "enum": self.words}}

    def to_internal_value(self, data: Any) -> str:
        """Return the word.

        Raises:
            ValidationError: it is another.
        """
        text = super().to_internal_value(data)
        if text not in self.words:
            raise serializers.ValidationError(f"{text!a} is none of {', '.join(self.words)}")
        return text


def read(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the checked body.

    Raises:
        ValidationError: it is not what the serializer describes.
    """
    try:
        return dict(_kept(serializer).run_validation(data))
    except serializers.ValidationError:
        serializer(data=data).is_valid(
            raise_exception=True
        )  # says what was found in the serializer's own form
        raise


@cache
def _kept(serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return a serializer without data: checking keeps nothing in it, and a new one copies all its fields."""
    return serializer()


def body_of(request: Request) -> Any:
    """Return the body of a request that may come without one; null is none, anything else is for `read` to judge."""
    return {} if request.data is None else request.data


def levels_of(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those of these levels that a body names, as the engine takes them; null takes one away (§3.13)."""
    return {name: NO_LEVEL if body[name] is None else str(body[name]) for name in names if name in body}


def client_id_of(request: Request, body: Mapping[str, Any]) -> str:
    """Return the caller's own key of this request, "" for none: body `client_id` or header `Idempotency-Key`.

    Raises:
        Refused: both are given and differ, or it is not 1 to 64 printable ASCII characters.
    """
    header = request.headers.get("Idempotency-Key")
    named = body.get("client_id")
    if header is not None and named is not None and header != named:
        raise invalid("Idempotency-Key and client_id differ.")
    key = header if named is None else named
    if key is None:
        return ""
    # An empty key is refused too: who sends one believes that the request may be repeated.
    if not _CLIENT_ID.fullmatch(key):
        raise invalid("client_id: 1 to 64 printable ASCII characters are needed")
    return str(key)


def caller_of(request: Request, body: Mapping[str, Any]) -> Caller:
    """Return who asks for what a body holds, as the services take it.

    Raises:
        Refused: its client id is none, or there are two of them.
    """
    return Caller(
        by=By.CLIENT,
        actor=str(request.user.get_username()),
        comment=body.get("comment", ""),
        client_id=client_id_of(request, body),
    )


def word(text: str, words: Any, name: str) -> str:
    """Return a text of a body that must be one of these words.

    Raises:
        Refused: it is another.
    """
    if text not in list(words):
        raise invalid(f"{name}: {text!a} is none of {', '.join(words)}")
    return text


def number_param(request: Request, name: str) -> int | None:
    """Return the ticket that a parameter of the address names, None where it is left out.

    Raises:
        Refused: it names none; a list without rows would say that nothing is there.
    """
    text = text_param(request, name)
    if not text:
        return None
    number = number_of(text)
    if number is None:
        raise invalid(f"{name}: {text!a} is no ticket; a whole number above 0 is needed")
    return number


def text_param(request: Request, name: str, default: str = "") -> str:
    """Return a parameter of the address.

    Raises:
        Refused: it is longer than any of ours, or holds what no row can.
    """
    text = str(request.query_params.get(name, default))
    if len(text) > MAX_TEXT_CHARS or not storable(text):
        raise invalid(f"{name}: at most {MAX_TEXT_CHARS} characters of text are needed")
    return text


def instant_param(request: Request, name: str) -> datetime | None:
    """Return the time that a parameter of the address names, in ms or ISO 8601; None where it is left out.

    Raises:
        Refused: it names none.
    """
    text = text_param(request, name)
    if not text:
        return None
    if text.isascii() and text.isdigit():
        _require_ms(name, text)
        return EPOCH + timedelta(milliseconds=int(text))
    try:
        instant = datetime.fromisoformat(text.replace(" ", "+"))  # a + of an address arrives as a space
    except ValueError:
        instant = None
    if instant is not None and instant.tzinfo is not None and abs(instant - EPOCH) > _FURTHEST:
        raise invalid(f"{name}: a time before 31 December 9998 is needed")
    if instant is None or instant.tzinfo is None:
        raise invalid(f"{name}: a time such as 2026-01-31T12:00:00Z, or ms, is needed")
    # In UTC: a database refuses zones that Python takes. Nothing of ours is older than 1970.
    return EPOCH + max(instant - EPOCH, timedelta(0))


def span_params(request: Request) -> tuple[datetime | None, datetime | None]:
    """Return the times that `since` and `until` name; None where one is left out.

    Raises:
        Refused: one names no time, or nothing lies between them: the two were mixed up.
    """
    since, until = instant_param(request, "since"), instant_param(request, "until")
    if since is not None and until is not None and until <= since:
        raise invalid(
            f"until: {until.isoformat()} is not after since, {since.isoformat()}; nothing lies between"
        )
    return since, until


def _require_ms(name: str, text: str) -> None:
    """Refuse a whole number that is a time in another unit than ms: it would name a day of 1970, or none at all."""
    if text == "0" or FIRST_TIME_MS <= int(text) <= LAST_MS:
        return
    unit = "seconds" if int(text) < FIRST_TIME_MS else "microseconds or nanoseconds"
    raise invalid(f"{name}: {text} looks like {unit}; ms are needed, such as 1769860800000, or ISO 8601")


def word_param(request: Request, name: str, words: Any, default: str = "") -> str:
    """Return a parameter of the address that is one of these words, or the default.

    Raises:
        Refused: it is another word.
    """
    text = text_param(request, name, default)
    if text != default and text not in list(words):
        raise invalid(f"{name}: {text!a} is none of {', '.join(words)}")
    return text


def whole_param(request: Request, name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number of the address.

    Raises:
        Refused: it is none, or out of range.
    """
    text = text_param(request, name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise invalid(f"{name}: a whole number from {low} to {high} is needed")
    return int(text)
