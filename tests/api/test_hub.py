"""When the hub lets its sockets send: at once after a pause, and never more than five times a second."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from realtime.hub import PULSE_S, QUOTES, Hub

pytestmark = pytest.mark.asyncio

LATE_S = 0.1  # what a busy machine may add


class Watch:
    """A listener that notes when it was let and what had changed."""

    def __init__(self) -> None:
        self.came: list[tuple[float, set[str]]] = []
        self._changed: set[str] = set()

    def quotes_changed(self, names: set[str]) -> None:
        self._changed |= names

    def pulse(self) -> None:
        if self._changed:
            self.came.append((time.monotonic(), self._changed))
            self._changed = set()

    def live_changed(self, login: int, data: dict[str, Any]) -> None: ...

    def event_came(self, login: int, event: dict[str, Any]) -> None: ...

    def subscription_broke(self) -> None: ...


@pytest_asyncio.fixture
async def beating() -> AsyncIterator[tuple[Hub, Watch]]:
    hub, watch = Hub("redis://127.0.0.1:1/0"), Watch()
    hub.listeners.add(watch)
    task = asyncio.create_task(hub._beat())
    yield hub, watch
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await hub.close()


async def test_pulse_when_a_quote_comes_after_a_pause_then_it_is_sent_at_once(beating) -> None:
    hub, watch = beating
    await asyncio.sleep(PULSE_S * 2)
    came_s = time.monotonic()
    hub._take(QUOTES, json.dumps({"EURUSD": ["1.1", "1.2", 1]}))
    await asyncio.sleep(PULSE_S / 2 + LATE_S)

    assert watch.came[0][1] == {"EURUSD"}
    assert watch.came[0][0] - came_s < PULSE_S / 2


async def test_pulse_when_quotes_come_fast_then_five_a_second_carry_the_newest(beating) -> None:
    hub, watch = beating
    end_s, number = time.monotonic() + 1.0, 0
    while time.monotonic() < end_s:
        number += 1
        hub._take(QUOTES, json.dumps({"EURUSD": ["1.1", "1.2", number]}))
        await asyncio.sleep(0.01)

    assert 3 <= len(watch.came) <= 6
    gaps = [after - before for (before, _), (after, _) in zip(watch.came, watch.came[1:], strict=False)]
    assert min(gaps) >= PULSE_S / 2 - 0.01
