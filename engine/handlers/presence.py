"""Dealers come and go; what the last dealer of a group leaves is released at once (rules section 5).

In `manual_unless_no_dealers` requests execute as in `auto` at the quote of the moment, and triggers execute if their
condition still holds, in the order of the queue. In `manual` everything waits on. A released request is the
client's; a trigger is the system's.
"""

from engine import checks, plans
from engine.commands import SetDealers
from engine.core import Core
from engine.dealer_queue import leave_queue
from engine.enums import By, Execution, HaltLevel, RequestKind
from engine.events import CommandDone, DealersChanged
from engine.handlers import dealers
from engine.order_ending import ORDER_KINDS, fail_order
from engine.precedence import Family, Rule, judge
from engine.records import Position, Request
from engine.settings import Symbol
from engine.stages import pendings, smart_exits, stopout, stops
from engine.stages.triggered import AcceptedTick


def set_dealers(core: Core, command: SetDealers) -> CommandDone:
    """Take note of who is online, and for which groups; release what is left to nobody."""
    state = core.state
    served = {name for name in state.groups if state.is_served(name)}
    state.dealers = {
        name: tuple(command.groups[name]) if name in command.groups else None
        for name in sorted(command.names)
    }
    core.emit(DealersChanged(dict(state.dealers)))
    left = {name for name in served if not state.is_served(name)}
    for number in sorted(state.requests) if left else ():
        request = state.requests.get(number)  # one that was released may have taken others with it
        if request is not None and state.accounts[request.login].group in left:
            _release(core, request)
    return CommandDone("")


def _release(core: Core, request: Request) -> None:
    """Let one request out of the queue, where its group does without dealers."""
    state = core.state
    symbol = state.symbols[request.symbol]
    terms = state.terms_for(state.group_of(request.login), symbol)
    if terms.execution is not Execution.MANUAL_UNLESS_NO_DEALERS:
        return
    if request.kind in ORDER_KINDS:
        _execute(core, request, symbol)
        return
    leave_queue(core, request, "released")
    quote = state.quotes.get(request.symbol)
    if quote is None:
        return
    tick = AcceptedTick(symbol, quote)
    if request.kind is RequestKind.STOP_OUT:
        stopout.look(core, tick, request.login)
        return
    halt = checks.halt_level(state, request.login, symbol)
    waits = symbol.venue_executed or halt is HaltLevel.HALT or not symbol.in_session(state.now_ms)
    if waits or checks.quote_check(state, symbol, fresh=True) is not None:
        return  # it stays armed
    if request.kind is RequestKind.PENDING:
        order = state.orders.get(request.order)
        if order is not None and halt is HaltLevel.NORMAL and pendings.is_reached(core, tick, order):
            pendings.activate(core, tick, [(order, {})])
        return
    position = state.positions.get(request.position)
    if position is not None:
        _exit(core, tick, request, position)


def _execute(core: Core, request: Request, symbol: Symbol) -> None:
    """Execute a client's request as a confirmation does, at the market, in session and at a fresh quote."""
    state = core.state
    order = state.orders[request.order]
    closing = request.kind is not RequestKind.MARKET or (
        checks.counts_as_close(state, order.login, order.symbol, order.type.side, order.volume) is not None
    )
    refusal = judge(Family.RELEASE, {
        Rule.NOT_HALTED: lambda: checks.halt_check(
            state, order.login, symbol, By.CLIENT, opening=not closing, closing=closing
        ),
        Rule.SESSION: lambda: checks.session_check(state, symbol, By.CLIENT),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol, fresh=True),
    })  # fmt: skip
    if refusal is None:
        dealers.confirm(core, request, None, "", outcome="released")
        return
    leave_queue(core, request, refusal.code.value)
    fail_order(core, order, refusal.code)


def _exit(core: Core, tick: AcceptedTick, request: Request, position: Position) -> None:
    """Execute an exit that is still reached."""
    if request.kind in stops.REASONS:
        stops.close_if_reached(core, tick, position, stops.REASONS[request.kind])
        return
    smart = core.state.smarts.get(request.smart)
    if smart is None or smart.position != position.ticket:
        return
    if request.kind is RequestKind.SMART_LEVEL:
        smart_exits.fill_if_reached(core, tick, smart, position, request.level)
    else:
        smart_exits.stop_if_reached(core, tick, smart, position, plans.effective_stop(smart))
