"""What dealers do: own a request, confirm, requote or reject it. Who is online is presence.py's."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from engine import checks, refusals
from engine.codes import Code
from engine.commands import AcceptRequote, AnswerRequest, ClosePosition, PlaceOrder, TakeRequest, from_json
from engine.core import Core
from engine.dealer_queue import leave_queue
from engine.enums import By, DealBy, DealerAnswer, HookPoint, OrderReason, RequestKind
from engine.events import CommandDone, RequestChanged
from engine.execution import Fill, close_deal, closing_order, complete, open_deal
from engine.handlers import closing, gate, orders
from engine.handlers.closing import execute_close_by
from engine.order_ending import drop_request, fail_order
from engine.records import Order, Position, Request
from engine.refusals import Asked
from engine.requotes import forget, offer_data, requote, terms_of
from engine.rounding import fraction_text, to_text
from engine.settings import Symbol
from engine.stages import pendings, smart_exits, stopout, stops
from engine.stages.triggered import context, price_applied, trigger_key


class Cause(NamedTuple):
    """Who caused a deal: a released request's are its client's (§5.6), a confirmed one's the dealer's."""

    by: DealBy
    actor: str


_REASONS = {
    **stops.REASONS,
    RequestKind.SMART_LEVEL: OrderReason.SMART_ORDER,
    RequestKind.SMART_STOP: OrderReason.SMART_ORDER,
    RequestKind.STOP_OUT: OrderReason.FORCED_CLOSE,
}


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
    symbol = core.state.symbols[request.symbol]
    if command.answer is DealerAnswer.REJECT:
        return _reject(core, request, command)
    price, wrong = _price_by_hand(core, request, command, symbol)
    if wrong:
        return CommandDone(Code.INVALID_PRICE, wrong, login=request.login)
    if command.answer is DealerAnswer.REQUOTE:
        assert price is not None
        return _requote(core, request, command, price)
    if checks.quote_check(core, symbol, fresh=False) is not None:
        return CommandDone(Code.OFF_QUOTES, f"{symbol.name} has no quote", login=request.login)
    code = confirm(core, request, price, command.dealer)
    said = refusals.text(core, code, _asked(core, request)) if code else ""
    return CommandDone(code or "", said, request.order, request.login)


def _reject(core: Core, request: Request, command: AnswerRequest) -> CommandDone:
    order = core.state.orders.get(request.order)
    if order is not None and command.comment:
        order.comment = command.comment
    drop_request(core, request, Code.REJECTED.value)
    return CommandDone("", login=request.login, ticket=request.order)


def _requote(core: Core, request: Request, command: AnswerRequest, price: int) -> CommandDone:
    """Let a market order or close fail with the dealer's price, which becomes an offer; a trigger stays armed."""
    order = core.state.orders.get(request.order)
    if order is None or request.kind not in (RequestKind.MARKET, RequestKind.CLOSE):
        drop_request(core, request, Code.REQUOTE.value)
        return CommandDone("", login=request.login, ticket=request.order)
    terms = terms_of(order, whole=bool(request.context.get("whole")))
    if command.comment:
        order.comment = command.comment
    leave_queue(core, request, Code.REQUOTE.value)
    requote(core, order, price, terms)
    return CommandDone("", login=request.login, ticket=request.order, data=offer_data(order))


def accept_requote(core: Core, command: AcceptRequote) -> CommandDone:
    """Place what was requoted anew, at the price that was offered; the offer is used up (§5.9)."""
    offer = core.state.offers.get(command.order)
    if offer is None or offer.login != command.login:
        said = f"order {command.order} has no requote to accept"
        return CommandDone(Code.REQUEST_NOT_FOUND, said, login=command.login)
    forget(core, offer.order)
    if core.state.now_ms > offer.expires_ms:
        late_s = Fraction(core.state.now_ms - offer.expires_ms, 1000)
        said = f"the requote of order {offer.order} ran out {fraction_text(late_s, 3)} s ago"
        return CommandDone(Code.TIMEOUT, said, offer.order, command.login)
    terms = from_json(offer.name, offer.terms)
    # Whoever asked first, what is accepted is the client's.
    terms = replace(terms, by=By.CLIENT, actor="", ticket=command.ticket, valid_until_ms=0)
    again: ClosePosition | PlaceOrder
    if isinstance(terms, ClosePosition):
        again = replace(terms, price=None)
        return gate.refused(core, again) or closing.close(core, again, offered=offer.price)
    assert isinstance(terms, PlaceOrder)
    again = replace(terms, open_price=None, open_time_ms=None, check_margin=True, client_id="")
    return gate.refused(core, again) or orders.place(core, again, offered=offer.price)


def _price_by_hand(
    core: Core, request: Request, command: AnswerRequest, symbol: Symbol
) -> tuple[int | None, str]:
    """Return the price in points that a dealer named, and what is wrong with it, "" where nothing is (§5.7)."""
    if command.price is None:
        needed = command.answer is DealerAnswer.REQUOTE
        return None, "a requote needs a price" if needed else ""
    price = checks.read_price(symbol, command.price)
    if price is None:
        return None, f"{command.price} is no price of {symbol.name}, which has {symbol.digits} digits"
    view = checks.view_of(core, request.login, symbol)
    if view is None or request.kind is RequestKind.CLOSE_BY:
        return price, ""
    market = checks.market_price(view, request.side, opening=True)  # the side of the deal
    if checks.is_within_bound(core, request.login, price, market):
        return price, ""
    bound = core.state.group_of(request.login).price_bound_points
    allowed = "1 % of it" if bound is None else f"{bound} points"
    at = to_text(market, symbol.digits)
    return None, f"{command.price} is farther than {allowed} from the market, which is at {at}"


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
    cause = Cause(DealBy.CLIENT, "") if outcome == "released" else Cause(DealBy.DEALER, dealer)
    view = checks.view_of(core, request.login, core.state.symbols[request.symbol])
    assert view is not None
    order = core.state.orders.get(request.order)
    if request.kind is RequestKind.MARKET:
        return None if order is None else _confirm_market(core, order, price, view, cause)
    if request.kind is RequestKind.PENDING:
        if order is None:
            return None
        at = price if price is not None else pendings.own_or_market(order, view)
        return pendings.execute(core, order, at, {**request.context, "dealer": dealer}, dealer=dealer)
    position = core.state.positions.get(request.position)
    if request.kind in (RequestKind.CLOSE, RequestKind.CLOSE_BY):
        assert order is not None
        return _confirm_close(core, request, order, position, price, view, cause)
    if position is None:
        return Code.POSITION_NOT_FOUND
    _confirm_trigger(core, request, position, price, view, dealer)
    return None


def _confirm_market(
    core: Core, order: Order, price: int | None, view: tuple[int, int], cause: Cause
) -> Code | None:
    symbol = core.state.symbols[order.symbol]
    side = order.type.side
    at = checks.market_price(view, side, opening=True) if price is None else price
    code = checks.first_failure(
        lambda: checks.rates_check(core, order.login, symbol, side),
        lambda: checks.hedge_check(core, order.login, order.symbol, side),
        lambda: checks.margin_check(core, order, at),
    )
    if code is not None:
        fail_order(core, order, code)
        return code
    if checks.deviation_check(order, at) is not None:
        requote(core, order, at, terms_of(order, whole=False))
        return Code.REQUOTE
    requested = order.requested_price if order.requested_price is not None else at
    fill = Fill(
        price=at, requested_price=requested, reason=order.reason, by=cause.by, actor=cause.actor
    )  # fmt: skip
    open_deal(core, order, fill)
    return None


def _confirm_close(
    core: Core,
    request: Request,
    order: Order,
    position: Position | None,
    price: int | None,
    view: tuple[int, int],
    cause: Cause,
) -> Code | None:
    other = core.state.positions.get(request.opposite)
    gone = position is None or (request.kind is RequestKind.CLOSE_BY and other is None)
    if gone or position is None:
        fail_order(core, order, Code.POSITION_NOT_FOUND)
        return Code.POSITION_NOT_FOUND
    if request.kind is RequestKind.CLOSE_BY and other is not None:
        execute_close_by(core, order, position, other, by=cause.by, actor=cause.actor)
        return None
    if request.context.get("whole"):  # all of it was asked for, whatever it is by now
        order.volume = position.volume
    if order.volume > position.volume:
        fail_order(core, order, Code.INVALID_VOLUME)
        return Code.INVALID_VOLUME
    at = checks.market_price(view, position.side, opening=False) if price is None else price
    if checks.deviation_check(order, at) is not None:
        requote(core, order, at, terms_of(order, whole=bool(request.context.get("whole"))))
        return Code.REQUOTE
    requested = order.requested_price if order.requested_price is not None else at
    fill = Fill(price=at, requested_price=requested, reason=order.reason, by=cause.by, actor=cause.actor)
    close_deal(core, position, order.volume, order, fill)
    complete(core, order, position.ticket, at)
    return None


def _confirm_trigger(
    core: Core, request: Request, position: Position, price: int | None, view: tuple[int, int], dealer: str
) -> None:
    """Execute a trigger: a take profit or level at its own price, others at the market, unless one is named."""
    own = request.kind in (RequestKind.TAKE_PROFIT, RequestKind.SMART_LEVEL)
    market = checks.market_price(view, position.side, opening=False)
    at = price if price is not None else request.price if own and request.price is not None else market
    evidence: dict[str, Any] = {**request.context, "dealer": dealer}
    reason = _REASONS[request.kind]
    point = HookPoint.STOPOUTS_APPLY if request.kind is RequestKind.STOP_OUT else HookPoint.STOPS_APPLY
    hook_context = context(
        core, core.state.symbols[request.symbol], view, login=position.login, ticket=position.ticket,
        side=position.side.opposite, volume=request.volume, reason=reason,
        trigger=str(request.context.get("trigger", request.kind.value)),
        level=None if request.kind is RequestKind.STOP_OUT else request.price, price=at,
    )  # fmt: skip
    applied = price_applied(core, point, hook_context, evidence, at)
    if applied is None:  # it has left the queue, stays armed, and queues again when it is reached again
        return
    at = applied
    if request.kind is RequestKind.STOP_OUT:
        stopout.confirm(core, position, at, market, evidence, dealer=dealer)
        return
    if request.smart:
        smart_exits.confirm(core, request, position, at, evidence, dealer=dealer)
        return
    order = closing_order(core, position, position.volume, reason, request.price)
    fill = Fill(
        price=at, requested_price=request.price if request.price is not None else at, reason=reason,
        trigger_key=trigger_key(position, reason), evidence=evidence, by=DealBy.DEALER, actor=dealer,
    )  # fmt: skip
    close_deal(core, position, position.volume, order, fill)
    complete(core, order, position.ticket, at)
