"""Checks of the order of events: batches, epochs, and commands with their outcomes."""

from collections.abc import Iterator
from typing import Any

from engine.enums import OPERATION_KINDS, TAKING_KINDS

OPERATIONS = ", ".join(f"'{kind.value}'" for kind in sorted(OPERATION_KINDS))
TAKING = ", ".join(f"'{kind.value}'" for kind in sorted(TAKING_KINDS))

QUERIES = {
    # What was acknowledged and done is there (reliability R3), once.
    "acknowledged order": """
        SELECT 'command ' || c.id, 'order ' || c.ticket || ' of account ' || c.login, 'a row', 'none'
        FROM dealing_command c
        WHERE c.status = 'done' AND c.code = '' AND c.name = 'PlaceOrder' AND c.ticket > 0
              AND NOT EXISTS (SELECT FROM orders_order o WHERE o.ticket = c.ticket AND o.login = c.login)
        ORDER BY c.id""",
    "acknowledged smart order": """
        SELECT 'command ' || c.id, 'smart order ' || c.smart, 'a row', 'none'
        FROM dealing_command c
        WHERE c.status = 'done' AND c.code = '' AND c.name = 'PlaceSmart' AND c.smart > 0
              AND NOT EXISTS (SELECT FROM orders_smartorder s WHERE s.id = c.smart AND s.login = c.login)
        ORDER BY c.id""",
    "balance operations": f"""
        WITH asked AS (
            SELECT login, payload ->> 'kind' AS kind, count(*) AS times,
                   sum((payload ->> 'amount')::numeric
                       * CASE WHEN payload ->> 'kind' IN ({TAKING}) THEN -1 ELSE 1 END) AS amount
            FROM dealing_command WHERE name = 'BalanceOperation' AND status = 'done' AND code = ''
            GROUP BY 1, 2
        ), booked AS (
            SELECT login, kind, count(*) AS times, sum(amount) AS amount
            FROM accounts_ledgerentry WHERE kind IN ({OPERATIONS}) GROUP BY 1, 2
        )
        SELECT 'account ' || login, kind || ' entries', a.times || ' of ' || a.amount,
               coalesce(b.booked_times, 0) || ' of ' || coalesce(b.amount, 0)
        FROM (SELECT login, kind, times, amount FROM asked) a
        LEFT JOIN (SELECT login, kind, times AS booked_times, amount FROM booked) b USING (login, kind)
        WHERE a.times <> coalesce(b.booked_times, 0) OR a.amount <> coalesce(b.amount, 0) ORDER BY login""",
    # Every automatic deal says what it saw (rules section 6).
    "evidence": """
        SELECT 'deal ' || ticket, 'evidence of ' || reason, 'some', 'none' FROM positions_deal
        WHERE reason IN ('stop_loss', 'take_profit', 'forced_close') AND evidence IS NULL ORDER BY ticket""",
    "deal time": """
        SELECT 'deal ' || d.ticket, 'time', 'not before ' || p.opened_at, d.time
        FROM positions_deal d JOIN positions_position p ON p.ticket = d.position
        WHERE d.direction = 'out' AND d.time < p.opened_at ORDER BY d.ticket""",
    "closed position time": """
        SELECT 'position ' || p.ticket, 'modified_at', d.time, p.modified_at
        FROM positions_position p
        JOIN (SELECT position, max(time) AS time FROM positions_deal GROUP BY position) d
             ON d.position = p.ticket
        WHERE p.status = 'closed' AND p.modified_at < d.time ORDER BY p.ticket""",
}


def batches(cursor: Any) -> Iterator[tuple[Any, ...]]:
    """Yield differences of the desk's batches: numbers without holes, epochs that never fall.

    Old batches may have been cleared away, so numbering need not start at 1; a database without a desk has
    none.
    """
    cursor.execute("""
        SELECT s.shard, s.seq, b.seq FROM dealing_engineshard s
        LEFT JOIN (SELECT shard, max(seq) AS seq FROM dealing_enginebatch GROUP BY shard) b USING (shard)
        WHERE s.seq <> coalesce(b.seq, 0) ORDER BY s.shard""")
    for shard, seq, last in cursor.fetchall():
        yield f"shard {shard}", "last batch", seq, last or "none"
    cursor.execute("""
        SELECT * FROM (
            SELECT shard, seq, epoch, lag(seq) OVER w AS seq_before, lag(epoch) OVER w AS epoch_before
            FROM dealing_enginebatch WINDOW w AS (PARTITION BY shard ORDER BY seq)
        ) b WHERE seq <> seq_before + 1 OR epoch < epoch_before ORDER BY shard, seq""")
    for shard, seq, epoch, seq_before, epoch_before in cursor.fetchall():
        if seq != seq_before + 1:
            yield f"batch {shard}/{seq}", "number after the one before", seq_before + 1, seq
        if epoch < epoch_before:
            yield f"batch {shard}/{seq}", "epoch", f"at least {epoch_before}", epoch
