"""What a scenario is played on: one method a step kind.

The runner knows nothing else of an engine, so the engine in memory, the whole stack and the
naive twin of the tests are interchangeable. Every method takes the step's value as `format`
normalised it and the scenario's clock in milliseconds UTC, which never goes back, and returns
`None` or the code (for `tick`: the cause) of the refusal.

What a backend cannot do yet it must say with `Unsupported`, never by answering something else.
"""

from collections.abc import Mapping
from typing import Any, Protocol

Value = Mapping[str, Any]
State = dict[str, Any]


class Unsupported(Exception):
    """A step, setting or rule that the backend does not have; its text names it."""


class NotOpened(Exception):
    """An account cannot be given the money that the file says; the text is `where: why`."""


class Backend(Protocol):
    """Something that trades: made from a Scenario (its symbols, groups and accounts), then driven."""

    def tick(self, value: Value, time_ms: int) -> str | None:
        """Return the cause of refusal, or None.

        `value` holds symbol, bid, ask and the tick's own `time_ms`, which is before the clock
        where the scenario sends an old tick.
        """

    def place(self, value: Value, time_ms: int) -> str | None: ...

    def close(self, value: Value, time_ms: int) -> str | None: ...

    def close_by(self, value: Value, time_ms: int) -> str | None: ...

    def modify(self, value: Value, time_ms: int) -> str | None: ...

    def accept(self, value: Value, time_ms: int) -> str | None: ...

    def cancel(self, value: Value, time_ms: int) -> str | None: ...

    def smart(self, value: Value, time_ms: int) -> str | None: ...

    def smart_modify(self, value: Value, time_ms: int) -> str | None: ...

    def smart_cancel(self, value: Value, time_ms: int) -> str | None: ...

    def balance(self, value: Value, time_ms: int) -> str | None: ...

    def set(self, value: Value, time_ms: int) -> str | None: ...

    def dealers(self, value: list[dict[str, Any]], time_ms: int) -> str | None:
        """Replace the dealers that are online: each {"name", "groups"}, groups None for all."""

    def dealer(self, value: Value, time_ms: int) -> str | None: ...

    def hook(self, value: Value, time_ms: int) -> str | None: ...

    def day_end(self, value: Value, time_ms: int) -> str | None: ...

    def wait(self, value: int, time_ms: int) -> str | None:
        """Let the clock reach `time_ms`: `value` seconds have passed already."""

    def restart(self, value: Value, time_ms: int) -> str | None: ...

    def state(self) -> State:
        """Return accounts, orders, positions, deals, smart, ledger and requests.

        The shapes are those of an `expect` step and of `--json`: orders and smart orders by
        name, the rest by login as text; every number is text with its field's digits.
        """

    def stop(self) -> None:
        """Release what the backend holds (processes, connections, folders)."""
