"""Where the apps' stores and the rows of settings announce themselves to the desk.

The desk is below the apps and imports none of them; each app registers from AppConfig.ready(), so the order
of INSTALLED_APPS (markets, accounts, orders, positions) is the order of loading and recording.
It holds no state but these lists, which do not change once Django has started.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import psycopg

from dealing.changes import Changes
from engine.state import State


class Store(Protocol):
    """The rows of one app, to and from the engine's state."""

    def load(self, cursor: psycopg.Cursor[Any], state: State, *, shard: int, shards: int) -> None:
        """Read the rows of a shard into the state."""

    def record(self, cursor: psycopg.Cursor[Any], changes: Changes) -> None:
        """Write the rows that a batch changed."""


class TickBook(Protocol):
    """What is built from every accepted tick by the desk of shard 0, and written with the batch: candles."""

    def load(self, cursor: Any) -> None:
        """Read what goes on growing."""

    def add(self, symbol: str, bid: int, time_ms: int, digits: int) -> None:
        """Take an accepted tick's bid in points."""

    def write(self, cursor: Any) -> None:
        """Write what changed since the last call."""


SettingsReader = Callable[[str], Mapping[str, Any]]
Check = Callable[["psycopg.Cursor[Any]", int, int], dict[int, str]]

STORES: list[tuple[str, Store]] = []
SETTINGS: dict[str, SettingsReader] = {}
CHECKS: list[Check] = []
FREEZERS: list[Callable[["psycopg.Cursor[Any]", list[int]], None]] = []
#: Makers, which are given the state whose symbols and server settings the book follows.
TICK_BOOKS: list[Callable[[State], TickBook]] = []
#: Called with a cursor and the numbers of shards before and after a change, in its transaction.
MOVES: list[Callable[[Any, int, int], None]] = []
#: Return the account of a request of the dealers' queue, None where there is no such request.
REQUEST_OWNERS: list[Callable[[int], int | None]] = []


def register_store(name: str, store: Store) -> None:
    """Add an app's store; a second call with the same name changes nothing."""
    if all(known != name for known, _ in STORES):
        STORES.append((name, store))


def register_settings(kind: str, reader: SettingsReader) -> None:
    """Say how the values of one "symbol", "group" or "account" are read from its row by key.

    The reader raises LookupError where there is no such row.
    """
    SETTINGS[kind] = reader


def register_check(check: Check) -> None:
    """Add a check made when a shard is taken: it returns the accounts whose rows disagree, and why."""
    if check not in CHECKS:
        CHECKS.append(check)


def register_freezer(freeze: Callable[["psycopg.Cursor[Any]", list[int]], None]) -> None:
    """Say how accounts that the desk left out are marked as halted in their rows, by their logins."""
    if freeze not in FREEZERS:
        FREEZERS.append(freeze)


def register_tick_book(factory: Callable[[State], TickBook]) -> None:
    """Add the maker of a book of ticks; a desk makes a new one whenever it loads."""
    if factory not in TICK_BOOKS:
        TICK_BOOKS.append(factory)


def register_move(move: Callable[[Any, int, int], None]) -> None:
    """Add what brings an app's rows by shard in order when the number of shards changes."""
    if move not in MOVES:
        MOVES.append(move)


def register_request_owner(owner: Callable[[int], int | None]) -> None:
    """Say how the account of a request of the dealers' queue is found."""
    if owner not in REQUEST_OWNERS:
        REQUEST_OWNERS.append(owner)
