"""How many connections there may be, in all and of one address, and how fast an address may open WebSockets.

A connection takes a seat when it is accepted and leaves it when it is lost. Behind proxies all connections come from
them, so there only the number in all counts at that moment, and a WebSocket, which stays, takes its seat by the
address that the proxies name. The web processes of a machine count an address's together. It refuses and counts; closing
is its caller's.
"""

import time
from collections import Counter

from django.conf import settings
from structlog import get_logger

from api.http.limits import Buckets
from api.http.shared_table import shared_table

log = get_logger(__name__)

TOLD_EVERY_S = 60.0
SOCKET_BURST_S = 3


class Seat:
    """One connection's place; leaving twice does nothing."""

    __slots__ = ("_seats", "address")

    def __init__(self, seats: "Seats", address: str) -> None:
        self._seats: Seats | None = seats
        self.address = address

    def leave(self) -> None:
        """Give the place back."""
        seats, self._seats = self._seats, None
        if seats is not None:
            seats.left(self.address)


class _Others:
    """What the other web processes of this machine have taken, and what this one tells them.

    Each writes in a region of its own, which it empties as it starts: what a killed one held is given back then.
    """

    def __init__(self) -> None:
        mine = settings.WEB_INDEX
        self._own = shared_table(f"seats-{mine}")
        found = [shared_table(f"seats-{index}") for index in range(settings.WEB_COUNT) if index != mine]
        self._others = [table for table in found if table is not None]
        if self._own is not None:
            self._own.clear()

    def taken(self, address: str) -> int:
        """Return how many connections of an address the others have."""
        return sum(int(found[0]) for table in self._others if (found := table.get(address)) is not None)

    def tell(self, address: str, count: int) -> None:
        """Let the others know how many connections of an address are here."""
        if self._own is not None:
            self._own.put(address, count, time.monotonic()) if count else self._own.drop(address)


class Seats:
    """The places of a process: `total` is its own, `by_address` that of all web processes of the machine."""

    def __init__(self, *, total: int, by_address: int, sockets_per_s: float, behind_proxies: bool) -> None:
        self.total = total
        self.by_address = by_address
        self.behind_proxies = behind_proxies
        self._taken: Counter[str] = Counter()
        self._others = _Others()
        self._sockets = Buckets(per_s=sockets_per_s, burst=sockets_per_s * SOCKET_BURST_S, region="sockets")
        self._refused = 0
        self._told_s = -TOLD_EVERY_S

    def __len__(self) -> int:
        return self._taken.total()

    def take(self, address: str) -> Seat | None:
        """Return a seat for a connection that was accepted from this address, None where there is none."""
        counted = "proxies" if self.behind_proxies else address
        full = not self.behind_proxies and self._of(counted) >= self.by_address
        if full or len(self) >= self.total:
            self._refuse(address)
            return None
        self._count(counted, 1)
        return Seat(self, counted)

    def move(self, seat: Seat, address: str) -> bool:
        """Let a WebSocket's seat count for its caller; return whether that caller may have one more."""
        if not self.behind_proxies:
            return True
        if self._of(address) >= self.by_address:
            self._refuse(address)
            return False
        self.left(seat.address)
        self._count(address, 1)
        seat.address = address
        return True

    def socket_wait_s(self, address: str) -> float:
        """Return 0.0 where this address may open a WebSocket now, else the seconds until it may."""
        wait_s = self._sockets.take(address, now_s=time.monotonic())
        if wait_s:
            self._refuse(address)
        return wait_s

    def left(self, address: str) -> None:
        """Count one connection less."""
        self._count(address, -1)

    def _of(self, address: str) -> int:
        return self._taken[address] + self._others.taken(address)

    def _count(self, address: str, more: int) -> None:
        self._taken[address] += more
        self._others.tell(address, self._taken[address])
        if self._taken[address] <= 0:
            del self._taken[address]

    def _refuse(self, address: str) -> None:
        self._refused += 1
        if time.monotonic() - self._told_s >= TOLD_EVERY_S:
            log.warning("connections are refused", refused=self._refused, last=address, open=len(self))
            self._refused, self._told_s = 0, time.monotonic()
