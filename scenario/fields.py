"""Field checks of the scenario format: one small function a kind of value.

A check takes a JSON value and returns it as the format keeps it; it raises `ValueError` with
what was expected. Decimals stay text, so that nothing is rounded before an engine sees it.
It does not know where the value stands: `tables` and `steps` add the place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from engine.settings import WEEKDAYS

Check = Callable[[Any], Any]

_DECIMAL = re.compile(r"-?\d+(\.\d+)?\Z")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z|24:00\Z")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)\Z")
_ANY_YEAR = re.compile(
    r"(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII
)
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
FIRST_YEAR, LAST_YEAR = 1970, 2200


class Missing:
    """The default of a field that has to be given."""


class FormatError(ValueError):
    """A value that the format does not allow: `where` inside the step or record, and `why`."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where = where
        self.why = why


@dataclass(frozen=True)
class Field:
    """One key: how it is checked, and what stands for it when it is left out."""

    check: Check
    default: Any = Missing


def text(value: Any) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a text, got {value!r}")
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError(f"expected a text that can be stored, got {value!r}")
    return value


def name_of(longest: int) -> Check:
    """Return a check of a text of so many signs at most."""

    def check(value: Any) -> str:
        if len(text(value)) > longest:
            raise ValueError(f"expected a text of at most {longest} signs, got {len(value)}")
        return str(value)

    return check


def decimal(value: Any) -> str:
    """Return decimal text, as it was written."""
    if not isinstance(value, str) or not _DECIMAL.match(value):
        raise ValueError(f"expected a string holding a decimal, got {value!r}")
    return value


def positive(value: Any) -> str:
    """Return decimal text above 0."""
    if Decimal(decimal(value)) <= 0:
        raise ValueError(f"expected a decimal above 0, got {value!r}")
    return str(value)


def not_negative(value: Any) -> str:
    """Return decimal text of 0 or above."""
    if Decimal(decimal(value)) < 0:
        raise ValueError(f"expected a decimal of 0 or above, got {value!r}")
    return str(value)


def tick_price(value: Any) -> str:
    """Return decimal text, or one of NaN, Infinity and -Infinity: a feed may send those."""
    if value in _NOT_FINITE:
        return str(value)
    return decimal(value)


def whole(low: int | None = None, high: int | None = None) -> Check:
    """Return a check of a JSON whole number within low and high, both included."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"expected a whole number, got {value!r}")
        if (low is not None and value < low) or (high is not None and value > high):
            allowed = f"of {low} or above" if high is None else f"between {low} and {high}"
            raise ValueError(f"expected a whole number {allowed}, got {value!r}")
        return value

    return check


def flag(value: Any) -> bool:
    """Return a JSON true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {value!r}")
    return value


def choice(*allowed: str) -> Check:
    """Return a check of a text that is one of `allowed`."""

    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, got {value!r}")
        return str(value)

    return check


def nullable(inner: Check) -> Check:
    """Return a check that lets null through."""

    def check(value: Any) -> Any:
        return None if value is None else inner(value)

    return check


def list_of(inner: Check) -> Check:
    """Return a check of a list, each of its items by `inner`."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {value!r}")
        return [within(f"[{i}]", inner, item) for i, item in enumerate(value)]

    return check


def time_ms(value: Any) -> int:
    """Return an ISO 8601 UTC time as milliseconds since 1970."""
    if not isinstance(value, str) or not _ISO.match(value):
        raise ValueError(f"expected a time like 2024-01-02T00:00:00Z, got {value!r}")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"expected a time like 2024-01-02T00:00:00Z, got {value!r}") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"expected a time from {FIRST_YEAR} to {LAST_YEAR}, got {value!r}")
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def expiry(value: Any) -> str | int:
    """Return "gtc" (also for null), "day" or a time of any year in milliseconds; the engine judges it."""
    if value is None:
        return "gtc"
    if value in ("gtc", "day"):
        return str(value)
    found = _ANY_YEAR.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"expected gtc, day or a time like 2024-01-02T00:00:00Z, got {value!r}")
    year, month, day, hour, minute, second, part, zone = found.groups()
    try:
        days = _days_from_civil(int(year), int(month), int(day))
        at = time(int(hour), int(minute), int(second))
    except ValueError:
        raise ValueError(f"expected a time like 2024-01-02T00:00:00Z, got {value!r}") from None
    passed_s = days * 86_400 + at.hour * 3600 + at.minute * 60 + at.second - _offset_s(zone)
    return passed_s * 1000 + int((part or "0").ljust(3, "0")[:3])


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date of the Gregorian calendar, whatever its year.

    The calendar repeats every 400 years of 146,097 days.
    """
    cycles, rest = divmod(year - 1, 400)
    return cycles * 146_097 + date(rest + 1, month, day).toordinal() - date(1970, 1, 1).toordinal()


def _offset_s(zone: str) -> int:
    if zone == "Z":
        return 0
    size = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -size if zone[0] == "-" else size


def sessions(value: Any) -> dict[str, list[list[str]]]:
    """Return a weekday table of [from, to] clock times; a day left out is closed."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected null or a table of weekdays, got {value!r}")
    for day, spans in value.items():
        if day == "time_zone":
            text(spans)
            continue
        if day not in WEEKDAYS:
            raise FormatError(day, f"expected one of {', '.join(WEEKDAYS)} or time_zone")
        if not isinstance(spans, list):
            raise FormatError(day, f"expected a list of [from, to], got {spans!r}")
        for span in spans:
            good = isinstance(span, list) and len(span) == 2
            if (
                not good
                or not all(isinstance(t, str) and _CLOCK.match(t) for t in span)
                or span[0] >= span[1]
            ):
                raise FormatError(day, f'expected ["09:00", "17:00"], got {span!r}')
    return {
        day: spans if day == "time_zone" else [list(span) for span in spans] for day, spans in value.items()
    }


def within(where: str, check: Check, value: Any) -> Any:
    """Return check(value); an error gets `where` in front of its place.

    Raises:
        FormatError: the check refused the value.
    """
    try:
        return check(value)
    except FormatError as error:
        glue = "" if error.where.startswith("[") or not error.where else "."
        raise FormatError(where + glue + error.where, error.why) from None
    except ValueError as error:
        raise FormatError(where, str(error)) from None


def _takes_null(field: Field) -> bool:
    try:
        field.check(None)
    except ValueError:
        return False
    return True


def table(value: Any) -> dict[str, Any]:
    """Return a JSON object, whatever its keys."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected an object, got {value!r}")
    return dict(value)


def record(fields: Mapping[str, Field], *, defaults: bool = True) -> Check:
    """Return a check of an object with these keys and no other.

    With `defaults` keys left out get their default, and null counts as left out where it is no value of its own;
    else keys that are left out stay out (as in a `set`).
    """

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected an object, got {value!r}")
        for key in value:
            if key not in fields:
                raise FormatError(str(key), f"unknown key (known: {', '.join(fields)})")
        result: dict[str, Any] = {}
        for key, field in fields.items():
            is_given = key in value and (value[key] is not None or not defaults or _takes_null(field))
            if is_given:
                result[key] = within(key, field.check, value[key])
            elif defaults and field.default is Missing:
                raise FormatError(key, "is required")
            elif defaults:
                result[key] = field.default() if callable(field.default) else field.default
        return result

    return check
