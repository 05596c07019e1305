"""Celery's part of the manager: mass actions, taken up again where a worker has left them behind."""

from celery import shared_task
from django.db import connection

from manager import mass


@shared_task(name="manager.tasks.run_job", ignore_result=True)
def run_job(job_id: int) -> None:
    """Work on one mass action for a while, and hand it on where more is to do: day ends wait for this slot too."""
    try:
        has_more = mass.run(job_id)
    finally:
        connection.close()  # the lock of a job belongs to the session
    if has_more:
        run_job.delay(job_id)


@shared_task(name="manager.tasks.take_up_jobs", ignore_result=True)
def take_up_jobs() -> None:
    """Work on what nobody works on, one job after the other."""
    for job_id in mass.lost():
        run_job(job_id)
