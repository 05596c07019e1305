"""The desk: journal and ticks -> engine -> rows -> push, for one shard, for as long as the lease holds.

One thread, one loop: take what waits, compute it, write it in one transaction, publish it. Promises: only
committed effects are shown or answered; whatever goes wrong between computing and knowing that the commit
succeeded throws the memory away and starts from the rows, because starting is recovering. Whatever an item makes
raise, wherever, it is found by narrowing.py, kept in its raw form, and trading goes on; only a lost connection, a
lost lease and a book that cannot be trusted are something else. It holds no rule of trading.
"""

import time
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.conf import settings

from dealing import clock as clocks
from dealing import gaps, lease, memory, rehearsal, shard_book
from dealing.batch import Batch, HaltTurned
from dealing.choices import ItemKind
from dealing.clock import ClockWrong
from dealing.ends import ENDS
from dealing.failpoints import failpoint, seam
from dealing.lease import ClockLost, LeaseLost
from dealing.loop import NONE_DUE, Loop
from dealing.narrowing import PROBED_AFTER, ConnectionLost, LoadAnew, Standing, standing
from dealing.publisher import Publisher
from dealing.shards import WrongShards
from dealing.ticks import TickReader
from engine import commands as cmd
from engine.enums import By, HaltLevel, HaltScope

log = structlog.get_logger(__name__)
RECONNECT_S = 0.2
STAND_BY_S = 0.2
CLOCK_TOLD_S = 5.0


@dataclass(slots=True)
class Desk(Loop):
    """The desk of one shard: its lease, and the loop on a book that is loaded anew whenever something fails."""

    @classmethod
    def from_settings(cls, shard: int, **changed: Any) -> "Desk":
        """Return the desk of a shard as the settings want it, except for what is given."""
        options = {
            "clock": settings.DESK_CLOCK,
            "batch_max": settings.DESK_BATCH,
            "linger_ms": settings.DESK_LINGER_MS,
            "gap_limit_s": settings.DESK_GAP_LIMIT_S,
            "build_id": settings.BUILD_ID,
        }
        return cls(shard=shard, **{**options, **changed})

    # Taking, losing and giving back the lease

    def run(self) -> str:
        """Serve the shard until told to stop; return why it ended: held, drained, idle, lost, or clock.

        "held": another desk still had it after `patience_s` seconds; "clock": our clock was wrong as long.

        Raises:
            WrongShards, NoSuchShard: the database is divided in another way than this process believes.
            engine's InvariantError: the rows do not make a book.
        """
        try:
            with memory.held():
                return self._run()
        finally:
            rehearsal.end(self.rehearsals)
            self.keeper.end()

    def _run(self) -> str:
        failures = 0
        patient_until = time.monotonic() + self.patience_s
        while True:
            refused = "held"
            try:
                taken = lease.take(self.shard, build_id=self.build_id)
            except (*ENDS, WrongShards, lease.NoSuchShard):
                raise
            except ClockWrong as wrong:
                if self._is_due("clock told", CLOCK_TOLD_S):
                    log.error("no lease is taken", shard=self.shard, why=str(wrong))
                taken = None
                refused = "clock"
            except BaseException as error:  # noqa: BLE001 - without a lease there is nothing to narrow down
                failures += 1
                log.warning("the lease cannot be taken", shard=self.shard, error=repr(error))
                if failures > 20 or self.should_stop():
                    return "lost"
                time.sleep(RECONNECT_S)
                continue
            if taken is None:
                if self.should_stop() or time.monotonic() >= patient_until:
                    return refused
                time.sleep(STAND_BY_S)
                continue
            failures = 0
            self.lease = taken
            if taken.after_crash:
                self.search.probing_left = (
                    PROBED_AFTER  # whatever ended the owner before us may wait for us too
                )
            try:
                ended = self._serve()
            except ClockLost as error:
                # What was computed since the last commit is dropped with it; another desk reads the rows.
                log.error("the lease is given back", shard=self.shard, why=str(error))
                taken.release()
                self.at = None
                if self.should_stop() or time.monotonic() >= patient_until:
                    return "clock"
                time.sleep(STAND_BY_S)
                continue
            except LeaseLost as error:
                log.warning("the lease is lost", shard=self.shard, why=repr(error.__cause__ or error))
                taken.close()
                return "lost"
            except ConnectionLost as error:
                # Whether the last commit happened is unknown; the rows know, so they are read again.
                log.warning(
                    "the connection broke, taking the lease anew",
                    shard=self.shard,
                    error=repr(error.__cause__),
                )
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
        """Load and go on until stopped; whatever fails sends us back to loading, a little wiser."""
        is_serving = False
        while True:
            try:
                self._load()
                self._put_guilty_aside()
                if not is_serving:
                    self.when_serving()
                    is_serving = True
                return self._loop()
            except HaltTurned as turned:
                log.warning("the server's kill switch was turned", shard=self.shard, level=str(turned))
            except LoadAnew as wanted:
                log.warning("the book is loaded anew", shard=self.shard, why=str(wanted))
            except (*ENDS, ClockLost):
                raise
            except BaseException as error:  # noqa: BLE001 - the search says what it means
                self._learn(error)

    def _learn(self, error: BaseException) -> None:
        """Let the search find out what an exception means, and forget what was in hand.

        Raises:
            ConnectionLost, LeaseLost: we have to begin anew.
            whatever was raised: it cannot be helped.
        """
        at, self.at = self.at, None
        self.left_out_reports.clear()  # it may not have been written
        if not hasattr(self, "batch"):
            self.search.learn(self.lease, at, None, error)
            return
        batch, self.batch = self.batch, Batch(self.batch.changes, self.batch.cursor, self.batch.offset)
        self.search.learn(self.lease, at, batch, error)

    def _put_guilty_aside(self) -> None:
        """Put the item aside that was found, or load anew without the account that may be to blame for it."""
        verdict = self.search.verdict(self.lease, self.batch)
        if verdict is None:
            return
        if verdict.reload:
            self._load()
        if verdict.retry:
            return
        self.search.put_aside(self.batch, verdict)
        self._commit()
        self.search.acquit(verdict.item)
        self.busy_at = time.monotonic()
        # The reader stood before the item.
        self.reader = TickReader(self.shard, self.batch.cursor, self.batch.offset)

    def _load(self) -> None:
        """Read the book and everything that follows from it."""
        wall_ms = clocks.wall_ms() if self.clock == "wall" else None
        self.book = shard_book.load(
            self.lease, shards=self.lease.shards, frozen=self.search.frozen, wall_ms=wall_ms
        )
        memory.loaded()
        self.passing_from_ms = clocks.wall_ms() - clocks.monotonic_ms()
        row = self.book.row
        if not hasattr(self, "publisher"):
            self.publisher = Publisher(self.book, self.shard, self.lease.epoch)
        else:
            published = max(self.publisher.published, row["published"])
            self.publisher = Publisher(self.book, self.shard, self.lease.epoch)
            self.publisher.published = published
        place = str(row["tick_cursor"]), int(row["tick_offset"])
        self.lease.seq = int(row["seq"])
        self._new_batch(*place)
        self.keeper.loaded(self.book.engine, self.batch, self.lease, wall_ms)
        place = self._find_place(row, place)
        self.reader = TickReader(self.shard, *place)
        self.batch.cursor, self.batch.offset = place
        self.last_stream_id = place[0]
        self.day_end_read = NONE_DUE  # what was read for it went with the memory, the wait begins anew
        self.committed_at = self.busy_at = time.monotonic()
        self.poll_commands = True
        self.batch.changes.collect(self.book.failures, self.book.state.now_ms)
        self.batch.changes.dirty = bool(self.book.failures)
        self._obey_before_trading()

    def _find_place(self, row: dict[str, Any], place: tuple[str, int]) -> tuple[str, int]:
        """Return where to read on in the stream, after passing over what was missed for too long."""
        limit_s = self.gap_limit_s if self.clock == "wall" else 0
        missed = None
        try:
            try:
                self._finish_rehearsals()
                if self.unread is not None and self.unread[0] == place:
                    return self._leave_unread(row, place, self.unread[1])
                seam("gap")
                place_now, missed = gaps.find(self.lease, self.book, limit_s=limit_s)
                return place_now if missed is None else self._pass_over(missed)
            except (*ENDS, redis.RedisError, ClockLost):
                raise
            except BaseException as error:
                if standing(self.lease) is not Standing.OURS:
                    raise
                log.exception("what was missed cannot be told", shard=self.shard)
                self.unread = place, repr(error)
                if missed is not None:
                    raise LoadAnew("missed ticks became quotes in part") from error
                return self._leave_unread(row, place, repr(error))
        except redis.RedisError as error:
            log.warning("the stream does not answer", shard=self.shard, error=str(error))
            if missed is not None:
                raise LoadAnew("missed ticks became quotes in part") from error
            return place

    def _pass_over(self, missed: gaps.Missed) -> tuple[str, int]:
        """Pass over missed ticks and go on with an empty batch behind them."""
        batch = self.batch
        batch.changes.collect(self.book.failures, self.book.state.now_ms)
        self.book.failures = []
        passed = gaps.pass_over(self.lease, self.book, batch, missed, published=self.publisher.published)
        failpoint("after_gap")
        self.rehearsals.add(passed.rehearsal)
        self._new_batch(batch.cursor, batch.offset)
        self._safely("publish", lambda: self.publisher.batch_committed(batch, passed.committed))
        self._tell_plugins(passed.events)
        return batch.cursor, batch.offset

    def _leave_unread(self, row: dict[str, Any], place: tuple[str, int], error: str) -> tuple[str, int]:
        """Pass over missed ticks without looking at them, because looking has failed; the day ends that are due come
        at the quotes that we have."""
        limit_s = self.gap_limit_s if self.clock == "wall" else 0
        self.batch.put_aside(ItemKind.PUBLICATION, f"ticks after {place[0]}", error, "the gap has no report")
        return gaps.pass_over_unseen(self.lease, row, limit_s=limit_s)

    def _obey_before_trading(self) -> None:
        """Set the server's kill switch as the control row says, and freeze accounts whose rows disagree."""
        row = self.lease.conn.execute("SELECT halt_level FROM dealing_enginecontrol WHERE id = 1").fetchone()
        level = HaltLevel(row[0]) if row else HaltLevel.NORMAL
        if level != self.book.state.server_halt:
            self._internal(cmd.SetHalt(scope=HaltScope.SERVER, key="", level=level, by=By.SYSTEM))
        self._tell_what_is_left_out()
        for login, why in sorted(self.book.wrong_accounts.items()):
            account = self.book.state.accounts.get(login)
            if account is None or account.halt == HaltLevel.HALT:
                continue
            log.error("the rows of an account disagree, it is frozen", login=login, why=why)
            self.batch.put_aside(ItemKind.ACCOUNT, f"account {login}", why, "rows disagree")
            self._internal(
                cmd.SetHalt(scope=HaltScope.ACCOUNT, key=str(login), level=HaltLevel.HALT, by=By.SYSTEM)
            )

    def _internal(self, command: cmd.Command) -> None:
        """Do what no journal row asks for."""
        state, now_ms = self.book.state, self._now_ms()
        if self.clock == "wall" and 0 < state.day_end_ms <= now_ms:
            now_ms = state.now_ms  # a day ends only after the ticks that came before it
        passed_ms = self._passed_ms()
        self.batch.inputs.internal(command, now_ms, passed_ms)
        self._collect(self.book.engine.on_command(command, now_ms, passed_ms=passed_ms), now_ms)
        self.batch.changes.dirty = True
