"""What the desk shows through Redis: trade events at once, quotes and live values a few times a second.

Events come from the outbox, after their commit, and are sent again from the last published one after a restart
(clients drop what they have seen by its number). Everything else is coalesced: only the newest counts.
Promises: nothing is shown that is not in the database; a Redis that does not answer delays events and loses only
what is out of date anyway. It is never the record.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import psycopg
import redis
import structlog

from dealing import bus
from dealing.batch import Batch, CommandResult, Committed, answer_json
from dealing.choices import ItemKind
from dealing.columns import decimal_text
from dealing.ends import ENDS
from dealing.failpoints import seam
from dealing.shard_book import ShardBook
from engine.tickets import shard_of

log = structlog.get_logger(__name__)
RETRY_S = 2.0
QUOTES_EVERY_S = 0.1  # twice what clients are sent, so that two clocks of one pace do not skip each other
LIVE_EVERY_S = 0.25
ACCOUNT_EVERY_S = 2.0
SLICE_EVERY_S = 0.1
SLICE_MAX = 200  # accounts shown in one slice, so that showing never holds trading up
HEALTH_EVERY_S = 1.0
RESUME_ROWS = 1000
PUBLISH_TRIES = 3  # times that a row of the outbox may fail alone while Redis answers
#: Kind, reference, raw form and reason of a row that is put aside.
Aside = tuple[ItemKind, str, str, str]
DONE_KEPT_S = 30
QUESTION_LOGINS = 1000


class Publisher:
    """Publishes for one shard, in the desk's own thread, between batches."""

    def __init__(self, book: ShardBook, shard: int, epoch: int) -> None:
        self.book = book
        self.shard = shard
        self.epoch = epoch
        self.published: int = book.row["published"]
        self.counts = dict(book.tick_counts)
        self._behind = True  # the outbox holds rows that were not published
        self._down_until = 0.0
        self._due: dict[str, float] = {}
        self._quotes: set[str] = set(book.state.quotes)
        self._symbols_moved: set[str] = set()  # symbols that ticked since the last live values
        self._accounts_changed: set[int] = set()
        self._shown: set[int] = set()
        self._round: list[int] = []
        self._started = time.monotonic()
        self._ticks = 0
        self._rows = RESUME_ROWS  # read from the outbox at once; fewer while one is looked for that fails
        self._failures = 0  # of the outbox's next row alone, while Redis answers

    # After a commit

    def batch_committed(self, batch: Batch, committed: Committed) -> None:
        """Publish a batch's events and hand its outcomes to whoever waits."""
        changes = batch.changes
        self._ticks += batch.ticks
        for cause, ticks in changes.refused.items():
            self.counts[cause] = self.counts.get(cause, 0) + ticks
        if changes.accepted_ticks:
            self.counts["accepted"] = self.counts.get("accepted", 0) + changes.accepted_ticks
        self._quotes.update(changes.quotes)
        self._symbols_moved.update(changes.quotes)
        self._accounts_changed.update(changes.accounts)
        behind, self._behind = self._behind, True  # whatever is raised here, the outbox is read again
        if not self._is_down() and self._send(self._messages_of(batch, behind=behind)):
            self._behind = behind
            if committed.outbox_id and not behind:
                self.published = committed.outbox_id
        else:
            self._behind = behind or bool(committed.outbox_id)

    def _messages_of(self, batch: Batch, *, behind: bool) -> Any:
        """Return what is to be sent of a batch; its events only where none before them wait."""
        changes = batch.changes
        pipe = bus.client().pipeline(transaction=False)
        if not behind:
            seam("publish")
            for row in changes.outbox:
                pipe.publish(bus.channel(bus.EVENTS), row.message)
        self._hand_over(pipe, batch.answers)
        for shard in {shard_of(due.agent, changes.shards) for due in changes.commissions_due}:
            pipe.xadd(bus.wake_key(shard), {"w": "1"}, maxlen=100, approximate=True)
        if self.counts and batch.ticks:
            pipe.hset(bus.ticks_key(self.shard), mapping=self.counts)
        return pipe

    def _hand_over(self, pipe: Any, answers: list[CommandResult]) -> None:
        for answer in answers:
            reply = {"code": answer.done.code, "message": answer.done.message, **answer_json(answer.done)}
            key = bus.done_key(answer.command_id)
            pipe.lpush(key, json.dumps(reply))
            pipe.expire(key, DONE_KEPT_S)

    def resume(self, conn: "psycopg.Connection[Any]") -> list[Aside]:
        """Publish what the outbox holds beyond the last published row, after a start or an outage of Redis.

        Return the rows that cannot be published: they are passed over, and the caller puts them aside in the
        transaction that writes how far publishing has come.
        """
        aside: list[Aside] = []
        if not self._behind or self._is_down():
            return aside
        rows = conn.execute(
            "SELECT id, login, seq, kind, time_ms, data::text FROM dealing_outbox WHERE shard = %s AND id > %s"
            " ORDER BY id LIMIT %s",
            (self.shard, self.published, self._rows),
        ).fetchall()
        try:
            seam("resume")
            sent = self._publish(rows)
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - which row it is, is found by trying
            log.error("rows of the outbox cannot be published", rows=len(rows), error=repr(error))
            sent = False
            if not rows:
                return aside
            reason = repr(error)
        else:
            reason = "Redis ends the connection over it"
        if sent:
            if rows:
                self.published = rows[-1][0]
            self._behind = len(rows) == self._rows
            self._rows, self._failures = min(RESUME_ROWS, self._rows * 2), 0
        elif self._redis_answers():
            self._down_until = 0.0
            self._rows = max(1, len(rows) // 2)
            self._failures += len(rows) == 1
            if self._failures >= PUBLISH_TRIES:
                number, *_, data = rows[0]
                log.error("a row of the outbox is put aside", row=number, error=reason)
                aside.append((ItemKind.PUBLICATION, f"outbox {number}", data, reason))
                self.published, self._failures = number, 0
        return aside

    def _publish(self, rows: list[tuple[Any, ...]]) -> bool:
        """Send rows of the outbox; return whether Redis took them."""
        pipe = bus.client().pipeline(transaction=False)
        for _, login, seq, kind, time_ms, data in rows:
            event = {"login": login, "seq": seq, "kind": kind, "time_ms": time_ms, "data": json.loads(data)}
            pipe.publish(bus.channel(bus.EVENTS), json.dumps(event))
        return not len(pipe) or self._send(pipe)

    def _redis_answers(self) -> bool:
        try:
            return bool(bus.client().ping())
        except redis.RedisError:
            return False

    # Between batches

    def show(self, lag: dict[str, Any]) -> None:
        """Show quotes, watched accounts, all accounts with positions in turn, and health; each when it is due."""
        if self._is_down():
            return
        pipe = bus.client().pipeline(transaction=False)
        jobs: list[tuple[str, float, Callable[[Any], None]]] = [
            ("accounts", SLICE_EVERY_S, self._show_accounts),
            ("health", HEALTH_EVERY_S, lambda p: self._show_health(p, lag)),
        ]
        if self.shard == 0 and self._quotes:  # after a quiet while the first goes out at once
            jobs.append(("quotes", QUOTES_EVERY_S, self._show_quotes))
        now = time.monotonic()
        for name, every_s, show in jobs:
            if self._due.get(name, 0.0) <= now:
                self._due[name] = now + every_s
                seam("show")
                show(pipe)
        if self._due.get("live", 0.0) <= now and (self._symbols_moved or self._accounts_changed):
            self._due["live"] = now + LIVE_EVERY_S
            self._show_live(pipe)
        if len(pipe) and not self._is_down():
            self._send(pipe)

    def _show_quotes(self, pipe: Any) -> None:
        if not self._quotes:
            return
        quotes = {}
        for name in sorted(self._quotes):
            quote, symbol = self.book.state.quotes.get(name), self.book.state.symbols.get(name)
            if quote is not None and symbol is not None:
                bid = decimal_text(quote.bid, symbol.digits)
                quotes[name] = [bid, decimal_text(quote.ask, symbol.digits), quote.time_ms]
        self._quotes.clear()
        if quotes:
            pipe.publish(bus.channel(bus.QUOTES), json.dumps(quotes))
            pipe.hset(bus.QUOTES, mapping={name: json.dumps(quote) for name, quote in quotes.items()})

    def _show_live(self, pipe: Any) -> None:
        self._symbols_moved.clear()
        self._accounts_changed.clear()
        try:
            watched = bus.client().zrangebyscore(bus.WATCHED, time.time(), "+inf")
        except redis.RedisError as error:
            self._failed(error)
            return
        accounts = {}
        for text in watched:
            login = int(text) if text.isdecimal() and len(text) < 20 else 0
            if login in self.book.state.accounts and (live := self._live(login)) is not None:
                accounts[str(login)] = live
        if accounts:
            pipe.publish(bus.channel(bus.LIVE), json.dumps({"accounts": accounts}))

    def _show_accounts(self, pipe: Any) -> None:
        """Show the next accounts of the round, so that each one comes about every two seconds."""
        if not self._round:
            if self._due.get("round", 0.0) > time.monotonic():
                return
            self._due["round"] = time.monotonic() + ACCOUNT_EVERY_S
            self._round = sorted(self.book.engine.accounts_with_positions(), reverse=True)
            gone = self._shown.difference(self._round)
            self._shown = set(self._round)
            if gone:
                pipe.hdel(bus.ACCOUNTS, *[str(login) for login in gone])
        share = min(SLICE_MAX, max(1, int(len(self._shown) * SLICE_EVERY_S / ACCOUNT_EVERY_S) + 1))
        mapping = {}
        for _ in range(min(share, len(self._round))):
            login = self._round.pop()
            view = self._viewed(login, self.book.engine.account_view)
            if view is not None:
                mapping[str(login)] = json.dumps({**view, "time_ms": self.book.state.now_ms})
        if mapping:
            pipe.hset(bus.ACCOUNTS, mapping=mapping)

    def show_last(self) -> None:
        """Show quotes and every account with positions as they stand, before the desk leaves."""
        if self._is_down():
            return
        pipe = bus.client().pipeline(transaction=False)
        self._round, self._due["round"] = [], 0.0
        self._quotes.update(self.book.state.quotes)
        if self.shard == 0:
            self._show_quotes(pipe)
        self._show_accounts(pipe)
        while self._round:
            self._show_accounts(pipe)
        self._send(pipe)

    def _show_health(self, pipe: Any, lag: dict[str, Any]) -> None:
        elapsed = max(time.monotonic() - self._started, 0.001)
        state = self.book.state
        health = {
            "shard": self.shard, "epoch": self.epoch, "at_ms": int(time.time() * 1000),
            "clock_ms": state.now_ms, "ticks_per_s": round(self._ticks / elapsed), "orders": len(state.orders),
            "positions": len(state.positions), "smart_orders": len(state.smarts),
            "requests": len(state.requests), "dealers": sorted(state.dealers), "halt": state.server_halt,
            "counts": self.counts, **lag,
        }  # fmt: skip
        self._started, self._ticks = time.monotonic(), 0
        pipe.hset(bus.HEALTH, str(self.shard), json.dumps(health))

    def answer(self, questions: list[str]) -> None:
        """Answer questions about live accounts: {"logins": [...], "reply": key} on the wake stream."""
        if self._is_down():
            return
        pipe = bus.client().pipeline(transaction=False)
        for text in questions:
            try:
                question = json.loads(text)
                logins = [int(login) for login in question["logins"]]
                reply = str(question["reply"])
            except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
                log.warning("a question that cannot be read", text=text[:200], error=repr(error))
                continue
            known = self.book.state.accounts
            lives = {login: self._live(login) for login in logins[:QUESTION_LOGINS] if login in known}
            accounts = {str(login): live for login, live in lives.items() if live is not None}
            pipe.lpush(reply, json.dumps({"accounts": accounts}))
            pipe.expire(reply, DONE_KEPT_S)
        if len(pipe):
            self._send(pipe)

    def _live(self, login: int) -> dict[str, Any] | None:
        return self._viewed(login, lambda number: account_live(self.book, number))

    def _viewed(self, login: int, view: Callable[[int], dict[str, Any]]) -> dict[str, Any] | None:
        """Return what is shown of an account; None where that raises: the others are shown all the same."""
        try:
            return view(login)
        except ENDS:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this account's
            log.error("an account cannot be shown", login=login, error=repr(error))
            return None

    # Redis may be away

    def _is_down(self) -> bool:
        return time.monotonic() < self._down_until

    def _send(self, pipe: Any) -> bool:
        try:
            pipe.execute()
        except redis.RedisError as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: redis.RedisError) -> None:
        log.warning("publishing failed, it is tried again", error=str(error))
        self._down_until = time.monotonic() + RETRY_S


def account_live(book: ShardBook, login: int) -> dict[str, Any]:
    """Return an account's money and its positions' and smart orders' live values, as decimal text."""
    owned = book.state.book(login)
    engine = book.engine
    return {
        "account": engine.account_view(login),
        "positions": {str(ticket): engine.position_view(ticket) for ticket in owned.positions},
        "smart": {str(number): engine.smart_view(number) for number in owned.smarts},
        "time_ms": book.state.now_ms,
    }
