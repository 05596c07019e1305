"""Positions and deals: rows to the engine's records and back.

`load` reads the open positions of a shard, `record` writes what a batch changed, in the caller's transaction
and one statement a table. Promises: a record that was written is read back equal, exact fractions included.
Only the desk calls it.
"""

from typing import Any

from dealing.columns import (
    VOLUME_DIGITS,
    Cursor,
    Table,
    decimal_text,
    fraction_of,
    fraction_text,
    json_of,
    json_text,
    moment_text,
    ms_of,
    optional_fraction_of,
    optional_text,
    optional_units,
    points_text,
    rounded_text,
    units_of,
    volume_text,
)
from dealing.loading import load_each
from engine.enums import DealBy, Direction, OrderReason, PositionStatus, Side
from engine.records import Deal, Position
from engine.settings import currency_digits

RATE_DIGITS = 10

POSITIONS = Table(
    "positions_position",
    ("ticket",),
    {
        "ticket": "bigint", "login": "bigint", "symbol": "text", "side": "text", "volume": "numeric",
        "volume_opened": "numeric", "open_price": "numeric", "open_price_exact": "text",
        "leverage": "numeric", "leverage_exact": "text", "margin_rate": "numeric",
        "margin_rate_exact": "text", "opened_at": "timestamptz", "modified_at": "timestamptz",
        "status": "text", "sl": "numeric", "tp": "numeric", "fees": "numeric", "swap": "numeric",
        "profit": "numeric", "fees_booked": "numeric", "swap_booked": "numeric", "close_price": "numeric",
        "smart": "bigint", "comment": "text", "digits": "int", "gen": "bigint",
        "last_rate": "numeric", "last_rate_exact": "text", "margin_factor": "text",
    },
)  # fmt: skip
DEALS = Table(
    "positions_deal",
    ("ticket",),
    {
        "ticket": "bigint", "order": "bigint", "position": "bigint", "login": "bigint", "symbol": "text",
        "side": "text", "direction": "text", "volume": "numeric", "price": "numeric",
        "requested_price": "numeric", "time": "timestamptz", "reason": "text", "digits": "int",
        "profit": "numeric", "fees": "numeric", "swap": "numeric", "profit_rate": "numeric",
        "profit_rate_exact": "text", "open_price": "numeric", "open_price_exact": "text", "comment": "text",
        "trigger_key": "text", "evidence": "jsonb", "by": "text", "actor": "text", "market_bid": "numeric",
        "market_ask": "numeric", "group_bid": "numeric", "group_ask": "numeric", "settings": "jsonb",
    },
)  # fmt: skip


def load(cursor: Cursor, state: Any, *, shard: int, shards: int) -> None:
    """Read the open positions of this shard's accounts into `state`; their accounts are there already."""

    def take(row: Any) -> None:
        if row[1] in state.unloaded:
            return
        position = position_of(row, currency_digits(state.accounts[row[1]].currency))
        state.positions[position.ticket] = position

    load_each(
        cursor, state, table=POSITIONS.name, columns=list(POSITIONS.columns), order_by="ticket", take=take,
        where="status = 'open' AND login %% %s = %s", params=(shards, shard),
    )  # fmt: skip


def record(cursor: Cursor, changes: Any) -> None:
    """Write what a batch changed: positions overwrite their rows, deals are appended."""
    money = money_digits(
        cursor, changes, [p.login for p in changes.positions.values()] + [d.login for d in changes.deals]
    )
    POSITIONS.upsert(
        cursor,
        [position_row(p, money[p.login]) for p in (changes.positions[t] for t in sorted(changes.positions))],
    )
    DEALS.insert(cursor, [deal_row(d, money[d.login]) for d in changes.deals])


def disagreements(cursor: Cursor, shard: int, shards: int) -> dict[int, str]:
    """Return the accounts of a shard with an open position whose volume is not that of its deals, and why."""
    cursor.execute(
        """
        SELECT p.login, p.ticket, p.volume, d.volume
        FROM positions_position p
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(CASE WHEN direction = 'in' THEN volume ELSE -volume END), 0) AS volume
            FROM positions_deal d WHERE d.position = p.ticket
        ) d ON true
        WHERE p.status = 'open' AND p.login %% %s = %s AND p.volume <> d.volume ORDER BY p.ticket
        """,
        (shards, shard),
    )
    return {
        login: f"position {ticket} has volume {volume}, its deals make {of_deals}"
        for login, ticket, volume, of_deals in cursor.fetchall()
    }


def money_digits(cursor: Cursor, changes: Any, logins: list[int]) -> dict[int, int]:
    """Return the decimals of money of these accounts: of changed ones from memory, of others from rows."""
    digits = {login: currency_digits(account.currency) for login, account in changes.accounts.items()}
    unknown = sorted(set(logins) - digits.keys())
    if unknown:
        # A row of another application, read by name: the money's digits belong to the account.
        cursor.execute("SELECT login, currency FROM accounts_account WHERE login = ANY(%s)", (unknown,))
        digits.update((login, currency_digits(currency)) for login, currency in cursor.fetchall())
    return digits


def position_row(p: Position, money: int) -> tuple[Any, ...]:
    """Return a position as a row in the order of `POSITIONS.columns`; `money` is its money's decimals."""
    return (
        p.ticket, p.login, p.symbol, p.side.value, volume_text(p.volume), volume_text(p.volume_opened),
        points_text(p.open_price, p.digits), fraction_text(p.open_price),
        str(int(p.leverage)), fraction_text(p.leverage),
        rounded_text(p.margin_rate, RATE_DIGITS), fraction_text(p.margin_rate),
        moment_text(p.opened_ms), moment_text(p.modified_ms), p.status.value,
        optional_text(p.sl, p.digits), optional_text(p.tp, p.digits),
        decimal_text(p.fees, money), decimal_text(p.swap, money), decimal_text(p.profit, money),
        decimal_text(p.fees_booked, money), decimal_text(p.swap_booked, money),
        optional_text(p.close_price, p.digits), p.smart or None, p.comment, p.digits,
        p.gen, rounded_text(p.last_rate, RATE_DIGITS), fraction_text(p.last_rate),
        fraction_text(p.margin_factor),
    )  # fmt: skip


def position_of(row: Any, money: int) -> Position:
    """Return the position of a row in the order of `POSITIONS.columns`.

    Raises:
        Inexact: a number does not fit its digits.
    """
    (
        ticket, login, symbol, side, volume, volume_opened, _open, open_exact, _leverage, leverage_exact,
        _rate, rate_exact, opened_at, modified_at, status, sl, tp, fees, swap, profit, fees_booked,
        swap_booked, close_price, smart, comment, digits, gen, _last, last_exact, factor_exact,
    ) = row  # fmt: skip
    return Position(
        ticket=ticket,
        login=login,
        symbol=symbol,
        side=Side(side),
        volume=units_of(volume, VOLUME_DIGITS),
        open_price=fraction_of(open_exact),
        leverage=fraction_of(leverage_exact),
        margin_rate=fraction_of(rate_exact),
        opened_ms=ms_of(opened_at),
        modified_ms=ms_of(modified_at),
        status=PositionStatus(status),
        sl=optional_units(sl, digits),
        tp=optional_units(tp, digits),
        volume_opened=units_of(volume_opened, VOLUME_DIGITS),
        fees=units_of(fees, money),
        swap=units_of(swap, money),
        profit=units_of(profit, money),
        fees_booked=units_of(fees_booked, money),
        swap_booked=units_of(swap_booked, money),
        close_price=optional_units(close_price, digits),
        smart=smart or 0,
        comment=comment,
        digits=digits,
        gen=gen,
        last_rate=optional_fraction_of(last_exact),
        margin_factor=optional_fraction_of(factor_exact),
    )


def deal_row(d: Deal, money: int) -> tuple[Any, ...]:
    """Return a deal as a row in the order of `DEALS.columns`; `money` is its money's decimals."""
    return (
        d.ticket, d.order, d.position, d.login, d.symbol, d.side.value, d.direction.value,
        volume_text(d.volume), decimal_text(d.price, d.digits), decimal_text(d.requested_price, d.digits),
        moment_text(d.time_ms), d.reason.value, d.digits, optional_text(d.profit, money),
        optional_text(d.fees, money), optional_text(d.swap, money),
        rounded_text(d.profit_rate, RATE_DIGITS), fraction_text(d.profit_rate),
        points_text(d.open_price, d.digits), fraction_text(d.open_price), d.comment, d.trigger_key,
        json_text(d.evidence), d.by.value, d.actor, optional_text(d.market_bid, d.digits),
        optional_text(d.market_ask, d.digits), optional_text(d.group_bid, d.digits),
        optional_text(d.group_ask, d.digits), json_text(d.settings),
    )  # fmt: skip


def deal_of(row: Any, money: int) -> Deal:
    """Return the deal of a row in the order of `DEALS.columns`.

    Raises:
        Inexact: a number does not fit its digits.
    """
    (
        ticket, order, position, login, symbol, side, direction, volume, price, requested, time, reason,
        digits, profit, fees, swap, _rate, rate_exact, _open, open_exact, comment, trigger_key, evidence,
        by, actor, market_bid, market_ask, group_bid, group_ask, settings,
    ) = row  # fmt: skip
    return Deal(
        ticket=ticket,
        order=order,
        position=position,
        login=login,
        symbol=symbol,
        side=Side(side),
        direction=Direction(direction),
        volume=units_of(volume, VOLUME_DIGITS),
        price=units_of(price, digits),
        requested_price=units_of(requested, digits),
        time_ms=ms_of(time),
        reason=OrderReason(reason),
        digits=digits,
        profit=optional_units(profit, money),
        fees=optional_units(fees, money),
        swap=optional_units(swap, money),
        profit_rate=optional_fraction_of(rate_exact),
        open_price=optional_fraction_of(open_exact),
        comment=comment,
        trigger_key=trigger_key,
        evidence=json_of(evidence),
        by=DealBy(by or DealBy.SYSTEM),
        actor=actor,
        market_bid=optional_units(market_bid, digits),
        market_ask=optional_units(market_ask, digits),
        group_bid=optional_units(group_bid, digits),
        group_ask=optional_units(group_ask, digits),
        settings=json_of(settings),
    )
