"""How an order ends without a deal: it fails, is canceled or expires, and leaves the dealers' queue.

With an entry order its smart order ends too. Whether it may end was decided before.
"""

from engine.core import Core
from engine.dealer_queue import leave_queue
from engine.enums import OrderReason, OrderStatus, RequestKind
from engine.lifecycle import advance
from engine.records import Order, Request
from engine.smart_life import entry_ended

ORDER_KINDS = frozenset({RequestKind.MARKET, RequestKind.CLOSE, RequestKind.CLOSE_BY})


def drop_request(core: Core, request: Request, outcome: str) -> None:
    """End a request unexecuted: an order fails with the outcome as its error, a trigger stays armed."""
    leave_queue(core, request, outcome)
    if request.kind not in ORDER_KINDS:
        return
    order = core.state.orders.get(request.order)
    if order is not None:
        fail_order(core, order, outcome)


def fail_order(core: Core, order: Order, error: str) -> None:
    """End an order as FAILED with its code."""
    order.error = str(error)
    advance(order, "status", OrderStatus.FAILED)
    core.save_order(order)
    if order.smart:
        entry_ended(core, order.smart, error)


def cancel_order(core: Core, order: Order, *, comment: str = "", reason: OrderReason | None = None) -> None:
    """End a pending order as CANCELED; one that waits for a dealer leaves the queue."""
    request = core.state.requests.get(order.request)
    if request is not None:
        leave_queue(core, request, "canceled")
    if comment:
        order.comment = comment
    if reason is not None:
        order.reason = reason
    advance(order, "status", OrderStatus.CANCELED)
    core.save_order(order)
    if order.smart:
        entry_ended(core, order.smart, comment or (reason.value if reason else "canceled"))
