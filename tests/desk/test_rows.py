"""A batch's rows come back as they went in, whether one statement or a COPY carried them; one bad row fails all."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from dealing.columns import STAGED_FROM, Table
from dealing.lease import open_session

THINGS = Table(
    "desk_things",
    ("number",),
    {"number": "bigint", "small": "int", "price": "numeric", "text": "text", "flag": "bool", "data": "jsonb"},
)
#: What COPY's text form would read as something else if it were not written with care.
ODD = [
    "",
    "a\tb",
    "a\nb\r",
    "\\N",
    "\\",
    "\\.",
    "back\\slash",
    'quo"te',
    "{a,b}",
    "\u00e4\u4e2d\U0001f600",
    "\u202e\x7f",
    " x ",
]
FEW, MANY = 3, STAGED_FROM + 20


@pytest.fixture
def session(transactional_db: None) -> Iterator["psycopg.Connection[Any]"]:
    """Return a session as a desk has it, with an empty table."""
    with open_session() as conn:
        conn.execute("DROP TABLE IF EXISTS desk_things")
        conn.execute(
            "CREATE TABLE desk_things (number bigint PRIMARY KEY, small smallint, price numeric, text varchar(40),"
            " flag bool, data jsonb, kept text DEFAULT 'kept')"
        )
        yield conn
        conn.execute("DROP TABLE desk_things")


def rows_of(count: int, price: str = "1.10") -> list[tuple[Any, ...]]:
    """Return rows with every odd text among them."""
    return [
        (
            n,
            n % 7 or None,
            price if n % 3 else None,
            ODD[n % len(ODD)],
            n % 2 == 0,
            f'{{"n": {n}, "t": "\\\\t"}}',
        )
        for n in range(count)
    ]


def found(conn: "psycopg.Connection[Any]") -> list[tuple[Any, ...]]:
    """Return the rows, as text where digits count."""
    return conn.execute(
        "SELECT number, small, price::text, text, flag, data->>'n' || (data->>'t'), kept FROM desk_things ORDER BY 1"
    ).fetchall()


def expected(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return what is to be found of rows."""
    return [(n, small, price, text, flag, f"{n}\\t", "kept") for n, small, price, text, flag, _ in rows]


@pytest.mark.parametrize("count", [1, FEW, MANY])
def test_rows_when_inserted_then_they_are_read_as_they_went_in(
    session: "psycopg.Connection[Any]", count: int
) -> None:
    rows = rows_of(count)

    with session.transaction():
        THINGS.insert(session.cursor(), rows)

    assert found(session) == expected(rows)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_rows_when_some_are_there_then_those_change_and_the_others_come(
    session: "psycopg.Connection[Any]", count: int
) -> None:
    with session.transaction():
        THINGS.insert(session.cursor(), rows_of(count // 2))
    rows = rows_of(count, "2.000")

    for _ in range(2):  # a second batch of the same session finds its temporary table
        with session.transaction():
            THINGS.upsert(session.cursor(), rows)

    assert found(session) == expected(rows)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_rows_when_updated_then_other_columns_and_other_rows_stay(
    session: "psycopg.Connection[Any]", count: int
) -> None:
    with session.transaction():
        THINGS.insert(session.cursor(), rows_of(count + 5))
    session.execute("UPDATE desk_things SET kept = 'mine'")

    with session.transaction():
        THINGS.update(session.cursor(), rows_of(count, "3.3"))

    rows = found(session)
    assert [row[2] for row in rows] == [
        None if not n % 3 else "3.3" if n < count else "1.10" for n in range(count + 5)
    ]
    assert {row[6] for row in rows} == {"mine"}


@pytest.mark.parametrize("count", [FEW, MANY])
def test_rows_when_one_to_update_is_missing_then_it_is_an_error(
    session: "psycopg.Connection[Any]", count: int
) -> None:
    with session.transaction():
        THINGS.insert(session.cursor(), rows_of(count - 1))

    with (
        pytest.raises(LookupError, match=f"{count} rows to change, {count - 1} found"),
        session.transaction(),
    ):
        THINGS.update(session.cursor(), rows_of(count))


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("way", ["insert", "upsert", "update"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        (1, 40_000),
        (0, 2**63),
        (2, "1e999999"),
        (2, "one"),
        (3, "a\0b"),
        (3, "\ud800"),
        (3, "x" * 41),
        (5, "{"),
        (5, '"\\u0000"'),
    ],
)
def test_row_when_the_database_cannot_hold_it_then_nothing_is_written_and_the_session_goes_on(
    session: "psycopg.Connection[Any]", count: int, way: str, column: int, value: Any
) -> None:
    if way == "update":
        with session.transaction():
            THINGS.insert(session.cursor(), rows_of(count))
    rows = rows_of(count, "7")
    bad = list(rows[-1])
    bad[column] = value
    before = found(session)

    with pytest.raises((psycopg.Error, UnicodeEncodeError, LookupError)), session.transaction():
        getattr(THINGS, way)(session.cursor(), [*rows[:-1], tuple(bad)])

    assert not session.closed
    assert found(session) == before
    with session.transaction():
        THINGS.upsert(session.cursor(), rows)
    assert found(session) == expected(rows)


def test_rows_when_staged_twice_in_one_transaction_then_each_time_only_its_own_are_written(
    session: "psycopg.Connection[Any]",
) -> None:
    rows = rows_of(MANY)

    with session.transaction():
        THINGS.upsert(session.cursor(), rows)
        session.execute("DELETE FROM desk_things")
        THINGS.upsert(session.cursor(), [(n + MANY, *rest) for n, *rest in rows])

    assert [row[0] for row in found(session)] == list(range(MANY, 2 * MANY))


def test_rows_when_written_with_a_cursor_of_django_then_they_are_there(
    session: "psycopg.Connection[Any]",
) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        THINGS.insert(cursor, rows_of(FEW))
        THINGS.upsert(cursor, rows_of(MANY))

    assert len(found(session)) == MANY


def test_rows_when_staged_without_a_transaction_then_it_is_an_error(
    session: "psycopg.Connection[Any]",
) -> None:
    with pytest.raises(LookupError, match=f"{MANY} rows to write, 0 written"):
        THINGS.upsert(session.cursor(), rows_of(MANY))
