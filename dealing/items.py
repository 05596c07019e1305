"""What a desk takes: ticks of the stream and rows of the journal, and how a row becomes a command.

It reads nothing and judges nothing; ticks are read by ticks.py, rows by batch.py.
"""

import json
from dataclasses import dataclass, replace

from dealing.failpoints import seam
from dealing.ticks import Tick
from engine import commands as cmd
from engine.enums import EntryType
from engine.state import State


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One journal row as the desk takes it; `age_ms` by the database's clock, `error` why it could not be read."""

    id: int
    name: str
    payload: str  # JSON, not decoded yet: what it holds may be anything
    ticket: int
    smart: int
    at_ms: int | None
    age_ms: int
    error: str = ""

    @property
    def raw(self) -> str:
        """Return the row as it is kept where it cannot be done."""
        return f'{{"name": {json.dumps(self.name)}, "payload": {self.payload or "null"}}}'


@dataclass(frozen=True, slots=True)
class Moment:
    """What is done for all accounts because time passes, and nobody asked for."""

    name: str


Item = Tick | JournalRow | Moment
TIME = Moment("time")  # orders expire, requests of the queue time out
SETTLING = Moment("settling")  # what a change of many accounts left to do


def key_of(item: Item) -> str:
    """Return what tells an item from all others, for rows and for the list of suspects."""
    if isinstance(item, Moment):
        return item.name
    return f"tick {item.place}" if isinstance(item, Tick) else f"command {item.id}"


def command_of(row: JournalRow, state: State, *, asked_ms: int | None) -> cmd.Command:
    """Return the command of a row, with its reserved numbers and the end of its patience.

    A market opening waits for its group's `ttl` from `asked_ms` on, where that is known.

    Raises:
        KeyError, TypeError, ValueError, RecursionError: the row holds no command.
    """
    seam("make", (key_of(row),))
    payload = json.loads(row.payload)
    if row.name == cmd.PlaceSmart.__name__:
        payload = {**payload, "smart": row.smart}  # its number is reserved by the row, not asked for
    command = cmd.from_json(row.name, payload)
    if row.ticket:
        command = replace(command, ticket=row.ticket)
    opens = (isinstance(command, cmd.PlaceOrder) and command.type.is_market) or (
        isinstance(command, cmd.PlaceSmart) and command.entry is EntryType.MARKET
    )
    if opens and asked_ms is not None and isinstance(command, (cmd.PlaceOrder, cmd.PlaceSmart)):
        account = state.accounts.get(command.login)
        group = state.groups.get(account.group) if account else None
        if group is not None:
            command = replace(command, valid_until_ms=asked_ms + group.ttl_s * 1000)
    return command
