"""Trying items in a fork of the desk: what fails there leaves the desk's own memory as it was.

A probe has the engine as the desk has it. It takes the items and writes what they did in one transaction of a session of
its own, which is rolled back; the desk waits meanwhile, so the rows are free. Promises: nothing that a probe does is
committed, published or remembered; it ends with the desk, and after `LIMIT_S` at the latest. It blames nobody: who
fails how often before it is put aside is narrowing.py's.
"""

import json
import logging
import os
import select
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import psycopg
import structlog

from dealing import forking
from dealing.batch import ERROR_KEPT, HaltTurned
from dealing.ends import ENDS
from dealing.items import Item
from dealing.lease import LeaseLost, allow_long, open_session
from dealing.narrowing import FailedInProbe, LoadAnew, Stage

log = structlog.get_logger(__name__)
LIMIT_S = 30
SESSION = "tradingdesk-probe"
TOUCHED_TOLD = 1_000  # accounts
#: What is about the desk and not about an item: the desk will meet it by itself.
NOT_THE_ITEM = (*ENDS, LoadAnew, HaltTurned, LeaseLost)


class Trial(Protocol):
    """What a probe needs of its copy of the desk."""

    def move_to(self, conn: "psycopg.Connection[Any]", without: dict[int, str]) -> None:
        """Go on with another session, and without these accounts."""

    def take(self, item: Item) -> None:
        """Compute an item into the batch in hand."""

    def write(self) -> None:
        """Write the batch in hand and begin the next one."""

    def account_of(self, error: BaseException) -> int | None:
        """Return the account that was in hand where it was raised."""

    def touched(self) -> set[int]:
        """Return the accounts that the batch in hand changes."""


@dataclass(slots=True)
class Findings:
    """What came of trying: how many items went well, from the first on, and what failed behind them.

    among: of how many, behind those, it may be the fault; they were written together.
    """

    good: int
    failure: FailedInProbe | None = None
    among: int = 1


@dataclass(slots=True)
class _Words:
    """What a probe has said so far."""

    session: int = 0  # its process on the server
    at: int = 0  # the first item that it has in hand
    among: int = 1  # how many those are
    good: int = -1  # -1: it has not come to an end
    failure: FailedInProbe | None = None
    why: str = ""  # why nothing could be tried
    rest: bytes = field(default=b"", repr=False)

    def hear(self, text: bytes) -> None:
        """Take what came through the pipe."""
        *lines, self.rest = (self.rest + text).split(b"\n")
        for line in lines:
            reply = json.loads(line)
            if failed := reply.pop("failure", None):
                self.failure = FailedInProbe(Stage(failed.pop("stage")), **failed)
            for name, value in reply.items():
                setattr(self, name, value)


def probe(
    trial: Trial,
    items: Sequence[Item],
    session: "psycopg.Connection[Any]",
    *,
    apart: bool = False,
    without: dict[int, str] | None = None,
) -> Findings | None:
    """Try items in a fork, and return how they went; None where nothing could be tried, or not in time.

    session: the desk's own, which ends the fork's where that has to be killed.
    apart: each is written by itself; else all are written together, as the desk is going to.
    without: accounts that are left out of the book first.
    """
    forking.flush()
    parent = os.getpid()
    try:
        ear, door = os.pipe()
    except OSError as error:
        log.error("nothing can be tried in a fork", error=repr(error))
        return None
    try:
        pid = os.fork()
    except OSError as error:
        os.close(ear)
        os.close(door)
        log.error("nothing can be tried in a fork", error=repr(error))
        return None
    if not pid:
        os.close(ear)
        _be_probe(trial, items, parent, door, apart=apart, without=without or {})
    os.close(door)
    words = _Words()
    try:
        in_time = _listen(ear, words)
    finally:
        os.close(ear)
        forking.end({pid})
    if words.good < 0 and words.session:
        # What it had locked is free when its session ends, which may be waiting for something.
        session.execute("SELECT pg_terminate_backend(%s, 2000)", (words.session,))
    if words.good >= 0:
        return Findings(words.good, words.failure, words.among)
    if not in_time or words.why:
        log.error("a fork did not say how items went", why=words.why or f"it took longer than {LIMIT_S} s")
        return None
    reason = "the process that had it in hand ended"
    return Findings(words.at, FailedInProbe(Stage.DYING, reason, reason), words.among)


def _listen(ear: int, words: _Words) -> bool:
    """Hear what a probe says until it ends; return whether that was in time."""
    end_at = time.monotonic() + LIMIT_S
    while (left_s := end_at - time.monotonic()) > 0:
        if not select.select([ear], [], [], left_s)[0]:
            break
        text = os.read(ear, 65_536)
        if not text:
            return True
        words.hear(text)
    return False


def _be_probe(
    trial: Trial, items: Sequence[Item], parent: int, door: int, *, apart: bool, without: dict[int, str]
) -> NoReturn:
    """Try the items and end this process: the desk must not be followed."""
    try:
        forking.leave_the_desk(parent)
        logging.disable()  # what is said here has not happened, or happens once more
        _try(trial, [[item] for item in items] if apart else [list(items)], door, without)
    except BaseException:  # noqa: BLE001 - as above
        _say(door, why=traceback.format_exc()[-ERROR_KEPT:])
    os._exit(0)


def _try(trial: Trial, batches: list[list[Item]], door: int, without: dict[int, str]) -> None:
    with open_session(SESSION) as conn:
        _say(door, session=conn.info.backend_pid)
        trial.move_to(conn, without)
        with conn.transaction(force_rollback=True):
            allow_long(conn.cursor())
            good, failure = _try_batches(trial, conn, batches, door)
            # It is said before the end of the session, which may be what failed.
            if failure is not None and failure["stage"] is Stage.DYING:
                _say(door, good=good, failure=failure)
        if failure is None or failure["stage"] is not Stage.DYING:
            _say(door, good=good, failure=failure)


def _try_batches(
    trial: Trial, conn: "psycopg.Connection[Any]", batches: list[list[Item]], door: int
) -> tuple[int, dict[str, Any] | None]:
    """Return how many items went well, and what is to be said of the one behind them, None where there is none."""
    good = 0
    for batch in batches:
        for place, item in enumerate(batch):
            _say(door, at=good + place, among=1)
            try:
                trial.take(item)
            except NOT_THE_ITEM:
                return good + place + 1, None
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
                return good + place, _failure(trial, conn, Stage.COMPUTING, error)
        _say(door, at=good, among=len(batch))
        try:
            with conn.transaction():
                trial.write()
                conn.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit would look at
            conn.execute("SET CONSTRAINTS ALL DEFERRED")
        except NOT_THE_ITEM:
            return good + len(batch), None
        except BaseException as error:  # noqa: BLE001 - as above
            return good, _failure(trial, conn, Stage.WRITING, error)
        good += len(batch)
    return good, None


def _failure(
    trial: Trial, conn: "psycopg.Connection[Any]", stage: Stage, error: BaseException
) -> dict[str, Any]:
    return {
        "stage": Stage.DYING if conn.closed or conn.broken else stage,
        "shown": repr(error)[:ERROR_KEPT],
        "trace": "".join(traceback.format_exception(error))[-ERROR_KEPT:],
        "sqlstate": getattr(error, "sqlstate", None),
        "login": trial.account_of(error),
        "touched": sorted(trial.touched())[:TOUCHED_TOLD],
    }


def _say(door: int, **words: Any) -> None:
    """Tell the desk a line, whole."""
    text = json.dumps({name: value for name, value in words.items() if value is not None}).encode() + b"\n"
    while text:
        text = text[os.write(door, text) :]
