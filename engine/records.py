"""What the engine remembers: one dataclass per thing, integers inside.

Units: prices are integer points of their symbol (10^-digits); volumes are integer units of 10^-8 lot
(`VOLUME_SCALE`); money is integer minor units of the account's currency; exact ratios are Fractions; times
are milliseconds UTC. Settings (symbols, groups) are in settings.py.
Promises: a record is changed by the engine only; whoever stores it reads it after the engine returned.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from engine.enums import (
    DealBy,
    Direction,
    EntryType,
    LedgerKind,
    LevelStatus,
    OrderReason,
    OrderStatus,
    PositionStatus,
    RequestKind,
    Side,
    SmartState,
)
from engine.order_types import OrderType

VOLUME_SCALE = 10**8


def lots_text(units: int) -> str:
    """Return volume units as decimal lots without superfluous zeros."""
    whole, part = divmod(units, VOLUME_SCALE)
    text = f"{whole}.{part:08d}".rstrip("0").rstrip(".")
    return text or "0"


LAST_TICKS = 20  # of a symbol, among which the refused are counted


@dataclass(slots=True)
class Quote:
    """Last accepted tick of a symbol, in points, and the row of deviating ticks since."""

    bid: int
    ask: int
    time_ms: int
    seq: int = 0  # accepted ticks of the symbol so far
    deviating: int = 0  # consecutive deviating ticks, signed by their direction
    refusals: int = 0  # a bit for each of the symbol's last ticks, the newest lowest: 1 where it was refused
    arrived_ms: int = 0  # by `State.passed_ms`; of memory only

    def note(self, *, refused: bool) -> None:
        """Remember of the symbol's newest tick whether it was refused."""
        self.refusals = (self.refusals << 1 | refused) & ((1 << LAST_TICKS) - 1)

    @property
    def is_refused_mostly(self) -> bool:
        """Return whether more than half of the symbol's last ticks were refused: its price is not the market's."""
        return self.refusals.bit_count() * 2 > LAST_TICKS


@dataclass(slots=True)
class Account:
    """An account's settings and money."""

    login: int
    group: str
    currency: str
    balance: int = 0
    credit: int = 0
    leverage: int = 0  # 0: the group's
    tier: str = "PRO"
    agent: int = 0  # 0: none
    enabled: bool = True
    read_only: bool = False
    close_only: bool = False
    halt: str = "normal"
    margin_call: bool = False
    ledger_seq: int = 0
    event_seq: int = 0


@dataclass(slots=True)
class Order:
    """One request with a ticket (order-lifecycle: three levels)."""

    ticket: int
    login: int
    symbol: str
    type: OrderType
    volume: int
    status: OrderStatus
    reason: OrderReason
    created_ms: int
    modified_ms: int
    price: int | None = None
    limit_price: int | None = None
    sl: int | None = None
    tp: int | None = None
    expires_ms: int = 0  # 0: never by date
    expires_day: bool = False
    leverage: int | None = None  # asked for
    requested_price: int | None = None
    modified_price: int | None = None
    position: int = 0
    smart: int = 0
    error: str = ""
    comment: str = ""
    client_id: str = ""
    actor: str = ""
    digits: int = 5  # of the symbol when the order was made; rows print prices with it
    request: int = 0  # number in the dealers' queue, 0: not there
    deletes_sl: bool = False  # it was given to delete what stands, where it meets a netting position
    deletes_tp: bool = False
    expected_price: int | None = None  # what whoever asked saw
    deviation: int | None = None  # points that it may be worse by; None: no limit
    requote_price: int | None = None  # what was offered instead
    requote_expires_ms: int = 0  # until when it may be accepted; 0: it may not
    gen: int = 0  # rises whenever what is armed for it changes; triggers of an older one are dead


@dataclass(slots=True)
class Position:
    """An open or closed position."""

    ticket: int
    login: int
    symbol: str
    side: Side
    volume: int
    open_price: Fraction  # points, exact
    leverage: Fraction  # of a netting position: the harmonic mean of its lots
    margin_rate: Fraction  # margin currency -> account currency, kept from the opening
    opened_ms: int
    modified_ms: int
    status: PositionStatus = PositionStatus.OPEN
    sl: int | None = None
    tp: int | None = None
    volume_opened: int = 0  # all that was ever opened under this ticket
    fees: int = 0  # accrued, not yet booked
    swap: int = 0  # accrued, not yet booked
    profit: int = 0  # realised so far
    fees_booked: int = 0
    swap_booked: int = 0
    close_price: int | None = None
    smart: int = 0  # smart order that owns its exits
    comment: str = ""
    digits: int = 5
    gen: int = 0
    last_rate: Fraction | None = None  # last good profit conversion
    #: Price x conversion rate / leverage of a lot, as far as the margin mode uses them, averaged over the lots of a
    #: netting position. None: of one opening, and what is kept above tells it.
    margin_factor: Fraction | None = None


@dataclass(slots=True)
class Deal:
    """An execution: a fact, never changed."""

    ticket: int
    order: int
    position: int
    login: int
    symbol: str
    side: Side
    direction: Direction
    volume: int
    price: int
    requested_price: int
    time_ms: int
    reason: OrderReason
    digits: int
    profit: int | None = None
    fees: int | None = None
    swap: int | None = None
    profit_rate: Fraction | None = None  # profit currency -> account currency
    open_price: Fraction | None = None  # of the position, points; for out deals
    comment: str = ""
    trigger_key: str | None = None  # unique; a trigger executes once
    evidence: dict[str, Any] | None = None  # of every automatic deal
    by: DealBy = DealBy.SYSTEM
    actor: str = ""  # login of the member of staff
    market_bid: int | None = None  # at that moment; None: there was no quote
    market_ask: int | None = None
    group_bid: int | None = None  # the same as the account's group sees it
    group_ask: int | None = None
    settings: dict[str, Any] | None = None  # of its group, as they decided


@dataclass(slots=True)
class LedgerEntry:
    """One change of balance or credit."""

    login: int
    seq: int
    kind: LedgerKind
    amount: int
    balance_after: int
    credit_after: int
    time_ms: int
    order: int = 0
    deal: int = 0
    comment: str = ""
    actor: str = ""


@dataclass(slots=True)
class Level:
    """One rung of a smart order."""

    number: int  # from 1
    price: int
    percent: Fraction
    volume: int  # what it has still to close, or has closed when FILLED
    status: LevelStatus = LevelStatus.PENDING
    deal: int = 0
    time_ms: int = 0


@dataclass(slots=True)
class SmartOrder:
    """An exit plan kept by the server; rules section 9."""

    id: int
    login: int
    symbol: str
    side: Side
    volume: int
    entry: EntryType
    state: SmartState
    created_ms: int
    modified_ms: int
    levels: list[Level] = field(default_factory=list)
    order: int = 0  # entry order's ticket
    position: int = 0
    entry_price: Fraction | None = None  # points, once filled
    stop_loss: int | None = None
    callback: Fraction | None = None  # percent
    activation: int | None = None
    activated: bool = False
    break_even: bool = False
    offset: int = 0
    break_even_stop: int | None = None
    break_even_triggered: bool = False
    trail_floor: int | None = None  # stop that a wider callback may not loosen
    fired_stop: int | None = None  # the stop that fired, of a plan that is STOPPED
    mark: int | None = None  # high-water mark (low-water for sells), points, as of quote number `mark_seq`
    mark_seq: int = 0
    remaining: int = 0
    version: int = 1
    digits: int = 5
    client_id: str = ""
    comment: str = ""
    gen: int = 0
    group: Any = None  # trailing group in memory; never stored


@dataclass(slots=True)
class Offer:
    """A requote's price, which the client may accept: the order that failed with it, and what it asked for."""

    order: int
    login: int
    symbol: str
    price: int
    expires_ms: int  # accepted at that moment it is in time
    digits: int
    name: str  # of the command
    terms: dict[str, Any]  # its fields, as in the journal


@dataclass(slots=True)
class Request:
    """One entry of the dealers' queue."""

    id: int
    kind: RequestKind
    login: int
    symbol: str
    side: Side  # of the deal it would make
    volume: int
    price: int | None  # market, level or order price when it was queued
    created_ms: int
    expires_ms: int  # 0: never
    order: int = 0
    position: int = 0
    smart: int = 0
    level: int = 0
    opposite: int = 0
    requested_price: int | None = None
    dealer: str = ""
    digits: int = 5
    context: dict[str, Any] = field(default_factory=dict)  # evidence gathered when it was queued
