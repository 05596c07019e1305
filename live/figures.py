"""Prices, profits and stops of rows of many accounts, for lists: the engine's own formulas on a copy of the market.

`live/account_view.py` has all of one account; here are only the rows that a page shows, at the last quotes. For showing only:
the desk's own figures decide.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from accounts import store as account_store
from accounts.models import Group
from dealing import journal
from dealing.columns import Cursor, Inexact, units_of
from engine.engine import Engine
from engine.order_types import OrderType
from engine.profit import floating_profit
from engine.rates import BidAsk, close_price, group_quote, open_price
from engine.records import Quote
from engine.settings import currency_digits
from engine.state import State
from engine.tickets import shard_of
from live import published
from live.account_view import one_snapshot, rows_of
from markets import store as market_store
from orders import store as order_store
from orders.models import SmartOrder
from orders.selectors import LIVE_STATES
from positions import store as position_store
from positions.models import Position

Floating = dict[int, tuple[Decimal | None, Decimal | None]]
Stops = dict[int, tuple[str | None, str | None, str | None]]


def of_positions(positions: Sequence[Position]) -> tuple[Floating, Stops]:
    """Return what is true of open positions now, and of the plans that manage them.

    The first is (close price, floating profit) by ticket, None where there is no quote or no rate yet; the second as
    `plan_stops` has it.
    """
    found: Floating = {row.ticket: (None, None) for row in positions}
    if not positions:
        return found, {}
    with one_snapshot() as cursor:
        state = _market(cursor, (row.login for row in positions))
        _take_positions(cursor, state, "ticket = ANY(%s)", list(found))
        plans = [row.smart for row in positions if row.smart]
        stops = _stops(cursor, state, plans, journal.number_of_shards()) if plans else {}
    for ticket, position in state.positions.items():
        view = group_quote(state, state.group_of(position.login), state.symbols[position.symbol])
        if view is None:
            continue
        price = close_price(view, position.side)
        profit = floating_profit(state, position)
        money = currency_digits(state.accounts[position.login].currency)
        found[ticket] = (
            Decimal(price).scaleb(-position.digits),
            None
            if position.last_rate is None
            else Decimal(profit).scaleb(-money),  # it never had a rate: unknown, not 0
        )
    return found, stops


def views(rows: Sequence[Any]) -> dict[int, tuple[Decimal, Decimal]]:
    """Return (bid, ask) as the accounts of open requests see them, their group's spread included, by number."""
    waiting = [row for row in rows if row.is_open]
    seen, found = _seen_by(waiting), {}
    for row in waiting:
        if (row.login, row.symbol) in seen:
            (bid, ask), digits = seen[row.login, row.symbol]
            found[row.id] = Decimal(bid).scaleb(-digits), Decimal(ask).scaleb(-digits)
    return found


def order_prices(orders: Sequence[Any]) -> dict[int, Decimal]:
    """Return the current price of the side of pending orders, as their accounts see it, by ticket: the ask of a buy."""
    seen, found = _seen_by(orders), {}
    for row in orders:
        if (row.login, row.symbol) in seen:
            view, digits = seen[row.login, row.symbol]
            found[row.ticket] = Decimal(open_price(view, OrderType(row.type).side)).scaleb(-digits)
    return found


def plan_stops(plans: Sequence[SmartOrder]) -> Stops:
    """Return (effective stop, what makes it, high-water mark) of live plans by number, as of the last commit.

    A mark that merely moved with the market is not in the plan's row: it follows from the symbol's extremes.
    """
    shards = journal.number_of_shards()
    if not plans:
        return {}
    with one_snapshot() as cursor:
        state = _market(cursor, (row.login for row in plans))
        numbers = [row.id for row in plans]
        _take_positions(cursor, state, "smart = ANY(%s)", numbers)
        return _stops(cursor, state, numbers, shards)


def _stops(cursor: Cursor, market: State, numbers: list[int], shards: int) -> Stops:
    """Return the stops of these plans, as far as they are live; their positions are in the market's state already."""
    rows = rows_of(cursor, order_store.SMARTS, "id = ANY(%s) AND state = ANY(%s)", numbers, list(LIVE_STATES))
    plans: dict[int, list[Any]] = {}
    for smart in map(order_store.smart_of, rows):
        if smart.symbol in market.symbols and smart.login in market.accounts:
            plans.setdefault(shard_of(smart.login, shards), []).append(smart)
    stops: Stops = {}
    for shard, own in plans.items():
        here = {ticket: p for ticket, p in market.positions.items() if shard_of(p.login, shards) == shard}
        mine = {smart.id: smart for smart in own}
        state = replace(market, smarts=mine, positions=here, books={}, extremes={})
        market_store.load_extremes(cursor, state, shard=shard)
        engine = Engine(state, shard=shard, shards=shards)
        engine.recover()
        for number in state.smarts:
            view = engine.smart_view(number)
            stops[number] = view["effective_stop"], view["stop_source"], view["high_water_mark"]
    return stops


def _seen_by(rows: Sequence[Any]) -> dict[tuple[int, str], tuple[BidAsk, int]]:
    """Return (bid, ask) in points and their digits of each row's symbol as its account sees it, by login and symbol."""
    if not rows:
        return {}
    with one_snapshot() as cursor:
        state = _market(cursor, (row.login for row in rows))
    seen = {}
    for login, name in {(row.login, row.symbol) for row in rows}:
        symbol = state.symbols.get(name)
        if symbol is not None and login in state.accounts:
            view = group_quote(state, state.group_of(login), symbol)
            if view is not None:
                seen[login, name] = view, symbol.digits
    return seen


def _market(cursor: Cursor, logins: Iterable[int]) -> State:
    """Return the symbols with the last quotes, and these accounts with their groups."""
    state = State()
    market_store.load_quoted(cursor, state)
    for values in rows_of(cursor, account_store.ACCOUNTS, "login = ANY(%s)", list(set(logins))):
        record = account_store.account_of(values)
        state.accounts[record.login] = record
    named = {record.group for record in state.accounts.values()}
    for group in Group.objects.filter(name__in=named).prefetch_related("securities"):
        state.groups[group.name] = group.to_engine(group.securities.all())
    for name, (bid, ask, time_ms) in published.quotes().items():
        symbol, last = state.symbols.get(name), state.quotes.get(name)
        if symbol is None:
            continue
        try:
            points = units_of(bid, symbol.digits), units_of(ask, symbol.digits)
        except Inexact:  # the symbol has fewer digits now: it waits for its next tick
            continue
        state.quotes[name] = Quote(*points, time_ms, last.seq if last is not None else 0)
    state.index()
    return state


def _take_positions(cursor: Cursor, state: State, condition: str, numbers: list[int]) -> None:
    """Put the open positions of these numbers, of accounts and symbols that are there, into the state."""
    for values in rows_of(cursor, position_store.POSITIONS, f"status = 'open' AND {condition}", numbers):
        row = dict(zip(position_store.POSITIONS.columns, values, strict=True))
        if row["login"] in state.accounts and row["symbol"] in state.symbols:
            money = currency_digits(state.accounts[row["login"]].currency)
            state.positions[row["ticket"]] = position_store.position_of(values, money)
