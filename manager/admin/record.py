"""What a row's page is made of: panels of labelled facts and tables, in the order in which they are read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from manager.admin import show

Fact = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One panel: facts, a block below them, or both.

    is_wide: it takes the whole width of the page. more: (address, words) of where the rest is.
    """

    title: str
    facts: Sequence[Fact] = ()
    body: Any = ""
    is_wide: bool = False
    more: tuple[str, str] | None = None


def facts(*pairs: Fact | None) -> list[Fact]:
    """Return the facts that there are: without those that hold nothing."""
    return [
        pair for pair in pairs if pair is not None and pair[1] not in (None, "", show.EMPTY, show.NO_FIGURE)
    ]


def table_section(
    title: str, headers: Iterable[str], rows: Iterable[Iterable[Any]], *, none: str = "", more: Any = None
) -> Section:
    """Return a panel with a table; `none` is what it says without rows."""
    return Section(title, body=show.table(headers, rows, none=none), is_wide=True, more=more)
