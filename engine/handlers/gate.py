"""What every request is asked before its own checks: is it late, does a kill switch or a plugin forbid it.

The order is that of `engine.codes`: `timeout`, `halted`, a plugin's `rejected`. What is refused here leaves what the
request's handler would leave: an order with status FAILED for an order and a close, nothing for the others.
"""

from engine import checks, refusals
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
from engine.handlers import closing, orders
from engine.order_ending import fail_order
from engine.records import Order
from engine.refusals import Asked

_CLOSES = (ClosePosition, CloseBy, CancelOrder, CancelSmart)


def refused(core: Core, command: Command) -> CommandDone | None:
    """Return the refusal of a request that is not to reach its handler, None where it may."""
    login = getattr(command, "login", 0)
    if login not in core.state.accounts or isinstance(command, AcceptRequote):
        return None  # its handler says so, or asks about what is accepted
    place = core.hooks.place_of(command)
    name = place[1] or "" if place is not None else ""
    opening = _opens(core, command)
    asked = Asked(login=login, name=name, by=command.by)
    if opening and _is_market(command) and 0 < command.valid_until_ms < core.state.now_ms:
        return _refuse(core, command, Code.TIMEOUT, refusals.text(core, Code.TIMEOUT, asked))
    if command.by is not By.CLIENT:
        return None
    symbol = core.state.symbols.get(name)
    closing_ = isinstance(command, _CLOSES) or (isinstance(command, (PlaceOrder, PlaceSmart)) and not opening)
    code = checks.halt_check(core, login, symbol, command.by, opening=opening, closing=closing_)
    if code is not None:
        return _refuse(core, command, code, refusals.text(core, code, asked))
    refusal = core.hooks.refusal(command, core.state.now_ms)
    return None if refusal is None else _refuse(core, command, Code.REJECTED, refusal.reply)


def _opens(core: Core, command: Command) -> bool:
    """Return whether a request would open something: a netting order that only reduces does not."""
    if isinstance(command, PlaceSmart):
        return command.entry is not EntryType.POSITION
    if not isinstance(command, PlaceOrder):
        return False
    if not command.type.is_market:
        return True
    units = checks.read_volume(command.volume)
    return checks.counts_as_close(core, command.login, command.symbol, command.type.side, units) is None


def _is_market(command: Command) -> bool:
    if isinstance(command, PlaceSmart):
        return command.entry is EntryType.MARKET
    return isinstance(command, PlaceOrder) and command.type.is_market


def _refuse(core: Core, command: Command, code: Code, said: str) -> CommandDone:
    """Answer a request with a refusal, and leave the order that every refused order and close leaves."""
    order = _order_of(core, command)
    if order is not None:
        core.save_order(order)
        fail_order(core, order, code)
        return CommandDone(code, said, order.ticket, order.login)
    ticket = 0
    if isinstance(command, (ModifyOrder, CancelOrder)):
        ticket = command.order
    elif isinstance(command, ModifyPosition):
        ticket = command.position
    elif isinstance(command, (PlaceSmart, ModifySmart, CancelSmart)):
        ticket = command.smart
    return CommandDone(code, said, ticket, getattr(command, "login", 0))


def _order_of(core: Core, command: Command) -> Order | None:
    """Return the order that a request would make, where its refusal leaves one."""
    if isinstance(command, PlaceOrder):
        return orders.new_order(core, command, core.state.symbols.get(command.symbol))
    if isinstance(command, (ClosePosition, CloseBy)):
        position = core.state.book(command.login).positions.get(command.position)
        return closing.new_order(core, command, position)
    return None
