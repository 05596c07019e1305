"""How much of a position a stop-out of mode `smart` closes: the fewest steps that bring the level above."""

from engine.core import Core
from engine.margin import Leg, account_margin, position_leg
from engine.profit import floating_profit, position_profit
from engine.records import Position
from engine.valuation import account_state, is_stopped_out

_SCAN = 512
_SLACK = 2


def fewest_steps(core: Core, position: Position, price: int) -> int:
    """Return the volume in units: the least whole number of steps after which the account is above its limit.

    If no part is enough the whole position is returned. The steps are tried one by one; where they are many
    and nothing hedges the position, those that cannot be enough are passed over first.
    """
    step = core.state.symbols[position.symbol].volume_step
    steps = (position.volume - 1) // step
    first = 1
    if steps > _SCAN and not _is_hedged(core, position):
        first = _first_possible(core, position, steps, price)
    for count in range(first, steps + 1):
        if _is_enough(core, position, count * step, price):
            return count * step
    return position.volume


def _is_hedged(core: Core, position: Position) -> bool:
    """Return whether the account has the other side too: then its margin may rise as this one shrinks."""
    held = core.state.book(position.login).positions.values()
    return any(other.symbol == position.symbol and other.side is not position.side for other in held)


def _first_possible(core: Core, position: Position, steps: int, price: int) -> int:
    """Return a number of steps below which none can be enough (steps + 1: no part can).

    Before rounding the level only rises, or only falls, with every step; rounding moves equity and margin
    by one unit at most. So with two units in favour the answers are no, no, ... yes from the first possible
    step on, and a bisection finds a change from no to yes that is not after it.
    """
    step = core.state.symbols[position.symbol].volume_step

    def is_possible(count: int) -> bool:
        return _is_enough(core, position, count * step, price, slack=_SLACK)

    if is_possible(1):
        return 1
    if not is_possible(steps):
        return steps + 1
    low, high = 1, steps
    while high - low > 1:
        middle = (low + high) // 2
        if is_possible(middle):
            high = middle
        else:
            low = middle
    return high


def _is_enough(core: Core, position: Position, volume: int, price: int, *, slack: int = 0) -> bool:
    """Return whether closing this volume at a price in points would bring the account above its limit.

    `slack` is added to the equity and taken from the margin, in minor units of the account's money.
    """
    state = core.state
    account = state.accounts[position.login]
    group = state.groups[account.group]
    symbol = state.symbols[position.symbol]
    whole = floating_profit(state, position)
    closed = position_profit(state, position, price, volume) or 0
    left = floating_profit(state, position, position.volume - volume)
    legs: list[Leg] = []
    for other in state.book(position.login).positions.values():
        if other.symbol == position.symbol:
            leg = position_leg(symbol, other)
            kept = leg.volume - volume if other is position else leg.volume
            legs.append(Leg(leg.side, kept, leg.lot_margin))
    margin = account_margin(state, position.login, symbol_name=position.symbol, legs=legs)
    equity = account_state(state, position.login).equity - whole + closed + left
    if slack and margin <= slack:
        return True
    return not is_stopped_out(group, account.currency, equity + slack, margin - slack)
