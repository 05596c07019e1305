"""How numbers stand in rows: exact columns, decimal text, and writing a whole batch at once.

The engine counts in integers; rows hold `numeric` so that SQL and the admin read prices, lots and money as
they are spoken of. Promises: every value that goes out comes back equal, or `Inexact` is raised; a numeric
column keeps the digits it was written with (1.10 stays 1.10). It does not know any table.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Protocol

from django.db import models

from engine.rounding import to_text

VOLUME_DIGITS = 8
_HUNDREDTH_LOT = 10 ** (VOLUME_DIGITS - 2)
#: Numbers are printed in one place, the engine's.
decimal_text = to_text
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STAGED_FROM = 100  # rows; fewer are written sooner by one statement
_MILLISECOND = timedelta(milliseconds=1)


class Inexact(ValueError):
    """A number in a row does not stand for a whole number of the engine's units: the book is wrong."""


class Cursor(Protocol):
    """The part of a psycopg cursor that stores use."""

    @property
    def rowcount(self) -> int:
        """Return how many rows the last statement touched."""

    def execute(self, query: Any, params: Any = ..., /) -> Any:
        """Send one statement."""

    def copy(self, statement: Any, /) -> AbstractContextManager[Any]:
        """Begin a COPY, to which rows are written."""

    def fetchall(self) -> list[Any]:
        """Return the rows of the last statement."""

    def fetchone(self) -> Any:
        """Return the next row of the last statement."""


class NumericField(models.DecimalField):  # type: ignore[type-arg]
    """A `numeric` column without a fixed scale: what is written is what is read, digit by digit."""

    def check(self, **kwargs: Any) -> Any:
        """Return the findings of Django's checks, except that digits are not limited here."""
        return super(models.DecimalField, self).check(**kwargs)

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's unconstrained numeric."""
        return "numeric"


class WrittenJSONField(models.JSONField):
    """A `json` column: the text as it was written, for what nobody searches in; `jsonb` takes twice as long to write."""

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's json."""
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value: psycopg has decoded it, which Django stops it from doing with jsonb alone."""
        return value


def choices_of(words: type[StrEnum]) -> Any:
    """Return the TextChoices of an enum of the engine: the same names and words, with readable labels."""
    members = [(m.name, (m.value, m.value.replace("_", " ").capitalize())) for m in words]
    maker: Any = models.TextChoices  # the enum's functional form, which its stubs do not know
    return maker(words.__name__, members)


def one_of(column: str, words: type[StrEnum], *, name: str) -> models.CheckConstraint:
    """Return the constraint that a column holds one of an enum's words."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": [m.value for m in words]}), name=name
    )


def volume_text(units: int) -> str:
    """Return a volume in lots: as many decimals as it needs, two at least."""
    lots, rest = divmod(units, _HUNDREDTH_LOT)
    if not rest:
        return decimal_text(lots, 2)
    return decimal_text(units, VOLUME_DIGITS).rstrip("0")


def units_of(value: Decimal | str | int, digits: int) -> int:
    """Return how many units of 10^-digits a row's number is.

    Raises:
        Inexact: it is not a whole number of them.
    """
    # Half a book's load was spent here with fractions: integers say the same five times as fast.
    exact = value if isinstance(value, Decimal) else Fraction(value)
    numerator, denominator = exact.as_integer_ratio()
    scale: int = 10**digits
    units, rest = divmod(numerator * scale, denominator)
    if rest:
        raise Inexact(f"{value} has more than {digits} decimals")
    return units


def optional_text(value: int | None, digits: int) -> str | None:
    """Return decimal text, or None for None."""
    return None if value is None else decimal_text(value, digits)


def optional_units(value: Decimal | None, digits: int) -> int | None:
    """Return units, or None for None.

    Raises:
        Inexact: the number has more decimals than that.
    """
    return None if value is None else units_of(value, digits)


def fraction_text(value: Fraction | None) -> str | None:
    """Return a fraction as "num/den", the exact form beside a printed number."""
    return None if value is None else f"{value.numerator}/{value.denominator}"


@lru_cache(maxsize=16_384)
def fraction_of(text: str) -> Fraction:
    """Return the fraction that `fraction_text` wrote; a book holds the same few leverages and rates many times."""
    return Fraction(text)


def optional_fraction_of(text: str | None) -> Fraction | None:
    """Return the fraction that `fraction_text` wrote, or None for None."""
    return None if text is None else fraction_of(text)


def rounded_text(value: Fraction | None, digits: int) -> str | None:
    """Return a fraction as decimal text, rounded half up (ties away from zero)."""
    if value is None:
        return None
    return decimal_text(_rounded(value.numerator * 10**digits, value.denominator), digits)


def plain_fraction(value: Fraction | None, digits: int) -> str | None:
    """Return a fraction as decimal text with at most `digits` decimals, without trailing zeros."""
    text = rounded_text(value, digits)
    return text.rstrip("0").rstrip(".") if text is not None and "." in text else text


def points_text(points: Fraction | None, digits: int) -> str | None:
    """Return an exact price in points as decimal text with `digits` decimals, rounded half up."""
    if points is None:
        return None
    return decimal_text(_rounded(points.numerator, points.denominator), digits)


def _rounded(numerator: int, denominator: int) -> int:
    """Return a quotient rounded half up, ties away from zero."""
    if denominator == 1:
        return numerator
    whole = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -whole if numerator < 0 else whole


def exact_text(value: Fraction | None) -> str | None:
    """Return a terminating fraction as decimal text without rounding.

    Raises:
        Inexact: it has no finite decimal form.
    """
    if value is None:
        return None
    rest, digits = value.denominator, 0
    while rest % 10 == 0:
        rest, digits = rest // 10, digits + 1
    while rest % 2 == 0:
        rest, digits = rest // 2, digits + 1
    while rest % 5 == 0:
        rest, digits = rest // 5, digits + 1
    if rest != 1:
        raise Inexact(f"{value} has no finite decimal form")
    return decimal_text((value * 10**digits).numerator, digits)


def plain(value: Decimal | None) -> str | None:
    """Return a row's number as decimal text without an exponent and without trailing zeros."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(value: Decimal | None) -> str | None:
    """Return a row's number as decimal text with the digits it was written with, None for None."""
    return None if value is None else f"{value:f}"


def moment(time_ms: int) -> datetime:
    """Return the instant of a time in milliseconds."""
    return EPOCH + timedelta(milliseconds=time_ms)


@lru_cache(maxsize=4096)
def moment_text(time_ms: int) -> str:
    """Return the instant of a time in milliseconds as rows take it; a tick's rows share the few that it has."""
    return str(moment(time_ms))


def optional_moment_text(time_ms: int) -> str | None:
    """Return the instant, or None for 0 (never, not yet)."""
    return moment_text(time_ms) if time_ms else None


def ms_of(instant: datetime | None) -> int:
    """Return milliseconds since 1970, 0 for None."""
    return 0 if instant is None else (instant - EPOCH) // _MILLISECOND


def iso(instant: datetime | None) -> str | None:
    """Return an instant as ISO 8601 UTC with milliseconds, None for None."""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def storable(text: str) -> bool:
    """Return whether PostgreSQL can hold the text: no NUL, no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def json_text(value: Any) -> str | None:
    """Return a value as JSON text for a jsonb column, None (SQL's null) for None."""
    return None if value is None else json.dumps(value)


def json_of(value: Any) -> Any:
    """Return a jsonb value decoded: Django's cursors hand it out as text, psycopg's own do not."""
    return json.loads(value) if isinstance(value, str) else value


def update_row(cursor: Cursor, model: type[models.Model], key: str, values: dict[str, Any]) -> None:
    """Write these columns of one row of settings, by the model's names; None is the column's own default."""
    if not values:
        return
    columns: list[str] = []
    parameters: list[Any] = []
    for name, value in values.items():
        column: Any = model._meta.get_field(name)
        if value is None and not getattr(column, "null", False):
            value = column.get_default()
        columns.append(f'"{column.column}" = %s')
        parameters.append(json_text(value) if isinstance(column, models.JSONField) else value)
    primary = model._meta.pk.column
    cursor.execute(
        f'UPDATE "{model._meta.db_table}" SET {", ".join(columns)} WHERE "{primary}" = %s', (*parameters, key)
    )


@dataclass(frozen=True)
class Table:
    """One table as a store writes it: a whole batch at once.

    `columns` maps column to the type of the array that carries it. A column whose type is `jsonb` or
    `numeric` takes text. Rows that are new go by COPY. Those that may be there already are few at most times, and then one
    statement with an array a column is quickest; from `STAGED_FROM` on they go by COPY into a temporary table of the
    session, and from there in one statement.
    """

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]

    @cached_property
    def _source(self) -> str:
        arrays = ", ".join(f"%s::{'text' if t == 'jsonb' else t}[]" for t in self.columns.values())
        reads = ", ".join(f'u."{c}"::jsonb' if t == "jsonb" else f'u."{c}"' for c, t in self.columns.items())
        return f"SELECT {reads} FROM unnest({arrays}) AS u({self._names})"

    @cached_property
    def _names(self) -> str:
        return ", ".join(f'"{c}"' for c in self.columns)

    @cached_property
    def _match(self) -> str:
        return " AND ".join(f't."{c}" = s."{c}"' for c in self.key)

    @cached_property
    def _sets(self) -> str:
        return ", ".join(f'"{c}" = s."{c}"' for c in self.columns if c not in self.key)

    @cached_property
    def _stage(self) -> str:
        return f'"staged_{self.name}"'

    def _upsert_from(self, source: str) -> str:
        values = ", ".join(f's."{c}"' for c in self.columns)
        return (
            f'MERGE INTO "{self.name}" AS t USING {source} ON {self._match} WHEN MATCHED THEN UPDATE SET {self._sets}'
            f" WHEN NOT MATCHED THEN INSERT ({self._names}) VALUES ({values})"
        )

    @cached_property
    def _upsert(self) -> str:
        key = ", ".join(f'"{c}"' for c in self.key)
        sets = ", ".join(f'"{c}" = EXCLUDED."{c}"' for c in self.columns if c not in self.key)
        return f'INSERT INTO "{self.name}" ({self._names}) {self._source} ON CONFLICT ({key}) DO UPDATE SET {sets}'

    def _update_from(self, source: str) -> str:
        return f'UPDATE "{self.name}" AS t SET {self._sets} FROM {source} WHERE {self._match}'

    @cached_property
    def _update(self) -> str:
        return self._update_from(f"({self._source}) AS s({self._names})")

    def values_of(self, row: models.Model) -> list[Any]:
        """Return the values of a model's row in the order of the columns."""
        return [getattr(row, column) for column in self.columns]

    def insert(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows; a key that exists already is an error of ours and raises."""
        if rows:
            copy_rows(cursor, f'"{self.name}"', self._names, rows)

    def upsert(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, or overwrite those whose key exists, in the caller's transaction. A key may stand in `rows` once.

        Raises:
            LookupError: there is no transaction, so that the temporary table was emptied before it was read.
        """
        if not rows:
            return
        if len(rows) >= STAGED_FROM:
            self._put_on_stage(cursor, rows)
            cursor.execute(self._upsert_from(f"{self._stage} AS s"))
        else:
            cursor.execute(self._upsert, _columns(rows))
        if cursor.rowcount != len(rows):
            raise LookupError(f"{self.name}: {len(rows)} rows to write, {cursor.rowcount} written")

    def update(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> None:
        """Overwrite rows that must exist, in the caller's transaction.

        Raises:
            LookupError: a key has no row, or there is no transaction.
        """
        if not rows:
            return
        if len(rows) >= STAGED_FROM:
            self._put_on_stage(cursor, rows)
            cursor.execute(self._update_from(f"{self._stage} AS s"))
        else:
            cursor.execute(self._update, _columns(rows))
        if cursor.rowcount != len(rows):
            raise LookupError(f"{self.name}: {len(rows)} rows to change, {cursor.rowcount} found")

    def _put_on_stage(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> None:
        """Send rows to the session's temporary table, which every commit empties; a rollback may have taken it away."""
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {self._stage} ON COMMIT DELETE ROWS AS"
            f' SELECT {self._names} FROM "{self.name}" WITH NO DATA'
        )
        cursor.execute(f"DELETE FROM {self._stage}")  # what an earlier call left in the same transaction
        copy_rows(cursor, self._stage, self._names, rows)


def copy_rows(cursor: Cursor, table: str, names: str, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows by COPY. In text: PostgreSQL reads it as quickly as binary, and it takes less to make."""
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        write = copy.write_row
        for row in rows:
            write(row)


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
