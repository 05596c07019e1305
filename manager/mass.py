"""Mass actions: one confirmation, any number of rows, in pieces that hold nobody up.

A job's rows are written in one statement when it is confirmed, so that "all rows of the filter" is exact as of that
moment. A worker takes a piece, asks for each row through the services under a key of its own, and waits for the answers
before it takes the next: no more than a piece of it ever stands in the journal before somebody's order. Promises: a
worker that dies is followed by another, and no row acts twice; who loses the right to act loses it for the rows that
are left; what was refused says why. It decides no rule: the engine judges every row.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, QuerySet, Value, Window
from django.db.models.functions import Now, RowNumber
from django.utils import timezone
from kombu.exceptions import OperationalError

from dealing import services
from dealing.caller import Caller
from dealing.models import Command
from dealing.submission import ACCEPTED, Outcome
from engine.enums import By
from live import rights
from live.rights import Right
from manager import forecasts
from manager.models import MassItem, MassJob
from orders.models import Order
from positions.models import Position

log = structlog.get_logger(__name__)
PIECE = 100
#: A job whose worker has not been heard of for so long is taken up by another.
LOST_S = 15
#: How long the answers of a piece are waited for; a silent desk stops the job, not the worker.
PATIENCE_S = 30.0
POLL_S = 0.05
#: A worker goes on with a job for so long at a time: others wait for its slot too.
SLICE_S = 5.0
OPEN = (MassJob.State.WAITING, MassJob.State.RUNNING)

Ask = Callable[[MassJob, MassItem, Caller], Outcome]


def _caller(job: MassJob, item: MassItem, key: str) -> Caller:
    """Return who asks for an item: whoever confirmed the job, in the words of the row or of the job."""
    return Caller(
        by=By.MANAGER,
        actor=job.user.get_username(),
        comment=str(item.given.get("comment", job.given.get("comment", ""))),
        client_id=key,
        wait_s=0,
    )


def _close(_job: MassJob, item: MassItem, caller: Caller) -> Outcome:
    return services.close_position(item.login, item.ticket, caller=caller)


def _cancel(_job: MassJob, item: MassItem, caller: Caller) -> Outcome:
    return services.cancel_order(item.login, item.ticket, caller=caller)


def _cancel_plan(job: MassJob, item: MassItem, caller: Caller) -> Outcome:
    return services.cancel_smart(item.login, item.ticket, close=bool(job.given.get("close")), caller=caller)


def _settings(job: MassJob, item: MassItem, caller: Caller) -> Outcome:
    return services.change_settings("account", item.login, job.given["values"], caller=caller)


def _money(job: MassJob, item: MassItem, caller: Caller) -> Outcome:
    return services.balance_operation(item.login, job.given["kind"], item.given["amount"], caller=caller)


#: How each kind asks for a row, and the right that it takes, judged again before every piece.
KINDS: dict[str, tuple[Ask, str]] = {
    "close_positions": (_close, Right.CLOSE),
    "cancel_orders": (_cancel, Right.CANCEL),
    "cancel_plans": (_cancel_plan, "orders.change_smartorder"),
    "switch_accounts": (_settings, "accounts.change_account"),
    "move_group": (_settings, Right.SET_GROUP),
    "money_file": (_money, Right.MOVE_MONEY),
}
FORECAST = "forecast"


def start(
    kind: str,
    title: str,
    user: Any,
    rows: "QuerySet[Any]",
    *,
    client_key: str,
    given: dict[str, Any] | None = None,
) -> MassJob:
    """Return the job that asks for every one of these rows as they are now; the same key gives the same job.

    rows: a queryset with the columns `login` and, for what has one, `ticket` (or a smart order's `id`).
    """
    is_account = any(
        field.name == "login" and field.primary_key for field in rows.model._meta.concrete_fields
    )
    ticket: Any = Value(0) if is_account else F("pk")
    try:
        with transaction.atomic():
            job = MassJob.objects.create(
                kind=kind, title=title[:200], given=given or {}, user=user, client_key=client_key
            )
            numbered = (
                rows.order_by()
                .annotate(td_ticket=ticket, td_number=Window(RowNumber(), order_by=F("pk").asc()))
                .values_list("login", "td_ticket", "td_number")
            )
            sql, params = numbered.query.sql_with_params()
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO manager_massitem (job_id, login, ticket, number, given, state, command, code, message)"
                    f" SELECT %s, t.login, t.ticket, t.number, '{{}}', 'todo', 0, '', '' FROM ({sql}) AS t(login, ticket, number)",
                    (job.pk, *params),
                )
                job.total = cursor.rowcount
            job.save(update_fields=["total"])
            hint(job)
    except IntegrityError:
        return MassJob.objects.get(client_key=client_key)
    return job


def hint(job: MassJob) -> None:
    """Tell a worker of a job once its row can be seen; without one it is found by those who look."""
    transaction.on_commit(lambda: _send(job.pk))


def _send(job_id: int) -> None:
    try:
        current_app.send_task("manager.tasks.run_job", (job_id,))
    except OperationalError as error:
        log.warning("no worker was told of a mass action, beat will", job=job_id, error=str(error))


def counts(job: MassJob) -> dict[str, int]:
    """Return how many rows of a job are in which state."""
    numbers = dict.fromkeys(MassItem.State.values, 0)
    for state, number in job.items.order_by().values_list("state").annotate(n=Count("pk")):
        numbers[state] = number
    return numbers


def lost() -> list[int]:
    """Return the jobs that nobody works on: those that wait, and those whose worker is gone."""
    limit = timezone.now() - timedelta(seconds=LOST_S)
    waiting = MassJob.objects.filter(state=MassJob.State.WAITING)
    abandoned = MassJob.objects.filter(state=MassJob.State.RUNNING, beat_at__lt=limit)
    return sorted({*waiting.values_list("pk", flat=True)[:20], *abandoned.values_list("pk", flat=True)[:20]})


def run(job_id: int) -> bool:
    """Work on a job for a slice of time, or leave at once where another worker does; return whether more is to do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"mass {job_id}",))
        if not cursor.fetchone()[0]:
            return False
    try:
        rows = MassJob.objects.filter(pk=job_id, state__in=OPEN).update(
            state=MassJob.State.RUNNING, started_at=Now(), beat_at=Now()
        )
        return bool(rows) and _work(MassJob.objects.select_related("user").get(pk=job_id))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (f"mass {job_id}",))


def _work(job: MassJob) -> bool:
    try:
        if job.kind == FORECAST:
            _forecast(job)
            return False
        return _slice(job)
    except Exception as error:
        log.exception("a mass action failed", job=job.pk)
        _end(job, MassJob.State.FAILED, f"{type(error).__name__}: {error}"[:500])
        raise


def _slice(job: MassJob) -> bool:
    """Do piece after piece for a slice of time; return whether more is to do."""
    end = time.monotonic() + SLICE_S
    while _beat(job):
        if time.monotonic() > end:
            return True
        piece = list(job.items.filter(state__in=("asked", "todo")).order_by("state", "number")[:PIECE])
        why = _forbidden(job) if piece else ""
        if not piece or why:
            _end(job, MassJob.State.FAILED if why else MassJob.State.DONE, why)
            return False
        if not _do(job, piece):
            _end(job, MassJob.State.FAILED, "the desk does not answer; what was asked for is in the journal")
            return False
    return False


def _beat(job: MassJob) -> bool:
    """Show that a worker is on it; return False, with the job ended, where it is to stop."""
    MassJob.objects.filter(pk=job.pk).update(beat_at=Now())
    if MassJob.objects.filter(pk=job.pk, cancel_requested=True).exists():
        job.items.filter(state=MassItem.State.TODO).update(state=MassItem.State.LEFT)
        _settle_asked(job)
        _end(job, MassJob.State.CANCELLED)
        return False
    return True


def _settle_asked(job: MassJob) -> None:
    """Write down what became of rows that were asked for already."""
    items = list(job.items.filter(state=MassItem.State.ASKED)[:PIECE])
    if items:
        _await(job, items)


def _end(job: MassJob, state: str, error: str = "") -> None:
    MassJob.objects.filter(pk=job.pk).update(state=state, error=error, ended_at=Now(), beat_at=Now())


def _forbidden(job: MassJob) -> str:
    """Return why whoever asked may not act any more, "" where they may."""
    user = get_user_model()._default_manager.filter(pk=job.user_id).first()
    right = KINDS[job.kind][1]
    if user is None or not rights.may(user, right):
        return f"{job.user.get_username()} may not do this any more"
    return ""


def _do(job: MassJob, piece: Sequence[MassItem]) -> bool:
    """Ask for the rows of a piece and write down their answers; return False where the desk is silent."""
    ask, _ = KINDS[job.kind]
    user = get_user_model()._default_manager.get(pk=job.user_id)
    visible = set(
        rights.logins_for(user)
        .filter(login__in={item.login for item in piece})
        .values_list("login", flat=True)
    )
    for item in piece:
        if item.login not in visible:
            item.state, item.message = MassItem.State.LEFT, "the account is not in your groups any more"
            continue
        outcome = ask(job, item, _caller(job, item, f"mass-{job.pk}-{item.number}"))
        item.state, item.command = MassItem.State.ASKED, outcome.command_id
        if outcome.state != ACCEPTED:
            _note(item, outcome)
    _save(piece)
    return _await(job, [item for item in piece if item.state == MassItem.State.ASKED])


def _note(item: MassItem, outcome: Outcome) -> None:
    item.state = MassItem.State.DONE if outcome.ok else MassItem.State.REFUSED
    item.code, item.message = outcome.code, outcome.message


def _await(job: MassJob, items: list[MassItem]) -> bool:
    """Wait for the answers of rows that were asked for; return whether all came."""
    end = time.monotonic() + PATIENCE_S
    waiting = {item.command: item for item in items if item.command}
    while waiting:
        replies = Command.objects.filter(pk__in=waiting, status="done").values_list("pk", "code", "message")
        answered = []
        for number, code, message in replies:
            item = waiting.pop(number)
            item.state = MassItem.State.REFUSED if code else MassItem.State.DONE
            item.code, item.message = code, message
            answered.append(item)
        _save(answered)
        if waiting and time.monotonic() > end:
            return False
        if waiting:
            time.sleep(POLL_S)
    return True


def _save(items: Sequence[MassItem]) -> None:
    MassItem.objects.bulk_update(items, ["state", "command", "code", "message"])


def _forecast(job: MassJob) -> None:
    """Compute what a change of settings would do, with progress."""

    def report(done: int, total: int) -> bool:
        MassJob.objects.filter(pk=job.pk).update(looked_at=done, total=total, beat_at=Now())
        return not MassJob.objects.filter(pk=job.pk, cancel_requested=True).exists()

    change = job.given
    figures = forecasts.compute(
        change["kind"], change["key"], change["values"], change["seen"], report=report
    )
    MassJob.objects.filter(pk=job.pk).update(result=figures)
    _end(job, MassJob.State.DONE if figures["is_whole"] else MassJob.State.CANCELLED)


def rows_of_accounts(kind: str, logins: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return everything that these accounts hold and that an action of this kind ends."""
    if kind == "close_positions":
        return Position.objects.filter(login__in=logins, status="open")
    return Order.objects.filter(login__in=logins, status="pending")
