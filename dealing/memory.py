"""When Python looks for cycles among the desk's objects: never while a tick is worked off, and at each object once.

Python's collector goes by how many objects were made and looks at all that live each time they have grown by a quarter. A
book is millions of records that live for long and hold no cycles, and a tick that closes ten thousand positions makes
half a million more: looking at them took a third of the time. So the collector is off while a desk serves. What was loaded
is set aside, and what came since is looked at between batches, when there is enough of it, and then set aside too. An earlier
book, which is full of cycles, is freed between batches as well: a load is a stop of trading, to which that would add a third.
What has no cycle is freed at once as ever.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

ENOUGH = 50_000  # objects that were made since and still live; looking at them takes a few milliseconds
FREED_AFTER_S = 1.0  # since the load: what waited meanwhile is traded by then
_loaded_at = 0.0  # by the monotonic clock, where an earlier book is still to be freed; 0: there is none


@contextmanager
def held() -> Iterator[None]:
    """Turn the collector off, and back on as it was with everything before it again."""
    global _loaded_at
    was_on = gc.isenabled()
    gc.disable()
    _loaded_at = 0.0
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def loaded() -> None:
    """Set aside what there is now; what an earlier book left in cycles is freed a moment later, or now where two are left."""
    global _loaded_at
    if _loaded_at:
        _free()
    gc.freeze()
    _loaded_at = time.monotonic()


def between_batches() -> None:
    """Free an earlier book; look at what came since the last look, if it is enough, and set it aside."""
    if _loaded_at and time.monotonic() - _loaded_at >= FREED_AFTER_S:
        _free()
    elif gc.get_count()[0] > ENOUGH:
        gc.collect()
        gc.freeze()


def _free() -> None:
    """Look at everything, what was set aside included."""
    global _loaded_at
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _loaded_at = 0.0
