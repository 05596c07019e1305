"""Holds triggers while a scheduled release makes the market jump.

Options: `windows`, a list of {"from", "to", "symbols"} with ISO 8601 UTC times (the start is inside, the end
is not) and masks of symbols ("EUR*,!EURCHF"; all where left out); `hold`, which triggers wait: any of limits,
stops, take_profits, stop_losses (the default holds these four; stop_outs protect the broker and are held
only where they are listed). A held trigger stays armed and fires on the first tick after the window that
still qualifies, at that tick's price.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.enums import Answer
from engine.hooks import OK, Context, Plugin, Verdict
from engine.masks import Masks, masks_from
from plugins.triggers import family_of, read_families, refuse_unknown

_HELD = ("limits", "stops", "take_profits", "stop_losses")
_WAIT = Verdict(Answer.REJECT)


@dataclass(frozen=True, slots=True)
class Window:
    """One release: from and to in ms UTC, and the masks of the symbols it moves."""

    start_ms: int
    end_ms: int
    symbols: Masks

    def covers(self, symbol: str, time_ms: int) -> bool:
        """Return whether this instant of this symbol is inside."""
        return self.start_ms <= time_ms < self.end_ms and self.symbols.cover(symbol)


class NewsWindow(Plugin):
    """Answers REJECT to the apply points inside a window."""

    name = "news_window"

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {}
        self.windows: tuple[Window, ...] = ()
        self.held = frozenset(_HELD)
        self._take(options)

    def configure(self, values: dict[str, Any]) -> None:
        """Replace the windows and what they hold; from now on these options outlive a restart."""
        self._take(values)
        self.options = dict(values)

    def _take(self, values: dict[str, Any]) -> None:
        refuse_unknown(values, ("windows", "hold"), self.name)
        windows = tuple(_window(entry) for entry in values.get("windows", []))
        self.held = read_families(values.get("hold"), _HELD)
        self.windows = windows

    def memory(self) -> dict[str, Any]:
        """Return the options that a command has set, if any has."""
        return dict(self.options)

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on with the options that were in force."""
        if memory:
            self.configure(memory)

    def _verdict(self, context: Context) -> Verdict:
        if family_of(context.trigger) not in self.held:
            return OK
        inside = any(window.covers(context.symbol, context.time_ms) for window in self.windows)
        return _WAIT if inside else OK

    def pendings_apply(self, context: Context) -> Verdict:
        """Hold an activation inside a window."""
        return self._verdict(context)

    def stops_apply(self, context: Context) -> Verdict:
        """Hold a stop loss, take profit or smart exit inside a window."""
        return self._verdict(context)

    def stopouts_apply(self, context: Context) -> Verdict:
        """Hold a stop-out inside a window, where options say so."""
        return self._verdict(context)


def _window(entry: Any) -> Window:
    if not isinstance(entry, dict) or set(entry) - {"from", "to", "symbols"}:
        raise ValueError(f"a window is {{from, to, symbols}}, not {entry!r}")
    start, end = _time_ms(entry.get("from")), _time_ms(entry.get("to"))
    if start >= end:
        raise ValueError(f"the window {entry['from']} to {entry['to']} ends before it starts")
    return Window(start, end, masks_from(str(entry.get("symbols", "*"))))


def _time_ms(text: Any) -> int:
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
