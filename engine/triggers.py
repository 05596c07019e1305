"""Levels ordered by price: a tick looks only at the nearest, whatever the number of orders.

A Ladder holds armed levels of one symbol in four heaps: bid rising to, bid falling to, ask rising to, ask
falling to a level. Removal is lazy: every armed record carries a generation number, and an entry of an older
generation is dead. Levels are raw points, group spreads already taken off, so that one ladder serves all
groups. Cost: nothing due O(1); a due level O(log n); dead entries are swept when they outnumber the live.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heapify, heappop, heappush


class Cross(IntEnum):
    """Which price must reach the level, from which side."""

    BID_UP = 0  # bid >= level
    BID_DOWN = 1  # bid <= level
    ASK_UP = 2  # ask >= level
    ASK_DOWN = 3  # ask <= level


Entry = tuple[int, int, int]  # (signed level, key, generation)
_SWEEP_AT = 1024


@dataclass(slots=True)
class Ladder:
    """The armed levels of one symbol; `is_live(key, gen)` tells whether an entry still counts."""

    is_live: Callable[[int, int], bool]
    heaps: tuple[list[Entry], list[Entry], list[Entry], list[Entry]] = field(
        default_factory=lambda: ([], [], [], [])
    )
    limits: list[int] = field(default_factory=lambda: [_SWEEP_AT] * 4)

    def arm(self, cross: Cross, level: int, key: int, gen: int) -> None:
        """Add a level, in raw points, for record `key` of generation `gen`."""
        heap = self.heaps[cross]
        signed = level if cross in (Cross.BID_UP, Cross.ASK_UP) else -level
        heappush(heap, (signed, key, gen))
        if len(heap) > self.limits[cross]:
            self._sweep(cross)

    def due(self, bid: int, ask: int) -> set[int]:
        """Take out and return the keys of live records with a level that this quote reaches."""
        reached: set[int] = set()
        up, down, ask_up, ask_down = self.heaps
        if up and up[0][0] <= bid:
            self._take(up, bid, reached)
        if down and down[0][0] <= -bid:
            self._take(down, -bid, reached)
        if ask_up and ask_up[0][0] <= ask:
            self._take(ask_up, ask, reached)
        if ask_down and ask_down[0][0] <= -ask:
            self._take(ask_down, -ask, reached)
        return reached

    def _take(self, heap: list[Entry], limit: int, reached: set[int]) -> None:
        while heap and heap[0][0] <= limit:
            _, key, gen = heappop(heap)
            if self.is_live(key, gen):
                reached.add(key)

    def _sweep(self, cross: Cross) -> None:
        heap = self.heaps[cross]
        heap[:] = [entry for entry in heap if self.is_live(entry[1], entry[2])]
        heapify(heap)
        self.limits[cross] = max(_SWEEP_AT, 2 * len(heap))
