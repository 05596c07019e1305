"""Rows of the command journal: written once, read by whoever waits for their outcome.

A row's commit is the acknowledgement; its ticket is reserved by a sequence in the same statement. Promises:
(login, client_key) makes one row for ever; the same request again gives the same row, another one is told so.
Inside a caller's transaction the row belongs to that transaction and the desk is woken after its commit.
It judges nothing: the engine answers, in the order of its codes.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.db import connection, transaction

from dealing import bus, shards
from engine import tickets
from engine.commands import (
    AcceptRequote,
    CancelSmart,
    CloseBy,
    ClosePosition,
    Command,
    PlaceOrder,
    PlaceSmart,
    to_json,
)

log = structlog.get_logger(__name__)
#: Commands that make an order, and so need a ticket.
TICKETED = (PlaceOrder, ClosePosition, CloseBy, AcceptRequote, PlaceSmart, CancelSmart)
#: Fields that the journal fills in itself; they are no part of what was asked.
RESERVED = ("ticket", "smart", "valid_until_ms")
BIGINT_MAX = 2**63 - 1

_INSERT = """
INSERT INTO dealing_command (shard, login, name, payload, client_key, ticket, smart, actor, status, at_ms,
                             code, message, created_at)
SELECT %s, %s, %s, %s, %s,
        CASE WHEN %s THEN nextval('dealing_ticket_seq') * 10 ELSE 0 END,
        CASE WHEN %s THEN nextval('dealing_smart_seq') ELSE 0 END,
        %s, 'pending', %s, '', '', clock_timestamp()
FROM dealing_enginecontrol WHERE id = 1 AND shards = %s
ON CONFLICT (login, client_key) WHERE client_key IS NOT NULL DO NOTHING
RETURNING id, ticket, smart
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a caller needs of a journal row; `conflict`: the client key belongs to another request."""

    id: int
    shard: int
    ticket: int
    smart: int
    conflict: bool = False


def clean(value: Any) -> Any:
    """Return JSON values that PostgreSQL can keep: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {clean(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(inner) for inner in value]
    return value


def body_of(command: Command) -> dict[str, Any]:
    """Return what was asked as JSON values, without the numbers that the journal reserves."""
    fields: dict[str, Any] = json.loads(json.dumps(clean(to_json(command))))
    keep = ("smart",) if not isinstance(command, PlaceSmart) else ()
    return {key: value for key, value in fields.items() if key not in RESERVED or key in keep}


def write(
    command: Command,
    *,
    shard: int | None = None,
    login: int | None,
    client_key: str | None,
    at_ms: int | None,
) -> Entry:
    """Write a command and return its row's numbers; an equal one written before is returned instead.

    shard: None where it is that of the login.

    Raises:
        WrongShards: this process believes in another number of shards than the database has.
    """
    body = body_of(command)
    name = type(command).__name__
    key = clean(client_key)[:100] if client_key else None
    actor = clean(command.actor)[:150]
    makes_order = isinstance(command, TICKETED)
    makes_smart = isinstance(command, PlaceSmart)
    with connection.cursor() as cursor:
        number = shards.settled(cursor)
        shard = tickets.shard_of(login or 0, number) if shard is None else shard
        cursor.execute(
            _INSERT,
            (shard, login, name, json.dumps(body), key, makes_order, makes_smart, actor, at_ms, number),
        )
        row = cursor.fetchone()
        if row is not None:
            return Entry(row[0], shard, row[1], row[2])
        cursor.execute(
            "SELECT id, shard, ticket, smart, name, payload FROM dealing_command"
            " WHERE login IS NOT DISTINCT FROM %s AND client_key = %s",
            (login, key),
        )
        found = cursor.fetchone()
        if found is None:  # nothing was written, and not because it was written before
            raise shards.WrongShards(number, shards.fact(cursor))
        number, old_shard, ticket, smart, old_name, payload = found
    old = payload if isinstance(payload, dict) else json.loads(payload)
    same = old_name == name and _said(old) == _said(body)
    return Entry(number, old_shard, ticket, smart, conflict=not same)


def _said(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without what it leaves unsaid: a field that came with a later version is in no older row."""
    return {key: value for key, value in body.items() if value is not None}


def wake(shard: int) -> None:
    """Tell a shard's desk that there is something to do; without Redis it finds out by itself."""
    try:
        bus.client().xadd(bus.wake_key(shard), {"w": "1"}, maxlen=100, approximate=True)
    except redis.RedisError as error:
        log.warning("wake-up not sent, the desk will poll", shard=shard, error=str(error))


def wake_after_commit(shard: int) -> None:
    """Wake a shard's desk as soon as its row can be seen."""
    transaction.on_commit(lambda: wake(shard))


def outcome_of(command_id: int) -> dict[str, Any] | None:
    """Return code, message and result of an answered command, None while it is pending."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, message, result FROM dealing_command WHERE id = %s AND status = 'done'",
            (command_id,),
        )
        row = cursor.fetchone()
    if row is None:
        return None
    result = row[2] if isinstance(row[2], dict) or row[2] is None else json.loads(row[2])
    return {"code": row[0], "message": row[1], **(result or {})}


def wait(command_id: int, wait_s: float) -> dict[str, Any] | None:
    """Return the outcome of a command, or None when it has none after `wait_s` seconds.

    The desk hands the outcome over through Redis; every quarter of a second, and all the time while Redis
    does not answer, the row is asked instead.
    """
    end = time.monotonic() + wait_s
    key = bus.done_key(command_id)
    while (left := end - time.monotonic()) > 0:
        try:
            handed = bus.client().blpop([key], timeout=min(0.25, max(left, 0.01)))
            if handed:
                outcome: dict[str, Any] = json.loads(handed[1])
                return outcome
        except redis.RedisError:
            time.sleep(0.02)
        found = outcome_of(command_id)
        if found is not None:
            return found
        _lend_connection()
    return outcome_of(command_id)


def _lend_connection() -> None:
    """Give a pooled connection back while its thread only waits: a silent desk must not take them all."""
    if "pool" in connection.settings_dict.get("OPTIONS", {}) and not connection.in_atomic_block:
        connection.close()


def shard_of(login: int) -> int:
    """Return the shard that an account belongs to.

    Raises:
        WrongShards: this process believes in another number of shards than the database has.
    """
    return tickets.shard_of(login, number_of_shards())


def number_of_shards() -> int:
    """Return among how many desks the accounts are divided.

    Raises:
        WrongShards: this process believes in another number of shards than the database has.
    """
    with connection.cursor() as cursor:
        return shards.agreed(cursor)
