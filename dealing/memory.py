"""When Python looks for cycles among the desk's objects: never while a tick is worked off, and at each object once.

Python's collector goes by how many objects were made and looks at all that live each time they have grown by a quarter. A
book is millions of records that live for long and hold no cycles, and a tick that closes ten thousand positions makes
half a million more: looking at them took a third of the time. So the collector is off while a desk serves. What was loaded
is set aside, and what came since is looked at between batches, when there is enough of it, and then set aside too. What has
no cycle is freed at once as ever.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ENOUGH = 50_000  # objects that were made since and still live; looking at them takes a few milliseconds


@contextmanager
def held() -> Iterator[None]:
    """Turn the collector off, and back on as it was with everything before it again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def loaded() -> None:
    """Free what an earlier book left in cycles, and set aside what there is now."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def between_batches() -> None:
    """Look at what came since the last look, if it is enough, and set it aside."""
    if gc.get_count()[0] > ENOUGH:
        gc.collect()
        gc.freeze()
