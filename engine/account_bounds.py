"""Which accounts a tick can bring to their stop-out or margin call: price bounds instead of recomputing all.

For an account that is safe, bounds of the quotes that its equity depends on are found (safe_prices.py) such that
equity stays on the safe side as long as none is crossed. They stand in heaps by symbol: a tick looks only at the
nearest. A crossed bound, or any change of the account, makes the account "due" for
every symbol it holds; the stop-out stage then computes it exactly. So the answers are those of computing
every account on every tick, at a cost that does not grow with the number of accounts.

An account that has reached its stop-out while nothing of it may be closed is parked: only its margin call has
bounds, and it is due again when what it waits for has come.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from engine.equity_line import NEVER, EquityLine, line_of
from engine.records import Account
from engine.safe_prices import End, find_bounds
from engine.state import State

_SWEEP_AT = 4096

Bound = tuple[int, int, int]  # (signed price, or a moment; login; generation)


@dataclass(slots=True)
class AccountBounds:
    """Price bounds of all accounts, and those that are due for an exact look."""

    state: State
    heaps: dict[str, tuple[list[Bound], list[Bound], list[Bound], list[Bound]]] = field(
        default_factory=dict
    )  # by `End`
    limits: dict[tuple[str, int], int] = field(default_factory=dict)
    due: dict[str, set[int]] = field(default_factory=dict)
    backlog: dict[int, None] = field(default_factory=dict)  # due by a change that touched many, in its order
    touched: set[int] | None = None  # while the stage runs: who was touched since it last looked here
    parked: set[int] = field(default_factory=set)  # at their stop-out, and nothing of them may be closed
    openings: list[Bound] = field(
        default_factory=list
    )  # (moment, ...): a session of a parked account's begins

    def touch(self, login: int, symbol: str = "") -> None:
        """Make the account due: something of it changed. `symbol` is one that it has just left or joined."""
        book = self.state.book(login)
        book.bounds_gen += 1
        book.line = None
        self.parked.discard(login)
        if self.touched is not None:
            self.touched.add(login)
        held = book.held()
        for name in held:
            self.due.setdefault(name, set()).add(login)
        if symbol and symbol not in held and login in self.due.get(symbol, ()):
            self.due[symbol].discard(login)

    def touch_many(self, logins: Iterable[int]) -> None:
        """Make these accounts due, and let their bounds be armed between ticks."""
        for login in logins:
            self.touch(login)
            self.backlog[login] = None

    def touch_all(self) -> None:
        """Make every account with positions due, and let their bounds be armed between ticks."""
        self.heaps.clear()
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
        for login in [*self.due.get(symbol, ()), *self.crossed(symbol, bid, ask)]:
            self.touch(login)

    def crossed(self, symbol: str, bid: int, ask: int) -> list[int]:
        """Make those accounts due whose bounds this quote, in raw points, has left.

        Returned instead are those of which their line tells that only the margin call has come or gone.
        """
        heaps = self.heaps.get(symbol)
        if heaps is None:
            return []
        below_bid, above_bid, below_ask, above_ask = heaps
        # Nearly every tick leaves no bound, and ends here.
        if not (
            (below_bid and below_bid[0][0] < -bid)
            or (above_bid and above_bid[0][0] < bid)
            or (below_ask and below_ask[0][0] < -ask)
            or (above_ask and above_ask[0][0] < ask)
        ):
            return []
        called: list[int] = []
        books = self.state.books
        for heap, price in zip(heaps, (-bid, bid, -ask, ask), strict=True):
            while heap and heap[0][0] < price:
                _, login, gen = heappop(heap)
                book = books[login]
                if book.bounds_gen != gen:
                    continue
                line = book.line
                if line is None or (bid if line.is_buy else -ask) <= line.stop_at:
                    self.touch(login)
                else:
                    called.append(login)
        return called

    def arm_bounds(self, login: int) -> bool:
        """Arm bounds for an account that has nothing to be done; it stays due where that is not certain.

        Returns whether bounds were armed: nothing is to be done now, and nothing before a bound is crossed.
        """
        account, book = self.state.accounts[login], self.state.book(login)
        line = line_of(self.state, account)
        if line is None:
            return self._arm_inside(login, frozenset(), parked=False)
        quote = self.state.quotes[line.symbol]
        price = line.price(quote.bid, quote.ask)
        if price <= line.stop_at or (price <= line.call_at) is not account.margin_call:
            return False
        book.bounds_gen += 1
        book.line = line
        if line.stop_at > NEVER:
            self._push(line.symbol, line.falls, (-1 - line.stop_at, login, book.bounds_gen))
        self.arm_call(account, line, book.bounds_gen)
        self.due.get(line.symbol, set()).discard(login)
        return True

    def arm_call(self, account: Account, line: EquityLine, gen: int) -> None:
        """Arm the price of an account's line at which its margin call comes, or goes where it stands."""
        if account.margin_call:
            self._push(line.symbol, line.rises, (line.call_at, account.login, gen))
        else:
            self._push(line.symbol, line.falls, (-1 - line.call_at, account.login, gen))

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

    def _arm_inside(self, login: int, due_for: Set[str], *, parked: bool) -> bool:
        """Arm the bounds that were found, and leave the account due for ticks of these symbols only.

        Returns False where there are none; then nothing has changed.
        """
        bounds = find_bounds(self.state, login, parked=parked)
        if bounds is None:
            return False
        book = self.state.book(login)
        book.bounds_gen += 1
        book.line = None
        for symbol, end, price in bounds:
            self._push(symbol, end, (price if end.is_upper else -price, login, book.bounds_gen))
        for name in book.held() - due_for:
            self.due.get(name, set()).discard(login)
        return True

    def _push(self, symbol: str, end: End, bound: Bound) -> None:
        heaps = self.heaps.get(symbol)
        if heaps is None:
            heaps = self.heaps[symbol] = ([], [], [], [])
        heap = heaps[end]
        heappush(heap, bound)
        if len(heap) > _SWEEP_AT and len(heap) > self.limits.get((symbol, end), 0):
            books = self.state.books
            heap[:] = [b for b in heap if books[b[1]].bounds_gen == b[2]]
            heapify(heap)
            self.limits[symbol, end] = max(_SWEEP_AT, 2 * len(heap))
