"""Rows without a database: what a stack would have persisted, kept as copies in memory.

It records the engine's events the way the stores do and nothing else, so that a `restart` of the engine
backend recovers from what was persisted: an event that forgets to carry a change shows.
"""

from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from engine.enums import OrderStatus, PositionStatus
from engine.lifecycle import LIVE_SMART
from engine.records import Account, Deal, LedgerEntry, Offer, Order, Position, Quote, Request, SmartOrder
from engine.state import Extremes, State


@dataclass
class Rows:
    """The last written state of every record, and the append-only ones in order."""

    accounts: dict[int, Account] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    smarts: dict[int, SmartOrder] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    quotes: dict[str, Quote] = field(default_factory=dict)
    extremes: dict[str, Extremes] = field(default_factory=dict)
    deals: list[Deal] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)

    def record(self, events: list[ev.Event], state: State) -> None:
        """Write what these events of one call say."""
        for event in events:
            match event:
                case ev.OrderChanged(order):
                    self.orders[order.ticket] = copy(order)
                case ev.PositionChanged(position):
                    self.positions[position.ticket] = copy(position)
                case ev.AccountChanged(account) | ev.MarginCallChanged(account):
                    self.accounts[account.login] = copy(account)
                case ev.DealMade(deal):
                    self.deals.append(deal)
                case ev.LedgerBooked(entry):
                    self.ledger.append(entry)
                case ev.SmartChanged(smart):
                    self.smarts[smart.id] = _without_group(smart)
                case ev.RequestChanged(request, is_open):
                    if is_open:
                        self.requests[request.id] = copy(request)
                    else:
                        self.requests.pop(request.id, None)
                case ev.OfferChanged(offer, is_open):
                    if is_open:
                        self.offers[offer.order] = deepcopy(offer)
                    else:
                        self.offers.pop(offer.order, None)
                case ev.PluginChanged(plugin, memory):
                    self.plugins[plugin] = deepcopy(memory)
                case ev.TickAccepted(symbol, quote):
                    self.quotes[symbol] = copy(quote)
                case ev.TickRefused(symbol) if symbol in state.quotes:
                    self.quotes[symbol] = copy(state.quotes[symbol])
                case ev.ExtremesChanged(symbol):
                    extremes = state.extremes.get(symbol)
                    if extremes is None:
                        self.extremes.pop(symbol, None)
                    else:
                        self.extremes[symbol] = Extremes.from_json(extremes.to_json())
                case _:
                    pass

    def load(self, old: State) -> State:
        """Return a new state made of the rows; settings, clock, dealers and counters come from `old`."""
        state = State(
            symbols=dict(old.symbols), groups=dict(old.groups), dealers=dict(old.dealers), now_ms=old.now_ms,
            next_order=old.next_order, next_deal=old.next_deal, next_request=old.next_request,
            server_halt=old.server_halt, server=old.server, day_end_ms=old.day_end_ms,
        )  # fmt: skip
        state.accounts = {login: copy(account) for login, account in self.accounts.items()}
        state.orders = {t: copy(o) for t, o in self.orders.items() if o.status is OrderStatus.PENDING}
        state.positions = {t: copy(p) for t, p in self.positions.items() if p.status is PositionStatus.OPEN}
        state.smarts = {n: _without_group(s) for n, s in self.smarts.items() if s.state in LIVE_SMART}
        state.requests = {n: copy(r) for n, r in self.requests.items()}
        state.offers = {n: deepcopy(o) for n, o in self.offers.items()}
        state.quotes = {name: copy(quote) for name, quote in self.quotes.items()}
        state.extremes = {n: Extremes.from_json(e.to_json()) for n, e in self.extremes.items()}
        state.plugin_states = deepcopy(self.plugins)
        return state


def _without_group(smart: SmartOrder) -> SmartOrder:
    """Return a copy of a smart order as a row keeps it: levels of its own, no trailing group."""
    row = copy(smart)
    row.levels = [copy(level) for level in smart.levels]
    row.group = None
    return row
