"""The end of a trading day: swaps accrue, day orders expire, every account's figures are kept (§7.16, §10).

It is a moment of the desk's clock, not a command: `Engine` lets it come before anything whose time is that
moment or later. It acts on what is open then, at the quotes that stand then.
"""

from engine.calendar import weekday_of
from engine.core import Core
from engine.enums import OrderReason
from engine.events import AccountDayEnded, DayEnded
from engine.order_ending import cancel_order
from engine.profit import swap_of_day
from engine.records import Position
from engine.valuation import account_state


def end_day(core: Core, at_ms: int) -> None:
    """End the day at this moment; the state's clock stands there."""
    state = core.state
    accrued: set[int] = set()
    for position in sorted(state.positions.values(), key=lambda p: (p.login, p.ticket)):
        swap = next_swap(core, position, at_ms)
        if swap:
            position.swap += swap
            core.save_position(position)
            accrued.add(position.login)
    core.bounds.touch_many(sorted(accrued))
    for order in sorted(state.orders.values(), key=lambda o: (o.login, o.ticket)):
        if order.expires_day:
            cancel_order(core, order, reason=OrderReason.EXPIRATION)
            core.bounds.touch(order.login)
    for login in sorted(state.accounts):
        core.emit(AccountDayEnded(login, at_ms, account_state(state, login)))
    core.emit(DayEnded(at_ms))


def next_swap(core: Core, position: Position, at_ms: int) -> int:
    """Return the swap in minor units that a day end at this moment adds to a position, at the quotes of now.

    The moment belongs to the day that ends: the weekday is that of the instant just before, in the server's zone.
    """
    state = core.state
    if state.group_of(position.login).swap_free:
        return 0
    weekday = weekday_of(state.server.zone, at_ms - 1)
    return swap_of_day(state, position, state.symbols[position.symbol].swap_multipliers[weekday])
