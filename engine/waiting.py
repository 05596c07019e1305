"""Leaving the dealers' queue: the one way out of it, whatever ends the waiting."""

from engine.core import Core
from engine.enums import LevelStatus, RequestKind
from engine.events import RequestChanged
from engine.records import Request, SmartOrder


def leave_queue(core: Core, request: Request, outcome: str) -> None:
    """Take a request out of the dealers' queue; its order or position is free to queue again."""
    core.state.requests.pop(request.id, None)
    core.state.book(request.login).requests.pop(request.id, None)
    order = core.state.orders.get(request.order)
    if order is not None and order.request == request.id:
        order.request = 0
        core.save_order(order)  # a pending order stays, and its row must not name a request that is gone
    core.emit(RequestChanged(request, open=False, outcome=outcome))


def withdraw_plan(core: Core, smart: SmartOrder) -> None:
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
