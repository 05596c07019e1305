"""The loop of a desk between two loads: take what waits, compute it, write it in one transaction, publish it.

Promises: only committed effects are shown or answered. Whatever is raised where an item is in hand leaves the loop
with that item in `at`, or with the batch that was being written; who catches it throws the memory away. What no
trade depends on (publishing, showing, plugins after a commit) raises nothing but a lost connection or lease.
It holds no rule of trading.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
import structlog

from dealing import clock as clocks
from dealing import gaps, lease, memory, rehearsal
from dealing.batch import Answer, Batch, HaltTurned, beat, commit, pending_commands
from dealing.book import Book
from dealing.changes import Changes
from dealing.choices import ItemKind
from dealing.dealers import Watch
from dealing.failpoints import failpoint, seam
from dealing.items import SETTLING, TIME, Asked, Item, command_of, key_of
from dealing.lease import Lease
from dealing.narrowing import ENDS, Search, Standing, standing
from dealing.publisher import Publisher
from dealing.ticks import Tick, TickReader, id_key, id_ms, newest_entry
from engine import commands as cmd
from engine.codes import Code
from engine.enums import HaltScope, TickRefusal
from engine.events import CommandDone, Event
from engine.settings import LAST_MS

log = structlog.get_logger(__name__)
POLL_MS = 50
BUSY_POLL_S = 0.01
TIME_EVERY_S = 0.1
SETTLE_MOST = 1_000
BEAT_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
DEALERS_EVERY_S = 1.0
SHOW_EVERY_S = 0.05
IDLE_ENDS_S = 0.3
AHEAD_LIMIT_MS = 60_000
DAY_END_WAITS_S = 5.0  # for ticks that came before it
NONE_DUE = (0, "", 0.0)  # a day end that is due, the last entry before it, until when we wait for that


class LoadAnew(Exception):
    """The book is to be loaded anew: rows that were left out may be mended, or Redis has lost its data."""


@dataclass(slots=True)
class Loop:
    """The loop of one shard, from a load to the next; `desk.Desk` takes the lease and loads."""

    shard: int
    clock: str = "wall"
    batch_max: int = 256
    linger_ms: int = 50
    gap_limit_s: int = 5
    should_stop: Callable[[], bool] = lambda: False
    until_idle: bool = False
    when_serving: Callable[[], None] = lambda: None  # called when a lease is ours and its book is loaded
    patience_s: float = 0.0  # how long to stand by while another desk has the shard
    build_id: str = ""
    search: Search = field(init=False)
    told: set[tuple[str, str]] = field(default_factory=set)  # what was shown as left out, and why
    looked_for: int = 0  # the command for which rows that were left out were looked at last
    draining: bool = False
    # Of the lease that is held now
    lease: Lease = field(init=False)
    book: Book = field(init=False)
    reader: TickReader = field(init=False)
    publisher: Publisher = field(init=False)
    batch: Batch = field(init=False)
    at: Item | None = None  # what is being computed at this moment
    events: list[Event] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    dealers: Watch = field(default_factory=Watch)
    committed_at: float = 0.0
    poll_commands: bool = True
    seen: str = "0-0"  # our place in the stream when we last looked at it
    busy_at: float = 0.0
    rehearsals: set[int] = field(default_factory=set)  # processes that ask the engine about gaps
    unread: tuple[tuple[str, int], str] | None = None  # where missed ticks could not be read, and why
    day_end_read: tuple[int, str, float] = NONE_DUE
    passing_from_ms: int = 0  # what the monotonic clock lacks to have begun at the wall's time of the load

    def __post_init__(self) -> None:
        self.search = Search(self.shard, self.batch_max)

    def _new_batch(self, cursor: str, offset: int) -> None:
        changes = Changes(state=self.book.state, shard=self.shard, shards=self.lease.shards)
        self.batch = Batch(changes, cursor, offset)
        self.events = []

    def _tell_what_is_left_out(self) -> None:
        """Show accounts and settings that could not be loaded, each reason once."""
        state = self.book.state
        found = [
            *((ItemKind.ACCOUNT, f"account {login}", why) for login, why in sorted(state.unloaded.items())
              if login not in self.search.on_trial),
            *((ItemKind.SETTINGS, f"{kind} {key}", why)
              for (kind, key), why in sorted(state.unloaded_settings.items())),
        ]  # fmt: skip
        for kind, reference, why in found:
            if (reference, why) not in self.told:
                if kind is ItemKind.ACCOUNT:
                    self.batch.freeze.append(int(reference.split()[1]))
                self.told.add((reference, why))
                log.error("it cannot be loaded and is left out", what=reference, why=why)
                self.batch.put_aside(
                    kind, reference, why, "it cannot be loaded; what depends on it is frozen"
                )

    # The loop

    def _loop(self) -> str:
        while True:
            stop = self.draining or self.should_stop()
            if not stop:
                self._fill()
            if self._batch_is_due(stop):
                self._commit()
            self._safely("resume", self._resume)
            self._show()
            self._keep_alive()
            if stop:
                self._drain()
                return "drained"
            if self.until_idle and time.monotonic() - self.busy_at > IDLE_ENDS_S:
                self._drain()
                return "idle"

    def _fill(self) -> None:
        """Wait for work and compute it, up to the batch's limit."""
        if self._settle():
            return  # first what a change of many accounts left to do, a piece between two beats
        self._wait()
        room = self._read_up_to_day_end(self.search.limit - len(self.batch.items))
        if not room:
            return
        if self.poll_commands or self._is_due("poll", BUSY_POLL_S if self.reader.buffer else POLL_MS / 1000):
            found = pending_commands(self.lease, room)
            self.poll_commands = len(found) == room
            for asked in found:
                if not self._may_take(asked):
                    return
                self._do(asked)
                room -= 1
        self._pass_time()
        while room > 0 and self.reader.buffer:
            tick = self.reader.buffer[0]
            if not self._may_take(tick):
                return
            self.reader.buffer.popleft()
            self._tick(tick)
            room -= 1

    def _read_up_to_day_end(self, room: int) -> int:
        """Take the ticks that came before a day end that is due, ahead of what happens by our clock (§10.3).

        Returns the room that is left in the batch, 0 where there may be more of them. What counts is when Redis took
        them; nothing that comes from now on counts, and the wait has a limit, so that no stream can hold a day end up.
        """
        state, reader = self.book.state, self.reader
        end_ms = state.day_end_ms
        if self.clock != "wall" or not end_ms or end_ms > clocks.wall_ms() or reader.is_down:
            return room
        if self.day_end_read[0] != end_ms:
            try:
                told = newest_entry()
            except redis.RedisError:
                return room
            last = str(told["last-generated-id"]) if told else "0-0"
            self.day_end_read = end_ms, last, time.monotonic() + DAY_END_WAITS_S
        _, last, until = self.day_end_read
        while reader.buffer and state.day_end_ms == end_ms and time.monotonic() < until:
            tick = reader.buffer[0]
            if id_ms(tick.entry) >= end_ms or id_key(tick.entry) > id_key(last):
                return room
            if not room or not self._may_take(tick):
                return 0
            reader.buffer.popleft()
            self._tick(tick)
            room -= 1
        is_read = reader.buffer or id_key(reader.read_to) >= id_key(last)
        return room if is_read or state.day_end_ms != end_ms or time.monotonic() >= until else 0

    def _finish_rehearsals(self) -> None:
        """Forget rehearsals that have ended; where none is left, say of gaps without an answer that none will come."""
        rehearsal.reap(self.rehearsals)
        if not self.rehearsals:
            gaps.finish_unanswered(self.lease)

    def _settle(self) -> int:
        """Do a piece of what a change of many accounts left to do; return how much it was."""
        if not self._may_take(SETTLING):
            return 0
        self.at = SETTLING
        done = self.book.engine.arm_bounds(SETTLE_MOST)
        self.at = None
        return done

    def _wait(self) -> None:
        """Look for ticks and wake-ups; sleep only where there is nothing else to do."""
        if self.reader.buffer:
            return
        if self.batch.is_empty:
            block_ms = 1 if self.poll_commands else POLL_MS
        else:
            left_ms = self.linger_ms - int((time.monotonic() - self.batch.started) * 1000)
            block_ms = max(1, min(POLL_MS, left_ms))
        if self.reader.poll(block_ms):
            self.poll_commands = True

    def _may_take(self, item: Item) -> bool:
        return self.search.may_take(item, len(self.batch.items))

    def _now_ms(self) -> int:
        """Return the engine's time for what has no time of its own; it never goes back."""
        now_ms = self.book.state.now_ms
        return max(now_ms, clocks.wall_ms()) if self.clock == "wall" else now_ms

    def _passed_ms(self) -> int | None:
        """Return the time that passes, counted on from the wall's at the load; None where events are the clock."""
        return clocks.monotonic_ms() + self.passing_from_ms if self.clock == "wall" else None

    def _pass_time(self) -> None:
        """Let the clock act on expiries and timeouts where no tick does."""
        if self.clock != "wall" or not self._is_due("time", TIME_EVERY_S):
            return
        if not self._may_take(TIME):
            return
        now_ms = self._now_ms()
        self.at = TIME
        seam("time")
        events = self.book.engine.on_time(now_ms, passed_ms=self._passed_ms())
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
        if passed_ms is None:
            return engine.on_tick(tick.symbol, tick.bid, tick.ask, tick.time_ms), tick.time_ms
        now_ms = clocks.wall_ms()
        if tick.time_ms > now_ms + AHEAD_LIMIT_MS:
            return engine.refuse_tick(tick.symbol, TickRefusal.INVALID), now_ms
        time_ms = min(tick.time_ms, now_ms)
        age_ms = self.reader.age_ms(tick, clocks.monotonic_ms())
        return (
            engine.on_tick(tick.symbol, tick.bid, tick.ask, time_ms, passed_ms=passed_ms, age_ms=age_ms),
            time_ms,
        )

    def _do(self, asked: Asked) -> None:
        self.batch.items.append(asked)
        now_ms = (
            self._now_ms()
            if self.clock == "wall"
            else max(self.book.state.now_ms, min(asked.at_ms or 0, LAST_MS))
        )
        asked_ms = now_ms - asked.age_ms if self.clock == "wall" else asked.at_ms
        command = self._read(asked, asked_ms)
        if command is None:
            return
        self._look_again(asked, command)
        left_out = self.book.state.unloaded.get(getattr(command, "login", 0))
        if left_out is not None:
            done = CommandDone(Code.HALTED, f"the account is frozen, its rows cannot be loaded: {left_out}")
            self.batch.answers.append(Answer(asked.id, done))
            return
        too_late_ms = clocks.wall_ms() + AHEAD_LIMIT_MS if self.clock == "wall" else LAST_MS
        if isinstance(command, cmd.AdvanceTime) and command.time_ms > too_late_ms:
            done = CommandDone(Code.INVALID_SETTING, f"time {command.time_ms} is ahead of the clock")
            self.batch.answers.append(Answer(asked.id, done))
            return
        key = key_of(asked)
        self.at = asked
        seam("engine", (key,))
        events = self.book.engine.on_command(command, now_ms, passed_ms=self._passed_ms())
        seam("collect", (key,))
        answer = self._collect(events, now_ms)
        if answer is None:
            raise AssertionError("the engine gave no answer")
        self.at = None
        self.batch.answers.append(Answer(asked.id, answer))

    def _look_again(self, asked: Asked, command: cmd.Command) -> None:
        """Load anew where a manager lets an account go that was left out: its rows may be mended.

        Raises:
            LoadAnew: that is to be done now; the command is met again.
        """
        if not isinstance(command, cmd.SetHalt) or command.scope is not HaltScope.ACCOUNT:
            return
        login = int(command.key) if command.key.isdecimal() else 0
        if login not in self.book.state.unloaded or asked.id == self.looked_for:
            return
        self.looked_for = asked.id
        self.search.frozen.pop(login, None)
        raise LoadAnew(f"account {login} is looked at again")

    def _read(self, asked: Asked, asked_ms: int | None) -> cmd.Command | None:
        """Return the command of a row; one that holds none is put aside here, because no memory was touched."""
        error: object = asked.error
        for _ in range(0 if asked.error else 2):
            try:
                return command_of(asked, self.book.state, asked_ms=asked_ms)
            except ENDS:
                raise
            except BaseException as raised:  # noqa: BLE001 - whatever it is, the row is kept
                error = raised
        self.search.keep_command(self.batch, asked, error)
        return None

    # Writing

    def _batch_is_due(self, stop: bool) -> bool:
        batch = self.batch
        if batch.is_empty:
            return False
        if (
            stop
            or batch.answers
            or batch.poison
            or batch.changes.dirty
            or len(batch.items) >= self.search.limit
        ):
            return True
        return (time.monotonic() - batch.started) * 1000 >= self.linger_ms

    def _commit(self, state_hash: str = "") -> None:
        """Write the batch, then publish it."""
        batch = self.batch
        if batch.is_large or time.monotonic() - self.committed_at > lease.SILENCE_LIMIT_S:
            # A tick that closes tens of thousands of positions takes as long again on every new try.
            self._beat(ahead_s=lease.LOAD_LIMIT_S)
        for book in self.book.tick_books:
            for symbol, bid, time_ms in batch.changes.accepted:
                book.add(symbol, bid, time_ms, self.book.state.symbols[symbol].digits)
        committed = commit(
            self.lease,
            batch,
            self.book.state,
            published=self.publisher.published,
            books=self.book.tick_books,
            state_hash=state_hash,
        )
        self.committed_at = time.monotonic()
        if batch.items:
            self.busy_at = self.committed_at
        self.draining = self.draining or committed.drain_requested
        self.search.committed(batch.items)
        if self.seen == "0-0":
            self.seen = batch.cursor  # the first place that the stream can be held against
        events = self.events
        self._new_batch(batch.cursor, batch.offset)
        if self.search.ends_trial(batch.items):
            self._tell_what_is_left_out()
        for request in batch.changes.unanswered:
            log.error("a stop-out waited for a dealer in vain", shard=self.shard, login=request.login,
                      request=request.id, position=request.position)  # fmt: skip
        self._safely("publish", lambda: self.publisher.batch_committed(batch, committed))
        failpoint("after_publish")
        self._tell_plugins(events)
        memory.between_batches()

    def _tell_plugins(self, events: list[Event]) -> None:
        """Show plugins what was committed; what fails there is counted in the batch that comes."""
        if events:
            self._safely("plugin", lambda: self._after_commit(events))

    def _after_commit(self, events: list[Event]) -> None:
        seam("plugin")
        failures = self.book.engine.after_commit(events)
        self.batch.changes.collect(failures, self.book.state.now_ms)

    def _safely(self, what: str, act: Callable[[], None]) -> None:
        """Do something that no trade depends on: what it raises is told, and holds nothing up.

        Raises:
            whatever was raised: connection or lease are lost.
        """
        try:
            act()
        except (*ENDS, LoadAnew):
            raise
        except BaseException:
            if standing(self.lease) is not Standing.OURS:
                raise
            if self._is_due(f"told of {what}", 1.0):
                log.exception("something beside trading failed", shard=self.shard, what=what)

    def _resume(self) -> None:
        for kind, reference, raw, error in self.publisher.resume(self.lease.conn):
            self.batch.put_aside(kind, reference, raw, error)

    def _keep_alive(self) -> None:
        """Beat where there is nothing to commit, and see whether Redis lost its data."""
        if time.monotonic() - self.committed_at >= BEAT_EVERY_S:
            self._beat()
        if self.clock == "wall" and self._is_due("dealers", DEALERS_EVERY_S):
            self._safely("dealers", self._look_for_dealers)
        if self.rehearsals:
            self._safely("rehearsal", self._finish_rehearsals)
        if not self.reader.is_down and self._is_due("look", LOOK_EVERY_S):
            self._safely("look", self._look_at_stream)

    def _look_for_dealers(self) -> None:
        """See who is connected as a dealer, and ask for what follows from it."""
        if self.dealers.look(self.lease.conn, self.shard, self.book.state.dealers):
            self.poll_commands = True

    def _look_at_stream(self) -> None:
        """See whether Redis lost its data since the last look."""
        try:
            told = newest_entry()
        except redis.RedisError:
            return  # it is away; the reader says so and tries again
        if told is None:
            return
        if not gaps.is_behind(told, self.batch.cursor):
            gaps.note_loss(self.lease, told, self.seen)
            self.seen = self.batch.cursor
        elif not self.reader.buffer and self.batch.is_empty:
            raise LoadAnew("the stream is behind our place: Redis has lost its data")

    def _beat(self, *, ahead_s: int = 0) -> None:
        """Ask the row whether the shard is still ours, and obey what it says.

        Raises:
            LeaseLost: somebody else has it.
            HaltTurned: what was computed and not written was computed with another kill switch.
        """
        drain, level = beat(self.lease, published=self.publisher.published, ahead_s=ahead_s)
        self.committed_at = time.monotonic()
        self.draining = self.draining or drain
        if level != self.book.state.server_halt:
            raise HaltTurned(level)

    def _show(self) -> None:
        """Show what is due."""
        if not self._is_due("show", SHOW_EVERY_S) and not self.reader.questions:
            return
        if self.reader.questions and self.batch.is_empty:
            questions, self.reader.questions = self.reader.questions, []
            self._safely("answer", lambda: self.publisher.answer(questions))
        lag = {
            "put_aside": self.search.put,
            "batch_limit": self.search.limit,
            "waiting_ticks": len(self.reader.buffer),
        }
        self._safely("show", lambda: self.publisher.show(lag))

    def _drain(self) -> None:
        """Write a last batch that says in which state we leave the book."""
        self._safely("resume", self._resume)
        self._commit(state_hash=self.book.engine.state_hash())
        self._safely("show", self.publisher.show_last)
        log.info("drained", shard=self.shard, epoch=self.lease.epoch)

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if self.due.get(name, 0.0) > now:
            return False
        self.due[name] = now + every_s
        return True
