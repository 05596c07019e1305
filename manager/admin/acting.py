"""Pages by which a manager asks for something: a form, the service, and its answer.

Whatever the answer is, it is shown with its code. The forms check no rule of trading; the engine does.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from dealing.services import ACCEPTED, Outcome
from manager.admin.base import DeskAdmin

Run = Callable[[dict[str, Any]], Outcome]


def told(outcome: Outcome) -> str:
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
        messages.warning(request, f"{what}: {told(outcome)}.")
    else:
        messages.error(request, f"{what}: {told(outcome)}")


def found(admin: DeskAdmin, request: HttpRequest, object_id: Any) -> Any:
    """Return the row that a page is about.

    Raises:
        Http404: there is no such row, or this member of staff may not see it.
        PermissionDenied: they may see it and not act on it.
    """
    row = admin.get_object(request, str(object_id))
    if row is None:
        raise Http404(f"there is no {admin.opts.verbose_name} {object_id}")
    if not admin.has_act_permission(request, row):
        raise PermissionDenied
    return row


def page(
    admin: DeskAdmin, request: HttpRequest, *, title: str, form: Form, back: str, submit: str,
    about: Iterable[tuple[str, Any]] = (), hidden: Iterable[tuple[str, Any]] = (), listed: Iterable[Any] = (),
) -> TemplateResponse:  # fmt: skip
    """Return the page of a form; `about` are facts beside it, `listed` the rows that it will act on."""
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "form": form,
        "back": back,
        "submit_text": submit,
        "about": list(about),
        "hidden": list(hidden),
        "listed": list(listed),
        "media": admin.media + form.media,
    }
    return TemplateResponse(request, "manager/act.html", context)


def act(
    admin: DeskAdmin, request: HttpRequest, *, title: str, form: Form, run: Run, back: str, submit: str,
    about: Iterable[tuple[str, Any]] = (),
) -> HttpResponse:  # fmt: skip
    """Show a form or, once it is filled in, ask the service; a refusal stands on the form with its code."""
    if request.method == "POST" and form.is_valid():
        outcome = run(form.cleaned_data)
        if outcome.ok or outcome.state == ACCEPTED:
            report(request, outcome, title)
            return HttpResponseRedirect(back)
        form.add_error(None, told(outcome))
    return page(admin, request, title=title, form=form, back=back, submit=submit, about=about)


def act_on_each(
    admin: DeskAdmin, request: HttpRequest, rows: "QuerySet[Any]", *, action: str, title: str, form: Form,
    run: Callable[[Any, dict[str, Any]], Outcome], submit: str,
) -> HttpResponse | None:  # fmt: skip
    """Ask once for a confirmation, then ask the service for every chosen row and sum up the answers.

    Raises:
        PermissionDenied: this member of staff may look and not act.
    """
    if not admin.has_act_permission(request):
        raise PermissionDenied
    if "confirmed" not in request.POST or not form.is_valid():
        chosen = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        hidden = [("action", action), ("confirmed", "yes")]
        hidden += [(helpers.ACTION_CHECKBOX_NAME, key) for key in chosen]
        return page(
            admin, request, title=title, form=form, back=request.get_full_path(), submit=submit,
            hidden=hidden, listed=rows,
        )  # fmt: skip
    done = 0
    for row in rows:
        outcome = run(row, form.cleaned_data)
        if outcome.ok:
            done += 1
        else:
            report(request, outcome, f"{title} {row}")
    if done:
        messages.success(request, f"{title}: {done} done.")
    return None
