"""What has to hold after every round, from the rows, the log of acknowledgements and the ticks that were sent.

Which batch wrote a row is told by the transaction number that PostgreSQL keeps with it (xmin): a row of no batch was
written past the fence. Each check returns one line for each breach; none looks at the engine's own figures.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from manager import audit
from tests.faults.log import Log, SentTick

#: What each command that was done must have made, and how often.
MADE = {
    "PlaceOrder": "SELECT count(*) FROM orders_order WHERE ticket = %s AND status <> 'failed'",
    "ClosePosition": "SELECT count(*) FROM positions_deal WHERE \"order\" = %s AND direction = 'out'",
    "PlaceSmart": "SELECT count(*) FROM orders_smartorder WHERE id = %s",
}
#: Trading rows that only a batch may write, with what names one of them.
FENCED = {"positions_deal": "ticket", "positions_position": "ticket", "orders_order": "ticket",
          "orders_smartorder": "id", "accounts_ledgerentry": "id", "dealing_outbox": "id"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One committed batch and where its ticks lie among those that were processed (high is exclusive)."""

    seq: int
    epoch: int
    xmin: str
    low: int
    high: int


@dataclass
class History:
    """What the rows say was processed, in order."""

    batches: list[BatchRow] = field(default_factory=list)
    ticks: list[SentTick] = field(default_factory=list)
    by_xmin: dict[str, int] = field(default_factory=dict)  # place in `batches`
    missed: int = 0  # ticks that were passed over or lost, as gap rows say

    def batch_of(self, xmin: str) -> BatchRow:
        """Return the batch that wrote a row."""
        return self.batches[self.by_xmin[xmin]]


def rows(query: str, *values: object) -> list[tuple]:
    """Return what the database answers."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def acknowledgements(log: Log) -> Iterable[str]:
    """Check that what was acknowledged is there, was executed, and said the same then as the rows do now."""
    columns = "login, client_key, id, ticket, smart, status, code, name"
    kept = {
        (login, key): (number, smart or ticket, status, code, name)
        for login, key, number, ticket, smart, status, code, name in rows(
            f"SELECT {columns} FROM dealing_command WHERE client_key IS NOT NULL AND login IS NOT NULL"
        )
    }
    heard = {(ack.login, ack.key) for ack in log.acks}
    for ack in log.acks:
        found = kept.get((ack.login, ack.key))
        if found is None:
            # A door's own refusal leaves no row; anything else must.
            if ack.command_id or ack.state != "refused":
                yield f"{ack.key} {ack.name} was acknowledged and is missing: {ack}"
            continue
        number, ticket, status, code, _ = found
        told = {0, ticket} if ticket else {0, ack.ticket}
        if ack.state == "refused" and "smart" in ack.asked:
            told.add(ack.asked["smart"])  # a refusal of what is asked of a plan names the plan
        if (ack.command_id and ack.command_id != number) or ack.ticket not in told:
            yield f"{ack.key}: acknowledged as {ack.command_id}/{ack.ticket}, the row is {number}/{ticket}"
        if status != "done":
            yield f"{ack.key}: command {number} has no outcome"
        if ack.state == "done" and code:
            yield f"{ack.key}: told done, the row says {code}"
        if ack.state == "refused" and ack.code != code:
            yield f"{ack.key}: told {ack.code}, the row says {code or 'done'}"
    for login, key in sorted(kept.keys() - heard):
        if not key.startswith("agent-"):
            yield f"{key} of {login} is in the journal and nobody heard of it"


def effects() -> Iterable[str]:
    """Check that each command acted exactly once where it was done, and not at all where it was refused."""
    for number, name, ticket, smart, code in rows(
        "SELECT id, name, ticket, smart, code FROM dealing_command WHERE login IS NOT NULL"
    ):
        if name in MADE and not code:
            made = rows(MADE[name], smart or ticket)[0][0]
            if made != 1:
                yield f"command {number} {name} was done and made {made} of what it had to make"
    refused = "SELECT c.id FROM dealing_command c JOIN positions_deal d ON d.\"order\" = c.ticket" \
              " WHERE c.code <> '' AND c.ticket > 0"  # fmt: skip
    for (number,) in rows(refused):
        yield f"command {number} was refused and has a deal"
    twice = 'SELECT "order", direction, count(*) FROM positions_deal GROUP BY 1, 2 HAVING count(*) > 1'
    for order, direction, times in rows(twice):
        yield f"order {order} has {times} deals {direction}"
    done = Counter()
    for login, kind, amount in rows(
        "SELECT login, payload->>'kind', payload->>'amount' FROM dealing_command"
        " WHERE name = 'BalanceOperation' AND status = 'done' AND code = ''"
    ):
        done[(login, kind, Decimal(amount) * (-1 if kind == "withdrawal" else 1))] += 1
    booked = Counter()
    for login, kind, amount in rows(
        "SELECT login, kind, amount FROM accounts_ledgerentry WHERE kind IN ('deposit', 'withdrawal')"
    ):
        booked[(login, kind, Decimal(amount))] += 1
    for what in sorted((done - booked) | (booked - done), key=str):
        yield f"money {what}: asked and done {done[what]} times, booked {booked[what]} times"


def triggers_once() -> Iterable[str]:
    """Check that no trigger executed twice."""
    for key, times in rows(
        "SELECT trigger_key, count(*) FROM positions_deal WHERE trigger_key IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
    ):
        yield f"trigger {key} executed {times} times"


def fenced(history: History) -> Iterable[str]:
    """Check batch numbers, epochs, and that every trading row was written by a batch."""
    before = 0
    for place, batch in enumerate(history.batches, start=1):
        if batch.seq != place:
            yield f"batch {batch.seq} stands at place {place}"
            break
        if batch.epoch < before:
            yield f"batch {batch.seq} has epoch {batch.epoch} after {before}"
        before = batch.epoch
    for table, key in FENCED.items():
        stray = rows(
            f"SELECT {key} FROM {table} t WHERE NOT EXISTS"
            " (SELECT 1 FROM dealing_enginebatch b WHERE b.xmin = t.xmin)"
        )
        for (number,) in stray[:5]:
            yield f"{table} {number} was written by no batch"
    answered = (
        "SELECT id FROM dealing_command c WHERE status = 'done' AND NOT EXISTS"
        " (SELECT 1 FROM dealing_enginebatch b WHERE b.xmin = c.xmin)"
    )
    for (number,) in rows(answered)[:5]:
        yield f"command {number} was answered by no batch"
    poison = rows("SELECT kind, reference, error FROM dealing_poisonitem")
    for kind, reference, error in poison:
        yield f"{kind} {reference} was put aside: {error[-300:]}"


def history_of(log: Log) -> tuple[History, list[str]]:
    """Return what was processed, and a line for every tick that was passed over without a gap row, or came twice."""
    sent = {tick.place: number for number, tick in enumerate(log.ticks)}
    gaps = rows("SELECT cause, from_cursor, to_cursor FROM dealing_gap WHERE shard = 0 ORDER BY id")
    found = History()
    told: list[str] = []
    expected = 0
    for seq, epoch, xmin, first, last, ticks in rows(
        "SELECT seq, epoch, xmin::text, first_tick, last_tick, ticks FROM dealing_enginebatch"
        " WHERE shard = 0 ORDER BY seq"
    ):
        low = len(found.ticks)
        if ticks:
            if first not in sent or last not in sent:
                told.append(f"batch {seq} read ticks that nobody sent: {first} to {last}")
                break
            begin, end = sent[first], sent[last] + 1
            if begin != expected:
                before = log.ticks[max(expected - 4, 0)].entry if expected else "0-0"
                if begin > expected and _covered(
                    gaps, before, log.ticks[expected].entry, log.ticks[begin - 1].entry
                ):
                    found.missed += begin - expected
                else:
                    told.append(
                        f"batch {seq} begins at tick {begin}, {expected} was the next: missing are"
                        f" {log.ticks[min(begin, expected)].place} to {log.ticks[max(begin - 1, 0)].place}, gaps {gaps}"
                    )
            if end - begin != ticks:
                told.append(f"batch {seq} says {ticks} ticks, its places say {end - begin}")
            found.ticks += log.ticks[begin:end]
            expected = end
        found.by_xmin[xmin] = len(found.batches)
        found.batches.append(BatchRow(seq, epoch, xmin, low, len(found.ticks)))
    left = len(log.ticks) - expected
    if left:
        before = log.ticks[max(expected - 4, 0)].entry if expected else "0-0"
        if not _covered(gaps, before, log.ticks[expected].entry, log.ticks[-1].entry):
            told.append(f"{left} ticks at the end were never processed")
    return found, told


def _covered(gaps: list[tuple], before: str, first: str, last: str) -> bool:
    """Return whether gap rows tell of the entries from first to last; `before` is the last one processed.

    Rows follow each other where a fault came again before anything was read. A row names both ends, unless Redis lost
    everything and began to count anew.
    """
    reach = _key(first)
    for begin, end in sorted((_key(begin), _key(end)) for _, begin, end in gaps):
        if end == (0, 0) and _key(before) <= begin <= reach:
            return True
        if begin <= reach:
            reach = max(reach, end)
    return reach >= _key(last)


def _key(entry: str) -> tuple[int, int]:
    ms, _, number = entry.partition("-")
    return int(ms), int(number or 0)


def counted(history: History) -> Iterable[str]:
    """Check that ticks were refused by cause as the rules say, no more and no less."""
    expected: Counter[str] = Counter()
    for tick in history.ticks:
        if tick.good:
            expected["accepted"] += 1
        elif tick.bid <= 0:
            expected["invalid"] += 1
        elif tick.ask < tick.bid:
            expected["crossed"] += 1
        else:
            expected["stale"] += 1
    found = Counter(dict(rows("SELECT cause, ticks FROM dealing_tickcount WHERE shard = 0")))
    if +found != +expected:
        yield f"ticks are counted as {dict(found)}, the rules say {dict(expected)}"


def audited() -> Iterable[str]:
    """Check the books."""
    for difference in audit.run({}).differences:
        yield f"audit: {difference}"
