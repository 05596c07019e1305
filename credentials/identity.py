"""Who calls without a password: by a session's cookie, or by a ticket that a program was given for one WebSocket.

A ticket works once, within 30 s, and as long as the login that it was made by. Whether logins still stand is judged
from rows each time. All functions are synchronous.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.utils.crypto import constant_time_compare

from credentials.epochs import epoch_of
from credentials.models import TokenFamily
from credentials.sessions import current_user, of_this_epoch
from dealing import bus

TICKET_TTL_S = 30
TICKET_BYTES = 32


@dataclass(frozen=True)
class Identity:
    """Whoever opened a socket, by which session or login of a program, and of which epoch they are."""

    user: Any
    session_key: str = ""
    family: UUID | None = None  # of the token that the ticket was given for
    epoch: int = 0


def identity_of_cookie(cookie_header: str) -> Identity | None:
    """Return who is logged in by the session cookie, None where nobody is."""
    try:
        cookies = SimpleCookie(cookie_header)
    except CookieError:
        return None
    key = cookies[settings.SESSION_COOKIE_NAME].value if settings.SESSION_COOKIE_NAME in cookies else ""
    return _identity_of_session(key)


def _identity_of_session(key: str) -> Identity | None:
    if not key.isalnum():
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    request: Any = SimpleNamespace(session=session)
    user = current_user(request)
    return Identity(user, key, epoch=epoch_of(user)) if user.is_authenticated and user.is_active else None


def make_ticket(user: Any, *, session_key: str = "", family: UUID | None = None) -> str:
    """Return a new ticket of this user, good once within 30 s and as long as the login that it is made by."""
    ticket = secrets.token_urlsafe(TICKET_BYTES)
    said = {"user": user.pk, "epoch": epoch_of(user), "session": session_key, "family": str(family or "")}
    with _redis() as client:
        client.set(_ticket_key(ticket), json.dumps(said), ex=TICKET_TTL_S)
    return ticket


def identity_of_ticket(ticket: str) -> Identity | None:
    """Return whose ticket this is and use it up, None where it is nobody's."""
    with _redis() as client:
        found = client.getdel(_ticket_key(ticket))
    if found is None:
        return None
    said = json.loads(found)
    users = get_user_model().objects.select_related("credential")
    user = users.filter(pk=said["user"], is_active=True).first()
    if user is None or epoch_of(user) != said["epoch"]:
        return None
    family = UUID(said["family"]) if said["family"] else None
    if family is not None and not living_families([family]):
        return None
    if said["session"] and not living_sessions([said["session"]]):
        return None
    return Identity(user, said["session"], family=family, epoch=said["epoch"])


def _ticket_key(ticket: str) -> str:
    return bus.TICKETS + hashlib.sha256(ticket.encode()).hexdigest()


def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2
    )


def living_families(families: Iterable[UUID]) -> frozenset[UUID]:
    """Return the logins of programs that have not ended."""
    wanted = list(families)
    if not wanted:
        return frozenset()
    rows = TokenFamily.objects.filter(pk__in=wanted, ended_at=None)
    return frozenset(rows.values_list("pk", flat=True))


def living_sessions(keys: Iterable[str]) -> frozenset[str]:
    """Return the sessions that still say who one is: not ended, of an active user, password and epoch unchanged."""
    rows = Session.objects.filter(session_key__in=list(keys), expire_date__gt=datetime.now(UTC))
    said = {row.session_key: row.get_decoded() for row in rows}
    active = get_user_model().objects.select_related("credential").filter(
        pk__in={one[SESSION_KEY] for one in said.values() if SESSION_KEY in one}, is_active=True
    )  # fmt: skip
    users = {str(user.pk): user for user in active}
    return frozenset(key for key, one in said.items() if _lives(one, users.get(str(one.get(SESSION_KEY)))))


def _lives(session: dict[str, Any], user: Any) -> bool:
    return (
        user is not None
        and constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
        and of_this_epoch(session, user)
    )
