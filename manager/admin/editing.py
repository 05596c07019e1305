"""Forms that carry what their editor saw, and records that show what was changed of them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from dealing.models import SettingsChange
from manager import words
from manager.admin import show
from manager.admin.proposals import Clash, note
from manager.admin.record import Section
from manager.snapshots import label_of, said, snapshot

SEEN = "td_seen"
SALT = "manager.seen"
SHOWN = 20


class EditingAdmin:
    """What every editor of the admin does: send what was seen, show what was changed."""

    #: The word under which changes are kept: the desk's, or the model's.
    kind = ""
    vocabulary: words.Words = {}
    change_form_template = "manager/settings.html"

    def get_form(
        self: Any, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form with what its editor sees in a field that is not shown."""
        form = super().get_form(request, obj, change=change, **kwargs)  # type: ignore[misc]
        if obj is not None and kwargs.get("fields", ()) is not None:
            token = signing.dumps(snapshot(obj), salt=SALT, compress=True)
            form.base_fields[SEEN] = forms.CharField(
                required=False, initial=token, widget=forms.HiddenInput, max_length=60_000
            )
        return form

    def seen_of(self, form: Any) -> dict[str, Any] | None:
        """Return what the editor of a form saw; None where nothing of ours was sent."""
        try:
            seen: dict[str, Any] = signing.loads(form.cleaned_data.get(SEEN) or "", salt=SALT)
        except signing.BadSignature:
            return None
        return seen

    def history_of(self: Any, row: Any) -> "QuerySet[SettingsChange]":
        """Return what was changed of a row, the latest first."""
        kind = self.kind or self.opts.label_lower
        return SettingsChange.objects.filter(kind=kind, key=str(row.pk)).order_by("-id")

    def history_section(self: Any, row: Any) -> Section:
        """Return the latest changes of a row, each with the way to put it back."""
        lines = []
        for line in self.history_of(row)[:SHOWN]:
            keys = list(line.after)
            what = [
                f"{label_of(key, self.vocabulary)}: {self.said(key, line.before.get(key))} → {self.said(key, line.after.get(key))}"
                for key in keys[:6]
            ]
            more = f" and {len(keys) - 6} more" if len(keys) > 6 else ""
            text = "made" if line.is_new else "; ".join(what) + more
            lines.append(
                (show.time(line.at), line.actor or show.EMPTY, text, self.put_back_button(row, line))
            )
        return Section(
            "Changes",
            body=show.table(("Time", "Who", "What", ""), lines, none="No change is on record."),
            is_wide=True,
        )

    def said(self, key: str, value: Any) -> str:
        """Return a value of a setting in words."""
        return said(value)

    def put_back_button(self: Any, row: Any, line: SettingsChange) -> Any:
        """Return the button that proposes what a change has replaced."""
        if not self.kind or line.is_new:
            return ""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_put_back"
        return format_html(
            '<button type="submit" class="td-link" form="td-put-back" formaction="{}" name="change" value="{}">Put back</button>',
            reverse(name, args=[row.pk]), line.pk,
        )  # fmt: skip


class GuardedAdmin(EditingAdmin):
    """Editors of rows that the desk does not go by: compared and written in one transaction, only what was changed."""

    def render_change_form(
        self: Any, request: HttpRequest, context: dict[str, Any], **more: Any
    ) -> HttpResponse:
        """Show the form below what was changed of the row."""
        obj = more.get("obj")
        context["sections"] = [self.history_section(obj)] if obj is not None else []
        return super().render_change_form(request, context, **more)  # type: ignore[misc]

    def save_model(self: Any, request: Any, obj: Any, form: Any, change: bool) -> None:
        """Write a new row, or of a known one what was changed, unless it stands otherwise than was seen."""
        if not change:
            super().save_model(request, obj, form, change)  # type: ignore[misc]
            return
        locked = type(obj)._default_manager.select_for_update(of=("self",)).get(pk=obj.pk)
        now, seen = snapshot(locked), self.seen_of(form)
        mine = self._sent(form)
        seen = now if seen is None else seen
        values = {key: value for key, value in mine.items() if value != seen.get(key)}
        found = [
            Clash(key, value, now.get(key), seen.get(key))
            for key, value in values.items()
            if now.get(key) not in (seen.get(key), value)
        ]
        request.td_clashes, request.td_values = found, {} if found else values
        if found:
            return
        many = {field.name for field in obj._meta.many_to_many}
        columns = {
            obj._meta.get_field(key).attname: value for key, value in values.items() if key not in many
        }
        type(obj)._default_manager.filter(pk=obj.pk).update(**columns)
        for name in many & values.keys():
            getattr(locked, name).set(values[name])
        if values:
            before = {key: now.get(key) for key in values}
            note(obj._meta.label_lower, str(obj.pk), before, values, request.user.get_username())

    def _sent(self, form: Any) -> dict[str, Any]:
        """Return the settings that a form has fields for, as they were sent."""
        whole = snapshot(form.instance)
        sent = {key: value for key, value in whole.items() if key in form.cleaned_data}
        for field in form.instance._meta.many_to_many:
            if field.name in form.cleaned_data:
                sent[field.name] = sorted(row.pk for row in form.cleaned_data[field.name])
        return sent

    def save_related(self: Any, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write what belongs to a row, unless nothing is to be written; sets of rows are written above."""
        if change and getattr(request, "td_clashes", None):
            return
        if change:
            for field in form.instance._meta.many_to_many:
                form.cleaned_data.pop(field.name, None)
        super().save_related(request, form, formsets, change)  # type: ignore[misc]

    def construct_change_message(
        self: Any, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Say what was written."""
        if getattr(request, "td_clashes", None):
            return []
        return super().construct_change_message(request, form, formsets, add)  # type: ignore[misc]

    def log_change(self: Any, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log what was written."""
        if getattr(request, "td_clashes", None):
            return None
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def response_change(self: Any, request: HttpRequest, obj: Any) -> HttpResponse:
        """Answer: where nothing was written, what stands against it."""
        found = getattr(request, "td_clashes", None)
        if not found:
            return super().response_change(request, obj)  # type: ignore[misc]
        rows = [
            (label_of(c.key, self.vocabulary), said(c.yours), said(c.theirs), said(c.seen)) for c in found
        ]
        messages.error(request, "Nothing was saved: somebody else changed the same.")
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])
        context = {
            **self.admin_site.each_context(request), "heading": self.heading, "named": str(obj), "opts": self.opts,
            "title": f"Change of {obj}", "back": back, "media": self.media, "last": self.history_of(obj).first(),
            "clashes": show.table(("Setting", "Yours", "Theirs, as it is now", "What you saw"), rows),
        }  # fmt: skip
        return TemplateResponse(request, "manager/conflict.html", context)
