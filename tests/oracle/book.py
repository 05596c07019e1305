"""What the twin remembers: settings as exact numbers, and the records of trading.

No rule is here, only shapes, names and the few look-ups that every rule needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any

from tests.oracle.numbers import digits_of, money_digits, rounded

SYMBOL_NUMBERS = (
    *("contract_size", "volume_min", "volume_max", "volume_step", "margin_initial", "margin_maintenance"),
    *("margin_hedged", "margin_rate_buy", "margin_rate_sell", "pending_margin_rate", "tick_size"),
    *("tick_value", "swap_long", "swap_short"),
)
GROUP_NUMBERS = ("margin_call", "stop_out")
DELETE = "none"  # what stands in a level's place where it is to be taken away


class Settings:
    """Attributes from a record of the scenario format; the numbers among them as fractions."""

    numbers: tuple[str, ...] = ()

    def __init__(self, values: dict[str, Any]) -> None:
        self.assign(values)

    def assign(self, values: dict[str, Any]) -> None:
        for key, value in values.items():
            is_number = key in self.numbers and value is not None
            setattr(self, key, Fraction(value) if is_number else value)


class Symbol(Settings):
    numbers = SYMBOL_NUMBERS

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.bid: Fraction | None = None
        self.ask: Fraction | None = None
        self.quote_ms = 0
        self.deviation = 0  # the side of the row of deviating ticks: 1 up, -1 down
        self.deviations = 0  # how many they are
        self.last: list[bool] = []  # of the last ticks since the first quote: whether each was refused

    def assign(self, values: dict[str, Any]) -> None:
        super().assign(values)
        self.point = Fraction(1, 10**self.digits)
        if "volume_step" in values:
            self.volume_digits = digits_of(values["volume_step"])


class Group(Settings):
    numbers = GROUP_NUMBERS


class Account(Settings):
    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__({key: value for key, value in values.items() if key not in ("balance", "credit")})
        self.balance = Fraction(0)
        self.credit = Fraction(0)
        self.ledger: list[tuple[str, Fraction]] = []


@dataclass(eq=False)
class Order:
    ticket: int
    login: int
    symbol: str
    type: str
    side: str
    volume: Fraction
    name: str | None = None
    price: Fraction | None = None
    limit_price: Fraction | None = None
    sl: Any = None  # a price, DELETE, or None, which keeps what is there
    tp: Any = None
    expires: str | int = "gtc"
    leverage: int | None = None
    status: str = "pending"
    reason: str = "client"
    comment: str = ""
    error: str | None = None
    requested: Fraction | None = None
    expected: Fraction | None = None
    deviation: int | None = None
    requoted: Fraction | None = None
    closes: Any = None  # the position that it was to close, and the volume (None: all)
    smart: Smart | None = None
    is_resting: bool = False  # waits for its price, as opposed to a market order in the dealers' queue


@dataclass(eq=False)
class Position:
    ticket: int
    name: str | None
    login: int
    symbol: str
    side: str
    volume: Fraction
    open_price: Fraction
    open_ms: int
    lots: list[
        tuple[Fraction, Fraction, Fraction, Fraction]
    ]  # volume, price, conversion rate, leverage of each
    sl: Fraction | None = None
    tp: Fraction | None = None
    fees: Fraction = Fraction(0)
    swap: Fraction = Fraction(0)
    smart: Smart | None = None
    last_rates: dict[str, Fraction] = field(default_factory=dict)


@dataclass(eq=False)
class Deal:
    order: Order
    symbol: str
    direction: str
    side: str
    volume: Fraction
    price: Fraction
    requested: Fraction | None
    profit: Fraction | None = None
    fees: Fraction | None = None
    swap: Fraction | None = None
    by: str = "system"
    market: tuple[Fraction, Fraction] | None = None
    view: tuple[Fraction, Fraction] | None = None


@dataclass(eq=False)
class Level:
    price: Fraction
    volume: Fraction
    status: str = "PENDING"


@dataclass(eq=False)
class Smart:
    name: str | None
    login: int
    symbol: str
    side: str
    volume: Fraction
    levels: list[Level]
    stop_loss: Fraction | None
    callback: Fraction | None
    activation: Fraction | None
    offset: int | None  # break-even offset in points; None while break-even is off
    remaining: Fraction
    state: str = "PENDING"
    version: int = 1
    entry_price: Fraction | None = None
    position: Position | None = None
    order: Order | None = None
    is_trailing: bool = False
    mark: Fraction | None = None
    trail_stop: Fraction | None = None
    even_stop: Fraction | None = None
    fired: Fraction | None = None  # the stop that ended it

    @property
    def is_open(self) -> bool:
        return self.state in ("PENDING", "ACTIVE", "PARTIALLY_CLOSED")


@dataclass(eq=False)
class Request:
    """Something that waits for a dealer. `kind` and `subject` say what it is."""

    kind: str  # market, close, close_by, pending, tp, sl, so, level, stop
    subject: Any
    name: str | None
    login: int
    symbol: str
    queued_ms: int
    order: Order | None = None
    volume: Fraction | None = None
    price: Fraction | None = None
    opposite: Position | None = None


@dataclass(eq=False)
class Offer:
    """A requote that may be accepted: what failed, at which price, and until when."""

    order: Order
    price: Fraction
    until_ms: int


class Book:
    """Everything there is, and the clock."""

    def __init__(
        self, symbols: list[Any], groups: list[Any], accounts: list[Any], server: dict[str, Any]
    ) -> None:
        self.server = {"day_end": "00:00", "time_zone": "UTC", **server}
        self.day_end_ms = 0
        self.offers: list[Offer] = []
        self.actor = "system"  # who causes the deals of this step
        self.symbols = {value["name"]: Symbol(value) for value in symbols}
        self.groups = {value["name"]: Group(value) for value in groups}
        self.accounts = {
            value["login"]: Account(value) for value in sorted(accounts, key=lambda v: v["login"])
        }
        self.orders: list[Order] = []
        self.resting: list[Order] = []  # the pending orders among them, by ticket
        self.positions: list[Position] = []
        self.deals: dict[int, list[Deal]] = {login: [] for login in self.accounts}
        self.smart: list[Smart] = []
        self.plan_logins: dict[str, int] = {}  # whose a name is, also of a plan that was refused
        self.requests: list[Request] = []
        self.dealers: dict[str, list[str] | None] = {}  # the groups that they serve, None: all
        self.hooks: dict[str, dict[str, Any]] = {}
        self.client_ids: dict[tuple[int, str], tuple[Order, str | None]] = {}
        self.names: dict[str, Order] = {}
        self.position_names: dict[str, Position] = {}
        self.touched: set[int] = set()  # smart orders whose version has risen in this tick or command
        self.now_ms = 0
        self.ticket = 0

    def next_ticket(self) -> int:
        self.ticket += 1
        return self.ticket

    def position_named(self, name: str) -> Position | None:
        """Return the position of that name, also by another name of the order that opened it."""
        order = self.names.get(name)
        return self.position_names.get(name if order is None or order.name is None else order.name)

    def group(self, login: int) -> Group:
        return self.groups[self.accounts[login].group]

    def setting(self, group: Group, symbol: Symbol, key: str) -> Any:
        """Return a setting of the group that a security may have of its own."""
        return group.securities.get(symbol.security, {}).get(key, getattr(group, key))

    def digits(self, login: int) -> int:
        return money_digits(self.group(login).currency)

    def quote(self, group: Group, symbol: Symbol) -> tuple[Fraction, Fraction] | None:
        """Return bid and ask as this group sees them, or None before the first tick."""
        if symbol.bid is None or symbol.ask is None:
            return None
        diff = self.setting(group, symbol, "spread_diff")
        if not diff:
            return symbol.bid, symbol.ask
        bid = symbol.bid - diff // 2 * symbol.point
        if not symbol.allow_negative:
            bid = max(bid, symbol.point)
        return bid, max(symbol.ask + (diff - diff // 2) * symbol.point, bid + symbol.point)

    def is_fresh(self, symbol: Symbol) -> bool:
        if symbol.bid is None or sum(symbol.last[-20:]) > 10:
            return False
        return not symbol.quotes_timeout or self.now_ms - symbol.quote_ms <= symbol.quotes_timeout * 1000

    def open_price(self, login: int, symbol: Symbol, side: str) -> Fraction:
        bid, ask = self.quote(self.group(login), symbol) or (None, None)
        assert bid is not None and ask is not None
        return ask if side == "buy" else bid

    def close_price(self, login: int, symbol: Symbol, side: str) -> Fraction:
        bid, ask = self.quote(self.group(login), symbol) or (None, None)
        assert bid is not None and ask is not None
        return bid if side == "buy" else ask

    def executes_itself(self, login: int, symbol: Symbol) -> bool:
        mode = self.setting(self.group(login), symbol, "execution")
        return mode == "auto" or (
            mode == "manual_unless_no_dealers" and not self.is_served(self.accounts[login].group)
        )

    def is_served(self, group: str) -> bool:
        """Return whether a dealer who serves the group is online."""
        for groups in self.dealers.values():
            if groups is None:
                return True
            plain = [mask for mask in groups if not mask.startswith("!")]
            out = [mask[1:] for mask in groups if mask.startswith("!")]
            if any(fnmatchcase(group, m) for m in plain) and not any(fnmatchcase(group, m) for m in out):
                return True
        return False

    def positions_of(self, login: int, symbol: str | None = None) -> list[Position]:
        return [p for p in self.positions if p.login == login and (symbol is None or p.symbol == symbol)]

    def filter_hook(self, name: str) -> bool:
        """Return whether a filter says OK; asked only when its subject is reached."""
        answer, _ = self._hook(name)
        return answer == "ok"

    def apply_hook(self, name: str, symbol: Symbol) -> tuple[bool, Fraction | None]:
        """Return whether an apply hook says OK, which is its default, and the price it gives, rounded."""
        answer, price = self._hook(name)
        if price is not None:
            price = rounded(price, symbol.digits)
        return answer in (None, "ok"), price if answer == "ok" else None

    def _hook(self, name: str) -> tuple[str | None, Fraction | None]:
        hook = self.hooks.get(name)
        if hook is None:
            return None, None
        if hook["times"] is not None:
            hook["times"] -= 1
            if hook["times"] == 0:
                del self.hooks[name]
        return hook["answer"], hook["price"]


def read_level(symbol: Symbol | None, text: str | None) -> Any:
    """Return a level as a price, DELETE where it takes one away, None where it is left out."""
    if text is None or text == DELETE:
        return text
    level = Fraction(text)
    return DELETE if not level and not (symbol and symbol.allow_negative) else level


def level_after(standing: Fraction | None, given: Any) -> Fraction | None:
    """Return what stands after a level was given."""
    if given is None:
        return standing
    return None if given == DELETE else given


def opposite(side: str) -> str:
    return "sell" if side == "buy" else "buy"


def is_oldest(book: Book, position: Position) -> bool:
    """Return whether no other position of the same symbol and side is older (open time, ticket)."""
    same = [p for p in book.positions_of(position.login, position.symbol) if p.side == position.side]
    return min(same, key=lambda p: (p.open_ms, p.ticket)) is position
