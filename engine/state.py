"""All that an engine remembers, and the indices it keeps over it.

State is plain: stores fill its dictionaries, the engine changes them. Indices (`books`, `pairs`, `terms`)
can always be rebuilt from the rest. Only live things are here: pending orders and those that wait for a
dealer, open positions, smart orders that have not ended.
"""

from bisect import bisect_right
from collections.abc import Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from engine.enums import MarginMode
from engine.holdings import Holding
from engine.masks import Masks
from engine.records import Account, Offer, Order, Position, Quote, Request, SmartOrder
from engine.settings import Group, Server, Symbol, Terms

Path = tuple[tuple[str, bool], ...]  # symbols that convert, each with whether it is inverse


@lru_cache(maxsize=1000)
def _masks(listed: tuple[str, ...]) -> Masks:
    """Return a dealer's masks; a group's name is one of its own."""
    named = tuple(mask for mask in listed if not mask.startswith("!"))
    return Masks(named, tuple(mask[1:] for mask in listed if mask.startswith("!")))


@dataclass(slots=True)
class Book:
    """What one account has open, and the caches of its price bounds."""

    positions: dict[int, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    smarts: dict[int, SmartOrder] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    line: Any = None  # EquityLine by which its bounds were armed
    holdings: dict[str, Holding] | None = None  # sums of the positions by symbol; None: add up afresh
    bounds_gen: int = 0  # price bounds of an older generation are dead

    def held(self) -> Set[str]:
        """Return the symbols of the positions."""
        if self.holdings is not None:
            return self.holdings.keys()
        return {position.symbol for position in self.positions.values()}


@dataclass(slots=True)
class Extremes:
    """Suffix extremes of a symbol's quotes: what trailing marks are recovered from.

    `highs` holds (seq, bid) with falling bids, `lows` (seq, ask) with rising asks: the highest bid since
    quote number s is the first entry after s. Appending is O(1) amortised.
    """

    highs: list[tuple[int, int]] = field(default_factory=list)
    lows: list[tuple[int, int]] = field(default_factory=list)

    def add(self, seq: int, bid: int, ask: int) -> None:
        """Take note of accepted quote number `seq`."""
        highs, lows = self.highs, self.lows
        while highs and highs[-1][1] <= bid:
            highs.pop()
        highs.append((seq, bid))
        while lows and lows[-1][1] >= ask:
            lows.pop()
        lows.append((seq, ask))

    def highest_bid_since(self, seq: int) -> int | None:
        """Return the highest bid of the quotes after number `seq`, None if there was none."""
        at = bisect_right(self.highs, (seq, 10**30))
        return self.highs[at][1] if at < len(self.highs) else None

    def lowest_ask_since(self, seq: int) -> int | None:
        """Return the lowest ask of the quotes after number `seq`, None if there was none."""
        at = bisect_right(self.lows, (seq, 10**30))
        return self.lows[at][1] if at < len(self.lows) else None

    def to_json(self) -> dict[str, Any]:
        """Return the entries as JSON values."""
        return {"highs": [list(p) for p in self.highs], "lows": [list(p) for p in self.lows]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Extremes":
        """Return the extremes that `to_json` wrote."""
        return cls(
            highs=[(seq, price) for seq, price in values["highs"]],
            lows=[(seq, price) for seq, price in values["lows"]],
        )


@dataclass(slots=True)
class State:
    """The engine's whole memory."""

    symbols: dict[str, Symbol] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    smarts: dict[int, SmartOrder] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)  # by the order that was requoted
    quotes: dict[str, Quote] = field(default_factory=dict)
    extremes: dict[str, Extremes] = field(default_factory=dict)
    dealers: dict[str, tuple[str, ...] | None] = field(default_factory=dict)  # masks of groups; None: all
    plugin_states: dict[str, dict[str, Any]] = field(default_factory=dict)
    server_halt: str = "normal"
    shards: int = 1  # among which all accounts are divided; this state holds those of one
    now_ms: int = 0
    passed_ms: int = 0  # time that passes, by a clock that nobody sets; what ages are measured by
    next_order: int = 1
    next_deal: int = 1
    next_request: int = 1
    unloaded: dict[int, str] = field(default_factory=dict)  # accounts left out because of their rows, and why
    unloaded_settings: dict[tuple[str, str], str] = field(default_factory=dict)  # by kind and key, and why
    books: dict[int, Book] = field(default_factory=dict)
    pairs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    paths: dict[tuple[str, str], Path | None] = field(
        default_factory=dict
    )  # of conversion, as far as asked for
    terms: dict[tuple[str, str], Terms] = field(default_factory=dict)
    deal_settings: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    server: Server = field(default_factory=Server)
    day_end_ms: int = 0  # the next day end; 0: none has been looked for yet
    currencies: list[str] = field(default_factory=list)  # of the symbol list: base, then profit currency

    def book(self, login: int) -> Book:
        """Return the account's book, an empty one where it has nothing."""
        book = self.books.get(login)
        if book is None:
            book = self.books[login] = Book()
        return book

    def group_of(self, login: int) -> Group:
        """Return the group of an account."""
        return self.groups[self.accounts[login].group]

    def is_served(self, group: str) -> bool:
        """Return whether a dealer of this group is online."""
        return any(masks is None or _masks(masks).cover(group) for masks in self.dealers.values())

    def is_netting(self, login: int) -> bool:
        """Return whether the account keeps one position a symbol."""
        return self.group_of(login).margin_mode is MarginMode.NETTING

    def position_of(self, login: int, ticket: int) -> Position | None:
        """Return an open position of this account, None where the number is none of its."""
        position = self.positions.get(ticket)
        return position if position is not None and position.login == login else None

    def order_of(self, login: int, ticket: int) -> Order | None:
        """Return a pending order of this account, None where the number is none of its."""
        order = self.orders.get(ticket)
        return order if order is not None and order.login == login and not order.type.is_market else None

    def netting_position(self, login: int, symbol: str) -> Position | None:
        """Return the netting account's position on a symbol."""
        for position in self.book(login).positions.values():
            if position.symbol == symbol:
                return position
        return None

    def terms_for(self, group: Group, symbol: Symbol) -> Terms:
        """Return what the group grants on the symbol."""
        key = (group.name, symbol.name)
        terms = self.terms.get(key)
        if terms is None:
            terms = self.terms[key] = group.terms(symbol.security)
        return terms

    def index(self) -> None:
        """Rebuild every index from the records."""
        self.books.clear()
        for order in sorted(self.orders.values(), key=lambda o: o.ticket):
            self.book(order.login).orders[order.ticket] = order
        for position in sorted(self.positions.values(), key=lambda p: p.ticket):
            self.book(position.login).positions[position.ticket] = position
        for smart in sorted(self.smarts.values(), key=lambda s: s.id):
            self.book(smart.login).smarts[smart.id] = smart
        for request in sorted(self.requests.values(), key=lambda r: r.id):
            self.book(request.login).requests[request.id] = request
        self.index_settings()

    def index_settings(self) -> None:
        """Rebuild what follows from symbols and groups."""
        self.terms.clear()
        self.deal_settings.clear()
        self.pairs.clear()
        self.paths.clear()
        self.currencies = []
        for symbol in sorted(self.symbols.values(), key=lambda s: s.index):
            symbol.follow(self.server.time_zone)
            for currency in (symbol.base_currency, symbol.profit_currency):
                if currency not in self.currencies:
                    self.currencies.append(currency)
            key = (symbol.base_currency, symbol.profit_currency)
            if key[0] != key[1]:
                self.pairs.setdefault(key, []).append(symbol.name)
