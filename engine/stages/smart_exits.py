"""Smart orders inside stage 3: levels nearest first, then the stop that stood before the tick, then the marks.

The same hooks, FIFO rule and execution modes apply as for TP and SL. A break-even that moves in a tick is
tested from the next tick on.
"""

from engine import checks, plans, smart_life
from engine.core import Core
from engine.dealer_queue import drop_trigger
from engine.enums import DealBy, OrderReason, RequestKind, Side
from engine.execution import Fill, close_deal, closing_order, complete
from engine.lifecycle import LIVE_SMART, OPEN_LEVEL
from engine.rates import widened_bid
from engine.records import Deal, Level, Position, Request, SmartOrder
from engine.stages.triggered import AcceptedTick, Exit, decide_exit


def trailed(core: Core, tick: AcceptedTick) -> list[SmartOrder]:
    """Take out and return the smart orders whose trailing stop this tick reaches."""
    reached: list[SmartOrder] = []
    for (side, shift), book in core.trails.get(tick.symbol.name, {}).items():
        reached.extend(book.due(_close_price(tick, side, shift)))
    return reached


def visit(core: Core, tick: AcceptedTick, position: Position) -> None:
    """Fill the levels that this tick reaches, then execute the standing stop if it is reached."""
    smart = core.state.smarts[position.smart]
    view = tick.view(core, position.login)
    market = checks.market_price(view, position.side, opening=False)
    buy = position.side is Side.BUY
    stop = plans.effective_stop(smart)
    slips = core.state.group_of(position.login).positive_slippage
    for level in list(smart.levels):
        if smart.state not in LIVE_SMART or not (market >= level.price if buy else market <= level.price):
            break
        if level.status in OPEN_LEVEL:
            _fill_level(core, tick, smart, position, level, market if slips else level.price)
    if smart.state in LIVE_SMART:
        stop_if_reached(core, tick, smart, position, stop)
    if smart.state in LIVE_SMART:
        core.arm_position(position)


def move_marks(core: Core, tick: AcceptedTick) -> None:
    """Activate trailing stops whose activation price is reached, and raise the marks that the tick passes."""
    name = tick.symbol.name
    ladder = core.activations.get(name)
    if ladder is not None:
        for number in sorted(ladder.due(tick.bid, tick.ask)):
            smart = core.state.smarts[number]
            smart.activated = True
            _raise_mark(core, tick, smart)
            smart.mark_seq = tick.quote.seq - 1
            core.save_smart(smart, "trailing_activated", {}, quietly=True)
            core.arm_trailing(smart)
    books = core.trails.get(name)
    if books:
        for (side, shift), book in books.items():
            book.advance(_close_price(tick, side, shift))
        core.note_extremes(name, tick.quote)


def _close_price(tick: AcceptedTick, side: Side, shift: int) -> int:
    """Return the price in points at which this side closes, for a group whose spread moves it by `shift`."""
    if side is Side.SELL:
        return tick.ask + shift
    return widened_bid(tick.bid, shift, positive=not tick.symbol.allow_negative)


def _raise_mark(core: Core, tick: AcceptedTick, smart: SmartOrder) -> None:
    """Let the tick that reached the activation price raise the mark; a mark never falls (§9.8)."""
    view = tick.view(core, smart.login)
    price = checks.market_price(view, smart.side, opening=False)
    assert smart.mark is not None
    smart.mark = max(smart.mark, price) if smart.side is Side.BUY else min(smart.mark, price)


def confirm(
    core: Core, request: Request, position: Position, price: int, evidence: dict[str, object], *, dealer: str
) -> None:
    """Execute an exit of a smart order that a dealer confirmed."""
    smart = core.state.smarts.get(request.smart)
    if smart is None or smart.position != position.ticket:
        return
    if request.kind is RequestKind.SMART_LEVEL:
        level = smart.levels[request.level - 1]
        if level.status in OPEN_LEVEL:
            _deal_level(core, smart, position, level, price, evidence, dealer)
            core.arm_position(position)
    else:
        stop = request.price if request.price is not None else price
        _deal_stop(core, smart, position, stop, price, evidence, dealer)


def fill_if_reached(
    core: Core, tick: AcceptedTick, smart: SmartOrder, position: Position, number: int
) -> None:
    """Fill the level of this number if it is open and the quote is at or beyond it."""
    buy = position.side is Side.BUY
    market = checks.market_price(tick.view(core, position.login), position.side, opening=False)
    slips = core.state.group_of(position.login).positive_slippage
    for level in smart.levels:
        reached = market >= level.price if buy else market <= level.price
        if level.number == number and level.status in OPEN_LEVEL and reached:
            _fill_level(core, tick, smart, position, level, market if slips else level.price)
            break
    if smart.state in LIVE_SMART:
        core.arm_position(position)


def stop_if_reached(
    core: Core, tick: AcceptedTick, smart: SmartOrder, position: Position, stop: int | None
) -> None:
    """Execute the stop if there is one and the quote is at or beyond it."""
    market = checks.market_price(tick.view(core, position.login), position.side, opening=False)
    if stop is not None and (market <= stop if position.side is Side.BUY else market >= stop):
        _execute_stop(core, tick, smart, position, stop, market)


def _fill_level(
    core: Core, tick: AcceptedTick, smart: SmartOrder, position: Position, level: Level, price: int
) -> None:
    exit_ = Exit(
        kind=RequestKind.SMART_LEVEL, reason=OrderReason.SMART_ORDER, trigger=f"level {level.number}",
        level=level.price, price=price, volume=min(level.volume, position.volume), number=level.number,
    )  # fmt: skip
    execution = decide_exit(core, tick, position, exit_)
    if execution is not None:
        _deal_level(core, smart, position, level, *execution)


def _execute_stop(
    core: Core, tick: AcceptedTick, smart: SmartOrder, position: Position, stop: int, price: int
) -> None:
    exit_ = Exit(
        kind=RequestKind.SMART_STOP, reason=OrderReason.SMART_ORDER, trigger="stop", level=stop, price=price,
        volume=min(smart.remaining, position.volume),
    )  # fmt: skip
    execution = decide_exit(core, tick, position, exit_)
    if execution is not None:
        _deal_stop(core, smart, position, stop, *execution)


def _deal_level(
    core: Core,
    smart: SmartOrder,
    position: Position,
    level: Level,
    price: int,
    evidence: dict[str, object],
    dealer: str | None = None,
) -> None:
    volume = min(level.volume, position.volume)
    level.volume = volume
    key = f"smart:{smart.id}:level:{level.number}"
    deal = _deal(core, position, volume, price, level.price, key, evidence, level.number, dealer)
    smart_life.level_filled(core, smart, level, deal)


def _deal_stop(
    core: Core,
    smart: SmartOrder,
    position: Position,
    stop: int,
    price: int,
    evidence: dict[str, object],
    dealer: str | None = None,
) -> None:
    volume = min(smart.remaining, position.volume)
    evidence = {**evidence, "source": plans.stop_source(smart)}
    deal = _deal(core, position, volume, price, stop, f"smart:{smart.id}:stop", evidence, 0, dealer)
    smart_life.stop_executed(core, smart, deal, stop)


def _deal(
    core: Core, position: Position, volume: int, price: int, level: int, key: str, evidence: dict[str, object],
    number: int, dealer: str | None,
) -> Deal:  # fmt: skip
    kind = RequestKind.SMART_LEVEL if number else RequestKind.SMART_STOP
    drop_trigger(core, position, kind, number)
    order = closing_order(core, position, volume, OrderReason.SMART_ORDER, level)
    order.smart = position.smart
    fill = Fill(
        price=price, requested_price=level, reason=OrderReason.SMART_ORDER, trigger_key=key, evidence=evidence,
        by=DealBy.SYSTEM if dealer is None else DealBy.DEALER, actor=dealer or "",
    )  # fmt: skip
    deal = close_deal(core, position, volume, order, fill, by_smart=True)
    complete(core, order, position.ticket, price)
    return deal
