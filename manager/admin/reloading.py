"""Editing settings: what was seen travels with the form, what was changed is proposed, what would follow is told, then saved.

A form carries what its editor saw. What they send is compared with that, so that only what they changed is a change; a
setting that stands otherwise by now is shown with both values, and nothing is saved. Of what the desk goes by the page
says what would follow at once; a change that would close or open something is confirmed by the number of accounts. The
desk judges all of it again and writes row and history; saving never overwrites what was not touched.
"""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from dealing import services
from dealing.caller import Caller
from engine.enums import By
from engine.settings import SettingError
from live import rights
from manager import forecasts, mass, words
from manager.admin import show
from manager.admin.acting import sentence
from manager.admin.base import DeskAdmin
from manager.admin.editing import EditingAdmin
from manager.admin.proposals import Clash, Proposal, Stale, changed, clashes, write_labels
from manager.admin.record import Section
from manager.models import MassJob
from manager.snapshots import fields_of, label_of, said, snapshot

WAIT_S = 5.0
FIGURES = (
    ("stopped_out", "accounts would be stopped out, at once or as soon as their market opens"),
    ("exits", "positions would be closed by a stop loss, take profit or level that it reaches"),
    ("pendings", "pending orders would be filled"),
    ("called", "accounts would get a margin call"),
    ("released", "accounts would lose their margin call"),
    ("to_dealers", "positions and orders would wait for a dealer when they are reached"),
    ("to_desk", "positions and orders would no longer wait for a dealer"),
    ("asleep", "positions and orders would be outside of a session: nothing closes or fills them"),
    ("awake", "positions and orders would be inside of a session again"),
)


class SettingsAdmin(EditingAdmin, DeskAdmin):
    """Base of the pages of rows that managers edit: what is to be known of a row first, then its form."""

    vocabulary: words.Words = {}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form in the words of the trade."""
        form = super().get_form(request, obj, change=change, **words.kwargs(self.vocabulary), **kwargs)
        words.dress(form)
        form.actor = request.user  # the class is made for this request
        return form

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return what stands above the form of a row."""
        return []

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **more: Any) -> HttpResponse:
        """Show the page."""
        obj = more.get("obj")
        context["sections"] = [*self.sections(request, obj), self.history_section(obj)] if obj else []
        return super().render_change_form(request, context, **more)


class ReloadingAdmin(SettingsAdmin):
    """Base of the pages of symbols, groups and accounts."""

    def write(self, obj: Any, form: Any) -> None:
        """Write a new row."""
        obj.save(force_insert=True)

    # ---- what is sent becomes a proposal ----

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write a new row and hand it to the desk; a change of one is proposed when all of the form is known."""
        if not change:
            self.write(obj, form)
            transaction.on_commit(lambda: self._announce(request, obj))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write what belongs to a new row; of a known one make the proposal."""
        if not change:
            super().save_related(request, form, formsets, change)
            return
        terms = _terms_of(formsets)
        now = snapshot(form.instance, terms)
        seen = self.seen_of(form) or snapshot(type(form.instance)._default_manager.get(pk=form.instance.pk))
        keys = {key for key in {**now, **seen} if self._is_open(key, form.fields, terms is not None)}
        values = changed(now, seen, keys)
        request.td_proposal = Proposal(  # type: ignore[attr-defined]
            self.kind, str(form.instance.pk), values, {key: seen.get(key) for key in values},
            client_key=uuid.uuid4().hex,
        )  # fmt: skip

    def _is_open(self, key: str, fields: Any, has_terms: bool) -> bool:
        """Return whether whoever sent the form could change this setting there."""
        return (
            has_terms if fields_of(key) == ("securities",) else all(name in fields for name in fields_of(key))
        )

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Say what was added; of a proposal nothing is to be said yet."""
        return super().construct_change_message(request, form, formsets, add) if add else []

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log nothing yet: what was sent is a proposal."""

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Answer nothing yet."""
        return HttpResponse()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show the form; what was sent goes on as a proposal, outside of the form's transaction."""
        response = super().changeform_view(request, object_id, form_url, extra_context)
        proposal = getattr(request, "td_proposal", None)
        return response if proposal is None else self.propose(request, proposal)

    def _announce(self, request: HttpRequest, obj: Any) -> None:
        outcome = services.reload_settings(
            self.kind, obj.pk, caller=Caller(by=By.MANAGER, actor=request.user.get_username(), wait_s=WAIT_S)
        )
        if outcome.ok:
            messages.info(request, f"The desk goes by the new settings of {obj} from now on.")
        elif outcome.state == services.ACCEPTED:
            messages.warning(request, f"Saved; {sentence(outcome)}.")
        else:
            type(obj)._default_manager.filter(pk=obj.pk).delete()  # nothing hangs on it yet
            messages.error(request, f"The desk refused, nothing was added: {sentence(outcome)}")

    # ---- a proposal is looked at, confirmed, saved ----

    def get_urls(self) -> list[Any]:
        """Return the addresses with those of proposals."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("<path:object_id>/proposal/", self.admin_site.admin_view(self.proposal_view), name=f"{name}_proposal"),
            path("<path:object_id>/put-back/", self.admin_site.admin_view(self.put_back), name=f"{name}_put_back"),
            *super().get_urls(),
        ]  # fmt: skip

    def _row(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row that a proposal is about.

        Raises:
            Http404, PermissionDenied: it may not be seen, or not be changed.
        """
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404(f"there is no {self.opts.verbose_name} {object_id}")
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return row

    def _back(self, key: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[key])

    def proposal_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Look at a proposal again, or save it."""
        row = self._row(request, object_id)
        proposal = Proposal.read(request.POST.get("proposal", ""))
        if (
            request.method != "POST"
            or proposal is None
            or (proposal.kind, proposal.key) != (self.kind, object_id)
        ):
            messages.error(request, "That proposal is too old, or not of this page: make the change again.")
            return HttpResponseRedirect(self._back(object_id))
        self._check_fields(request, row, proposal)
        if "again" in request.POST:  # theirs has been looked at: ours is wanted all the same
            proposal.seen = {key: snapshot(row).get(key) for key in proposal.values}
            proposal.client_key = uuid.uuid4().hex
            proposal.figures = None
        if "confirmed" not in request.POST or proposal.figures is None:
            return self.propose(request, proposal)
        acting = proposal.figures["acting"]
        typed = request.POST.get("typed", "").strip()
        if acting and typed != str(acting):
            wrong = f"Type {acting}, the number of accounts, to confirm; {typed or 'nothing'} was typed."
            return self._preview(request, row, proposal, wrong=wrong)
        return self._save(request, row, proposal)

    def _check_fields(self, request: HttpRequest, row: Any, proposal: Proposal) -> None:
        """See that every setting of a proposal is one that this member of staff may set.

        Raises:
            PermissionDenied: one is not.
        """
        closed = set(self.get_readonly_fields(request, row))
        if any(name in closed for key in proposal.values for name in fields_of(key)):
            raise PermissionDenied
        # What is put back may name what the one who puts it back does not see.
        if rights.unseen_choices(request.user, self.kind_of_row, proposal.values):
            raise PermissionDenied

    def propose(self, request: HttpRequest, proposal: Proposal) -> HttpResponse:
        """Show what a proposal would do; save it at once where it does nothing that one would want to know."""
        row = self._row(request, proposal.key)
        if not proposal.values:
            messages.info(request, f"Nothing was changed of {row}.")
            return HttpResponseRedirect(self._back(proposal.key))
        found = clashes(proposal, row)
        if found:
            return self._conflict(request, row, proposal, found)
        values, seen = proposal.part(of_desk=True)
        if not values:
            return self._save(request, row, proposal)
        job = self._job(request, proposal)
        if job is None:
            try:
                proposal.figures = forecasts.compute(self.kind, proposal.key, values, seen)
            except SettingError as error:
                messages.error(request, f"The desk would refuse this: {error}")
                return HttpResponseRedirect(self._back(proposal.key))
        elif job.state in mass.OPEN:
            return self._wait_page(request, row, proposal, job)
        elif not job.result:
            messages.error(request, f"What would follow could not be computed: {job.error or 'cancelled'}.")
            return HttpResponseRedirect(self._back(proposal.key))
        else:
            proposal.figures = job.result
        if not forecasts.follows(proposal.figures or {}) and not self.tells(row, proposal):
            return self._save(request, row, proposal)
        return self._preview(request, row, proposal)

    def tells(self, row: Any, proposal: Proposal) -> list[str]:
        """Return what a change means besides the figures, a line each; where there is any it is shown before it is saved."""
        return []

    def _job(self, request: HttpRequest, proposal: Proposal) -> MassJob | None:
        """Return the job that computes what would follow, None where the book is small enough to wait for."""
        job = MassJob.objects.filter(client_key=f"look-{proposal.client_key}").first()
        if job is not None or forecasts.is_small(self.kind):
            return job
        values, seen = proposal.part(of_desk=True)
        job, _ = MassJob.objects.get_or_create(
            client_key=f"look-{proposal.client_key}",
            defaults={
                "kind": mass.FORECAST, "title": f"What a change of {self.kind} {proposal.key} would do",
                "user_id": int(request.user.pk or 0), "given": {"kind": self.kind, "key": proposal.key, "values": values, "seen": seen},
            },
        )  # fmt: skip
        mass.hint(job)
        return job

    def _save(self, request: HttpRequest, row: Any, proposal: Proposal) -> HttpResponse:
        """Hand a proposal to the desk, then write what means nothing to it."""
        actor = request.user.get_username()
        values, seen = proposal.part(of_desk=True)
        back = HttpResponseRedirect(self._back(proposal.key))
        if values:
            outcome = services.change_settings(
                self.kind, proposal.key, values, seen=seen, accounts=(proposal.figures or {}).get("acting", 0),
                caller=Caller(
                    by=By.MANAGER, actor=actor, client_id=f"admin-{proposal.client_key}", wait_s=WAIT_S
                ),
            )  # fmt: skip
            if outcome.code == "conflict" and outcome.data.get("fields"):
                found = [
                    Clash(f["field"], f["yours"], f["theirs"], f["seen"]) for f in outcome.data["fields"]
                ]
                return self._conflict(request, row, proposal, found)
            if outcome.code == "conflict":
                messages.error(request, f"Not saved: {outcome.message}. These are the figures of now.")
                proposal.client_key = uuid.uuid4().hex
                return self.propose(request, proposal)
            if outcome.state == services.REFUSED:
                messages.error(request, f"The desk refused, the settings are as before: {sentence(outcome)}")
                return back
            if outcome.ok:
                messages.info(request, f"The desk goes by the new settings of {row} from now on.")
            else:
                messages.warning(request, f"Not saved yet: {sentence(outcome)}.")
        try:
            write_labels(row, proposal, actor)
        except Stale as stale:
            return self._conflict(request, row, proposal, stale.clashes)
        if not values:
            messages.success(request, f"Saved: {row}.")
        self._log(request, row, proposal)
        return back

    def _log(self, request: HttpRequest, row: Any, proposal: Proposal) -> None:
        what = ", ".join(label_of(key, self.vocabulary) for key in proposal.values)
        kind = ContentType.objects.get_for_model(row, for_concrete_model=False)
        LogEntry.objects.create(
            user_id=int(request.user.pk or 0), content_type_id=kind.pk, object_id=str(row.pk), object_repr=str(row)[:200],
            action_flag=CHANGE, change_message=f"Changed {what}.",
        )  # fmt: skip

    def put_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Propose the values that a line of the history has replaced."""
        row = self._row(request, object_id)
        if request.method != "POST":
            return HttpResponseRedirect(self._back(object_id))
        number = request.POST.get("change", "")
        line = (
            self.history_of(row).filter(pk=int(number)).first()
            if number.isdecimal() and len(number) < 19
            else None
        )
        if line is None or line.is_new:
            messages.error(request, "There is no such line in the history.")
            return HttpResponseRedirect(self._back(object_id))
        now = snapshot(row)
        values = {key: value for key, value in line.before.items() if now.get(key) != value}
        proposal = Proposal(
            self.kind, object_id, values, {key: now.get(key) for key in values}, client_key=uuid.uuid4().hex,
            about=f"Puts back what {line.actor or 'somebody'} changed on {line.at:%Y-%m-%d %H:%M:%S} UTC.",
        )  # fmt: skip
        self._check_fields(request, row, proposal)
        return self.propose(request, proposal)

    # ---- pages ----

    def _page(
        self, request: HttpRequest, row: Any, proposal: Proposal, template: str, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "heading": self.heading, "named": str(row), "opts": self.opts,
            "title": f"Change of {row}", "proposal": proposal.signed(), "about": proposal.about,
            "back": self._back(proposal.key),
            "action": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_proposal", args=[proposal.key]),
            "media": self.media, **more,
        }  # fmt: skip
        return TemplateResponse(request, template, context)

    def _changes(self, proposal: Proposal) -> Any:
        rows = [
            (label_of(key, self.vocabulary), said(proposal.seen.get(key)), said(value))
            for key, value in proposal.values.items()
        ]
        return show.table(("Setting", "From", "To"), rows)

    def _preview(
        self, request: HttpRequest, row: Any, proposal: Proposal, *, wrong: str = ""
    ) -> HttpResponse:
        figures = proposal.figures or {}
        return self._page(
            request, row, proposal, "manager/proposal.html", changes=self._changes(proposal), wrong=wrong,
            acting=figures["acting"], says=[*self.tells(row, proposal), *says_of(figures)], at=show.moment(figures["at_ms"]),
        )  # fmt: skip

    def _conflict(
        self, request: HttpRequest, row: Any, proposal: Proposal, found: list[Clash]
    ) -> HttpResponse:
        rows = [
            (label_of(c.key, self.vocabulary), said(c.yours), said(c.theirs), said(c.seen)) for c in found
        ]
        last = self.history_of(row).first()
        return self._page(
            request, row, proposal, "manager/conflict.html",
            clashes=show.table(("Setting", "Yours", "Theirs, as it is now", "What you saw"), rows),
            changes=self._changes(proposal), last=last,
        )  # fmt: skip

    def _wait_page(self, request: HttpRequest, row: Any, proposal: Proposal, job: MassJob) -> HttpResponse:
        return self._page(
            request, row, proposal, "manager/computing.html", changes=self._changes(proposal), job=job
        )


def says_of(figures: dict[str, Any]) -> list[str]:
    """Return what would follow, a line each."""
    lines = [f"Looked at {figures['looked_at']:,} of {figures['of']:,} accounts that are concerned."]
    if not figures["is_whole"]:
        lines.append(
            "There was no time for all of them: more may follow. The desk refuses it if more would close."
        )
    if figures["acting"]:
        lines.append(f"In {figures['acting']:,} accounts something would be closed or opened at once:")
    for kind, words_ in FIGURES:
        if figures[kind]:
            named = ", ".join(str(login) for login in figures["logins"].get(kind, [])[:10])
            lines.append(f"{figures[kind]:,} {words_}" + (f": {named}" if named else "") + ".")
    for currency, (before, after) in figures["margin"].items():
        if before != after:
            lines.append(f"Margin in use goes from {before} to {after} {currency}.")
    if len(lines) == 1:
        lines.append("Nothing would follow at once.")
    return lines


def _terms_of(formsets: Any) -> list[Any] | None:
    """Return the rows of terms as they were sent; None where the form has none."""
    for formset in formsets:
        if formset.prefix == "securities":
            gone = formset.deleted_forms
            return [
                form.instance
                for form in formset.forms
                if form not in gone and form.instance.security and (form.has_changed() or form.instance.pk)
            ]
    return None
