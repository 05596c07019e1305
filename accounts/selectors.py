"""Which accounts and entries somebody may see: querysets scoped before anything else filters them.

A client sees the accounts that are theirs; a member of staff those of the groups in their masks; a superuser
all. Foreign and absent look the same.
"""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account, Group, LedgerEntry, ManagerScope


def accounts_of(user: Any) -> "QuerySet[Account]":
    """Return the accounts that belong to a client."""
    if not user.is_authenticated:
        return Account.objects.none()
    return Account.objects.filter(user=user).select_related("group").order_by("login")


def groups_visible_to(user: Any) -> "QuerySet[Group]":
    """Return the groups that a member of staff may see and act on; none for anybody else.

    Staff without masks of their own see nothing.
    """
    if not (user.is_active and user.is_staff):
        return Group.objects.none()
    if user.is_superuser:
        return Group.objects.order_by("name")
    scope = ManagerScope.objects.filter(user=user).first()
    masks = [mask.strip() for mask in scope.group_masks.split(",")] if scope else []
    names = Group.objects.values_list("name", flat=True)
    seen = [name for name in names if any(fnmatchcase(name, mask) for mask in masks if mask)]
    return Group.objects.filter(name__in=seen).order_by("name")


def accounts_visible_to(user: Any) -> "QuerySet[Account]":
    """Return the accounts that somebody may see: staff by their groups, others their own."""
    if user.is_authenticated and user.is_staff:
        found = Account.objects.select_related("group").order_by("login")
        return found if user.is_superuser else found.filter(group__in=groups_visible_to(user))
    return accounts_of(user)


def logins_visible_to(user: Any) -> "QuerySet[Account, Any]":
    """Return the logins that somebody may see, as a subquery for rows that carry a login."""
    return accounts_visible_to(user).order_by().values("login")


def ledger_of(
    login: int, *, since: datetime | None = None, until: datetime | None = None
) -> "QuerySet[LedgerEntry]":
    """Return an account's ledger, newest first, from `since` on and before `until`."""
    found = LedgerEntry.objects.filter(login=login).order_by("-seq")
    if since:
        found = found.filter(time__gte=since)
    if until:
        found = found.filter(time__lt=until)
    return found
