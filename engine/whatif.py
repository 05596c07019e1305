"""What would follow at once from a change of settings: who would be called, stopped out, triggered; what margin it takes.

Pure functions: the state is read, never changed. A shadow of it holds the changed record and copies of what the accounts
concerned have open, and the rules' own formulas are asked before and after, at the quotes of the moment. The page that
shows a change before it is saved asks here, and so does the desk when it is saved. It counts accounts, not deals: how
far a stop-out would have to go, and what plugins would say, only happening tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.changes import Settings
from engine.enums import Execution, Side
from engine.plans import effective_stop, next_level
from engine.rates import group_quote
from engine.records import Account, Order, Position
from engine.rounding import to_text
from engine.settings import Group, Server, Symbol, currency_digits
from engine.state import Book, State
from engine.valuation import account_state, is_fully_hedged, is_margin_called, is_stopped_out

#: Logins that are named, of each kind; the counts are of all.
NAMED = 20


@dataclass(slots=True)
class Forecast:
    """What a change would do now. Counts of accounts, except where they say otherwise."""

    accounts: int = 0  # that hold something and are concerned
    acting: int = 0  # in which something would be closed or opened by it
    stopped_out: int = 0
    called: int = 0  # margin called that were not
    released: int = 0  # no longer margin called
    exits: int = 0  # positions whose stop loss, take profit or level would be reached
    pendings: int = 0  # pending orders that would be
    to_dealers: int = 0  # positions and pending orders whose triggers would go to the dealers' queue
    to_desk: int = 0  # ... would no longer
    asleep: int = 0  # ... whose symbol would be outside of its session
    awake: int = 0  # ... would be inside again
    margin: dict[str, list[int]] = field(default_factory=dict)  # currency: [before, after] in minor units
    logins: dict[str, list[int]] = field(default_factory=dict)  # the first of each kind

    def name(self, kind: str, login: int) -> None:
        """Count an account under a kind, and name it while there is room."""
        setattr(self, kind, getattr(self, kind) + 1)
        named = self.logins.setdefault(kind, [])
        if len(named) < NAMED:
            named.append(login)

    def add(self, other: "Forecast") -> None:
        """Add what another shard's accounts would do."""
        for kind in ("accounts", "acting", "stopped_out", "called", "released", "exits", "pendings",
                     "to_dealers", "to_desk", "asleep", "awake"):  # fmt: skip
            setattr(self, kind, getattr(self, kind) + getattr(other, kind))
        for currency, (before, after) in other.margin.items():
            both = self.margin.setdefault(currency, [0, 0])
            both[0] += before
            both[1] += after
        for kind, logins in other.logins.items():
            self.logins[kind] = sorted([*self.logins.get(kind, []), *logins])[:NAMED]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values, money as decimal text."""
        values: dict[str, Any] = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("margin", "logins")
        }
        values["margin"] = {
            currency: [to_text(amount, currency_digits(currency)) for amount in both]
            for currency, both in sorted(self.margin.items())
        }
        values["logins"] = self.logins
        return values


@dataclass(slots=True)
class _Look:
    """What is so of one account."""

    margin: int
    is_stopped: bool
    can_close: bool
    is_called: bool
    exits: set[int]
    pendings: set[int]
    queued: set[int]
    asleep: set[int]


def concerned(state: State, old: Settings | None, new: Settings) -> list[int]:
    """Return the accounts whose figures may differ, those that hold nothing included, by their book."""
    if old is None:
        return []
    if isinstance(new, Server):
        return (
            _by_the_servers_clock(state) if isinstance(old, Server) and old.time_zone != new.time_zone else []
        )
    if isinstance(new, Account):
        return [new.login]
    if isinstance(new, Group):
        return [login for login in state.books if state.accounts[login].group == new.name]
    assert isinstance(old, Symbol)
    converts = (old.digits, old.base_currency, old.profit_currency, old.security)
    if converts != (new.digits, new.base_currency, new.profit_currency, new.security):
        return list(state.books)  # others may convert through it
    return [login for login, book in state.books.items() if _touches(book, new.name)]


def _by_the_servers_clock(state: State) -> list[int]:
    """Return the accounts with something on a symbol whose sessions or holidays follow the server's zone."""
    following = [s.name for s in state.symbols.values() if not s.session_zone and (s.sessions or s.holidays)]
    return [login for login, book in state.books.items() if any(_touches(book, name) for name in following)]


def _touches(book: Book, symbol: str) -> bool:
    held = any(position.symbol == symbol for position in book.positions.values())
    return held or any(order.symbol == symbol for order in book.orders.values())


def forecast(
    state: State, old: Settings | None, new: Settings, logins: Iterable[int] | None = None
) -> Forecast:
    """Return what would follow from `new` in place of `old`; `logins` looks at some of the accounts only."""
    outcome = Forecast()
    chosen = concerned(state, old, new) if logins is None else list(logins)
    holding = [
        login
        for login in sorted(chosen)
        if (book := state.books.get(login)) and (book.positions or book.orders)
    ]
    before, after = _shadow(state, holding), _shadow(state, holding, new)
    for login in holding:
        outcome.accounts += 1
        _add(outcome, login, state.accounts[login].currency, _look(before, login), _look(after, login))
    return outcome


def _add(outcome: Forecast, login: int, currency: str, was: _Look, now: _Look) -> None:
    both = outcome.margin.setdefault(currency, [0, 0])
    both[0] += was.margin
    both[1] += now.margin
    exits, pendings = now.exits - was.exits, now.pendings - was.pendings
    # One that was below its limit already and could not be closed, because its market was shut, can be now.
    stops = now.is_stopped and (not was.is_stopped or (now.can_close and not was.can_close))
    if stops:
        outcome.name("stopped_out", login)
    if now.is_called and not was.is_called:
        outcome.name("called", login)
    if was.is_called and not now.is_called:
        outcome.name("released", login)
    if stops or exits or pendings:
        outcome.name("acting", login)
    outcome.exits += len(exits)
    outcome.pendings += len(pendings)
    outcome.to_dealers += len(now.queued - was.queued)
    outcome.to_desk += len(was.queued - now.queued)
    outcome.asleep += len(now.asleep - was.asleep)
    outcome.awake += len(was.asleep - now.asleep)


def _shadow(state: State, logins: list[int], new: Settings | None = None) -> State:
    """Return a state that holds these accounts' books and the changed record."""
    shadow = State(
        symbols=dict(state.symbols), groups=dict(state.groups), accounts=dict(state.accounts),
        smarts=state.smarts, quotes=state.quotes, dealers=state.dealers, server_halt=state.server_halt,
        now_ms=state.now_ms, server=state.server,
    )  # fmt: skip
    if isinstance(new, Symbol):
        shadow.symbols[new.name] = new
    elif isinstance(new, Server):
        # Symbols hold the calendar that follows from the server's zone: what is keeps its own.
        shadow.server, shadow.symbols = new, {name: replace(symbol) for name, symbol in state.symbols.items()}
    elif isinstance(new, Group):
        shadow.groups[new.name] = new
    elif isinstance(new, Account):
        shadow.accounts[new.login] = new
    for login in logins:
        book = state.books[login]
        # Valuing a position notes its last rate: what might be is not noted in what is.
        positions = {ticket: replace(position) for ticket, position in book.positions.items()}
        shadow.books[login] = Book(positions=positions, orders=book.orders, smarts=book.smarts)
    shadow.index_settings()
    return shadow


def _look(state: State, login: int) -> _Look:
    book, account, group = state.books[login], state.accounts[login], state.group_of(login)
    figures = account_state(state, login)
    held = book.positions.values()
    waiting = [order for order in book.orders.values() if order.price is not None]
    armed = [(p.ticket, p.symbol) for p in held if _exits(state, p) != (None, None)]
    resting = [(order.ticket, order.symbol) for order in waiting]
    open_ones = [(p.ticket, p.symbol) for p in held]
    return _Look(
        margin=figures.margin,
        is_stopped=bool(held)
        and is_stopped_out(
            group, account.currency, figures.equity, figures.margin, hedged=is_fully_hedged(state, login)
        ),
        can_close=any(_trades(state, position.symbol) for position in held),
        is_called=bool(held) and is_margin_called(group, figures.equity, figures.margin),
        exits={position.ticket for position in held if _is_exit_reached(state, position)},
        pendings={order.ticket for order in waiting if _is_order_reached(state, order)},
        queued={ticket for ticket, name in (*armed, *resting) if _waits_for_dealer(state, login, name)},
        asleep={ticket for ticket, name in (*open_ones, *resting) if not _trades(state, name)},
    )


def _trades(state: State, name: str) -> bool:
    symbol = state.symbols[name]
    return not symbol.venue_executed and symbol.in_session(state.now_ms)


def _waits_for_dealer(state: State, login: int, name: str) -> bool:
    execution = state.terms_for(state.group_of(login), state.symbols[name]).execution
    if execution is Execution.AUTO:
        return False
    return execution is not Execution.MANUAL_UNLESS_NO_DEALERS or bool(state.dealers)


def _exits(state: State, position: Position) -> tuple[int | None, int | None]:
    """Return the stop and the target of a position in points, its smart order's where one owns it."""
    smart = state.smarts.get(position.smart)
    if smart is None:
        return position.sl, position.tp
    level = next_level(smart)
    return effective_stop(smart), None if level is None else level.price


def _is_exit_reached(state: State, position: Position) -> bool:
    view = group_quote(state, state.group_of(position.login), state.symbols[position.symbol])
    if view is None or not _trades(state, position.symbol):
        return False
    stop, target = _exits(state, position)
    if position.side is Side.BUY:
        return (stop is not None and view[0] <= stop) or (target is not None and view[0] >= target)
    return (stop is not None and view[1] >= stop) or (target is not None and view[1] <= target)


def _is_order_reached(state: State, order: Order) -> bool:
    symbol = state.symbols.get(order.symbol)
    view = None if symbol is None else group_quote(state, state.group_of(order.login), symbol)
    if view is None or order.price is None or not _trades(state, order.symbol):
        return False
    market = view[1] if order.type.side is Side.BUY else view[0]
    return order.type.is_reached_by(market, order.price)
