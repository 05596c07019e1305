"""Plugins: where a broker's own ideas enter the engine, isolated from its rules.

A Plugin overrides the points it cares about; every default is harmless. Plugins are asked in the order of
their registration, for the groups and symbols of their masks only. A filter's first answer other than NONE
wins; of the apply points every plugin must say OK, and the last price given counts. What a plugin answers is
judged in asking.py: a wrong type or an exception, of any method, is that plugin's failure and nobody else's.
What a plugin wants to keep over a restart it returns from `memory()`. docs/hooks.md is the manual.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.commands import Command
from engine.enums import Answer, OrderReason, Side
from engine.events import Event
from engine.masks import Masks, masks_from
from engine.records import Deal


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
    """Answer of an apply hook; `price`, decimal text, replaces the execution price."""

    answer: Answer = Answer.OK
    price: str | None = None


@dataclass(slots=True, frozen=True)
class Reject:
    """A refusal with the plugin's own words, which the caller is told."""

    reason: str


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

    def command_filter(self, command: Command, time_ms: int) -> Answer | Reject:
        """Return REJECT, or Reject with words, to refuse a client's command."""
        return Answer.NONE

    def pendings_filter(self, context: Context) -> Answer:
        """Return OK to activate whatever the execution mode."""
        return Answer.NONE

    def pendings_apply(self, context: Context) -> Verdict | Reject:
        """Return a refusal to skip this activation, or OK with another price."""
        return OK

    def stops_filter(self, context: Context) -> Answer:
        """Return OK to close whatever the execution mode."""
        return Answer.NONE

    def stops_apply(self, context: Context) -> Verdict | Reject:
        """Return a refusal to skip this close, or OK with another price."""
        return OK

    def stopouts_filter(self, context: Context) -> Answer:
        """Return OK to close whatever the execution mode."""
        return Answer.NONE

    def stopouts_apply(self, context: Context) -> Verdict | Reject:
        """Return a refusal to skip this victim, or OK with another price."""
        return OK

    def on_deal(self, deal: Deal) -> None:
        """See a deal when it is made; what is remembered of it is written in the deal's own transaction."""

    def after_commit(self, events: Sequence[Event]) -> None:
        """See the events of a batch once they are in the database: for notifications, not for memory."""


@dataclass(slots=True, frozen=True)
class Registration:
    """A plugin with the masks of groups and symbols that it is asked for, and the name it is kept under.

    Raises:
        MaskError: groups or symbols are no list of masks.
    """

    plugin: Plugin
    groups: str = "*"
    symbols: str = "*"
    name: str = ""  # "": the plugin's own

    def __post_init__(self) -> None:
        for text in (self.groups, self.symbols):
            _read(text)

    def covers(self, group: str | None, symbol: str | None) -> bool:
        """Return whether the masks ("retail*,!retail-vip") cover these; None: the matter has no such thing."""
        return (group is None or _read(self.groups).cover(group)) and (
            symbol is None or _read(self.symbols).cover(symbol)
        )

    def overrides(self, method: str) -> bool:
        """Return whether the plugin has a method of its own at this point."""
        own = getattr(type(self.plugin), method, None)
        return own is not getattr(Plugin, method) or method in getattr(self.plugin, "__dict__", {})

    def watches(self, symbol: str) -> bool:
        """Return whether the plugin looks at every tick of this symbol."""
        return self.overrides("on_tick") and _read(self.symbols).cover(symbol)


@lru_cache(maxsize=1000)
def _read(masks: str) -> Masks:
    return masks_from(masks)
