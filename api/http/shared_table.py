"""Two numbers for each caller, in memory that the web processes of one machine have in common.

`./desk up` makes the memory and each of its web processes inherits it (`WEB_MEMORY`); it ends with them. A region is a
table of its own: 2,048 rows of eight places, found by a keyed hash, so that nobody chooses whose place they take; where
a row is full, whoever was written longest ago is forgotten. Promises: the size is fixed, and no process ever waits for
another. There is no lock: of two changes of one caller at the same moment one may be lost, so what is counted here is
right to one request a process.
"""

import hashlib
import mmap
import struct
from functools import cache

from django.conf import settings

ROWS, PLACES = 2048, 8
_PLACE = struct.Struct("<16sdd")
_NOBODY = bytes(16)
ROW_BYTES = PLACES * _PLACE.size
REGION_BYTES = ROWS * ROW_BYTES
MAX_PROCESSES = 16
REGIONS = (
    "misses", "all-misses", "users", "strangers", "logins", "sockets",
    *(f"seats-{index}" for index in range(MAX_PROCESSES)),
)  # fmt: skip
MEMORY_BYTES = len(REGIONS) * REGION_BYTES  # as much as is written is really taken


class SharedTable:
    """One region."""

    def __init__(self, memory: mmap.mmap, region: str) -> None:
        self._memory = memory
        self._start = REGIONS.index(region) * REGION_BYTES
        self._key = hashlib.sha256(settings.SECRET_KEY.encode()).digest()

    def get(self, caller: str) -> tuple[float, float] | None:
        """Return a caller's numbers, None where there are none."""
        digest, row = self._row_of(caller)
        for known, first, second in _PLACE.iter_unpack(self._memory[row : row + ROW_BYTES]):
            if known == digest:
                return first, second
        return None

    def put(self, caller: str, first: float, second: float) -> None:
        """Keep a caller's numbers; in a full row the place with the smallest second number goes to them."""
        digest, row = self._row_of(caller)
        places = list(_PLACE.iter_unpack(self._memory[row : row + ROW_BYTES]))
        chosen = next((n for n, place in enumerate(places) if place[0] == digest), None)
        if chosen is None:
            chosen = min(range(PLACES), key=lambda n: (places[n][0] != _NOBODY, places[n][2]))
        _PLACE.pack_into(self._memory, row + chosen * _PLACE.size, digest, first, second)

    def drop(self, caller: str) -> None:
        """Forget a caller."""
        digest, row = self._row_of(caller)
        for number, place in enumerate(_PLACE.iter_unpack(self._memory[row : row + ROW_BYTES])):
            if place[0] == digest:
                _PLACE.pack_into(self._memory, row + number * _PLACE.size, _NOBODY, 0.0, 0.0)

    def clear(self) -> None:
        """Forget everybody."""
        self._memory[self._start : self._start + REGION_BYTES] = bytes(REGION_BYTES)

    def _row_of(self, caller: str) -> tuple[bytes, int]:
        digest = hashlib.blake2b(caller.encode(), digest_size=16, key=self._key).digest()
        return digest, self._start + int.from_bytes(digest[:2], "little") % ROWS * ROW_BYTES


@cache
def _memory() -> mmap.mmap:
    return mmap.mmap(settings.WEB_MEMORY, MEMORY_BYTES)


def shared_table(region: str) -> SharedTable | None:
    """Return that region of the memory that this process shares, None where it shares none."""
    return SharedTable(_memory(), region) if settings.WEB_MEMORY >= 0 else None
