"""Placing, modifying and cancelling orders.

A refused placement leaves an order with status FAILED and its code; a refused change leaves everything as
it was.
"""

from engine import checks, refusals
from engine.checks import first_failure
from engine.codes import Code
from engine.commands import CancelOrder, Command, ModifyOrder, PlaceOrder
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_order
from engine.enums import By, DealBy, OrderReason, OrderStatus, RequestKind
from engine.events import CommandDone
from engine.execution import Fill, netting_position, open_deal
from engine.order_ending import cancel_order, fail_order
from engine.records import Order
from engine.refusals import Asked
from engine.requotes import offer_data, requote
from engine.rounding import to_text
from engine.settings import LAST_MS, Symbol


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
    state = core.state
    if command.login not in state.accounts:
        return CommandDone(Code.ACCOUNT_DISABLED, f"there is no account {command.login}", login=command.login)
    if not 0 <= (command.open_time_ms or 0) <= LAST_MS:
        said = f"open time {command.open_time_ms} is not from 0 to {LAST_MS}"
        return CommandDone(Code.INVALID_SETTING, said, login=command.login)
    symbol = state.symbols.get(command.symbol)
    order = new_order(core, command, symbol)
    if offered is not None:
        order.requested_price = offered
    queues = _queues(core, command, order, offered=offered)
    code = placing_failure(core, command, order)
    core.save_order(order)
    if code is None and order.type.is_market and not queues:
        at = _requoted_at(core, order, offered)
        if at is not None:
            requote(core, order, at, command)
            return CommandDone(Code.REQUOTE, *_requoted(core, command, order))
    if code is not None:
        fail_order(core, order, code)
        said = refusals.text(core, code, _asked(core, command, order))
        return CommandDone(code, said, order.ticket, command.login)
    assert symbol is not None
    if not order.type.is_market:
        core.arm_order(order)
    elif queues:
        queue_order(core, order, RequestKind.MARKET, side=order.type.side)
    else:
        assert order.requested_price is not None
        position = open_deal(core, order, fill_of(command, order, order.requested_price))
        if command.open_time_ms and position.ticket == order.ticket:
            position.opened_ms = command.open_time_ms
    return CommandDone("", ticket=order.ticket, login=order.login)


def _queues(core: Core, command: PlaceOrder, order: Order, *, offered: int | None) -> bool:
    """Return whether a market order waits for a dealer."""
    if offered is not None or command.by is not By.CLIENT or order.symbol not in core.state.symbols:
        return False
    return not executes_by_itself(core, order.login, order.symbol)


def _requoted_at(core: Core, order: Order, offered: int | None) -> int | None:
    """Return the price at which a market order that would execute now is requoted, None where it may execute.

    An acceptance is, where the market has moved against the broker by more than the request's deviation, else the
    group's; any other where the price is worse than expected by more than its deviation (§4.9, §5.9).
    """
    assert order.requested_price is not None
    if offered is None:
        failed = checks.deviation_check(order, order.requested_price) is not None
        return order.requested_price if failed else None
    view = checks.view_of(core, order.login, core.state.symbols[order.symbol])
    assert view is not None
    side = order.type.side
    market = checks.market_price(view, side, opening=True)
    most = order.deviation if order.deviation is not None else core.state.group_of(order.login).deviation
    return market if checks.is_worse(side, market, offered, most) else None


def _requoted(core: Core, command: PlaceOrder, order: Order) -> tuple[str, int, int, int, dict[str, object]]:
    """Return message, ticket, login, level and data of the answer to a requoted order."""
    said = refusals.text(core, Code.REQUOTE, _asked(core, command, order))
    return said, order.ticket, command.login, 0, offer_data(order)


def _asked(core: Core, command: PlaceOrder, order: Order) -> Asked:
    """Return what a placement asked for, for its refusal."""
    symbol, side, base = core.state.symbols.get(command.symbol), command.type.side, None
    if symbol is not None:
        market = command.type.is_market
        base = refusals.exit_base(core, command.login, symbol, side) if market else _base_of(order)
    return Asked(
        login=command.login, name=command.symbol, by=command.by, side=side, type=command.type,
        volume=command.volume, leverage=command.leverage, price=command.price or command.open_price,
        limit_price=command.limit_price, stops=refusals.exits(command.sl, command.tp), base=base,
        expires=command.expires, expected=command.expected_price, deviation=command.deviation,
    )  # fmt: skip


def new_order(core: Core, command: PlaceOrder, symbol: Symbol | None) -> Order:
    """Return the order that a request asks for, as far as it can be read."""
    now = core.state.now_ms
    order = Order(
        ticket=command.ticket or core.new_order_ticket(), login=command.login, symbol=command.symbol,
        type=command.type, volume=checks.read_volume(command.volume) or 0, status=OrderStatus.PENDING,
        reason=reason_of(command.by), created_ms=now, modified_ms=now, leverage=command.leverage,
        comment=command.comment, client_id=command.client_id, actor=command.actor, deviation=command.deviation,
    )  # fmt: skip
    expiry = checks.read_expiry(core, command.expires)
    if isinstance(expiry, tuple):
        order.expires_ms, order.expires_day = expiry
    if symbol is None:
        return order
    order.digits = symbol.digits
    order.expected_price = checks.read_price(symbol, command.expected_price)
    order.sl, order.deletes_sl = checks.read_level(symbol, command.sl), checks.deletes(symbol, command.sl)
    order.tp, order.deletes_tp = checks.read_level(symbol, command.tp), checks.deletes(symbol, command.tp)
    view = checks.view_of(core, command.login, symbol)
    if not command.type.is_market:
        order.price = checks.read_price(symbol, command.price)
        order.limit_price = checks.read_price(symbol, command.limit_price)
        order.requested_price = order.price
    elif command.open_price is not None and command.by is not By.CLIENT:
        order.requested_price = _price_by_hand(core, command, symbol, view)
    elif view is not None:
        order.requested_price = checks.market_price(view, command.type.side, opening=True)
    return order


def _price_by_hand(
    core: Core, command: PlaceOrder, symbol: Symbol, view: tuple[int, int] | None
) -> int | None:
    """Return a manager's price in points, None where it is no price or too far from the market (§5.7)."""
    price = checks.read_price(symbol, command.open_price)
    if price is None or view is None:
        return price
    market = checks.market_price(view, command.type.side, opening=True)
    return price if checks.is_within_bound(core, command.login, price, market) else None


def placing_failure(core: Core, command: PlaceOrder, order: Order) -> Code | None:
    """Return the first rule of section 4 that the order breaks, None where it may be placed."""
    state = core.state
    account, symbol = state.accounts[command.login], state.symbols.get(command.symbol)
    side = command.type.side
    units = checks.read_volume(command.volume)
    market = command.type.is_market
    reduces = checks.counts_as_close(core, command.login, command.symbol, side, units) if market else None
    opening = reduces is None
    early = first_failure(
        lambda: checks.account_check(account, command.by, opening=opening),
        lambda: Code.SYMBOL_NOT_FOUND if symbol is None else None,
    )
    if early is not None or symbol is None:
        return early
    if reduces is not None:  # it counts as a close: only what a close is asked is asked
        return first_failure(
            lambda: checks.trade_mode_check(symbol, side, opening=False),
            lambda: checks.session_check(core, symbol, command.by),
            lambda: checks.quote_check(core, symbol, fresh=True),
            lambda: checks.volume_check(symbol, units, whole=reduces.volume),
            lambda: _price_failure(core, command, order, symbol),
        )
    return first_failure(
        lambda: checks.trade_mode_check(symbol, side, opening=True),
        lambda: checks.session_check(core, symbol, command.by),
        lambda: checks.quote_check(core, symbol, fresh=market),
        lambda: checks.rates_check(core, command.login, symbol, side) if market else None,
        lambda: checks.volume_check(symbol, units),
        lambda: checks.leverage_check(core, command.login, command.leverage),
        lambda: _price_failure(core, command, order, symbol),
        lambda: _stops_failure(core, command, order, symbol),
        lambda: _expiry_failure(core, command),
        lambda: checks.limit_check(core, command.login, adds=_adds(core, command)),
        lambda: checks.hedge_check(core, command.login, command.symbol, side) if market else None,
        lambda: _room_failure(core, command, order),
    )


def _adds(core: Core, command: PlaceOrder) -> bool:
    """Return whether the order adds a position or a pending order: a netting account's own position takes others in."""
    if not command.type.is_market or not core.state.is_netting(command.login):
        return True
    return netting_position(core, command.login, command.symbol) is None


def _price_failure(core: Core, command: PlaceOrder, order: Order, symbol: Symbol) -> Code | None:
    if command.type.is_market:
        if order.requested_price is None:
            return Code.INVALID_PRICE
        return checks.expectation_check(symbol, command.expected_price, command.deviation)
    view = checks.view_of(core, command.login, symbol)
    assert view is not None
    return checks.pending_price_check(symbol, command.type, order.price, order.limit_price, view, command.by)


def _stops_failure(core: Core, command: PlaceOrder, order: Order, symbol: Symbol) -> Code | None:
    view = checks.view_of(core, command.login, symbol)
    assert view is not None
    side = command.type.side
    base = stops_base(order) if not command.type.is_market else checks.market_price(view, side, opening=False)
    return checks.stops_check(symbol, side, base, command.by, sl=command.sl, tp=command.tp)


def stops_base(order: Order) -> int:
    """Return the price that SL and TP of a pending order are measured from: a stop-limit's is its limit."""
    price = _base_of(order)
    assert price is not None
    return price


def _base_of(order: Order) -> int | None:
    return order.type.opening_price(order.price, order.limit_price)


def _expiry_failure(core: Core, command: PlaceOrder) -> Code | None:
    expiry = checks.read_expiry(core, command.expires)
    return expiry if isinstance(expiry, Code) else None


def _room_failure(core: Core, command: PlaceOrder, order: Order) -> Code | None:
    if command.by is not By.CLIENT and not command.check_margin:
        return None
    if not command.type.is_market:
        return checks.reservation_check(core, order)
    assert order.requested_price is not None
    return checks.margin_check(core, order, order.requested_price)


def _pending(core: Core, login: int, ticket: int) -> Order | None:
    order = core.state.book(login).orders.get(ticket)
    return order if order is not None and not order.type.is_market else None


def modify(core: Core, command: ModifyOrder) -> CommandDone:
    """Change price, stops or expiry of a pending order; all of them are checked where the price is given."""
    code = _modify_failure(core, command)
    if code is not None:
        said = refusals.text(core, code, _asked_change(core, command))
        return CommandDone(code, said, command.order, command.login)
    order = core.state.orders[command.order]
    symbol = core.state.symbols[order.symbol]
    if command.price is not None:
        order.price = order.requested_price = checks.read_price(symbol, command.price)
    if command.limit_price is not None:
        order.limit_price = checks.read_price(symbol, command.limit_price)
    order.sl = checks.read_level(symbol, command.sl, order.sl)
    order.tp = checks.read_level(symbol, command.tp, order.tp)
    if command.expires is not None:
        expiry = checks.read_expiry(core, command.expires)
        assert isinstance(expiry, tuple)
        order.expires_ms, order.expires_day = expiry
    core.save_order(order)
    core.arm_order(order)
    core.bounds.touch(order.login)
    return CommandDone("", ticket=order.ticket, login=order.login)


def _prices_of(order: Order) -> dict[str, int | None]:
    """Return what a change may have seen, by name, in points."""
    return {"price": order.price, "limit_price": order.limit_price, "sl": order.sl, "tp": order.tp}


def _modify_failure(core: Core, command: ModifyOrder) -> Code | None:
    state = core.state
    account = state.accounts.get(command.login)
    code = checks.account_check(account, command.by, opening=False)
    if code is not None:
        return code
    order = _pending(core, command.login, command.order)
    if order is None:
        return Code.ORDER_NOT_FOUND
    if order.smart:
        return Code.MANAGED_BY_SMART_ORDER
    symbol = state.symbols[order.symbol]
    if checks.unseen(symbol, command.seen, _prices_of(order)) is not None:
        return Code.CONFLICT
    code = first_failure(
        lambda: checks.session_check(core, symbol, command.by),
        lambda: checks.quote_check(core, symbol, fresh=False),
    )
    if code is not None:
        return code
    return first_failure(
        lambda: _order_frozen(core, order, symbol, command.by),
        lambda: _modified_price_failure(core, command, order, symbol),
        lambda: _modified_stops_failure(command, order, symbol),
        lambda: _modified_expiry_failure(core, command),
    )


def _asked_about(core: Core, command: ModifyOrder | CancelOrder) -> Asked:
    """Return what a change or a deletion is about, for its refusal."""
    asked = Asked(login=command.login, by=command.by, order=command.order)
    account = core.state.accounts.get(command.login)
    order = None if account is None else _pending(core, command.login, command.order)
    if order is not None:
        asked.name, asked.type, asked.side = order.symbol, order.type, order.type.side
        asked.guarded = _guarded(core, order, core.state.symbols[order.symbol])
    return asked


def _asked_change(core: Core, command: ModifyOrder) -> Asked:
    """Return what a change asked for: what it leaves out is what the order has."""
    asked = _asked_about(core, command)
    if not asked.name:
        return asked
    order, symbol = core.state.orders[command.order], core.state.symbols[asked.name]
    asked.seen = refusals.seen(symbol, command.seen, _prices_of(order))
    asked.price_stands, asked.expires = command.price is None, command.expires
    asked.price = command.price or points_text(order.price, symbol)
    asked.limit_price = command.limit_price or points_text(order.limit_price, symbol)
    base = order.type.opening_price(asked.price, asked.limit_price)
    asked.base = checks.read_price(symbol, base)
    moved = command.price is not None or command.limit_price is not None
    sl, tp = (points_text(order.sl, symbol), points_text(order.tp, symbol)) if moved else (None, None)
    asked.stops = refusals.exits(
        command.sl if command.sl is not None else sl, command.tp if command.tp is not None else tp
    )
    return asked


def _guarded(core: Core, order: Order, symbol: Symbol) -> list[tuple[str, int | None, int]]:
    """Return what freezes a pending order, with the market price that it is near to: its own price (§4.4)."""
    view = checks.view_of(core, order.login, symbol)
    if view is None:
        return []
    return [("price", order.price, checks.market_price(view, order.type.side, opening=True))]


def _order_frozen(core: Core, order: Order, symbol: Symbol, by: By) -> Code | None:
    levels = [(level, market) for _, level, market in _guarded(core, order, symbol)]
    return checks.frozen_check(core, order.login, symbol, by, levels)


def _modified_price_failure(core: Core, command: ModifyOrder, order: Order, symbol: Symbol) -> Code | None:
    if command.price is None and command.limit_price is None:
        return None
    view = checks.view_of(core, order.login, symbol)
    assert view is not None
    price = order.price if command.price is None else checks.read_price(symbol, command.price)
    limit = order.limit_price
    if command.limit_price is not None:
        limit = checks.read_price(symbol, command.limit_price)
    if command.price is None:  # only the limit price is given: only it is judged
        if price is None or limit is None or not order.type.has_limit:
            return Code.INVALID_PRICE
        return None if order.type.is_limit_better(limit, price) else Code.INVALID_PRICE
    return checks.pending_price_check(symbol, order.type, price, limit, view, command.by)


def _modified_stops_failure(command: ModifyOrder, order: Order, symbol: Symbol) -> Code | None:
    moved = command.price is not None or command.limit_price is not None
    price = order.price if command.price is None else checks.read_price(symbol, command.price)
    limit = (
        order.limit_price if command.limit_price is None else checks.read_price(symbol, command.limit_price)
    )
    base = order.type.opening_price(price, limit)
    assert base is not None
    sl, tp = command.sl, command.tp
    if moved:
        sl = sl if sl is not None else points_text(order.sl, symbol)
        tp = tp if tp is not None else points_text(order.tp, symbol)
    return checks.stops_check(symbol, order.type.side, base, command.by, sl=sl, tp=tp)


def points_text(points: int | None, symbol: Symbol) -> str | None:
    """Return a standing level as the text that a command would carry."""
    return None if points is None else to_text(points, symbol.digits)


def _modified_expiry_failure(core: Core, command: ModifyOrder) -> Code | None:
    if command.expires is None:
        return None
    expiry = checks.read_expiry(core, command.expires)
    return expiry if isinstance(expiry, Code) else None


def cancel(core: Core, command: CancelOrder) -> CommandDone:
    """Delete a pending order."""
    code = _cancel_failure(core, command)
    if code is not None:
        said = refusals.text(core, code, _asked_about(core, command))
        return CommandDone(code, said, command.order, command.login)
    order = core.state.orders[command.order]
    cancel_order(core, order, comment=command.comment)
    core.bounds.touch(order.login)
    return CommandDone("", ticket=order.ticket, login=order.login)


def _cancel_failure(core: Core, command: CancelOrder) -> Code | None:
    account = core.state.accounts.get(command.login)
    code = checks.account_check(account, command.by, opening=False)
    if code is not None:
        return code
    order = _pending(core, command.login, command.order)
    if order is None:
        return Code.ORDER_NOT_FOUND
    symbol = core.state.symbols[order.symbol]
    return first_failure(
        lambda: checks.session_check(core, symbol, command.by),
        lambda: _order_frozen(core, order, symbol, command.by),
    )
