"""Checks of volumes and of the lives of orders and positions: (subject, what, expected, found)."""

QUERIES = {
    # Position volume = in - out >= 0; closed and empty are one (rules section 3).
    "position volume": """
        SELECT 'position ' || p.ticket, c.what, c.expected, c.found
        FROM positions_position p
        LEFT JOIN (
            SELECT position, coalesce(sum(volume) FILTER (WHERE direction = 'in'), 0) AS opened,
                   coalesce(sum(volume) FILTER (WHERE direction = 'out'), 0) AS closed
            FROM positions_deal GROUP BY position
        ) d ON d.position = p.ticket
        CROSS JOIN LATERAL (VALUES
            ('volume', (coalesce(d.opened, 0) - coalesce(d.closed, 0))::text, p.volume::text,
             coalesce(d.opened, 0) - coalesce(d.closed, 0) <> p.volume),
            ('volume_opened', coalesce(d.opened, 0)::text, p.volume_opened::text,
             coalesce(d.opened, 0) <> p.volume_opened),
            ('status', CASE WHEN p.volume = 0 THEN 'closed' ELSE 'open' END, p.status,
             (p.volume = 0) <> (p.status = 'closed'))
        ) AS c(what, expected, found, wrong)
        WHERE c.wrong ORDER BY p.ticket""",
    "deal of its position": """
        SELECT 'deal ' || d.ticket, c.what, coalesce(c.expected, 'a row'), coalesce(c.found, 'none')
        FROM positions_deal d
        LEFT JOIN positions_position p ON p.ticket = d.position
        LEFT JOIN orders_order o ON o.ticket = d."order"
        LEFT JOIN accounts_account a ON a.login = d.login
        CROSS JOIN LATERAL (VALUES
            ('position', NULL, p.ticket::text, p.ticket IS NULL),
            ('order', NULL, o.ticket::text, o.ticket IS NULL),
            ('account', NULL, a.login::text, a.login IS NULL),
            ('login', p.login::text, d.login::text, p.login <> d.login),
            ('login of its order', o.login::text, d.login::text, o.login <> d.login),
            ('symbol', p.symbol, d.symbol, p.symbol <> d.symbol),
            ('side', CASE WHEN d.direction = 'in' THEN p.side
                          WHEN p.side = 'buy' THEN 'sell' ELSE 'buy' END, d.side,
             (d.direction = 'in') <> (p.side = d.side))
        ) AS c(what, expected, found, wrong)
        WHERE c.wrong ORDER BY d.ticket""",
    # The two deals of a close by stand on both sides under one order, each up to its volume; a reversal's
    # two deals stand on one side and share it.
    "order volume": """
        SELECT 'order ' || o.ticket, 'volume of deals', 'at most ' || o.volume, d.volume
        FROM (SELECT "order" AS ticket, side, sum(volume) AS volume FROM positions_deal GROUP BY 1, 2) d
        JOIN orders_order o USING (ticket) WHERE d.volume > o.volume ORDER BY o.ticket""",
    "order life": """
        SELECT 'order ' || o.ticket, 'deals of a ' || o.status || ' order',
               CASE WHEN o.status = 'completed' THEN 'some' ELSE 'none' END,
               CASE WHEN o.status = 'completed' THEN 'none' ELSE 'some' END
        FROM orders_order o
        WHERE (o.status = 'completed')
              <> EXISTS (SELECT FROM positions_deal d WHERE d."order" = o.ticket)
        ORDER BY o.ticket""",
    "order queue": """
        SELECT 'order ' || o.ticket, 'request ' || o.request, 'open', 'not open'
        FROM orders_order o WHERE o.request IS NOT NULL AND NOT EXISTS
            (SELECT FROM orders_dealerrequest r WHERE r.id = o.request AND r.is_open)
        UNION ALL
        SELECT 'request ' || r.id, 'position ' || r.position, 'open', 'not open'
        FROM orders_dealerrequest r WHERE r.is_open AND r.position IS NOT NULL AND NOT EXISTS
            (SELECT FROM positions_position p WHERE p.ticket = r.position AND p.status = 'open')""",
    "netting": """
        SELECT 'account ' || p.login, 'open positions on ' || p.symbol, 'at most 1', count(*)
        FROM positions_position p
        JOIN accounts_account a USING (login) JOIN accounts_group g ON g.name = a.group_id
        WHERE p.status = 'open' AND g.margin_mode = 'netting'
        GROUP BY p.login, p.symbol HAVING count(*) > 1 ORDER BY p.login""",
    "symbol": """
        SELECT t.subject, 'symbol ' || t.symbol, 'a row', 'none' FROM (
            SELECT 'position ' || ticket AS subject, symbol FROM positions_position WHERE status = 'open'
            UNION ALL SELECT 'order ' || ticket, symbol FROM orders_order WHERE status = 'pending'
        ) t WHERE NOT EXISTS (SELECT FROM markets_symbol s WHERE s.name = t.symbol)""",
}
