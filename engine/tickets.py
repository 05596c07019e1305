"""Which shard an account belongs to, and the numbers that a shard gives out by itself: orders of its own, deals, requests.

A number ends in who gave it. Ending in 0: a journal, which reserves tickets for all shards. In 1 to 8: shards 0 to 7.
In 9: the shard that the three digits before say, from 008 to 999. So no two can ever meet, whatever number of shards
there is or was, and those of a few shards stay short (docs/adr/0004-tickets.md).
Promises: pure arithmetic; a number says its shard for good.
"""

MAX_SHARDS = 1_000
SHORT_SHARDS = 8  # whose numbers end in one digit
SHORT_STEP = 10  # between two numbers of such a shard
LONG_STEP = 10_000  # between two of any other


def shard_of(login: int, shards: int) -> int:
    """Return which of so many shards an account belongs to; statements say the same as `login % shards`."""
    return login % shards


def step_and_ending(shard: int) -> tuple[int, int]:
    """Return how far the numbers of a shard lie apart, and what all of them end in.

    Raises:
        ValueError: numbers could not tell this shard from others.
    """
    if not 0 <= shard < MAX_SHARDS:
        raise ValueError(f"shard {shard}: tickets tell {MAX_SHARDS} shards apart, from 0 on")
    if shard < SHORT_SHARDS:
        return SHORT_STEP, shard + 1
    return LONG_STEP, shard * SHORT_STEP + SHORT_STEP - 1
