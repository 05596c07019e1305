"""What a replay made, held against the rows: every deal of the day with all its columns, and every command's code.

Promises: what it finds is told in sentences, of each difference what stands in the rows and what the inputs make.
It changes no row.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from dealing.columns import moment
from dealing.replay import Replayed
from positions.store import DEALS, deal_row

AT_ONCE = 5_000
MADE = replace(DEALS, name="replayed_deal")


def differences(
    cursor: Any, batches: Iterable[Replayed], *, shard: int, shards: int, login: int | None = None
) -> Iterator[str]:
    """Yield what differs between a replay and the rows; the cursor gets a temporary table.

    login: look at this account only, and not at the book as a whole.
    """
    columns = ", ".join(f'"{name}"' for name in DEALS.columns)
    cursor.execute(
        f"DROP TABLE IF EXISTS pg_temp.{MADE.name};"
        f" CREATE TEMPORARY TABLE {MADE.name} AS SELECT {columns} FROM {DEALS.name} WHERE false"
    )
    rows: list[tuple[Any, ...]] = []
    codes: dict[int, str] = {}
    times: list[int] = []
    for batch in batches:
        if login is None:
            yield from batch.differences
        if login is None and len(batch.deals) != batch.deals_then:
            yield f"batch {batch.seq} made {batch.deals_then} deals, its inputs make {len(batch.deals)}"
        rows += [deal_row(deal, money) for deal, money in zip(batch.deals, batch.digits, strict=True)]
        codes |= batch.answers
        times += batch.times_ms
        if len(rows) + len(codes) >= AT_ONCE:
            MADE.insert(cursor, rows)
            yield from _codes(cursor, codes, login)
            rows, codes = [], {}
            times = [min(times), max(times)]
    MADE.insert(cursor, rows)
    yield from _codes(cursor, codes, login)
    if times:
        yield from _deals(cursor, login)
        yield from _not_made(cursor, shard, shards, (min(times), max(times)), login)


def _codes(cursor: Any, codes: dict[int, str], login: int | None) -> Iterator[str]:
    cursor.execute(
        "SELECT c.id, c.login, c.code, t.code FROM dealing_command c JOIN unnest(%s::bigint[], %s::text[]) AS t(id, code)"
        " USING (id) WHERE c.code IS DISTINCT FROM t.code AND c.login = coalesce(%s, c.login) ORDER BY c.id",
        (list(codes), list(codes.values()), login),
    )
    for number, whose, then, now in cursor.fetchall():
        yield f"command {number} of account {whose} was answered {then or 'done'}, its inputs make {now or 'done'}"


def _deals(cursor: Any, login: int | None) -> Iterator[str]:
    """Yield the deals that were made anew and stand otherwise in the rows, or not at all."""
    kinds = DEALS.columns
    values = ", ".join(
        f'CASE WHEN d."{name}"::{kind} IS DISTINCT FROM m."{name}"::{kind}'
        f' THEN json_build_array(d."{name}"::text, m."{name}"::text) END'
        for name, kind in kinds.items()
    )
    cursor.execute(
        f"SELECT m.ticket, m.login, d.ticket IS NULL, {values} FROM {MADE.name} m LEFT JOIN {DEALS.name} d USING (ticket)"
        " WHERE m.login = coalesce(%s, m.login) ORDER BY m.ticket",
        (login,),
    )
    for ticket, whose, is_missing, *pairs in cursor.fetchall():
        if is_missing:
            yield f"deal {ticket} of account {whose} is made by the inputs, and does not stand in the rows"
            continue
        for name, pair in zip(kinds, pairs, strict=True):
            if pair is not None:
                yield f"deal {ticket} of account {whose}: {name} is {pair[0]}, its inputs make {pair[1]}"


def _not_made(
    cursor: Any, shard: int, shards: int, times_ms: tuple[int, int], login: int | None
) -> Iterator[str]:
    """Yield the deals of the day's time that were not made anew; those of its first and last millisecond may
    belong to other batches, of which the numbers were compared."""
    cursor.execute(
        f"SELECT d.ticket, d.login FROM {DEALS.name} d WHERE d.time > %s AND d.time < %s AND d.login %% %s = %s"
        f" AND d.login = coalesce(%s, d.login) AND NOT EXISTS (SELECT 1 FROM {MADE.name} m WHERE m.ticket = d.ticket)"
        " ORDER BY d.ticket",
        (*map(moment, times_ms), shards, shard, login),
    )
    for ticket, whose in cursor.fetchall():
        yield f"deal {ticket} of account {whose} stands in the rows, and the inputs do not make it"
