"""Whether the desk of an account answers."""

import time

from django.db import connection

from api.http.errors import Refused
from dealing import journal
from dealing.lease import PATIENT_UNTIL
from engine.codes import Code

POLL_S = 0.1


def require_desk(login: int, *, wait_s: float = 5.0) -> None:
    """Return when the desk of the account's shard has a fresh heartbeat, or has asked for patience.

    Raises:
        Refused: it had none for 5 s.
        WrongShards: this process believes in another number of shards than the database has.
    """
    until_s = time.monotonic() + wait_s
    while not _is_alive(journal.shard_of(login)):
        if time.monotonic() >= until_s:
            raise Refused(Code.TIMEOUT, "The engine did not answer within 5 seconds")
        time.sleep(POLL_S)


def _is_alive(shard: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {PATIENT_UNTIL} > clock_timestamp() FROM dealing_engineshard s WHERE s.shard = %s",
            (shard,),
        )
        found = cursor.fetchone()
    return bool(found and found[0])
