"""Checks of prices and profits: every out deal's profit afresh, and every average price.

Profit in SQL is exact: prices are whole points, open prices and rates "num/den" text, and the one rounding, half
up, is an integer division of numerics (rules sections 1 and 7). A symbol with deals keeps what this formula
reads: digits, contract size, tick size and value.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

_EXACT = """split_part({0}, '/', 1)::numeric AS {1}_num, split_part({0}, '/', 2)::numeric AS {1}_den"""

_LONG = 10**60

QUERIES = {
    # (close - open) x contract x lots x rate, rounded once; the second deal of a close by has none.
    "deal profit": f"""
        WITH outs AS (
            SELECT d.ticket, d.login, d.symbol, d.volume, d.profit, d.digits, d.price,
                   CASE WHEN d.side = 'sell' THEN 1 ELSE -1 END AS direction,
                   {_EXACT.format("d.open_price_exact", "open")},
                   {_EXACT.format("d.profit_rate_exact", "rate")},
                   row_number() OVER (PARTITION BY d."order" ORDER BY d.ticket) = 2
                   AND min(d.side) OVER (PARTITION BY d."order")
                       <> max(d.side) OVER (PARTITION BY d."order") AS is_second
            FROM positions_deal d WHERE d.direction = 'out'
        ), exact AS (
            SELECT o.ticket, o.profit, o.is_second, m.digits AS money,
                   o.direction * (o.price * 10::numeric ^ o.digits * o.open_den - o.open_num)
                   * (CASE WHEN s.calc_mode = 'futures' THEN s.tick_value ELSE s.contract_size END)
                   * o.volume * o.rate_num AS num,
                   10::numeric ^ o.digits * o.open_den * o.rate_den
                   * (CASE WHEN s.calc_mode = 'futures' THEN s.tick_size ELSE 1 END) AS den
            FROM outs o
            JOIN markets_symbol s ON s.name = o.symbol
            JOIN accounts_account a ON a.login = o.login
            JOIN (SELECT * FROM {{money}}) m ON m.currency = a.currency
        ), expected AS (
            SELECT ticket, profit,
                   CASE WHEN is_second THEN 0
                        ELSE sign(num) * div(2 * abs(num) * 10::numeric ^ money + den, 2 * den)
                             / 10::numeric ^ money END AS right_profit,
                   money
            FROM exact
        )
        SELECT 'deal ' || ticket, 'profit', coalesce(round(right_profit, money)::text, 'a rate'), profit
        FROM expected WHERE right_profit IS DISTINCT FROM profit ORDER BY ticket""",
    # A printed number is its exact one, rounded half up.
    "printed price": f"""
        WITH printed AS (
            SELECT 'position ' || ticket AS subject, open_price AS shown, digits,
                   {_EXACT.format("open_price_exact", "exact")} FROM positions_position
            UNION ALL
            SELECT 'deal ' || ticket, open_price, digits, {_EXACT.format("open_price_exact", "exact")}
            FROM positions_deal WHERE direction = 'out'
        )
        SELECT subject, 'open_price', round(exact_num / exact_den, 0) / 10::numeric ^ digits, shown
        FROM printed
        WHERE sign(exact_num) * div(2 * abs(exact_num) + exact_den, 2 * exact_den) / 10::numeric ^ digits
              IS DISTINCT FROM shown ORDER BY 1""",
    # A position opened by one deal has that deal's price.
    "open price": f"""
        SELECT 'position ' || p.ticket, 'open_price', d.price, p.open_price
        FROM (SELECT *, {_EXACT.format("open_price_exact", "exact")} FROM positions_position) p
        JOIN (SELECT position, min(price) AS price FROM positions_deal WHERE direction = 'in'
              GROUP BY position HAVING count(*) = 1) d ON d.position = p.ticket
        WHERE p.exact_num <> d.price * 10::numeric ^ p.digits * p.exact_den ORDER BY p.ticket""",
    "open price of a deal": """
        SELECT 'deal ' || d.ticket, 'open_price', p.open_price_exact, coalesce(d.open_price_exact, 'none')
        FROM positions_deal d JOIN positions_position p ON p.ticket = d.position
        WHERE d.direction = 'out' AND d.open_price_exact IS DISTINCT FROM p.open_price_exact
              AND NOT EXISTS (SELECT FROM positions_deal i WHERE i.position = d.position
                              AND i.direction = 'in' AND i.ticket > d.ticket)
        ORDER BY d.ticket""",
}


def averages(cursor: Any) -> Iterator[tuple[Any, ...]]:
    """Yield differences of positions that were increased: the price is the average by volume.

    Walks their deals in order, as section 3 says: an increase averages with what is open, a reduction leaves
    the average as it is.
    """
    cursor.execute("""
        SELECT d.position, d.direction, d.volume, d.price, d.digits, d.open_price_exact, d.ticket,
               p.open_price_exact
        FROM positions_deal d JOIN positions_position p ON p.ticket = d.position
        WHERE d.position IN (SELECT position FROM positions_deal WHERE direction = 'in'
                             GROUP BY position HAVING count(*) > 1)
        ORDER BY d.position, d.ticket""")
    position, lots, average, final = 0, Fraction(0), Fraction(0), ""
    for row in cursor.fetchall():
        if row[0] != position:
            yield from _ends_as(position, average, final)
            position, lots, average = row[0], Fraction(0), Fraction(0)
        _, direction, volume, price, digits, noted, ticket, final = row
        if direction == "in":
            points = Fraction(price) * 10**digits
            average = (average * lots + points * Fraction(volume)) / (lots + Fraction(volume))
            lots += Fraction(volume)
        else:
            lots -= Fraction(volume)
            if noted is None or not _same(Fraction(noted), average):
                yield f"deal {ticket}", "open_price", average, noted
    yield from _ends_as(position, average, final)


def _ends_as(position: int, average: Fraction, final: str) -> Iterator[tuple[Any, ...]]:
    if position and not _same(Fraction(final), average):
        yield f"position {position}", "average price", average, final


def _same(noted: Fraction, average: Fraction) -> bool:
    """Return whether an average is right: exactly, or to 20 decimals once its exact form has grown too long."""
    return noted == average or (average.denominator > _LONG and abs(noted - average) < Fraction(1, 10**20))
