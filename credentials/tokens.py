"""Tokens of programs: short access tokens, and refresh tokens that are used once.

An access token is a signed statement of user, family and epoch, believed for 10 minutes and only while family and epoch
stand. A refresh token is chance, kept as its hash. Promises: of any number of exchanges of one refresh token, also at one
moment, one succeeds; a used one that comes again later than `GRACE_S` has been copied and ends its whole family, within that
time it is only refused, since a program may have sent it twice.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken
from structlog import get_logger

from credentials.epochs import end_family, epoch_of
from credentials.models import Ending, TokenFamily
from dealing.kept_query import KeptQuery

log = get_logger(__name__)

REFRESH_BYTES = 32
GRACE_S = 10
MAX_REFRESH_CHARACTERS = 200

_USE = """
UPDATE credentials_refreshtoken token SET used_at = clock_timestamp()
FROM credentials_tokenfamily family
    JOIN auth_user person ON person.id = family.user_id
    LEFT JOIN credentials_credential credential ON credential.user_id = family.user_id
WHERE token.hash = %s AND token.used_at IS NULL AND token.expires_at > clock_timestamp()
    AND family.id = token.family_id AND family.ended_at IS NULL
    AND person.is_active AND family.epoch = COALESCE(credential.epoch, 0)
RETURNING family.id, family.user_id, family.epoch
"""
_COPIED = """
SELECT family_id FROM credentials_refreshtoken
WHERE hash = %s AND used_at < clock_timestamp() - make_interval(secs => %s)
"""
_MAKE = """
INSERT INTO credentials_refreshtoken (family_id, user_id, hash, made_at, expires_at)
VALUES (%s, %s, %s, clock_timestamp(), clock_timestamp() + %s)
"""


class Ended(AuthenticationFailed):
    """A token that is not, or no longer, worth anything; which of it is nobody's business."""

    default_detail = "The token is not valid, has expired, or has ended."


@dataclass(frozen=True)
class Pair:
    """What a program is given."""

    access: str
    refresh: str


@transaction.atomic
def begin(user: Any) -> Pair:
    """Return the first pair of a new login of a program.

    The epoch is the one that came with `user`: where credentials ended after the password was checked, the pair is dead.
    """
    family = TokenFamily.objects.create(user_id=user.pk, epoch=epoch_of(user))
    return _pair(family.pk, user.pk, family.epoch)


def exchange(refresh: str) -> Pair:
    """Return a new pair for a refresh token, which is used up.

    Raises:
        Ended: it has been used, has expired, has ended, or there is none such.
    """
    digest = hash_of(refresh)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_USE, [digest])
        found = cursor.fetchone()
        if found is not None:
            return _pair(*found)
    with connection.cursor() as cursor:
        cursor.execute(_COPIED, [digest, GRACE_S])
        copied = cursor.fetchone()
    if copied is not None and end_family(copied[0], Ending.Why.REUSE):
        log.warning("a used refresh token came again; its family is ended", family=str(copied[0]))
    raise Ended


def family_of(refresh: str) -> TokenFamily:
    """Return the living family that an unused refresh token is of.

    Raises:
        Ended: it is of none.
    """
    found = (
        TokenFamily.objects.select_related("user__credential")
        .filter(tokens__hash=hash_of(refresh), tokens__used_at=None, ended_at=None)
        .extra(where=["credentials_refreshtoken.expires_at > clock_timestamp()"])
        .first()
    )
    return _living(found)


_FAMILY = KeptQuery(lambda number: TokenFamily.objects.select_related("user__credential").filter(pk=number))


def family_of_access(token: Any) -> TokenFamily:
    """Return the living family, with its user, that a verified access token is of.

    Raises:
        Ended: it is of none, or another epoch's.
    """
    try:
        number = UUID(str(token.get("family")))
    except ValueError:
        raise Ended from None
    family = _living(_FAMILY.first(number))
    if str(family.user_id) != str(token.get(api_settings.USER_ID_CLAIM)) or family.epoch != token.get(
        "epoch"
    ):
        raise Ended
    return family


def hash_of(refresh: str) -> str:
    """Return what a refresh token is kept as; it is chance enough to need no salt."""
    return hashlib.sha256(refresh.encode("utf-8", "surrogatepass")).hexdigest()


def _living(family: TokenFamily | None) -> TokenFamily:
    if (
        family is None
        or family.ended_at is not None
        or not family.user.is_active
        or family.epoch != epoch_of(family.user)
    ):
        raise Ended
    return family


def _pair(family: UUID, user_id: int, epoch: int) -> Pair:
    refresh = secrets.token_urlsafe(REFRESH_BYTES)
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, [family, user_id, hash_of(refresh), api_settings.REFRESH_TOKEN_LIFETIME])
    access = AccessToken()
    access[api_settings.USER_ID_CLAIM] = str(user_id)
    access["family"] = str(family)
    access["epoch"] = epoch
    return Pair(access=str(access), refresh=refresh)
