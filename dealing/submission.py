"""How a service's command reaches the journal, and how its answer comes back.

Every call writes the journal first (that commit is the acknowledgement) and then waits for the desk as long
as its caller says. Inside a transaction it returns "accepted" without waiting, because the desk sees the row only after the
commit. It knows no command by name; see services.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from dealing import journal
from dealing.caller import UNNAMED, Caller
from engine import commands as cmd
from engine.codes import Code
from engine.settings import LAST_MS

Number = str | int | Decimal
DONE, REFUSED, ACCEPTED = "done", "refused", "accepted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command.

    state: "done", "refused" (then `code` and `message` say why), or "accepted": acknowledged and not answered
    within the time allowed. `ticket` is the order's, or a smart order's number; `data` what the engine adds.
    """

    state: str
    code: str = ""
    message: str = ""
    ticket: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    command_id: int = 0

    @property
    def ok(self) -> bool:
        """Return whether the command was done."""
        return self.state == DONE


def as_text(value: Number | None) -> str | None:
    """Return a number as decimal text.

    Raises:
        TypeError: it is a float, or no number and no text at all.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"decimal text is needed, not {value!r}")
    return format(value, "f") if isinstance(value, Decimal) and value.is_finite() else str(value)


def needed(value: Number) -> str:
    text = as_text(value)
    if text is None:
        raise TypeError("a number is needed, not None")
    return text


def judged(entry: journal.Entry, reply: Mapping[str, Any] | None) -> Outcome:
    number = entry.smart or entry.ticket
    if reply is None:
        return Outcome(ACCEPTED, ticket=number, command_id=entry.id)
    data = dict(reply.get("data") or {})
    if reply.get("level"):
        data["level"] = reply["level"]
    number = entry.smart or reply.get("ticket") or number
    if reply["code"]:
        return Outcome(REFUSED, reply["code"], reply["message"], number, data, entry.id)
    return Outcome(DONE, "", reply["message"], number, data, entry.id)


def beyond_dates(command: cmd.Command) -> Outcome | None:
    """Return the refusal of a command that names a time which no date can be, None for every other."""
    for name, code in (("expires", Code.INVALID_EXPIRATION), ("open_time_ms", Code.INVALID_SETTING)):
        value = getattr(command, name, None)
        if isinstance(value, int) and not 0 <= value <= LAST_MS:
            message = f"{name} {value} is not a time from 1970 to 31 December 9998 (0 to {LAST_MS} ms)"
            return Outcome(REFUSED, code.value, message)
    return None


def submit(
    command: cmd.Command,
    *,
    login: int,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Write a command of one account to the journal and return what the desk makes of it.

    Of the caller the key, the wait and the time count: the rest stands in the command.
    """
    if not 0 < login <= journal.BIGINT_MAX:
        return Outcome(REFUSED, Code.ACCOUNT_DISABLED.value, f"there is no account {login}")
    beyond = beyond_dates(command)
    if beyond is not None:
        return beyond
    key = caller.client_id or None
    entry = journal.write(command, login=login, client_key=key, at_ms=caller.at_ms)
    if entry.conflict:
        message = f"client id {caller.client_id} was used for another request"
        return Outcome(REFUSED, Code.CONFLICT.value, message, entry.smart or entry.ticket, {}, entry.id)
    if connection.in_atomic_block:
        journal.wake_after_commit(entry.shard)
        return judged(entry, None)
    journal.wake(entry.shard)
    return judged(entry, journal.wait(entry.id, caller.wait_s))


def submit_to_all(
    command: cmd.Command,
    *,
    caller: Caller = UNNAMED,
    only: int | None = None,
) -> Outcome:
    """Write a command that concerns every shard, a row for each, and return the first refusal or the last answer.

    only: write it for that shard alone.
    """
    with transaction.atomic():
        entries = write_rows(command, caller=caller, only=only)
    return answers(entries, caller.wait_s)


def write_rows(
    command: cmd.Command, *, caller: Caller = UNNAMED, only: int | None = None
) -> list[journal.Entry]:
    """Write a command for every shard in the caller's transaction; their desks are woken after its commit."""
    chosen = range(journal.number_of_shards()) if only is None else [only]
    entries = [
        journal.write(
            command,
            shard=shard,
            login=None,
            client_key=f"{caller.client_id}/{shard}" if caller.client_id else None,
            at_ms=caller.at_ms,
        )
        for shard in chosen
    ]
    for shard in chosen:
        journal.wake_after_commit(shard)
    return entries


def answers(entries: Sequence[journal.Entry], wait_s: float) -> Outcome:
    """Return the first answer of several rows that is not "done", or the last."""
    if any(entry.conflict for entry in entries):
        return Outcome(REFUSED, Code.CONFLICT.value, "the key was used for another request")
    if connection.in_atomic_block:
        return judged(entries[0], None)
    outcomes = [judged(entry, journal.wait(entry.id, wait_s)) for entry in entries]
    return next((outcome for outcome in outcomes if not outcome.ok), outcomes[-1])
