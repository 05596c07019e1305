"""How much of a position a stop-out of mode `smart` closes: the fewest steps that bring the level above."""

from engine.core import Core
from engine.margin import Leg, account_margin, position_leg
from engine.profit import floating_profit, position_profit
from engine.records import Position
from engine.valuation import account_state, is_stopped_out

_SCAN = 512


def fewest_steps(core: Core, position: Position, price: int) -> int:
    """Return the volume in units: the least whole number of steps after which the account is above its limit.

    If no part is enough the whole position is returned. Margin falls step by step until both sides of the
    symbol are equal; where hedges make it rise again no later step can help, so a bisection over the falling
    part, checked against a scan where it is short, finds the first.
    """
    step = core.state.symbols[position.symbol].volume_step
    steps = (position.volume - 1) // step
    if steps <= _SCAN:
        for count in range(1, steps + 1):
            if _is_enough(core, position, count * step, price):
                return count * step
        return position.volume
    low, high = 0, min(steps, max(1, _to_balance(core, position) // step))
    if not _is_enough(core, position, high * step, price):
        low, high = high, steps
        if not _is_enough(core, position, high * step, price):
            return position.volume
    while high - low > 1:
        middle = (low + high) // 2
        if _is_enough(core, position, middle * step, price):
            high = middle
        else:
            low = middle
    return high * step


def _to_balance(core: Core, position: Position) -> int:
    """Return the volume after whose closing both sides of the symbol are equal, or all of it."""
    net = 0
    for other in core.state.book(position.login).positions.values():
        if other.symbol == position.symbol:
            net += other.volume if other.side is position.side else -other.volume
    return net if 0 < net < position.volume else position.volume - 1


def _is_enough(core: Core, position: Position, volume: int, price: int) -> bool:
    """Return whether closing this volume at a price in points would bring the account above its limit."""
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
    return not is_stopped_out(group, account.currency, equity, margin)
