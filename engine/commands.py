"""What may be asked of the engine.

Commands are plain facts that survive JSON: numbers with a decimal point are decimal text (the engine knows
the symbol's digits and answers with the right code when they do not fit), times are milliseconds UTC, names
are the words of enums.py. `to_json` and `from_json` are the only way in and out of the command journal.
Tickets are reserved by whoever writes the journal, before the engine sees the command.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.enums import By, DealerAnswer, EntryType, HaltLevel, HaltScope, LedgerKind, Side
from engine.order_types import OrderType

#: The text of a level (SL, TP, a plan's stop loss) that takes it away, whatever prices its symbol has.
NO_LEVEL = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base of all commands: who acts, and until when a late command may still act.

    `ticket` is the order number reserved for the order that this command makes (0: makes none).
    `valid_until_ms` is 0 where a command never goes stale (closing, balance).
    """

    by: By = By.CLIENT
    actor: str = ""
    comment: str = ""
    ticket: int = 0
    valid_until_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder(Command):
    """A market or pending order."""

    login: int
    symbol: str
    type: OrderType
    volume: str
    price: str | None = None
    limit_price: str | None = None
    sl: str | None = None
    tp: str | None = None
    expires: str | int | None = None  # "gtc", "day" or time in ms
    leverage: int | None = None
    open_price: str | None = None  # manager only
    open_time_ms: int | None = None  # manager only
    check_margin: bool = True  # False: a manager overrides the margin check
    expected_price: str | None = None  # market orders: what whoever asks saw
    deviation: int | None = None  # points that the price may be worse by
    client_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePosition(Command):
    """Close a position, or `volume` lots of it."""

    login: int
    position: int
    volume: str | None = None
    price: str | None = None  # manager only
    expected_price: str | None = None
    deviation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseBy(Command):
    """Close two opposite positions of one symbol against each other."""

    login: int
    position: int
    opposite: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyPosition(Command):
    """Change SL and TP: None keeps, NO_LEVEL deletes, "0" too where prices cannot be negative.

    `seen` are values that its sender saw, by name, None for none; where one is another by now, nothing changes.
    """

    login: int
    position: int
    sl: str | None = None
    tp: str | None = None
    seen: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyOrder(Command):
    """Change a pending order: None keeps, NO_LEVEL deletes a stop, "0" too where prices cannot be negative.

    `seen` as for a position.
    """

    login: int
    order: int
    price: str | None = None
    limit_price: str | None = None
    sl: str | None = None
    tp: str | None = None
    expires: str | int | None = None
    seen: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder(Command):
    """Delete a pending order."""

    login: int
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceOperation(Command):
    """Move money in or out of an account; `amount` in account currency."""

    login: int
    kind: LedgerKind
    amount: str
    override: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAgentCommission(Command):
    """Pay an agent whose account another shard serves; `amount` in account currency."""

    login: int
    amount: str
    deal: int
    client: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSmart(Command):
    """A smart order; `ticket` is its entry order's, `smart` its own reserved number."""

    login: int
    smart: int
    symbol: str
    side: Side
    volume: str
    entry: EntryType
    price: str | None = None
    position: int | None = None
    take_profits: list[list[str]] = field(default_factory=list)  # [[price, percent], ...]
    stop_loss: str | None = None
    callback: str | None = None  # percent
    activation: str | None = None  # price
    break_even: bool = False
    offset: int = 0  # points in the profit direction
    client_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifySmart(Command):
    """Change a live smart order; None keeps, stop_loss NO_LEVEL deletes, callback "0" ends trailing.

    `levels`, where given, is the whole list of levels that are still open: [[price, percent], ...].
    """

    login: int
    smart: int
    version: int | None = None
    stop_loss: str | None = None
    callback: str | None = None
    break_even: bool | None = None
    offset: int | None = None
    levels: list[list[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSmart(Command):
    """End a smart order by hand; with `close` its position is closed at the market too."""

    login: int
    smart: int
    version: int | None = None
    close: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDealers(Command):
    """Say which dealers are online.

    `groups` holds the masks of groups that a dealer serves, for those who do not serve all of them.
    """

    names: list[str]
    groups: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRequest(Command):
    """Let one dealer own a request of the queue, or give it back with an empty name."""

    request: int
    dealer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest(Command):
    """Answer a request of the dealers' queue; `request` is its number in the queue."""

    request: int
    answer: DealerAnswer
    dealer: str = ""
    price: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptRequote(Command):
    """Take the price that a requote offered: a new order of the same terms; `order` is the one that failed."""

    login: int
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceTime(Command):
    """Move the engine's clock: expiries and timeouts act."""

    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSettings(Command):
    """Replace the settings of one symbol, group or account between two ticks.

    `kind` is "symbol", "group", "account" or "server"; `values` are the keys of scenario files. Without `seen` they are all the
    settings of a symbol or group. With it they are those that change (`securities.NAME`: a group's terms on one),
    and `seen` holds what their author saw of them: what stands otherwise by now is a `conflict`.
    `accounts`: in how many accounts something may be closed or opened by it at once; in more is a `conflict`.
    `is_trial`: say what would be answered, with the figures, and change nothing.
    """

    kind: str
    key: str
    values: dict[str, Any]
    seen: dict[str, Any] | None = None
    accounts: int | None = None
    is_trial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHalt(Command):
    """Turn a kill switch."""

    scope: HaltScope
    key: str
    level: HaltLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurePlugin(Command):
    """Hand new options to a loaded plugin."""

    plugin: str
    values: dict[str, Any]


COMMANDS: dict[str, type[Command]] = {
    cls.__name__: cls
    for cls in (
        PlaceOrder, ClosePosition, CloseBy, ModifyPosition, ModifyOrder, CancelOrder, BalanceOperation,
        BookAgentCommission, PlaceSmart, ModifySmart, CancelSmart, SetDealers, TakeRequest, AnswerRequest,
        AcceptRequote, AdvanceTime, ChangeSettings, SetHalt, ConfigurePlugin,
    )
}  # fmt: skip

_ENUM_FIELDS: dict[str, Any] = {
    "by": By, "type": OrderType, "kind": LedgerKind, "side": Side, "entry": EntryType,
    "answer": DealerAnswer, "scope": HaltScope, "level": HaltLevel,
}  # fmt: skip


def to_json(command: Command) -> dict[str, Any]:
    """Return the command's fields as JSON values, the base fields included."""
    return asdict(command)


def from_json(name: str, values: dict[str, Any]) -> Command:
    """Return the command that `to_json` wrote.

    Raises:
        KeyError: there is no command of that name.
        TypeError: a field is missing or unknown.
        ValueError: an enum field has a word that is not one of its members.
    """
    cls = COMMANDS[name]
    known = {f.name for f in fields(cls)}
    read = dict(values)
    for key, enum in _ENUM_FIELDS.items():
        if key in known and key in read and not (cls is ChangeSettings and key == "kind"):
            read[key] = enum(read[key])
    return cls(**read)
