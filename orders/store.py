"""Orders, smart orders and the dealers' queue: rows to the engine's records and back.

`load` reads what still lives in a shard, `record` writes what a batch changed, in the caller's transaction and
one or two statements a table. Promises: a record that was written is read back equal. Only the desk calls it.
"""

from fractions import Fraction
from typing import Any

from dealing.columns import (
    VOLUME_DIGITS,
    Cursor,
    Table,
    decimal_text,
    exact_text,
    fraction_text,
    json_of,
    json_text,
    moment_text,
    ms_of,
    optional_fraction_of,
    optional_moment_text,
    optional_text,
    optional_units,
    points_text,
    units_of,
    volume_text,
)
from dealing.loading import load_each
from engine.enums import EntryType, LevelStatus, OrderReason, OrderStatus, RequestKind, Side, SmartState
from engine.order_types import OrderType
from engine.records import Level, Offer, Order, Request, SmartOrder

ORDERS = Table(
    "orders_order",
    ("ticket",),
    {
        "ticket": "bigint", "login": "bigint", "symbol": "text", "type": "text", "volume": "numeric",
        "status": "text", "reason": "text", "created_at": "timestamptz", "modified_at": "timestamptz",
        "price": "numeric", "limit_price": "numeric", "sl": "numeric", "tp": "numeric",
        "expires_at": "timestamptz", "expires_day": "bool", "leverage": "bigint",
        "requested_price": "numeric", "modified_price": "numeric", "position": "bigint", "smart": "bigint",
        "error": "text", "comment": "text", "client_id": "text", "actor": "text", "digits": "int",
        "request": "bigint", "gen": "bigint", "deletes_sl": "bool", "deletes_tp": "bool",
        "expected_price": "numeric", "deviation": "bigint", "requote_price": "numeric",
        "requote_expires_at": "timestamptz",
    },
)  # fmt: skip
SMARTS = Table(
    "orders_smartorder",
    ("id",),
    {
        "id": "bigint", "login": "bigint", "symbol": "text", "side": "text", "volume": "numeric",
        "entry": "text", "state": "text", "created_at": "timestamptz", "modified_at": "timestamptz",
        "order": "bigint", "position": "bigint", "entry_price": "numeric", "entry_price_exact": "text",
        "stop_loss": "numeric", "callback": "numeric", "activation": "numeric", "activated": "bool",
        "break_even": "bool", "offset": "bigint", "break_even_stop": "numeric",
        "break_even_triggered": "bool", "trail_floor": "numeric", "mark": "numeric", "mark_seq": "bigint",
        "remaining": "numeric",
        "version": "bigint", "digits": "int", "client_id": "text", "comment": "text", "gen": "bigint",
        "fired_stop": "numeric",
    },
)  # fmt: skip
LEVELS = Table(
    "orders_smartlevel",
    ("smart_id", "number"),
    {
        "smart_id": "bigint", "number": "int", "price": "numeric", "percent": "numeric",
        "volume": "numeric", "status": "text", "deal": "bigint", "time": "timestamptz",
    },
)  # fmt: skip
TIMELINE = Table(
    "orders_smartevent",
    ("id",),
    {"smart_id": "bigint", "time": "timestamptz", "what": "text", "version": "bigint", "data": "jsonb"},
)
REQUESTS = Table(
    "orders_dealerrequest",
    ("id",),
    {
        "id": "bigint", "kind": "text", "login": "bigint", "symbol": "text", "side": "text",
        "volume": "numeric", "price": "numeric", "requested_price": "numeric", "created_at": "timestamptz",
        "expires_at": "timestamptz", "order": "bigint", "position": "bigint", "smart": "bigint",
        "level": "int", "opposite": "bigint", "dealer": "text", "digits": "int", "context": "jsonb",
        "is_open": "bool", "outcome": "text",
    },
)  # fmt: skip
OFFERS = Table(
    "orders_requoteoffer",
    ("order",),
    {
        "order": "bigint", "login": "bigint", "symbol": "text", "price": "numeric",
        "expires_at": "timestamptz", "digits": "int", "name": "text", "terms": "jsonb",
    },
)  # fmt: skip
#: Levels with what their plan says of whose they are.
_LEVELS_OF = "(SELECT s.login, s.state, l.* FROM orders_smartlevel l JOIN orders_smartorder s ON s.id = l.smart_id) AS levels"
LIVE_STATES = [SmartState.PENDING.value, SmartState.ACTIVE.value, SmartState.PARTIALLY_CLOSED.value]


def load(cursor: Cursor, state: Any, *, shard: int, shards: int) -> None:
    """Read pending orders, live smart orders and the open queue of this shard's accounts into `state`."""
    own, mine = "login %% %s = %s", (shards, shard)

    def take_order(row: Any) -> None:
        order = order_of(row)
        state.orders[order.ticket] = order

    def take_smart(row: Any) -> None:
        smart = smart_of(row)
        state.smarts[smart.id] = smart

    def take_level(row: Any) -> None:
        _login, smart_id, *level = row
        smart = state.smarts.get(smart_id)
        if smart is not None:
            smart.levels.append(level_of(level, smart.digits))

    def take_request(row: Any) -> None:
        request = request_of(row)
        state.requests[request.id] = request

    def take_offer(row: Any) -> None:
        offer = offer_of(row)
        state.offers[offer.order] = offer

    load_each(
        cursor, state, table=ORDERS.name, columns=list(ORDERS.columns), order_by="ticket", take=take_order,
        where=f"status = 'pending' AND {own}", params=mine,
    )  # fmt: skip
    load_each(
        cursor, state, table=SMARTS.name, columns=list(SMARTS.columns), order_by="id", take=take_smart,
        where=f"state = ANY(%s) AND {own}", params=(LIVE_STATES, *mine),
    )  # fmt: skip
    load_each(
        cursor, state, table=_LEVELS_OF, columns=("login", *LEVELS.columns), order_by="smart_id, number",
        take=take_level, where=f"state = ANY(%s) AND {own}", params=(LIVE_STATES, *mine),
    )  # fmt: skip
    load_each(
        cursor, state, table=REQUESTS.name, columns=list(REQUESTS.columns), order_by="id", take=take_request,
        where=f"is_open AND {own}", params=mine,
    )  # fmt: skip
    load_each(
        cursor, state, table=OFFERS.name, columns=list(OFFERS.columns), order_by='"order"', take=take_offer,
        where=own, params=mine,
    )  # fmt: skip


def record(cursor: Cursor, changes: Any) -> None:
    """Write what a batch changed; a smart order's levels are those that it has now."""
    ORDERS.upsert(cursor, [order_row(changes.orders[ticket]) for ticket in sorted(changes.orders)])
    smarts = [changes.smarts[key] for key in sorted(changes.smarts)]
    SMARTS.upsert(cursor, [smart_row(s) for s in smarts])
    levels = [level_row(s, level) for s in smarts for level in s.levels]
    if smarts:
        cursor.execute(
            "DELETE FROM orders_smartlevel WHERE smart_id = ANY(%s) AND (smart_id, number) NOT IN "
            "(SELECT * FROM unnest(%s::bigint[], %s::int[]))",
            ([s.id for s in smarts], [row[0] for row in levels], [row[1] for row in levels]),
        )
    LEVELS.upsert(cursor, levels)
    TIMELINE.insert(
        cursor,
        [
            (line.smart.id, moment_text(line.time_ms), line.what, line.smart.version, json_text(line.data))
            for line in changes.smart_timeline
        ],
    )
    REQUESTS.upsert(
        cursor,
        [
            request_row(change.request, is_open=change.open, outcome=change.outcome)
            for change in (changes.requests[key] for key in sorted(changes.requests))
        ],
    )
    gone = sorted(key for key, change in changes.offers.items() if not change.open)
    if gone:
        cursor.execute('DELETE FROM orders_requoteoffer WHERE "order" = ANY(%s)', (gone,))
    OFFERS.upsert(
        cursor, [offer_row(changes.offers[key].offer) for key in sorted(changes.offers) if key not in gone]
    )


def order_row(o: Order) -> tuple[Any, ...]:
    """Return an order as a row in the order of `ORDERS.columns`."""
    d = o.digits
    return (
        o.ticket, o.login, o.symbol, o.type.value, volume_text(o.volume), o.status.value, o.reason.value,
        moment_text(o.created_ms), moment_text(o.modified_ms), optional_text(o.price, d),
        optional_text(o.limit_price, d), optional_text(o.sl, d), optional_text(o.tp, d),
        optional_moment_text(o.expires_ms), o.expires_day, o.leverage, optional_text(o.requested_price, d),
        optional_text(o.modified_price, d), o.position or None, o.smart or None, o.error, o.comment,
        o.client_id, o.actor, d, o.request or None, o.gen, o.deletes_sl, o.deletes_tp,
        optional_text(o.expected_price, d), o.deviation, optional_text(o.requote_price, d),
        optional_moment_text(o.requote_expires_ms),
    )  # fmt: skip


def order_of(row: Any) -> Order:
    """Return the order of a row in the order of `ORDERS.columns`.

    Raises:
        Inexact: a number does not fit its digits.
    """
    (
        ticket, login, symbol, type_, volume, status, reason, created_at, modified_at, price, limit_price,
        sl, tp, expires_at, expires_day, leverage, requested, modified_price, position, smart, error,
        comment, client_id, actor, digits, request, gen, deletes_sl, deletes_tp,
        expected_price, deviation, requote_price, requote_expires_at,
    ) = row  # fmt: skip
    return Order(
        ticket=ticket,
        login=login,
        symbol=symbol,
        type=OrderType(type_),
        volume=units_of(volume, VOLUME_DIGITS),
        status=OrderStatus(status),
        reason=OrderReason(reason),
        created_ms=ms_of(created_at),
        modified_ms=ms_of(modified_at),
        price=optional_units(price, digits),
        limit_price=optional_units(limit_price, digits),
        sl=optional_units(sl, digits),
        tp=optional_units(tp, digits),
        expires_ms=ms_of(expires_at),
        expires_day=expires_day,
        leverage=leverage,
        requested_price=optional_units(requested, digits),
        modified_price=optional_units(modified_price, digits),
        position=position or 0,
        smart=smart or 0,
        error=error,
        comment=comment,
        client_id=client_id,
        actor=actor,
        digits=digits,
        request=request or 0,
        gen=gen,
        deletes_sl=deletes_sl,
        deletes_tp=deletes_tp,
        expected_price=optional_units(expected_price, digits),
        deviation=deviation,
        requote_price=optional_units(requote_price, digits),
        requote_expires_ms=ms_of(requote_expires_at),
    )


def smart_row(s: SmartOrder) -> tuple[Any, ...]:
    """Return a smart order as a row in the order of `SMARTS.columns`; its levels are rows of their own."""
    d = s.digits
    return (
        s.id, s.login, s.symbol, s.side.value, volume_text(s.volume), s.entry.value, s.state.value,
        moment_text(s.created_ms), moment_text(s.modified_ms), s.order or None, s.position or None,
        points_text(s.entry_price, d), fraction_text(s.entry_price), optional_text(s.stop_loss, d),
        exact_text(s.callback), optional_text(s.activation, d), s.activated, s.break_even, s.offset,
        optional_text(s.break_even_stop, d), s.break_even_triggered, optional_text(s.trail_floor, d),
        optional_text(s.mark, d), s.mark_seq,
        volume_text(s.remaining), s.version, d, s.client_id, s.comment, s.gen,
        optional_text(s.fired_stop, d),
    )  # fmt: skip


def smart_of(row: Any) -> SmartOrder:
    """Return the smart order of a row in the order of `SMARTS.columns`, without its levels.

    Raises:
        Inexact: a number does not fit its digits.
    """
    (
        id_, login, symbol, side, volume, entry, state, created_at, modified_at, order, position, _entry,
        entry_exact, stop_loss, callback, activation, activated, break_even, offset, break_even_stop,
        break_even_triggered, trail_floor, mark, mark_seq, remaining, version, digits, client_id, comment, gen,
        fired_stop,
    ) = row  # fmt: skip
    return SmartOrder(
        id=id_,
        login=login,
        symbol=symbol,
        side=Side(side),
        volume=units_of(volume, VOLUME_DIGITS),
        entry=EntryType(entry),
        state=SmartState(state),
        created_ms=ms_of(created_at),
        modified_ms=ms_of(modified_at),
        order=order or 0,
        position=position or 0,
        entry_price=optional_fraction_of(entry_exact),
        stop_loss=optional_units(stop_loss, digits),
        callback=None if callback is None else Fraction(callback),
        activation=optional_units(activation, digits),
        activated=activated,
        break_even=break_even,
        offset=offset,
        break_even_stop=optional_units(break_even_stop, digits),
        break_even_triggered=break_even_triggered,
        trail_floor=optional_units(trail_floor, digits),
        mark=optional_units(mark, digits),
        mark_seq=mark_seq,
        remaining=units_of(remaining, VOLUME_DIGITS),
        version=version,
        digits=digits,
        client_id=client_id,
        comment=comment,
        gen=gen,
        fired_stop=optional_units(fired_stop, digits),
    )


def level_row(s: SmartOrder, level: Level) -> tuple[Any, ...]:
    """Return a level as a row in the order of `LEVELS.columns`."""
    return (
        s.id, level.number, decimal_text(level.price, s.digits), exact_text(level.percent),
        volume_text(level.volume), level.status.value, level.deal or None, optional_moment_text(level.time_ms),
    )  # fmt: skip


def level_of(row: Any, digits: int) -> Level:
    """Return the level of a row in the order of `LEVELS.columns` without its first.

    Raises:
        Inexact: a number does not fit its digits.
    """
    number, price, percent, volume, status, deal, time = row
    return Level(
        number=number,
        price=units_of(price, digits),
        percent=Fraction(percent),
        volume=units_of(volume, VOLUME_DIGITS),
        status=LevelStatus(status),
        deal=deal or 0,
        time_ms=ms_of(time),
    )


def offer_row(o: Offer) -> tuple[Any, ...]:
    """Return a requote's offer as a row in the order of `OFFERS.columns`."""
    return (
        o.order, o.login, o.symbol, decimal_text(o.price, o.digits), moment_text(o.expires_ms), o.digits, o.name,
        json_text(o.terms),
    )  # fmt: skip


def offer_of(row: Any) -> Offer:
    """Return the offer of a row in the order of `OFFERS.columns`.

    Raises:
        Inexact: a number does not fit its digits.
    """
    order, login, symbol, price, expires_at, digits, name, terms = row
    return Offer(
        order=order,
        login=login,
        symbol=symbol,
        price=units_of(price, digits),
        expires_ms=ms_of(expires_at),
        digits=digits,
        name=name,
        terms=json_of(terms),
    )


def request_row(r: Request, *, is_open: bool, outcome: str) -> tuple[Any, ...]:
    """Return a request of the dealers' queue as a row in the order of `REQUESTS.columns`."""
    d = r.digits
    return (
        r.id, r.kind.value, r.login, r.symbol, r.side.value, volume_text(r.volume),
        optional_text(r.price, d), optional_text(r.requested_price, d), moment_text(r.created_ms),
        optional_moment_text(r.expires_ms), r.order or None, r.position or None, r.smart or None,
        r.level or None, r.opposite or None, r.dealer, d, json_text(r.context), is_open, outcome,
    )  # fmt: skip


def request_of(row: Any) -> Request:
    """Return the request of a row in the order of `REQUESTS.columns`.

    Raises:
        Inexact: a number does not fit its digits.
    """
    (
        id_, kind, login, symbol, side, volume, price, requested, created_at, expires_at, order, position,
        smart, level, opposite, dealer, digits, context, _is_open, _outcome,
    ) = row  # fmt: skip
    return Request(
        id=id_,
        kind=RequestKind(kind),
        login=login,
        symbol=symbol,
        side=Side(side),
        volume=units_of(volume, VOLUME_DIGITS),
        price=optional_units(price, digits),
        created_ms=ms_of(created_at),
        expires_ms=ms_of(expires_at),
        order=order or 0,
        position=position or 0,
        smart=smart or 0,
        level=level or 0,
        opposite=opposite or 0,
        requested_price=optional_units(requested, digits),
        dealer=dealer,
        digits=digits,
        context=json_of(context),
    )
