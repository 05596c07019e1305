"""Pages by which a manager asks for something: a form, what it will do in words, the service, its answer.

Whatever the answer is, it is shown with its code. A page carries a key that goes to the journal with what is
asked, so that a second click, or sending the page again, asks once. The forms check no rule of trading; the
engine does.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from dealing.caller import Caller
from dealing.services import ACCEPTED, Outcome
from engine.enums import By
from live import rights
from manager import mass
from manager.admin.base import DeskAdmin

#: What asks the service: the form's values without the comment, and who asks, in which words, under which key.
Run = Callable[[dict[str, Any], Caller], Outcome]
#: Of chosen rows: the kind of the mass action, what it is given, and the rows that it asks for.
Job = Callable[[dict[str, Any]], tuple[str, dict[str, Any], "QuerySet[Any]"]]
Says = Callable[[dict[str, Any]], Sequence[str]]

#: So many chosen rows are named on the page; beyond that it shows the first ones and the filter decides.
MOST_NAMED = 100
SHOWN_OF_MANY = 20
_KEY = re.compile(r"[0-9a-f]{32}")


def sentence(outcome: Outcome) -> str:
    """Return what to say of an outcome that is not done."""
    if outcome.state == ACCEPTED:
        return (
            f"acknowledged as command {outcome.command_id}, but the desk has not answered yet; "
            "it will act on it when it does"
        )
    return f"{outcome.message or 'refused'} ({outcome.code})"


def report(request: HttpRequest, outcome: Outcome, what: str) -> None:
    """Leave a message about an outcome; `what` says what was asked."""
    if outcome.ok:
        messages.success(request, f"{what}: done.")
    elif outcome.state == ACCEPTED:
        messages.warning(request, f"{what}: {sentence(outcome)}.")
    else:
        messages.error(request, f"{what}: {sentence(outcome)}")


def found(admin: DeskAdmin, request: HttpRequest, object_id: Any, *, right: str = "") -> Any:
    """Return the row that a page is about; `right` is what it takes to act, "" the right to change the row.

    Raises:
        Http404: there is no such row, or this member of staff may not see it.
        PermissionDenied: they may see it and not act on it.
    """
    row = admin.get_object(request, str(object_id))
    if row is None or not admin.has_view_permission(request, row):
        raise Http404(f"there is no {admin.opts.verbose_name} {object_id}")
    allowed = rights.may(request.user, right) if right else admin.has_act_permission(request, row)
    if not allowed:
        raise PermissionDenied
    return row


def page(
    admin: DeskAdmin, request: HttpRequest, *, title: str, form: Form, back: str, submit: str,
    about: Iterable[tuple[str, Any]] = (), hidden: Iterable[tuple[str, Any]] = (), listed: Any = "",
    says: Iterable[str] = (), is_asked: bool = False, key: str = "", is_live: bool = False,
) -> TemplateResponse:  # fmt: skip
    """Return the page of a form; `about` are facts beside it, `listed` the rows that it will act on.

    is_asked: the form is filled in, and the page says what will happen and asks for a yes. is_live: the facts renew
    themselves.
    """
    for field in list(form.fields.values())[:1]:
        field.widget.attrs["autofocus"] = True
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "heading": admin.heading,
        "named": title,
        "opts": admin.opts,
        "form": form,
        "back": back,
        "submit_text": submit,
        "about": list(about),
        "hidden": list(hidden),
        "listed": listed,
        "says": list(says),
        "is_asked": is_asked,
        "is_live": is_live,
        "key": key or uuid.uuid4().hex,
        "media": admin.media + form.media,
    }
    return TemplateResponse(request, "manager/act.html", context)


def act(
    admin: DeskAdmin, request: HttpRequest, *, title: str, form: Form, run: Run, back: str, submit: str,
    about: Iterable[tuple[str, Any]] = (), says: Says | None = None, is_live: bool = False,
) -> HttpResponse:  # fmt: skip
    """Show a form; once it is filled in say what it will do, where `says` knows; then ask the service.

    A refusal stands on the form with its code.
    """
    about = list(about)
    key = request.POST.get("key", "")
    key = key if _KEY.fullmatch(key) else ""
    if request.method == "POST" and "edit" not in request.POST and form.is_valid():
        if says is not None and "confirmed" not in request.POST:
            given = [(name, value) for name in form.fields for value in request.POST.getlist(name)]
            return page(
                admin, request, title=title, form=form, back=back, submit=submit, about=about,
                hidden=[*given, ("confirmed", "yes")], says=says(form.cleaned_data), is_asked=True, key=key, is_live=is_live,
            )  # fmt: skip
        values = {name: value for name, value in form.cleaned_data.items() if name != "comment"}
        caller = Caller(
            by=By.MANAGER,
            actor=request.user.get_username(),
            comment=form.cleaned_data.get("comment", ""),
            client_id=f"admin-{key or uuid.uuid4().hex}",
        )
        outcome = run(values, caller)
        if outcome.ok or outcome.state == ACCEPTED:
            report(request, outcome, title)
            return HttpResponseRedirect(back)
        form.add_error(None, sentence(outcome))
    return page(
        admin, request, title=title, form=form, back=back, submit=submit, about=about, is_live=is_live
    )


def act_on_rows(
    admin: DeskAdmin, request: HttpRequest, rows: "QuerySet[Any]", *, action: str, title: str, form: Form, submit: str,
    listed: Callable[[Sequence[Any]], Any], says: Says, job: Job, none: str, right: str = "",
) -> HttpResponse | None:  # fmt: skip
    """Ask once for a confirmation, then make the mass action that does it (manager/mass.py), and go to its page.

    rows: those of the chosen on which the action makes sense; `none` is said where there are none.
    listed: gives the table of the rows that the confirmation shows, all of them where they are few enough to be named.
    job: gives the kind of the mass action, what it is given, and the rows that it asks for.

    Raises:
        PermissionDenied: this member of staff may look and not act.
    """
    allowed = rights.may(request.user, right) if right else admin.has_act_permission(request)
    if not allowed:
        raise PermissionDenied
    chosen = list(rows[: MOST_NAMED + 1])
    if not chosen:
        messages.warning(request, none)
        return None
    is_named = len(chosen) <= MOST_NAMED
    count = len(chosen) if is_named else rows.order_by().count()
    counted, key = request.POST.get("counted", ""), request.POST.get("key", "")
    is_known = is_named or (counted.isdecimal() and count <= int(counted[:18]))
    if "confirmed" in request.POST and form.is_valid() and is_known and _KEY.fullmatch(key):
        kind, given, targets = job(form.cleaned_data)
        made = mass.start(kind, title, request.user, targets, client_key=key, given=given)
        return HttpResponseRedirect(reverse("admin:manager_mass_job", args=[made.pk]))
    if counted and not is_known:
        messages.warning(request, f"They are {count:,} by now, not {counted}: look again.")
    hidden: list[tuple[str, Any]] = [("action", action), ("confirmed", "yes")]
    lines = list(says({"rows": f"{count:,}"}))
    if is_named:
        # The rows by name: what the page shows is what will be acted on, whatever a filter finds by then.
        hidden += [(helpers.ACTION_CHECKBOX_NAME, row.pk) for row in chosen]
    else:
        first = rows.order_by("pk").values_list("pk", flat=True)[:1]
        hidden += [("counted", count), ("select_across", "1"), ("index", "0")]
        hidden += [(helpers.ACTION_CHECKBOX_NAME, pk) for pk in first]
        lines.append(
            "It is done in pieces, by a worker, for the rows that the filter finds at the moment of your yes."
        )
        lines.append(f"The first {SHOWN_OF_MANY} of them:")
    return page(
        admin, request, title=title, form=form, back=request.get_full_path(), submit=submit, hidden=hidden,
        listed=listed(chosen if is_named else chosen[:SHOWN_OF_MANY]), says=lines,
    )  # fmt: skip
