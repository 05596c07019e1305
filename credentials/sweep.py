"""Forgets credentials that can be used no more; run every hour by `tradingdesk.tasks.tidy`.

A used refresh token is kept until it would have expired, so that one that was copied is still recognised.
"""

from django.db import connection

KNOWN_ADDRESS_DAYS = 180
ENDING_DAYS = 1

_STATEMENTS = (
    ("DELETE FROM credentials_refreshtoken WHERE expires_at < clock_timestamp()", ()),
    (
        "DELETE FROM credentials_tokenfamily family WHERE NOT EXISTS"
        " (SELECT 1 FROM credentials_refreshtoken token WHERE token.family_id = family.id)",
        (),
    ),
    (
        "DELETE FROM credentials_knownaddress WHERE seen_at < clock_timestamp() - make_interval(days => %s)",
        (KNOWN_ADDRESS_DAYS,),
    ),
    (
        "DELETE FROM credentials_ending WHERE at < clock_timestamp() - make_interval(days => %s)",
        (ENDING_DAYS,),
    ),
)


def forget_the_past() -> None:
    """Delete expired refresh tokens, families without any, old endings, addresses not seen for half a year."""
    with connection.cursor() as cursor:
        for statement, words in _STATEMENTS:
            cursor.execute(statement, words)
