"""The arithmetic of smart orders (rules section 9): level volumes, stops, what is left.

Pure functions over a SmartOrder; stages/smart_exits.py and handlers/smart_*.py act on what they say, and the doors
use them for previews.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from engine.codes import Code
from engine.enums import LevelStatus, Side
from engine.lifecycle import OPEN_LEVEL, advance
from engine.records import Level, Position, SmartOrder, lots_text
from engine.refusals import Refusal, refuse
from engine.rounding import fraction_text, round_half_up, to_text
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


class Rungs(NamedTuple):
    """The levels of a plan side by side: prices in points, percentages and their texts, volumes in units."""

    prices: Sequence[int]
    percents: Sequence[Fraction]
    volumes: Sequence[int]
    texts: Sequence[str]


def levels_check(symbol: Symbol, side: Side, rungs: Rungs, *, has_stop: bool) -> Refusal | None:
    """Make an exit plan: at most 20 levels; each percentage above 0; together at most 100; below 100 a stop is needed.

    No level below volume_min; each level farther than the one before.
    """
    prices, percents, volumes, texts = rungs
    if not prices and not has_stop:
        return refuse(Code.INVALID_LEVELS, "no_exit")
    if len(prices) > MAX_LEVELS:
        number = MAX_LEVELS + 1
        return refuse(Code.INVALID_LEVELS, "too_many", at_level=number, count=len(prices), most=MAX_LEVELS)
    for number, percent in enumerate(percents, start=1):
        if percent <= 0:
            text = texts[number - 1]
            return refuse(Code.INVALID_LEVELS, "percent", at_level=number, percent=text, level=number)
    total = sum(percents, Fraction(0))
    if total > HUNDRED:
        return refuse(Code.INVALID_LEVELS, "above_100", total=fraction_text(total, 2))
    if total < HUNDRED and not has_stop:
        return refuse(Code.INVALID_LEVELS, "no_stop", total=fraction_text(total, 2))
    number = _faulty_level(symbol, side, prices, volumes)
    if not number:
        return None
    least = lots_text(symbol.volume_min)
    return refuse(Code.INVALID_LEVELS, "level", at_level=number, least=least, level=number)


def _faulty_level(symbol: Symbol, side: Side, prices: Sequence[int], volumes: Sequence[int]) -> int:
    """Return the number of the level that is too small or not farther than the one before, 0 where all are well."""
    for number, volume in enumerate(volumes, start=1):
        if volume < symbol.volume_min:
            return number
    forward = prices if side is Side.BUY else [-price for price in prices]
    for number in range(1, len(forward)):
        if forward[number] <= forward[number - 1]:
            return number + 1
    return 0


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


def break_even_check(smart: SmartOrder, entry: int) -> Refusal | None:
    """Stay on the losing side of level 1, where break-even goes from an entry at these points (§9.9)."""
    if not smart.break_even or not smart.levels:
        return None
    first, buy = smart.levels[0].price, smart.side is Side.BUY
    goes_to = entry + smart.offset if buy else entry - smart.offset
    if goes_to < first if buy else goes_to > first:
        return None
    price, level = to_text(goes_to, smart.digits), to_text(first, smart.digits)
    return refuse(Code.INVALID_STOPS, "break_even", price=price, level=level, side=smart.side.value)


def reached_check(smart: SmartOrder, price: int) -> Refusal | None:
    """Have no stop that a price, in points, at which its side closes has reached already."""
    stop = effective_stop(smart)
    if stop is None or (price > stop if smart.side is Side.BUY else price < stop):
        return None
    at, base = to_text(stop, smart.digits), to_text(price, smart.digits)
    return refuse(Code.INVALID_STOPS, "reached", stop=at, base=base, side=smart.side.value)


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
