"""Stage 1: is the tick a quote? Refusals in their order, rounding, the deviation filter (rules section 2)."""

from fractions import Fraction

from engine.core import Core
from engine.enums import TickRefusal
from engine.rates import BidAsk
from engine.records import Quote
from engine.rounding import parse_price, round_half_up
from engine.settings import Symbol

Price = int | Fraction
_pair = tuple.__new__  # half the time of the constructor, once a tick
_ZEROS = "0000000000"


def read_points(text: str, digits: int) -> Price | None:
    """Return a price in points, exact (a Fraction where it is off the grid); None: not a number.

    An exponent is read (1.1e0), and is bounded before it is expanded.
    """
    whole, dot, part = text.partition(".")
    if (
        len(whole) <= 25
        and len(part) <= digits
        and whole.isdigit()
        and (part.isdigit() or not dot)
        and text.isascii()
    ):
        return int(whole + part + _ZEROS[: digits - len(part)])
    number = parse_price(text)
    if number is None:
        return None
    scaled = number * 10**digits
    on_grid: Price = scaled.numerator if scaled.denominator == 1 else scaled
    return on_grid


def judge(core: Core, symbol: Symbol, bid_text: str, ask_text: str, time_ms: int) -> BidAsk | TickRefusal:
    """Return a tick's prices in points, rounded, or why it is refused; a refused tick moves no price.

    Causes in order: invalid, crossed, stale, filtered. A deviating tick counts in the row of its direction.
    """
    result = _judge(core, symbol, bid_text, ask_text, time_ms)
    if isinstance(result, TickRefusal) and symbol.name in core.state.quotes:
        core.state.quotes[symbol.name].note(refused=True)
    return result


def _judge(core: Core, symbol: Symbol, bid_text: str, ask_text: str, time_ms: int) -> BidAsk | TickRefusal:
    digits = symbol.digits
    bid, ask = read_points(bid_text, digits), read_points(ask_text, digits)
    if bid is None or ask is None or ((bid <= 0 or ask <= 0) and not symbol.allow_negative):
        return TickRefusal.INVALID
    if ask < bid:
        return TickRefusal.CROSSED
    last = core.state.quotes.get(symbol.name)
    if last is not None:
        if time_ms < last.time_ms:
            return TickRefusal.STALE
        if symbol.filter_points and not _passes_filter(symbol, last, bid + ask):
            return TickRefusal.FILTERED
    low = bid if type(bid) is int else round_half_up(Fraction(bid))
    high = ask if type(ask) is int else round_half_up(Fraction(ask))
    return _pair(BidAsk, (low, high))


def accept(core: Core, symbol: Symbol, prices: BidAsk, time_ms: int) -> Quote:
    """Make prices that were judged the symbol's quote."""
    last = core.state.quotes.get(symbol.name)
    if last is None:
        last = core.state.quotes[symbol.name] = Quote(*prices, time_ms)
    last.bid, last.ask, last.time_ms, last.deviating = *prices, time_ms, 0
    last.seq += 1
    last.arrived_ms = time_ms
    last.note(refused=False)
    return last


def _passes_filter(symbol: Symbol, last: Quote, doubled_mid: Price) -> bool:
    """Return whether the mid is near the last one, or enough consecutive ticks deviate the same way."""
    move = Fraction(doubled_mid) - (last.bid + last.ask)
    if abs(move) <= 2 * symbol.filter_points:
        return True
    way = 1 if move > 0 else -1
    last.deviating = last.deviating + way if last.deviating * way > 0 else way
    return abs(last.deviating) >= symbol.filter_ticks
