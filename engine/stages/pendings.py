"""Stages 2 and 4: pending orders are collected when their price is reached, and activated later in the tick.

Between the two, positions are checked for SL and TP; a position opened here is looked at from the next tick.
"""

from typing import Any

from engine import checks
from engine.codes import Code
from engine.core import Core
from engine.dealer_queue import executes_by_itself, is_manual, leave_queue, queue_pending
from engine.enums import Answer, DealBy, HaltLevel, HookPoint, OrderStatus
from engine.execution import Fill, open_deal
from engine.hooks import Context
from engine.order_ending import cancel_order
from engine.order_types import OrderType
from engine.precedence import Family, Rule, judge
from engine.rates import BidAsk
from engine.records import Order
from engine.refusals import Refusal
from engine.stages.triggered import AcceptedTick, context, evidence_of, price_applied

#: Comments of orders that are deleted where they were to be activated; any other cause is a trade mode.
_DELETED = {Code.NO_MONEY: "deleted [no money]", Code.HEDGE_PROHIBITED: "deleted [hedge is prohibited]"}
Collected = tuple[Order, dict[str, str]]  # the order and its hooks' answers so far


def collect(core: Core, tick: AcceptedTick) -> list[Collected]:
    """Return the orders that this tick reaches and that may be activated, by login and ticket.

    `pendings_filter` is asked; unless it says OK, an order of a `manual` group goes to the dealers instead.
    A reached stop-limit becomes its limit order and is looked at from the next tick on.
    """
    ladder = core.pendings.get(tick.symbol.name)
    if ladder is None:
        return []
    reached = [core.state.orders[ticket] for ticket in ladder.due(tick.bid, tick.ask)]
    reached.sort(key=lambda order: (order.login, order.ticket))
    collected: list[Collected] = []
    for order in reached:
        if order.type.has_limit:
            _become_limit(core, order)
            continue
        core.arm_order(order)  # it stays armed until it has executed
        if _is_held(core, order):
            continue
        hooks: dict[str, str] = {}
        answer = core.hooks.filter(HookPoint.PENDINGS_FILTER, _context(core, tick, order), hooks)
        if answer is Answer.OK or not is_manual(core, order.login, order.symbol):
            collected.append((order, hooks))
        else:
            _queue(core, tick, order, hooks)
    return collected


def activate(core: Core, tick: AcceptedTick, collected: list[Collected]) -> None:
    """Activate collected orders that are still pending: filter again, the three deletions, apply."""
    for order, hooks in collected:
        if order.status is not OrderStatus.PENDING:
            continue
        answer = core.hooks.filter(HookPoint.PENDINGS_FILTER, _context(core, tick, order), hooks)
        if answer is not Answer.OK and not executes_by_itself(core, order.login, order.symbol):
            _queue(core, tick, order, hooks)
            continue
        view = tick.view(core, order.login)
        price = fill_price(core, order, view)
        if _refusal(core, order, price) is not None:
            continue
        verdict = core.hooks.apply(HookPoint.PENDINGS_APPLY, _context(core, tick, order), hooks)
        if verdict.answer is not Answer.OK:
            continue
        if verdict.price is not None:
            price = checks.hook_price(tick.symbol, verdict.price, price)
        _open(core, order, price, _evidence(core, tick, order, hooks))


def is_reached(core: Core, tick: AcceptedTick, order: Order) -> bool:
    """Return whether the quote is at or beyond a pending order's price."""
    assert order.price is not None
    market = checks.market_price(tick.view(core, order.login), order.type.side, opening=True)
    return order.type.is_reached_by(market, order.price)


def execute(core: Core, order: Order, price: int, evidence: dict[str, Any], *, dealer: str) -> Refusal | None:
    """Activate an order that a dealer confirmed at a price, or return what hinders it.

    `pendings_apply` is asked as before every activation: where it does not say OK the order stays armed.
    """
    refusal = _refusal(core, order, price)
    if refusal is not None:
        return refusal
    symbol = core.state.symbols[order.symbol]
    view = checks.standing_view(core.state, order.login, symbol)
    hook_context = context(
        core, symbol, view, login=order.login, ticket=order.ticket, side=order.type.side,
        volume=order.volume, reason=order.reason, trigger=order.type.value, level=order.price, price=price,
    )  # fmt: skip
    at = price_applied(core, HookPoint.PENDINGS_APPLY, hook_context, evidence, price)
    if at is not None:
        _open(core, order, at, evidence, DealBy.DEALER, dealer)
    return None


def fill_price(core: Core, order: Order, view: BidAsk) -> int:
    """Return the price in points: a limit's own (the tick's under positive_slippage), a stop's the tick's."""
    market = checks.market_price(view, order.type.side, opening=True)
    assert order.price is not None
    if order.type.own_price and not core.state.group_of(order.login).positive_slippage:
        return order.price
    return market


def own_or_market(order: Order, view: BidAsk) -> int:
    """Return the price of a dealer's confirmation that names none: a limit's own, else the market (section 11)."""
    if order.type.own_price and order.price is not None:
        return order.price
    return checks.market_price(view, order.type.side, opening=True)


def _become_limit(core: Core, order: Order) -> None:
    order.type = OrderType(order.type.limit_word)
    order.price = order.requested_price = order.limit_price
    core.save_order(order)
    core.arm_order(order)
    core.bounds.touch(order.login)


def _is_held(core: Core, order: Order) -> bool:
    """Return whether a kill switch lets the order wait."""
    symbol = core.state.symbols[order.symbol]
    return checks.halt_level(core.state, order.login, symbol) is not HaltLevel.NORMAL


def _context(core: Core, tick: AcceptedTick, order: Order) -> Context:
    view = tick.view(core, order.login)
    return context(
        core, tick.symbol, view, login=order.login, ticket=order.ticket, side=order.type.side,
        volume=order.volume, reason=order.reason, trigger=order.type.value, level=order.price,
        price=fill_price(core, order, view),
    )  # fmt: skip


def _evidence(core: Core, tick: AcceptedTick, order: Order, hooks: dict[str, str]) -> dict[str, object]:
    view = tick.view(core, order.login)
    return evidence_of(
        tick.symbol, view, tick.quote.time_ms, trigger=order.type.value, level=order.price, hooks=hooks
    )


def _queue(core: Core, tick: AcceptedTick, order: Order, hooks: dict[str, str]) -> None:
    queue_pending(core, order, order.type.side, _evidence(core, tick, order, hooks))


def _refusal(core: Core, order: Order, price: int) -> Refusal | None:
    """Return what keeps an order from opening: trade mode, margin and hedge prohibition delete it.

    An order whose profit or margin cannot be converted yet stays, and waits for a rate.
    """
    state, symbol, side = core.state, core.state.symbols[order.symbol], order.type.side
    reduces = checks.counts_as_close(state, order.login, order.symbol, side, order.volume) is not None
    refusal = judge(Family.ACTIVATE, {
        Rule.SYMBOL_TRADES: lambda: checks.disabled_check(symbol),
        Rule.SYMBOL_OPENS: lambda: None if reduces else checks.direction_check(symbol, side),
        Rule.RATES: lambda: checks.rates_check(state, order.login, symbol, side),
        Rule.MARGIN: lambda: checks.margin_check(state, order, price),
        Rule.HEDGE: lambda: checks.hedge_check(state, order.login, order.symbol, side),
    })  # fmt: skip
    if refusal is not None and refusal.code is not Code.OFF_QUOTES:
        cancel_order(core, order, comment=_DELETED.get(refusal.code, "deleted [close only]"))
        core.bounds.touch(order.login)
    return refusal


def _open(
    core: Core,
    order: Order,
    price: int,
    evidence: dict[str, Any],
    by: DealBy = DealBy.SYSTEM,
    actor: str = "",
) -> None:
    request = core.state.requests.get(order.request)
    if request is not None:
        leave_queue(core, request, "executed")
    assert order.price is not None
    fill = Fill(
        price=price, requested_price=order.price, reason=order.reason,
        trigger_key=f"order:{order.ticket}:activation", evidence=evidence, by=by, actor=actor,
    )  # fmt: skip
    open_deal(core, order, fill)
