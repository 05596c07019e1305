"""What a batch was computed from: the calls at the engine's doors, in their order, with the times that were given.

A tick is named by its place in the stream and a command by its number in the journal, so that neither is written
twice; what nobody else keeps (clock beats, commands of the desk's own, loads) is written out. Promises: the same state
given these again makes the same deals. It asks no clock and writes no row.
"""

import json
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dealing.ticks import Tick
from engine import commands as cmd

_PLAIN_UP_TO = 300  # bytes; fewer are not worth packing


class Input(StrEnum):
    """The kinds of inputs; what follows the kind in an entry stands behind each."""

    TICK = "T"  # entry, line, time, passed, age
    REFUSED = "R"  # entry, line: a tick that the desk refused for its time
    COMMAND = "C"  # number in the journal, time, passed, when it was asked
    INTERNAL = "I"  # name, values, time, passed
    BEAT = "B"  # time, passed
    GAP = "G"  # place, lines of the next entry that were consumed, last entry, time
    LOAD = "L"  # key of the snapshot, wall's time, accounts that were left out and why
    SNAPSHOT = "S"  # key of a snapshot that was made here, between two loads


@dataclass(slots=True)
class Inputs:
    """The inputs of one batch."""

    entries: list[tuple[Any, ...]] = field(default_factory=list)
    _is_quiet: bool = False  # whether the last of them is a beat on which nothing happened

    def _add(self, *entry: Any) -> None:
        self.entries.append(entry)
        self._is_quiet = False

    def tick(self, tick: Tick, time_ms: int, passed_ms: int | None = None, age_ms: int = 0) -> None:
        """Note a tick that the engine was given."""
        self._add(Input.TICK, tick.entry, tick.line, time_ms, passed_ms, age_ms)

    def refused(self, tick: Tick) -> None:
        """Note a tick whose time the desk refused."""
        self._add(Input.REFUSED, tick.entry, tick.line)

    def command(self, number: int, now_ms: int, passed_ms: int | None, asked_ms: int | None) -> None:
        """Note a command of the journal."""
        self._add(Input.COMMAND, number, now_ms, passed_ms, asked_ms)

    def internal(self, command: cmd.Command, now_ms: int, passed_ms: int | None) -> None:
        """Note a command that no journal row asks for."""
        self._add(Input.INTERNAL, type(command).__name__, cmd.to_json(command), now_ms, passed_ms)

    def beat(self, now_ms: int, passed_ms: int | None, *, is_quiet: bool) -> None:
        """Note that the clock was shown; of quiet beats in a row the last says what all of them do."""
        if self._is_quiet:
            self.entries.pop()
        self._add(Input.BEAT, now_ms, passed_ms)
        self._is_quiet = is_quiet

    def gap(self, cursor: str, offset: int, to: str, now_ms: int) -> None:
        """Note ticks that became quotes and nothing else."""
        self._add(Input.GAP, cursor, offset, to, now_ms)

    def load(self, key: str, wall_ms: int | None, left_out: dict[int, str]) -> None:
        """Note that all memory was read anew from the rows."""
        self._add(Input.LOAD, key, wall_ms, {str(login): why for login, why in left_out.items()})

    def snapshot(self, key: str) -> None:
        """Note that the state of this place was kept."""
        self._add(Input.SNAPSHOT, key)

    def packed(self) -> bytes:
        """Return them as a row holds them."""
        text = json.dumps(self.entries, separators=(",", ":")).encode()
        return text if len(text) <= _PLAIN_UP_TO else zlib.compress(text, 1)


def unpacked(raw: bytes) -> list[list[Any]]:
    """Return the entries that `packed` wrote."""
    text = raw if raw[:1] == b"[" else zlib.decompress(raw)
    entries: list[list[Any]] = json.loads(text)
    return entries
