"""Pages of mass actions: what runs and ran, one job with its progress and refusals, and money from a file.

Whoever asked sees their own jobs, superusers all. A job's page renews itself and can stop it: rows that were asked for
already end as the desk answers, the others are left out.
"""

import csv
import hashlib
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from engine.enums import LedgerKind
from live import rights
from live.rights import Right
from manager import mass
from manager.admin import show
from manager.admin.record import Section
from manager.forms import SwitchField, TextField, WordField
from manager.models import MassItem, MassJob
from manager.numbers import NotANumber, number_text

SHOWN = 100
MOST_BYTES = 10_000_000
MOST_LINES = 100_000
FILE_KINDS = (
    LedgerKind.CREDIT_IN,
    LedgerKind.DEPOSIT,
    LedgerKind.BONUS,
    LedgerKind.WITHDRAWAL,
    LedgerKind.CREDIT_OUT,
)


class FileForm(forms.Form):
    """A file of bookings."""

    kind = WordField(FILE_KINDS, label="Operation")
    file = forms.FileField(
        help_text="CSV with the columns login, amount and comment; commas or semicolons. The point is decimal: 1,000 is refused."
    )
    comment = TextField(required=False, help_text="Of rows that have none of their own.")
    partly = SwitchField(
        label="Leave out rows with errors", help_text="Else a file with an error is not booked."
    )


def address_of(job: MassJob) -> str:
    """Return where a job is looked at."""
    return reverse("admin:manager_mass_job", args=[job.pk])


def urls() -> list[Any]:
    """Return the addresses of these pages."""
    view: Callable[..., Any] = admin.site.admin_view
    return [
        path("mass/", view(list_page), name="manager_mass_list"),
        path("mass/file/", view(upload), name="manager_mass_file"),
        path("mass/<int:job_id>/", view(job_page), name="manager_mass_job"),
        path("mass/<int:job_id>/go/", view(go), name="manager_mass_go"),
        path("mass/<int:job_id>/stop/", view(stop), name="manager_mass_stop"),
    ]


def _number(request: HttpRequest) -> int:
    return int(request.user.pk or 0)


def _jobs(request: HttpRequest) -> Any:
    jobs = MassJob.objects.exclude(kind=mass.FORECAST).select_related("user")
    return jobs if request.user.is_superuser else jobs.filter(user_id=_number(request))


def _job(request: HttpRequest, job_id: int) -> MassJob:
    job: MassJob | None = _jobs(request).filter(pk=job_id).first()
    if job is None:
        raise Http404(f"there is no mass action {job_id}")
    return job


def _page(request: HttpRequest, template: str, **more: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "heading": "Mass actions", **more}
    return TemplateResponse(request, template, context)


def list_page(request: HttpRequest) -> HttpResponse:
    """Show the latest mass actions."""
    rows = [
        (format_html('<a class="td-link" href="{}">#{}</a>', address_of(job), job.pk), job.title, job.user.get_username(), job.get_state_display(),
         f"{job.total:,}", show.time(job.created_at), show.time(job.ended_at))
        for job in _jobs(request).order_by("-id")[:SHOWN]
    ]  # fmt: skip
    table = show.table(
        ("Job", "What", "Who", "State", "Rows", "Asked", "Ended"), rows, none="No mass action yet."
    )
    return _page(request, "manager/mass.html", title="Mass actions", named="Mass actions",
                 sections=[Section("Latest", body=table, is_wide=True)])  # fmt: skip


def job_page(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job: progress, and every row that was not done with its reason."""
    job = _job(request, job_id)
    counts = mass.counts(job)
    facts = [
        ("State", job.get_state_display()), ("Asked by", job.user.get_username()), ("Rows", f"{job.total:,}"),
        ("Done", f"{counts['done']:,}"), ("Refused", f"{counts['refused']:,}"),
        ("Waiting", f"{counts['todo'] + counts['asked']:,}"), ("Left out", f"{counts['left']:,}"),
        ("Asked", show.time(job.created_at)), ("Ended", show.time(job.ended_at)),
    ]  # fmt: skip
    if job.error:
        facts.append(("Why it ended", job.error))
    bad = job.items.filter(state__in=("refused", "left")).order_by("number")[:SHOWN]
    rows = [(i.number, i.login, i.ticket or show.EMPTY, i.message, i.code or show.EMPTY) for i in bad]
    table = show.table(("Row", "Account", "Ticket", "Why not", "Code"), rows, none="No row was refused.")
    return _page(
        request, "manager/mass.html", title=job.title, named=job.title, job=job,
        is_draft=job.state == MassJob.State.DRAFT, is_open=job.state in mass.OPEN, good=counts["todo"],
        sections=[Section("Progress", facts, is_wide=True), Section(f"Refused and left out, the first {SHOWN}", body=table, is_wide=True)],
    )  # fmt: skip


def stop(request: HttpRequest, job_id: int) -> HttpResponse:
    """Stop a job before its next piece."""
    job = _job(request, job_id)
    if request.method == "POST":
        MassJob.objects.filter(pk=job.pk).update(cancel_requested=True)
        drafts = MassJob.objects.filter(pk=job.pk, state=MassJob.State.DRAFT)
        drafts.update(state=MassJob.State.CANCELLED)
        messages.info(request, "It stops before its next piece; what was asked for already is answered.")
    return HttpResponseRedirect(address_of(job))


def go(request: HttpRequest, job_id: int) -> HttpResponse:
    """Begin a job that was looked at; sending it twice begins it once."""
    job = _job(request, job_id)
    if not rights.may(request.user, Right.MOVE_MONEY):
        raise PermissionDenied
    if request.method == "POST":
        drafts = MassJob.objects.filter(pk=job.pk, state=MassJob.State.DRAFT, user_id=_number(request))
        if drafts.update(state=MassJob.State.WAITING):
            mass.hint(job)
    return HttpResponseRedirect(address_of(job))


# ---- money from a file ----


def upload(request: HttpRequest) -> HttpResponse:
    """Take a file of bookings; what it would book, and what is wrong with each row, stands on the job's page."""
    if not rights.may(request.user, Right.MOVE_MONEY):
        raise PermissionDenied
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            job = _draft(request, form.cleaned_data)
        except ValueError as error:
            form.add_error("file", str(error))
        else:
            return HttpResponseRedirect(address_of(job))
    return _page(
        request, "manager/mass_file.html", title="Money from a file", named="Money from a file", form=form,
        back=reverse("admin:manager_mass_list"), media=form.media,
    )  # fmt: skip


def _draft(request: HttpRequest, values: dict[str, Any]) -> MassJob:
    """Return the job of a file, which waits for a yes; the same file again is the same job.

    Raises:
        ValueError: it is too large, no text, or holds no rows.
    """
    file = values["file"]
    if file.size > MOST_BYTES:
        raise ValueError(f"The file has {file.size:,} bytes; {MOST_BYTES:,} are taken.")
    raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("The file is no UTF-8 text: save it as CSV UTF-8.") from None
    lines = rows_of(text)
    logins = set(rights.accounts_for(request.user).filter(login__in={line[0] for line in lines if line[0]})
                .values_list("login", flat=True))  # fmt: skip
    items = [_item(number, line, logins, values["comment"]) for number, line in enumerate(lines, 1)]
    errors = sum(item.state == MassItem.State.REFUSED for item in items)
    total = sum(
        (Decimal(item.given["amount"]) for item in items if item.state == MassItem.State.TODO), Decimal(0)
    )
    digest = hashlib.blake2b(
        b"\0".join(
            [raw, values["kind"].encode(), values["comment"].encode(), str(values["partly"]).encode()]
        ),
        digest_size=12,
    )
    key = f"file-{request.user.pk}-{digest.hexdigest()}"
    if errors and not values["partly"]:
        for item in items:
            if item.state == MassItem.State.TODO:
                item.state, item.message = MassItem.State.LEFT, "the file has errors in other rows"
    title = f"{values['kind'].replace('_', ' ').capitalize()} from {file.name}: {len(items) - errors:,} rows, {total:f} in all"
    try:
        with transaction.atomic():
            job = MassJob.objects.create(
                kind="money_file", title=title[:200], given={"kind": values["kind"]}, user_id=_number(request),
                state=MassJob.State.DRAFT, client_key=key, total=len(items),
            )  # fmt: skip
            for item in items:
                item.job = job
            MassItem.objects.bulk_create(items, batch_size=2_000)
    except IntegrityError:
        messages.warning(request, "This very file was taken before: this is what became of it.")
        return MassJob.objects.get(client_key=key)
    return job


def rows_of(text: str) -> list[tuple[int, str, str, str]]:
    """Return login, amount, comment and what is wrong with each row of a file; 0 where there is no login.

    Raises:
        ValueError: there is no row, or there are too many.
    """
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",")
    rows = [row for row in reader if any(cell.strip() for cell in row)]
    if rows and rows[0][0].strip().lower() == "login":
        rows = rows[1:]
    if not 0 < len(rows) <= MOST_LINES:
        raise ValueError(f"The file has {len(rows):,} rows; 1 to {MOST_LINES:,} are taken.")
    return [_read(row) for row in rows]


def _read(row: list[str]) -> tuple[int, str, str, str]:
    cells = [cell.strip() for cell in row]
    if not 2 <= len(cells) <= 3:
        why = f"{len(cells)} columns; login, amount and, if wanted, a comment are needed (an amount is written without commas)"
        return 0, "", "", why
    login = int(cells[0]) if cells[0].isascii() and cells[0].isdecimal() and len(cells[0]) <= 18 else 0
    comment = cells[2] if len(cells) > 2 else ""
    try:
        amount = number_text(cells[1])
    except NotANumber as error:
        return login, "", comment, str(error)
    if not login:
        return 0, amount, comment, f"{cells[0][:30]!a} is no login"
    return login, amount, comment, "" if Decimal(amount) > 0 else f"the amount {amount} must be above 0"


def _item(number: int, line: tuple[int, str, str, str], logins: set[int], comment: str) -> MassItem:
    login, amount, own, why = line
    if not why and login not in logins:
        why = f"there is no account {login}"
    return MassItem(
        number=number, login=login, given={"amount": amount, "comment": (own or comment)[:200].replace("\0", "")},
        state=MassItem.State.REFUSED if why else MassItem.State.TODO, message=why,
    )  # fmt: skip
