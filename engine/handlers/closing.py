"""Closing positions, closing them against each other, and modifying their stops."""

from engine import checks, refusals
from engine.checks import first_failure
from engine.codes import Code
from engine.commands import CloseBy, ClosePosition, ModifyPosition
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_order
from engine.enums import By, DealBy, OrderStatus, RequestKind, Side
from engine.events import CommandDone
from engine.execution import MARKET_OF, Fill, close_deal, complete
from engine.handlers.orders import fill_of, reason_of
from engine.order_ending import fail_order
from engine.plans import nearest_point
from engine.records import Order, Position
from engine.refusals import Asked
from engine.requotes import offer_data, requote
from engine.settings import Symbol


def close(core: Core, command: ClosePosition, *, offered: int | None = None) -> CommandDone:
    """Close a position or part of it, at once or through the dealers' queue.

    `offered`: the price in points of a requote that the client accepts; then no dealer is asked.
    """
    if command.login not in core.state.accounts:
        return CommandDone(Code.ACCOUNT_DISABLED, f"there is no account {command.login}", login=command.login)
    position = core.state.book(command.login).positions.get(command.position)
    units = _close_units(command, position)
    order = new_order(core, command, position, units or 0)
    code = _close_failure(core, command, position, units)
    price = offered
    if code is None and position is not None:
        price = _close_price(core, command, position) if offered is None else offered
        symbol = core.state.symbols[position.symbol]
        code = checks.expectation_check(symbol, command.expected_price, command.deviation)
        order.expected_price = checks.read_price(symbol, command.expected_price)
        if price is None:
            code = Code.INVALID_PRICE
    order.requested_price = price
    core.save_order(order)
    if code is not None:
        fail_order(core, order, code)
        asked = _asked_about(command, position)
        asked.volume, asked.price = command.volume, command.price
        asked.expected, asked.deviation = command.expected_price, command.deviation
        return CommandDone(code, refusals.text(core, code, asked), order.ticket, command.login)
    assert position is not None and units is not None and price is not None
    by_itself = command.by is not By.CLIENT or executes_by_itself(core, order.login, order.symbol)
    at = _requoted_at(core, order, position, offered) if by_itself or offered is not None else None
    if at is not None:
        requote(core, order, at, command)
        asked = _asked_about(command, position)
        said = refusals.text(core, Code.REQUOTE, asked)
        return CommandDone(Code.REQUOTE, said, order.ticket, command.login, data=offer_data(order))
    if not by_itself and offered is None:
        request = queue_order(core, order, RequestKind.CLOSE, side=position.side.opposite)
        request.context["whole"] = command.volume is None
    else:
        close_deal(core, position, units, order, fill_of(command, order, price))
        complete(core, order, position.ticket, price)
    return CommandDone("", ticket=order.ticket, login=order.login)


def _requoted_at(core: Core, order: Order, position: Position, offered: int | None) -> int | None:
    """Return the price at which a close that would execute now is requoted, None where it may execute."""
    assert order.requested_price is not None
    if offered is None:
        failed = checks.deviation_check(order, order.requested_price) is not None
        return order.requested_price if failed else None
    view = checks.view_of(core, order.login, core.state.symbols[position.symbol])
    assert view is not None
    market = checks.market_price(view, position.side, opening=False)
    most = order.deviation if order.deviation is not None else core.state.group_of(order.login).deviation
    return market if checks.is_worse(position.side.opposite, market, offered, most) else None


def _asked_about(command: ClosePosition | CloseBy | ModifyPosition, position: Position | None) -> Asked:
    """Return what a request is about, for its refusal."""
    asked = Asked(login=command.login, by=command.by, position=command.position)
    if position is not None:
        asked.name, asked.side, asked.whole = position.symbol, position.side, position.volume
    return asked


def _close_units(command: ClosePosition, position: Position | None) -> int | None:
    if command.volume is None:
        return position.volume if position is not None else None
    return checks.read_volume(command.volume)


def _close_price(core: Core, command: ClosePosition, position: Position) -> int | None:
    symbol = core.state.symbols[position.symbol]
    view = checks.view_of(core, command.login, symbol)
    assert view is not None
    market = checks.market_price(view, position.side, opening=False)
    if command.price is None or command.by is By.CLIENT:
        return market
    price = checks.read_price(symbol, command.price)
    near = price is not None and checks.is_within_bound(core, command.login, price, market)
    return price if near else None


def new_order(
    core: Core, command: ClosePosition | CloseBy, position: Position | None, units: int | None = None
) -> Order:
    """Return the order by which a request closes; without `units`, of the volume that it asks for."""
    if units is None and isinstance(command, ClosePosition):
        units = _close_units(command, position)
    elif units is None and isinstance(command, CloseBy):
        other = core.state.book(command.login).positions.get(command.opposite)
        units = min(position.volume, other.volume) if position is not None and other is not None else 0
    now = core.state.now_ms
    side = position.side.opposite if position is not None else Side.SELL
    return Order(
        ticket=command.ticket or core.new_order_ticket(), login=command.login,
        symbol=position.symbol if position is not None else "", type=MARKET_OF[side], volume=units or 0,
        status=OrderStatus.PENDING, reason=reason_of(command.by), created_ms=now, modified_ms=now,
        position=command.position, comment=command.comment, actor=command.actor,
        deviation=command.deviation if isinstance(command, ClosePosition) else None,
        digits=position.digits if position is not None else 5,
    )  # fmt: skip


def _close_failure(
    core: Core, command: ClosePosition, position: Position | None, units: int | None
) -> Code | None:
    account = core.state.accounts.get(command.login)
    code = checks.account_check(account, command.by, opening=False)
    if code is not None:
        return code
    if position is None:
        return Code.POSITION_NOT_FOUND
    symbol = core.state.symbols[position.symbol]
    return first_failure(
        lambda: checks.trade_mode_check(symbol, position.side, opening=False),
        lambda: checks.session_check(core, symbol, command.by),
        lambda: checks.quote_check(core, symbol, fresh=True),
        lambda: _volume_failure(symbol, position, units),
        lambda: checks.fifo_check(core, position, command.by),
    )


def _volume_failure(symbol: Symbol, position: Position, units: int | None) -> Code | None:
    if units is not None and units > position.volume:
        return Code.INVALID_VOLUME
    return checks.volume_check(symbol, units, whole=position.volume)


def close_by(core: Core, command: CloseBy) -> CommandDone:
    """Close two opposite positions of one symbol against each other for the smaller volume."""
    if command.login not in core.state.accounts:
        return CommandDone(Code.ACCOUNT_DISABLED, f"there is no account {command.login}", login=command.login)
    book = core.state.book(command.login)
    first, second = book.positions.get(command.position), book.positions.get(command.opposite)
    code = _close_by_failure(core, command, first, second)
    volume = min(first.volume, second.volume) if first is not None and second is not None else 0
    order = new_order(core, command, first, volume)
    if first is not None and second is not None:
        order.requested_price = nearest_point(second.open_price)
    core.save_order(order)
    if code is not None:
        fail_order(core, order, code)
        asked = _asked_about(command, first)
        asked.opposite = command.opposite
        return CommandDone(code, refusals.text(core, code, asked), order.ticket, command.login)
    assert first is not None and second is not None
    if command.by is By.CLIENT and not executes_by_itself(core, order.login, order.symbol):
        queue_order(core, order, RequestKind.CLOSE_BY, side=first.side.opposite, opposite=second.ticket)
    else:
        by = fill_of(command, order, 0).by
        execute_close_by(core, order, first, second, by=by, actor=command.actor)
    return CommandDone("", ticket=order.ticket, login=order.login)


def execute_close_by(
    core: Core, order: Order, first: Position, second: Position, *, by: DealBy, actor: str
) -> None:
    """Make the two deals: each at the other's open price, all profit on the first."""
    volume = min(first.volume, second.volume)
    order.volume = volume  # of the moment: one of them may have shrunk while a dealer was asked
    first_at, second_at = second.open_price, first.open_price
    for position, at, profit in ((first, first_at, None), (second, second_at, 0)):
        price = nearest_point(at)
        fill = Fill(price=price, requested_price=price, reason=order.reason, by=by, actor=actor)
        close_deal(core, position, volume, order, fill, close_points=at, profit=profit)
    complete(core, order, first.ticket, nearest_point(first_at))


def _close_by_failure(
    core: Core, command: CloseBy, first: Position | None, second: Position | None
) -> Code | None:
    account = core.state.accounts.get(command.login)
    code = checks.account_check(account, command.by, opening=False)
    if code is not None:
        return code
    if first is None or second is None:
        return Code.POSITION_NOT_FOUND
    symbol = core.state.symbols[first.symbol]
    other = core.state.symbols[second.symbol]
    opposite = first.symbol == second.symbol and first.side is not second.side
    return first_failure(
        lambda: checks.trade_mode_check(symbol, first.side, opening=False),
        lambda: checks.trade_mode_check(other, second.side, opening=False),
        lambda: checks.session_check(core, symbol, command.by),
        lambda: checks.session_check(core, other, command.by),
        lambda: checks.fifo_check(core, first, command.by),
        lambda: checks.fifo_check(core, second, command.by),
        lambda: None if opposite else Code.INVALID_CLOSE_BY,
    )


def modify(core: Core, command: ModifyPosition) -> CommandDone:
    """Change SL and TP of a position; only the levels given are checked."""
    code = _modify_failure(core, command)
    if code is not None:
        said = refusals.text(core, code, _asked_change(core, command))
        return CommandDone(code, said, command.position, command.login)
    position = core.state.positions[command.position]
    symbol = core.state.symbols[position.symbol]
    position.sl = checks.read_level(symbol, command.sl, position.sl)
    position.tp = checks.read_level(symbol, command.tp, position.tp)
    core.save_position(position)
    core.arm_position(position)
    return CommandDone("", ticket=position.ticket, login=position.login)


def _asked_change(core: Core, command: ModifyPosition) -> Asked:
    """Return what a change of stops asked for, for its refusal."""
    account = core.state.accounts.get(command.login)
    position = None if account is None else core.state.book(command.login).positions.get(command.position)
    asked = _asked_about(command, position)
    if position is None:
        return asked
    asked.seen = refusals.seen(core.state.symbols[position.symbol], command.seen, stops_of(position))
    asked.base = refusals.exit_base(core, command.login, core.state.symbols[position.symbol], position.side)
    asked.stops = refusals.exits(command.sl, command.tp)
    if asked.base is not None:
        asked.guarded = [("SL", position.sl, asked.base), ("TP", position.tp, asked.base)]
    return asked


def stops_of(position: Position) -> dict[str, int | None]:
    """Return what a change of stops may have seen, by name, in points."""
    return {"sl": position.sl, "tp": position.tp}


def _modify_failure(core: Core, command: ModifyPosition) -> Code | None:
    account = core.state.accounts.get(command.login)
    code = checks.account_check(account, command.by, opening=False)
    if code is not None:
        return code
    position = core.state.book(command.login).positions.get(command.position)
    if position is None:
        return Code.POSITION_NOT_FOUND
    if position.smart:
        return Code.MANAGED_BY_SMART_ORDER
    symbol = core.state.symbols[position.symbol]
    if checks.unseen(symbol, command.seen, stops_of(position)) is not None:
        return Code.CONFLICT
    code = first_failure(
        lambda: checks.session_check(core, symbol, command.by),
        lambda: checks.quote_check(core, symbol, fresh=False),
    )
    if code is not None:
        return code
    view = checks.view_of(core, command.login, symbol)
    assert view is not None
    market = checks.market_price(view, position.side, opening=False)
    return first_failure(
        lambda: checks.frozen_check(
            core, command.login, symbol, command.by, [(position.sl, market), (position.tp, market)]
        ),
        lambda: checks.stops_check(symbol, position.side, market, command.by, sl=command.sl, tp=command.tp),
    )
