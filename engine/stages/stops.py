"""Stage 3: positions whose take profit or stop loss is reached, one by one by login and ticket.

Take profit first, then stop loss. A smart order's exits stand in their place (stages/smart.py). After all
positions, trailing marks move.
"""

from engine import checks
from engine.core import Core
from engine.enums import HaltLevel, OrderReason, PositionStatus, RequestKind, Side
from engine.execution import Fill, close_deal, closing_order, complete
from engine.queue import drop_trigger
from engine.records import Position, SmartOrder
from engine.stages import smart
from engine.stages.triggered import Exit, Tick, let_out, trigger_key

_KINDS = {
    OrderReason.TAKE_PROFIT: RequestKind.TAKE_PROFIT,
    OrderReason.STOP_LOSS: RequestKind.STOP_LOSS,
}


def run(core: Core, tick: Tick) -> None:
    """Close what this tick triggers, then move the trailing marks it raises."""
    name = tick.symbol.name
    ladder = core.exits.get(name)
    reached = ladder.due(tick.bid, tick.ask) if ladder is not None else set()
    trailed = smart.trailed(core, tick)
    for plan in trailed:
        reached.add(plan.position)
    for position in sorted((core.state.positions[t] for t in reached), key=lambda p: (p.login, p.ticket)):
        if checks.halt_level(core, position.login, tick.symbol) is HaltLevel.HALT:
            core.arm_position(position)
        elif position.smart:
            smart.visit(core, tick, position)
        else:
            _visit(core, tick, position)
            if position.status is PositionStatus.OPEN:
                core.arm_position(position)
    _rearm(core, trailed)
    smart.move_marks(core, tick)


def _rearm(core: Core, plans: list[SmartOrder]) -> None:
    """Arm the trailing stops again that were reached and could not execute."""
    for plan in plans:
        if plan.id in core.state.smarts:
            core.arm_trailing(plan)


def _visit(core: Core, tick: Tick, position: Position) -> None:
    view = tick.view(core, position.login)
    buy = position.side is Side.BUY
    market = checks.market_price(view, position.side, opening=False)
    tp, sl = position.tp, position.sl
    if tp is not None and (market >= tp if buy else market <= tp):
        slips = core.state.group_of(position.login).positive_slippage
        if _close(core, tick, position, OrderReason.TAKE_PROFIT, tp, market if slips else tp):
            return
    if sl is not None and (market <= sl if buy else market >= sl):
        _close(core, tick, position, OrderReason.STOP_LOSS, sl, market)


def _close(core: Core, tick: Tick, position: Position, reason: OrderReason, level: int, price: int) -> bool:
    """Close a position at a reached level if hooks, mode and FIFO let it; return whether it was closed."""
    exit_ = Exit(
        kind=_KINDS[reason], reason=reason, trigger=reason.value, level=level, price=price, volume=position.volume
    )  # fmt: skip
    execution = let_out(core, tick, position, exit_)
    if execution is None:
        return False
    price, found = execution
    drop_trigger(core, position, exit_.kind)
    order = closing_order(core, position, position.volume, reason, level)
    fill = Fill(
        price=price,
        requested_price=level,
        reason=reason,
        trigger_key=trigger_key(position, reason),
        evidence=found,
    )
    close_deal(core, position, position.volume, order, fill)
    complete(core, order, position.ticket, price)
    return True
