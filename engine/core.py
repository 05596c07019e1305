"""The engine's workbench: state, outgoing events, armed levels. What every stage and handler is given.

Promises: whatever is armed follows from the records, so `arm_everything` after a restart gives the same
engine. It decides nothing; rules are in the stages, handlers and formulas.
"""

from collections.abc import Callable, Iterable
from heapq import heappush

from engine.account_bounds import AccountBounds
from engine.asking import Hooks
from engine.enums import OrderStatus, PositionStatus, Side
from engine.events import DealMade, Event, ExtremesChanged, OrderChanged, PositionChanged, SmartChanged
from engine.hooks import Plugin, Registration
from engine.lifecycle import LIVE_SMART
from engine.plans import fixed_stop, next_level
from engine.records import Deal, Order, Position, Quote, SmartOrder
from engine.rounding import spread_halves
from engine.state import Extremes, State
from engine.tickets import MAX_SHARDS, step_and_ending
from engine.trailing import TrailBook
from engine.triggers import Cross, Ladder
from engine.valuation import hold

OFFER_REMEMBERED_MS = 31 * 86_400_000  # how long a requote that ran out can still be told from none


class Core:
    """State plus everything that is armed on it.

    Raises:
        ValueError: there is no such shard, or there are more than tickets can tell apart.
    """

    def __init__(
        self, state: State, plugins: Iterable[Registration | Plugin] = (), *, shard: int = 0, shards: int = 1
    ) -> None:
        if not 0 <= shard < shards <= MAX_SHARDS:
            raise ValueError(f"shard {shard} of {shards}: tickets tell {MAX_SHARDS} shards apart, from 0 on")
        self.state = state
        state.shards = shards
        self.out: list[Event] = []
        self.hooks = Hooks.of(plugins, state, self.out)
        self.shard = shard
        self.shards = shards
        self._step, self._ending = step_and_ending(shard)
        self.pendings: dict[str, Ladder] = {}
        self.exits: dict[str, Ladder] = {}
        self.activations: dict[str, Ladder] = {}
        self.trails: dict[str, dict[tuple[Side, int], TrailBook]] = {}
        self.bounds = AccountBounds(state)
        self.expiries: list[tuple[int, int, int]] = []  # (time, kind, number): 0 orders, 1 requests, 2 offers
        self.changed: set[int] = set()  # smart orders whose version rises when this call ends
        self.created: set[int] = set()  # smart orders made in this call: version 1

    # Numbers

    def new_order_ticket(self) -> int:
        """Return a ticket for an order that the engine makes by itself."""
        self.state.next_order += 1
        return (self.state.next_order - 1) * self._step + self._ending

    def new_deal_ticket(self) -> int:
        """Return a ticket for a deal."""
        self.state.next_deal += 1
        return (self.state.next_deal - 1) * self._step + self._ending

    def new_request_id(self) -> int:
        """Return a number for the dealers' queue."""
        self.state.next_request += 1
        return (self.state.next_request - 1) * self._step + self._ending

    # Events

    def emit(self, event: Event) -> None:
        """Add an event to what this call returns."""
        self.out.append(event)

    def deal_made(self, deal: Deal) -> None:
        """Say that a deal was made, to plugins at once."""
        self.out.append(DealMade(deal))
        self.hooks.on_deal(deal)

    def save_order(self, order: Order) -> None:
        """Stamp the order, keep it while it is alive, emit its event."""
        order.modified_ms = self.state.now_ms
        book = self.state.book(order.login)
        if order.status is OrderStatus.PENDING:
            self.state.orders[order.ticket] = order
            book.orders[order.ticket] = order
        else:
            order.gen += 1
            self.state.orders.pop(order.ticket, None)
            book.orders.pop(order.ticket, None)
        self.out.append(OrderChanged(order))

    def save_position(self, position: Position) -> None:
        """Stamp the position, keep it while it is open, emit its event."""
        position.modified_ms = self.state.now_ms
        book = self.state.book(position.login)
        if position.status is PositionStatus.OPEN:
            self.state.positions[position.ticket] = position
            book.positions[position.ticket] = position
        else:
            position.gen += 1
            self.state.positions.pop(position.ticket, None)
            book.positions.pop(position.ticket, None)
        hold(self.state, position)
        self.bounds.touch(position.login, position.symbol)
        self.out.append(PositionChanged(position))

    def save_smart(
        self, smart: SmartOrder, what: str, data: dict[str, object] | None = None, *, quietly: bool = False
    ) -> None:
        """Stamp the smart order, keep it while it lives, emit a line of its timeline.

        The version rises when the call ends, unless the change is one of the mark alone (`quietly`).
        """
        smart.modified_ms = self.state.now_ms
        if not quietly:
            self.changed.add(smart.id)
        self.sync_mark(smart)
        book = self.state.book(smart.login)
        if smart.state in LIVE_SMART:
            self.state.smarts[smart.id] = smart
            book.smarts[smart.id] = smart
        else:
            smart.gen += 1
            smart.group = None
            self.state.smarts.pop(smart.id, None)
            book.smarts.pop(smart.id, None)
        self.out.append(SmartChanged(smart, what, self.state.now_ms, dict(data or {})))

    def finish(self) -> None:
        """Close one call: raise the versions of the smart orders it changed, keep what plugins remember."""
        for number in sorted(self.changed - self.created):
            for event in reversed(self.out):
                if isinstance(event, SmartChanged) and event.smart.id == number:
                    event.smart.version += 1
                    break
        self.changed.clear()
        self.created.clear()
        self.hooks.flush()

    # Arming

    def _ladder(self, ladders: dict[str, Ladder], symbol: str) -> Ladder:
        ladder = ladders.get(symbol)
        if ladder is None:
            live: Callable[[int, int], bool]
            if ladders is self.pendings:
                live = self._order_is_live
            elif ladders is self.exits:
                live = self._position_is_live
            else:
                live = self._smart_is_live
            ladder = ladders[symbol] = Ladder(live)
        return ladder

    def _order_is_live(self, ticket: int, gen: int) -> bool:
        order = self.state.orders.get(ticket)
        return order is not None and order.gen == gen

    def _position_is_live(self, ticket: int, gen: int) -> bool:
        position = self.state.positions.get(ticket)
        return position is not None and position.gen == gen

    def _smart_is_live(self, number: int, gen: int) -> bool:
        smart = self.state.smarts.get(number)
        return smart is not None and smart.gen == gen

    def offsets(self, login: int, symbol: str) -> tuple[int, int]:
        """Return how far below the market bid, and above the ask, this account sees the symbol, in points."""
        state = self.state
        diff = state.terms_for(state.group_of(login), state.symbols[symbol]).spread_diff
        return spread_halves(diff)

    def arm_order(self, order: Order) -> None:
        """Arm a pending order's price and expiry; older entries of it die."""
        order.gen += 1
        if (
            order.status is not OrderStatus.PENDING
            or order.price is None
            or order.symbol not in self.state.symbols
        ):
            return
        if self.state.symbols[order.symbol].pending_margin_rate:
            self.bounds.touch(order.login)  # what it reserves lowers the margin level
        below, above = self.offsets(order.login, order.symbol)
        ladder = self._ladder(self.pendings, order.symbol)
        kind = order.type
        assert kind.reached is not None  # a market order has no price
        shift = -above if kind.side is Side.BUY else below
        ladder.arm(kind.reached, order.price + shift, order.ticket, order.gen)
        if order.expires_ms:
            heappush(self.expiries, (order.expires_ms, 0, order.ticket))

    def arm_position(self, position: Position) -> None:
        """Arm a position's stop loss and take profit, or what its smart order has in their place."""
        position.gen += 1
        if position.status is not PositionStatus.OPEN:
            return
        stop, profit = position.sl, position.tp
        if position.smart:
            smart = self.state.smarts[position.smart]
            level = next_level(smart)
            stop, profit = fixed_stop(smart), level.price if level is not None else None
        below, above = self.offsets(position.login, position.symbol)
        ladder = self._ladder(self.exits, position.symbol)
        buy = position.side is Side.BUY
        shift = below if buy else -above
        if profit is not None:
            ladder.arm(Cross.BID_UP if buy else Cross.ASK_DOWN, profit + shift, position.ticket, position.gen)
        if stop is not None:
            ladder.arm(Cross.BID_DOWN if buy else Cross.ASK_UP, stop + shift, position.ticket, position.gen)

    def arm_trailing(self, smart: SmartOrder) -> None:
        """Arm a smart order's trailing stop, or the activation price it waits for; older entries die."""
        self.sync_mark(smart)
        smart.gen += 1
        smart.group = None
        if (
            smart.callback is None
            or smart.mark is None
            or not smart.position
            or smart.state not in LIVE_SMART
        ):
            return
        if smart.activation is not None and not smart.activated:
            below, above = self.offsets(smart.login, smart.symbol)
            buy = smart.side is Side.BUY
            level = smart.activation + below if buy else smart.activation - above
            cross = Cross.BID_UP if buy else Cross.ASK_DOWN
            self._ladder(self.activations, smart.symbol).arm(cross, level, smart.id, smart.gen)
            return
        self.trail_book(smart).add(smart, smart.mark)

    def trail_book(self, smart: SmartOrder) -> TrailBook:
        """Return the book of trailing stops that this order belongs to."""
        below, above = self.offsets(smart.login, smart.symbol)
        key = (smart.side, below if smart.side is Side.BUY else above)
        books = self.trails.setdefault(smart.symbol, {})
        book = books.get(key)
        if book is None:
            book = books[key] = TrailBook(smart.side)
        return book

    def sync_mark(self, smart: SmartOrder) -> None:
        """Bring the record's high-water mark up to date with its trailing group."""
        if smart.group is None:
            return
        mark = smart.group.mark
        smart.mark = mark if smart.side is Side.BUY else -mark
        # The tick being processed may not have moved the marks yet; counting it twice does no harm.
        smart.mark_seq = max(smart.mark_seq, self.state.quotes[smart.symbol].seq - 1)

    def write_marks(self, logins: set[int]) -> None:
        """Write down these accounts' trailing marks: their groups see the coming quotes at another spread.

        Recovery goes by quotes seen at the spread of its own moment, so none of before may be left to it.
        """
        for smart in list(self.state.smarts.values()):
            if smart.group is None or smart.login not in logins:
                continue
            self.sync_mark(smart)
            smart.mark_seq = self.state.quotes[smart.symbol].seq
            self.save_smart(smart, "spread_changed", quietly=True)

    def note_extremes(self, symbol: str, quote: Quote) -> None:
        """Keep a quote that moves trailing marks, so that they can be recovered from rows."""
        if not any(book.groups for book in self.trails.get(symbol, {}).values()):
            if self.state.extremes.pop(symbol, None) is not None:
                self.out.append(ExtremesChanged(symbol))
            return
        extremes = self.state.extremes.get(symbol)
        if extremes is None:
            extremes = self.state.extremes[symbol] = Extremes()
        extremes.add(quote.seq, quote.bid, quote.ask)
        self.out.append(ExtremesChanged(symbol))

    def recover_marks(self) -> None:
        """Bring trailing marks that came from rows up to the extremes since they were written."""
        for smart in self.state.smarts.values():
            extremes = self.state.extremes.get(smart.symbol)
            waiting = smart.activation is not None and not smart.activated
            if extremes is None or smart.mark is None or smart.callback is None or waiting:
                continue
            below, above = self.offsets(smart.login, smart.symbol)
            if smart.side is Side.BUY:
                best = extremes.highest_bid_since(smart.mark_seq)
                if best is not None:
                    smart.mark = max(smart.mark, best - below)
            else:
                best = extremes.lowest_ask_since(smart.mark_seq)
                if best is not None:
                    smart.mark = min(smart.mark, best + above)

    def arm_everything(self) -> None:
        """Arm all records anew: after loading them, or after a change of settings that moves levels."""
        self.pendings.clear()
        self.exits.clear()
        self.activations.clear()
        self.expiries.clear()
        for smart in self.state.smarts.values():
            self.sync_mark(smart)
            smart.group = None
        self.trails.clear()
        for order in self.state.orders.values():
            self.arm_order(order)
        for position in self.state.positions.values():
            self.arm_position(position)
        for smart in self.state.smarts.values():
            self.arm_trailing(smart)
        for request in self.state.requests.values():
            heappush(self.expiries, (request.expires_ms + 1, 1, request.id))
        for offer in self.state.offers.values():
            heappush(self.expiries, (offer.expires_ms + OFFER_REMEMBERED_MS, 2, offer.order))
        self.bounds.touch_all()
