"""A day again: the inputs of a shard's batches, given to an engine that begins from a snapshot.

What comes out is held against the rows by `positions/replayed.py`. Promises: it writes nothing, wakes nobody and takes no
lease; plugins decide and remember as they did, and are not shown what was committed, which is for notifications. An engine
that loads is held against the one that goes on: what recovery read must be what the inputs had made.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import structlog
from django.conf import settings

from dealing import bus
from dealing.changes import Changes
from dealing.gaps import moment_of
from dealing.inputs import Input, unpacked
from dealing.items import JournalRow, command_of
from dealing.kept_ticks import TickFolder
from dealing.loading import leave_out
from dealing.rehearsal import missed_ticks
from dealing.shard_book import bring_back
from dealing.snapshots import NoSnapshot, packed, plugins_text
from dealing.snapshots import unpacked as engine_of
from dealing.ticks import Tick, id_key
from engine import commands as cmd
from engine.engine import Engine
from engine.enums import TickRefusal
from engine.events import CommandDone, Event
from engine.records import Deal
from engine.settings import currency_digits

log = structlog.get_logger(__name__)
PAGE = 500
LAST_NUMBER = 2**64 - 1


class NotReplayable(Exception):
    """A day cannot be computed again; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one batch made the second time, and what it made the first."""

    seq: int
    deals: list[Deal]
    digits: list[int]  # of each deal's money
    answers: dict[int, str]  # code by number of the command
    deals_then: int
    differences: list[str]
    times_ms: tuple[int, int]  # the engine's, before and after


class TickSource:
    """Ticks by their place in the stream: from the files, and behind them from the stream itself."""

    def __init__(self, folder: TickFolder) -> None:
        self.folder = folder
        self._coming: Iterator[Tick] = iter(())
        self._next: Tick | None = None

    def find(self, entry: str, line: int) -> Tick:
        """Return a tick; it is quick where each follows the one before.

        Raises:
            NotReplayable: it is neither in the files nor in the stream.
        """
        wanted = (*id_key(entry), line)
        if self._next is None or _key(self._next) > wanted:
            self._begin(entry)
        while self._next is not None and _key(self._next) < wanted:
            self._next = next(self._coming, None)
        if self._next is None or _key(self._next) != wanted:
            raise NotReplayable(
                f"tick {entry}:{line} is neither in {self.folder.folder} nor in the stream: manage.py keep_ticks did not run"
                " before the stream was cut"
            )
        return self._next

    def after(self, cursor: str, offset: int, to: str) -> Iterator[Tick]:
        """Yield the ticks behind a place, up to an entry and with it."""
        following = ""  # the entry of which `offset` lines were consumed
        for tick in self._since(cursor):
            if id_key(tick.entry) > id_key(to):
                return
            if id_key(tick.entry) > id_key(cursor):
                following = following or tick.entry
                if tick.entry != following or tick.line >= offset:
                    yield tick

    def _begin(self, entry: str) -> None:
        self._coming = self._since(entry)
        self._next = next(self._coming, None)

    def _since(self, entry: str) -> Iterator[Tick]:
        """Yield the ticks from an entry on, with it."""
        yield from self.folder.ticks(entry)
        place = max(self.folder.place(), _before(entry), key=id_key)
        yield from missed_ticks(bus.stream_client(), place, 0, f"{LAST_NUMBER}-{LAST_NUMBER}")


def _before(entry: str) -> str:
    """Return the number right before an entry's."""
    ms, number = id_key(entry)
    if number:
        return f"{ms}-{number - 1}"
    return f"{ms - 1}-{LAST_NUMBER}" if ms else "0-0"


def _key(tick: Tick) -> tuple[int, int, int]:
    return (*id_key(tick.entry), tick.line)


@dataclass(slots=True)
class Replay:
    """A shard's batches of one UTC day, by the database's clock, run again one by one."""

    cursor: Any  # of the database
    shard: int
    day: date
    ticks: TickSource
    engine: Engine = field(init=False)
    first: int = field(init=False)  # batch of the day
    last: int = field(init=False)
    begins: int = field(init=False)  # behind this batch
    key: str = field(init=False)
    notes: list[str] = field(default_factory=list)
    _waits: bool = True  # for the snapshot's place among the inputs

    def prepare(self) -> None:
        """Find the day's batches and the snapshot before them, and load it.

        Raises:
            NotReplayable: something of it is not there.
        """
        self.cursor.execute(
            "SELECT min(seq), max(seq) FROM dealing_enginebatch WHERE shard = %s"
            " AND at >= %s::date::timestamp AT TIME ZONE 'UTC'"
            " AND at < (%s::date + 1)::timestamp AT TIME ZONE 'UTC'",
            (self.shard, self.day, self.day),
        )
        self.first, self.last = self.cursor.fetchone()
        if self.first is None:
            raise NotReplayable(f"shard {self.shard} has no batch of {self.day} (UTC)")
        self.cursor.execute(
            "SELECT key, seq, build, plugins FROM dealing_enginesnapshot WHERE shard = %s AND seq < %s"
            " ORDER BY seq DESC, at DESC",
            (self.shard, self.first),
        )
        for key, seq, build, plugins in self.cursor.fetchall():
            if self._is_used(key, seq):
                self.begins, self.key = seq, key
                self.engine = self._load(key)
                if build != settings.BUILD_ID:
                    self.notes.append(
                        f"the snapshot is of build {build or '?'}, this is {settings.BUILD_ID or '?'}"
                    )
                if plugins != plugins_text():
                    self.notes.append(
                        f"the plugins of that day were {plugins}, now they are {plugins_text()}"
                    )
                return
        raise NotReplayable(f"shard {self.shard} has no snapshot from before batch {self.first}")

    def _is_used(self, key: str, seq: int) -> bool:
        """Return whether the batch behind a snapshot goes on from it; a load that came to nothing leaves one as well."""
        self.cursor.execute(
            "SELECT inputs FROM dealing_enginebatch WHERE shard = %s AND seq = %s", (self.shard, seq + 1)
        )
        row = self.cursor.fetchone()
        if row is None or row[0] is None:
            return False
        return any(e[0] in (Input.LOAD, Input.SNAPSHOT) and e[1] == key for e in unpacked(bytes(row[0])))

    def _load(self, key: str) -> Engine:
        self.cursor.execute("SELECT state FROM dealing_enginesnapshot WHERE key = %s", (key,))
        try:
            return engine_of(bytes(self.cursor.fetchone()[0]), self.shard)
        except NoSnapshot as error:
            raise NotReplayable(f"snapshot {key}: {error}") from error

    # Running

    def run(self) -> Iterator[Replayed]:
        """Run every batch from the snapshot on, and yield what those of the day made.

        Raises:
            NotReplayable: inputs are missing.
        """
        at = self.begins
        while at < self.last:
            self.cursor.execute(
                "SELECT seq, inputs, deals, state_hash FROM dealing_enginebatch"
                " WHERE shard = %s AND seq > %s AND seq <= %s ORDER BY seq LIMIT %s",
                (self.shard, at, self.last, PAGE),
            )
            for seq, inputs, deals, state_hash in self.cursor.fetchall():
                if seq != at + 1 or inputs is None:
                    raise NotReplayable(f"the inputs of batch {at + 1} of shard {self.shard} were not kept")
                at = seq
                made = self._batch(seq, unpacked(bytes(inputs)), deals, state_hash)
                if seq >= self.first:
                    yield made

    def _batch(self, seq: int, entries: list[list[Any]], deals: int, state_hash: str) -> Replayed:
        changes = Changes(self.engine.state, shard=self.shard, shards=self.engine.state.shards)
        before_ms = self.engine.state.now_ms
        rows = self._commands([entry[1] for entry in entries if entry[0] == Input.COMMAND])
        answers: dict[int, str] = {}
        found: list[str] = []
        for kind, *given in entries:
            if self._waits:
                self._waits = not (kind in (Input.LOAD, Input.SNAPSHOT) and given[0] == self.key)
                continue
            if kind == Input.LOAD:
                found += self._loaded(seq, *given)
                # Events of a load's batch come behind it, so nothing was collected yet.
                changes = Changes(self.engine.state, shard=self.shard, shards=self.engine.state.shards)
            elif kind == Input.SNAPSHOT:
                found += self._compared(seq, given[0])
            elif kind == Input.COMMAND:
                done = self._command(rows, changes, *given)
                answers[given[0]] = str(done.code)
            else:
                for events, time_ms in self._other(kind, given):
                    changes.collect(events, time_ms)
        if state_hash and state_hash != self.engine.state_hash():
            found.append(f"the state behind batch {seq} is not the one that the desk left")
        accounts = self.engine.state.accounts
        digits = [currency_digits(accounts[deal.login].currency) for deal in changes.deals]
        return Replayed(
            seq, changes.deals, digits, answers, deals, found, (before_ms, self.engine.state.now_ms)
        )

    def _other(self, kind: str, given: list[Any]) -> Iterator[tuple[list[Event], int]]:
        """Yield what the engine makes of an input that is no command of the journal."""
        engine = self.engine
        if kind == Input.TICK:
            entry, line, time_ms, passed_ms, age_ms = given
            tick = self.ticks.find(entry, line)
            yield engine.on_tick(
                tick.symbol, tick.bid, tick.ask, time_ms, passed_ms=passed_ms, age_ms=age_ms
            ), time_ms  # fmt: skip
        elif kind == Input.REFUSED:
            tick = self.ticks.find(*given)
            yield engine.refuse_tick(tick.symbol, TickRefusal.INVALID), engine.state.now_ms
        elif kind == Input.BEAT:
            now_ms, passed_ms = given
            yield engine.on_time(now_ms, passed_ms=passed_ms), now_ms
        elif kind == Input.INTERNAL:
            name, values, now_ms, passed_ms = given
            yield engine.on_command(cmd.from_json(name, values), now_ms, passed_ms=passed_ms), now_ms
        elif kind == Input.GAP:
            cursor, offset, to, now_ms = given
            for tick in self.ticks.after(cursor, offset, to):
                at_ms = moment_of(tick, now_ms)
                if at_ms is not None:
                    yield engine.on_missed_tick(tick.symbol, tick.bid, tick.ask, at_ms), at_ms
        else:
            raise NotReplayable(f"an input of the kind {kind} is not known here")

    def _commands(self, numbers: list[int]) -> dict[int, JournalRow]:
        if not numbers:
            return {}
        self.cursor.execute(
            "SELECT id, name, payload::text, ticket, smart, at_ms FROM dealing_command WHERE id = ANY(%s)",
            (numbers,),
        )
        found = self.cursor.fetchall()
        return {
            number: JournalRow(number, name, payload, ticket, smart, at_ms, 0)
            for number, name, payload, ticket, smart, at_ms in found
        }

    def _command(
        self, rows: dict[int, JournalRow], changes: Changes, number: int, now_ms: int, passed_ms: int | None,
        asked_ms: int | None,
    ) -> CommandDone:  # fmt: skip
        if number not in rows:
            raise NotReplayable(f"command {number} is not in the journal any more")
        try:
            command = command_of(rows[number], self.engine.state, asked_ms=asked_ms)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise NotReplayable(
                f"row {number} of the journal holds no command any more: {error!r}"
            ) from error
        done = changes.collect(self.engine.on_command(command, now_ms, passed_ms=passed_ms), now_ms)
        if done is None:
            raise AssertionError("the engine gave no answer")
        return done

    # Where the desk loaded

    def _loaded(self, seq: int, key: str, wall_ms: int | None, left_out: dict[str, str]) -> list[str]:
        """Do as the desk did: go on from what it read; where that was not kept, from what we have, armed anew."""
        state = self.engine.state
        if wall_ms is not None:
            bring_back(state, wall_ms)
        self.cursor.execute("SELECT 1 FROM dealing_enginesnapshot WHERE key = %s", (key,))
        if self.cursor.fetchone() is not None:
            found = [] if left_out else self._compared(seq, key)
            self.engine = self._load(key)
            return found
        if missing := sorted(set(state.unloaded) - {int(login) for login in left_out}):
            raise NotReplayable(
                f"account {missing[0]} was mended before batch {seq}, and no snapshot of that load was written"
            )
        if left_out:
            leave_out(state, {int(login): why for login, why in left_out.items()})
        self.engine = engine_of(packed(self.engine)[0], self.shard)
        self.engine.recover()
        return []

    def _compared(self, seq: int, key: str) -> list[str]:
        """Hold the state against that of a snapshot, where there is one."""
        self.cursor.execute("SELECT state_hash FROM dealing_enginesnapshot WHERE key = %s", (key,))
        row = self.cursor.fetchone()
        if row is None or row[0] == self.engine.state_hash():
            return []
        return [f"the book before batch {seq} was not what the inputs until then make"]
