"""Which accounts a tick can bring to their stop-out or margin call: price bounds instead of recomputing all.

For an account that is safe, an interval around each quote that its equity depends on is found such that
equity stays on the safe side anywhere inside all intervals. The intervals' ends stand in heaps by symbol: a
tick looks only at the nearest ends. A crossed end, or any change of the account, makes the account "due" for
every symbol it holds; the stop-out stage then computes it exactly. So the answers are those of computing
every account on every tick, at a cost that does not grow with the number of accounts.

An account that has reached its stop-out while nothing of it may be closed is parked: only its margin call has
bounds, and it is due again when what it waits for has come.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heapify, heappop, heappush

from engine.margin import positions_margin, reservation, reserving_orders
from engine.profit import in_money, raw_profit
from engine.rates import BidAsk, close_price, conversion_path, widen
from engine.records import Position
from engine.settings import Group, Symbol, currency_digits
from engine.state import Book, State
from engine.valuation import is_fully_hedged, is_margin_called, is_stopped_out

MIN_SHIFT, MAX_SHIFT = 3, 24
_SWEEP_AT = 4096

Bound = tuple[int, int, int]  # (signed price, login, generation)
Intervals = dict[str, BidAsk]  # the lowest bid and the highest ask of each symbol


class Unsafe(Exception):
    """The intervals are too wide for a safe answer."""


@dataclass(slots=True)
class AccountBounds:
    """Price bounds of all accounts, and those that are due for an exact look."""

    state: State
    lows: dict[str, list[Bound]] = field(default_factory=dict)  # (-low, ...): crossed when bid < low
    highs: dict[str, list[Bound]] = field(default_factory=dict)  # (high, ...): crossed when ask > high
    limits: dict[tuple[str, bool], int] = field(default_factory=dict)
    due: dict[str, set[int]] = field(default_factory=dict)
    backlog: dict[int, None] = field(default_factory=dict)  # due by a change that touched many, in its order
    parked: set[int] = field(default_factory=set)  # at their stop-out, and nothing of them may be closed
    openings: list[Bound] = field(
        default_factory=list
    )  # (moment, ...): a session of a parked account's begins

    def touch(self, login: int, symbol: str = "") -> None:
        """Make the account due: something of it changed. `symbol` is one that it has just left or joined."""
        book = self.state.book(login)
        book.bounds_gen += 1
        self.parked.discard(login)
        for held in {position.symbol for position in book.positions.values()}:
            self.due.setdefault(held, set()).add(login)
        if symbol and login in self.due.get(symbol, ()) and not self._holds(book, symbol):
            self.due[symbol].discard(login)

    def touch_many(self, logins: Iterable[int]) -> None:
        """Make these accounts due, and let their bounds be armed between ticks."""
        for login in logins:
            self.touch(login)
            self.backlog[login] = None

    def touch_all(self) -> None:
        """Make every account with positions due, and let their bounds be armed between ticks."""
        self.lows.clear()
        self.highs.clear()
        self.limits.clear()
        self.due.clear()
        self.backlog.clear()
        self.parked.clear()
        self.openings.clear()
        self.touch_many(login for login, book in self.state.books.items() if book.positions)

    def arm_some(self, most: int) -> int:
        """Arm bounds for accounts of the backlog that are safe at the quotes of the moment; return how many.

        Else the next tick would have to compute them all. Those that are not safe stay due for it.
        """
        count = min(most, len(self.backlog))
        for _ in range(count):
            self.arm_bounds(self.backlog.popitem()[0])
        return count

    def wake(self, concerned: Callable[[int], bool]) -> None:
        """Make those parked accounts due that a kill switch concerns."""
        for login in [login for login in self.parked if concerned(login)]:
            self.touch(login)

    def opened(self, now_ms: int) -> None:
        """Make those parked accounts due for which a session has begun by now."""
        openings = self.openings
        while openings and openings[0][0] <= now_ms:
            _, login, gen = heappop(openings)
            if self.state.book(login).bounds_gen == gen:
                self.touch(login)

    def passed_over(self, symbol: str, bid: int, ask: int) -> None:
        """Take a quote that no stage has looked at: whoever waits for one, or has bounds that it left, is due."""
        for login in list(self.due.get(symbol, ())):
            self.touch(login)
        self.crossed(symbol, bid, ask)

    def crossed(self, symbol: str, bid: int, ask: int) -> None:
        """Make those accounts due whose bounds this quote, in raw points, has left."""
        self._pop(self.lows.get(symbol), -bid)
        self._pop(self.highs.get(symbol), ask)

    def _pop(self, heap: list[Bound] | None, price: int) -> None:
        while heap and heap[0][0] < price:
            _, login, gen = heappop(heap)
            if self.state.book(login).bounds_gen == gen:
                self.touch(login)

    def arm_bounds(self, login: int) -> None:
        """Arm bounds for an account that was found safe; it stays due where no safe interval exists."""
        self._arm_inside(login, frozenset())

    def park(self, login: int, quoteless: Set[str], opens_ms: int | None) -> None:
        """Let an account rest that has reached its stop-out and may not be acted on.

        It stays due for ticks of the symbols that are `quoteless`, and is due at the moment at which a session of
        its symbols may open; a kill switch that is turned wakes it.
        """
        if not self._arm_inside(login, quoteless, parked=True):
            return
        self.parked.add(login)
        if opens_ms is not None:
            heappush(self.openings, (opens_ms, login, self.state.book(login).bounds_gen))

    def _arm_inside(self, login: int, due_for: Set[str], *, parked: bool = False) -> bool:
        """Arm the widest intervals that are found safe, and leave the account due for ticks of these symbols only.

        Returns False where there are none; then nothing has changed.
        """
        book = self.state.book(login)
        held = {position.symbol for position in book.positions.values()}
        if not held:
            return False
        account = self.state.accounts[login]
        group = self.state.groups[account.group]
        symbols = self._dependencies(login, held, account.currency)
        if symbols is None:
            return False
        shift = max(MIN_SHIFT, book.bounds_shift - 2)
        while shift <= MAX_SHIFT:
            intervals = self._intervals(symbols, shift)
            if self._is_safe(login, group, intervals, parked=parked):
                book.bounds_shift = shift
                self._arm(login, book, intervals)
                for name in held - due_for:
                    self.due.get(name, set()).discard(login)
                return True
            shift += 2
        return False

    def _arm(self, login: int, book: Book, intervals: Intervals) -> None:
        book.bounds_gen += 1
        for name, (low, high) in intervals.items():
            self._push(name, False, (-low, login, book.bounds_gen))
            self._push(name, True, (high, login, book.bounds_gen))

    def _push(self, symbol: str, above: bool, bound: Bound) -> None:
        heap = (self.highs if above else self.lows).setdefault(symbol, [])
        heappush(heap, bound)
        if len(heap) > self.limits.get((symbol, above), _SWEEP_AT):
            books = self.state.books
            heap[:] = [b for b in heap if books[b[1]].bounds_gen == b[2]]
            heapify(heap)
            self.limits[symbol, above] = max(_SWEEP_AT, 2 * len(heap))

    def _holds(self, book: Book, symbol: str) -> bool:
        return any(position.symbol == symbol for position in book.positions.values())

    def _dependencies(self, login: int, held: set[str], currency: str) -> set[str] | None:
        """Return the symbols whose quotes move the account's equity or margin; None: a quote is missing."""
        symbols = set(held)
        sources = {self.state.symbols[name].profit_currency for name in held}
        sources |= {
            self.state.symbols[order.symbol].margin_currency for order in reserving_orders(self.state, login)
        }
        for source in sources:
            path = conversion_path(self.state, source, currency)
            if path is None:
                return None
            symbols.update(name for name, _ in path)
        return None if any(name not in self.state.quotes for name in symbols) else symbols

    def _intervals(self, symbols: set[str], shift: int) -> Intervals:
        intervals: Intervals = {}
        for name in symbols:
            quote = self.state.quotes[name]
            low, high = quote.bid - (abs(quote.bid) >> shift), quote.ask + (abs(quote.ask) >> shift)
            intervals[name] = BidAsk(low, high)
        return intervals

    def _is_safe(self, login: int, group: Group, intervals: Intervals, *, parked: bool) -> bool:
        """Return whether no change of margin call, nor a stop-out unless `parked`, is possible inside the intervals."""
        try:
            worst, best = self._equity_range(login, group, intervals)
            low_margin, high_margin = self._margin_range(login, group, intervals)
        except Unsafe:
            return False
        account = self.state.accounts[login]
        hedged = not parked and is_fully_hedged(self.state, login)
        if not parked and any(
            is_stopped_out(group, account.currency, worst, margin, hedged=hedged)
            for margin in (low_margin, high_margin)
        ):
            return False
        if account.margin_call:
            return is_margin_called(group, best, low_margin)
        return not is_margin_called(group, worst, high_margin)

    def _equity_range(self, login: int, group: Group, intervals: Intervals) -> tuple[int, int]:
        state = self.state
        account = state.accounts[login]
        digits = currency_digits(account.currency)
        worst = best = account.balance + account.credit
        rates: dict[str, tuple[Fraction, Fraction]] = {}
        for position in state.book(login).positions.values():
            symbol = state.symbols[position.symbol]
            source = symbol.profit_currency
            if source not in rates:
                rates[source] = self._rate_range(group, source, account.currency, intervals)
            low, high = _profit_range(
                symbol, position, self._view(group, symbol, intervals), rates[source], digits
            )
            worst += low + position.swap + position.fees
            best += high + position.swap + position.fees
        return worst, best

    def _margin_range(self, login: int, group: Group, intervals: Intervals) -> tuple[int, int]:
        margin = positions_margin(self.state, login)
        low = high = margin
        account = self.state.accounts[login]
        for order in reserving_orders(self.state, login):
            symbol = self.state.symbols[order.symbol]
            rates = self._rate_range(group, symbol.margin_currency, account.currency, intervals)
            low += reservation(self.state, order, rates[0])
            high += reservation(self.state, order, rates[1])
        return low, high

    def _view(self, group: Group, symbol: Symbol, intervals: Intervals) -> BidAsk:
        low, high = intervals[symbol.name]
        diff = self.state.terms_for(group, symbol).spread_diff
        return widen(low, high, diff, positive=not symbol.allow_negative)

    def _rate_range(
        self, group: Group, source: str, target: str, intervals: Intervals
    ) -> tuple[Fraction, Fraction]:
        path = conversion_path(self.state, source, target)
        if path is None:
            raise Unsafe
        low = high = Fraction(1)
        for name, inverse in path:
            symbol = self.state.symbols[name]
            bid, ask = self._view(group, symbol, intervals)
            if bid <= 0:
                raise Unsafe
            scale = 10**symbol.digits
            if inverse:
                low, high = low * Fraction(scale, ask), high * Fraction(scale, bid)
            else:
                low, high = low * Fraction(bid, scale), high * Fraction(ask, scale)
        return low, high


def _profit_range(
    symbol: Symbol, position: Position, view: BidAsk, rates: tuple[Fraction, Fraction], digits: int
) -> tuple[int, int]:
    """Return the least and the greatest profit of a position inside a price and a rate interval."""
    side = position.side
    bad = close_price(view, side)
    good = close_price(BidAsk(view.ask, view.bid), side)
    worst = raw_profit(symbol, side, position.open_price, bad, position.volume)
    best = raw_profit(symbol, side, position.open_price, good, position.volume)
    low = in_money(worst, rates[0] if worst[0] >= 0 else rates[1], digits)
    high = in_money(best, rates[1] if best[0] >= 0 else rates[0], digits)
    return low, high
