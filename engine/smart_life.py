"""What happens to a smart order when its position is filled, shrinks or closes (rules section 9).

It changes plans and their arming, never money: deals are execution.py's. Every change is one line of the
order's timeline; the version rises once a call, in Core.finish.
"""

from fractions import Fraction

from engine import plans
from engine.core import Core
from engine.dealer_queue import withdraw_cut_levels, withdraw_smart
from engine.enums import LevelStatus, SmartState
from engine.lifecycle import LIVE_SMART, OPEN_LEVEL, advance
from engine.records import Deal, Level, Position, SmartOrder
from engine.rounding import to_text


def start_smart(core: Core, smart: SmartOrder, position: Position, entry_price: Fraction) -> None:
    """Let a smart order own an open position from now on: it is ACTIVE and its exits are armed."""
    smart.position = position.ticket
    smart.entry_price = entry_price
    # An entry that reversed a netting position opened only what was beyond it.
    smart.remaining = min(smart.volume, position.volume)
    plans.cut_levels(smart)
    advance(smart, "state", SmartState.ACTIVE)
    position.smart = smart.id
    position.sl = position.tp = None
    start_mark(core, smart)
    core.save_smart(smart, "active", {"entry_price": to_text_price(smart, entry_price)})
    core.save_position(position)
    core.arm_position(position)
    core.arm_trailing(smart)


def start_mark(core: Core, smart: SmartOrder) -> None:
    """Start the high-water mark at the entry price, where the order trails (§9.8)."""
    plans.start_mark(smart)
    quote = core.state.quotes.get(smart.symbol)
    smart.mark_seq = quote.seq if quote is not None else 0


def level_filled(core: Core, smart: SmartOrder, level: Level, deal: Deal) -> None:
    """Book a filled level; with it break-even may move the stop, and the plan may be done."""
    advance(level, "status", LevelStatus.FILLED)
    level.deal = deal.ticket
    level.time_ms = core.state.now_ms
    smart.remaining -= deal.volume
    if smart.remaining == 0:
        end_smart(core, smart, SmartState.CLOSED, "closed", {"level": level.number, "deal": deal.ticket})
        return
    if smart.state is SmartState.ACTIVE:
        advance(smart, "state", SmartState.PARTIALLY_CLOSED)
    core.save_smart(smart, "level_filled", {"level": level.number, "deal": deal.ticket})
    move_to_break_even(core, smart)


def move_to_break_even(core: Core, smart: SmartOrder) -> None:
    """Move the stop to the entry price plus offset, if break-even is on and level 1 is filled."""
    if smart.state in LIVE_SMART and plans.move_to_break_even(smart):
        core.save_smart(smart, "break_even", {"stop": to_text(smart.break_even_stop or 0, smart.digits)})


def stop_executed(core: Core, smart: SmartOrder, deal: Deal, stop: int) -> None:
    """Book an executed stop: the plan is STOPPED and its open levels are cancelled."""
    smart.remaining -= deal.volume
    smart.fired_stop = stop
    data = {"deal": deal.ticket, "stop": to_text(stop, smart.digits), "source": plans.stop_source(smart)}
    end_smart(core, smart, SmartState.STOPPED, "stopped", data)


def position_shrunk(core: Core, position: Position) -> None:
    """Cut the plan to a position that another hand reduced; end it as CLOSED if nothing is left."""
    smart = core.state.smarts.get(position.smart)
    if smart is None:
        return
    if position.volume == 0:
        end_smart(core, smart, SmartState.CLOSED, "closed_by_other", {})
        return
    if position.volume < smart.remaining:
        smart.remaining = position.volume
        plans.cut_levels(smart)
        withdraw_cut_levels(core, smart)
        core.save_smart(smart, "cut", {"remaining": smart.remaining})
    core.arm_position(position)


def end_smart(core: Core, smart: SmartOrder, state: SmartState, what: str, data: dict[str, object]) -> None:
    """End a smart order in a final state: open levels are cancelled, its position is let go."""
    core.sync_mark(smart)
    for level in smart.levels:
        if level.status in OPEN_LEVEL:
            advance(level, "status", LevelStatus.CANCELLED)
            level.time_ms = core.state.now_ms
    advance(smart, "state", state)
    if state is not SmartState.CANCELLED:
        smart.remaining = 0
    withdraw_smart(core, smart)
    core.save_smart(smart, what, data)
    position = core.state.positions.get(smart.position)
    if position is not None and position.smart == smart.id:
        position.smart = 0
        position.sl = position.tp = None
        core.save_position(position)
        core.arm_position(position)


def entry_ended(core: Core, number: int, why: str) -> None:
    """Cancel a smart order whose entry order was canceled, expired or failed."""
    smart = core.state.smarts.get(number)
    if smart is not None and smart.state is SmartState.PENDING:
        end_smart(core, smart, SmartState.CANCELLED, "entry_ended", {"why": why})


def to_text_price(smart: SmartOrder, price: Fraction) -> str:
    """Return an exact price in points as decimal text with the symbol's digits."""
    return to_text(plans.nearest_point(price), smart.digits)
