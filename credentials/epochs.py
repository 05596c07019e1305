"""How credentials end: all of a user's at once, or one login of a program.

Promises: what has ended is refused by the next request that carries it, and open sockets close within a second
(`realtime.rights_watch` looks for new endings). Changes of passwords and of `is_active` need no call from here: the trigger of
migration 0001 does the same.
"""

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from credentials.models import Credential, Ending, TokenFamily


def epoch_of(user: Any) -> int:
    """Return the epoch that tokens and tickets of this user must carry."""
    try:
        return int(user.credential.epoch)
    except Credential.DoesNotExist:
        return 0


def session_epoch_of(user: Any) -> int:
    """Return the epoch that sessions of this user must carry."""
    try:
        return int(user.credential.session_epoch)
    except Credential.DoesNotExist:
        return 0


def end_everything(user_id: int, why: str = Ending.Why.LOGOUT) -> None:
    """End all tokens, tickets, sessions and sockets of a user."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials_end(%s, %s, true)", [user_id, why])


@transaction.atomic
def end_family(family: UUID, why: str = Ending.Why.ONE) -> bool:
    """End one login of a program; return whether it had not ended already."""
    rows = TokenFamily.objects.filter(pk=family, ended_at=None).select_for_update()
    found = rows.first()
    if found is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE credentials_tokenfamily SET ended_at = clock_timestamp() WHERE id = %s", [found.pk]
        )
    Ending.objects.create(user_id=found.user_id, why=why)
    return True


def latest_endings() -> frozenset[int]:
    """Return the numbers of the endings of the last 10 s: another set than before tells that there is a new one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM credentials_ending WHERE at > clock_timestamp() - interval '10 seconds'"
        )
        return frozenset(number for (number,) in cursor.fetchall())
