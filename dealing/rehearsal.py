"""What the engine would have done on ticks that were passed over: the engine itself is asked, beside the trading.

A fork of the desk has the engine as it was before the gap, memory and plugins included, and nothing of what the desk
does afterwards reaches it. It plays the missed ticks, waits until each symbol concerned has had a fresh tick, leaves
out what the desk has done by then, and writes the rest into the gap's row. Promises: it writes nothing else; it holds
no lock and no session of the desk, runs at a low priority and is bounded in ticks and time; where it was cut, the row
says so; it ends with the desk.
"""

import json
import os
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
import structlog
from django.conf import settings

from dealing import bus, clock, forking
from dealing.lease import open_session
from dealing.shapes import DEAL
from dealing.ticks import Tick, id_key, ticks_of
from engine.engine import Engine
from engine.events import DealMade
from engine.settings import currency_digits

log = structlog.get_logger(__name__)
PAGE = 2_000
MOST_TICKS = 2_000_000
MOST_SECONDS = 120.0
FRESH_WITHIN_S = 30.0
LOOK_EVERY_S = 0.1
NICE = 10
ASKED = "the engine is being asked"
#: Short words of a report for what the evidence calls a trigger.
WORDS = {"take_profit": "tp", "stop_loss": "sl"}


@dataclass(slots=True)
class Rehearsal:
    """What came of the missed ticks; `cut` says what was left out, "" where nothing was."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    ticks: int = 0
    cut: str = ""


def rehearse(
    engine: Engine, ticks: Iterable[Tick], *, most: int = MOST_TICKS, seconds: float = MOST_SECONDS
) -> Rehearsal:
    """Play ticks on an engine that nobody trades with, and return the deals that it makes by itself."""
    done = Rehearsal()
    end = time.monotonic() + seconds
    state = engine.state
    for tick in ticks:
        done.ticks += 1
        if done.cut:
            continue  # they are counted all the same
        if done.ticks > most or time.monotonic() > end:
            why = (
                f"the first {most:,} ticks" if done.ticks > most else f"what {seconds:.0f} s were enough for"
            )
            done.cut = f"the engine was asked about {why} only, up to tick {done.ticks - 1:,}"
            continue
        if tick.time_ms < 0:
            continue
        for event in engine.on_tick(tick.symbol, tick.bid, tick.ask, min(tick.time_ms, clock.wall_ms())):
            if isinstance(event, DealMade) and event.deal.evidence is not None:
                account = state.accounts[event.deal.login]
                done.lines.append(
                    line_of(
                        DEAL.published(event.deal, money=currency_digits(account.currency)),
                        event.deal.evidence,
                    )
                )
    return done


def line_of(deal: dict[str, Any], evidence: dict[str, Any]) -> dict[str, Any]:
    """Return a deal that would have been made as a gap's report shows it."""
    opens = deal["direction"] == "in"
    return {
        "kind": "order" if opens else "position",
        "ticket": deal["order"] if opens else deal["position"],
        "login": deal["login"], "symbol": deal["symbol"], "what": _word(deal), "level": evidence.get("level"),
        "reached": deal["price"], "side": deal["side"], "volume": deal["volume"], "profit": deal["profit"],
        "time_ms": deal["time_ms"],
    }  # fmt: skip


def _word(deal: dict[str, Any]) -> str:
    return WORDS.get(deal["trigger"], deal["trigger"] or "")


def not_done(lines: Sequence[dict[str, Any]], deals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of which the desk has made no deal since; each deal stands for one line."""
    left = []
    for deal in deals:
        opens = deal["direction"] == "in"
        left.append((deal["order"] if opens else deal["position"], _word(deal), deal["volume"]))
    missing = []
    for line in lines:
        deal_key = (line["ticket"], line["what"], line["volume"])
        if deal_key in left:
            left.remove(deal_key)
        else:
            missing.append(line)
    return missing


def missed_ticks(client: Any, cursor: str, offset: int, to: str) -> Iterable[Tick]:
    """Yield the ticks of the stream after a place, up to an entry and with it."""
    at = cursor
    while entries := client.xrange(bus.TICKS, f"({at}", to, count=PAGE):
        for number, fields in entries:
            at = number.decode()
            yield from ticks_of(at, fields, offset)
            offset = 0


@dataclass(slots=True)
class RehearsalProcess:
    """A process that is going to ask the engine as it was at the fork, once it is told which gap it asks about."""

    pid: int
    _door: int  # of a pipe

    def tell(self, gap: int, outbox: int) -> None:
        """Let it begin: the gap's row is committed, and deals after that event of the shard are the desk's since."""
        try:
            os.write(self._door, f"{gap} {outbox}".encode())
        except BrokenPipeError:
            log.error("the process that was to ask the engine is gone", gap=gap)
        finally:
            os.close(self._door)

    def forget(self) -> None:
        """End it: the gap was not written."""
        os.close(self._door)
        end({self.pid})


def fork(engine: Engine, *, shard: int, place: tuple[str, int], to: str) -> RehearsalProcess:
    """Fork this process, so that the engine can be asked about a gap whatever becomes of it here."""
    forking.flush()
    parent = os.getpid()
    ear, door = os.pipe()
    pid = os.fork()
    if pid:
        os.close(ear)
        return RehearsalProcess(pid, door)
    try:
        os.close(door)
        forking.leave_the_desk(parent)
        os.nice(NICE)
        words = os.read(ear, 100).split()
        if words:
            _report(engine, shard, int(words[0]), place, to, int(words[1]))
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here and the desk must not follow it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def reap(pids: set[int]) -> None:
    """Forget those that have ended."""
    for pid in list(pids):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                pids.discard(pid)
        except ChildProcessError:
            pids.discard(pid)


def end(pids: set[int]) -> None:
    """End those that are still at work: their desk goes."""
    forking.end(pids)
    pids.clear()


def _report(engine: Engine, shard: int, gap: int, place: tuple[str, int], to: str, outbox: int) -> None:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=2)
    done = rehearse(engine, missed_ticks(client, *place, to))
    with open_session() as conn:
        _write(conn, gap, done, not_done(done.lines, _deals_since(conn, shard, outbox)), ASKED)
        waiting = _wait_for_fresh(conn, client, shard, {line["symbol"] for line in done.lines}, to)
        note = done.cut
        if waiting:
            quiet = f"no tick of {', '.join(sorted(waiting))} came within {FRESH_WITHIN_S:.0f} s after it"
            note = f"{note}; {quiet}" if note else quiet
        lines = not_done(done.lines, _deals_since(conn, shard, outbox))
        _write(conn, gap, done, lines, note)
    log.info("the engine was asked about a gap", shard=shard, gap=gap, ticks=done.ticks, deals=len(done.lines),
             not_done=len(lines))  # fmt: skip


def _wait_for_fresh(
    conn: "psycopg.Connection[Any]", client: Any, shard: int, symbols: set[str], to: str
) -> set[str]:
    """Wait until the desk has taken a tick of each symbol since the gap; return those that have had none."""
    waiting = set(symbols)
    seen: dict[str, str] = {}  # symbol -> entry of its first tick
    at = to
    end_at = time.monotonic() + FRESH_WITHIN_S
    while waiting and time.monotonic() < end_at:
        for number, fields in client.xrange(bus.TICKS, f"({at}", "+", count=PAGE):
            at = number.decode()
            for tick in ticks_of(at, fields):
                seen.setdefault(tick.symbol, at)
        row = conn.execute(
            "SELECT tick_cursor FROM dealing_engineshard WHERE shard = %s", (shard,)
        ).fetchone()
        if row is None:
            break
        waiting = {name for name in waiting if name not in seen or id_key(row[0]) < id_key(seen[name])}
        time.sleep(LOOK_EVERY_S if waiting else 0)
    return waiting


def _deals_since(conn: "psycopg.Connection[Any]", shard: int, outbox: int) -> list[dict[str, Any]]:
    rows = conn.execute(
        "SELECT data FROM dealing_outbox WHERE shard = %s AND kind = 'deal' AND id > %s ORDER BY id",
        (shard, outbox),
    ).fetchall()
    return [data["deal"] for (data,) in rows]


def _write(
    conn: "psycopg.Connection[Any]", gap: int, done: Rehearsal, lines: Sequence[dict[str, Any]], note: str
) -> None:
    conn.execute(
        "UPDATE dealing_gap SET missed = %s, report = %s, note = %s WHERE id = %s",
        (done.ticks, json.dumps(lines), note[:500], gap),
    )
