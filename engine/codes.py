"""Refusal codes; in which order they are judged stands in precedence.py.

A code is what a caller can cause: it is returned, never raised. Doors show `Code.value`;
docs/codes.md is printed from this file and a test keeps the two equal.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a request was refused, in order of precedence (rules sections 4, 11 and 12)."""

    # Before everything else.
    TIMEOUT = "timeout"
    HALTED = "halted"
    # Section 4.
    ACCOUNT_DISABLED = "account_disabled"
    READ_ONLY = "read_only"
    CLOSE_ONLY = "close_only"
    SUBSCRIPTION_REQUIRED = "subscription_required"
    SYMBOL_NOT_FOUND = "symbol_not_found"
    TRADE_DISABLED = "trade_disabled"
    LONG_ONLY = "long_only"
    SHORT_ONLY = "short_only"
    MARKET_CLOSED = "market_closed"
    OFF_QUOTES = "off_quotes"
    INVALID_VOLUME = "invalid_volume"
    INVALID_LEVERAGE = "invalid_leverage"
    INVALID_PRICE = "invalid_price"
    INVALID_STOPS = "invalid_stops"
    INVALID_LEVELS = "invalid_levels"
    INVALID_EXPIRATION = "invalid_expiration"
    LIMIT_REACHED = "limit_reached"
    POSITION_EXISTS = "position_exists"
    HEDGE_PROHIBITED = "hedge_prohibited"
    NO_MONEY = "no_money"
    # On things that exist.
    POSITION_NOT_FOUND = "position_not_found"
    ORDER_NOT_FOUND = "order_not_found"
    SMART_NOT_FOUND = "smart_not_found"
    REQUEST_NOT_FOUND = "request_not_found"
    MANAGED_BY_SMART_ORDER = "managed_by_smart_order"
    CONFLICT = "conflict"
    FROZEN = "frozen"
    FIFO = "fifo"
    INVALID_CLOSE_BY = "invalid_close_by"
    INVALID_AMOUNT = "invalid_amount"
    INVALID_SETTING = "invalid_setting"
    # Outcomes that come later.
    REJECTED = "rejected"
    REQUOTE = "requote"
    # Of the system.
    INTERNAL_ERROR = "internal_error"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """What a door says about a code: HTTP status and one sentence."""

    http_status: int
    meaning: str


CODES: dict[Code, CodeInfo] = {
    Code.TIMEOUT: CodeInfo(504, "It came too late, or nobody answered in time."),
    Code.HALTED: CodeInfo(423, "A kill switch forbids it."),
    Code.ACCOUNT_DISABLED: CodeInfo(403, "The account does not exist or is disabled."),
    Code.READ_ONLY: CodeInfo(403, "The account may look, not trade."),
    Code.CLOSE_ONLY: CodeInfo(423, "Only closing is allowed, by the account or by the symbol."),
    Code.SUBSCRIPTION_REQUIRED: CodeInfo(403, "Smart orders need the tier PRO or above."),
    Code.SYMBOL_NOT_FOUND: CodeInfo(404, "The symbol is not known to the account's group."),
    Code.TRADE_DISABLED: CodeInfo(423, "Trading in the symbol is disabled."),
    Code.LONG_ONLY: CodeInfo(423, "The symbol may only be bought."),
    Code.SHORT_ONLY: CodeInfo(423, "The symbol may only be sold."),
    Code.MARKET_CLOSED: CodeInfo(423, "The symbol is outside its trading session."),
    Code.OFF_QUOTES: CodeInfo(423, "There is no fresh quote, or no rate to convert with."),
    Code.INVALID_VOLUME: CodeInfo(400, "The volume is not positive, out of range, or off its step."),
    Code.INVALID_LEVERAGE: CodeInfo(400, "The leverage asked for is not within the account's."),
    Code.INVALID_PRICE: CodeInfo(400, "The price is on the wrong side, too near, or off the grid."),
    Code.INVALID_STOPS: CodeInfo(
        400, "Stop loss or take profit is on the wrong side, too near, or off the grid."
    ),
    Code.INVALID_LEVELS: CodeInfo(400, "The levels of the smart order do not make an exit plan."),
    Code.INVALID_EXPIRATION: CodeInfo(
        400, "The expiry is not in the future, or later than 31 December 9998."
    ),
    Code.LIMIT_REACHED: CodeInfo(409, "The account has as many positions and orders as its group allows."),
    Code.POSITION_EXISTS: CodeInfo(409, "The netting account has a position on the symbol already."),
    Code.HEDGE_PROHIBITED: CodeInfo(409, "The group may not be long and short on one symbol."),
    Code.NO_MONEY: CodeInfo(409, "The free margin or the balance is not enough."),
    Code.POSITION_NOT_FOUND: CodeInfo(404, "The account has no such open position."),
    Code.ORDER_NOT_FOUND: CodeInfo(404, "The account has no such pending order."),
    Code.SMART_NOT_FOUND: CodeInfo(404, "The account has no such live smart order."),
    Code.REQUEST_NOT_FOUND: CodeInfo(
        404, "The dealers' queue has no such request, or no such requote is there to be accepted."
    ),
    Code.MANAGED_BY_SMART_ORDER: CodeInfo(409, "A smart order owns the position's exits."),
    Code.CONFLICT: CodeInfo(409, "It was changed by somebody else meanwhile."),
    Code.FROZEN: CodeInfo(409, "The market is too near to change it."),
    Code.FIFO: CodeInfo(409, "An older position of the symbol and side must be closed first."),
    Code.INVALID_CLOSE_BY: CodeInfo(400, "The two positions cannot close each other."),
    Code.INVALID_AMOUNT: CodeInfo(400, "The amount is not one that this operation takes."),
    Code.INVALID_SETTING: CodeInfo(400, "The setting is not one that the engine can take."),
    Code.REJECTED: CodeInfo(409, "A plugin or a dealer rejected it."),
    Code.REQUOTE: CodeInfo(
        409, "Another price is offered: by a dealer, or because the market is worse than was seen."
    ),
    Code.INTERNAL_ERROR: CodeInfo(500, "The engine could not process it; it is kept for inspection."),
    Code.UNAVAILABLE: CodeInfo(503, "The desk does not answer; repeat with the same client id."),
}
