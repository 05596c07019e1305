"""Smart orders inside stage 3: levels nearest first, then the stop that stood before the tick, then the marks.

The same hooks, FIFO rule and execution modes apply as for TP and SL. A break-even that moves in a tick is
tested from the next tick on.
"""

from engine import checks, plans, smart_life
from engine.core import Core
from engine.enums import Answer, By, HookPoint, LevelStatus, OrderReason, RequestKind, Side
from engine.execution import Fill, close_deal, closing_order, complete
from engine.lifecycle import LIVE_SMART
from engine.queue import drop_trigger, executes_by_itself, queue_trigger
from engine.records import Deal, Level, Position, Request, SmartOrder
from engine.stages.triggered import Tick, context, evidence

_OPEN = (LevelStatus.PENDING, LevelStatus.TRIGGERED)


def trailed(core: Core, tick: Tick) -> list[SmartOrder]:
    """Take out and return the smart orders whose trailing stop this tick reaches."""
    found: list[SmartOrder] = []
    for (side, shift), book in core.trails.get(tick.symbol.name, {}).items():
        price = tick.bid - shift if side is Side.BUY else tick.ask + shift
        found.extend(book.due(price))
    return found


def visit(core: Core, tick: Tick, position: Position) -> None:
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
        if level.status in _OPEN:
            _fill_level(core, tick, smart, position, level, market if slips else level.price)
    if smart.state in LIVE_SMART and stop is not None and (market <= stop if buy else market >= stop):
        _execute_stop(core, tick, smart, position, stop, market)
    if smart.state in LIVE_SMART:
        core.arm_position(position)


def move_marks(core: Core, tick: Tick) -> None:
    """Activate trailing stops whose activation price is reached, and raise the marks that the tick passes."""
    name = tick.symbol.name
    ladder = core.activations.get(name)
    if ladder is not None:
        for number in sorted(ladder.due(tick.bid, tick.ask)):
            smart = core.state.smarts[number]
            smart.activated = True
            _start_at(core, tick, smart)
            smart.mark_seq = tick.quote.seq - 1
            core.save_smart(smart, "trailing_activated", {}, quietly=True)
            core.arm_trailing(smart)
    books = core.trails.get(name)
    if books:
        for (side, shift), book in books.items():
            book.advance(tick.bid - shift if side is Side.BUY else tick.ask + shift)
        core.note_extremes(name, tick.quote)


def _start_at(core: Core, tick: Tick, smart: SmartOrder) -> None:
    """Start the mark at the price of the tick that reached the activation price."""
    view = tick.view(core, smart.login)
    smart.mark = checks.market_price(view, smart.side, opening=False)


def confirm(core: Core, request: Request, position: Position, price: int, found: dict[str, object]) -> None:
    """Execute an exit of a smart order that a dealer confirmed."""
    smart = core.state.smarts.get(request.smart)
    if smart is None or smart.position != position.ticket:
        return
    if request.kind is RequestKind.SMART_LEVEL:
        level = smart.levels[request.level - 1]
        if level.status in _OPEN:
            _deal_level(core, smart, position, level, price, found)
            core.arm_position(position)
    else:
        stop = request.price if request.price is not None else price
        _deal_stop(core, smart, position, stop, price, found)


def _fill_level(
    core: Core, tick: Tick, smart: SmartOrder, position: Position, level: Level, price: int
) -> None:
    volume = min(level.volume, position.volume)
    allowed = _allowed(
        core, tick, position, RequestKind.SMART_LEVEL, level.price, price, volume=volume, number=level.number
    )
    if allowed is not None:
        _deal_level(core, smart, position, level, allowed[0], allowed[1])


def _execute_stop(
    core: Core, tick: Tick, smart: SmartOrder, position: Position, stop: int, price: int
) -> None:
    volume = min(smart.remaining, position.volume)
    allowed = _allowed(core, tick, position, RequestKind.SMART_STOP, stop, price, volume=volume, number=0)
    if allowed is not None:
        _deal_stop(core, smart, position, stop, allowed[0], allowed[1])


def _allowed(
    core: Core, tick: Tick, position: Position, kind: RequestKind, level: int, price: int, *, volume: int,
    number: int,
) -> tuple[int, dict[str, object]] | None:  # fmt: skip
    """Ask hooks, mode and FIFO; return (price, evidence) if the exit may execute, None if it waits."""
    view = tick.view(core, position.login)
    hooks: dict[str, str] = {}
    trigger = f"level {number}" if number else "stop"
    told = context(
        core, tick.symbol, view, login=position.login, ticket=position.ticket, side=position.side.opposite,
        volume=volume, reason=OrderReason.SMART_ORDER, trigger=trigger, level=level,
        price=price,
    )  # fmt: skip
    answer = core.hooks.filter(HookPoint.STOPS_FILTER, told, hooks)
    found = evidence(tick.symbol, view, tick.quote.time_ms, trigger=trigger, level=level, hooks=hooks)
    if answer is not Answer.OK and not executes_by_itself(core, position.login, position.symbol):
        queue_trigger(core, position, kind, volume=volume, price=level, level=number, context=found)
        return None
    if checks.fifo_check(core, position, By.SYSTEM) is not None:
        return None
    verdict = core.hooks.apply(HookPoint.STOPS_APPLY, told, hooks)
    if verdict.answer is not Answer.OK:
        return None
    if verdict.price is not None:
        price = checks.hook_price(tick.symbol, verdict.price, price)
    found["hooks"] = hooks
    return price, found


def _deal_level(
    core: Core, smart: SmartOrder, position: Position, level: Level, price: int, found: dict[str, object]
) -> None:
    volume = min(level.volume, position.volume)
    level.volume = volume
    key = f"smart:{smart.id}:level:{level.number}"
    deal = _deal(core, position, volume, price, level.price, key, found, level.number)
    smart_life.level_filled(core, smart, level, deal)


def _deal_stop(
    core: Core, smart: SmartOrder, position: Position, stop: int, price: int, found: dict[str, object]
) -> None:
    volume = min(smart.remaining, position.volume)
    found = {**found, "source": plans.stop_source(smart)}
    deal = _deal(core, position, volume, price, stop, f"smart:{smart.id}:stop", found, 0)
    smart_life.stop_executed(core, smart, deal, stop)


def _deal(
    core: Core, position: Position, volume: int, price: int, level: int, key: str, found: dict[str, object],
    number: int,
) -> Deal:  # fmt: skip
    kind = RequestKind.SMART_LEVEL if number else RequestKind.SMART_STOP
    drop_trigger(core, position, kind, number)
    order = closing_order(core, position, volume, OrderReason.SMART_ORDER, level)
    order.smart = position.smart
    fill = Fill(
        price=price, requested_price=level, reason=OrderReason.SMART_ORDER, trigger_key=key, evidence=found
    )
    deal = close_deal(core, position, volume, order, fill, by_plan=True)
    complete(core, order, position.ticket, price)
    return deal
