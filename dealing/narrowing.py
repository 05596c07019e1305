"""The search for the item that cannot be taken, whatever it is that it makes raise.

Something was raised while items were in hand. What kind of trouble that is, is asked of the world and not of the
exception's class: `standing` says whether connection and lease are still ours. If they are, the trouble lies in an
item, and it is found by trying: for a while all items are tried in a fork first (probe.py), which costs no memory, until
one has failed often enough, alone at last; then it is guilty. Where there can be no fork, batches shrink on the desk's
own memory until one item fails alone. A connection that is lost again and again with the same items in hand counts in
the same way. Before an item is blamed for what the server said, `takes_writes` tries whether the server would take
anything at all. A tick, or a command for all, that fails at one account is tried without that account first: an account
that makes the engine raise is frozen like one that cannot be loaded, and the tick counts for everybody else.
It writes nothing but what is to be put aside into a batch, and decides on no trade.
"""

import secrets
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from math import isqrt

import psycopg
import structlog
from psycopg.pq import TransactionStatus

from dealing.batch import Batch, CommandResult, is_pending
from dealing.changes import Changes
from dealing.choices import ItemKind
from dealing.items import Item, JournalRow, Moment, key_of
from dealing.lease import Lease, LeaseLost
from dealing.shard_book import whose
from dealing.ticks import Tick, id_key
from engine import commands as cmd
from engine.codes import Code
from engine.events import CommandDone
from engine.invariants import InvariantError

log = structlog.get_logger(__name__)
FIRST_BATCH = 4
SMALL = 32  # batches up to this size are taken apart at once
#: Times that an item may fail, the last one alone, before it is guilty: what is thrown in passing does not come so often.
TRIES = 3
TRIES_WAITING = 4  # where the server only waited in vain: for a lock, or for a statement to end
WAITED = {"55P03", "40001", "40P01", "57014"}
PROBED_AFTER = 256  # items that are tried in a fork before they are taken, after one has failed
PROBED_AT_ONCE = 32  # items: they may have to be written one by one
NO_PROBE_S = 10.0  # for which no fork is tried after one could not be had
LOSSES = 3  # times that the connection may be lost with one item alone in hand
EMPTY_LIMIT = 20  # failures in a row with nothing in hand before the desk gives up
AGAIN_S = 0.05  # after a failure with nothing in hand, and once more for each one since the last commit
NO_ROOM_S = 0.5  # while the database takes no writes at all
LEFT_OUT_S = 5.0  # how long something that is done for all is left out after it was found guilty
#: Commands that concern many accounts.
SHARED = {kind.__name__ for kind in (cmd.ChangeSettings, cmd.SetDealers, cmd.SetHalt, cmd.AdvanceTime)}
#: What ends a process is not caught by anybody.
_ROOM_ROWS, _ROOM_BYTES = 32, 8_000


class Standing(Enum):
    """What an exception left of us."""

    OURS = auto()  # connection and lease are well: the trouble lies in what we were doing
    LEASE_LOST = auto()
    CONNECTION_LOST = auto()


class ConnectionLost(Exception):
    """The connection is gone, whatever was raised; whether the last commit happened is unknown."""


class LoadAnew(Exception):
    """The book is to be loaded anew: what was left out may be mended, what is to be left out is known, or Redis has
    lost its data."""


class Stage(StrEnum):
    """Where an item fails in a fork."""

    COMPUTING = "computing"
    WRITING = "writing"
    DYING = "dying"  # the fork, or its session, with the item in hand


class FailedInProbe(Exception):
    """What an item raised in a fork, as the fork told it: it reads as what was raised there."""

    def __init__(
        self,
        stage: Stage,
        shown: str,
        trace: str,
        *,
        sqlstate: str | None = None,
        login: int | None = None,
        touched: Sequence[int] = (),
    ) -> None:
        """Take what was said; login: the account in hand; touched: those that were changed."""
        super().__init__(shown)
        self.stage = stage
        self.shown = shown
        self.trace = trace
        self.sqlstate = sqlstate
        self.login = login
        self.touched = set(touched)

    def __repr__(self) -> str:
        """Return what was raised."""
        return self.shown


def standing(lease: Lease) -> Standing:
    """Return what is left after an exception, by trying the connection and asking the shard's row."""
    conn = lease.conn
    try:
        if conn.closed or conn.broken:
            return Standing.CONNECTION_LOST
        if conn.info.transaction_status is not TransactionStatus.IDLE:
            conn.rollback()
        row = conn.execute(
            "SELECT s.epoch, c.shards FROM dealing_engineshard s, dealing_enginecontrol c"
            " WHERE c.id = 1 AND s.shard = %s",
            (lease.shard,),
        ).fetchone()
    except psycopg.Error as error:
        log.warning("the connection does not answer", shard=lease.shard, error=repr(error))
        return Standing.CONNECTION_LOST
    return Standing.OURS if row == (lease.epoch, lease.shards) else Standing.LEASE_LOST


def takes_writes(lease: Lease) -> bool:
    """Return whether the server would take a batch of other things: it is tried, and rolled back."""
    rows = [secrets.token_hex(_ROOM_BYTES // 2) for _ in range(_ROOM_ROWS)]
    try:
        with lease.conn.transaction(force_rollback=True):
            lease.conn.execute(
                "UPDATE dealing_engineshard SET seq = seq WHERE shard = %s AND epoch = %s",
                (lease.shard, lease.epoch),
            )
            lease.conn.execute(
                "INSERT INTO dealing_poisonitem (shard, kind, reference, raw, error, at)"
                " SELECT %s, 'tick', '', t.raw, '', clock_timestamp() FROM unnest(%s::text[]) AS t(raw)",
                (lease.shard, rows),
            )
    except psycopg.Error as error:
        log.error("the database takes no writes", shard=lease.shard, error=str(error))
        return False
    return True


@dataclass(slots=True)
class Verdict:
    """What is to be done about an item that was found: reload, try it again, or else put it aside."""

    item: Item
    error: BaseException
    login: int | None = None  # an account that was in hand when it failed
    reload: bool = False
    retry: bool = False


@dataclass(slots=True)
class Search:
    """How many items are taken together, who is suspected of what, and which accounts are left out."""

    shard: int
    batch_max: int
    limit: int = FIRST_BATCH
    items_until_growth: int = 0  # items still to be taken before the batches may grow again
    probing_left: int = 0  # items still to be tried in a fork before they are taken
    no_probe_until: float = 0.0  # by the monotonic clock
    unwritten: int = 0  # batches that could not be written since the last one that could
    failures: dict[str, int] = field(default_factory=dict)  # by item: a suspect is taken alone
    losses: int = 0  # of the connection in a row, with items in hand
    deaths: dict[str, int] = field(default_factory=dict)  # by item: connections lost while it was alone
    empty: int = 0  # failures in a row with nothing in hand
    guilty: Verdict | None = None
    frozen: dict[int, str] = field(default_factory=dict)  # accounts that make the engine raise, and how
    on_trial: set[int] = field(default_factory=set)  # those of them of whom it is not certain yet
    touched: set[int] = field(default_factory=set)  # accounts that the last guilty tick changed
    left_out: dict[str, float] = field(default_factory=dict)  # by moment: until when it is not tried
    put: int = 0  # items put aside

    # While all is well

    @property
    def is_probing(self) -> bool:
        """Return whether items are tried in a fork before they are taken."""
        return self.probing_left > 0 and time.monotonic() >= self.no_probe_until

    def is_suspect(self, item: Item) -> bool:
        """Return whether an item has failed, and has not been taken since."""
        return key_of(item) in self.failures

    def may_take(self, item: Item, taken: int) -> bool:
        """Return whether an item may be taken now: a suspect waits until the batch is empty."""
        if not self.failures and not self.left_out:
            return True
        key = key_of(item)
        if isinstance(item, Moment) and time.monotonic() < self.left_out.get(key, 0.0):
            return False
        if key not in self.failures:
            return True
        if taken:
            self.limit = taken
            return False
        self.limit = 1
        return True

    def committed(self, items: list[Item]) -> None:
        """Note that a batch is in the database; double the batches, unless something is still looked for."""
        self.losses = self.empty = self.unwritten = 0
        self.probing_left = max(0, self.probing_left - len(items))
        for item in items if self.failures or self.deaths else ():
            self.acquit(item)
        if self.items_until_growth > 0:
            self.items_until_growth -= len(items)
        else:
            self.limit = max(self.limit * 2, FIRST_BATCH)
        self.limit = min(self.limit, self.batch_max)

    def acquit(self, item: Item) -> None:
        """Forget what was said of an item."""
        if self.failures or self.deaths:
            self.failures.pop(key_of(item), None)
            self.deaths.pop(key_of(item), None)

    def ends_trial(self, items: list[Item]) -> bool:
        """Return whether something went well just now without an account that was on trial: it is to blame."""
        if not self.on_trial or not any(is_shared(item) for item in items):
            return False
        self.on_trial.clear()
        return True

    # When something was raised

    def learn(self, lease: Lease, at: Item | None, batch: Batch | None, error: BaseException) -> None:
        """Find out what an exception means, by what is left of us and what was in hand.

        at: the item that was being computed; None: a batch was being written, or nothing was in hand.

        Raises:
            ConnectionLost, LeaseLost: we have to begin anew.
            whatever was raised: it cannot be helped.
        """
        items = list(batch.items) if batch else []
        found = standing(lease)
        if found is Standing.LEASE_LOST:
            raise LeaseLost(f"shard {self.shard}: epoch {lease.epoch} is over") from error
        if found is Standing.CONNECTION_LOST:
            self.lost_with([at] if at else items, error)
            raise ConnectionLost from error
        if at is not None:
            log.error("an item failed", shard=self.shard, item=key_of(at), exc_info=error)
            self.failed_on(at, items, error)
        elif len(items) > 1:
            log.error("a batch could not be written", shard=self.shard, items=len(items), exc_info=error)
            self.unwritten += 1
            self.probing_left = PROBED_AFTER
            if self.unwritten > 1 or not self.is_probing:
                self.take_apart(len(items))
        elif not takes_writes(lease):
            time.sleep(NO_ROOM_S)
        elif items:
            log.error("an item could not be written", shard=self.shard, item=key_of(items[0]), exc_info=error)
            self.failed_alone(items[0], error)
        else:
            log.error("something failed that is no item's", shard=self.shard, exc_info=error)
            self.empty += 1
            if isinstance(error, InvariantError) or self.empty > EMPTY_LIMIT:
                raise error
            time.sleep(AGAIN_S * self.empty)
        if self.guilty is not None and batch is not None:
            login = whose(error, batch.changes.state)
            self.guilty.login = self._suspected(login, touched_by(batch.changes))

    def failed_on(self, item: Item, items: list[Item], error: BaseException) -> None:
        """Note that an item failed while it was computed, behind others of its batch or alone."""
        key = key_of(item)
        self.probing_left = PROBED_AFTER
        self.failures[key] = self.failures.get(key, 0) + 1
        if len(items) <= 1 and self.failures[key] >= TRIES:
            self.guilty = Verdict(item, error)

    def failed_alone(self, item: Item, error: BaseException) -> None:
        """Note that what one item did could not be written."""
        key = key_of(item)
        self.probing_left = PROBED_AFTER
        self.failures[key] = self.failures.get(key, 0) + 1
        if self.failures[key] >= tries_for(error):
            self.guilty = Verdict(item, error)

    def lost_with(self, items: list[Item], error: BaseException) -> None:
        """Note that the connection was lost with these items in hand; once says nothing about them."""
        if not items:
            return
        self.losses += 1
        if len(items) > 1:
            if self.losses > 1:
                self.take_apart(len(items))
            return
        key = key_of(items[0])
        self.deaths[key] = self.deaths.get(key, 0) + 1
        self.failures.setdefault(key, 0)  # from now on it is taken alone
        if self.deaths[key] >= LOSSES:
            self.guilty = Verdict(items[0], error)

    def take_apart(self, size: int) -> None:
        """Small batches fall to pieces of one; large ones to the root of their size first: few loads, few commits."""
        self.limit = 1 if size <= SMALL else isqrt(size)
        self.items_until_growth = size

    def _suspected(self, login: int | None, touched: set[int]) -> int | None:
        """Return the account that an item may have failed at: by where it failed, else by what it changed."""
        if login is not None:
            return login
        both, self.touched = touched & self.touched, touched
        if len(touched) == 1 or both:
            return min(both or touched)
        return None

    # When something failed in a fork

    def no_probe(self) -> None:
        """Note that no fork can be had: for a while items are tried on the desk's own memory."""
        self.no_probe_until = time.monotonic() + NO_PROBE_S

    def failed_in_probe(
        self, lease: Lease, item: Item, failure: FailedInProbe, *, alone: bool
    ) -> Verdict | None:
        """Note that an item failed in a fork; return what is to be tried about it once it has failed often enough."""
        self.probing_left = PROBED_AFTER
        if failure.stage is not Stage.COMPUTING and not takes_writes(lease):
            time.sleep(NO_ROOM_S)
            return None
        key = key_of(item)
        log.error(
            "an item failed in a fork",
            shard=self.shard,
            item=key,
            stage=str(failure.stage),
            error=repr(failure),
        )
        self.failures[key] = self.failures.get(key, 0) + 1
        if not alone or self.failures[key] < tries_for(failure):
            return None
        login = self._suspected(failure.login, failure.touched)
        if login in self.frozen or not is_shared(item):
            login = None
        return Verdict(item, failure, login)

    def freeze(self, item: Item, login: int, error: BaseException) -> None:
        """Leave an account out: an item goes well without it.

        Raises:
            LoadAnew: always; that is done by loading.
        """
        self.frozen[login] = f"{key_of(item)} raised {error!r} at this account"
        self.acquit(item)
        raise LoadAnew(f"account {login} is left out: {self.frozen[login]}")

    # After loading anew

    def verdict(self, lease: Lease, batch: Batch) -> Verdict | None:
        """Return what is to be done about the item that was found, None where there is none."""
        found, self.guilty = self.guilty, None
        if found is None or not _waits(lease, batch, found.item):
            return None
        login = found.login
        if login is not None and login not in self.frozen and is_shared(found.item):
            log.error("an item is tried without an account", item=key_of(found.item), login=login)
            self.frozen[login] = f"{key_of(found.item)} raised {found.error!r} at this account"
            self.on_trial.add(login)
            self.failures[key_of(found.item)] = TRIES - 1
            found.reload = found.retry = True
        elif self.on_trial:  # it was not their fault
            for innocent in self.on_trial:
                self.frozen.pop(innocent, None)
            self.on_trial.clear()
            found.reload = True
        return found

    def put_aside(self, batch: Batch, verdict: Verdict) -> None:
        """Keep an item in its raw form and go on behind it."""
        item, error = verdict.item, verdict.error
        if isinstance(item, JournalRow):
            self.keep_command(batch, item, error)
            return
        self.put += 1
        log.error("an item is put aside", shard=self.shard, item=key_of(item), error=repr(error))
        if isinstance(item, Moment):
            self.left_out[item.name] = time.monotonic() + LEFT_OUT_S
            batch.put_aside(ItemKind.MOMENT, item.name, repr(error), _trace(error))
        else:
            batch.take_tick(item)
            batch.put_aside(ItemKind.TICK, item.place, item.raw, _trace(error))

    def keep_command(self, batch: Batch, row: JournalRow, error: object) -> None:
        """Keep a row of the journal in its raw form, and answer it."""
        self.put += 1
        log.error("a command is put aside", shard=self.shard, item=key_of(row), error=repr(error))
        done = CommandDone(Code.INTERNAL_ERROR, "the engine could not process it; it is kept for inspection")
        batch.answers.append(CommandResult(row.id, done))
        batch.put_aside(ItemKind.COMMAND, str(row.id), row.raw, _trace(error))


def is_shared(item: Item) -> bool:
    """Return whether an item concerns many accounts, so that one of them may be to blame for it."""
    return not isinstance(item, JournalRow) or item.name in SHARED


def tries_for(error: BaseException) -> int:
    """Return how often an item may fail with an error: more often where it only waited in vain."""
    return TRIES_WAITING if getattr(error, "sqlstate", None) in WAITED else TRIES


def touched_by(changes: Changes) -> set[int]:
    """Return the accounts that a batch changes."""
    kept = (changes.orders, changes.positions, changes.smarts)
    return {record.login for records in kept for record in records.values()} | set(changes.accounts)


def _waits(lease: Lease, batch: Batch, item: Item) -> bool:
    """Return whether an item is still to be done: a commit whose answer was lost may have done it."""
    if isinstance(item, JournalRow):
        return is_pending(lease, item.id)
    if isinstance(item, Tick):
        return id_key(item.entry) > id_key(batch.cursor) and item.line >= batch.offset
    return True


def _trace(error: object) -> str:
    if isinstance(error, FailedInProbe):
        return error.trace
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else str(error)
