"""Who is online as a dealer: whoever is connected, for the groups of their masks (rules section 5).

A page of the dealers' queue, or another session of a dealer, is a connection that beats; 15 s of silence, its end or a
log-out end it. All of it goes by the database's clock, and every desk looks by itself about once a second, so that
nothing has to run besides it; a silence in which the database could not be reached is nobody's. A desk tells its
engine by a command of the journal. Desks that go by the events' own times are told by `services.set_dealers` instead.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from engine.commands import SetDealers
from engine.enums import By

if TYPE_CHECKING:
    import psycopg

BEAT_S = 4  # of a page; the rule asks for 5
SILENCE_S = 15
#: From the end of a page until it counts, longer than a beat: the same window's next page of the queue goes on in it.
TURN_S = 6
ASK_AGAIN_S = 30.0

Dealers = dict[str, tuple[str, ...] | None]  # by name the masks of the groups that they serve; None: all

_LIVE = f"greatest(ends_at, pg_postmaster_start_time() + interval '{SILENCE_S} s') > clock_timestamp()"
_ONLINE = f"SELECT name, groups FROM dealing_dealerconnection WHERE {_LIVE} ORDER BY ends_at, id"
_FORGET = f"DELETE FROM dealing_dealerconnection WHERE NOT {_LIVE}"
_BEAT = f"""
INSERT INTO dealing_dealerconnection AS c (id, name, groups, session, since, ends_at)
VALUES (%s, %s, %s::jsonb, %s, clock_timestamp(), clock_timestamp() + interval '{SILENCE_S} s')
ON CONFLICT (id) DO UPDATE
SET groups = EXCLUDED.groups, session = EXCLUDED.session, ends_at = EXCLUDED.ends_at WHERE c.name = EXCLUDED.name
"""
_END = f"""
UPDATE dealing_dealerconnection SET ends_at = least(ends_at, clock_timestamp() + interval '{TURN_S} s')
WHERE id = %s AND name = %s
"""
_ASK = """
INSERT INTO dealing_command (shard, login, name, payload, client_key, ticket, smart, actor, status, code, message,
                             created_at)
VALUES (%s, NULL, 'SetDealers', %s::jsonb, NULL, 0, 0, '', 'pending', '', '', clock_timestamp())
"""


# A connection's side


def beat(number: str, name: str, *, groups: Sequence[str] | None, session: str = "") -> None:
    """Keep a connection of a dealer alive, or begin it; `groups` are masks, None: all groups."""
    masks = None if groups is None else json.dumps(list(groups))
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, (number, name, masks, session))


def end(number: str, name: str) -> None:
    """End a connection of a dealer, unless it beats again at once."""
    with connection.cursor() as cursor:
        cursor.execute(_END, (number, name))


def end_session(session: str) -> None:
    """End whatever a session has connected: its user has logged out."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dealing_dealerconnection WHERE session = %s", (session,))


def online() -> Dealers:
    """Return who is connected now."""
    with connection.cursor() as cursor:
        cursor.execute(_ONLINE)
        return _gathered(cursor.fetchall())


def _gathered(rows: Sequence[tuple[str, Any]]) -> Dealers:
    """Return the dealers of connections; of several of one dealer the one that was heard last says for whom."""
    dealers: Dealers = {}
    for name, groups in rows:
        masks = json.loads(groups) if isinstance(groups, str) else groups
        dealers[name] = None if masks is None else tuple(masks)
    return dealers


# As JSON


def to_json(dealers: Dealers) -> list[Any]:
    """Return dealers as rows and scenarios write them: a name, or {"name", "groups"}."""
    return [
        name if masks is None else {"name": name, "groups": list(masks)}
        for name, masks in sorted(dealers.items())
    ]


def from_json(entries: Sequence[str | Mapping[str, Any]]) -> Dealers:
    """Return the dealers that `to_json` wrote."""
    dealers: Dealers = {}
    for entry in entries:
        if isinstance(entry, str):
            dealers[entry] = None
        else:
            groups = entry.get("groups")
            dealers[entry["name"]] = None if groups is None else tuple(groups)
    return dealers


def command_of(dealers: Dealers) -> SetDealers:
    """Return the command that tells an engine who is online."""
    groups = {name: list(masks) for name, masks in dealers.items() if masks is not None}
    return SetDealers(names=sorted(dealers), groups=groups, by=By.SYSTEM)


# A desk's side


@dataclass(slots=True)
class PresenceCheck:
    """A desk's look at who is connected."""

    requested: Dealers | None = None
    again_at: float = 0.0

    def look(self, conn: "psycopg.Connection[Any]", shard: int, known: Dealers) -> bool:
        """Ask by the journal for what the engine does not know yet; return whether a command was written.

        What it asked for a moment ago is not asked for again: the command waits, or was put aside.
        """
        online_now = _gathered(conn.execute(_ONLINE).fetchall())
        if shard == 0:
            conn.execute(_FORGET)
        now = time.monotonic()
        if online_now == known or (online_now == self.requested and now < self.again_at):
            return False
        self.requested, self.again_at = online_now, now + ASK_AGAIN_S
        command = command_of(online_now)
        payload = {"by": By.SYSTEM.value, "names": command.names, "groups": command.groups}
        conn.execute(_ASK, (shard, json.dumps(payload)))
        return True
