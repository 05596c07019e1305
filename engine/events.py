"""What happened: the engine's only output.

Every event carries the record that its row needs. A record may change again within one batch, so a store
writes the last state of each (login, ticket) and every append-only record once; pushes are made from the
same events after the commit, in order.
"""

from dataclasses import dataclass, field
from typing import Any

from engine.figures import AccountState
from engine.records import Account, Deal, LedgerEntry, Offer, Order, Position, Quote, Request, SmartOrder


@dataclass(slots=True, frozen=True)
class Event:
    """Base of all events."""


@dataclass(slots=True, frozen=True)
class CommandDone(Event):
    """A command was answered: `code` is "" where it was done."""

    code: str
    message: str = ""
    ticket: int = 0
    login: int = 0
    level: int = 0  # number of the level meant, for invalid_levels
    data: dict[str, Any] | None = None


@dataclass(slots=True, frozen=True)
class TickAccepted(Event):
    """A tick became the symbol's quote."""

    symbol: str
    quote: Quote


@dataclass(slots=True, frozen=True)
class TickRefused(Event):
    """A tick was refused and changed nothing."""

    symbol: str
    cause: str


@dataclass(slots=True, frozen=True)
class OrderChanged(Event):
    """An order was made or advanced."""

    order: Order


@dataclass(slots=True, frozen=True)
class PositionChanged(Event):
    """A position was opened, changed or closed."""

    position: Position


@dataclass(slots=True, frozen=True)
class DealMade(Event):
    """A deal was executed."""

    deal: Deal


@dataclass(slots=True, frozen=True)
class LedgerBooked(Event):
    """Balance or credit changed."""

    entry: LedgerEntry


@dataclass(slots=True, frozen=True)
class AccountChanged(Event):
    """An account's money, flags or settings changed."""

    account: Account


@dataclass(slots=True, frozen=True)
class MarginCallChanged(Event):
    """An account's margin level crossed its group's margin call, either way."""

    account: Account
    level: str | None  # percent with two decimals


@dataclass(slots=True, frozen=True)
class SmartChanged(Event):
    """A smart order was made or changed; `what` and `data` are a line of its timeline."""

    smart: SmartOrder
    what: str
    time_ms: int
    data: dict[str, Any]


@dataclass(slots=True, frozen=True)
class RequestChanged(Event):
    """A request entered the dealers' queue (`open`), changed hands, or left it."""

    request: Request
    open: bool
    outcome: str = ""


@dataclass(slots=True, frozen=True)
class OfferChanged(Event):
    """A requote's price was offered (`open`), or is gone: accepted, or too old to be told from none."""

    offer: Offer
    open: bool


@dataclass(slots=True, frozen=True)
class AgentCommissionDue(Event):
    """An agent on another shard is to be paid; `amount` in minor units of `digits` decimals."""

    agent: int
    amount: int
    currency: str
    deal: int
    client: int


@dataclass(slots=True, frozen=True)
class SettingsChanged(Event):
    """Settings were replaced between two ticks."""

    kind: str
    key: str
    before: dict[str, Any] = field(default_factory=dict, compare=False)  # of the keys that differ
    after: dict[str, Any] = field(default_factory=dict, compare=False)
    actor: str = field(default="", compare=False)
    is_new: bool = field(default=False, compare=False)


@dataclass(slots=True, frozen=True)
class DealersChanged(Event):
    """Dealers came or went; of each the masks of the groups that they serve, None: all."""

    dealers: dict[str, tuple[str, ...] | None]


@dataclass(slots=True, frozen=True)
class StopOutUnanswered(Event):
    """A stop-out waited for a dealer in vain: it left the queue, and the account is as it was."""

    request: Request


@dataclass(slots=True, frozen=True)
class HaltChanged(Event):
    """A kill switch was turned."""

    scope: str
    key: str
    level: str


@dataclass(slots=True, frozen=True)
class HookFailed(Event):
    """A plugin raised; its answer counted as the default."""

    plugin: str
    point: str
    error: str


@dataclass(slots=True, frozen=True)
class PluginChanged(Event):
    """A plugin's options or memory changed and want to be kept."""

    plugin: str
    state: dict[str, Any]


@dataclass(slots=True, frozen=True)
class ExtremesChanged(Event):
    """The running extremes of a symbol, from which trailing marks are recovered, changed."""

    symbol: str


@dataclass(slots=True, frozen=True)
class AccountDayEnded(Event):
    """An account as it stood at a day end, swaps of that day included."""

    login: int
    time_ms: int
    figures: AccountState


@dataclass(slots=True, frozen=True)
class DayEnded(Event):
    """A trading day ended: swaps accrued, day orders expired."""

    time_ms: int
