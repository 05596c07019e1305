"""Running the checks of the audit and what they answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from engine.settings import currency_digits
from manager.audit import margins, money, orderings, prices, smart, volumes

#: Checks by name. A query gives rows (subject, what, expected, found), one a difference.
QUERIES: dict[str, str] = {
    **money.QUERIES,
    **volumes.QUERIES,
    **prices.QUERIES,
    **smart.QUERIES,
    **orderings.QUERIES,
}
COUNTS = {
    "accounts": "accounts_account",
    "ledger entries": "accounts_ledgerentry",
    "orders": "orders_order",
    "deals": "positions_deal",
    "positions": "positions_position",
    "smart orders": "orders_smartorder",
}
NO_MONEY = "('USD', 2)"


@dataclass(frozen=True)
class Difference:
    """One place where the rows disagree."""

    check: str
    subject: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.what} expected {self.expected}, found {self.found}"


@dataclass
class Report:
    """What an audit found, and how much it looked at."""

    differences: list[Difference] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    checks: int = 0
    margins_compared: int = 0

    @property
    def is_clean(self) -> bool:
        """Return whether there is no difference."""
        return not self.differences


def run(published: dict[int, dict[str, Any]] | None = None) -> Report:
    """Return the report of an audit in one snapshot of the database.

    `published` are the account states that the desk shows, by login; margins recomputed from rows are
    compared with them where nothing changed since.
    """
    report = Report()
    inside = connection.in_atomic_block  # the caller's transaction is the snapshot then
    with transaction.atomic(), connection.cursor() as cursor:
        if not inside:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for label, table in COUNTS.items():
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            report.counts[label] = cursor.fetchone()[0]
        digits = money_digits(cursor)
        for name, query in QUERIES.items():
            cursor.execute(query.replace("{money}", digits))
            _add(report, name, cursor.fetchall())
        checks: dict[str, Callable[[Any], Iterable[tuple[Any, ...]]]] = {
            "average price": prices.averages,
            "batch order": orderings.batches,
        }
        for name, check in checks.items():
            _add(report, name, check(cursor))
        compared, found = margins.compare(cursor, published or {})
        report.margins_compared = compared
        _add(report, "margin", found)
    return report


def money_digits(cursor: Any) -> str:
    """Return a table expression (currency, digits) of every currency that accounts have."""
    cursor.execute("SELECT DISTINCT quote_literal(currency), currency FROM accounts_account ORDER BY 2")
    rows = [f"({literal}, {currency_digits(currency)})" for literal, currency in cursor.fetchall()]
    return f"(VALUES {', '.join(rows) if rows else NO_MONEY}) AS money(currency, digits)"


def _add(report: Report, check: str, rows: Iterable[tuple[Any, ...]]) -> None:
    report.checks += 1
    report.differences += [Difference(check, *(str(value) for value in row)) for row in rows]
