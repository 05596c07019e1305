"""What dealers do: own a request, confirm, requote or reject it. Who is online is presence.py's."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from engine import checks, price_checks
from engine.codes import Code
from engine.commands import AcceptRequote, AnswerRequest, ClosePosition, PlaceOrder, TakeRequest, from_json
from engine.core import Core
from engine.dealer_queue import leave_queue
from engine.enums import By, DealBy, DealerAnswer, HookPoint, OrderReason, RequestKind
from engine.events import CommandDone, RequestChanged
from engine.execution import Fill, close_deal, closing_order, complete, open_deal
from engine.handlers import closing, gate, orders
from engine.handlers.answers import refused
from engine.handlers.closing import execute_close_by
from engine.order_ending import drop_request, fail_order
from engine.precedence import Family, Rule, judge
from engine.rates import BidAsk
from engine.records import Order, Position, Request, lots_text
from engine.refusals import Refusal, refuse
from engine.requotes import forget, offer_data, requote, terms_of
from engine.rounding import fraction_text
from engine.settings import Symbol
from engine.stages import pendings, smart_exits, stopout, stops
from engine.stages.triggered import context, price_applied, trigger_key
from engine.state import State


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
    requests = core.state.requests
    refusal = judge(Family.TAKE_REQUEST, {
        Rule.REQUEST_THERE: lambda: _there_check(core.state, command.request),
        Rule.REQUEST_FREE: lambda: _free_check(requests[command.request], command.dealer),
    })  # fmt: skip
    request = requests.get(command.request)
    if refusal is not None or request is None:
        return _refused(refusal, request)
    request.dealer = command.dealer
    core.emit(RequestChanged(request, open=True))
    return CommandDone("", login=request.login)


def _there_check(state: State, number: int) -> Refusal | None:
    return None if number in state.requests else refuse(Code.REQUEST_NOT_FOUND, "unknown", request=number)


def _free_check(request: Request, dealer: str) -> Refusal | None:
    """No other dealer owns it."""
    if request.dealer and dealer and request.dealer != dealer:
        return refuse(Code.CONFLICT, "dealer", request=request.id, dealer=request.dealer)
    return None


def _refused(refusal: Refusal | None, request: Request | None) -> CommandDone:
    assert refusal is not None
    return refused(refusal, login=0 if request is None else request.login)


def answer(core: Core, command: AnswerRequest) -> CommandDone:
    """Execute, requote or reject a request of the queue."""
    state = core.state
    refusal = _answer_refusal(state, command)
    request = state.requests.get(command.request)
    if refusal is not None or request is None:
        return _refused(refusal, request)
    if command.answer is DealerAnswer.REJECT:
        return _reject(core, request, command)
    price = checks.read_price(state.symbols[request.symbol], command.price)
    if command.answer is DealerAnswer.REQUOTE:
        assert price is not None
        return _requote(core, request, command, price)
    refusal = confirm(core, request, price, command.dealer)
    if refusal is not None:
        return refused(refusal, ticket=request.order, login=request.login)
    return CommandDone("", "", request.order, request.login)


def _answer_refusal(state: State, command: AnswerRequest) -> Refusal | None:
    """Return why a request is not answered like this; whoever rejects needs neither price nor quote."""
    rejects, confirms = (command.answer is one for one in (DealerAnswer.REJECT, DealerAnswer.CONFIRM))

    def request() -> Request:
        return state.requests[command.request]

    def symbol() -> Symbol:
        return state.symbols[request().symbol]

    return judge(Family.ANSWER_REQUEST, {
        Rule.REQUEST_THERE: lambda: _there_check(state, command.request),
        Rule.REQUEST_FREE: lambda: _free_check(request(), command.dealer),
        Rule.PRICE: lambda: None if rejects else _price_check(state, request(), command, symbol()),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol(), fresh=False) if confirms else None,
    })  # fmt: skip


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
    state = core.state
    offer = state.offers.get(command.order)
    refusal = _acceptance_refusal(state, command)
    if offer is None or offer.login != command.login:
        assert refusal is not None
        return refused(refusal, login=command.login)
    forget(core, offer.order)
    if refusal is not None:
        return refused(refusal, ticket=offer.order, login=command.login)
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


def _acceptance_refusal(state: State, command: AcceptRequote) -> Refusal | None:
    def there() -> Refusal | None:
        offer = state.offers.get(command.order)
        if offer is not None and offer.login == command.login:
            return None
        return refuse(Code.REQUEST_NOT_FOUND, "offer", order=command.order)

    def stands() -> Refusal | None:
        late_ms = state.now_ms - state.offers[command.order].expires_ms
        if late_ms <= 0:
            return None
        seconds = fraction_text(Fraction(late_ms, 1000), 3)
        return refuse(Code.TIMEOUT, "offer", order=command.order, seconds=seconds)

    return judge(Family.ACCEPT_REQUOTE, {Rule.OFFER_THERE: there, Rule.OFFER_STANDS: stands})


def _price_check(state: State, request: Request, command: AnswerRequest, symbol: Symbol) -> Refusal | None:
    """A price that a dealer names is one, and near enough to the market; a requote names one (§5.7)."""
    if command.price is None:
        missing = command.answer is DealerAnswer.REQUOTE
        return refuse(Code.INVALID_PRICE, "requote_missing") if missing else None
    view = checks.view_of(state, request.login, symbol)
    free = view is None or request.kind is RequestKind.CLOSE_BY
    market = (
        None if view is None or free else checks.market_price(view, request.side, opening=True)
    )  # of the deal
    return price_checks.by_hand_check(state, request.login, symbol, command.price, market)


def confirm(
    core: Core, request: Request, price: int | None, dealer: str, *, outcome: str = "confirmed"
) -> Refusal | None:
    """Execute a request at a price, or where none is given at the market or its own; return what hinders it."""
    leave_queue(core, request, outcome)
    cause = Cause(DealBy.CLIENT, "") if outcome == "released" else Cause(DealBy.DEALER, dealer)
    view = checks.standing_view(core.state, request.login, core.state.symbols[request.symbol])
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
        return _gone(request, request.position)
    _confirm_trigger(core, request, position, price, view, dealer)
    return None


def _gone(request: Request, position: int) -> Refusal:
    return refuse(Code.POSITION_NOT_FOUND, "unknown", login=request.login, position=position)


def _confirm_market(
    core: Core, order: Order, price: int | None, view: BidAsk, cause: Cause
) -> Refusal | None:
    state, symbol, side = core.state, core.state.symbols[order.symbol], order.type.side
    at = checks.market_price(view, side, opening=True) if price is None else price
    refusal = judge(Family.CONFIRM_OPENING, {
        Rule.RATES: lambda: checks.rates_check(state, order.login, symbol, side),
        Rule.HEDGE: lambda: checks.hedge_check(state, order.login, order.symbol, side),
        Rule.MARGIN: lambda: checks.margin_check(state, order, at),
        Rule.DEVIATION: lambda: _moved(state, order, at, order.symbol),
    })  # fmt: skip
    if refusal is not None:
        _end_unexecuted(core, order, refusal, at, whole=False)
        return refusal
    requested = order.requested_price if order.requested_price is not None else at
    fill = Fill(
        price=at, requested_price=requested, reason=order.reason, by=cause.by, actor=cause.actor
    )  # fmt: skip
    open_deal(core, order, fill)
    return None


def _moved(state: State, order: Order, at: int, thing: str) -> Refusal | None:
    if price_checks.is_worse_than_expected(order, at):
        return price_checks.moved(state, order.login, thing, at)
    return None


def _end_unexecuted(core: Core, order: Order, refusal: Refusal, at: int, *, whole: bool) -> None:
    """Let a queued order fail; at a price that is worse than expected, by more than it bears, it is requoted."""
    if refusal.code is Code.REQUOTE:
        requote(core, order, at, terms_of(order, whole=whole))
    else:
        fail_order(core, order, refusal.code)


def _confirm_close(
    core: Core,
    request: Request,
    order: Order,
    position: Position | None,
    price: int | None,
    view: BidAsk,
    cause: Cause,
) -> Refusal | None:
    other = core.state.positions.get(request.opposite)
    by_another, whole = request.kind is RequestKind.CLOSE_BY, bool(request.context.get("whole"))
    if position is None or (by_another and other is None):
        gone = _gone(request, request.position if position is None else request.opposite)
        fail_order(core, order, gone.code)
        return gone
    if by_another and other is not None:
        execute_close_by(core, order, position, other, by=cause.by, actor=cause.actor)
        return None
    if whole:  # all of it was asked for, whatever it is by now
        order.volume = position.volume
    at = checks.market_price(view, position.side, opening=False) if price is None else price
    refusal = _shrunk(order, position) or _moved(core.state, order, at, f"position {position.ticket}")
    if refusal is not None:
        _end_unexecuted(core, order, refusal, at, whole=whole)
        return refusal
    requested = order.requested_price if order.requested_price is not None else at
    fill = Fill(price=at, requested_price=requested, reason=order.reason, by=cause.by, actor=cause.actor)
    close_deal(core, position, order.volume, order, fill)
    complete(core, order, position.ticket, at)
    return None


def _shrunk(order: Order, position: Position) -> Refusal | None:
    """Return the refusal of a close of more than is left of its position."""
    if order.volume <= position.volume:
        return None
    volume, whole = lots_text(order.volume), lots_text(position.volume)
    return refuse(Code.INVALID_VOLUME, "above_whole", volume=volume, whole=whole)


def _confirm_trigger(
    core: Core, request: Request, position: Position, price: int | None, view: BidAsk, dealer: str
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
