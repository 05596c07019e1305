"""Whether a socket may be opened and stay open, judged from rows each time; who opened it, says credentials/identity.py, whose
an account is, live/rights.py.

A browser comes with its session cookie and an Origin that equals the address it came to, scheme, host and
port; other programs bring a ticket. Open sockets are judged again every few
seconds, all of a process with a handful of queries, so that a disabled or moved account, a disabled user and
a session that ended are cut off. All functions are synchronous.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http.request import split_domain_port, validate_host

from credentials.epochs import epoch_of
from credentials.identity import living_families, living_sessions
from live.rights import own_accounts, watched
from markets.models import Symbol


@dataclass(frozen=True)
class Standing:
    """What the rows say now about users and accounts that are looked at.

    `logins` are the accounts that were asked about: of any other it says nothing.
    """

    users: frozenset[int]
    sessions: frozenset[str]
    logins: frozenset[int]
    owners: dict[int, int]  # enabled accounts only
    groups: dict[int, str]
    epochs: dict[int, int] = field(
        default_factory=dict
    )  # of tickets and tokens, by user; 0 where none stands
    families: frozenset[UUID] = frozenset()  # logins of programs that have not ended


# ---- opening ----


def origin_allowed(origin: str | None, host: str, *, secure: bool) -> bool:
    """Return whether a browser's Origin is the address it talks to, or one that the settings name."""
    if not origin:
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    allowed = [*settings.ALLOWED_HOSTS, *([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])]
    if not validate_host(split_domain_port(host)[0], allowed):
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return origin == f"{parts.scheme}://{host}" and parts.scheme == ("https" if secure else "http")


# ---- staying ----


def standing_of(
    users: Iterable[int], sessions: Iterable[str], families: Iterable[UUID], logins: Iterable[int]
) -> Standing:
    """Return what the rows say about these users, sessions, logins of programs and accounts."""
    active = get_user_model().objects.filter(pk__in=list(users), is_active=True).select_related("credential")
    epochs = {user.pk: epoch_of(user) for user in active}
    numbers = frozenset(logins)
    accounts = watched(numbers)
    return Standing(
        users=frozenset(epochs),
        epochs=epochs,
        families=living_families(families),
        sessions=living_sessions(sessions),
        logins=numbers,
        owners={login: user for login, user, _ in accounts if user is not None},
        groups={login: group for login, _, group in accounts},
    )


def unknown_symbols(names: Iterable[str]) -> list[str]:
    """Return those of these names that no symbol has."""
    names = set(names)
    rows = Symbol.objects.filter(name__in=names)
    return sorted(names.difference(rows.values_list("name", flat=True)))


def account_group(user: Any, login: int) -> str | None:
    """Return the group of the user's own, enabled account; None where they have none of that login."""
    account = own_accounts(user).filter(login=login, enabled=True).first()
    return None if account is None else str(account.group_id)
