"""Asking plugins, and judging their answers where they come in.

An answer of a wrong type, a price that no deal can have, a memory that is no JSON, and whatever a plugin raises:
each is that plugin's failure. It is an event and a count, the answer that docs/hooks.md names for failures counts,
and the engine goes on. Masks bind every point. It decides no rule of trading.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from engine import commands as c
from engine.enums import Answer, HookPoint
from engine.events import (
    AccountChanged,
    AgentCommissionDue,
    DealMade,
    Event,
    ExtremesChanged,
    HookFailed,
    LedgerBooked,
    MarginCallChanged,
    OrderChanged,
    PluginChanged,
    PositionChanged,
    RequestChanged,
    SmartChanged,
    TickAccepted,
    TickRefused,
)
from engine.hooks import Context, Plugin, Registration, Reject, Verdict
from engine.records import Deal
from engine.rounding import parse_decimal, round_half_up, to_text
from engine.state import State

MOST_MEMORY = 1_000_000  # characters of JSON that one plugin may keep
MOST_WORDS = 500  # of what a plugin says: a refusal, an error
MOST_NAME = 60
REFUSED = Verdict(Answer.REJECT)


class WrongAnswer(TypeError):
    """A plugin answered what its point does not take."""


@dataclass(slots=True, frozen=True)
class PluginRefusal:
    """A plugin refused a command: its name and its words."""

    plugin: str
    words: str

    @property
    def reply(self) -> str:
        """Return the line that the caller is told."""
        return f"{self.plugin}: {self.words}" if self.words else f"{self.plugin} rejected it"


@dataclass(slots=True)
class Hooks:
    """Asks the registered plugins and isolates their failures."""

    registrations: tuple[Registration, ...]
    state: State
    out: list[Event]
    failures: dict[str, int] = field(default_factory=dict)
    memories: dict[str, str] = field(default_factory=dict)  # the last good ones, as JSON text
    sealed: set[str] = field(default_factory=set)  # could not take their memory back: it is kept as it was
    watched: dict[str, bool] = field(default_factory=dict)
    asked: bool = False  # whether any plugin ran since the last `flush`

    @classmethod
    def of(cls, plugins: Iterable[Registration | Plugin], state: State, out: list[Event]) -> "Hooks":
        """Return the hooks of plugins in order; a bare plugin is asked for everything."""
        registrations = [p if isinstance(p, Registration) else Registration(p) for p in plugins]
        return cls(named(registrations), state, out)

    # Decisions

    def filter(self, point: HookPoint, context: Context, answers: dict[str, str]) -> Answer:
        """Return the first answer other than NONE; note it in `answers` for the evidence."""
        answer = Answer.NONE
        for registration in self._covering(context.group, context.symbol, point):
            result: Answer = self._ask(registration, point, Answer.NONE, _filter_answer, context)
            if result is not Answer.NONE:
                answer = result
                break
        answers[point.value] = answer.value
        return answer

    def apply(self, point: HookPoint, context: Context, answers: dict[str, str]) -> Verdict:
        """Return REJECT if any plugin does not say OK, else OK with the last price given, on the symbol's grid."""
        price: str | None = None

        def judged(answer: Any) -> Verdict:
            return self._verdict(answer, context.symbol)

        for registration in self._covering(context.group, context.symbol, point):
            verdict: Verdict = self._ask(registration, point, REFUSED, judged, context)
            if verdict.answer is not Answer.OK:
                answers[point.value] = verdict.answer.value
                return REFUSED
            price = verdict.price if verdict.price is not None else price
        answers[point.value] = Answer.OK.value
        return Verdict(Answer.OK, price)

    def refusal(self, command: c.Command, time_ms: int) -> PluginRefusal | None:
        """Return the first plugin's refusal of a command; None: nobody refuses it.

        A command about a thing that is not there is nobody's: its handler says so.
        """
        place = self.place_of(command)
        if place is None:
            return None
        for registration in self._covering(*place, HookPoint.COMMAND_FILTER):
            copy = deepcopy(command)  # nothing can be changed through it
            answer: Answer | Reject = self._ask(
                registration, HookPoint.COMMAND_FILTER, Answer.NONE, _command_answer, copy, time_ms
            )
            if isinstance(answer, Reject):
                return PluginRefusal(registration.name, _clean(answer.reason))
            if answer is Answer.REJECT:
                return PluginRefusal(registration.name, "")
        return None

    def place_of(self, command: c.Command) -> tuple[str | None, str | None] | None:
        """Return the group and symbol that a command concerns, None for what it has not.

        None: it names a thing that is not there.
        """
        return _place_of(self.state, command)

    # What they see

    def on_tick(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        """Show a tick to every plugin that looks at ticks."""
        for registration in self.registrations:
            if registration.watches(symbol):
                self._ask(registration, HookPoint.ON_TICK, None, _nothing, symbol, bid, ask, time_ms)

    def on_deal(self, deal: Deal) -> None:
        """Show a deal, at the moment when it is made."""
        group = self.state.accounts[deal.login].group
        for registration in self._covering(group, deal.symbol, HookPoint.ON_DEAL):
            copy = replace(deal, evidence=deepcopy(deal.evidence))
            self._ask(registration, HookPoint.ON_DEAL, None, _nothing, copy)

    @property
    def listens(self) -> bool:
        """Return whether any plugin wants to see what was committed."""
        return any(r.overrides(HookPoint.AFTER_COMMIT.value) for r in self.registrations)

    def after_commit(self, events: Sequence[Event]) -> None:
        """Show what was committed, to each plugin what its masks cover."""
        for registration in self.registrations:
            if not registration.overrides(HookPoint.AFTER_COMMIT.value):
                continue
            covered = [event for event in events if registration.covers(*_place_of_event(self.state, event))]
            if covered:
                self._ask(registration, HookPoint.AFTER_COMMIT, None, _nothing, covered)

    def watches(self, symbol: str) -> bool:
        """Return whether any plugin looks at every tick of this symbol."""
        watched = self.watched.get(symbol)
        if watched is None:
            watched = self.watched[symbol] = any(r.watches(symbol) for r in self.registrations)
        return watched

    # Options and memory

    def configure(self, name: str, values: dict[str, Any]) -> str:
        """Hand options to the plugin of this name; return what is wrong with them, or ""."""
        for registration in self.registrations:
            if registration.name != name:
                continue
            self.asked = True
            try:
                registration.plugin.configure(deepcopy(values))
            except ValueError as error:  # the way of a plugin to say so
                return _own_words(error)
            except Exception as error:  # noqa: BLE001 - a plugin must not stop the desk
                self.fail(name, HookPoint.CONFIGURE, error)
                return _own_words(error)
            self.sealed.discard(name)
            return ""
        return f"no plugin {name!r} is loaded"

    def remember(self, memories: dict[str, dict[str, Any]]) -> None:
        """Give every plugin back what it wanted kept.

        Of one that cannot take it the memory stays as it was, for the day on which it can.
        """
        for registration in self.registrations:
            memory = memories.get(registration.name)
            if memory is None:
                continue
            self.memories[registration.name] = json.dumps(memory, sort_keys=True)
            try:
                registration.plugin.remember(deepcopy(memory))
            except Exception as error:  # noqa: BLE001 - a plugin must not stop the desk
                self.fail(registration.name, HookPoint.REMEMBER, error)
                self.sealed.add(registration.name)

    def flush(self) -> None:
        """Emit the memories that changed since the last call."""
        if not self.asked:
            return
        self.asked = False
        for registration in self.registrations:
            if registration.name in self.sealed or not registration.overrides(HookPoint.MEMORY.value):
                continue
            standing = self.memories.get(registration.name, "{}")
            text: str = self._ask(registration, HookPoint.MEMORY, standing, _memory_text)
            if text != standing:
                self.memories[registration.name] = text
                self.out.append(PluginChanged(registration.name, json.loads(text)))
        self.asked = False

    # Failures

    def fail(self, name: str, point: HookPoint, error: Exception) -> None:
        """Count a failure of a plugin and say so."""
        key = f"{name}.{point.value}"
        self.failures[key] = self.failures.get(key, 0) + 1
        self.out.append(HookFailed(name, point.value, printable(error)))

    def _covering(self, group: str | None, symbol: str | None, point: HookPoint) -> list[Registration]:
        return [r for r in self.registrations if r.overrides(point.value) and r.covers(group, symbol)]

    def _ask(
        self,
        registration: Registration,
        point: HookPoint,
        otherwise: Any,
        judge: Callable[[Any], Any],
        *facts: Any,
    ) -> Any:
        """Return a judged answer, or `otherwise` where the plugin has failed."""
        self.asked = True
        try:
            return judge(getattr(registration.plugin, point.value)(*facts))
        except Exception as error:  # noqa: BLE001 - a plugin must not stop the desk
            self.fail(registration.name, point, error)
            return otherwise

    def _verdict(self, answer: Any, symbol_name: str) -> Verdict:
        """Return an apply point's answer with its price on the symbol's grid, rounded half up.

        Raises:
            WrongAnswer: it is no verdict, or its price is none that a deal of the symbol can have.
        """
        if isinstance(answer, Reject):
            return REFUSED
        if not isinstance(answer, Verdict) or not isinstance(answer.answer, Answer):
            raise WrongAnswer(f"a Verdict is needed, not {printable(answer)}")
        if answer.price is None or answer.answer is not Answer.OK:
            return answer
        symbol = self.state.symbols[symbol_name]
        price = parse_decimal(answer.price) if isinstance(answer.price, str) else None
        if price is None:
            raise WrongAnswer(f"a price is decimal text, not {printable(answer.price)}")
        points = round_half_up(price * 10**symbol.digits)
        if points <= 0 and not symbol.allow_negative:
            raise WrongAnswer(f"{answer.price} is no price of {symbol_name}")
        return Verdict(Answer.OK, to_text(points, symbol.digits))


def _place_of(state: State, command: c.Command) -> tuple[str | None, str | None] | None:
    login = getattr(command, "login", None)
    if login is None:
        return None, getattr(command, "symbol", None)
    account = state.accounts.get(login)
    if account is None:
        return None
    book = state.book(login)
    match command:
        case c.PlaceOrder() | c.PlaceSmart():
            return account.group, command.symbol
        case c.ClosePosition() | c.CloseBy() | c.ModifyPosition():
            thing: Any = book.positions.get(command.position)
        case c.ModifyOrder() | c.CancelOrder():
            thing = book.orders.get(command.order)
        case c.ModifySmart() | c.CancelSmart():
            thing = book.smarts.get(command.smart)
        case _:
            return account.group, None
    return None if thing is None else (account.group, thing.symbol)


def _place_of_event(state: State, event: Event) -> tuple[str | None, str | None]:
    """Return the group and symbol that an event concerns, None for what it has not."""
    match event:
        case OrderChanged(order=thing) | PositionChanged(position=thing) | DealMade(deal=thing):
            login, symbol = thing.login, thing.symbol or None
        case SmartChanged(smart=thing) | RequestChanged(request=thing):
            login, symbol = thing.login, thing.symbol
        case LedgerBooked(entry=entry):
            login, symbol = entry.login, None
        case AccountChanged(account=account) | MarginCallChanged(account=account):
            login, symbol = account.login, None
        case AgentCommissionDue():
            login, symbol = event.client, None
        case TickAccepted() | TickRefused() | ExtremesChanged():
            return None, event.symbol
        case _:
            return None, None
    known = state.accounts.get(login)
    return (None if known is None else known.group), symbol


def named(registrations: list[Registration]) -> tuple[Registration, ...]:
    """Return the registrations, each under a name of its own: a second of one name is `name#2`."""
    seen: dict[str, int] = {}
    named = []
    for registration in registrations:
        own = registration.name or getattr(registration.plugin, "name", "")
        own = (
            _clean(own)[: MOST_NAME - 4]
            if isinstance(own, str) and own
            else type(registration.plugin).__name__
        )
        seen[own] = seen.get(own, 0) + 1
        named.append(replace(registration, name=own if seen[own] == 1 else f"{own}#{seen[own]}"))
    return tuple(named)


def _nothing(answer: Any) -> None:
    """Take whatever a method returned of which nothing is asked."""


def _filter_answer(answer: Any) -> Answer:
    if not isinstance(answer, Answer):
        raise WrongAnswer(f"an Answer is needed, not {printable(answer)}")
    return answer


def _command_answer(answer: Any) -> Answer | Reject:
    if isinstance(answer, Reject):
        if not isinstance(answer.reason, str):
            raise WrongAnswer(f"the reason of a Reject is text, not {printable(answer.reason)}")
        return answer
    return _filter_answer(answer)


def _memory_text(memory: Any) -> str:
    """Return a memory as JSON text that a row can hold and that comes back as it is.

    Raises:
        WrongAnswer: it is no such thing.
    """
    if not isinstance(memory, dict):
        raise WrongAnswer(f"a memory is a dict, not {printable(memory)}")
    _check_json(memory)
    text = json.dumps(memory, sort_keys=True, allow_nan=False)
    if len(text) > MOST_MEMORY:
        raise WrongAnswer(f"a memory of {len(text)} characters is more than {MOST_MEMORY}")
    return text


def _check_json(value: Any) -> None:
    """Refuse what JSON would change and a jsonb column would not take; what is no JSON `json` refuses itself."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise WrongAnswer(f"a key of a memory is text, not {printable(key)}")
            _check_json(key)
            _check_json(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_json(inner)
    elif isinstance(value, str) and value != _clean(value, len(value)):
        raise WrongAnswer(f"a memory holds text that no row can hold: {printable(value)}")


def _clean(text: str, most: int = MOST_WORDS) -> str:
    """Return text that a row can hold: no NUL, no half of a surrogate pair, not too long."""
    return text[:most].replace("\x00", "").encode("utf-8", "ignore").decode()


def _own_words(error: Exception) -> str:
    """Return an exception's own words, its class where it has none."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - its class says enough
        words = ""
    return _clean(words) or type(error).__name__


def printable(value: object) -> str:
    """Return something a plugin gave, for people; its own `__repr__` may fail too."""
    try:
        return _clean(repr(value))
    except Exception:  # noqa: BLE001 - its class says enough
        return f"a {type(value).__name__}"
