"""Lets a stop execute only after several consecutive ticks have reached it: one stray print closes nobody.

Options: `ticks`, how many consecutive ticks of the symbol must reach the level (default 2, from 1 to 100);
`guard`, which triggers are guarded: any of limits, stops, take_profits, stop_losses, stop_outs (default
stops and stop_losses). The order executes at the price of the confirming tick. The price of this protection
is the slippage of a real move; a broker decides by group and symbol masks who pays it.
"""

from typing import Any

from engine.enums import Answer
from engine.hooks import OK, Context, Plugin, Verdict
from plugins.triggers import family_of, read_families, refuse_unknown

_GUARDED = ("stops", "stop_losses")
_WAIT = Verdict(Answer.REJECT)


class SpikeGuard(Plugin):
    """Counts for every trigger the consecutive ticks that reached it."""

    name = "spike_guard"

    def __init__(self, **options: Any) -> None:
        self.ticks = 2
        self.guarded = frozenset(_GUARDED)
        self.options: dict[str, Any] = {}
        self.before: dict[
            str, dict[str, int]
        ] = {}  # by symbol: what the last tick had reached, and how often
        self.now: dict[str, dict[str, int]] = {}
        self._take(options)

    def configure(self, values: dict[str, Any]) -> None:
        """Replace the number of ticks and what is guarded; these options outlive a restart."""
        self._take(values)
        self.options = dict(values)

    def _take(self, values: dict[str, Any]) -> None:
        refuse_unknown(values, ("ticks", "guard"), self.name)
        ticks = values.get("ticks", 2)
        if isinstance(ticks, bool) or not isinstance(ticks, int) or not 1 <= ticks <= 100:
            raise ValueError(f"ticks must be a whole number from 1 to 100, not {ticks!r}")
        self.guarded = read_families(values.get("guard"), _GUARDED)
        self.ticks = ticks

    def memory(self) -> dict[str, Any]:
        """Return the options that a command has set, and the counts that are running."""
        counts = {symbol: dict(found) for symbol, found in self.now.items() if found}
        return {"options": self.options, "counts": counts} if counts or self.options else {}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on counting where it was left."""
        if memory.get("options"):
            self.configure(memory["options"])
        self.now = {symbol: dict(found) for symbol, found in memory.get("counts", {}).items()}

    def on_tick(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        """Begin a new tick of the symbol: what it does not reach again starts from nothing."""
        self.before[symbol] = self.now.pop(symbol, {})

    def _verdict(self, context: Context) -> Verdict:
        if family_of(context.trigger) not in self.guarded:
            return OK
        key = f"{context.ticket}:{context.trigger}:{context.level}"
        count = self.before.get(context.symbol, {}).get(key, 0) + 1
        if count >= self.ticks:
            return OK
        self.now.setdefault(context.symbol, {})[key] = count
        return _WAIT

    def pendings_apply(self, context: Context) -> Verdict:
        """Let a guarded pending order wait for its confirming tick."""
        return self._verdict(context)

    def stops_apply(self, context: Context) -> Verdict:
        """Let a guarded exit wait for its confirming tick."""
        return self._verdict(context)

    def stopouts_apply(self, context: Context) -> Verdict:
        """Let a guarded stop-out wait for its confirming tick."""
        return self._verdict(context)
