"""Stage 3: positions whose take profit or stop loss is reached, one by one by login and ticket.

Take profit first, then stop loss. A smart order's exits stand in their place (stages/smart.py). After all
positions, trailing marks move.
"""

from engine import checks
from engine.core import Core
from engine.enums import Answer, By, HaltLevel, HookPoint, OrderReason, PositionStatus, RequestKind, Side
from engine.execution import Fill, close_deal, closing_order, complete
from engine.queue import drop_trigger, executes_by_itself, queue_trigger
from engine.records import Position, SmartOrder
from engine.stages import smart
from engine.stages.triggered import Tick, context, evidence, trigger_key

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
    view = tick.view(core, position.login)
    hooks: dict[str, str] = {}
    told = context(
        core, tick.symbol, view, login=position.login, ticket=position.ticket, side=position.side.opposite,
        volume=position.volume, reason=reason, trigger=reason.value, level=level, price=price,
    )  # fmt: skip
    answer = core.hooks.filter(HookPoint.STOPS_FILTER, told, hooks)
    found = evidence(tick.symbol, view, tick.quote.time_ms, trigger=reason.value, level=level, hooks=hooks)
    if answer is not Answer.OK and not executes_by_itself(core, position.login, position.symbol):
        queue_trigger(core, position, _KINDS[reason], volume=position.volume, price=level, context=found)
        return False
    if checks.fifo_check(core, position, By.SYSTEM) is not None:
        return False
    verdict = core.hooks.apply(HookPoint.STOPS_APPLY, told, hooks)
    if verdict.answer is not Answer.OK:
        return False
    if verdict.price is not None:
        price = checks.hook_price(tick.symbol, verdict.price, price)
    found["hooks"] = hooks
    drop_trigger(core, position, _KINDS[reason])
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
