"""What is known outside of the servers: acknowledgements, and the ticks that were sent.

It promises that nothing is written down before it was heard, and that each line is on disk's side of this process at
once, so that what a run left behind can be read after a breach. It draws no conclusion.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Ack:
    """A request as a client saw it acknowledged: its numbers, and its outcome where that came in time."""

    login: int
    key: str
    name: str  # of the engine's command
    asked: Mapping[str, Any]
    command_id: int  # 0: the door did not tell
    ticket: int
    state: str  # done, refused, accepted
    code: str


@dataclass(frozen=True, slots=True)
class SentTick:
    """One line of the stream; `good`: the rules accept it when it comes in its turn."""

    entry: str
    line: int
    symbol: str
    bid: Decimal
    ask: Decimal
    time_ms: int
    good: bool

    @property
    def place(self) -> str:
        """Return where it stands, as batches say it."""
        return f"{self.entry}:{self.line}"


@dataclass
class Log:
    """What one round heard and sent."""

    path: Path
    acks: list[Ack] = field(default_factory=list)
    ticks: list[SentTick] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heard(self, ack: Ack) -> None:
        """Keep an acknowledgement."""
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(ack)) + "\n")
            self.acks.append(ack)

    def retried(self) -> None:
        """Count an attempt that was not answered."""
        with self._lock:
            self.retries += 1

    def breach(self, text: str) -> None:
        """Keep what must not happen."""
        with self._lock:
            self.breaches.append(text)
