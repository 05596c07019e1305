"""Changes of settings as services: one command for every shard that goes by the record, answered as one.

Only the desk writes what it goes by: the row, the line of its history and the effect are one transaction. Promises: a
change that names what was seen is refused where it stands otherwise, and one that says in how many accounts it may act
is refused where it would act in more. With several shards all are asked first, so that none acts where another refuses;
where one still does, because the market moved in between, the others are put back and the outcome says so.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from dealing import journal
from dealing.caller import UNNAMED, Caller
from dealing.submission import ACCEPTED, REFUSED, Outcome, answers, judged, submit_to_all, write_rows
from engine import commands as cmd
from engine.codes import Code
from engine.enums import By


def change_settings(
    kind: str,
    key: str | int,
    values: Mapping[str, Any],
    *,
    seen: Mapping[str, Any] | None = None,
    accounts: int | None = None,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Change settings of a symbol, group or account.

    Without `seen` the values are all the settings of a symbol or group, or some of an account. With it they are those
    that change, and `seen` is how they stood for their author: a key that stands otherwise by now is a `conflict`, whose
    data name it. accounts: in how many accounts something may be closed or opened by it at once.
    """
    command = cmd.ChangeSettings(
        kind=kind, key=str(key), values=dict(values), by=By.MANAGER, actor=caller.actor,
        seen=None if seen is None else dict(seen), accounts=accounts,
    )  # fmt: skip
    only = int(key) % journal.number_of_shards() if kind == "account" else None
    is_shared = only is None and journal.number_of_shards() > 1 and seen is not None
    if is_shared and caller.wait_s > 0 and not connection.in_atomic_block:
        refusal = _tried(command, accounts, caller.wait_s)
        if refusal is not None:
            return refusal
    with transaction.atomic():
        if only is None:
            _one_at_a_time(kind, str(key))
        entries = write_rows(command, caller=caller, only=only)
    if not is_shared or connection.in_atomic_block:
        return answers(entries, caller.wait_s)
    return _agreed(command, entries, caller.wait_s)


def _one_at_a_time(kind: str, key: str) -> None:
    """Let the rows of two changes of one record stand in the same order for every shard."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"settings {kind} {key}",))


def _tried(command: cmd.ChangeSettings, accounts: int | None, wait_s: float) -> Outcome | None:
    """Ask every shard what it would answer; return the refusal, None where all agree."""
    trial = cmd.ChangeSettings(
        kind=command.kind, key=command.key, values=command.values, by=By.MANAGER, actor=command.actor,
        seen=command.seen, is_trial=True,
    )  # fmt: skip
    acting = 0
    for shard in range(journal.number_of_shards()):
        outcome = submit_to_all(trial, only=shard, caller=Caller(wait_s=wait_s))
        if outcome.state == ACCEPTED:
            message = f"shard {shard} does not answer, so that nothing was changed"
            return Outcome(REFUSED, Code.TIMEOUT.value, message, command_id=outcome.command_id)
        if not outcome.ok:
            return outcome
        acting += outcome.data["forecast"]["acting"]
    if accounts is not None and acting > accounts:
        message = f"it would close or open something in {acting} accounts by now, not in {accounts}"
        return Outcome(REFUSED, Code.CONFLICT.value, message, data={"forecast": {"acting": acting}})
    return None


def _agreed(command: cmd.ChangeSettings, entries: list[journal.Entry], wait_s: float) -> Outcome:
    """Return the answer of all shards; where one refused, put the others back."""
    if any(entry.conflict for entry in entries):
        return answers(entries, wait_s)
    outcomes = [judged(entry, journal.wait(entry.id, wait_s)) for entry in entries]
    refused = [outcome for outcome in outcomes if outcome.state == REFUSED]
    done = [entry for entry, outcome in zip(entries, outcomes, strict=True) if outcome.ok]
    if not refused or not done:
        return next((outcome for outcome in outcomes if not outcome.ok), outcomes[-1])
    back = cmd.ChangeSettings(
        kind=command.kind, key=command.key, values=dict(command.seen or {}), seen=command.values, by=By.SYSTEM,
        actor=command.actor,
    )  # fmt: skip
    for entry in done:
        submit_to_all(back, only=entry.shard, caller=Caller(wait_s=wait_s))
    first = refused[0]
    message = f"{first.message}; {len(done)} of {len(entries)} shards had changed it and were put back"
    return Outcome(REFUSED, first.code, message, data=first.data, command_id=first.command_id)
