"""The arithmetic of smart orders (rules section 9): level volumes, stops, what is left.

Pure functions over a SmartOrder; stages/smart_exits.py and handlers/smart.py act on what they say, and the doors
use them for previews.
"""

from collections.abc import Sequence
from fractions import Fraction

from engine.enums import LevelStatus, Side
from engine.lifecycle import OPEN_LEVEL, advance
from engine.records import Level, Position, SmartOrder
from engine.rounding import round_half_up
from engine.settings import Symbol
from engine.trailing import stop_points

MAX_LEVELS = 20
HUNDRED = Fraction(100)


def level_volumes(volume: int, step: int, percents: Sequence[Fraction]) -> list[int]:
    """Return each level's volume in units: rounded down to the step; the last takes the rest of a full 100."""
    volumes = [int(volume * percent / 100) // step * step for percent in percents]
    if percents and sum(percents) == HUNDRED:
        volumes[-1] = volume - sum(volumes[:-1])
    return volumes


def faulty_level(
    symbol: Symbol, side: Side, prices: Sequence[int], percents: Sequence[Fraction], volumes: Sequence[int],
    *, has_stop: bool,
) -> int | None:  # fmt: skip
    """Return the number of the level that makes no exit plan, 0 where the whole does not, None if all is well.

    At most 20 levels; each percentage above 0; together at most 100; below 100 a stop is needed; no level
    below volume_min; each level farther than the one before.
    """
    if not prices and not has_stop:
        return 0
    if len(prices) > MAX_LEVELS:
        return MAX_LEVELS + 1
    for number, percent in enumerate(percents, start=1):
        if percent <= 0:
            return number
    total = sum(percents)
    if total > HUNDRED or (total < HUNDRED and not has_stop):
        return 0
    for number, volume in enumerate(volumes, start=1):
        if volume < symbol.volume_min:
            return number
    forward = prices if side is Side.BUY else [-price for price in prices]
    for number in range(1, len(forward)):
        if forward[number] <= forward[number - 1]:
            return number + 1
    return None


def next_level(smart: SmartOrder) -> Level | None:
    """Return the nearest level that is still open."""
    for level in smart.levels:
        if level.status in OPEN_LEVEL:
            return level
    return None


def tighter(side: Side, *stops: int | None) -> int | None:
    """Return the tightest of some stops in points: the highest for a buy, the lowest for a sell."""
    known = [stop for stop in stops if stop is not None]
    if not known:
        return None
    return max(known) if side is Side.BUY else min(known)


def fixed_stop(smart: SmartOrder) -> int | None:
    """Return the tightest stop that does not move with the market."""
    return tighter(smart.side, smart.stop_loss, smart.break_even_stop, smart.trail_floor)


def current_mark(smart: SmartOrder) -> int | None:
    """Return the high-water mark in points as it stands now, None without trailing."""
    if smart.group is not None:
        mark: int = smart.group.mark
        return mark if smart.side is Side.BUY else -mark
    return smart.mark


def trailing_stop(smart: SmartOrder) -> int | None:
    """Return the stop that trails the mark now, None while there is none."""
    mark = current_mark(smart)
    if smart.callback is None or mark is None or (smart.activation is not None and not smart.activated):
        return None
    return stop_points(mark, smart.callback, smart.side)


def effective_stop(smart: SmartOrder) -> int | None:
    """Return the tightest of stop loss, trailing and break-even, in points."""
    return tighter(smart.side, fixed_stop(smart), trailing_stop(smart))


def stop_source(smart: SmartOrder) -> str | None:
    """Return what makes the effective stop: "fixed", "trailing" or "break_even"."""
    stop = effective_stop(smart)
    if stop is None:
        return None
    if stop == smart.break_even_stop:
        return "break_even"
    return "fixed" if stop == smart.stop_loss else "trailing"


def nearest_point(price: Fraction) -> int:
    """Return an exact average price in points as a whole point, rounded half up."""
    return round_half_up(price)


def break_even_price(smart: SmartOrder) -> int:
    """Return the entry price plus the offset in the profit direction, in points."""
    assert smart.entry_price is not None
    entry = nearest_point(smart.entry_price)
    return entry + smart.offset if smart.side is Side.BUY else entry - smart.offset


def start_mark(smart: SmartOrder) -> None:
    """Start the mark of a plan that trails at its entry price, which may be beyond its activation price."""
    if smart.callback is None or smart.entry_price is None:
        smart.mark = None
        return
    smart.mark = nearest_point(smart.entry_price)
    if smart.activation is not None and _is_beyond(smart.side, smart.mark, smart.activation):
        smart.activated = True


def _is_beyond(side: Side, price: int, level: int) -> bool:
    return price >= level if side is Side.BUY else price <= level


def change_callback(smart: SmartOrder, callback: Fraction | None) -> None:
    """Change the callback rate of a plan whose mark is written down: a wider one, or none, loosens no stop."""
    had = smart.callback is not None
    smart.trail_floor = tighter(smart.side, smart.trail_floor, trailing_stop(smart))
    smart.callback = callback
    if callback is None:
        smart.mark = None
    elif not had:
        start_mark(smart)


def move_to_break_even(smart: SmartOrder) -> bool:
    """Move the stop to the entry price plus offset where break-even is on and level 1 filled; return whether it moved."""
    if not smart.break_even or not level_one_filled(smart):
        return False
    stop = tighter(smart.side, smart.break_even_stop, break_even_price(smart))
    if smart.break_even_triggered and stop == smart.break_even_stop:
        return False
    smart.break_even_stop = stop
    smart.break_even_triggered = True
    return True


def break_even_fits(smart: SmartOrder, entry: int) -> bool:
    """Return whether break-even, from an entry at these points, stays on the losing side of level 1 (§9.9)."""
    if not smart.break_even or not smart.levels:
        return True
    first = smart.levels[0].price
    if smart.side is Side.BUY:
        return entry + smart.offset < first
    return entry - smart.offset > first


def is_reached(side: Side, stop: int | None, price: int) -> bool:
    """Return whether a price, in points, at which this side closes has reached a stop."""
    if stop is None:
        return False
    return price <= stop if side is Side.BUY else price >= stop


def level_one_filled(smart: SmartOrder) -> bool:
    """Return whether the first level has been filled."""
    return bool(smart.levels) and smart.levels[0].status is LevelStatus.FILLED


def open_levels_volume(smart: SmartOrder) -> int:
    """Return the volume, in units, that the open levels have still to close."""
    return sum(level.volume for level in smart.levels if level.status in OPEN_LEVEL)


def cut_levels(smart: SmartOrder) -> None:
    """Cut open levels to what is left of the plan, last first; a level cut to nothing is CANCELLED."""
    excess = open_levels_volume(smart) - smart.remaining
    for level in reversed(smart.levels):
        if excess <= 0:
            return
        if level.status not in OPEN_LEVEL:
            continue
        cut = min(excess, level.volume)
        level.volume -= cut
        excess -= cut
        if level.volume == 0:
            advance(level, "status", LevelStatus.CANCELLED)


def shown_stop(position: Position, smart: SmartOrder | None) -> int | None:
    """Return the stop loss that a position shows: its own, or its smart order's effective stop."""
    return position.sl if smart is None else effective_stop(smart)
