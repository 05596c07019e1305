"""The loop of a desk between two loads: take what waits, compute it, write it in one transaction, publish it.

Promises: only committed effects are shown or answered. Whatever is raised where an item is in hand leaves the loop
with that item in `at`, or with the batch that was being written; who catches it throws the memory away. What no
trade depends on (publishing, showing, plugins after a commit) raises nothing but a lost connection or lease.
It holds no rule of trading.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import redis
import structlog

from dealing import clock as clocks
from dealing import gaps, lease, memory, rehearsal
from dealing.batch import HaltTurned, beat, pending_commands
from dealing.choices import ItemKind
from dealing.dealers import PresenceCheck
from dealing.ends import ENDS
from dealing.failpoints import failpoint, seam
from dealing.items import SETTLING, TIME, Item, Moment, key_of
from dealing.lease import BEAT_EVERY_S
from dealing.narrowing import (
    PROBED_AT_ONCE,
    TRIES,
    LoadAnew,
    Stage,
    Standing,
    Verdict,
    standing,
)
from dealing.probe import LIMIT_S as PROBE_LIMIT_S
from dealing.probe import Findings, probe
from dealing.snapshots import Keeper
from dealing.taking import Taking
from dealing.ticks import Tick, id_key, id_ms, newest_entry
from engine.events import Event

log = structlog.get_logger(__name__)
POLL_MS = 50
BUSY_POLL_S = 0.01
TIME_EVERY_S = 0.1
LOOK_EVERY_S = 1.0
DEALERS_EVERY_S = 1.0
SHOW_EVERY_S = 0.05
IDLE_ENDS_S = 0.3
DAY_END_WAITS_S = 5.0  # for ticks that came before it
NONE_DUE = (0, "", 0.0)  # a day end that is due, the last entry before it, until when we wait for that


@dataclass(slots=True)
class Loop(Taking):
    """The loop of one shard, from a load to the next; `desk.Desk` takes the lease and loads."""

    linger_ms: int = 50
    gap_limit_s: int = 5
    should_stop: Callable[[], bool] = lambda: False
    until_idle: bool = False
    when_serving: Callable[[], None] = lambda: None  # called when a lease is ours and its book is loaded
    patience_s: float = 0.0  # how long to stand by while another desk has the shard
    build_id: str = ""
    left_out_reports: set[tuple[str, str]] = field(default_factory=set)  # what was shown as left out, and why
    draining: bool = False
    due: dict[str, float] = field(default_factory=dict)
    dealers: PresenceCheck = field(default_factory=PresenceCheck)
    committed_at: float = 0.0
    poll_commands: bool = True
    last_stream_id: str = "0-0"  # our place in the stream when we last looked at it
    busy_at: float = 0.0
    rehearsals: set[int] = field(default_factory=set)  # processes that ask the engine about gaps
    keeper: Keeper = field(default_factory=Keeper)
    unread: tuple[tuple[str, int], str] | None = None  # where missed ticks could not be read, and why
    day_end_read: tuple[int, str, float] = NONE_DUE

    def _tell_what_is_left_out(self) -> None:
        """Show accounts and settings that could not be loaded, each reason once."""
        state = self.book.state
        left_out = [
            *((ItemKind.ACCOUNT, f"account {login}", why) for login, why in sorted(state.unloaded.items())
              if login not in self.search.on_trial),
            *((ItemKind.SETTINGS, f"{kind} {key}", why)
              for (kind, key), why in sorted(state.unloaded_settings.items())),
        ]  # fmt: skip
        for kind, reference, why in left_out:
            if (reference, why) not in self.left_out_reports:
                if kind is ItemKind.ACCOUNT:
                    self.batch.freeze.append(int(reference.split()[1]))
                self.left_out_reports.add((reference, why))
                log.error("it cannot be loaded and is left out", what=reference, why=why)
                self.batch.put_aside(
                    kind, reference, why, "it cannot be loaded; what depends on it is frozen"
                )

    # The loop

    def _loop(self) -> str:
        while True:
            stop = self.draining or self.should_stop()
            worked = not stop and self._fill()
            if worked:
                self.busy_at = time.monotonic()
            if self._batch_is_due(stop):
                self._commit()
            self._safely("resume", self._resume)
            self._show()
            self._keep_alive()
            memory.between_batches()  # the batch that was written is freed by now
            if stop:
                self._drain()
                return "drained"
            if self.until_idle and not worked and time.monotonic() - self.busy_at > IDLE_ENDS_S:
                self._drain()
                return "idle"

    def _fill(self) -> bool:
        """Wait for work and compute it, up to the batch's limit; return whether there was any."""
        if self._settle():
            return True  # first what a change of many accounts left to do, a piece between two beats
        self._wait()
        items = self._next_items()
        for item in self._tried(items) if self.search.is_probing else items:
            if isinstance(item, Tick):
                self.reader.buffer.popleft()
            self.take(item)
        return self._is_work(items)

    def _is_work(self, items: list[Item]) -> bool:
        """Return whether there is more among them than moments that come by themselves and are well."""
        return any(not isinstance(item, Moment) or self.search.is_suspect(item) for item in items)

    def _next_items(self) -> list[Item]:
        """Return what is to be taken now; ticks are still in the reader's buffer."""
        search, batch = self.search, self.batch
        if search.failures and not batch.items:  # behind others a suspect would wait for ever
            if search.is_suspect(TIME) and self._time_is_due():
                return [TIME]
            head = next(iter(self.reader.buffer), None)
            if head is not None and search.is_suspect(head) and self._may_take(head):
                return [head]
        limit = min(search.limit, PROBED_AT_ONCE) if search.is_probing else search.limit
        items, room = self._before_day_end(limit - len(batch.items))
        early = len(items)
        if not room:
            return items
        if self.poll_commands or self._is_due("poll", BUSY_POLL_S if self.reader.buffer else POLL_MS / 1000):
            rows = pending_commands(self.lease, room)
            self.poll_commands = len(rows) == room
            for row in rows:
                if not self._may_take(row, items):
                    return items
                items.append(row)
                room -= 1
        if self._time_is_due() and self._may_take(TIME, items):
            items.append(TIME)
        for tick in islice(self.reader.buffer, early, early + room):
            if not self._may_take(tick, items):
                return items
            items.append(tick)
        return items

    def _time_is_due(self) -> bool:
        return self.clock == "wall" and self._is_due("time", TIME_EVERY_S)

    def _may_take(self, item: Item, before: Sequence[Item] = ()) -> bool:
        """Return whether an item may be taken now, behind others; a suspect is alone."""
        taken = len(self.batch.items) + len(before)
        if any(self.search.is_suspect(one) for one in before):
            return False
        return self.search.may_take(item, taken)

    def _before_day_end(self, room: int) -> tuple[list[Item], int]:
        """Return the ticks that came before a day end that is due, ahead of what happens by our clock (§10.3).

        With them comes the room that is left, 0 where there may be more of them. What counts is when Redis took them;
        nothing that comes from now on counts, and the wait has a limit, so that no stream can hold a day end up.
        """
        state, reader = self.book.state, self.reader
        end_ms = state.day_end_ms
        ticks: list[Item] = []
        if self.clock != "wall" or not end_ms or end_ms > clocks.wall_ms() or reader.is_down:
            return ticks, room
        if self.day_end_read[0] != end_ms:
            try:
                newest = newest_entry()
            except redis.RedisError:
                return ticks, room
            last = str(newest["last-generated-id"]) if newest else "0-0"
            self.day_end_read = end_ms, last, time.monotonic() + DAY_END_WAITS_S
        _, last, until = self.day_end_read
        if time.monotonic() >= until:
            return ticks, room
        for tick in reader.buffer:
            if id_ms(tick.entry) >= end_ms or id_key(tick.entry) > id_key(last):
                return ticks, room
            if not room or not self._may_take(tick, ticks):
                return ticks, 0
            ticks.append(tick)
            room -= 1
        return ticks, room if id_key(reader.read_to) >= id_key(last) else 0

    # Trying before taking

    def _tried(self, items: list[Item]) -> list[Item]:
        """Return those items that may be taken, after they were tried in a fork: all, or those before one that failed.

        Raises:
            LoadAnew: an account is to blame, and is to be left out.
        """
        if not self._is_work(items):
            return items
        if not self.batch.is_empty:
            self._commit()  # what is no item's doing
        findings = self._probe(items)
        is_written = findings is not None and findings.failure is not None and findings.among > 1
        if is_written:
            findings = self._probe(items, apart=True)
            if findings is not None and findings.failure is None:  # each by itself can be written
                self.search.take_apart(len(items))
                return items[:1]
        if findings is None:
            self.search.no_probe()
            return items
        if findings.failure is None:
            return items
        item, good = items[findings.good], items[: findings.good]
        verdict = self.search.failed_in_probe(self.lease, item, findings.failure, alone=not good)
        if verdict is not None:
            self._judge_suspect(verdict)
        return good if is_written or not good else self._tried(good)

    def _probe(
        self, items: list[Item], *, apart: bool = False, without: dict[int, str] | None = None
    ) -> Findings | None:
        """Try items in a fork, which has our row meanwhile, so that we cannot beat.

        Raises:
            ConnectionLost, LeaseLost: the fork failed because we have.
        """
        self._beat(ahead_s=PROBE_LIMIT_S)
        findings = probe(self, items, self.lease.conn, apart=apart, without=without)
        failure = findings.failure if findings is not None else None
        if failure is not None and failure.stage is Stage.DYING and standing(self.lease) is not Standing.OURS:
            raise failure
        return findings

    def _judge_suspect(self, verdict: Verdict) -> None:
        """Put aside what has failed often enough, or load without the account that is to blame for it.

        Raises:
            LoadAnew: the item goes well without the account.
        """
        item, login, error = verdict.item, verdict.login, verdict.error
        if login is not None:
            log.error("an item is tried without an account", shard=self.shard, item=key_of(item), login=login)
            for _ in range(TRIES):
                findings = self._probe([item], without={login: "on trial"})
                if findings is None:
                    self.search.no_probe()
                    return
                if findings.failure is None:
                    self.search.freeze(item, login, error)
                if repr(findings.failure) == repr(error):
                    break  # it was not the account's fault
        if isinstance(item, Tick):
            self.reader.buffer.popleft()
        self.search.put_aside(self.batch, verdict)
        self._commit()
        self.search.acquit(item)

    def _finish_rehearsals(self) -> None:
        """Forget rehearsals that have ended; where none is left, say of gaps without an answer that none will come."""
        rehearsal.reap(self.rehearsals)
        if not self.rehearsals:
            gaps.finish_unanswered(self.lease)

    def _settle(self) -> bool:
        """Do a piece of what a change of many accounts left to do; return whether there was any."""
        if not self.book.engine.core.bounds.backlog or not self._may_take(SETTLING):
            return False
        if not self.search.is_suspect(SETTLING) or not self.search.is_probing or self._tried([SETTLING]):
            self.take(SETTLING)
        return True

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
            or self.search.is_probing
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
        committed = self._write_batch(state_hash)
        self.committed_at = time.monotonic()
        if batch.items:
            self.busy_at = self.committed_at
        self.draining = self.draining or committed.drain_requested
        self.search.committed(batch.items)
        if self.last_stream_id == "0-0":
            self.last_stream_id = batch.cursor  # the first place that the stream can be held against
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
        if self._is_due("snapshot", LOOK_EVERY_S):
            self._safely("snapshot", self._look_for_snapshot)
        if not self.reader.is_down and self._is_due("look", LOOK_EVERY_S):
            self._safely("look", self._look_at_stream)

    def _look_for_snapshot(self) -> None:
        self.keeper.look(self.book.engine, self.batch, self.lease)

    def _look_for_dealers(self) -> None:
        """See who is connected as a dealer, and ask for what follows from it."""
        if self.dealers.look(self.lease.conn, self.shard, self.book.state.dealers):
            self.poll_commands = True

    def _look_at_stream(self) -> None:
        """See whether Redis lost its data since the last look."""
        try:
            newest = newest_entry()
        except redis.RedisError:
            return  # it is away; the reader says so and tries again
        if newest is None:
            return
        if not gaps.is_behind(newest, self.batch.cursor):
            gaps.note_loss(self.lease, newest, self.last_stream_id)
            self.last_stream_id = self.batch.cursor
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
