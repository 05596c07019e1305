"""Checks of passwords: every door asks here, so that all share one limit and one small executor.

Hashing a password takes memory and a core on purpose. It is done on `EXECUTOR` alone, whose threads are no others', so that
any number of log-ins leaves the threads of orders free; they are few and step back where the machine is busy, so that it
leaves the processors too. Who waits for them waits in the lane of log-ins (`tradingdesk.lanes`). Promises: a name that nobody has costs the same time as a wrong password; a hash made with other
figures than ours is renewed at the next log-in, which ends nothing but sessions.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password, verify_password
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from structlog import get_logger

from credentials import limits
from credentials.address import limit_key
from credentials.models import KnownAddress
from dealing.columns import storable

log = get_logger(__name__)

THREADS = 2
NICENESS = 10
_PREFIX = "password"


def _step_back() -> None:
    """Let other threads go first: on Linux niceness is a thread's own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


EXECUTOR = ThreadPoolExecutor(THREADS, thread_name_prefix=_PREFIX, initializer=_step_back)

_KNOWN = """
INSERT INTO credentials_knownaddress (user_id, address, seen_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (user_id, address) DO UPDATE SET seen_at = clock_timestamp()
"""


def check(name: str, password: str, *, address: str) -> Any:
    """Return the active user with this name and password, None where there is none.

    `address` is the caller's (`credentials.address.caller_address`).

    Raises:
        TooManyAttempts: too many failed; the password was not looked at.
    """
    return _checked(name, _user_named(name, address), password, address)


def confirm(user: Any, password: str, *, address: str) -> bool:
    """Return whether this is the password of a user who is logged in.

    Raises:
        TooManyAttempts: too many failed; the password was not looked at.
    """
    name = user.get_username()
    return _checked(name, _user_named(name, address), password, address) is not None


def _user_named(name: str, address: str) -> Any:
    """Return the user, with `known`: whether they have logged in from this address before."""
    if not storable(name):
        return None
    users = get_user_model()._default_manager.select_related("credential")
    known = KnownAddress.objects.filter(user=OuterRef("pk"), address=limit_key(address))
    return users.filter(**{get_user_model().USERNAME_FIELD: name}).annotate(known=Exists(known)).first()


def _checked(name: str, user: Any, password: str, address: str) -> Any:
    attempt = limits.take(name, limit_key(address), known=user is not None and user.known)
    try:
        is_right, must_renew = _on_executor(_verify, password, user.password if user is not None else None)
    except BaseException:
        limits.not_made(attempt)
        raise
    if not is_right or not user.is_active:
        log.warning("a log-in failed", name=name[:150], address=address)
        return None
    limits.succeeded(attempt)
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [user.pk, limit_key(address)])
    if must_renew:
        _renew(user, password)
    return user


def _verify(password: str, encoded: str | None) -> tuple[bool, bool]:
    if encoded is None:
        make_password(password)  # as long as it takes for somebody
        return False, False
    is_right, must_renew = verify_password(password, encoded)
    return bool(is_right), bool(must_renew)


def _renew(user: Any, password: str) -> None:
    """Write the same password's new hash, unless the password was changed meanwhile; tokens do not end by it."""
    renewed = _on_executor(make_password, password)
    rows = get_user_model()._default_manager.filter(pk=user.pk, password=user.password)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('tradingdesk.same_password', 'yes', true)")
        written = rows.update(password=renewed)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('tradingdesk.same_password', '', true)")
    if written:
        user.password = renewed


def _on_executor(function: Callable[..., Any], *words: Any) -> Any:
    """Return what the function returns, called on a thread of the executor."""
    if threading.current_thread().name.startswith(f"{_PREFIX}_"):
        return function(*words)
    return EXECUTOR.submit(function, *words).result()
