"""Housekeeping of what the server itself leaves behind; nothing of it is a trading row.

It promises to be idempotent: it is acknowledged late and may run twice.
"""

from celery import shared_task
from django.core.management import call_command

from credentials.sweep import forget_the_past


@shared_task(name="tradingdesk.tasks.tidy", acks_late=True, ignore_result=True)
def tidy() -> None:
    """Delete sessions and refresh tokens that have expired, and what was noted of log-ins long ago."""
    call_command("clearsessions")
    forget_the_past()
