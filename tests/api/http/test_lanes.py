"""Lanes: who waits, who is refused, and that nobody's requests stand before another's."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tradingdesk import lanes
from tradingdesk.lanes import Full, Lane, LaneSize


def run(test: Callable[[], Awaitable[Any]]) -> None:
    # In a thread of its own: a browser driven by other tests leaves a running loop in this one.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(lambda: asyncio.run(asyncio.wait_for(test(), 20))).result()


class Work:
    """Requests that hold their place until they are told to end, in the order in which they got it."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.begun, self.ends = lane, [], {}  # type: ignore[var-annotated]

    def start(self, caller: str, name: str) -> "asyncio.Task[None]":
        self.ends[name] = asyncio.Event()
        return asyncio.ensure_future(self._hold(caller, name))

    async def _hold(self, caller: str, name: str) -> None:
        async with self.lane.place(caller):
            self.begun.append(name)
            await self.ends[name].wait()


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def lane(**sizes: Any) -> Lane:
    return Lane(LaneSize("test", **{"slots": 2, "by_caller": 2, "waiting": 10, "wait_s": 5.0, **sizes}))


def test_lane_when_one_caller_waits_many_times_then_another_is_next() -> None:
    async def test() -> None:
        work = Work(lane())
        tasks = [work.start("a", f"a{number}") for number in range(5)]
        await turn()
        tasks += [work.start("b", "b0"), work.start("c", "c0")]
        await turn()

        for name in ("a0", "a1", "a2", "b0", "c0", "a3", "a4"):
            work.ends[name].set()
            await turn()

        # b and c are served as soon as their turn comes round, although a asked five times before.
        assert work.begun == ["a0", "a1", "a2", "b0", "c0", "a3", "a4"]
        await asyncio.gather(*tasks)
        assert (work.lane._busy, work.lane._waiting, work.lane._working) == (0, 0, {})

    run(test)


def test_lane_when_one_caller_may_have_one_slot_then_the_other_stays_free() -> None:
    async def test() -> None:
        work = Work(lane(by_caller=1))
        tasks = [work.start("a", "a0"), work.start("a", "a1"), work.start("b", "b0")]
        await turn()

        assert work.begun == ["a0", "b0"]
        for end in work.ends.values():
            end.set()
        await asyncio.gather(*tasks)
        assert work.begun == ["a0", "b0", "a1"]

    run(test)


def test_lane_when_the_queue_is_full_then_refused_at_once() -> None:
    async def test() -> None:
        work = Work(lane(waiting=2))
        tasks = [work.start(caller, caller) for caller in "abcd"]
        await turn()

        with pytest.raises(Full):
            await asyncio.wait_for(work.start("e", "e"), 1)
        assert work.begun == ["a", "b"]
        for end in work.ends.values():
            end.set()
        await asyncio.gather(*tasks)

    run(test)


def test_lane_when_one_caller_fills_half_of_the_queue_then_others_still_wait() -> None:
    async def test() -> None:
        work = Work(lane(slots=1, waiting=4))
        tasks = [work.start("a", f"a{number}") for number in range(3)]
        await turn()

        with pytest.raises(Full):
            await asyncio.wait_for(work.start("a", "a3"), 1)
        tasks.append(work.start("b", "b"))
        await turn()
        for end in work.ends.values():
            end.set()
        await asyncio.gather(*tasks)
        assert "b" in work.begun

    run(test)


def test_lane_when_no_slot_comes_free_in_time_then_refused_and_forgotten() -> None:
    async def test() -> None:
        work = Work(lane(slots=1, wait_s=0.05))
        first = work.start("a", "a0")
        await turn()

        with pytest.raises(Full):
            await work.start("b", "b0")
        work.ends["a0"].set()
        await first
        work.ends["c0"] = asyncio.Event()
        last = work.start("c", "c0")
        await turn()

        assert work.begun == ["a0", "c0"]
        assert not work.lane._waiting
        work.ends["c0"].set()
        await last

    run(test)


def test_lane_when_who_waits_goes_away_then_their_turn_is_not_lost() -> None:
    async def test() -> None:
        work = Work(lane(slots=1))
        first, gone, last = work.start("a", "a"), work.start("b", "b"), work.start("c", "c")
        await turn()

        gone.cancel()
        work.ends["a"].set()
        await turn()

        assert work.begun == ["a", "c"]
        work.ends["c"].set()
        await asyncio.gather(first, last)
        assert (work.lane._busy, work.lane._waiting) == (0, 0)

    run(test)


def test_lanes_when_all_others_are_full_then_connections_are_left_for_orders() -> None:
    others = sum(size.slots for size in lanes.SIZES if size is not lanes.TRADE) + lanes.SOCKET_THREADS

    assert lanes.CONNECTIONS - others == lanes.RESERVED_CONNECTIONS == 10
