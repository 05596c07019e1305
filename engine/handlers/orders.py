"""Placing, modifying and cancelling orders.

A refused placement leaves an order with status FAILED and its code; a refused change leaves everything as
it was.
"""

from typing import cast

from engine import checks, price_checks
from engine.codes import Code
from engine.commands import CancelOrder, Command, ModifyOrder, PlaceOrder
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_order
from engine.enums import By, DealBy, OrderReason, OrderStatus, RequestKind
from engine.events import CommandDone
from engine.execution import Fill, open_deal
from engine.handlers.answers import refused
from engine.order_ending import cancel_order, fail_order
from engine.precedence import Check, Family, Rule, judge
from engine.price_checks import Guarded
from engine.records import Order
from engine.refusals import Refusal, refuse
from engine.requotes import offer_data, requote
from engine.rounding import to_text
from engine.settings import LAST_MS, Symbol
from engine.state import State


def reason_of(by: By) -> OrderReason:
    """Return the reason that an order of this authority carries."""
    return OrderReason.CLIENT if by is By.CLIENT else OrderReason.MANAGER


def fill_of(command: Command, order: Order, price: int) -> Fill:
    """Return the fill of an order that executes on the authority of its own command."""
    by = {By.CLIENT: DealBy.CLIENT, By.MANAGER: DealBy.MANAGER}.get(command.by, DealBy.SYSTEM)
    return Fill(price=price, requested_price=price, reason=order.reason, by=by, actor=command.actor)


def place(core: Core, command: PlaceOrder, *, offered: int | None = None) -> CommandDone:
    """Check and execute, queue or arm one order.

    `offered`: the price in points of a requote that the client accepts; then no dealer is asked.
    """
    state, login = core.state, command.login
    unknown = checks.known_check(state, login)
    if unknown is not None:
        return refused(unknown, login=login)
    if not 0 <= (command.open_time_ms or 0) <= LAST_MS:
        message = f"open time {command.open_time_ms} is not from 0 to {LAST_MS}"
        return CommandDone(Code.INVALID_SETTING, message, login=login)
    order = new_order(core, command, state.symbols.get(command.symbol))
    if offered is not None:
        order.requested_price = offered
    queues = _queues(core, command, order, offered=offered)
    refusal = _placing_refusal(state, command, order, queues=queues, offered=offered)
    core.save_order(order)
    if refusal is not None and refusal.code is Code.REQUOTE:
        requote(core, order, int(refusal.facts["price"]), command)
        return refused(refusal, ticket=order.ticket, login=login, data=offer_data(order))
    if refusal is not None:
        fail_order(core, order, refusal.code)
        return refused(refusal, ticket=order.ticket, login=login)
    if not order.type.is_market:
        core.arm_order(order)
    elif queues:
        queue_order(core, order, RequestKind.MARKET, side=order.type.side)
    else:
        assert order.requested_price is not None
        position = open_deal(core, order, fill_of(command, order, order.requested_price))
        if command.open_time_ms and position.ticket == order.ticket:
            position.opened_ms = command.open_time_ms
    return CommandDone("", ticket=order.ticket, login=login)


def _queues(core: Core, command: PlaceOrder, order: Order, *, offered: int | None) -> bool:
    """Return whether a market order waits for a dealer."""
    if offered is not None or command.by is not By.CLIENT or order.symbol not in core.state.symbols:
        return False
    return not executes_by_itself(core, order.login, order.symbol)


def new_order(core: Core, command: PlaceOrder, symbol: Symbol | None) -> Order:
    """Return the order that a request asks for, as far as it can be read."""
    state, now = core.state, core.state.now_ms
    order = Order(
        ticket=command.ticket or core.new_order_ticket(), login=command.login, symbol=command.symbol,
        type=command.type, volume=checks.read_volume(command.volume) or 0, status=OrderStatus.PENDING,
        reason=reason_of(command.by), created_ms=now, modified_ms=now, leverage=command.leverage,
        comment=command.comment, client_id=command.client_id, actor=command.actor, deviation=command.deviation,
    )  # fmt: skip
    expiry = checks.read_expiry(state, command.expires)
    if expiry is not None:
        order.expires_ms, order.expires_day = expiry
    if symbol is None:
        return order
    order.digits = symbol.digits
    order.expected_price = checks.read_price(symbol, command.expected_price)
    order.sl, order.deletes_sl = checks.read_level(symbol, command.sl), checks.deletes(symbol, command.sl)
    order.tp, order.deletes_tp = checks.read_level(symbol, command.tp), checks.deletes(symbol, command.tp)
    if not command.type.is_market:
        order.price = checks.read_price(symbol, command.price)
        order.limit_price = checks.read_price(symbol, command.limit_price)
        order.requested_price = order.price
        return order
    market = _market(state, command, symbol)
    by_hand = _price_by_hand(command)
    if by_hand is None:
        order.requested_price = market
    elif price_checks.by_hand_check(state, command.login, symbol, by_hand, market) is None:
        order.requested_price = checks.read_price(symbol, by_hand)
    return order


def _market(state: State, command: PlaceOrder, symbol: Symbol) -> int | None:
    """Return the market's price of a market order's side, None without a quote."""
    view = checks.view_of(state, command.login, symbol)
    return None if view is None else checks.market_price(view, command.type.side, opening=True)


def _price_by_hand(command: PlaceOrder) -> str | None:
    """Return the price that a manager names for a market order."""
    return command.open_price if command.by is not By.CLIENT else None


def _placing_refusal(
    state: State, command: PlaceOrder, order: Order, *, queues: bool, offered: int | None
) -> Refusal | None:
    """Return the first rule of section 4 that the order breaks, None where it may be placed."""
    login, side, market = command.login, command.type.side, command.type.is_market
    units = checks.read_volume(command.volume)
    reduces = checks.counts_as_close(state, login, command.symbol, side, units) if market else None

    symbol = cast(Symbol, state.symbols.get(command.symbol))  # None: a rule before those that take it refuses
    rules: dict[Rule, Check] = {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, login, command.by),
        Rule.SYMBOL_KNOWN: lambda: checks.symbol_check(state, command.symbol),
        Rule.SYMBOL_TRADES: lambda: checks.disabled_check(symbol),
        Rule.SESSION: lambda: checks.session_check(state, symbol, command.by),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol, fresh=market),
        Rule.VOLUME: lambda: checks.volume_check(
            symbol, command.volume, units, whole=None if reduces is None else reduces.volume
        ),
        Rule.PRICE: lambda: _price_refusal(state, command, symbol, offered),
        Rule.DEVIATION: lambda: None if queues or not market else _moved(state, order, offered),
    }
    if reduces is not None:  # it counts as a close: only what a close is asked is asked
        return judge(Family.REDUCE, rules)
    rules |= {
        Rule.ACCOUNT_OPENS: lambda: checks.opening_check(state.accounts[login], command.by),
        Rule.SYMBOL_OPENS: lambda: checks.direction_check(symbol, side),
        Rule.RATES: lambda: checks.rates_check(state, login, symbol, side) if market else None,
        Rule.LEVERAGE: lambda: checks.leverage_check(state, login, command.leverage),
        Rule.STOPS: lambda: _stops_refusal(state, command, order, symbol),
        Rule.EXPIRY: lambda: checks.expiry_check(state, command.expires),
        Rule.ROOM: lambda: checks.room_check(state, login, adds=_adds(state, command)),
        Rule.HEDGE: lambda: checks.hedge_check(state, login, command.symbol, side) if market else None,
        Rule.MARGIN: lambda: _margin_refusal(state, command, order),
    }
    return judge(Family.PLACE_ORDER, rules)


def _moved(state: State, order: Order, offered: int | None) -> Refusal | None:
    """Return the requote of a market order that would execute now, None where it may.

    An acceptance is requoted where the market has moved against the broker by more than the request's deviation, else
    the group's; any other where the price is worse than expected by more than its deviation (§4.9, §5.9).
    """
    assert order.requested_price is not None
    if offered is None:
        if price_checks.is_worse_than_expected(order, order.requested_price):
            return price_checks.moved(state, order.login, order.symbol, order.requested_price)
        return None
    view = checks.standing_view(state, order.login, state.symbols[order.symbol])
    market = checks.market_price(view, order.type.side, opening=True)
    most = order.deviation if order.deviation is not None else state.group_of(order.login).deviation
    if price_checks.is_worse(order.type.side, market, offered, most):
        return price_checks.moved(state, order.login, order.symbol, market)
    return None


def _adds(state: State, command: PlaceOrder) -> bool:
    """Return whether the order adds a position or a pending order: a netting account's own position takes others in."""
    if not command.type.is_market or not state.is_netting(command.login):
        return True
    return state.netting_position(command.login, command.symbol) is None


def _price_refusal(state: State, command: PlaceOrder, symbol: Symbol, offered: int | None) -> Refusal | None:
    if not command.type.is_market:
        view = checks.standing_view(state, command.login, symbol)
        return price_checks.pending_price_check(
            symbol, command.type, command.price, command.limit_price, view, command.by
        )
    by_hand = _price_by_hand(command)
    if by_hand is not None and offered is None:
        market = _market(state, command, symbol)
        wrong = price_checks.by_hand_check(state, command.login, symbol, by_hand, market)
        if wrong is not None:
            return wrong
    return price_checks.expectation_check(symbol, command.expected_price, command.deviation)


def _stops_refusal(state: State, command: PlaceOrder, order: Order, symbol: Symbol) -> Refusal | None:
    """Judge SL and TP from the price at which a position would close, or at which the pending order opens one."""
    side = command.type.side
    if command.type.is_market:
        base = checks.market_price(checks.standing_view(state, command.login, symbol), side, opening=False)
    else:
        opens_at = order.type.opening_price(order.price, order.limit_price)
        assert opens_at is not None
        base = opens_at
    return price_checks.stops_check(
        symbol, side, base, command.by, price_checks.stops(command.sl, command.tp)
    )


def _margin_refusal(state: State, command: PlaceOrder, order: Order) -> Refusal | None:
    if command.by is not By.CLIENT and not command.check_margin:
        return None
    if not command.type.is_market:
        return checks.reservation_check(state, order, command.volume)
    assert order.requested_price is not None
    return checks.margin_check(state, order, order.requested_price, command.volume)


# Orders that are there


def _there_check(command: ModifyOrder | CancelOrder, order: Order | None) -> Refusal | None:
    if order is not None:
        return None
    return refuse(Code.ORDER_NOT_FOUND, "unknown", login=command.login, order=command.order)


def _frozen_check(state: State, order: Order, by: By) -> Refusal | None:
    """Its price freezes a pending order (§4.4)."""
    symbol = state.symbols[order.symbol]

    def guarded() -> list[Guarded]:
        view = checks.view_of(state, order.login, symbol)
        if view is None:
            return []
        return [Guarded("price", order.price, checks.market_price(view, order.type.side, opening=True))]

    return price_checks.frozen_check(symbol, by, guarded, f"order {order.ticket}")


def _prices_of(order: Order) -> dict[str, int | None]:
    """Return what a change may have seen, by name, in points."""
    return {"price": order.price, "limit_price": order.limit_price, "sl": order.sl, "tp": order.tp}


def modify(core: Core, command: ModifyOrder) -> CommandDone:
    """Change price, stops or expiry of a pending order; all of them are checked where the price is given."""
    refusal = _modify_refusal(core.state, command)
    if refusal is not None:
        return refused(refusal, ticket=command.order, login=command.login)
    order = core.state.orders[command.order]
    symbol = core.state.symbols[order.symbol]
    if command.price is not None:
        order.price = order.requested_price = checks.read_price(symbol, command.price)
    if command.limit_price is not None:
        order.limit_price = checks.read_price(symbol, command.limit_price)
    order.sl = checks.read_level(symbol, command.sl, order.sl)
    order.tp = checks.read_level(symbol, command.tp, order.tp)
    # An order that takes a level away from the position that it increases does so until it is given a price.
    order.deletes_sl = order.deletes_sl and order.sl is None
    order.deletes_tp = order.deletes_tp and order.tp is None
    if command.expires is not None:
        expiry = checks.read_expiry(core.state, command.expires)
        assert expiry is not None
        order.expires_ms, order.expires_day = expiry
    core.save_order(order)
    core.arm_order(order)
    core.bounds.touch(order.login)
    return CommandDone("", ticket=order.ticket, login=order.login)


def _modify_refusal(state: State, command: ModifyOrder) -> Refusal | None:
    by, thing = command.by, f"order {command.order}"
    standing = state.order_of(command.login, command.order)
    order = cast(Order, standing)  # None: a rule before those that take it refuses
    symbol = cast(Symbol, None if standing is None else state.symbols[standing.symbol])
    return judge(Family.MODIFY_ORDER, {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, command.login, by),
        Rule.ORDER_THERE: lambda: _there_check(command, standing),
        Rule.NOT_MANAGED: lambda: checks.managed_check(thing, order.smart),
        Rule.SEEN_STANDS: lambda: price_checks.seen_check(symbol, command.seen, _prices_of(order), thing),
        Rule.SESSION: lambda: checks.session_check(state, symbol, by),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol, fresh=False),
        Rule.NOT_FROZEN: lambda: _frozen_check(state, order, by),
        Rule.PRICE: lambda: _modified_price_refusal(state, command, order, symbol),
        Rule.STOPS: lambda: _modified_stops_refusal(command, order, symbol),
        Rule.EXPIRY: lambda: None if command.expires is None else checks.expiry_check(state, command.expires),
    })  # fmt: skip


def _prices_after(command: ModifyOrder, order: Order, symbol: Symbol) -> tuple[str | None, str | None]:
    """Return price and limit price after a change as texts: what it leaves out is what the order has."""
    price = points_text(order.price, symbol) if command.price is None else command.price
    limit = points_text(order.limit_price, symbol) if command.limit_price is None else command.limit_price
    return price, limit


def _modified_price_refusal(
    state: State, command: ModifyOrder, order: Order, symbol: Symbol
) -> Refusal | None:
    if command.price is None and command.limit_price is None:
        return None
    price, limit = _prices_after(command, order, symbol)
    view = checks.standing_view(state, order.login, symbol)
    stands = command.price is None
    return price_checks.pending_price_check(symbol, order.type, price, limit, view, command.by, stands=stands)


def _modified_stops_refusal(command: ModifyOrder, order: Order, symbol: Symbol) -> Refusal | None:
    price, limit = (checks.read_price(symbol, text) for text in _prices_after(command, order, symbol))
    base = order.type.opening_price(price, limit)
    assert base is not None
    sl, tp = command.sl, command.tp
    if command.price is not None or command.limit_price is not None:
        sl = sl if sl is not None else points_text(order.sl, symbol)
        tp = tp if tp is not None else points_text(order.tp, symbol)
    return price_checks.stops_check(symbol, order.type.side, base, command.by, price_checks.stops(sl, tp))


def points_text(points: int | None, symbol: Symbol) -> str | None:
    """Return a standing level as the text that a command would carry."""
    return None if points is None else to_text(points, symbol.digits)


def cancel(core: Core, command: CancelOrder) -> CommandDone:
    """Delete a pending order."""
    refusal = _cancel_refusal(core.state, command)
    if refusal is not None:
        return refused(refusal, ticket=command.order, login=command.login)
    order = core.state.orders[command.order]
    cancel_order(core, order, comment=command.comment)
    core.bounds.touch(order.login)
    return CommandDone("", ticket=order.ticket, login=order.login)


def _cancel_refusal(state: State, command: CancelOrder) -> Refusal | None:
    standing = state.order_of(command.login, command.order)
    order = cast(Order, standing)  # None: a rule before those that take it refuses
    return judge(Family.CANCEL_ORDER, {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, command.login, command.by),
        Rule.ORDER_THERE: lambda: _there_check(command, standing),
        Rule.SESSION: lambda: checks.session_check(state, state.symbols[order.symbol], command.by),
        Rule.NOT_FROZEN: lambda: _frozen_check(state, order, command.by),
    })  # fmt: skip
