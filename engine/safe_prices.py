"""The prices between which an account's margin call and stop-out stay as they are: closed-form bounds in integers.

What equity may lose before a limit is shared among the prices that can hurt it, each gets as many points as its share
pays for. Bounds follow from the limit, not from where the price stands: one that was crossed and is armed again is as
far away as it can be, and for an account of one symbol in its own currency it is the very price at which something
happens. Where a conversion or a reservation makes equity bend, the box that results is checked as a whole, and made
smaller until it holds. What is uncertain by a rounding is unsafe.
"""

from collections.abc import Set
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

from engine.enums import Side, StopOutUnit
from engine.equity_range import Box, Span, Unbounded, equity_range, holding_range
from engine.margin import reservation, reserving_orders
from engine.rates import conversion_path
from engine.records import Account, Order
from engine.settings import Group, currency_digits
from engine.state import State
from engine.valuation import holdings_of, is_fully_hedged, positions_margin

_FINE = 20  # bits below a minor unit in which points are counted
_TRIES = 8
_WIDEST = 3  # a conversion's rate is followed over an eighth of its price at most


class End(IntEnum):
    """Which price has a bound, and on which side of it."""

    BID_FALLS = 0  # crossed when bid < bound
    BID_RISES = 1
    ASK_FALLS = 2
    ASK_RISES = 3

    @property
    def is_upper(self) -> bool:
        """Return whether it is crossed by a rise."""
        return self in _UPPER


_UPPER = frozenset({End.BID_RISES, End.ASK_RISES})

Bounds = list[tuple[str, End, int]]  # symbol, which end, the last raw price in points that is inside
Room = dict[tuple[str, End], int]  # points to go


class Limits(NamedTuple):
    """Equities in minor units: nothing happens while it is above `low` and at most `high`; None: without limit."""

    low: int | None
    high: int | None


def find_bounds(state: State, login: int, *, parked: bool) -> Bounds | None:
    """Return bounds inside which neither margin call nor stop-out (unless `parked`) changes; None: it may right now."""
    orders = reserving_orders(state, login)
    account = state.accounts[login]
    try:
        least, most = equity_range(state, login)
        margin = positions_margin(state, login) + sum(reservation(state, order) for order in orders)
        limits = _limits(state, account, (margin, margin), parked=parked)
        if limits is None or not _is_inside(limits, least, most):
            return None
        down, up, bent = _exposures(state, account, limits, orders)
        room: Room = {}
        if limits.low is not None:
            _share(state, room, down, least - limits.low - 1, bent)
        if limits.high is not None:
            _share(state, room, up, limits.high - most, bent)
        if bent and not _shrink(state, account, room, bent, orders, parked=parked):
            return None
    except Unbounded:
        return None
    return _bounds(state, room)


def _limits(state: State, account: Account, margins: tuple[int, ...], *, parked: bool) -> Limits | None:
    """Return between which equities nothing changes while margin stays in a range; None: a margin of 0 ends a call."""
    group = state.groups[account.group]
    if margins[0] <= 0 < margins[1]:
        margins = (*margins, 1)
    lows = [] if parked else [_stop_out_at(state, account, group, margin) for margin in margins]
    call = group.margin_call
    calls = [call.numerator * m // (100 * call.denominator) for m in margins if m > 0]
    if account.margin_call:
        if margins[0] <= 0:
            return None
        return Limits(_greatest(lows), min(calls))
    return Limits(_greatest([*lows, *calls]), None)


def _greatest(limits: list[int | None]) -> int | None:
    return max((limit for limit in limits if limit is not None), default=None)


def _stop_out_at(state: State, account: Account, group: Group, margin: int) -> int | None:
    """Return the greatest equity at which the stop-out is reached (§8.1), None where it never is."""
    limit = group.stop_out
    if margin <= 0:
        spared = group.skip_fully_hedged and is_fully_hedged(state, account.login)
        return None if spared else -1
    if group.stop_out_unit is StopOutUnit.MONEY:
        return int(limit * 10 ** currency_digits(account.currency) // 1)
    return limit.numerator * margin // (100 * limit.denominator)


def _is_inside(limits: Limits, least: int, most: int) -> bool:
    return (limits.low is None or least > limits.low) and (limits.high is None or most <= limits.high)


def _exposures(
    state: State, account: Account, limits: Limits, orders: list[Order]
) -> tuple[Room, Room, set[str]]:
    """Return what a point costs (in parts of 2^-20 minor units) of what lowers equity and of what raises it.

    Third: the symbols whose quotes are factors of money, by conversion.
    """
    group = state.groups[account.group]
    box = Box(state, group, {})
    down: Room = {}
    up: Room = {}
    bent: dict[str, int] = {}
    for name, holding in holdings_of(state, account.login).items():
        symbol = state.symbols[name]
        if name not in state.quotes:
            continue
        path = conversion_path(state, symbol.profit_currency, account.currency)
        for side, is_buy, bad, good in (
            (holding.buys, True, End.BID_FALLS, End.BID_RISES),
            (holding.sells, False, End.ASK_RISES, End.ASK_FALLS),
        ):
            if side.count:
                num, den = box.side_rates(symbol, account.currency, is_buy=is_buy).loss[1]
                cost = -(-((side.volume * holding.unit[0] * num) << _FINE) // (holding.unit[1] * den))
                down[name, bad] = cost
                up[name, good] = cost
        if path:
            amount = max(abs(end) for end in holding_range(box, symbol, holding, account.currency))
            for pair, _ in path:
                bent[pair] = bent.get(pair, 0) + amount
    for order in orders:
        amount = reservation(state, order) * max(group.margin_call, abs(group.stop_out)).__ceil__() // 100
        for pair, _ in (
            conversion_path(state, state.symbols[order.symbol].margin_currency, account.currency) or ()
        ):
            bent[pair] = bent.get(pair, 0) + amount
    for pair, amount in bent.items():
        cost = (amount << _FINE) // max(abs(state.quotes[pair].bid), 1) + 1
        for exposures in (down, up):
            for end in (End.BID_FALLS, End.ASK_RISES):
                exposures[pair, end] = exposures.get((pair, end), 0) + cost
    return down, up, set(bent)


def _share(state: State, room: Room, exposures: Room, slack: int, bent: Set[str]) -> None:
    """Let each price go as far as its share of the slack (minor units) pays for.

    One whose points cost less goes further, but not by so much that the others may hardly move: shares grow with the
    two-thirds power of what a like move of each price costs.
    """
    if bent:
        slack -= slack >> 4  # for what bends
    if len(exposures) == 1:
        shares = dict.fromkeys(exposures, 1)
    else:
        shares = {
            (name, end): 1 << 2 * (cost * abs(state.quotes[name].bid)).bit_length() // 3
            for (name, end), cost in exposures.items()
        }
    total = sum(shares.values())
    for key, cost in exposures.items():
        points = ((slack * shares[key]) << _FINE) // (total * max(cost, 1))
        if key[0] in bent:
            points = min(points, abs(state.quotes[key[0]].bid) >> _WIDEST)
        room[key] = min(points, room.get(key, points))


def _shrink(
    state: State, account: Account, room: Room, bent: Set[str], orders: list[Order], *, parked: bool
) -> bool:
    """Make the box that the room spans smaller until nothing happens anywhere inside; return False where it always may."""
    for _ in range(_TRIES):
        if _is_safe(state, account, _spans(state, room, bent), orders, parked=parked):
            return True
        for key, points in room.items():
            room[key] = points // 2
    return _is_safe(state, account, {}, orders, parked=parked) and not any(room.values())


def _is_safe(
    state: State, account: Account, spans: dict[str, Span], orders: list[Order], *, parked: bool
) -> bool:
    try:
        least, most = equity_range(state, account.login, spans)
        margins = _margins(state, account, spans, orders)
    except Unbounded:
        return False
    limits = _limits(state, account, margins, parked=parked)
    return limits is not None and _is_inside(limits, least, most)


def _margins(state: State, account: Account, spans: dict[str, Span], orders: list[Order]) -> tuple[int, int]:
    """Return the least and the greatest margin inside a box."""
    least = most = positions_margin(state, account.login)
    box = Box(state, state.groups[account.group], spans)
    for order in orders:
        source = state.symbols[order.symbol].margin_currency
        if conversion_path(state, source, account.currency) is None:
            continue  # it reserves nothing
        low, high = box.rate(source, account.currency, ask=order.type.side is Side.BUY)
        least += reservation(state, order, Fraction(*low))
        most += reservation(state, order, Fraction(*high))
    return least, most


def _spans(state: State, room: Room, bent: Set[str]) -> dict[str, Span]:
    """Return the raw quotes' intervals; of what converts, bid and ask may be anywhere between its two ends."""
    spans: dict[str, Span] = {}
    for name in {name for name, _ in room}:
        quote = state.quotes[name]
        low_bid, high_bid, low_ask, high_ask = (room.get((name, end), 0) for end in End)
        if name in bent:
            low, high = quote.bid - low_bid, quote.ask + high_ask
            spans[name] = (low, high, low, high)
        else:
            spans[name] = (
                quote.bid - low_bid,
                quote.bid + high_bid,
                quote.ask - low_ask,
                quote.ask + high_ask,
            )
    return spans


def _bounds(state: State, room: Room) -> Bounds:
    bounds: Bounds = []
    for (name, end), points in room.items():
        quote = state.quotes[name]
        price = quote.bid if end in (End.BID_FALLS, End.BID_RISES) else quote.ask
        price = price + points if end.is_upper else price - points
        if price > 0 or end.is_upper or state.symbols[name].allow_negative:
            bounds.append((name, end, price))
    return bounds
