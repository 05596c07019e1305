"""Among how many desks the accounts are divided: a fact of the database, and what changes it.

The number stands in the control row. A process may believe a number (`DESK_SHARDS`); one that believes another than
the database's is refused, at the lease, at the journal and by every reader, with a sentence that holds both. Without a
belief the database's number is taken. The first desk or command of a new database writes its own belief down, or 1.
The rows of `dealing_engineshard` are exactly the shards that there are; with each change all shards' numbers go on above
the highest that any has given out (`numbers_from`), so none comes twice and they rise. It divides rows; it trades nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import OperationalError

from dealing import registry
from engine.enums import HaltScope
from engine.tickets import LONG_STEP, MAX_SHARDS, SHORT_SHARDS, SHORT_STEP

log = structlog.get_logger(__name__)
#: First key of the advisory locks, so that they meet nobody else's.
LOCK_SPACE = 0x7D35
#: `numbers_from` counts as short numbers are counted; this many of its steps are one of a long number.
LONG_OF_SHORT = LONG_STEP // SHORT_STEP
#: Where a shard's counters have to begin so that its numbers lie above `numbers_from`.
_BEGIN = f"CASE WHEN shard < {SHORT_SHARDS} THEN numbers_from ELSE (numbers_from + {LONG_OF_SHORT - 1}) / {LONG_OF_SHORT} END"


class WrongShards(OperationalError):
    """This process believes in another number of shards than the database has: it must not go on."""

    def __init__(self, believed: int, fact: int) -> None:
        super().__init__(
            f"this process was started for DESK_SHARDS={believed}, the database has {fact}: start it with"
            f" DESK_SHARDS={fact}, or stop all desks and run manage.py shards {believed}"
        )
        self.believed = believed
        self.fact = fact


class NotChanged(Exception):
    """The number of shards stays as it is; the text says what is in the way and what would help."""


def believed() -> int:
    """Return the number that this process was started for, 0 where it takes the database's."""
    count: int = settings.DESK_SHARDS
    return count


def fact(cursor: Any) -> int:
    """Return the number that the database holds, 0 where nobody has said one yet."""
    cursor.execute("SELECT shards FROM dealing_enginecontrol WHERE id = 1")
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def agreed(cursor: Any) -> int:
    """Return the number of shards, for whoever reads; it writes nothing.

    Raises:
        WrongShards: this process believes another one.
    """
    return _judged(fact(cursor))


def _judged(found: int) -> int:
    expected = believed()
    if expected and found and expected != found:
        raise WrongShards(expected, found)
    return found or expected or 1


def settled(cursor: Any) -> int:
    """Return the number of shards, for whoever writes: where nobody has said one yet it is ours from now on.

    Raises:
        WrongShards: this process believes another one.
    """
    found = fact(cursor)
    if not found:
        cursor.execute(
            "INSERT INTO dealing_enginecontrol AS c (id, halt_level, expected_build, shards, numbers_from)"
            " VALUES (1, 'normal', '', %s, 1) ON CONFLICT (id) DO UPDATE"
            " SET shards = EXCLUDED.shards WHERE c.shards = 0",
            (believed() or 1,),
        )
        found = fact(cursor)
    return _judged(found)


def make_rows(cursor: Any, chosen: Sequence[int]) -> None:
    """Make the rows of shards where they are missing, with numbers that no shard has given out before a change."""
    cursor.execute(
        "INSERT INTO dealing_engineshard (shard, epoch, seq, owner, build_id, backend_pid, tick_cursor, tick_offset,"
        " drain_requested, next_order, next_deal, next_request, published, clock_ms, dealers, clock_skew_ms)"
        " SELECT shard, coalesce(b.epoch, 0), coalesce(b.seq, 0), '', '', 0, '0-0', 0, false, begin_at, begin_at, begin_at,"
        " coalesce(o.id, 0), 0, '[]', 0"
        f" FROM (SELECT shard, {_BEGIN} AS begin_at FROM unnest(%s::smallint[]) AS shard, dealing_enginecontrol"
        " WHERE id = 1) AS made"
        " LEFT JOIN (SELECT shard, max(epoch) AS epoch, max(seq) AS seq FROM dealing_enginebatch"
        " WHERE shard = ANY(%s) GROUP BY shard) AS b USING (shard)"
        " LEFT JOIN (SELECT shard, max(id) AS id FROM dealing_outbox WHERE shard = ANY(%s) GROUP BY shard) AS o"
        " USING (shard) ON CONFLICT DO NOTHING",
        (list(chosen),) * 3,
    )


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change of the number moved."""

    before: int
    after: int
    commands: int  # that wait, and another shard answers now


def change(cursor: Any, number: int) -> Changed:
    """Divide the accounts among another number of shards, in the caller's transaction.

    Every shard's lock is held until that ends, and nothing is written to the journal meanwhile.

    Raises:
        NotChanged: a desk runs, or something waits that belongs to a whole shard.
    """
    if not 1 <= number <= MAX_SHARDS:
        raise NotChanged(f"{number} shards: 1 to {MAX_SHARDS} are possible")
    _take_locks(cursor)
    cursor.execute("SET LOCAL lock_timeout = '5s'")
    cursor.execute("LOCK TABLE dealing_command IN EXCLUSIVE MODE")
    before = fact(cursor)
    if before == number:
        return Changed(before, number, 0)
    _see_that_nothing_waits(cursor, before)
    place = _common_place(cursor, before)
    cursor.execute(
        "INSERT INTO dealing_enginecontrol AS c (id, halt_level, expected_build, shards, numbers_from)"
        " VALUES (1, 'normal', '', %s, 1) ON CONFLICT (id) DO UPDATE SET shards = EXCLUDED.shards",
        (number,),
    )
    if before:
        _divide(cursor, before, number, place)
        for move in registry.MOVES:
            move(cursor, before, number)
    cursor.execute(
        "UPDATE dealing_command SET shard = login %% %s WHERE status = 'pending' AND login IS NOT NULL"
        " AND shard <> login %% %s",
        (number, number),
    )
    return Changed(before, number, cursor.rowcount)


def _take_locks(cursor: Any) -> None:
    """Take every shard's lock until the transaction ends, so that no desk can begin."""
    cursor.execute(
        "SELECT shard FROM generate_series(0, %s) AS shard WHERE NOT pg_try_advisory_xact_lock(%s, shard)"
        " ORDER BY shard LIMIT 1",
        (MAX_SHARDS - 1, LOCK_SPACE),
    )
    held = cursor.fetchone()
    if held:
        cursor.execute("SELECT owner FROM dealing_engineshard WHERE shard = %s", held)
        row = cursor.fetchone()
        who = f" ({row[0]})" if row and row[0] else ""
        raise NotChanged(
            f"a desk{who} holds the lease of shard {held[0]}: stop all desks first (./desk down, or the workers"
            " of the queue engine), the number changes only while none runs"
        )


def _see_that_nothing_waits(cursor: Any, shards: int) -> None:
    cursor.execute("SELECT count(*) FROM dealing_command WHERE status = 'pending' AND login IS NULL")
    waiting = cursor.fetchone()[0]
    if waiting:
        raise NotChanged(
            f"{waiting} commands wait that concern a whole shard (settings, switches, day ends): let the desks of"
            f" the {shards} shards answer them first"
        )


def _common_place(cursor: Any, shards: int) -> tuple[str, int]:
    """Return the place in the stream at which all shards stand: an account that moves meets each tick once."""
    cursor.execute(
        "SELECT DISTINCT tick_cursor, tick_offset FROM dealing_engineshard WHERE shard < %s AND epoch > 0",
        (shards,),
    )
    places = cursor.fetchall()
    if len(places) > 1:
        listed = ", ".join(f"{entry}+{offset}" for entry, offset in sorted(places))
        raise NotChanged(
            f"the shards stand at different places of the ticks ({listed}), so a tick would be traded on twice or never:"
            " start the desks as they were, stop the feed, then the desks"
        )
    _see_that_days_agree(cursor, shards)
    return (str(places[0][0]), int(places[0][1])) if places else ("0-0", 0)


def _see_that_days_agree(cursor: Any, shards: int) -> None:
    """See that all shards wait for the same day end: an account that moves is charged once for each day."""
    cursor.execute(
        "SELECT DISTINCT day_end_ms FROM dealing_engineshard WHERE shard < %s AND day_end_ms > 0 ORDER BY 1",
        (shards,),
    )
    moments = [row[0] for row in cursor.fetchall()]
    if len(moments) > 1:
        raise NotChanged(
            "some shards have ended a day that others have not, so a swap would be charged twice or never: start the"
            " desks as they were until all have, then stop them"
        )


def _divide(cursor: Any, before: int, after: int, place: tuple[str, int]) -> None:
    """Make the rows of the shards that are new, and hand on what those that go away have left."""
    cursor.execute(
        "UPDATE dealing_enginecontrol SET numbers_from = greatest(numbers_from, (SELECT"
        f" max(greatest(next_order, next_deal, next_request) * CASE WHEN shard < {SHORT_SHARDS} THEN 1 ELSE {LONG_OF_SHORT} END)"
        " FROM dealing_engineshard))"
    )
    cursor.execute("SELECT max(clock_ms), max(day_end_ms) FROM dealing_engineshard")
    clock_ms, day_end_ms = (part or 0 for part in cursor.fetchone())
    cursor.execute("SELECT dealers FROM dealing_engineshard ORDER BY shard LIMIT 1")
    row = cursor.fetchone()
    dealers = json.dumps(_plain(row[0])) if row else "[]"
    make_rows(cursor, range(after))
    # Numbers go on above all others, so those of an account that moves rise. An epoch more: a desk that was paused all
    # the while, and whose lock the server has forgotten, writes nothing.
    cursor.execute(
        "UPDATE dealing_engineshard SET epoch = epoch + 1, tick_cursor = %s, tick_offset = %s, clock_ms = %s,"
        " day_end_ms = %s, dealers = %s::jsonb, owner = '', heartbeat_at = NULL, quiet_until = NULL, drain_requested = false,"
        f" (next_order, next_deal, next_request) = (SELECT {_BEGIN}, {_BEGIN}, {_BEGIN} FROM dealing_enginecontrol WHERE id = 1)",
        (*place, clock_ms, day_end_ms, dealers),
    )
    _hand_on_events(cursor, after)
    _copy_switches(cursor, before, after)
    _merge_memories(cursor, after)
    cursor.execute("DELETE FROM dealing_engineshard WHERE shard >= %s", (after,))


def _hand_on_events(cursor: Any, after: int) -> None:
    """Let shard 0 publish what shards that go away have not; readers drop what they have seen by its number."""
    cursor.execute(
        "UPDATE dealing_outbox o SET shard = 0 FROM dealing_engineshard s"
        " WHERE s.shard = o.shard AND s.shard >= %s AND o.id > s.published RETURNING o.id",
        (after,),
    )
    moved = [number for (number,) in cursor.fetchall()]
    if moved:
        cursor.execute(
            "UPDATE dealing_engineshard SET published = least(published, %s) WHERE shard = 0",
            (min(moved) - 1,),
        )


def _copy_switches(cursor: Any, before: int, after: int) -> None:
    """Give new shards the kill switches of shard 0, and each account's to the shard that it belongs to now."""
    account = HaltScope.ACCOUNT.value
    for shard in range(before, after):
        cursor.execute("DELETE FROM dealing_halt WHERE shard = %s", (shard,))
        cursor.execute(
            "INSERT INTO dealing_halt (shard, scope, key, level, at)"
            " SELECT %s, scope, key, level, at FROM dealing_halt WHERE shard = 0 AND scope <> %s",
            (shard, account),
        )
    cursor.execute(
        "UPDATE dealing_halt SET shard = key::bigint %% %s WHERE scope = %s AND shard <> key::bigint %% %s",
        (after, account, after),
    )
    cursor.execute("DELETE FROM dealing_halt WHERE shard >= %s", (after,))


def _merge_memories(cursor: Any, after: int) -> None:
    """Give every shard what all shards' plugins remember: an account's part goes with it wherever it goes."""
    cursor.execute("SELECT name, state FROM dealing_pluginstate ORDER BY shard, name")
    states_by_name: dict[str, list[Any]] = {}
    for name, state in cursor.fetchall():
        states_by_name.setdefault(name, []).append(_plain(state))
    cursor.execute("DELETE FROM dealing_pluginstate")
    for name, states in states_by_name.items():
        whole = json.dumps(merged(states))
        for shard in range(after):
            cursor.execute(
                "INSERT INTO dealing_pluginstate (shard, name, state) VALUES (%s, %s, %s::jsonb)",
                (shard, name, whole),
            )


def merged(states: Sequence[Any]) -> Any:
    """Return one memory of several: keys of all; of one key's different values, that of the lowest shard."""
    first = states[0]
    if not isinstance(first, Mapping):
        return first
    whole: dict[str, list[Any]] = {}
    for state in states:
        for key, value in state.items() if isinstance(state, Mapping) else ():
            whole.setdefault(key, []).append(value)
    return {key: merged(values) for key, values in whole.items()}


def _plain(value: Any) -> Any:
    """Return a jsonb value, which Django's sessions hand over as text."""
    return json.loads(value) if isinstance(value, (str, bytes)) else value
