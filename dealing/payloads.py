"""The data of published events: records as JSON, numbers as decimal text.

docs/events.md lists the kinds and their fields. Promises: prices carry their record's digits, volumes at least
two decimals, money the account currency's; the mappings are made at the moment of the event, because records
go on changing. It decides nothing.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from engine.events import RequestChanged
from engine.records import VOLUME_SCALE, Account, Deal, LedgerEntry, Offer, Order, Position, SmartOrder
from engine.settings import currency_digits


def scaled(value: int | None, digits: int) -> str | None:
    """Return an integer of 10^-digits as decimal text."""
    if value is None:
        return None
    if digits == 0:
        return str(value)
    whole, part = divmod(abs(value), 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"


def lots(units: int) -> str:
    """Return a volume as lots, with two decimals or as many as it needs."""
    whole, part = divmod(abs(units), VOLUME_SCALE)
    text = f"{part:08d}".rstrip("0").ljust(2, "0")
    return f"{'-' if units < 0 else ''}{whole}.{text}"


def rounded(value: Fraction | None) -> int | None:
    """Return an exact number rounded half up, away from zero."""
    if value is None:
        return None
    size = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -size if value < 0 else size


def percent(value: Fraction | None) -> str | None:
    """Return an exact ratio as decimal text, to eight decimals at most."""
    if value is None:
        return None
    text = scaled(rounded(value * 10**8), 8) or "0"
    return text.rstrip("0").rstrip(".")


def order_json(order: Order) -> dict[str, Any]:
    """Return an order as events and replies show it."""
    digits = order.digits
    return {
        "ticket": order.ticket, "login": order.login, "symbol": order.symbol, "type": order.type.value,
        "volume": lots(order.volume), "status": order.status.value, "reason": order.reason.value,
        "price": scaled(order.price, digits), "limit_price": scaled(order.limit_price, digits),
        "sl": scaled(order.sl, digits), "tp": scaled(order.tp, digits),
        "requested_price": scaled(order.requested_price, digits), "expires_ms": order.expires_ms,
        "expires_day": order.expires_day, "created_ms": order.created_ms, "modified_ms": order.modified_ms,
        "position": order.position, "smart": order.smart, "error": order.error, "comment": order.comment,
        "client_id": order.client_id, "request": order.request, "leverage": order.leverage,
        "modified_price": scaled(order.modified_price, digits), "digits": digits,
        "expected_price": scaled(order.expected_price, digits), "deviation": order.deviation,
        "requote_price": scaled(order.requote_price, digits), "requote_expires_ms": order.requote_expires_ms,
    }  # fmt: skip


def position_json(position: Position, money: int) -> dict[str, Any]:
    """Return a position as events show it; `money` is the decimals of the account's currency."""
    digits = position.digits
    return {
        "ticket": position.ticket, "login": position.login, "symbol": position.symbol,
        "side": position.side.value, "volume": lots(position.volume), "status": position.status.value,
        "open_price": scaled(rounded(position.open_price), digits),
        "close_price": scaled(position.close_price, digits),
        "sl": scaled(position.sl, digits), "tp": scaled(position.tp, digits),
        "fees": scaled(position.fees, money), "swap": scaled(position.swap, money),
        "profit": scaled(position.profit, money), "opened_ms": position.opened_ms,
        "modified_ms": position.modified_ms, "smart": position.smart, "comment": position.comment,
        "volume_opened": lots(position.volume_opened),
        "leverage": str(int(position.leverage)), "digits": digits,
        "fees_booked": scaled(position.fees_booked, money),
        "swap_booked": scaled(position.swap_booked, money),
    }  # fmt: skip


def deal_json(deal: Deal, money: int) -> dict[str, Any]:
    """Return a deal as events show it; `money` is the decimals of the account's currency."""
    return {
        "ticket": deal.ticket, "order": deal.order, "position": deal.position, "login": deal.login,
        "symbol": deal.symbol, "side": deal.side.value, "direction": deal.direction.value,
        "volume": lots(deal.volume), "price": scaled(deal.price, deal.digits),
        "requested_price": scaled(deal.requested_price, deal.digits), "time_ms": deal.time_ms,
        "reason": deal.reason.value, "profit": scaled(deal.profit, money), "fees": scaled(deal.fees, money),
        "swap": scaled(deal.swap, money), "comment": deal.comment,
        "open_price": scaled(rounded(deal.open_price), deal.digits), "digits": deal.digits,
        "automatic": deal.evidence is not None, "trigger": (deal.evidence or {}).get("trigger"),
        "by": deal.by.value,
        "market_bid": scaled(deal.market_bid, deal.digits), "market_ask": scaled(deal.market_ask, deal.digits),
        "group_bid": scaled(deal.group_bid, deal.digits), "group_ask": scaled(deal.group_ask, deal.digits),
    }  # fmt: skip


def account_json(account: Account) -> dict[str, Any]:
    """Return an account's money and flags as events show them."""
    money = currency_digits(account.currency)
    return {
        "login": account.login, "group": account.group, "currency": account.currency,
        "balance": scaled(account.balance, money), "credit": scaled(account.credit, money),
        "leverage": account.leverage, "tier": account.tier, "enabled": account.enabled,
        "read_only": account.read_only, "close_only": account.close_only, "halt": account.halt,
        "margin_call": account.margin_call,
    }  # fmt: skip


def ledger_json(entry: LedgerEntry, money: int) -> dict[str, Any]:
    """Return a ledger entry as events show it; `money` is the decimals of the account's currency."""
    return {
        "login": entry.login, "seq": entry.seq, "kind": entry.kind.value, "amount": scaled(entry.amount, money),
        "balance_after": scaled(entry.balance_after, money),
        "credit_after": scaled(entry.credit_after, money), "time_ms": entry.time_ms, "order": entry.order,
        "deal": entry.deal, "comment": entry.comment,
    }  # fmt: skip


def smart_json(smart: SmartOrder) -> dict[str, Any]:
    """Return a smart order with its levels as events show it."""
    digits = smart.digits
    return {
        "id": smart.id, "login": smart.login, "symbol": smart.symbol, "side": smart.side.value,
        "volume": lots(smart.volume), "remaining": lots(smart.remaining), "entry": smart.entry.value,
        "state": smart.state.value, "order": smart.order, "position": smart.position,
        "entry_price": scaled(rounded(smart.entry_price), digits),
        "stop_loss": scaled(smart.stop_loss, digits), "callback": percent(smart.callback),
        "activation": scaled(smart.activation, digits), "activated": smart.activated,
        "break_even": smart.break_even, "offset": smart.offset,
        "break_even_stop": scaled(smart.break_even_stop, digits),
        "break_even_triggered": smart.break_even_triggered, "fired_stop": scaled(smart.fired_stop, digits), "version": smart.version,
        "created_ms": smart.created_ms, "modified_ms": smart.modified_ms, "client_id": smart.client_id,
        "comment": smart.comment, "digits": digits,
        "levels": [
            {
                "number": level.number, "price": scaled(level.price, digits),
                "percent": percent(level.percent), "volume": lots(level.volume),
                "status": level.status.value, "deal": level.deal, "time_ms": level.time_ms,
            }
            for level in smart.levels
        ],
    }  # fmt: skip


def offer_json(offer: Offer, *, is_open: bool) -> dict[str, Any]:
    """Return a requote's offer as events show it."""
    return {
        "order": offer.order, "login": offer.login, "symbol": offer.symbol, **offer_terms(offer.terms),
        "price": scaled(offer.price, offer.digits), "expires_ms": offer.expires_ms, "digits": offer.digits,
        "open": is_open,
    }  # fmt: skip


def offer_terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an offer's order would do: `type` of an opening, `position` of a close, lots or None for all."""
    return {"type": terms.get("type"), "volume": terms["volume"], "position": terms.get("position") or 0}


def request_json(event: RequestChanged) -> dict[str, Any]:
    """Return an entry of the dealers' queue as events show it."""
    request = event.request
    digits = request.digits
    return {
        "id": request.id, "kind": request.kind.value, "login": request.login, "symbol": request.symbol,
        "side": request.side.value, "volume": lots(request.volume), "price": scaled(request.price, digits),
        "requested_price": scaled(request.requested_price, digits), "created_ms": request.created_ms,
        "expires_ms": request.expires_ms, "order": request.order, "position": request.position,
        "smart": request.smart, "level": request.level, "dealer": request.dealer,
        "open": event.open, "outcome": event.outcome,
    }  # fmt: skip
