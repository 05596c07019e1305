"""Smart orders after their creation: entry, levels, stops, marks, and the position's fate (rules section 9)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tests.oracle.numbers import rounded

if TYPE_CHECKING:
    from tests.oracle.book import Book, Position, Smart


def touch(book: Book, plan: Smart) -> None:
    """Raise the version, once a tick or command."""
    if id(plan) not in book.touched:
        book.touched.add(id(plan))
        plan.version += 1


def stop_of(plan: Smart) -> Fraction | None:
    """Return the effective stop: the tightest of stop loss, trailing and break-even."""
    stops = [s for s in (plan.stop_loss, plan.trail_stop, plan.even_stop) if s is not None]
    if not stops:
        return None
    return max(stops) if plan.side == "buy" else min(stops)


def show_stop(plan: Smart) -> None:
    """Let the position show the effective stop."""
    if plan.position is not None and plan.is_open:
        plan.position.sl, plan.position.tp = stop_of(plan), None


def entered(book: Book, plan: Smart, position: Position, price: Fraction) -> None:
    """The entry has filled, or a position is taken over: the plan is active."""
    plan.state, plan.position, plan.entry_price = "ACTIVE", position, price
    position.smart = plan
    if plan.callback is not None:
        plan.mark = rounded(price, book.symbols[plan.symbol].digits)
        plan.is_trailing = plan.activation is None or is_at(plan, plan.mark)
        tighten_trail(book, plan)
    if position.volume < plan.remaining:  # the entry has reversed a netting position: only the rest is open
        shrunk(book, plan)
    show_stop(plan)
    touch(book, plan)


def entry_lost(book: Book, plan: Smart) -> None:
    """The entry was canceled, expired or failed."""
    if plan.state == "PENDING":
        end(book, plan, "CANCELLED")


def end(book: Book, plan: Smart, state: str) -> None:
    """End the plan: levels still open are cancelled, the position is nobody's."""
    plan.state = state
    for level in plan.levels:
        if level.status == "PENDING":
            level.status = "CANCELLED"
    if state in ("CLOSED", "STOPPED"):
        plan.remaining = Fraction(0)
    if plan.position is not None:
        plan.position.sl = plan.position.tp = None
        plan.position.smart = None
    book.requests = [r for r in book.requests if not (r.kind in ("level", "stop") and r.subject[0] is plan)]
    touch(book, plan)


def shrunk(book: Book, plan: Smart) -> None:
    """The position has become smaller by another hand: cut the levels to what is left, last first."""
    left = plan.position.volume
    if not left:
        end(book, plan, "CLOSED")
        return
    if plan.remaining > left:
        plan.remaining = left
        touch(book, plan)
    excess = sum((lv.volume for lv in plan.levels if lv.status == "PENDING"), Fraction(0)) - plan.remaining
    for index in reversed(range(len(plan.levels))):
        level = plan.levels[index]
        if level.status == "PENDING" and excess > 0:
            cut = min(level.volume, excess)
            level.volume -= cut
            excess -= cut
            if not level.volume:
                level.status = "CANCELLED"
                book.requests = [
                    r for r in book.requests if not (r.kind == "level" and r.subject == (plan, index))
                ]


def level_filled(book: Book, plan: Smart, index: int) -> None:
    """A level has closed its share: count it, move the stop to break-even after the first."""
    level = plan.levels[index]
    level.status = "FILLED"
    plan.remaining -= level.volume
    plan.state = "PARTIALLY_CLOSED"
    if not plan.remaining or not plan.position.volume:
        end(book, plan, "CLOSED")  # and with it the stop: there is nothing left to move
    else:
        move_to_even(book, plan)
    show_stop(plan)
    touch(book, plan)


def move_to_even(book: Book, plan: Smart) -> None:
    """Move the stop to the entry price plus offset where level 1 is filled and break-even is on."""
    if plan.offset is None or not plan.levels or plan.levels[0].status != "FILLED":
        return
    symbol = book.symbols[plan.symbol]
    away = plan.offset * symbol.point
    price = rounded(plan.entry_price + (away if plan.side == "buy" else -away), symbol.digits)
    plan.even_stop = _tighter(plan, plan.even_stop, price)


def tighten_trail(book: Book, plan: Smart) -> None:
    """Let the trailing stop follow the mark; it never loosens."""
    if not plan.is_trailing:
        return
    plan.trail_stop = _tighter(plan, plan.trail_stop, trailed(book, plan, plan.mark))


def trailed(book: Book, plan: Smart, mark: Fraction) -> Fraction:
    """Return the stop that trails a mark."""
    distance = abs(mark) * plan.callback / 100
    price = mark - distance if plan.side == "buy" else mark + distance
    return rounded(price, book.symbols[plan.symbol].digits)


def is_at(plan: Smart, price: Fraction) -> bool:
    """Return whether a price has come to the activation price, or beyond it."""
    return price >= plan.activation if plan.side == "buy" else price <= plan.activation


def move_mark(book: Book, plan: Smart, price: Fraction) -> None:
    """Let the mark follow the close price: the highest bid of a long, the lowest ask of a short."""
    if plan.callback is None:
        return
    is_long = plan.side == "buy"
    if not plan.is_trailing:
        if not is_at(plan, price):
            return
        plan.is_trailing = True
    plan.mark = max(plan.mark, price) if is_long else min(plan.mark, price)
    tighten_trail(book, plan)
    show_stop(plan)


def _tighter(plan: Smart, old: Fraction | None, new: Fraction) -> Fraction:
    if old is None:
        return new
    return max(old, new) if plan.side == "buy" else min(old, new)
