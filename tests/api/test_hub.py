"""When the hub lets its sockets send: at once after a pause, and never more than five times a second."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from realtime.hub import EVENTS, LIVE, PULSE_S, QUOTES, Hub

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

    def left_out(self) -> None: ...


class Odd(Exception): ...


class Failing(Watch):
    """A listener that raises at everything that it is told, with a class that nobody expects."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.is_left_out = False

    def _fail(self, *_: Any) -> None:
        raise self.error

    quotes_changed = pulse = live_changed = event_came = subscription_broke = _fail  # type: ignore[assignment]

    def left_out(self) -> None:
        self.is_left_out = True
        raise self.error


class Taking(Watch):
    """A listener that keeps what came of an account."""

    def __init__(self) -> None:
        super().__init__()
        self.took: list[Any] = []

    def live_changed(self, login: int, data: dict[str, Any]) -> None:
        self.took.append(data)

    def event_came(self, login: int, event: dict[str, Any]) -> None:
        self.took.append(event)

    def subscription_broke(self) -> None:
        self.took.append("broke")


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


@pytest.mark.parametrize(
    "error", [Odd("x"), RecursionError(), OverflowError(), AssertionError(), OSError(), MemoryError()]
)
@pytest.mark.parametrize(
    "told",
    [
        lambda hub: hub._take(LIVE, json.dumps({"accounts": {"7": {"a": 1}}})),
        lambda hub: hub._take(EVENTS, json.dumps({"login": 7, "seq": 1})),
        lambda hub: hub._tell_broken(),
    ],
    ids=["live", "event", "broken"],
)
async def test_listener_when_it_raises_anything_then_it_alone_is_left_out(
    error: Exception, told: Any
) -> None:
    hub, failing, others = Hub("redis://127.0.0.1:1/0"), Failing(error), [Taking(), Taking()]
    hub.listeners.update([others[0], failing, others[1]])
    hub._by_login[7] = {others[0], failing, others[1]}

    told(hub)  # raising here is what made the hub subscribe anew, for everybody

    assert [len(one.took) for one in others] == [1, 1]
    assert failing.is_left_out
    assert hub.listeners == set(others) == hub._by_login[7]


@pytest.mark.parametrize("channel", [QUOTES, LIVE, EVENTS])
@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "1", '"x"', "{", "[" * 200_000, '{"accounts": []}', '{"accounts": {"x": {}}}', '{"login": []}',
     '{"login": "9' + "9" * 5000 + '"}', '{"EURUSD": 1}', "\ud800"],
)  # fmt: skip
async def test_publication_when_it_is_nothing_then_it_alone_is_passed_over(channel: str, text: str) -> None:
    hub = Hub("redis://127.0.0.1:1/0")

    hub._take(channel, text)
    hub._take(QUOTES, json.dumps({"EURUSD": ["1.1", "1.2", 1]}))

    assert hub.quotes == {"EURUSD": ["1.1", "1.2", 1]}


@pytest.mark.parametrize(
    "quote",
    [None, 1, "x", [], {}, ["1.1"], ["1.1", "1.2"], ["1.1", "1.2", "1"], ["x", "1.2", 1], ["1.1", None, 1],
     ["NaN", "1.2", 1], ["1e999999999999999999999", "1.2", 1], [1.1, 1.2, 1], ["1.1", "1.2", 1, 2]],
)  # fmt: skip
async def test_quote_when_it_is_none_then_those_beside_it_are_taken(quote: Any) -> None:
    hub = Hub("redis://127.0.0.1:1/0")

    hub._take(QUOTES, json.dumps({"BAD": quote, "EURUSD": ["1.1", "1.2", 1]}))

    assert hub.quotes == {"EURUSD": ["1.1", "1.2", 1]}
    assert hub._changed == {"EURUSD"}


async def test_kept_quotes_when_one_is_no_json_then_the_subscription_begins_with_the_others() -> None:
    hub = Hub("redis://127.0.0.1:1/0")

    async def kept(_key: str) -> dict[str, str]:
        return {"BAD": "{", 'A"B': '["2.1", "2.2", 2]', "EURUSD": '["1.1", "1.2", 1]'}

    hub._redis.hgetall = kept  # type: ignore[method-assign,assignment]
    await hub._read_quotes()

    assert hub.quotes == {"EURUSD": ["1.1", "1.2", 1], 'A"B': ["2.1", "2.2", 2]}
