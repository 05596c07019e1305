"""What a change of settings would do now, computed from the rows before anybody saves it.

The book is read in one snapshot into a state of its own, and engine/whatif.py is asked; the desk is not troubled. Promises:
nothing is written; it ends within its limit, and says when it did not come to the end. The market moves on: the desk
computes again when the change is saved.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from dealing import registry
from dealing.models import EngineShard
from engine.changes import change_of
from engine.commands import ChangeSettings
from engine.state import State
from engine.whatif import Forecast, concerned, forecast
from orders.models import Order
from positions.models import Position

#: Open positions and pending orders up to which the page computes by itself; above, a job does.
AT_ONCE = 3_000
LIMIT_S = 120.0
PIECE = 250
#: So many shards that a login is alone in its own.
ALONE = 2**62


def is_small(kind: str) -> bool:
    """Return whether the book is read and computed while a page waits."""
    if kind == "account":
        return True
    held = Position.objects.filter(status="open").order_by()[: AT_ONCE + 1].count()
    return held + Order.objects.filter(status="pending").order_by()[: AT_ONCE + 1].count() <= AT_ONCE


def read_state(kind: str, key: str) -> State:
    """Return the book as of one moment: of one account for a change of an account, else all of it."""
    state = State()
    shard, shards = (int(key), ALONE) if kind == "account" else (0, 1)
    is_nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not is_nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for _, store in registry.STORES:
            store.load(cursor, state, shard=shard, shards=shards)  # type: ignore[arg-type]
        rows = list(EngineShard.objects.values_list("clock_ms", "dealers"))
    state.now_ms = max((clock_ms for clock_ms, _ in rows), default=0)
    if settings.DESK_CLOCK == "wall":
        state.now_ms = max(state.now_ms, time.time_ns() // 1_000_000)
    for _, dealers in rows:
        state.dealers.update(dealers)
    state.index()
    return state


def compute(
    kind: str,
    key: str,
    values: Mapping[str, Any],
    seen: Mapping[str, Any],
    *,
    limit_s: float = LIMIT_S,
    report: Callable[[int, int], bool] = lambda done, total: True,
) -> dict[str, Any]:
    """Return the figures of what would follow, with the moment that they are of.

    report: gets how many accounts of how many were looked at; False ends it. `is_whole` is False where it ended
    early: the figures are then of a part, and more may follow.

    Raises:
        SettingError: the engine cannot take the change.
    """
    end = time.monotonic() + limit_s
    at_ms = time.time_ns() // 1_000_000
    state = read_state(kind, key)
    # What others have changed meanwhile is for the desk to judge; here the change is laid over what is.
    command = ChangeSettings(kind=kind, key=key, values=dict(values), seen=dict(seen))
    change = change_of(state, command)
    logins = concerned(state, change.old, change.new)
    whole = Forecast()
    done = 0
    while done < len(logins):
        whole.add(forecast(state, change.old, change.new, logins[done : done + PIECE]))
        done = min(len(logins), done + PIECE)
        if not report(done, len(logins)) or time.monotonic() > end:
            break
    return {
        **whole.to_json(),
        "at_ms": at_ms,
        "is_whole": done == len(logins),
        "of": len(logins),
        "looked_at": done,
    }


def follows(figures: Mapping[str, Any]) -> bool:
    """Return whether anything at all would follow."""
    kinds = (
        "acting",
        "stopped_out",
        "called",
        "released",
        "exits",
        "pendings",
        "to_dealers",
        "to_desk",
        "asleep",
        "awake",
    )
    moved = any(before != after for before, after in figures["margin"].values())
    return moved or not figures["is_whole"] or any(figures[kind] for kind in kinds)
