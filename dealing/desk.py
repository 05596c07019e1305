"""The desk: journal and ticks -> engine -> rows -> push, for one shard, for as long as the lease holds.

One thread, one loop: take what waits, compute it, write it in one transaction, publish it. Promises: only
committed effects are shown or answered; whatever goes wrong between computing and knowing that the commit
succeeded throws the memory away and starts from the rows, because starting is recovering. A tick or command that
the engine cannot process is found by bisection, kept in its raw form, and trading goes on.
It holds no rule of trading.
"""

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
import structlog
from django.conf import settings

from dealing import book as books
from dealing import gaps, lease
from dealing.batch import Answer, Batch, Committed, HaltTurned, beat, commit, pending_commands
from dealing.book import Book
from dealing.changes import Changes
from dealing.choices import ItemKind
from dealing.failpoints import failpoint
from dealing.items import Asked, Item, command_of, key_of
from dealing.lease import Lease, LeaseLost
from dealing.publisher import Publisher
from dealing.ticks import Tick, TickReader, newest_entry
from engine import commands as cmd
from engine.codes import Code
from engine.enums import By, HaltLevel, HaltScope
from engine.events import CommandDone, Event

log = structlog.get_logger(__name__)
FIRST_BATCH = 4
POLL_MS = 50
BUSY_POLL_S = 0.01
TIME_EVERY_S = 0.1
SETTLE_MOST = 1_000
BEAT_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
SHOW_EVERY_S = 0.05
IDLE_ENDS_S = 0.3
RECONNECT_S = 0.2
STAND_BY_S = 0.2
REREAD_S = 2.0
AHEAD_LIMIT_MS = 60_000
#: The connection is gone or worthless; a transaction that was left open too long ends as InternalError.
LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)


class BatchFailed(Exception):
    """A batch could not be written, for a reason that lies in what it holds."""


class EngineFailed(Exception):
    """The engine raised on an item; its memory is worth nothing now."""

    def __init__(self, item: Item) -> None:
        super().__init__(key_of(item))
        self.item = item


@dataclass(slots=True)
class Desk:
    """The loop of one shard."""

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
    suspects: set[str] = field(default_factory=set)
    limit: int = FIRST_BATCH
    careful: int = 0  # items still to be taken before the batches may grow again
    draining: bool = False
    # Of the lease that is held now
    lease: Lease = field(init=False)
    book: Book = field(init=False)
    reader: TickReader = field(init=False)
    publisher: Publisher = field(init=False)
    batch: Batch = field(init=False)
    events: list[Event] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    committed_at: float = 0.0
    poll_commands: bool = True
    seen: str = "0-0"  # our place in the stream when we last looked at it
    busy_at: float = 0.0

    @classmethod
    def from_settings(cls, shard: int, **changed: Any) -> "Desk":
        """Return the desk of a shard as the settings want it, except for what is given."""
        told = {
            "clock": settings.DESK_CLOCK,
            "batch_max": settings.DESK_BATCH,
            "linger_ms": settings.DESK_LINGER_MS,
            "gap_limit_s": settings.DESK_GAP_LIMIT_S,
            "build_id": settings.BUILD_ID,
        }
        return cls(shard=shard, **{**told, **changed})

    # Taking, losing and giving back the lease

    def run(self) -> str:
        """Serve the shard until told to stop; return why it ended: held, drained, idle, or lost.

        "held": another desk still had it after `patience_s` seconds.

        Raises:
            WrongShards, NoSuchShard: the database is divided in another way than this process believes.
            engine's InvariantError: the rows do not make a book.
        """
        failures = 0
        patient_until = time.monotonic() + self.patience_s
        while True:
            try:
                taken = lease.take(self.shard, build_id=self.build_id)
            except LOST as error:
                failures += 1
                log.warning("the lease cannot be taken", shard=self.shard, error=str(error))
                if failures > 20 or self.should_stop():
                    return "lost"
                time.sleep(RECONNECT_S)
                continue
            if taken is None:
                if self.should_stop() or time.monotonic() >= patient_until:
                    return "held"
                time.sleep(STAND_BY_S)
                continue
            failures = 0
            self.lease = taken
            try:
                ended = self._serve()
            except LeaseLost as error:
                log.warning("the lease is lost", shard=self.shard, why=str(error))
                taken.close()
                return "lost"
            except LOST as error:
                # Whether the last commit happened is unknown; the rows know, so they are read again.
                log.warning("the connection broke, taking the lease anew", shard=self.shard, error=str(error))
                taken.close()
                # A server that has not noticed yet holds the shard for our own dead session a while longer.
                patient_until = max(patient_until, time.monotonic() + lease.HEARTBEAT_LIMIT_S + 1)
                time.sleep(RECONNECT_S)
                continue
            except BaseException:
                taken.close()
                raise
            taken.release()
            return ended

    def _serve(self) -> str:
        """Load and go on until stopped; items that fail send us back to loading."""
        told = False
        while True:
            self._load()
            if not told:
                self.when_serving()
                told = True
            try:
                return self._loop()
            except EngineFailed as failure:
                log.exception("the engine failed", shard=self.shard, item=key_of(failure.item))
                self.suspects.add(key_of(failure.item))
            except HaltTurned as turned:
                log.warning("the server's kill switch was turned", shard=self.shard, level=str(turned))
            except BatchFailed as failure:
                self._narrow(failure)

    def _narrow(self, error: BatchFailed) -> None:
        """After a batch that could not be written: halve, until one item is found that cannot."""
        items = self.batch.items
        log.exception("a batch could not be written", shard=self.shard, items=len(items))
        if not items:
            raise error
        if len(items) == 1:
            self.suspects.add(key_of(items[0]))
            self._load()
            self._put_aside(items[0], error)
            return
        self.limit = max(1, len(items) // 2)
        self.careful = len(items)

    def _load(self) -> None:
        """Read the book and everything that follows from it."""
        self.book = books.load(self.lease, shards=self.lease.shards)
        row = self.book.row
        state = self.book.state
        if not hasattr(self, "publisher"):
            self.publisher = Publisher(self.book, self.shard, self.lease.epoch)
        else:
            published = max(self.publisher.published, row["published"])
            self.publisher = Publisher(self.book, self.shard, self.lease.epoch)
            self.publisher.published = published
        place = str(row["tick_cursor"]), int(row["tick_offset"])
        try:
            limit_s = self.gap_limit_s if self.clock == "wall" else 0
            place = gaps.find(self.lease, row, state, limit_s=limit_s)
        except redis.RedisError as error:
            log.warning("the stream does not answer", shard=self.shard, error=str(error))
        self.reader = TickReader(self.shard, *place)
        self._new_batch(*place)
        self.seen = place[0]
        self.committed_at = self.busy_at = time.monotonic()
        self.poll_commands = True
        self.batch.changes.collect(self.book.failures, self.book.state.now_ms)
        self.batch.changes.dirty = bool(self.book.failures)
        self._obey_before_trading()

    def _obey_before_trading(self) -> None:
        """Set the server's kill switch as the control row says, and freeze accounts whose rows disagree."""
        row = self.lease.conn.execute("SELECT halt_level FROM dealing_enginecontrol WHERE id = 1").fetchone()
        level = HaltLevel(row[0]) if row else HaltLevel.NORMAL
        if level != self.book.state.server_halt:
            self._internal(cmd.SetHalt(scope=HaltScope.SERVER, key="", level=level, by=By.SYSTEM))
        for login, why in sorted(self.book.wrong_accounts.items()):
            account = self.book.state.accounts.get(login)
            if account is None or account.halt == HaltLevel.HALT:
                continue
            log.error("the rows of an account disagree, it is frozen", login=login, why=why)
            self.batch.poison.append((ItemKind.PUBLICATION.value, f"account {login}", why, "rows disagree"))
            self._internal(
                cmd.SetHalt(scope=HaltScope.ACCOUNT, key=str(login), level=HaltLevel.HALT, by=By.SYSTEM)
            )

    def _internal(self, command: cmd.Command) -> None:
        """Do what no journal row asks for."""
        now_ms = self._now_ms()
        self._collect(self.book.engine.on_command(command, now_ms), now_ms)
        self.batch.changes.dirty = True

    def _new_batch(self, cursor: str, offset: int) -> None:
        changes = Changes(state=self.book.state, shard=self.shard, shards=self.lease.shards)
        self.batch = Batch(changes, cursor, offset)
        self.events = []

    # The loop

    def _loop(self) -> str:
        while True:
            stop = self.draining or self.should_stop()
            if not stop:
                self._fill()
            if self._batch_is_due(stop):
                self._commit()
            self.publisher.resume(self.lease.conn)
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
        if self.book.engine.settle(SETTLE_MOST):
            return  # first what a change of many accounts left to do, a piece between two beats
        self._wait()
        room = self.limit - len(self.batch.items)
        if self.poll_commands or self._is_due("poll", BUSY_POLL_S if self.reader.buffer else POLL_MS / 1000):
            rows = pending_commands(self.lease, room)
            self.poll_commands = len(rows) == room
            for row in rows:
                asked = Asked(*row)
                if not self._alone(asked):
                    return
                self._do(asked)
                room -= 1
        self._pass_time()
        while room > 0 and self.reader.buffer:
            tick = self.reader.buffer[0]
            if not self._alone(tick):
                return
            self.reader.buffer.popleft()
            self._tick(tick)
            room -= 1

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

    def _alone(self, item: Item) -> bool:
        """Return whether an item may be taken now: a suspect waits until the batch is empty."""
        if not self.suspects or key_of(item) not in self.suspects:
            return True
        if self.batch.items:
            self.limit = len(self.batch.items)
            return False
        self.limit = 1
        return True

    def _now_ms(self) -> int:
        """Return the engine's time for what has no time of its own; it never goes back."""
        now_ms = self.book.state.now_ms
        return max(now_ms, time.time_ns() // 1_000_000) if self.clock == "wall" else now_ms

    def _pass_time(self) -> None:
        """Let the clock act on expiries and timeouts where no tick does."""
        if self.clock != "wall" or not self._is_due("time", TIME_EVERY_S):
            return
        now_ms = self._now_ms()
        self._collect(self.book.engine.on_time(now_ms), now_ms)

    def _collect(self, events: list[Event], time_ms: int) -> CommandDone | None:
        if self.book.engine.core.hooks.listens:
            self.events.extend(events)
        return self.batch.changes.collect(events, time_ms)

    def _tick(self, tick: Tick) -> None:
        self.batch.items.append(tick)
        changes = self.batch.changes
        if tick.time_ms < 0 or self._is_ahead(tick.time_ms):
            changes.refused["invalid"] = changes.refused.get("invalid", 0) + 1
        else:
            try:
                events = self.book.engine.on_tick(tick.symbol, tick.bid, tick.ask, tick.time_ms)
            except Exception as error:  # noqa: BLE001 - whatever it is, the item is found and kept
                self._failed(tick, error)
                return
            self._collect(events, tick.time_ms)
        self.batch.take_tick(tick)

    def _is_ahead(self, time_ms: int) -> bool:
        """Return whether a time cannot be: the engine's time never goes back, so it must not run ahead."""
        return self.clock == "wall" and time_ms > time.time_ns() // 1_000_000 + AHEAD_LIMIT_MS

    def _do(self, asked: Asked) -> None:
        self.batch.items.append(asked)
        now_ms = self._now_ms() if self.clock == "wall" else max(self.book.state.now_ms, asked.at_ms or 0)
        asked_ms = now_ms - asked.age_ms if self.clock == "wall" else asked.at_ms
        try:
            command = command_of(asked, self.book.state, asked_ms=asked_ms)
            done = self._collect(self.book.engine.on_command(command, now_ms), now_ms)
            if done is None:
                raise AssertionError("the engine gave no answer")
        except Exception as error:  # noqa: BLE001 - whatever it is, the item is found and kept
            self._failed(asked, error)
            return
        self.batch.answers.append(Answer(asked.id, done))

    def _failed(self, item: Item, error: Exception) -> None:
        """Put an item aside that failed alone; else throw the memory away and find out."""
        if key_of(item) in self.suspects and len(self.batch.items) == 1:
            self._load()
            self._put_aside(item, error)
            return
        raise EngineFailed(item) from error

    def _put_aside(self, item: Item, error: Exception) -> None:
        """Keep an item in its raw form and go on behind it."""
        self.suspects.discard(key_of(item))
        told = "".join(traceback.format_exception(error))[-8000:]
        self.batch.items.append(item)
        if isinstance(item, Tick):
            # The reader starts anew at our place, so it stands at its head again.
            end = time.monotonic() + REREAD_S
            while not self.reader.buffer and time.monotonic() < end:
                self.reader.poll(POLL_MS)
            if self.reader.buffer and self.reader.buffer[0].place == item.place:
                self.reader.buffer.popleft()
            self.batch.take_tick(item)
            self.batch.poison.append((ItemKind.TICK.value, item.place, item.raw, told))
        else:
            raw = json.dumps({"name": item.name, "payload": item.payload})
            done = CommandDone(
                Code.INTERNAL_ERROR, "the engine could not process it; it is kept for inspection"
            )
            self.batch.answers.append(Answer(item.id, done))
            self.batch.poison.append((ItemKind.COMMAND.value, str(item.id), raw, told))
        log.error("an item is put aside", shard=self.shard, item=key_of(item), error=repr(error))
        self.limit = FIRST_BATCH
        self._commit()

    # Writing

    def _batch_is_due(self, stop: bool) -> bool:
        batch = self.batch
        if batch.is_empty:
            return False
        if stop or batch.answers or batch.poison or batch.changes.dirty or len(batch.items) >= self.limit:
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
        committed = self._write(batch, state_hash)
        self.committed_at = time.monotonic()
        if batch.items:
            self.busy_at = self.committed_at
        self.draining = self.draining or committed.drain_requested
        for item in batch.items if self.suspects else ():
            self.suspects.discard(key_of(item))
        self._grow(len(batch.items))
        if self.seen == "0-0":
            self.seen = batch.cursor  # the first place that the stream can be held against
        events = self.events
        self._new_batch(batch.cursor, batch.offset)
        self.publisher.batch_committed(batch, committed)
        failpoint("after_publish")
        self._tell_plugins(events)

    def _write(self, batch: Batch, state_hash: str) -> Committed:
        try:
            return commit(
                self.lease,
                batch,
                self.book.state,
                published=self.publisher.published,
                books=self.book.tick_books,
                state_hash=state_hash,
            )
        except (psycopg.DataError, psycopg.IntegrityError, ValueError, TypeError, LookupError) as error:
            # Whatever a row may be refused for; a broken connection or a missing table is none of it.
            raise BatchFailed(repr(error)) from error

    def _grow(self, taken: int) -> None:
        """Double the batches, unless we are looking for the item that cannot be written."""
        if self.careful > 0:
            self.careful -= taken
        else:
            self.limit = min(self.batch_max, max(self.limit * 2, FIRST_BATCH))
        self.limit = min(self.limit, self.batch_max)

    def _tell_plugins(self, events: list[Event]) -> None:
        """Show plugins what was committed; what fails there is counted in the batch that comes."""
        if events:
            failures = self.book.engine.after_commit(events)
            self.batch.changes.collect(failures, self.book.state.now_ms)

    def _keep_alive(self) -> None:
        """Beat where there is nothing to commit, and see whether Redis lost its data."""
        if time.monotonic() - self.committed_at >= BEAT_EVERY_S:
            self._beat()
        if not self.reader.is_down and self._is_due("look", LOOK_EVERY_S):
            self._look_at_stream()

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
            log.warning("the stream is behind our place: Redis has lost its data", shard=self.shard)
            self._load()

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
        """Show what is due; a fault in showing is logged and holds no trade up."""
        if not self._is_due("show", SHOW_EVERY_S) and not self.reader.questions:
            return
        try:
            if self.reader.questions and self.batch.is_empty:
                questions, self.reader.questions = self.reader.questions, []
                self.publisher.answer(questions)
            self.publisher.show({"batch_limit": self.limit, "waiting_ticks": len(self.reader.buffer)})
        except Exception:
            log.exception("live values could not be shown", shard=self.shard)
            self.due["show"] = time.monotonic() + 1

    def _drain(self) -> None:
        """Write a last batch that says in which state we leave the book."""
        self.publisher.resume(self.lease.conn)
        self._commit(state_hash=self.book.engine.state_hash())
        self.publisher.show_last()
        log.info("drained", shard=self.shard, epoch=self.lease.epoch)

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if self.due.get(name, 0.0) > now:
            return False
        self.due[name] = now + every_s
        return True
