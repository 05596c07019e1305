"""The dealers' queue: what waits for a dealer, the way into it, and the one way out (rules section 5).

A request is one market order, close, close by, or trigger. A trigger that leaves the queue unexecuted stays
armed. Confirming executes; rates, hedge and margin of openings are checked again then. What becomes of an order
whose request leaves is `order_ending.py`'s.
"""

from heapq import heappush

from engine.core import Core
from engine.enums import Execution, LevelStatus, RequestKind, Side
from engine.events import RequestChanged
from engine.records import Order, Position, Request, SmartOrder
from engine.settings import Group

SMART_KINDS = frozenset({RequestKind.SMART_LEVEL, RequestKind.SMART_STOP})


def executes_by_itself(core: Core, login: int, symbol: str) -> bool:
    """Return whether this account's orders of the symbol execute without a dealer now."""
    state = core.state
    group = state.group_of(login)
    execution = state.terms_for(group, state.symbols[symbol]).execution
    if execution is Execution.AUTO:
        return True
    return execution is Execution.MANUAL_UNLESS_NO_DEALERS and not state.is_served(group.name)


def is_manual(core: Core, login: int, symbol: str) -> bool:
    """Return whether execution is `manual`, dealers or not."""
    state = core.state
    return state.terms_for(state.group_of(login), state.symbols[symbol]).execution is Execution.MANUAL


def queue_order(core: Core, order: Order, kind: RequestKind, *, side: Side, opposite: int = 0) -> Request:
    """Put an order into the queue; it stays PENDING until it is answered or times out."""
    request = _enqueue(
        core, kind, login=order.login, symbol=order.symbol, side=side, volume=order.volume,
        price=order.requested_price, order=order.ticket, position=order.position, digits=order.digits,
    )  # fmt: skip
    request.opposite = opposite
    order.request = request.id
    core.save_order(order)
    return request


def queue_pending(core: Core, order: Order, side: Side, context: dict[str, object]) -> None:
    """Put a reached pending order into the queue, unless it waits there already."""
    if order.request in core.state.requests:
        return
    request = _enqueue(
        core, RequestKind.PENDING, login=order.login, symbol=order.symbol, side=side, volume=order.volume,
        price=order.price, order=order.ticket, digits=order.digits,
    )  # fmt: skip
    request.context = dict(context)
    order.request = request.id
    core.save_order(order)


def queue_trigger(
    core: Core, position: Position, kind: RequestKind, *, volume: int, price: int | None, level: int = 0,
    context: dict[str, object],
) -> None:  # fmt: skip
    """Put a position's trigger or stop-out into the queue, unless that one waits there already."""
    if standing_trigger(core, position, kind, level) is not None:
        return
    request = _enqueue(
        core, kind, login=position.login, symbol=position.symbol, side=position.side.opposite, volume=volume,
        price=price, position=position.ticket, digits=position.digits,
    )  # fmt: skip
    if kind in SMART_KINDS:  # a stop-out of a managed position is the position's, and outlives the plan
        request.smart = position.smart
    request.level = level
    request.context = dict(context)


def _enqueue(
    core: Core, kind: RequestKind, *, login: int, symbol: str, side: Side, volume: int, price: int | None,
    digits: int, order: int = 0, position: int = 0,
) -> Request:  # fmt: skip
    now = core.state.now_ms
    expires = now + core.state.group_of(login).timeout_s * 1000
    request = Request(
        id=core.new_request_id(), kind=kind, login=login, symbol=symbol, side=side, volume=volume, price=price,
        created_ms=now, expires_ms=expires, order=order, position=position, requested_price=price, digits=digits,
    )  # fmt: skip
    core.state.requests[request.id] = core.state.book(login).requests[request.id] = request
    heappush(core.expiries, (expires + 1, 1, request.id))  # unanswered for more than the timeout
    core.emit(RequestChanged(request, open=True))
    return request


def standing_trigger(core: Core, position: Position, kind: RequestKind, level: int = 0) -> Request | None:
    """Return the request by which this trigger of the position waits for a dealer."""
    for request in core.state.book(position.login).requests.values():
        if request.position == position.ticket and request.kind is kind and request.level == level:
            return request
    return None


def leave_queue(core: Core, request: Request, outcome: str) -> None:
    """Take a request out of the dealers' queue; its order or position is free to queue again."""
    core.state.requests.pop(request.id, None)
    core.state.book(request.login).requests.pop(request.id, None)
    order = core.state.orders.get(request.order)
    if order is not None and order.request == request.id:
        order.request = 0
        core.save_order(order)  # a pending order stays, and its row must not name a request that is gone
    core.emit(RequestChanged(request, open=False, outcome=outcome))


def drop_trigger(core: Core, position: Position, kind: RequestKind, level: int = 0) -> None:
    """Take a trigger that has executed by itself out of the queue."""
    request = standing_trigger(core, position, kind, level)
    if request is not None:
        leave_queue(core, request, "executed")


def withdraw_smart(core: Core, smart: SmartOrder) -> None:
    """Take an ended plan's exits out of the queue."""
    for request in list(core.state.book(smart.login).requests.values()):
        if request.smart == smart.id:
            leave_queue(core, request, "withdrawn")


def withdraw_cut_levels(core: Core, smart: SmartOrder) -> None:
    """Take levels that were cut to nothing out of the queue."""
    cut = {level.number for level in smart.levels if level.status is LevelStatus.CANCELLED}
    for request in list(core.state.book(smart.login).requests.values()):
        if request.smart == smart.id and request.kind is RequestKind.SMART_LEVEL and request.level in cut:
            leave_queue(core, request, "withdrawn")


def retime_requests(core: Core, group: Group) -> None:
    """Let the group's waiting requests time out by its new timeout, counted from when they were queued."""
    for request in core.state.requests.values():
        if core.state.accounts[request.login].group == group.name:
            request.expires_ms = request.created_ms + group.timeout_s * 1000
            heappush(core.expiries, (request.expires_ms + 1, 1, request.id))
            core.emit(RequestChanged(request, open=True))
