"""What the desk shows about accounts and itself, read from Redis for the admin and the audit.

Redis is never the record: where it does not answer there is nothing to show, and that is what callers get.
"""

import json
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import redis
from django.db import connection
from structlog import get_logger

from accounts.models import Account, GroupSecurity
from dealing import bus, journal, services
from dealing.columns import optional_text
from engine import plans
from engine.enums import Side
from engine.order_types import OrderType
from engine.rates import widened_bid
from engine.state import Extremes as EngineExtremes
from manager.audit import margins
from markets.models import Extremes, Symbol
from orders.models import SmartOrder
from orders.selectors import LIVE_STATES
from orders.store import SMARTS, smart_of
from positions.models import Position

log = get_logger(__name__)


def account_states(logins: Iterable[int] | None = None) -> dict[int, dict[str, Any]]:
    """Return equity, margin and the like of accounts with positions, by login; {} where Redis is silent."""
    client: Any = bus.client()
    try:
        if logins is None:
            found = client.hgetall(bus.ACCOUNTS)
        else:
            names = [str(login) for login in logins]
            values = client.hmget(bus.ACCOUNTS, names) if names else []
            found = {name: value for name, value in zip(names, values, strict=True) if value}
    except redis.RedisError as error:
        log.warning("account states are not to be had", error=str(error))
        return {}
    return {int(login): json.loads(text) for login, text in found.items()}


def quotes() -> dict[str, tuple[str, str, int]]:
    """Return the last quote of every symbol as (bid, ask, time in ms); {} where Redis is silent."""
    client: Any = bus.client()
    try:
        found = client.hgetall(bus.QUOTES)
    except redis.RedisError as error:
        log.warning("quotes are not to be had", error=str(error))
        return {}
    return {symbol: tuple(json.loads(text)) for symbol, text in found.items()}


def health() -> dict[int, dict[str, Any]]:
    """Return what each shard's desk last said of itself, by shard; {} where Redis is silent."""
    client: Any = bus.client()
    try:
        found = client.hgetall(bus.HEALTH)
    except redis.RedisError as error:
        log.warning("the desk's health is not to be had", error=str(error))
        return {}
    return {int(shard): json.loads(text) for shard, text in found.items()}


def _market(logins: Iterable[int]) -> tuple[Any, dict[int, dict[str, Any]]]:
    """Return the market as of the last quotes, and what it takes to see it as these accounts do, by login."""
    accounts = {
        account.login: {
            "currency": account.currency,
            "group_id": account.group_id,
            "spread_diff": account.group.spread_diff,
        }
        for account in Account.objects.filter(login__in=set(logins)).select_related("group")
    }
    with connection.cursor() as cursor:
        market = margins.market_of(cursor)
    for symbol, (bid, ask, time_ms) in quotes().items():
        if symbol in market.symbols:
            market.quotes[symbol] = (Fraction(bid), Fraction(ask), time_ms)
    return market, accounts


def _on_grid(price: Fraction, digits: int) -> Decimal:
    return Decimal(int(price * 10**digits)).scaleb(-digits)


def floating(positions: Sequence[Position]) -> dict[int, tuple[Decimal | None, Decimal | None]]:
    """Return (close price, floating profit) of open positions at the last quotes, by ticket.

    For showing only: the desk's own figures decide. None where there is no quote or no rate yet.
    """
    if not positions:
        return {}
    market, accounts = _market(position.login for position in positions)
    found: dict[int, tuple[Decimal | None, Decimal | None]] = {}
    for position in positions:
        account = accounts.get(position.login)
        if account is None or position.symbol not in market.symbols:
            found[position.ticket] = None, None
            continue
        view = market.quote(position.symbol, account)
        price = view and view[0 if position.side == "buy" else 1]
        found[position.ticket] = (
            None if price is None else _on_grid(price, position.digits),
            margins.position_profit(market, account, vars(position)),
        )
    return found


def views(rows: Sequence[Any]) -> dict[int, tuple[Decimal, Decimal]]:
    """Return (bid, ask) as the accounts of open requests see them, their group's spread included, by number."""
    waiting = [row for row in rows if row.is_open]
    if not waiting:
        return {}
    market, accounts = _market(row.login for row in waiting)
    found = {}
    for row in waiting:
        account = accounts.get(row.login)
        view = account and row.symbol in market.symbols and market.quote(row.symbol, account)
        if view:
            found[row.id] = _on_grid(view[0], row.digits), _on_grid(view[1], row.digits)
    return found


def order_prices(orders: Sequence[Any]) -> dict[int, Decimal]:
    """Return the current price of the side of pending orders, as their accounts see it, by ticket: the ask of a buy."""
    if not orders:
        return {}
    market, accounts = _market(order.login for order in orders)
    found = {}
    for order in orders:
        account = accounts.get(order.login)
        view = account and order.symbol in market.symbols and market.quote(order.symbol, account)
        if view:
            found[order.ticket] = _on_grid(
                view[1 if OrderType(order.type).side is Side.BUY else 0], order.digits
            )
    return found


def plan_stops(rows: Sequence[SmartOrder]) -> dict[int, tuple[str | None, str | None, str | None]]:
    """Return (effective stop, what makes it, high-water mark) of live plans by number, as of the last commit.

    A mark that merely moved with the market is not in the plan's row: it follows from the symbol's extremes.
    """
    live_ones = [row.id for row in rows if row.state in LIVE_STATES]
    found = SmartOrder.objects.filter(id__in=live_ones).values_list(*SMARTS.columns)
    records = [smart_of(row) for row in found]
    extremes = {
        (row.shard, row.symbol): EngineExtremes.from_json(row.data)
        for row in Extremes.objects.filter(symbol__in={record.symbol for record in records})
    }
    symbols = {row.name: row for row in Symbol.objects.only("name", "security_id", "allow_negative")}
    groups = {
        account.login: account.group
        for account in Account.objects.filter(login__in={r.login for r in records}).select_related("group")
    }
    own = {
        (row.group_id, row.security): int(row.spread_diff or 0)
        for row in GroupSecurity.objects.filter(spread_diff__isnull=False)
    }
    shown = {}
    shards = journal.number_of_shards()
    for record in records:
        seen = extremes.get((record.login % shards, record.symbol))
        waits = record.activation is not None and not record.activated
        if seen is not None and record.mark is not None and not waits:
            group = groups[record.login]
            symbol = symbols[record.symbol]
            diff = own.get((group.pk, symbol.security_id), group.spread_diff)
            if record.side is Side.BUY:
                best = seen.highest_bid_since(record.mark_seq)
                if best is not None:
                    seen_bid = widened_bid(best, diff // 2, positive=not symbol.allow_negative)
                    record.mark = max(record.mark, seen_bid)
            else:
                best = seen.lowest_ask_since(record.mark_seq)
                record.mark = record.mark if best is None else min(record.mark, best + diff - diff // 2)
        stop = plans.effective_stop(record)
        shown[record.id] = (
            optional_text(stop, record.digits),
            plans.stop_source(record),
            None if record.callback is None else optional_text(record.mark, record.digits),
        )
    return shown


def levels(scope: str) -> dict[str, str]:
    """Return the kill switches of a scope that are turned, by key."""
    return {switch.key: switch.level for switch in services.halts() if switch.scope == scope}


def level_of(scope: str, key: str) -> str:
    """Return how far a kill switch is turned."""
    return levels(scope).get(key, "normal")


def age_s(time_ms: int) -> float:
    """Return how old a quote is in seconds; never below 0, for feeds whose clock runs ahead."""
    return max(0.0, time.time() - time_ms / 1000)
