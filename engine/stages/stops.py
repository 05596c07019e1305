"""Stage 3: positions whose take profit or stop loss is reached, one by one by login and ticket.

Take profit first, then stop loss. A smart order's exits stand in their place (stages/smart_exits.py). After all
positions, trailing marks move.
"""

from engine import checks
from engine.core import Core
from engine.dealer_queue import drop_trigger
from engine.enums import HaltLevel, OrderReason, PositionStatus, RequestKind, Side
from engine.execution import Fill, close_deal, closing_order, complete
from engine.records import Position, SmartOrder
from engine.stages import smart_exits
from engine.stages.triggered import AcceptedTick, Exit, decide_exit, trigger_key

REASONS = {
    RequestKind.TAKE_PROFIT: OrderReason.TAKE_PROFIT,
    RequestKind.STOP_LOSS: OrderReason.STOP_LOSS,
}
_KINDS = {reason: kind for kind, reason in REASONS.items()}


def run(core: Core, tick: AcceptedTick) -> None:
    """Close what this tick triggers, then move the trailing marks it raises."""
    name = tick.symbol.name
    ladder = core.exits.get(name)
    reached = ladder.due(tick.bid, tick.ask) if ladder is not None else set()
    trailed = smart_exits.trailed(core, tick)
    for smart in trailed:
        reached.add(smart.position)
    for position in sorted((core.state.positions[t] for t in reached), key=lambda p: (p.login, p.ticket)):
        if checks.halt_level(core.state, position.login, tick.symbol) is HaltLevel.HALT:
            core.arm_position(position)
        elif position.smart:
            smart_exits.visit(core, tick, position)
        else:
            _visit(core, tick, position)
            if position.status is PositionStatus.OPEN:
                core.arm_position(position)
    _rearm(core, trailed)
    smart_exits.move_marks(core, tick)


def _rearm(core: Core, smarts: list[SmartOrder]) -> None:
    """Arm the trailing stops again that were reached and could not execute."""
    for smart in smarts:
        if smart.id in core.state.smarts:
            core.arm_trailing(smart)


def _visit(core: Core, tick: AcceptedTick, position: Position) -> None:
    if not close_if_reached(core, tick, position, OrderReason.TAKE_PROFIT):
        close_if_reached(core, tick, position, OrderReason.STOP_LOSS)


def close_if_reached(core: Core, tick: AcceptedTick, position: Position, reason: OrderReason) -> bool:
    """Close a position whose take profit or stop loss is reached; return whether it was closed."""
    buy = position.side is Side.BUY
    market = checks.market_price(tick.view(core, position.login), position.side, opening=False)
    if reason is OrderReason.TAKE_PROFIT:
        level = position.tp
        if level is None or (market < level if buy else market > level):
            return False
        slips = core.state.group_of(position.login).positive_slippage
        return _close(core, tick, position, reason, level, market if slips else level)
    level = position.sl
    if level is None or (market > level if buy else market < level):
        return False
    return _close(core, tick, position, reason, level, market)


def _close(
    core: Core, tick: AcceptedTick, position: Position, reason: OrderReason, level: int, price: int
) -> bool:
    """Close a position at a reached level if hooks, mode and FIFO let it; return whether it was closed."""
    exit_ = Exit(
        kind=_KINDS[reason], reason=reason, trigger=reason.value, level=level, price=price, volume=position.volume
    )  # fmt: skip
    execution = decide_exit(core, tick, position, exit_)
    if execution is None:
        return False
    price, evidence = execution
    drop_trigger(core, position, exit_.kind)
    order = closing_order(core, position, position.volume, reason, level)
    fill = Fill(
        price=price,
        requested_price=level,
        reason=reason,
        trigger_key=trigger_key(position, reason),
        evidence=evidence,
    )
    close_deal(core, position, position.volume, order, fill)
    complete(core, order, position.ticket, price)
    return True
