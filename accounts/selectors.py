"""Reading the ledger. Who may see which account is decided by live/rights.py."""

from datetime import datetime

from django.db.models import QuerySet

from accounts.models import LedgerEntry


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
