"""Who waits for a silent desk holds nothing that others need."""

from typing import Any

import pytest

from dealing import journal


class Waiting:
    """A connection as `journal` sees it, and whether it was given back."""

    def __init__(self, *, pooled: bool, in_atomic_block: bool = False) -> None:
        self.settings_dict: dict[str, Any] = {"OPTIONS": {"pool": {}} if pooled else {}}
        self.in_atomic_block = in_atomic_block
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class SilentBus:
    """A Redis that hands nothing over."""

    def blpop(self, _keys: list[str], timeout: float) -> None:
        return None


@pytest.mark.parametrize(
    ("connection", "gives_back"),
    [
        (Waiting(pooled=True), True),
        (Waiting(pooled=False), False),
        (Waiting(pooled=True, in_atomic_block=True), False),
    ],
)
def test_wait_when_the_desk_is_silent_then_a_pooled_connection_is_given_back(
    monkeypatch: Any, connection: Waiting, gives_back: bool
) -> None:
    monkeypatch.setattr(journal, "connection", connection)
    monkeypatch.setattr(journal.bus, "client", SilentBus)
    monkeypatch.setattr(journal, "outcome_of", lambda _id: None)

    assert journal.wait(1, 0.01) is None
    assert bool(connection.closed) is gives_back
