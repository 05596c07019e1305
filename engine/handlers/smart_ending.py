"""Ending a smart order by hand."""

from dataclasses import replace

from engine import smart_life
from engine.commands import CancelSmart, ClosePosition
from engine.core import Core
from engine.enums import SmartState
from engine.events import CommandDone
from engine.handlers import closing
from engine.handlers.answers import refused
from engine.handlers.smart_changing import standing_rules
from engine.order_ending import cancel_order
from engine.precedence import Family, judge
from engine.records import lots_text


def cancel(core: Core, command: CancelSmart) -> CommandDone:
    """End a plan by hand: the position stays open, unmanaged, unless `close` is asked for."""
    refusal = judge(Family.CANCEL_SMART, standing_rules(core.state, command))
    if refusal is not None:
        return refused(refusal, ticket=command.smart, login=command.login)
    smart = core.state.smarts[command.smart]
    if smart.state is SmartState.PENDING:
        order = core.state.orders.get(smart.order)
        if order is not None:
            cancel_order(core, order, comment=command.comment)
        smart_life.entry_ended(core, smart.id, "cancelled")
        return CommandDone("", login=smart.login, ticket=smart.order, data={"smart": smart.id})
    if command.close:
        position = core.state.positions[smart.position]
        part = smart.remaining < position.volume
        done = closing.close(
            core,
            ClosePosition(
                login=smart.login, position=smart.position, by=command.by, actor=command.actor,
                ticket=command.ticket, comment=command.comment or f"smart order {smart.id}: closed",
                volume=lots_text(smart.remaining) if part else None,
            ),
        )  # fmt: skip
        return replace(done, ticket=smart.id) if done.code else done
    smart_life.end_smart(core, smart, SmartState.CANCELLED, "cancelled", {"by": command.by.value})
    return CommandDone("", login=smart.login, ticket=smart.order, data={"smart": smart.id})
