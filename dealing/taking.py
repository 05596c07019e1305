"""Taking one item: what a desk has in memory between two loads, and how a tick or a command changes it.

What is taken becomes part of the batch in hand; nothing is written here. Whatever is raised while an item is in hand
leaves with that item in `at`, and the memory is then worth nothing. It holds no rule of trading.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import structlog

from dealing import clock as clocks
from dealing import shard_book
from dealing.batch import Batch, CommandResult, Committed, commit
from dealing.changes import Changes
from dealing.choices import ItemKind
from dealing.clock import AHEAD_LIMIT_MS
from dealing.ends import ENDS
from dealing.failpoints import seam
from dealing.items import TIME, Item, JournalRow, command_of, key_of
from dealing.lease import Lease
from dealing.narrowing import LoadAnew, Search, touched_by
from dealing.publisher import Publisher
from dealing.shard_book import ShardBook
from dealing.ticks import Tick, TickReader
from engine import commands as cmd
from engine.codes import Code
from engine.enums import HaltScope, TickRefusal
from engine.events import CommandDone, Event
from engine.settings import LAST_MS

log = structlog.get_logger(__name__)
SETTLE_MOST = 1_000


@dataclass(slots=True)
class Taking:
    """What a desk of one shard has in memory, and how it takes one item; `loop.Loop` says which, and when."""

    shard: int
    clock: str = "wall"
    batch_max: int = 256
    search: Search = field(init=False)
    looked_for: int = 0  # the command for which rows that were left out were looked at last
    # Of the lease that is held now
    lease: Lease = field(init=False)
    book: ShardBook = field(init=False)
    reader: TickReader = field(init=False)
    publisher: Publisher = field(init=False)
    batch: Batch = field(init=False)
    at: Item | None = None  # what is being computed at this moment
    events: list[Event] = field(default_factory=list)
    passing_from_ms: int = 0  # what the monotonic clock lacks to have begun at the wall's time of the load

    def __post_init__(self) -> None:
        self.search = Search(self.shard, self.batch_max)

    def _new_batch(self, cursor: str, offset: int) -> None:
        changes = Changes(state=self.book.state, shard=self.shard, shards=self.lease.shards)
        self.batch = Batch(changes, cursor, offset)
        self.events = []

    def _write_batch(self, state_hash: str = "") -> Committed:
        """Write the batch in hand in one transaction."""
        for book in self.book.tick_books:
            for symbol, bid, time_ms in self.batch.changes.accepted:
                book.add(symbol, bid, time_ms, self.book.state.symbols[symbol].digits)
        return commit(
            self.lease,
            self.batch,
            self.book.state,
            published=self.publisher.published,
            books=self.book.tick_books,
            state_hash=state_hash,
        )

    # As a probe sees it, in a fork of ours

    def write(self) -> None:
        """Write the batch in hand and begin the next one."""
        self._write_batch()
        self._new_batch(self.batch.cursor, self.batch.offset)

    def move_to(self, conn: "psycopg.Connection[Any]", without: dict[int, str]) -> None:
        """Go on with another session, and without these accounts."""
        self.lease = replace(self.lease, conn=conn)
        if without:
            frozen = {**self.search.frozen, **without}
            wall_ms = clocks.wall_ms() if self.clock == "wall" else None
            self.book = shard_book.load(self.lease, shards=self.lease.shards, frozen=frozen, wall_ms=wall_ms)
            self._new_batch(self.batch.cursor, self.batch.offset)

    def account_of(self, error: BaseException) -> int | None:
        """Return the account that was in hand where it was raised."""
        return shard_book.whose(error, self.book.state)

    def touched(self) -> set[int]:
        """Return the accounts that the batch in hand changes."""
        return touched_by(self.batch.changes)

    # One item

    def _now_ms(self) -> int:
        """Return the engine's time for what has no time of its own; it never goes back."""
        now_ms = self.book.state.now_ms
        return max(now_ms, clocks.wall_ms()) if self.clock == "wall" else now_ms

    def _passed_ms(self) -> int | None:
        """Return the time that passes, counted on from the wall's at the load; None where events are the clock."""
        return clocks.monotonic_ms() + self.passing_from_ms if self.clock == "wall" else None

    def take(self, item: Item) -> None:
        """Compute an item into the batch in hand.

        Raises:
            LoadAnew: the book is to be loaded before it; it is met again.
            anything: it cannot be taken; the memory is worth nothing any more.
        """
        if isinstance(item, Tick):
            self._tick(item)
        elif isinstance(item, JournalRow):
            self._do(item)
        elif item == TIME:
            self._pass_time()
        else:
            self.at = item
            self.book.engine.arm_bounds(SETTLE_MOST)
            self.search.acquit(item)
            self.at = None

    def _pass_time(self) -> None:
        """Let the clock act on expiries and timeouts where no tick does."""
        now_ms = self._now_ms()
        self.at = TIME
        seam("time")
        passed_ms = self._passed_ms()
        events = self.book.engine.on_time(now_ms, passed_ms=passed_ms)
        self.batch.inputs.beat(now_ms, passed_ms, is_quiet=not events)
        self._collect(events, now_ms)
        if events:
            self.batch.items.append(TIME)  # what it changed may turn out to be what cannot be written
        else:
            self.search.acquit(TIME)
        self.at = None

    def _collect(self, events: list[Event], time_ms: int) -> CommandDone | None:
        if self.book.engine.core.hooks.listens:
            self.events.extend(events)
        return self.batch.changes.collect(events, time_ms)

    def _tick(self, tick: Tick) -> None:
        self.batch.items.append(tick)
        changes = self.batch.changes
        if tick.time_ms < 0:
            changes.refused["invalid"] = changes.refused.get("invalid", 0) + 1
            if tick.error:
                log.error("a tick could not be read", shard=self.shard, place=tick.place, error=tick.error)
                self.batch.put_aside(ItemKind.TICK, tick.place, tick.raw, tick.error)
        else:
            key = key_of(tick)
            self.at = tick
            seam("engine", (key,))
            events, time_ms = self._judge(tick)
            seam("collect", (key,))
            self._collect(events, time_ms)
            self.at = None
        self.batch.take_tick(tick)

    def _judge(self, tick: Tick) -> tuple[list[Event], int]:
        """Hand a tick to the engine; return what happened, and its time: one that is stamped ahead comes now.

        The engine's time never goes back, so a time that cannot be is refused and none runs ahead.
        """
        engine, passed_ms = self.book.engine, self._passed_ms()
        inputs = self.batch.inputs
        if passed_ms is None:
            inputs.tick(tick, tick.time_ms)
            return engine.on_tick(tick.symbol, tick.bid, tick.ask, tick.time_ms), tick.time_ms
        now_ms = clocks.wall_ms()
        if tick.time_ms > now_ms + AHEAD_LIMIT_MS:
            inputs.refused(tick)
            return engine.refuse_tick(tick.symbol, TickRefusal.INVALID), now_ms
        time_ms = min(tick.time_ms, now_ms)
        age_ms = self.reader.age_ms(tick, clocks.monotonic_ms())
        inputs.tick(tick, time_ms, passed_ms, age_ms)
        return (
            engine.on_tick(tick.symbol, tick.bid, tick.ask, time_ms, passed_ms=passed_ms, age_ms=age_ms),
            time_ms,
        )

    def _do(self, row: JournalRow) -> None:
        self.batch.items.append(row)
        now_ms = (
            self._now_ms()
            if self.clock == "wall"
            else max(self.book.state.now_ms, min(row.at_ms or 0, LAST_MS))
        )
        asked_ms = now_ms - row.age_ms if self.clock == "wall" else row.at_ms
        command = self._read(row, asked_ms)
        if command is None:
            return
        self._look_again(row, command)
        left_out = self.book.state.unloaded.get(getattr(command, "login", 0))
        if left_out is not None:
            done = CommandDone(Code.HALTED, f"the account is frozen, its rows cannot be loaded: {left_out}")
            self.batch.answers.append(CommandResult(row.id, done))
            return
        too_late_ms = clocks.wall_ms() + AHEAD_LIMIT_MS if self.clock == "wall" else LAST_MS
        if isinstance(command, cmd.AdvanceTime) and command.time_ms > too_late_ms:
            done = CommandDone(Code.INVALID_SETTING, f"time {command.time_ms} is ahead of the clock")
            self.batch.answers.append(CommandResult(row.id, done))
            return
        key = key_of(row)
        self.at = row
        seam("engine", (key,))
        passed_ms = self._passed_ms()
        self.batch.inputs.command(row.id, now_ms, passed_ms, asked_ms)
        events = self.book.engine.on_command(command, now_ms, passed_ms=passed_ms)
        seam("collect", (key,))
        answer = self._collect(events, now_ms)
        if answer is None:
            raise AssertionError("the engine gave no answer")
        self.at = None
        self.batch.answers.append(CommandResult(row.id, answer))

    def _look_again(self, row: JournalRow, command: cmd.Command) -> None:
        """Load anew where a manager lets an account go that was left out: its rows may be mended.

        Raises:
            LoadAnew: that is to be done now; the command is met again.
        """
        if not isinstance(command, cmd.SetHalt) or command.scope is not HaltScope.ACCOUNT:
            return
        login = int(command.key) if command.key.isdecimal() else 0
        if login not in self.book.state.unloaded or row.id == self.looked_for:
            return
        self.looked_for = row.id
        self.search.frozen.pop(login, None)
        raise LoadAnew(f"account {login} is looked at again")

    def _read(self, row: JournalRow, asked_ms: int | None) -> cmd.Command | None:
        """Return the command of a row; one that holds none is put aside here, because no memory was touched."""
        error: object = row.error
        for _ in range(0 if row.error else 2):
            try:
                return command_of(row, self.book.state, asked_ms=asked_ms)
            except ENDS:
                raise
            except BaseException as raised:  # noqa: BLE001 - whatever it is, the row is kept
                error = raised
        self.search.keep_command(self.batch, row, error)
        return None
