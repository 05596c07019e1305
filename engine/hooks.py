"""Plugins: where a broker's own ideas enter the engine, isolated from its rules.

A Plugin overrides the points it cares about; every default is harmless. Plugins are asked in the order of
their registration, for the groups and symbols of their masks only. A filter's first answer other than NONE
wins; of the apply points every plugin must say OK, and the last price given counts. A plugin that raises
counts as NONE in a filter and as REJECT in an apply; the failure is an event and a count, and the engine
goes on. What a plugin wants to keep over a restart it returns from `memory()`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from engine.commands import Command
from engine.enums import Answer, HookPoint, OrderReason, Side
from engine.events import Event, HookFailed, PluginChanged


@dataclass(slots=True, frozen=True)
class Context:
    """What a hook is told: the tick (group's quote, decimal text), the trigger and whom it concerns."""

    symbol: str
    group: str
    login: int
    bid: str
    ask: str
    time_ms: int
    ticket: int  # order, position or victim
    side: Side
    volume: str
    reason: OrderReason
    trigger: str  # "stop_loss", "take_profit", "level 2", "stop", "stop_out", or a pending order's type
    level: str  # the price that was reached; "" for a stop-out
    price: str  # the price it would execute at


@dataclass(slots=True, frozen=True)
class Verdict:
    """Answer of an apply hook; `price` replaces the execution price."""

    answer: Answer = Answer.OK
    price: str | None = None


OK = Verdict()


class Plugin:
    """Base of all plugins; every method may be overridden."""

    name = ""

    def configure(self, values: dict[str, Any]) -> None:
        """Take new options at a known place in the order of events. Raises ValueError on a bad one."""
        raise ValueError(f"{self.name or type(self).__name__} takes no options")

    def memory(self) -> dict[str, Any]:
        """Return what must survive a restart, as JSON values."""
        return {}

    def remember(self, memory: dict[str, Any]) -> None:
        """Take back what `memory` returned before the restart."""

    def on_tick(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        """See every accepted tick before anything is decided on it."""

    def command_filter(self, command: Command, time_ms: int) -> Answer:
        """Return REJECT to refuse a command."""
        return Answer.NONE

    def pendings_filter(self, context: Context) -> Answer:
        """Return OK to activate whatever the execution mode."""
        return Answer.NONE

    def pendings_apply(self, context: Context) -> Verdict:
        """Return REJECT to skip this activation, or OK with another price."""
        return OK

    def stops_filter(self, context: Context) -> Answer:
        """Return OK to close whatever the execution mode."""
        return Answer.NONE

    def stops_apply(self, context: Context) -> Verdict:
        """Return REJECT to skip this close, or OK with another price."""
        return OK

    def stopouts_filter(self, context: Context) -> Answer:
        """Return OK to close whatever the execution mode."""
        return Answer.NONE

    def stopouts_apply(self, context: Context) -> Verdict:
        """Return REJECT to skip this victim, or OK with another price."""
        return OK

    def after_commit(self, events: Sequence[Event]) -> None:
        """See the events of a batch once they are in the database; called by the desk, not by the engine."""


@dataclass(slots=True, frozen=True)
class Registration:
    """A plugin with the masks of groups and symbols that it is asked for."""

    plugin: Plugin
    groups: str = "*"
    symbols: str = "*"

    def covers(self, group: str, symbol: str) -> bool:
        """Return whether the masks ("retail*,vip") cover this group and symbol."""
        return _matches(self.groups, group) and _matches(self.symbols, symbol)

    def watches(self, symbol: str) -> bool:
        """Return whether the plugin looks at every tick of this symbol."""
        return type(self.plugin).on_tick is not Plugin.on_tick and _matches(self.symbols, symbol)


def _matches(masks: str, name: str) -> bool:
    return masks == "*" or any(fnmatchcase(name, mask.strip()) for mask in masks.split(","))


@dataclass(slots=True)
class Hooks:
    """Asks the registered plugins and isolates their failures."""

    registrations: tuple[Registration, ...]
    out: list[Event]
    failures: dict[str, int] = field(default_factory=dict)
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    watched: dict[str, bool] = field(default_factory=dict)
    asked: bool = False  # whether any plugin ran since the last `flush`

    @classmethod
    def of(cls, plugins: Iterable[Registration | Plugin], out: list[Event]) -> "Hooks":
        """Return the hooks of plugins in order; a bare plugin is asked for everything."""
        registrations = [p if isinstance(p, Registration) else Registration(p) for p in plugins]
        return cls(tuple(registrations), out)

    def filter(self, point: HookPoint, context: Context, seen: dict[str, str]) -> Answer:
        """Return the first answer other than NONE; note it in `seen` for the evidence."""
        answer = Answer.NONE
        for registration in self._covering(context):
            result = self._ask(registration.plugin, point, context, Answer.NONE)
            if result is not Answer.NONE:
                answer = result
                break
        seen[point.value] = answer.value
        return answer

    def apply(self, point: HookPoint, context: Context, seen: dict[str, str]) -> Verdict:
        """Return REJECT if any plugin does not say OK, else OK with the last price given."""
        price: str | None = None
        for registration in self._covering(context):
            verdict = self._ask(registration.plugin, point, context, Verdict(Answer.REJECT))
            if verdict.answer is not Answer.OK:
                seen[point.value] = verdict.answer.value
                return Verdict(Answer.REJECT)
            price = verdict.price if verdict.price is not None else price
        seen[point.value] = Answer.OK.value
        return Verdict(Answer.OK, price)

    def accepts(self, command: Command, time_ms: int) -> bool:
        """Return whether no plugin refuses the command."""
        for registration in self.registrations:
            self.asked = True
            try:
                if registration.plugin.command_filter(command, time_ms) is Answer.REJECT:
                    return False
            except Exception as error:  # noqa: BLE001 - a plugin must not stop the desk
                self._failed(registration.plugin, HookPoint.COMMAND_FILTER, error)
        return True

    def on_tick(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        """Show a tick to every plugin that looks at ticks."""
        for registration in self.registrations:
            if registration.watches(symbol):
                self.asked = True
                try:
                    registration.plugin.on_tick(symbol, bid, ask, time_ms)
                except Exception as error:  # noqa: BLE001 - a plugin must not stop the desk
                    self._failed(registration.plugin, HookPoint.ON_TICK, error)

    def configure(self, name: str, values: dict[str, Any]) -> str:
        """Hand options to the plugin of this name; return what is wrong with them, or ""."""
        for registration in self.registrations:
            if registration.plugin.name == name:
                self.asked = True
                try:
                    registration.plugin.configure(values)
                except (ValueError, TypeError, KeyError) as error:
                    return str(error) or repr(error)
                return ""
        return f"no plugin {name!r} is loaded"

    def remember(self, memories: dict[str, dict[str, Any]]) -> None:
        """Give every plugin back what it wanted kept."""
        for registration in self.registrations:
            memory = memories.get(registration.plugin.name)
            if memory is not None:
                registration.plugin.remember(memory)
                self.memories[registration.plugin.name] = memory

    def watches(self, symbol: str) -> bool:
        """Return whether any plugin looks at every tick of this symbol."""
        watched = self.watched.get(symbol)
        if watched is None:
            watched = self.watched[symbol] = any(r.watches(symbol) for r in self.registrations)
        return watched

    def flush(self) -> None:
        """Emit the memories that changed since the last call."""
        if not self.asked:
            return
        self.asked = False
        for registration in self.registrations:
            plugin = registration.plugin
            memory = plugin.memory()
            if memory != self.memories.get(plugin.name, {}):
                self.memories[plugin.name] = memory
                self.out.append(PluginChanged(plugin.name, memory))

    def _covering(self, context: Context) -> list[Registration]:
        return [r for r in self.registrations if r.covers(context.group, context.symbol)]

    def _ask(self, plugin: Plugin, point: HookPoint, context: Context, otherwise: Any) -> Any:
        self.asked = True
        try:
            return getattr(plugin, point.value)(context)
        except Exception as error:  # noqa: BLE001 - a plugin must not stop the desk
            self._failed(plugin, point, error)
            return otherwise

    def _failed(self, plugin: Plugin, point: HookPoint, error: Exception) -> None:
        key = f"{plugin.name}.{point.value}"
        self.failures[key] = self.failures.get(key, 0) + 1
        self.out.append(HookFailed(plugin.name, point.value, repr(error)))
