"""Checks of balances and ledgers, each a query of its differences: (subject, what, expected, found)."""

from engine.enums import CREDIT_KINDS

CREDIT = ", ".join(f"'{kind.value}'" for kind in sorted(CREDIT_KINDS))

QUERIES = {
    # Balance and credit are the sums of their entries (rules section 7).
    "balance": f"""
        SELECT 'account ' || a.login, c.what, c.expected, c.found
        FROM accounts_account a
        LEFT JOIN (
            SELECT login,
                   coalesce(sum(amount) FILTER (WHERE kind NOT IN ({CREDIT})), 0) AS balance,
                   coalesce(sum(amount) FILTER (WHERE kind IN ({CREDIT})), 0) AS credit
            FROM accounts_ledgerentry GROUP BY login
        ) l USING (login)
        CROSS JOIN LATERAL (VALUES
            ('balance', coalesce(l.balance, 0), a.balance),
            ('credit', coalesce(l.credit, 0), a.credit)
        ) AS c(what, expected, found)
        WHERE c.expected <> c.found ORDER BY a.login""",
    "ledger owner": """
        SELECT DISTINCT 'ledger of ' || l.login, 'account', 'one', 'none'
        FROM accounts_ledgerentry l WHERE NOT EXISTS
            (SELECT FROM accounts_account a WHERE a.login = l.login)""",
    # Entries are numbered 1..n without holes, and n stands on the account.
    "ledger sequence": """
        SELECT 'account ' || a.login, c.what, c.expected, c.found
        FROM accounts_account a
        LEFT JOIN (SELECT login, count(*) AS entries, min(seq) AS low, max(seq) AS high
                   FROM accounts_ledgerentry GROUP BY login) l USING (login)
        CROSS JOIN LATERAL (VALUES
            ('last entry', a.ledger_seq, coalesce(l.high, 0)),
            ('first entry', CASE WHEN l.entries > 0 THEN 1 ELSE 0 END, coalesce(l.low, 0)),
            ('entries', coalesce(l.high, 0), coalesce(l.entries, 0))
        ) AS c(what, expected, found)
        WHERE c.expected <> c.found ORDER BY a.login""",
    # Each entry says what it left behind.
    "ledger chain": f"""
        WITH chain AS (
            SELECT login, seq, balance_after, credit_after,
                   coalesce(sum(amount) FILTER (WHERE kind NOT IN ({CREDIT})) OVER w, 0) AS balance,
                   coalesce(sum(amount) FILTER (WHERE kind IN ({CREDIT})) OVER w, 0) AS credit
            FROM accounts_ledgerentry WINDOW w AS (PARTITION BY login ORDER BY seq)
        )
        SELECT 'ledger ' || login || '/' || seq, c.what, c.expected, c.found
        FROM chain CROSS JOIN LATERAL (VALUES
            ('balance_after', balance, balance_after), ('credit_after', credit, credit_after)
        ) AS c(what, expected, found)
        WHERE c.expected <> c.found ORDER BY login, seq""",
    # Profit, fees and swap of every out deal have one entry each, none for 0, and no entry stands alone.
    "deal money": """
        WITH booked AS (
            SELECT deal, login, kind, count(*) AS entries, sum(amount) AS amount
            FROM accounts_ledgerentry WHERE kind IN ('profit', 'commission', 'swap')
            GROUP BY deal, login, kind
        ), owed AS (
            SELECT d.ticket AS deal, d.login, k.kind, k.amount
            FROM positions_deal d CROSS JOIN LATERAL
                (VALUES ('profit', d.profit), ('commission', d.fees), ('swap', d.swap)) AS k(kind, amount)
            WHERE d.direction = 'out' AND k.amount <> 0
        )
        SELECT 'deal ' || coalesce(deal::text, 'none') || ' of account ' || login,
               kind || ' entries', coalesce('1 of ' || o.amount, 'none'),
               coalesce(b.entries || ' of ' || b.amount, 'none')
        FROM owed o FULL JOIN booked b USING (deal, login, kind)
        WHERE o.amount IS DISTINCT FROM b.amount OR b.entries IS DISTINCT FROM 1 ORDER BY deal, kind""",
    "agent commission": """
        SELECT 'deal ' || l.deal, 'agent commissions', '1', count(*)::text
        FROM accounts_ledgerentry l WHERE l.kind = 'agent_commission' AND l.deal IS NOT NULL
        GROUP BY l.deal HAVING count(*) > 1
        UNION ALL
        SELECT 'ledger ' || l.login || '/' || l.seq, 'deal of an agent commission', 'one', 'none'
        FROM accounts_ledgerentry l WHERE l.kind = 'agent_commission' AND NOT EXISTS
            (SELECT FROM positions_deal d WHERE d.ticket = l.deal)""",
    # What a position says it has booked is what its deals booked.
    "position money": """
        SELECT 'position ' || p.ticket, c.what, c.expected, c.found
        FROM positions_position p
        LEFT JOIN (SELECT position, sum(profit) AS profit, sum(fees) AS fees, sum(swap) AS swap
                   FROM positions_deal WHERE direction = 'out' GROUP BY position) d ON d.position = p.ticket
        CROSS JOIN LATERAL (VALUES
            ('profit', coalesce(d.profit, 0), p.profit),
            ('fees_booked', coalesce(d.fees, 0), p.fees_booked),
            ('swap_booked', coalesce(d.swap, 0), p.swap_booked),
            ('fees left', CASE WHEN p.status = 'closed' THEN 0 ELSE p.fees END, p.fees),
            ('swap left', CASE WHEN p.status = 'closed' THEN 0 ELSE p.swap END, p.swap)
        ) AS c(what, expected, found)
        WHERE c.expected <> c.found ORDER BY p.ticket""",
    "decimals of money": """
        SELECT s.subject, s.what, 'at most ' || m.digits || ' decimals', s.amount
        FROM (
            SELECT 'ledger ' || login || '/' || seq AS subject, login, 'amount' AS what, amount
            FROM accounts_ledgerentry
            UNION ALL SELECT 'deal ' || ticket, login, 'profit', profit FROM positions_deal
            UNION ALL SELECT 'deal ' || ticket, login, 'fees', fees FROM positions_deal
            UNION ALL SELECT 'deal ' || ticket, login, 'swap', swap FROM positions_deal
            UNION ALL SELECT 'position ' || ticket, login, 'fees', fees FROM positions_position
            UNION ALL SELECT 'position ' || ticket, login, 'swap', swap FROM positions_position
        ) s
        JOIN accounts_account a USING (login) JOIN (SELECT * FROM {money}) m USING (currency)
        WHERE s.amount <> round(s.amount, m.digits)""",
}
