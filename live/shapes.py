"""What records look like to clients: one function a record, and beside it the words of its OpenAPI schema.

REST, snapshots and previews use it. Numbers are decimal text with the digits that they were written with, times
ISO 8601. What moves with the market is brought by whoever has the account's book.
"""

from typing import Any

from accounts.models import Account, LedgerEntry
from dealing.columns import iso, written
from engine.enums import LevelStatus
from live.schema import extended, thing
from orders.models import DealerRequest, Order, RequoteOffer, SmartEvent, SmartLevel, SmartOrder
from positions.models import Deal, Position

ACCOUNT_SHOWN = thing(
    login="int", name="text", currency="text", digits="int", group="text", margin_mode="text", leverage="int",
    tier="text", balance="decimal", credit="decimal", equity="decimal?", margin="decimal?",
    free_margin="decimal?", margin_level="decimal?", floating="decimal?", margin_call="flag",
    margin_call_level="decimal", stop_out_level="decimal", stop_out_unit="text", enabled="flag",
    read_only="flag", close_only="flag", halt="text",
)  # fmt: skip
ENTRY = thing(
    account="int", seq="int", kind="text", amount="decimal", balance_after="decimal", credit_after="decimal",
    time="time", order="int?", deal="int?", comment="text",
)  # fmt: skip
ORDER = thing(
    ticket="int", account="int", symbol="text", type="text", volume="decimal", status="text", reason="text",
    created_at="time", modified_at="time", price="decimal?", limit_price="decimal?", market_price="decimal?", sl="decimal?",
    tp="decimal?", expires="text", leverage="int?", requested_price="decimal?", modified_price="decimal?",
    expected_price="decimal?", deviation="int?", requote_price="decimal?", requote_expires_at="time?",
    position="int?", smart="int?", error="text?", comment="text", client_id="text?", request="int?", digits="int",
)  # fmt: skip
POSITION = thing(
    ticket="int", account="int", symbol="text", side="text", volume="decimal", volume_opened="decimal",
    open_price="decimal", leverage="decimal", opened_at="time", modified_at="time", status="text", sl="decimal?",
    tp="decimal?", fees="decimal", swap="decimal", next_swap="decimal?", profit="decimal?", price="decimal?", realised_profit="decimal",
    fees_booked="decimal", swap_booked="decimal", close_price="decimal?", smart="int?", comment="text",
    digits="int",
)  # fmt: skip
DEAL = thing(
    ticket="int", account="int", order="int", position="int", symbol="text", side="text", direction="text",
    volume="decimal", price="decimal", requested_price="decimal", time="time", reason="text", profit="decimal?",
    fees="decimal?", swap="decimal?", open_price="decimal?", comment="text", digits="int", automatic="flag", trigger="text?",
    by="text?", market_bid="decimal?", market_ask="decimal?", group_bid="decimal?", group_ask="decimal?",
)  # fmt: skip
DEAL_WITH_EVIDENCE = extended(
    DEAL, profit_rate="decimal?", trigger_key="text?", evidence="any", settings="any"
)
#: The market of that moment, raw and as the account's group saw it.
MARKET = ("market_bid", "market_ask", "group_bid", "group_ask")
CLOSED = thing(order="int", position=POSITION, deals=[DEAL])
LEVEL = thing(
    number="int",
    price="decimal",
    percent="decimal",
    volume="decimal",
    status="text",
    deal="int?",
    time="time?",
)
EVENT = thing(time="time", what="text", version="int", data="any")
SMART = thing(
    id="int", account="int", symbol="text", side="text", volume="decimal", remaining="decimal", entry="text",
    state="text", created_at="time", modified_at="time", order="int?", position="int?", entry_price="decimal?",
    stop_loss="decimal?", callback="decimal?", activation="decimal?", activated="flag", break_even="flag",
    offset="int", break_even_stop="decimal?", break_even_triggered="flag", levels=[LEVEL], filled="int",
    realised_profit="decimal?", effective_stop="decimal?", stop_source="text?", high_water_mark="decimal?",
    open_profit="decimal?", version="int", client_id="text?", comment="text", digits="int",
)  # fmt: skip
SMART_WITH_TIMELINE = extended(SMART, timeline=[EVENT])
REQUEST = thing(
    id="int", kind="text", account="int", symbol="text", side="text", volume="decimal", price="decimal?",
    order="int?", position="int?", smart="int?", created_at="time",
)  # fmt: skip
REQUOTE = thing(
    order="int", account="int", symbol="text", type="text?", volume="decimal?", position="int?", price="decimal",
    expires_at="time", digits="int", open="flag",
)  # fmt: skip
SNAPSHOT = thing(
    account=ACCOUNT_SHOWN,
    positions=[POSITION],
    orders=[ORDER],
    smart_orders=[SMART],
    requests=[REQUEST],
    requotes=[REQUOTE],
    seq="int",
)
NO_LIVE = {"effective_stop": None, "stop_source": None, "high_water_mark": None, "open_profit": None}


def show_account(row: Account, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an account as JSON shows it; `live` holds equity, margin and what follows from them."""
    live = live or {}
    return {
        "login": row.login,
        "name": row.name,
        "currency": row.currency,
        "digits": row.digits,
        "group": row.group_id,
        "margin_mode": row.group.margin_mode,
        "leverage": row.granted_leverage,
        "tier": row.tier,
        "balance": f"{row.balance:.{row.digits}f}",
        "credit": f"{row.credit:.{row.digits}f}",
        "equity": live.get("equity"),
        "margin": live.get("margin"),
        "free_margin": live.get("free_margin"),
        "margin_level": live.get("margin_level"),
        "floating": live.get("floating"),
        "margin_call": row.margin_call,
        "margin_call_level": written(row.group.margin_call),
        "stop_out_level": written(row.group.stop_out),
        "stop_out_unit": row.group.stop_out_unit,
        "enabled": row.enabled,
        "read_only": row.read_only,
        "close_only": row.close_only,
        "halt": row.halt,
    }


def show_entry(row: LedgerEntry) -> dict[str, Any]:
    """Return a ledger entry as JSON shows it."""
    return {
        "account": row.login,
        "seq": row.seq,
        "kind": row.kind,
        "amount": written(row.amount),
        "balance_after": written(row.balance_after),
        "credit_after": written(row.credit_after),
        "time": iso(row.time),
        "order": row.order,
        "deal": row.deal,
        "comment": row.comment,
    }


def show_order(row: Order, market_price: str | None = None) -> dict[str, Any]:
    """Return an order as JSON shows it; `market_price` is that of a pending one's side (§3.14)."""
    return {
        "ticket": row.ticket,
        "account": row.login,
        "symbol": row.symbol,
        "type": row.type,
        "volume": written(row.volume),
        "status": row.status,
        "reason": row.reason,
        "created_at": iso(row.created_at),
        "modified_at": iso(row.modified_at),
        "price": written(row.price),
        "limit_price": written(row.limit_price),
        "market_price": market_price,
        "sl": written(row.sl),
        "tp": written(row.tp),
        "expires": iso(row.expires_at) or ("day" if row.expires_day else "gtc"),
        "leverage": row.leverage,
        "requested_price": written(row.requested_price),
        "modified_price": written(row.modified_price),
        "expected_price": written(row.expected_price),
        "deviation": row.deviation,
        "requote_price": written(row.requote_price),
        "requote_expires_at": iso(row.requote_expires_at),
        "position": row.position,
        "smart": row.smart,
        "error": row.error or None,
        "comment": row.comment,
        "client_id": row.client_id or None,
        "request": row.request,
        "digits": row.digits,
    }


def show_position(row: Position, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a position as JSON shows it; `live` holds its floating profit and close price."""
    live = live or {}
    return {
        "ticket": row.ticket,
        "account": row.login,
        "symbol": row.symbol,
        "side": row.side,
        "volume": written(row.volume),
        "volume_opened": written(row.volume_opened),
        "open_price": written(row.open_price),
        "leverage": written(row.leverage),
        "opened_at": iso(row.opened_at),
        "modified_at": iso(row.modified_at),
        "status": row.status,
        "sl": live.get("sl") or written(row.sl),  # a smart order's effective stop
        "tp": written(row.tp),
        "fees": written(row.fees),
        "swap": written(row.swap),
        "next_swap": live.get("next_swap"),
        "profit": live.get("profit"),
        "price": live.get("price"),
        "realised_profit": written(row.profit),
        "fees_booked": written(row.fees_booked),
        "swap_booked": written(row.swap_booked),
        "close_price": written(row.close_price),
        "smart": row.smart,
        "comment": row.comment,
        "digits": row.digits,
    }


def show_deal(row: Deal, *, evidence: bool = False) -> dict[str, Any]:
    """Return a deal as JSON shows it; with `evidence` also why an automatic one was made."""
    shown = {
        "ticket": row.ticket,
        "account": row.login,
        "order": row.order,
        "position": row.position,
        "symbol": row.symbol,
        "side": row.side,
        "direction": row.direction,
        "volume": written(row.volume),
        "price": written(row.price),
        "requested_price": written(row.requested_price),
        "time": iso(row.time),
        "reason": row.reason,
        "profit": written(row.profit),
        "fees": written(row.fees),
        "swap": written(row.swap),
        "open_price": written(row.open_price),
        "comment": row.comment,
        "digits": row.digits,
        "automatic": row.evidence is not None,
        "trigger": (row.evidence or {}).get("trigger"),
        "by": row.by,
        **{name: written(getattr(row, name)) for name in MARKET},
    }
    if evidence:
        shown |= {
            "profit_rate": written(row.profit_rate),
            "trigger_key": row.trigger_key,
            "evidence": row.evidence,
            "settings": row.settings,
        }
    return shown


def show_level(row: SmartLevel) -> dict[str, Any]:
    """Return a level as JSON shows it."""
    return {
        "number": row.number,
        "price": written(row.price),
        "percent": written(row.percent),
        "volume": written(row.volume),
        "status": row.status,
        "deal": row.deal,
        "time": iso(row.time),
    }


def show_event(row: SmartEvent) -> dict[str, Any]:
    """Return a line of the timeline as JSON shows it."""
    return {"time": iso(row.time), "what": row.what, "version": row.version, "data": row.data}


def _ended(row: SmartOrder) -> dict[str, Any]:
    """Return the values of a plan that no tick moves: of one that was stopped, the stop that fired (§9.2)."""
    return {**NO_LIVE, "effective_stop": written(row.fired_stop)}


def show_smart(row: SmartOrder, live: dict[str, Any] | None, realised: Any = None) -> dict[str, Any]:
    """Return a plan as JSON shows it; `live` are its values of the moment, `realised` its booked profit."""
    levels = [show_level(level) for level in row.levels.all()]
    return {
        "id": row.id,
        "account": row.login,
        "symbol": row.symbol,
        "side": row.side,
        "volume": written(row.volume),
        "remaining": written(row.remaining),
        "entry": row.entry,
        "state": row.state,
        "created_at": iso(row.created_at),
        "modified_at": iso(row.modified_at),
        "order": row.order,
        "position": row.position,
        "entry_price": written(row.entry_price),
        "stop_loss": written(row.stop_loss),
        "callback": written(row.callback),
        "activation": written(row.activation),
        "activated": row.activated,
        "break_even": row.break_even,
        "offset": row.offset,
        "break_even_stop": written(row.break_even_stop),
        "break_even_triggered": row.break_even_triggered,
        "levels": levels,
        "filled": sum(level["status"] == LevelStatus.FILLED for level in levels),
        "realised_profit": written(realised),
        **{key: (live or _ended(row))[key] for key in NO_LIVE},
        "version": row.version,
        "client_id": row.client_id or None,
        "comment": row.comment,
        "digits": row.digits,
    }


def show_request(row: DealerRequest) -> dict[str, Any]:
    """Return an entry of the dealers' queue as its client sees it: without the dealer and his reasons."""
    return {
        "id": row.id,
        "kind": row.kind,
        "account": row.login,
        "symbol": row.symbol,
        "side": row.side,
        "volume": f"{row.volume:f}",
        "price": None if row.price is None else f"{row.price:f}",
        "order": row.order,
        "position": row.position,
        "smart": row.smart,
        "created_at": iso(row.created_at),
    }


def show_requote(row: RequoteOffer) -> dict[str, Any]:
    """Return a price that was offered instead, as its client may accept it."""
    return {
        "order": row.order,
        "account": row.login,
        "symbol": row.symbol,
        "type": row.terms.get("type"),
        "volume": row.terms["volume"],
        "position": row.terms.get("position"),
        "price": f"{row.price:f}",
        "expires_at": iso(row.expires_at),
        "digits": row.digits,
        "open": True,
    }
