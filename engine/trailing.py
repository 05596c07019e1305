"""Trailing stops, grouped by their high-water mark: a tick costs the same with one or a hundred thousand.

All trailing smart orders of one symbol, side and group spread whose mark is equal form a `MarkGroup`. A price that
makes new highs merges every group it passes into one, the smaller into the larger, so that an order changes
groups only a logarithmic number of times. Inside a group the tightest stop is the smallest callback rate.
Everything is computed in "forward" points: prices for longs, negated prices for shorts, so that forward up
is always the profitable way; `stop_points` gives the stop in real points.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heapify, heappop, heappush

from engine.enums import Side
from engine.records import SmartOrder
from engine.rounding import round_half_up

Member = tuple[Fraction, int, int, SmartOrder]  # (callback, id, generation, order)


def stop_points(mark: int, callback: Fraction, side: Side) -> int:
    """Return mark - |mark| x rate for longs, mark + |mark| x rate for shorts, in points, rounded half up."""
    distance = abs(mark) * callback / 100
    return round_half_up(mark - distance if side is Side.BUY else mark + distance)


@dataclass(slots=True, eq=False)
class MarkGroup:
    """Orders of one mark, the smallest callback first; dead members are left behind and passed over."""

    mark: int  # forward points
    members: list[Member] = field(default_factory=list)
    version: int = 0
    alive: bool = True


@dataclass(slots=True)
class TrailBook:
    """All trailing stops of one symbol, side and group spread."""

    side: Side
    by_mark: list[tuple[int, int, MarkGroup]] = field(default_factory=list)
    by_stop: list[tuple[int, int, int, MarkGroup]] = field(default_factory=list)
    groups: dict[int, MarkGroup] = field(default_factory=dict)
    counter: int = 0

    def _forward(self, points: int) -> int:
        return points if self.side is Side.BUY else -points

    def add(self, smart: SmartOrder, mark: int) -> None:
        """Let this order trail from a mark in real points."""
        assert smart.callback is not None
        forward = self._forward(mark)
        group = self.groups.get(forward)
        if group is None:
            group = self.groups[forward] = MarkGroup(forward)
            self.counter += 1
            heappush(self.by_mark, (forward, self.counter, group))
        heappush(group.members, (smart.callback, smart.id, smart.gen, smart))
        smart.group = group
        self._announce(group)

    def due(self, price: int) -> list[SmartOrder]:
        """Take out and return the orders whose stop this close price, in real points, has reached."""
        forward = self._forward(price)
        reached: list[SmartOrder] = []
        while self.by_stop and -self.by_stop[0][0] >= forward:
            _, _, version, group = heappop(self.by_stop)
            if not group.alive or version != group.version:
                continue
            while (top := self._top(group)) is not None:
                if self._stop(group, top[0]) < forward:
                    break
                heappop(group.members)
                reached.append(top[3])
            if top is None:
                group.alive = False
                del self.groups[group.mark]
            else:
                self._announce(group)
        return reached

    def advance(self, price: int) -> None:
        """Move every mark that this close price passes."""
        forward = self._forward(price)
        passed: list[MarkGroup] = []
        while self.by_mark and self.by_mark[0][0] < forward:
            mark, _, group = heappop(self.by_mark)
            if self.groups.get(mark) is not group:
                continue  # dead, or entered twice: a group that stood at the price has taken the others in
            del self.groups[mark]
            if self._top(group) is None:
                group.alive = False
            else:
                passed.append(group)
        if not passed:
            return
        same = self.groups.get(forward)
        if same is not None:
            passed.append(same)
        kept = max(passed, key=lambda g: len(g.members))
        for group in passed:
            if group is not kept:
                group.alive = False
                self._merge(kept, group)
        kept.mark = forward
        self.groups[forward] = kept
        self.counter += 1
        heappush(self.by_mark, (forward, self.counter, kept))
        self._announce(kept)

    def _merge(self, kept: MarkGroup, gone: MarkGroup) -> None:
        for member in gone.members:
            if member[2] == member[3].gen:
                member[3].group = kept
                heappush(kept.members, member)

    def _top(self, group: MarkGroup) -> Member | None:
        members = group.members
        while members and members[0][2] != members[0][3].gen:
            heappop(members)
        return members[0] if members else None

    def _stop(self, group: MarkGroup, callback: Fraction) -> int:
        return self._forward(stop_points(self._forward(group.mark), callback, self.side))

    def _announce(self, group: MarkGroup) -> None:
        """Enter the group's tightest stop anew; older entries of it are dead."""
        group.version += 1
        top = self._top(group)
        if top is None:
            return
        self.counter += 1
        heappush(self.by_stop, (-self._stop(group, top[0]), self.counter, group.version, group))
        if len(self.by_stop) > 2 * len(self.groups) + 256:
            self.by_stop = [e for e in self.by_stop if e[3].alive and e[2] == e[3].version]
            heapify(self.by_stop)
