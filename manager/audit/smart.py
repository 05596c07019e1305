"""Checks of smart orders against levels, deals and positions: (subject, what, expected, found)."""

LIVE = "('PENDING', 'ACTIVE', 'PARTIALLY_CLOSED')"

QUERIES = {
    # A filled level has its deal, for its volume, on its plan's position.
    "filled level": """
        SELECT 'level ' || l.smart_id || '/' || l.number, c.what, c.expected, coalesce(c.found, 'none')
        FROM orders_smartlevel l JOIN orders_smartorder s ON s.id = l.smart_id
        LEFT JOIN positions_deal d ON d.ticket = l.deal
        CROSS JOIN LATERAL (VALUES
            ('deal', 'a row', d.ticket::text, d.ticket IS NULL),
            ('volume of its deal', l.volume::text, d.volume::text, d.volume <> l.volume),
            ('position of its deal', s.position::text, d.position::text, d.position <> s.position),
            ('reason of its deal', 'smart_order', d.reason, d.reason <> 'smart_order')
        ) AS c(what, expected, found, wrong)
        WHERE l.status = 'FILLED' AND c.wrong ORDER BY l.smart_id, l.number""",
    "level deal once": """
        SELECT 'deal ' || deal, 'levels filled by it', '1', count(*)
        FROM orders_smartlevel WHERE status = 'FILLED' GROUP BY deal HAVING count(*) > 1""",
    "ended plan": f"""
        SELECT 'level ' || l.smart_id || '/' || l.number, 'status on a ' || s.state || ' plan',
               'FILLED or CANCELLED', l.status
        FROM orders_smartlevel l JOIN orders_smartorder s ON s.id = l.smart_id
        WHERE s.state NOT IN {LIVE} AND l.status NOT IN ('FILLED', 'CANCELLED')
        ORDER BY l.smart_id, l.number""",
    # State, levels and what is left say the same (rules section 9).
    "plan state": """
        SELECT 'smart order ' || s.id, c.what, c.expected, c.found
        FROM orders_smartorder s
        LEFT JOIN (
            SELECT smart_id, count(*) FILTER (WHERE status = 'FILLED') AS filled,
                   coalesce(sum(volume) FILTER (WHERE status IN ('PENDING', 'TRIGGERED')), 0) AS waiting
            FROM orders_smartlevel GROUP BY smart_id
        ) l ON l.smart_id = s.id
        CROSS JOIN LATERAL (VALUES
            ('filled levels', 'none', coalesce(l.filled, 0)::text,
             s.state IN ('PENDING', 'ACTIVE') AND coalesce(l.filled, 0) > 0),
            ('filled levels', 'some', '0',
             s.state = 'PARTIALLY_CLOSED' AND coalesce(l.filled, 0) = 0),
            ('volume of waiting levels', 'at most ' || s.remaining, coalesce(l.waiting, 0)::text,
             coalesce(l.waiting, 0) > s.remaining),
            ('remaining', s.volume::text, s.remaining::text,
             s.state = 'PENDING' AND s.remaining <> s.volume)
        ) AS c(what, expected, found, wrong)
        WHERE c.wrong ORDER BY s.id""",
    # A plan that acts owns an open position with as much as it has still to close, and the reverse.
    "plan position": """
        SELECT 'smart order ' || s.id, c.what, c.expected, coalesce(c.found, 'none')
        FROM orders_smartorder s LEFT JOIN positions_position p ON p.ticket = s.position
        CROSS JOIN LATERAL (VALUES
            ('position', 'open', p.status, p.status IS DISTINCT FROM 'open'),
            ('owner of position ' || p.ticket, s.id::text, p.smart::text, p.smart IS DISTINCT FROM s.id),
            ('remaining', p.volume::text, s.remaining::text,
             s.remaining > p.volume OR s.remaining <> p.volume AND p.volume_opened = s.volume),
            ('login', p.login::text, s.login::text, p.login <> s.login),
            ('side', p.side, s.side, p.side <> s.side)
        ) AS c(what, expected, found, wrong)
        WHERE s.state IN ('ACTIVE', 'PARTIALLY_CLOSED') AND c.wrong
        UNION ALL
        SELECT 'position ' || p.ticket, 'plan ' || p.smart, 'acting on it',
               coalesce(s.state || ' on ' || coalesce(s.position::text, 'none'), 'none')
        FROM positions_position p LEFT JOIN orders_smartorder s ON s.id = p.smart
        WHERE p.status = 'open' AND p.smart IS NOT NULL
              AND (s.state IS NULL OR s.state NOT IN ('ACTIVE', 'PARTIALLY_CLOSED')
                   OR s.position IS DISTINCT FROM p.ticket)""",
    # Filled, stopped and closed by hand add up to the original volume less what remains.
    "plan volume": """
        SELECT 'smart order ' || s.id, 'volume closed', s.volume - s.remaining, d.volume
        FROM orders_smartorder s
        JOIN positions_position p ON p.ticket = s.position
        JOIN (SELECT position, sum(volume) FILTER (WHERE direction = 'out') AS volume,
                     sum(volume) FILTER (WHERE direction = 'in') AS opened
              FROM positions_deal GROUP BY position) d ON d.position = s.position
        WHERE s.state <> 'CANCELLED' AND s.entry <> 'position' AND d.opened = s.volume
              AND s.volume - s.remaining <> coalesce(d.volume, 0) ORDER BY s.id""",
    # Version 1 at creation, then one more a persisted change: the timeline never steps back or ahead of it.
    "plan version": """
        SELECT 'smart order ' || s.id, 'version', 'at least ' || e.high, s.version
        FROM orders_smartorder s
        JOIN (SELECT smart_id, max(version) AS high FROM orders_smartevent GROUP BY smart_id) e
             ON e.smart_id = s.id
        WHERE e.high > s.version ORDER BY s.id""",
    "trailing mark": """
        SELECT 'smart order ' || id, 'mark', CASE WHEN callback IS NULL THEN 'none' ELSE 'some' END,
               coalesce(mark::text, 'none')
        FROM orders_smartorder
        WHERE state IN ('ACTIVE', 'PARTIALLY_CLOSED') AND (callback IS NULL) <> (mark IS NULL)
        ORDER BY id""",
}
