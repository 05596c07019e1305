"""Rights of staff that belong to no single kind of row, and what was asked of many rows at once."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Right(models.Model):
    """Carries what a member of staff may do for clients; Django's own rights say what they may look at."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("move_money", "Can deposit, withdraw, give credit, charge and correct"),
            ("place_orders", "Can place orders for clients"),
            ("override_terms", "Can set another price or time, and leave out checks of money and margin"),
            ("turn_switches", "Can turn the kill switches of accounts and groups"),
            ("set_owner", "Can say whose an account is"),
            ("set_group", "Can move an account to another group"),
            ("set_leverage", "Can set the leverage of an account"),
        )


class MassJob(models.Model):
    """Something asked of many rows at once: made when it is confirmed, done in pieces by a worker.

    Its rows are those of the moment of the confirmation. A job that a worker left behind is taken up by another; every
    row is asked for under a key of its own, so that it acts once however often it is asked for.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Waits for a yes"
        WAITING = "waiting", "Waits for a worker"
        RUNNING = "running", "Runs"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    kind = models.CharField(max_length=30)
    title = models.CharField(max_length=200)
    given = models.JSONField(default=dict)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    client_key = models.CharField(max_length=40, unique=True)
    total = models.PositiveIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "mass action"
        indexes = [
            models.Index(
                fields=("id",), name="massjob_live", condition=models.Q(state__in=("waiting", "running"))
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.pk})"


class MassItem(models.Model):
    """One row of a mass action, and what became of it."""

    class State(models.TextChoices):
        TODO = "todo", "To do"
        ASKED = "asked", "Asked"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        LEFT = "left", "Left out"

    job = models.ForeignKey(MassJob, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField()
    login = models.BigIntegerField()
    ticket = models.BigIntegerField(default=0)
    given = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.TODO)
    command = models.BigIntegerField(default=0)
    code = models.CharField(max_length=60, blank=True, default="")
    message = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("job", "number")
        constraints = [models.UniqueConstraint(fields=("job", "number"), name="massitem_number_once")]
        indexes = [models.Index(fields=("job", "state", "number"), name="massitem_todo")]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"
