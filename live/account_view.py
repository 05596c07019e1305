"""One account as an engine sees it, read from committed rows: what equity, profit and stops are right now.

A small engine is filled with the symbols, the quotes and the one account's rows, all from one snapshot of the
database, and asked by its own formulas; so a number shown is a number that the desk would compute. It also
serves previews: what a command would do, tried on this copy. Promises: nothing is written; numbers of one
`AccountView` belong together. It knows nothing of plugins and dealers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounts import store as account_store
from accounts.models import Account
from dealing.columns import Cursor, Table, ms_of
from dealing.shards import agreed
from engine.engine import Engine
from engine.enums import Direction
from engine.lifecycle import LIVE_SMART
from engine.settings import currency_digits
from engine.state import State
from engine.tickets import shard_of
from markets import store as market_store
from orders import store as order_store
from orders.models import SmartOrder
from positions import store as position_store
from positions.models import Deal

LIVE_STATES = [state.value for state in LIVE_SMART]


@contextmanager
def one_snapshot() -> Iterator[Cursor]:
    """Give a cursor whose reads, and those of the ORM inside, all see the same committed state."""
    nested = connection.in_atomic_block
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        if not nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield cursor


class AccountView:
    """One account, its open things and the market, at one committed moment."""

    def __init__(self, cursor: Cursor, login: int) -> None:
        self.account = account = Account.objects.select_related("group").get(login=login)
        self.login = login
        self.money_digits = currency_digits(account.currency)
        shards = agreed(cursor)
        state = State()
        market_store.load(cursor, state, shard=shard_of(self.login, shards), shards=shards)
        state.groups[account.group_id] = account.group.to_engine()
        for row in rows_of(cursor, account_store.ACCOUNTS, "login = %s", self.login):
            state.accounts[self.login] = account_store.account_of(row)
        for row in rows_of(cursor, order_store.ORDERS, "status = 'pending' AND login = %s", self.login):
            order = order_store.order_of(row)
            state.orders[order.ticket] = order
        for row in rows_of(cursor, position_store.POSITIONS, "status = 'open' AND login = %s", self.login):
            position = position_store.position_of(row, self.money_digits)
            state.positions[position.ticket] = position
        for row in rows_of(
            cursor, order_store.SMARTS, "state = ANY(%s) AND login = %s", LIVE_STATES, self.login
        ):
            smart = order_store.smart_of(row)
            for _, *level in rows_of(cursor, order_store.LEVELS, "smart_id = %s", smart.id):
                smart.levels.append(order_store.level_of(level, smart.digits))
            state.smarts[smart.id] = smart
        state.now_ms = max([ms_of(datetime.now(UTC)), *(quote.time_ms for quote in state.quotes.values())])
        self.state = state
        self.engine = Engine(state, shard=shard_of(self.login, shards), shards=shards)
        self.engine.recover()

    def account_values(self) -> dict[str, Any]:
        """Return balance, credit, equity, margin, free_margin, margin_level and floating, as text."""
        return self.engine.account_view(self.login)

    def position_values(self) -> dict[int, dict[str, Any]]:
        """Return floating profit and close price of every open position, by ticket."""
        return {ticket: self.engine.position_view(ticket) for ticket in self.state.positions}

    def smart_values(self) -> dict[int, dict[str, Any]]:
        """Return effective stop, what makes it, high-water mark and open profit of live plans, by number."""
        return {number: self.engine.smart_view(number) for number in self.state.smarts}


def read_account_view(login: int) -> AccountView:
    """Return the account as of now.

    Raises:
        Account.DoesNotExist: there is no such account.
    """
    with one_snapshot() as cursor:
        return AccountView(cursor, login)


def realised_profits(plans: Sequence[SmartOrder]) -> dict[int, Decimal]:
    """Return what each plan has earned so far: profit of its position's exits while it owned the position."""
    held: dict[int, list[SmartOrder]] = {}
    for plan in plans:
        if plan.position:
            held.setdefault(plan.position, []).append(plan)
    totals = {plan.id: Decimal(0) for plan in plans}
    exits = Deal.objects.filter(position__in=list(held), direction=Direction.OUT)
    for position, time, profit in exits.values_list("position", "time", "profit"):
        for plan in held[position]:
            if plan.created_at <= time and (plan.state in LIVE_STATES or time <= plan.modified_at):
                totals[plan.id] += profit or 0
    return totals


def rows_of(cursor: Cursor, table: Table, condition: str, *values: Any) -> list[Any]:
    """Return the rows of a table that meet a condition, in the order of its columns."""
    names = ", ".join(f'"{column}"' for column in table.columns)
    cursor.execute(f'SELECT {names} FROM "{table.name}" WHERE {condition} ORDER BY 1, 2', values)
    return cursor.fetchall()
