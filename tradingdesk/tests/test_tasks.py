"""The schedule and the housekeeping: every task that beat sends exists, and old logins go."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from tradingdesk.celery import app
from tradingdesk.tasks import tidy


def test_schedule_when_read_then_every_task_of_it_exists_and_expires() -> None:
    app.loader.import_default_modules()

    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        assert entry["task"] in app.tasks, name
        assert entry["options"]["expires"] <= entry["schedule"], name


@pytest.mark.django_db
def test_tidy_when_sessions_have_expired_then_only_they_go() -> None:
    for key, days in (("old", -1), ("new", 1)):
        Session.objects.create(
            session_key=key, session_data="", expire_date=timezone.now() + timedelta(days=days)
        )

    tidy()

    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
