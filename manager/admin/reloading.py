"""Saving settings: the row, and the reload command by which the desk hears of it, in one transaction.

The desk judges too. Where it refuses what the form let pass, the row is put back and the refusal shown.
"""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from dealing import services
from manager import words
from manager.admin.acting import told
from manager.admin.base import DeskAdmin
from manager.admin.record import Section

WAIT_S = 3.0


class SettingsAdmin(DeskAdmin):
    """Base of the pages of rows that managers edit: what is to be known of a row first, then its form."""

    vocabulary: words.Words = {}
    change_form_template = "manager/settings.html"

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
        context["sections"] = self.sections(request, obj) if obj else []
        return super().render_change_form(request, context, **more)


class ReloadingAdmin(SettingsAdmin):
    """Base of the pages of symbols, groups and accounts."""

    kind = ""

    def write(self, obj: Any, form: Any, *, change: bool) -> None:
        """Write the row."""
        obj.save()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the row and, once it is committed with all that belongs to it, hand it to the desk."""
        before = None
        if change:
            before = type(obj).objects.filter(pk=obj.pk).values().get()
            before = {column: before[obj._meta.get_field(column).attname] for column in form.changed_data}
        self.write(obj, form, change=change)
        transaction.on_commit(lambda: self._reload(request, obj, before))

    def _reload(self, request: HttpRequest, obj: Any, before: dict[str, Any] | None) -> None:
        outcome = services.reload_settings(
            self.kind, obj.pk, actor=request.user.get_username(), wait_s=WAIT_S
        )
        if outcome.ok:
            messages.info(request, f"The desk goes by the new settings of {obj} from now on.")
        elif outcome.state == services.ACCEPTED:
            messages.warning(request, f"Saved; {told(outcome)}.")
        else:
            if before:
                columns = {obj._meta.get_field(name).attname: value for name, value in before.items()}
                type(obj).objects.filter(pk=obj.pk).update(**columns)
            messages.error(request, f"The desk refused, the settings are as before: {told(outcome)}")
