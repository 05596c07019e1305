"""Rows as clients see them: each is made a record by its store, and dealing/shapes.py says what that looks like.

Beside it the words of the OpenAPI document, from the same tables. What moves with the market is brought by whoever has
the account's book.
"""

from typing import Any

from accounts import store as account_store
from accounts.models import Account, LedgerEntry
from dealing import shapes
from dealing.columns import iso, written
from live.schema import Schema, extended, thing
from orders import store as order_store
from orders.models import DealerRequest, Order, RequoteOffer, SmartEvent, SmartOrder
from positions import store as position_store
from positions.models import Deal, Position


def schema_of(shape: shapes.Shape) -> Schema:
    """Return the schema of what a shape shows."""
    words = shape.words
    return thing(
        **{name: [thing(**one) for one in w] if isinstance(w, list) else w for name, w in words.items()}
    )


ACCOUNT_SHOWN = schema_of(shapes.ACCOUNT)
ENTRY = schema_of(shapes.ENTRY)
ORDER = schema_of(shapes.ORDER)
POSITION = schema_of(shapes.POSITION)
DEAL = schema_of(shapes.DEAL)
DEAL_WITH_EVIDENCE = extended(
    DEAL, profit_rate="decimal?", trigger_key="text?", evidence="any", settings="any"
)
CLOSED = thing(order="int", position=POSITION, deals=[DEAL])
EVENT = thing(time="time", what="text", version="int", data="any")
SMART = schema_of(shapes.SMART)
SMART_WITH_TIMELINE = extended(SMART, timeline=[EVENT])
SNAPSHOT = thing(
    account=ACCOUNT_SHOWN,
    positions=[POSITION],
    orders=[ORDER],
    smart_orders=[SMART],
    requests=[schema_of(shapes.REQUEST)],
    requotes=[schema_of(shapes.REQUOTE)],
    seq="int",
)


def show_account(row: Account, figures: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an account as JSON shows it; `figures` holds equity, margin and what follows from them."""
    now = {
        "name": row.name,
        "digits": row.digits,
        "margin_mode": row.group.margin_mode,
        "leverage": row.granted_leverage,
        "margin_call_level": written(row.group.margin_call),
        "stop_out_level": written(row.group.stop_out),
        "stop_out_unit": row.group.stop_out_unit,
    }
    record = account_store.account_of(account_store.ACCOUNTS.values_of(row))
    return shapes.ACCOUNT.resource(record, {**(figures or {}), **now}, money=row.digits)


def show_entry(row: LedgerEntry, money: int) -> dict[str, Any]:
    """Return a ledger entry as JSON shows it; `money` is the decimals of its account's currency."""
    record = account_store.ledger_of(account_store.LEDGER.values_of(row), money)
    return shapes.ENTRY.resource(record, money=money)


def show_order(row: Order, market_price: str | None = None) -> dict[str, Any]:
    """Return an order as JSON shows it; `market_price` is that of a pending one's side (§3.14)."""
    record = order_store.order_of(order_store.ORDERS.values_of(row))
    return shapes.ORDER.resource(record, {"market_price": market_price})


def show_position(row: Position, money: int, now: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a position as JSON shows it; `now` holds its floating profit, close price and the stop in force."""
    record = position_store.position_of(position_store.POSITIONS.values_of(row), money)
    resource = shapes.POSITION.resource(record, now, money=money)
    if now is not None and now["sl"]:
        resource["sl"] = now["sl"]  # a smart order's effective stop
    return resource


def show_deal(row: Deal, money: int, *, evidence: bool = False) -> dict[str, Any]:
    """Return a deal as JSON shows it; with `evidence` also why an automatic one was made."""
    resource = shapes.DEAL.resource(
        position_store.deal_of(position_store.DEALS.values_of(row), money), money=money
    )
    if evidence:
        resource |= {
            "profit_rate": written(row.profit_rate),
            "trigger_key": row.trigger_key,
            "evidence": row.evidence,
            "settings": row.settings,
        }
    return resource


def show_event(row: SmartEvent) -> dict[str, Any]:
    """Return a line of a smart order's timeline as JSON shows it."""
    return {"time": iso(row.time), "what": row.what, "version": row.version, "data": row.data}


def show_smart(row: SmartOrder, now: dict[str, Any] | None, realised: Any = None) -> dict[str, Any]:
    """Return a smart order as JSON shows it; `now` are its values of the moment, `realised` its booked profit."""
    record = order_store.smart_of(order_store.SMARTS.values_of(row))
    for level in row.levels.all():
        _plan, *values = order_store.LEVELS.values_of(level)
        record.levels.append(order_store.level_of(values, row.digits))
    return shapes.SMART.resource(record, {**(now or {}), "realised_profit": written(realised)})


def show_request(row: DealerRequest) -> dict[str, Any]:
    """Return an entry of the dealers' queue as its client sees it: without the dealer and their reasons."""
    record = order_store.request_of(order_store.REQUESTS.values_of(row))
    return shapes.REQUEST.resource(record, extra={"open": row.is_open, "outcome": row.outcome})


def show_requote(row: RequoteOffer) -> dict[str, Any]:
    """Return a price that was offered instead, as its client may accept it."""
    record = order_store.offer_of(order_store.OFFERS.values_of(row))
    return shapes.REQUOTE.resource(record, extra={"open": True})
