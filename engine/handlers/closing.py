"""Closing positions, closing them against each other, and modifying their stops."""

from typing import cast

from engine import checks, price_checks
from engine.codes import Code
from engine.commands import CloseBy, ClosePosition, ModifyPosition
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_order
from engine.enums import By, DealBy, OrderStatus, RequestKind, Side
from engine.events import CommandDone
from engine.execution import MARKET_OF, Fill, close_deal, complete
from engine.handlers.answers import refused
from engine.handlers.orders import fill_of, reason_of
from engine.order_ending import fail_order
from engine.plans import nearest_point
from engine.precedence import Family, Rule, judge
from engine.price_checks import Guarded
from engine.records import Order, Position
from engine.refusals import Refusal, refuse
from engine.requotes import offer_data, requote
from engine.settings import Symbol
from engine.state import State


def close(core: Core, command: ClosePosition, *, offered: int | None = None) -> CommandDone:
    """Close a position or part of it, at once or through the dealers' queue.

    `offered`: the price in points of a requote that the client accepts; then no dealer is asked.
    """
    state, login = core.state, command.login
    unknown = checks.known_check(state, login)
    if unknown is not None:
        return refused(unknown, login=login)
    position = state.book(login).positions.get(command.position)
    order = new_order(core, command, position)
    order.requested_price = offered
    queues = position is not None and offered is None and _queues(core, command, position)
    refusal = _close_refusal(state, command, order, queues=queues, offered=offered)
    core.save_order(order)
    if refusal is not None and refusal.code is Code.REQUOTE:
        requote(core, order, int(refusal.facts["price"]), command)
        return refused(refusal, ticket=order.ticket, login=login, data=offer_data(order))
    if refusal is not None:
        fail_order(core, order, refusal.code)
        return refused(refusal, ticket=order.ticket, login=login)
    assert position is not None and order.requested_price is not None
    if queues:
        request = queue_order(core, order, RequestKind.CLOSE, side=position.side.opposite)
        request.context["whole"] = command.volume is None
    else:
        close_deal(core, position, order.volume, order, fill_of(command, order, order.requested_price))
        complete(core, order, position.ticket, order.requested_price)
    return CommandDone("", ticket=order.ticket, login=login)


def _queues(core: Core, command: ClosePosition | CloseBy, position: Position) -> bool:
    """Return whether a close waits for a dealer."""
    return command.by is By.CLIENT and not executes_by_itself(core, position.login, position.symbol)


def new_order(core: Core, command: ClosePosition | CloseBy, position: Position | None) -> Order:
    """Return the order by which a request closes, of the volume that it asks for."""
    now = core.state.now_ms
    side = position.side.opposite if position is not None else Side.SELL
    return Order(
        ticket=command.ticket or core.new_order_ticket(), login=command.login,
        symbol=position.symbol if position is not None else "", type=MARKET_OF[side],
        volume=_units(core.state, command, position), status=OrderStatus.PENDING, reason=reason_of(command.by),
        created_ms=now, modified_ms=now, position=command.position, comment=command.comment, actor=command.actor,
        deviation=command.deviation if isinstance(command, ClosePosition) else None,
        digits=position.digits if position is not None else 5,
    )  # fmt: skip


def _units(state: State, command: ClosePosition | CloseBy, position: Position | None) -> int:
    """Return the volume in units that a request closes, 0 where that cannot be said."""
    if isinstance(command, CloseBy):
        other = state.book(command.login).positions.get(command.opposite)
        return min(position.volume, other.volume) if position is not None and other is not None else 0
    if command.volume is None:
        return position.volume if position is not None else 0
    return checks.read_volume(command.volume) or 0


def _there_check(login: int, *pairs: tuple[int, Position | None]) -> Refusal | None:
    """All of these numbers are open positions of the account."""
    for ticket, position in pairs:
        if position is None:
            return refuse(Code.POSITION_NOT_FOUND, "unknown", login=login, position=ticket)
    return None


def _symbol_of(state: State, position: Position | None) -> Symbol:
    """Return a position's symbol; of no position None, for which a rule before those that take it refuses."""
    return cast(Symbol, None if position is None else state.symbols[position.symbol])


def _close_refusal(
    state: State, command: ClosePosition, order: Order, *, queues: bool, offered: int | None
) -> Refusal | None:
    login, by = command.login, command.by
    standing = state.position_of(login, command.position)
    position = cast(Position, standing)  # None: a rule before those that take it refuses
    symbol = _symbol_of(state, standing)

    def volume() -> Refusal | None:
        if command.volume is None:
            return None
        units = checks.read_volume(command.volume)
        return checks.volume_check(symbol, command.volume, units, whole=position.volume)

    return judge(Family.CLOSE, {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, login, by),
        Rule.POSITION_THERE: lambda: _there_check(login, (command.position, standing)),
        Rule.SYMBOL_TRADES: lambda: checks.disabled_check(symbol),
        Rule.SESSION: lambda: checks.session_check(state, symbol, by),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol, fresh=True),
        Rule.VOLUME: volume,
        Rule.FIFO: lambda: checks.fifo_check(state, position, by),
        Rule.PRICE: lambda: _take_price(state, command, order, position, offered),
        Rule.DEVIATION: lambda: None if queues else _moved(state, order, position, offered),
    })  # fmt: skip


def _take_price(
    state: State, command: ClosePosition, order: Order, position: Position, offered: int | None
) -> Refusal | None:
    """Give the order the prices that are asked for, or return what is wrong with them."""
    symbol = state.symbols[position.symbol]
    order.expected_price = checks.read_price(symbol, command.expected_price)
    if offered is None:
        view = checks.standing_view(state, command.login, symbol)
        market = order.requested_price = checks.market_price(view, position.side, opening=False)
        if command.price is not None and command.by is not By.CLIENT:
            wrong = price_checks.by_hand_check(state, command.login, symbol, command.price, market)
            order.requested_price = None if wrong else checks.read_price(symbol, command.price)
            if wrong is not None:
                return wrong
    return price_checks.expectation_check(symbol, command.expected_price, command.deviation)


def _moved(state: State, order: Order, position: Position, offered: int | None) -> Refusal | None:
    """Return the requote of a close that would execute now, None where it may."""
    thing = f"position {position.ticket}"
    assert order.requested_price is not None
    if offered is None:
        if price_checks.is_worse_than_expected(order, order.requested_price):
            return price_checks.moved(state, order.login, thing, order.requested_price)
        return None
    view = checks.standing_view(state, order.login, state.symbols[position.symbol])
    market = checks.market_price(view, position.side, opening=False)
    most = order.deviation if order.deviation is not None else state.group_of(order.login).deviation
    if price_checks.is_worse(position.side.opposite, market, offered, most):
        return price_checks.moved(state, order.login, thing, market)
    return None


def close_by(core: Core, command: CloseBy) -> CommandDone:
    """Close two opposite positions of one symbol against each other for the smaller volume."""
    state, login = core.state, command.login
    unknown = checks.known_check(state, login)
    if unknown is not None:
        return refused(unknown, login=login)
    book = state.book(login)
    first, second = book.positions.get(command.position), book.positions.get(command.opposite)
    refusal = _close_by_refusal(state, command)
    order = new_order(core, command, first)
    if first is not None and second is not None:
        order.requested_price = nearest_point(second.open_price)
    core.save_order(order)
    if refusal is not None:
        fail_order(core, order, refusal.code)
        return refused(refusal, ticket=order.ticket, login=login)
    assert first is not None and second is not None
    if _queues(core, command, first):
        queue_order(core, order, RequestKind.CLOSE_BY, side=first.side.opposite, opposite=second.ticket)
    else:
        by = fill_of(command, order, 0).by
        execute_close_by(core, order, first, second, by=by, actor=command.actor)
    return CommandDone("", ticket=order.ticket, login=login)


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


def _close_by_refusal(state: State, command: CloseBy) -> Refusal | None:
    login, by = command.login, command.by
    numbers = (command.position, command.opposite)
    pair = tuple((ticket, state.position_of(login, ticket)) for ticket in numbers)
    first, second = (cast(Position, position) for _, position in pair)
    symbols = tuple(_symbol_of(state, position) for _, position in pair)

    def sessions() -> Refusal | None:
        return checks.session_check(state, symbols[0], by) or checks.session_check(state, symbols[1], by)

    return judge(Family.CLOSE_BY, {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, login, by),
        Rule.POSITION_THERE: lambda: _there_check(login, *pair),
        Rule.SYMBOL_TRADES: lambda: checks.disabled_check(symbols[0]) or checks.disabled_check(symbols[1]),
        Rule.SESSION: sessions,
        Rule.FIFO: lambda: checks.fifo_check(state, first, by) or checks.fifo_check(state, second, by),
        Rule.OPPOSITE: lambda: _opposite_check(first, second),
    })  # fmt: skip


def _opposite_check(first: Position, second: Position) -> Refusal | None:
    """One symbol, and two sides."""
    if first.symbol == second.symbol and first.side is not second.side:
        return None
    return refuse(
        Code.INVALID_CLOSE_BY, "pair", first=first.ticket, first_side=first.side.value, first_symbol=first.symbol,
        second=second.ticket, second_side=second.side.value, second_symbol=second.symbol,
    )  # fmt: skip


def modify(core: Core, command: ModifyPosition) -> CommandDone:
    """Change SL and TP of a position; only the levels given are checked."""
    refusal = _modify_refusal(core.state, command)
    if refusal is not None:
        return refused(refusal, ticket=command.position, login=command.login)
    position = core.state.positions[command.position]
    symbol = core.state.symbols[position.symbol]
    position.sl = checks.read_level(symbol, command.sl, position.sl)
    position.tp = checks.read_level(symbol, command.tp, position.tp)
    core.save_position(position)
    core.arm_position(position)
    return CommandDone("", ticket=position.ticket, login=position.login)


def _modify_refusal(state: State, command: ModifyPosition) -> Refusal | None:
    login, by, thing = command.login, command.by, f"position {command.position}"
    standing = state.position_of(login, command.position)
    position = cast(Position, standing)  # None: a rule before those that take it refuses
    symbol = _symbol_of(state, standing)

    def market() -> int:
        return checks.market_price(checks.standing_view(state, login, symbol), position.side, opening=False)

    def guarded() -> list[Guarded]:
        return [Guarded("SL", position.sl, market()), Guarded("TP", position.tp, market())]

    def seen() -> Refusal | None:
        stands = {"sl": position.sl, "tp": position.tp}
        return price_checks.seen_check(symbol, command.seen, stands, thing)

    def stops() -> Refusal | None:
        wanted = price_checks.stops(command.sl, command.tp)
        return price_checks.stops_check(symbol, position.side, market(), by, wanted)

    return judge(Family.MODIFY_POSITION, {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, login, by),
        Rule.POSITION_THERE: lambda: _there_check(login, (command.position, standing)),
        Rule.NOT_MANAGED: lambda: checks.managed_check(thing, position.smart),
        Rule.SEEN_STANDS: seen,
        Rule.SESSION: lambda: checks.session_check(state, symbol, by),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol, fresh=False),
        Rule.NOT_FROZEN: lambda: price_checks.frozen_check(symbol, by, guarded, thing),
        Rule.STOPS: stops,
    })  # fmt: skip
