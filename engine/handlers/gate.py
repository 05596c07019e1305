"""What every request is asked before its own checks: is it late, does a kill switch or a plugin forbid it.

The order is that of `precedence.Family.GATE`. What is refused here leaves what the
request's handler would leave: an order with status FAILED for an order and a close, nothing for the others.
"""

from engine import checks
from engine.codes import Code
from engine.commands import (
    AcceptRequote,
    CancelOrder,
    CancelSmart,
    CloseBy,
    ClosePosition,
    Command,
    ModifyOrder,
    ModifyPosition,
    ModifySmart,
    PlaceOrder,
    PlaceSmart,
)
from engine.core import Core
from engine.enums import By, EntryType
from engine.events import CommandDone
from engine.handlers import answers, closing, orders
from engine.order_ending import fail_order
from engine.precedence import Family, Rule, judge
from engine.records import Order
from engine.refusals import Refusal, refuse

_CLOSES = (ClosePosition, CloseBy, CancelOrder, CancelSmart)


def refused(core: Core, command: Command) -> CommandDone | None:
    """Return the refusal of a request that is not to reach its handler, None where it may."""
    login = getattr(command, "login", 0)
    if login not in core.state.accounts or isinstance(command, AcceptRequote):
        return None  # its handler says so, or asks about what is accepted
    refusal = _refusal(core, command, login)
    return None if refusal is None else _refuse(core, command, refusal)


def _refusal(core: Core, command: Command, login: int) -> Refusal | None:
    state, opening = core.state, _opens(core, command)
    place = core.hooks.place_of(command)
    name = place[1] or "" if place is not None else ""
    closing_ = isinstance(command, _CLOSES) or (isinstance(command, (PlaceOrder, PlaceSmart)) and not opening)

    def in_time() -> Refusal | None:
        if opening and _is_market(command) and 0 < command.valid_until_ms < state.now_ms:
            return refuse(Code.TIMEOUT, "late", symbol=name)
        return None

    def plugins() -> Refusal | None:
        objection = core.hooks.refusal(command, state.now_ms) if command.by is By.CLIENT else None
        return None if objection is None else refuse(Code.REJECTED, "plugin", reply=objection.reply)

    return judge(Family.GATE, {
        Rule.IN_TIME: in_time,
        Rule.NOT_HALTED: lambda: checks.halt_check(
            state, login, state.symbols.get(name), command.by, opening=opening, closing=closing_
        ),
        Rule.NO_PLUGIN_OBJECTS: plugins,
    })  # fmt: skip


def _opens(core: Core, command: Command) -> bool:
    """Return whether a request would open something: a netting order that only reduces does not."""
    if isinstance(command, PlaceSmart):
        return command.entry is not EntryType.POSITION
    if not isinstance(command, PlaceOrder):
        return False
    if not command.type.is_market:
        return True
    units = checks.read_volume(command.volume)
    return checks.counts_as_close(core.state, command.login, command.symbol, command.type.side, units) is None


def _is_market(command: Command) -> bool:
    if isinstance(command, PlaceSmart):
        return command.entry is EntryType.MARKET
    return isinstance(command, PlaceOrder) and command.type.is_market


def _refuse(core: Core, command: Command, refusal: Refusal) -> CommandDone:
    """Answer a request with a refusal, and leave the order that every refused order and close leaves."""
    order = _order_of(core, command)
    if order is not None:
        core.save_order(order)
        fail_order(core, order, refusal.code)
        return answers.refused(refusal, ticket=order.ticket, login=order.login)
    ticket = 0
    if isinstance(command, (ModifyOrder, CancelOrder)):
        ticket = command.order
    elif isinstance(command, ModifyPosition):
        ticket = command.position
    elif isinstance(command, (PlaceSmart, ModifySmart, CancelSmart)):
        ticket = command.smart
    return answers.refused(refusal, ticket=ticket, login=getattr(command, "login", 0))


def _order_of(core: Core, command: Command) -> Order | None:
    """Return the order that a request would make, where its refusal leaves one."""
    if isinstance(command, PlaceOrder):
        return orders.new_order(core, command, core.state.symbols.get(command.symbol))
    if isinstance(command, (ClosePosition, CloseBy)):
        position = core.state.book(command.login).positions.get(command.position)
        return closing.new_order(core, command, position)
    return None
