"""Sessions of browsers end with their user's epoch too, not only with the password's hash that Django keeps in them.

A session without an epoch is of the first one. Promises: a session that has ended is emptied by the next request with it.
"""

from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from credentials.epochs import session_epoch_of
from credentials.models import Ending

EPOCH = "credentials_epoch"


class EpochMiddleware(AuthenticationMiddleware):
    """Say who is logged in, and that nobody is where the session is of an epoch that has ended."""

    def process_request(self, request: HttpRequest) -> None:
        """Set `request.user`, found on first use."""
        super().process_request(request)
        found = partial(current_user, request)
        request.user = SimpleLazyObject(found)  # type: ignore[assignment]
        request.auser = sync_to_async(found)


def current_user(request: Any) -> Any:
    """Return who is logged in by the request's session."""
    if not hasattr(request, "_cached_user"):
        user = get_user(request)
        if user.is_authenticated and not of_this_epoch(request.session, user):
            request.session.flush()
            user = AnonymousUser()
        request._cached_user = user
    return request._cached_user


def of_this_epoch(session: Any, user: Any) -> bool:
    """Return whether a session, or what it holds, is of its user's present epoch."""
    return bool(session.get(EPOCH, 0) == session_epoch_of(user))


def connect() -> None:
    """Write the epoch into every new session, and note that one ends."""
    user_logged_in.connect(_began, dispatch_uid="credentials.began")
    user_logged_out.connect(_ended, dispatch_uid="credentials.ended")


def _began(*, request: Any, user: Any, **_: Any) -> None:
    if request is not None and hasattr(request, "session"):
        request.session[EPOCH] = session_epoch_of(user)


def _ended(*, user: Any, **_: Any) -> None:
    if user is not None and user.pk is not None:
        Ending.objects.create(user_id=user.pk, why=Ending.Why.ONE)
