"""What must hold of a book between two calls, and whose fault it is where it does not.

Every fault belongs to one account: it is frozen, and the others go on. One that belongs to none means that nothing
in memory can be trusted. It changes nothing.
"""

from collections.abc import Iterator

from engine import plans
from engine.enums import OrderStatus, PositionStatus
from engine.records import Order, Position, SmartOrder
from engine.state import State


class InvariantError(AssertionError):
    """The book is wrong; a wrong book is worse than no book."""


def faults(state: State) -> Iterator[tuple[int, str]]:
    """Yield the account of each broken rule and what is wrong; the state's indices must be fresh."""
    for position in state.positions.values():
        name, login = f"position {position.ticket}", position.login
        if position.volume <= 0 or position.status is not PositionStatus.OPEN:
            yield login, f"{name} is open without volume"
        if login not in state.accounts:
            yield login, f"{name} has no account"
        yield from _digits(state, name, position)
        if position.smart:
            smart = state.smarts.get(position.smart)
            if smart is None or smart.position != position.ticket:
                yield login, f"{name} is owned by smart order {position.smart}, which does not know it"
    for login, book in state.books.items():
        if book.positions and login in state.accounts and state.is_netting(login):
            names = [p.symbol for p in book.positions.values()]
            if len(names) != len(set(names)):
                yield login, f"netting account {login} has two positions of one symbol"
    for order in state.orders.values():
        if order.status is not OrderStatus.PENDING:
            yield order.login, f"order {order.ticket} is live but {order.status}"
        yield from _digits(state, f"order {order.ticket}", order)
    for smart in state.smarts.values():
        name, login = f"smart order {smart.id}", smart.login
        yield from _digits(state, name, smart)
        owned_by = state.positions.get(smart.position)
        if smart.position and owned_by is None:
            yield login, f"{name} lost its position"
        elif owned_by is not None and smart.remaining > owned_by.volume:
            yield login, f"{name} would close more than its position has"
        if plans.open_levels_volume(smart) > smart.remaining:
            yield login, f"{name} has levels above what remains"


def _digits(state: State, name: str, record: Position | Order | SmartOrder) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with the symbol of a record: its prices are points of that symbol."""
    symbol = state.symbols.get(record.symbol)
    if symbol is None:
        yield record.login, f"{name} has no symbol"
    elif symbol.digits != record.digits:
        yield record.login, f"{name} has {record.digits} digits, its symbol has {symbol.digits}"
