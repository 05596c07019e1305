"""The trigger oracle: every level fires at the first accepted tick at or through it, at the rule's price, once.

It walks the ticks that the batches say they processed and knows SL, TP, pending orders and smart orders from the
requests in the journal alone. Inside the batch that placed, changed or ended something the order of ticks and commands
is not told by the rows, so only ticks of the batches between are held against it; whatever fired names its own tick
and is judged at that. It shares no formula with the engine.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.faults.checks import History, rows
from tests.faults.log import SentTick

POINT = Decimal("0.00001")
ZERO = Decimal(0)


@dataclass(slots=True)
class Fired:
    """An automatic deal: its tick by number, what fired, level and price."""

    tick: int
    trigger: str
    level: Decimal
    price: Decimal
    batch: int
    ticket: int


@dataclass
class Oracle:
    """Ticks by symbol, and deals by what they belong to."""

    history: History
    by_symbol: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    breaches: list[str] = field(default_factory=list)
    judged: int = 0

    def __post_init__(self) -> None:
        """Keep the accepted ticks of each symbol."""
        for number, tick in enumerate(self.history.ticks):
            if tick.good:
                self.by_symbol[tick.symbol].append(number)

    def between(self, symbol: str, begin: int, end: int) -> Iterable[tuple[int, SentTick]]:
        """Yield the accepted ticks of a symbol from one place to another."""
        numbers = self.by_symbol[symbol]
        for number in numbers[bisect_left(numbers, begin) : bisect_left(numbers, end)]:
            yield number, self.history.ticks[number]

    def number_of(self, told: dict[str, Any], low: int, high: int) -> int | None:
        """Return which tick between two places evidence names, None where there is none with its prices.

        A tick that was stamped ahead of the desk's clock counts as arriving then, and is shown with that time.
        """
        same = [
            (tick.time_ms - told["time_ms"], number)
            for number, tick in self.between(told["symbol"], low, high)
            if (tick.bid, tick.ask) == (Decimal(told["bid"]), Decimal(told["ask"]))
            and tick.time_ms >= told["time_ms"]
        ]
        return min(same)[1] if same else None

    def fired(self, deal: dict[str, Any]) -> Fired | None:
        """Return what an automatic deal says of itself, checked against its batch; None for one by hand."""
        found = deal["evidence"]
        if not found or "trigger" not in found:
            return None
        told = found["tick"]
        batch = self.history.batch_of(deal["xmin"])
        number = self.number_of(told, batch.low, batch.high)
        if number is None:
            self.breaches.append(f"deal {deal['ticket']} names a tick that is none of its batch: {told}")
            return None
        self.judged += 1
        return Fired(
            number,
            found["trigger"],
            Decimal(found["level"]),
            Decimal(deal["price"]),
            batch.seq,
            deal["ticket"],
        )


def judge(history: History) -> tuple[list[str], int]:
    """Return a line for every breach, and how many automatic deals were judged."""
    oracle = Oracle(history)
    names = (
        "ticket",
        '"order"',
        "position",
        "side",
        "direction",
        "price",
        "reason",
        "evidence::text",
        "xmin::text",
    )
    keys = ("ticket", "order", "position", "side", "direction", "price", "reason", "evidence", "xmin")
    deals = [dict(zip(keys, row, strict=True)) for row in
             rows(f"SELECT {', '.join(names)} FROM positions_deal ORDER BY ticket")]  # fmt: skip
    for deal in deals:
        deal["evidence"] = json.loads(deal["evidence"]) if deal["evidence"] else None
    opened = {deal["position"]: deal for deal in deals if deal["direction"] == "in"}
    closed = defaultdict(list)
    for deal in deals:
        if deal["direction"] == "out":
            closed[deal["position"]].append(deal)
    changes = _changes(history)
    for ticket, symbol, plan in rows("SELECT ticket, symbol, smart FROM positions_position ORDER BY ticket"):
        if plan is None:
            _position(oracle, ticket, symbol, opened[ticket], closed[ticket], changes[ticket])
        else:
            _plan(oracle, plan, symbol, opened[ticket], closed[ticket])
    _pendings(oracle, opened)
    return oracle.breaches, oracle.judged


def _changes(history: History) -> dict[int, list[tuple[int, int, Decimal | None, Decimal | None]]]:
    """Return for each position (low, high of the batch's ticks, sl, tp) of every request that set its levels."""
    found: dict[int, list[Any]] = defaultdict(list)
    for name, ticket, payload, xmin in rows(
        "SELECT name, ticket, payload::text, xmin::text FROM dealing_command"
        " WHERE name IN ('PlaceOrder', 'ModifyPosition') AND code = '' AND status = 'done' ORDER BY id"
    ):
        payload = json.loads(payload)
        batch = history.batch_of(xmin)
        position = ticket if name == "PlaceOrder" else payload["position"]
        sl, tp = (None if payload.get(key) is None else Decimal(payload[key]) for key in ("sl", "tp"))
        if name == "ModifyPosition" and found[position]:
            _, _, old_sl, old_tp = found[position][-1]
            sl, tp = old_sl if sl is None else sl or None, old_tp if tp is None else tp or None
        found[position].append((batch.low, batch.high, sl, tp))
    return found


def _holds(kind: str, side: str, tick: SentTick, level: Decimal) -> bool:
    """Return whether a tick is at or through a level of a position of that side."""
    price = tick.bid if side == "buy" else tick.ask
    return price >= level if (kind == "take_profit") == (side == "buy") else price <= level


def _position(
    oracle: Oracle, ticket: int, symbol: str, opening: dict[str, Any], closing: list[dict[str, Any]],
    changes: list[tuple[int, int, Decimal | None, Decimal | None]],
) -> None:  # fmt: skip
    """Judge SL and TP of a position that no plan owns."""
    history, side = oracle.history, opening["side"]
    first = history.batch_of(opening["xmin"])
    ends = history.batch_of(closing[-1]["xmin"]) if closing else None
    fired = oracle.fired(closing[-1]) if closing else None
    over = fired.tick if fired else ends.low if ends else len(history.ticks)
    # Levels count from the opening on, or from the change that set them.
    spans = [(max(low, first.low), max(high, first.high), sl, tp) for low, high, sl, tp in changes]
    for place, (_, begin, sl, tp) in enumerate(spans):
        end = min(over, spans[place + 1][0]) if place + 1 < len(spans) else over
        for number, tick in oracle.between(symbol, begin, end):
            for kind, level in (("stop_loss", sl), ("take_profit", tp)):
                if level is not None and _holds(kind, side, tick, level):
                    oracle.breaches.append(
                        f"position {ticket}: {kind} {level} was reached at tick {number} {tick.bid}/{tick.ask} and"
                        f" did not close it; closed at {fired}"
                    )
                    return
    if fired is None or fired.trigger not in ("stop_loss", "take_profit"):
        return
    tick = oracle.history.ticks[fired.tick]
    known = {sl if fired.trigger == "stop_loss" else tp for low, _, sl, tp in spans if low <= fired.tick}
    if fired.level not in known or not _holds(fired.trigger, side, tick, fired.level):
        oracle.breaches.append(f"position {ticket}: {fired} at {tick}, levels {known}")
    market = tick.bid if side == "buy" else tick.ask
    price = market if fired.trigger == "stop_loss" else fired.level
    if fired.price != price:
        oracle.breaches.append(f"position {ticket}: closed at {fired.price}, the rules say {price}")


def _pendings(oracle: Oracle, opened: dict[int, dict[str, Any]]) -> None:
    """Judge limit and stop orders: activated at the first tick that reaches them, or ended before."""
    history = oracle.history
    for ticket, kind, symbol, price, status, wrote, xmin in rows(
        "SELECT o.ticket, o.type, o.symbol, (c.payload->>'price')::numeric, o.status, o.xmin::text, c.xmin::text"
        " FROM orders_order o JOIN dealing_command c ON c.ticket = o.ticket AND c.name = 'PlaceOrder'"
        " WHERE o.type LIKE '%%\\_%%' AND c.code = ''"
    ):
        buy, limit = kind.startswith("buy"), kind.endswith("limit")
        deal = opened.get(ticket)
        fired = oracle.fired(deal) if deal else None
        over = fired.tick if fired else len(history.ticks)
        if status == "canceled":
            over = history.batch_of(wrote).low
        for number, tick in oracle.between(symbol, history.batch_of(xmin).high, over):
            if _reached(buy, limit, tick, price):
                oracle.breaches.append(
                    f"order {ticket} {kind} {price} was reached at tick {number} {tick}; {fired}"
                )
                break
        if fired is not None:
            tick = history.ticks[fired.tick]
            market = tick.ask if buy else tick.bid
            if not _reached(buy, limit, tick, price) or fired.price != (price if limit else market):
                oracle.breaches.append(f"order {ticket} {kind} {price}: {fired} at {tick}")


def _reached(buy: bool, limit: bool, tick: SentTick, price: Decimal) -> bool:
    market = tick.ask if buy else tick.bid
    return market <= price if buy == limit else market >= price


def _plan(
    oracle: Oracle, plan: int, symbol: str, opening: dict[str, Any], closing: list[dict[str, Any]]
) -> None:
    """Judge the levels and the stop of a smart order that entered at the market.

    The mark of a trailing stop is known between two bounds, because ticks of the opening's batch may stand before
    or after it: the stop must have fired where even the lower mark says so, and may only where the higher one does.
    """
    history = oracle.history
    asked = rows("SELECT payload::text FROM dealing_command WHERE smart = %s AND name = 'PlaceSmart'", plan)
    payload = json.loads(asked[0][0])
    sign = 1 if opening["side"] == "buy" else -1
    first = history.batch_of(opening["xmin"])
    entry = Decimal(opening["price"])
    fired = [(oracle.fired(deal), deal) for deal in closing]
    by_hand = [deal for told, deal in fired if told is None]
    over = history.batch_of(by_hand[0]["xmin"]).low if by_hand else len(history.ticks)
    at = {told.trigger: told for told, _ in fired if told is not None}
    levels = {f"level {n}": Decimal(price) for n, (price, _) in enumerate(payload["take_profits"], start=1)}
    fixed = Decimal(payload["stop_loss"])
    callback = Decimal(payload["callback"]) if payload.get("callback") else None
    marks = [entry, entry]  # at least, at most; forward
    even = False
    for number, tick in oracle.between(symbol, first.low, over):
        sure = number >= first.high
        price = tick.bid if sign > 0 else tick.ask
        low, high = (_stop(sign, fixed, callback, mark, entry, payload, even) for mark in marks)
        for name, level in levels.items():
            if sure and name not in at and (price - level) * sign >= 0:
                oracle.breaches.append(
                    f"plan {plan}: {name} {level} was reached at tick {number} {tick}; {at}"
                )
                return
            told = at.get(name)
            if told and told.tick == number and ((price - level) * sign < 0 or told.price != level):
                oracle.breaches.append(f"plan {plan}: {name} {level} fired at {tick} for {told.price}")
            if sure and told and told.tick > number and (price - level) * sign >= 0:
                oracle.breaches.append(
                    f"plan {plan}: {name} {level} was reached at tick {number}, fired at {told}"
                )
        stop = at.get("stop")
        if stop and stop.tick == number:
            if (price - high) * sign > 0 or stop.price != price:
                oracle.breaches.append(
                    f"plan {plan}: stopped at {tick} for {stop.price}, its stop was at most {high}"
                )
            return
        if at and max(told.tick for told in at.values()) == number and len(at) == len(levels):
            return  # every level is filled
        if sure and (price - low) * sign <= 0:
            oracle.breaches.append(f"plan {plan}: its stop {low} was reached at tick {number} {tick}; {at}")
            return
        if (price - marks[1]) * sign > 0:
            marks[1] = price
        if sure and (price - marks[0]) * sign > 0:
            marks[0] = price
        one = at.get("level 1")
        even = even or bool(payload.get("break_even") and one and one.tick == number)


def _stop(
    sign: int, fixed: Decimal, callback: Decimal | None, mark: Decimal, entry: Decimal, payload: dict[str, Any],
    even: bool,
) -> Decimal:  # fmt: skip
    """Return the tightest of stop loss, trailing and break-even stop."""
    stops = [fixed]
    if callback is not None:
        stops.append((mark * (1 - sign * callback / 100)).quantize(POINT, ROUND_HALF_UP))
    if even:
        stops.append(entry + sign * payload["offset"] * POINT)
    return max(stops) if sign > 0 else min(stops)
