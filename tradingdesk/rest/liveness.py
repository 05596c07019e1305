"""Whether the desk of an account answers."""

import time

from django.db import connection

from dealing import journal
from doors.errors import Refused
from engine.codes import Code

SILENT_AFTER_S = 5
POLL_S = 0.1


def require_desk(login: int, *, wait_s: float = 5.0) -> None:
    """Return when the desk of the account's shard has a fresh heartbeat.

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
            "SELECT heartbeat_at > now() - make_interval(secs => %s) FROM dealing_engineshard WHERE shard = %s",
            (SILENT_AFTER_S, shard),
        )
        found = cursor.fetchone()
    return bool(found and found[0])
