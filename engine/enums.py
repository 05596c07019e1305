"""The closed sets of words of the trading domain.

Every member's value is the word of the rulebook, and is what rows, scenarios and doors show.
Promises: values never change once released, because rows hold them. Refusal codes live in codes.py.
"""

from enum import StrEnum


class Side(StrEnum):
    """Direction of an order, deal or position."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderStatus(StrEnum):
    """Life of an order; lifecycle.py has the table."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"


class OrderReason(StrEnum):
    """Who or what made an order or ended it."""

    CLIENT = "client"
    MANAGER = "manager"
    FORCED_CLOSE = "forced_close"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    SMART_ORDER = "smart_order"
    EXPIRATION = "expiration"


class Direction(StrEnum):
    """What a deal does to its position."""

    IN = "in"
    OUT = "out"


class PositionStatus(StrEnum):
    """Life of a position."""

    OPEN = "open"
    CLOSED = "closed"


class MarginMode(StrEnum):
    """How an account keeps opposite positions of one symbol."""

    HEDGING = "hedging"
    NETTING = "netting"


class CalcMode(StrEnum):
    """Margin and profit formula of a symbol; rules section 7."""

    FOREX = "forex"
    FOREX_NO_LEVERAGE = "forex_no_leverage"
    CFD = "cfd"
    CFD_LEVERAGE = "cfd_leverage"
    FUTURES = "futures"


FOREX_MODES = frozenset({CalcMode.FOREX, CalcMode.FOREX_NO_LEVERAGE})


class Conversion(StrEnum):
    """Which side of the conversion pair turns profit into account currency."""

    DEAL = "deal"
    MARKET = "market"


class TradeMode(StrEnum):
    """What a symbol may be traded for."""

    FULL = "full"
    DISABLED = "disabled"
    CLOSE_ONLY = "close_only"
    LONG_ONLY = "long_only"
    SHORT_ONLY = "short_only"


class Execution(StrEnum):
    """Who executes a group's orders of a security; rules section 5."""

    AUTO = "auto"
    MANUAL = "manual"
    MANUAL_UNLESS_NO_DEALERS = "manual_unless_no_dealers"


class FreeMarginMode(StrEnum):
    """Which part of floating profit counts as free margin."""

    USE_ALL = "use_all"
    NO_PL = "no_pl"
    PROFIT_ONLY = "profit_only"
    LOSS_ONLY = "loss_only"


class StopOutUnit(StrEnum):
    """What a group's stop-out limit is measured in."""

    PERCENT = "percent"
    MONEY = "money"


class StopOutMode(StrEnum):
    """What a stop-out takes first; rules section 8."""

    MT4 = "mt4"
    MT5 = "mt5"
    SMART = "smart"


class CommissionKind(StrEnum):
    """How a commission is computed."""

    PER_LOT = "per_lot"
    PER_DEAL = "per_deal"
    PERCENT = "percent"


class SwapMode(StrEnum):
    """How a symbol's overnight swap is computed, and in which currency; §7.16."""

    NONE = "none"
    POINTS = "points"  # profit currency
    MONEY_DEPOSIT = "money_deposit"
    MONEY_PROFIT = "money_profit"
    MONEY_BASE = "money_base"
    MONEY_MARGIN = "money_margin"
    PERCENT = "percent"  # of the closing price
    PERCENT_OPEN = "percent_open"


class Tier(StrEnum):
    """Subscription of an account, rising."""

    FREE = "FREE"
    PRO = "PRO"
    ENTERPRISE = "ENTERPRISE"


class LedgerKind(StrEnum):
    """Why balance or credit changed."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    CREDIT_IN = "credit_in"
    CREDIT_OUT = "credit_out"
    CORRECTION = "correction"
    BONUS = "bonus"
    CHARGE = "charge"
    PROFIT = "profit"
    COMMISSION = "commission"
    SWAP = "swap"
    AGENT_COMMISSION = "agent_commission"
    SO_COMPENSATION = "so_compensation"


#: Kinds that a balance operation may ask for; the others are booked by the engine itself.
OPERATION_KINDS = frozenset(
    {
        LedgerKind.DEPOSIT,
        LedgerKind.WITHDRAWAL,
        LedgerKind.CREDIT_IN,
        LedgerKind.CREDIT_OUT,
        LedgerKind.CORRECTION,
        LedgerKind.BONUS,
        LedgerKind.CHARGE,
    },
)
#: Kinds that change credit; all others change balance.
CREDIT_KINDS = frozenset({LedgerKind.CREDIT_IN, LedgerKind.CREDIT_OUT, LedgerKind.BONUS})
#: Kinds whose amount is given positive and booked negative.
TAKING_KINDS = frozenset({LedgerKind.WITHDRAWAL, LedgerKind.CREDIT_OUT, LedgerKind.CHARGE})


class SmartState(StrEnum):
    """Life of a smart order; lifecycle.py has the table."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    PARTIALLY_CLOSED = "PARTIALLY_CLOSED"
    CLOSED = "CLOSED"
    STOPPED = "STOPPED"
    CANCELLED = "CANCELLED"


class LevelStatus(StrEnum):
    """Life of one take-profit level of a smart order."""

    PENDING = "PENDING"
    TRIGGERED = "TRIGGERED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"


class EntryType(StrEnum):
    """How a smart order gets its position."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    POSITION = "position"


class By(StrEnum):
    """On whose authority a command acts."""

    CLIENT = "client"
    MANAGER = "manager"
    SYSTEM = "system"


class DealBy(StrEnum):
    """Who caused a deal; §6.12."""

    CLIENT = "client"
    DEALER = "dealer"
    MANAGER = "manager"
    SYSTEM = "system"


class TickRefusal(StrEnum):
    """Why a tick was refused, in the order of the checks (rules section 2)."""

    UNKNOWN = "unknown"
    INVALID = "invalid"
    CROSSED = "crossed"
    STALE = "stale"
    FILTERED = "filtered"


class HookPoint(StrEnum):
    """Where plugins are asked or shown something (rules section 6), named as the methods are."""

    ON_TICK = "on_tick"
    PENDINGS_FILTER = "pendings_filter"
    PENDINGS_APPLY = "pendings_apply"
    STOPS_FILTER = "stops_filter"
    STOPS_APPLY = "stops_apply"
    STOPOUTS_FILTER = "stopouts_filter"
    STOPOUTS_APPLY = "stopouts_apply"
    COMMAND_FILTER = "command_filter"
    ON_DEAL = "on_deal"
    AFTER_COMMIT = "after_commit"
    MEMORY = "memory"
    REMEMBER = "remember"
    CONFIGURE = "configure"
    INIT = "__init__"


class Answer(StrEnum):
    """What a hook answers."""

    OK = "ok"
    NONE = "none"
    REJECT = "reject"


class RequestKind(StrEnum):
    """What waits in the dealers' queue."""

    MARKET = "market"
    PENDING = "pending"
    CLOSE = "close"
    CLOSE_BY = "close_by"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    SMART_LEVEL = "smart_level"
    SMART_STOP = "smart_stop"
    STOP_OUT = "stop_out"


class DealerAnswer(StrEnum):
    """What a dealer says to a request."""

    CONFIRM = "confirm"
    REJECT = "reject"
    REQUOTE = "requote"


class HaltLevel(StrEnum):
    """Kill switch, rising: what is still allowed (reliability promise R9)."""

    NORMAL = "normal"
    NO_NEW_POSITIONS = "no_new_positions"
    CLOSE_ONLY = "close_only"
    HALT = "halt"


class HaltScope(StrEnum):
    """What a kill switch acts on."""

    SERVER = "server"
    GROUP = "group"
    SYMBOL = "symbol"
    ACCOUNT = "account"
