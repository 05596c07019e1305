"""What dealers do: own a request, confirm, requote or reject it. Who is online is presence.py's."""

from engine import checks, refusals
from engine.codes import Code
from engine.commands import AnswerRequest, TakeRequest
from engine.core import Core
from engine.enums import By, DealerAnswer, RequestKind, side_of
from engine.events import CommandDone, RequestChanged
from engine.execution import Fill, close_deal, closing_order, complete, open_deal
from engine.handlers.closing import execute_close_by
from engine.queue import drop_request, fail_order
from engine.records import Order, Position, Request
from engine.refusals import Asked
from engine.stages import pendings, smart, stopout, stops
from engine.stages.triggered import trigger_key
from engine.waiting import leave_queue


def take(core: Core, command: TakeRequest) -> CommandDone:
    """Let one dealer own a request; nobody else may take or answer it then."""
    request = core.state.requests.get(command.request)
    if request is None:
        return _not_found(command.request)
    if request.dealer and command.dealer and request.dealer != command.dealer:
        return CommandDone(Code.CONFLICT, f"request {request.id} is {request.dealer}'s", login=request.login)
    request.dealer = command.dealer
    core.emit(RequestChanged(request, open=True))
    return CommandDone("", login=request.login)


def answer(core: Core, command: AnswerRequest) -> CommandDone:
    """Execute, requote or reject a request of the queue."""
    request = core.state.requests.get(command.request)
    if request is None:
        return _not_found(command.request)
    if request.dealer and command.dealer and request.dealer != command.dealer:
        return CommandDone(Code.CONFLICT, f"request {request.id} is {request.dealer}'s", login=request.login)
    if command.answer is not DealerAnswer.CONFIRM:
        outcome = Code.REJECTED if command.answer is DealerAnswer.REJECT else Code.REQUOTE
        order = core.state.orders.get(request.order)
        if order is not None and command.comment:
            order.comment = command.comment
        drop_request(core, request, outcome.value)
        return CommandDone("", login=request.login, ticket=request.order)
    symbol = core.state.symbols[request.symbol]
    price = None
    if command.price is not None:
        price = checks.read_price(symbol, command.price)
        if price is None:
            return CommandDone(Code.INVALID_PRICE, f"{command.price} is no price of {symbol.name}")
    if checks.quote_check(core, symbol, fresh=False) is not None:
        return CommandDone(Code.OFF_QUOTES, f"{symbol.name} has no quote", login=request.login)
    code = confirm(core, request, price, command.dealer)
    said = refusals.text(core, code, _asked(core, request)) if code else ""
    return CommandDone(code or "", said, request.order, request.login)


def _asked(core: Core, request: Request) -> Asked:
    """Return what a request of the queue is about, for a refusal."""
    position = core.state.positions.get(request.position)
    return Asked(
        whole=None if position is None else position.volume,
        login=request.login, name=request.symbol, by=By.MANAGER, side=request.side,
        volume=checks.lots_text(request.volume), position=request.position, smart=request.smart,
    )  # fmt: skip


def _not_found(number: int) -> CommandDone:
    return CommandDone(Code.REQUEST_NOT_FOUND, f"the queue has no request {number}")


def confirm(
    core: Core, request: Request, price: int | None, dealer: str, *, outcome: str = "confirmed"
) -> Code | None:
    """Execute a request at a price, or where none is given at the market or its own; return what hinders it."""
    leave_queue(core, request, outcome)
    view = checks.view_of(core, request.login, core.state.symbols[request.symbol])
    assert view is not None
    order = core.state.orders.get(request.order)
    if request.kind is RequestKind.MARKET:
        return None if order is None else _confirm_market(core, order, price, view)
    if request.kind is RequestKind.PENDING:
        if order is None:
            return None
        at = price if price is not None else pendings.own_or_market(order, view)
        return pendings.execute(core, order, at, {**request.context, "dealer": dealer})
    position = core.state.positions.get(request.position)
    if request.kind in (RequestKind.CLOSE, RequestKind.CLOSE_BY):
        assert order is not None
        return _confirm_close(core, request, order, position, price, view)
    if position is None:
        return Code.POSITION_NOT_FOUND
    _confirm_trigger(core, request, position, price, view, dealer)
    return None


def _confirm_market(core: Core, order: Order, price: int | None, view: tuple[int, int]) -> Code | None:
    symbol = core.state.symbols[order.symbol]
    side = side_of(order.type)
    at = checks.market_price(view, side, opening=True) if price is None else price
    code = checks.first_failure(
        lambda: checks.rates_check(core, order.login, symbol, side),
        lambda: checks.hedge_check(core, order.login, order.symbol, side),
        lambda: checks.margin_check(core, order, at),
    )
    if code is not None:
        fail_order(core, order, code)
        return code
    requested = order.requested_price if order.requested_price is not None else at
    open_deal(core, order, Fill(price=at, requested_price=requested, reason=order.reason))
    return None


def _confirm_close(
    core: Core,
    request: Request,
    order: Order,
    position: Position | None,
    price: int | None,
    view: tuple[int, int],
) -> Code | None:
    other = core.state.positions.get(request.opposite)
    gone = position is None or (request.kind is RequestKind.CLOSE_BY and other is None)
    if gone or position is None:
        fail_order(core, order, Code.POSITION_NOT_FOUND)
        return Code.POSITION_NOT_FOUND
    if request.kind is RequestKind.CLOSE_BY and other is not None:
        execute_close_by(core, order, position, other)
        return None
    if request.context.get("whole"):  # all of it was asked for, whatever it is by now
        order.volume = position.volume
    if order.volume > position.volume:
        fail_order(core, order, Code.INVALID_VOLUME)
        return Code.INVALID_VOLUME
    at = checks.market_price(view, position.side, opening=False) if price is None else price
    requested = order.requested_price if order.requested_price is not None else at
    close_deal(
        core, position, order.volume, order, Fill(price=at, requested_price=requested, reason=order.reason)
    )
    complete(core, order, position.ticket, at)
    return None


def _confirm_trigger(
    core: Core, request: Request, position: Position, price: int | None, view: tuple[int, int], dealer: str
) -> None:
    """Execute a trigger: a take profit or level at its own price, others at the market, unless one is named."""
    own = request.kind in (RequestKind.TAKE_PROFIT, RequestKind.SMART_LEVEL)
    market = checks.market_price(view, position.side, opening=False)
    at = price if price is not None else request.price if own and request.price is not None else market
    evidence = {**request.context, "dealer": dealer}
    if request.kind is RequestKind.STOP_OUT:
        stopout.confirm(core, position, at, market, evidence)
        return
    if request.smart:
        smart.confirm(core, request, position, at, evidence)
        return
    reason = stops.REASONS[request.kind]
    order = closing_order(core, position, position.volume, reason, request.price)
    fill = Fill(
        price=at, requested_price=request.price if request.price is not None else at, reason=reason,
        trigger_key=trigger_key(position, reason), evidence=evidence,
    )  # fmt: skip
    close_deal(core, position, position.volume, order, fill)
    complete(core, order, position.ticket, at)
