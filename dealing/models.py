"""The desk's own rows: journal, lease, batches, outbox, and what it could not do.

The command journal is where everything that is asked begins; a row is written by dealing.services only and
answered by the desk of its shard only, in the transaction that holds the command's effects. The rows of the
lease say who may write trading rows. Promises: a journal row is never deleted, an answered one never changes,
(login, client_key) is unique for ever. These models hold no rule of trading.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint, Value
from django.db.models.functions import Now

from dealing.choices import CommandStatus, GapCause, ItemKind
from dealing.columns import WrittenJSONField
from engine.enums import HaltLevel, HaltScope


class Command(models.Model):
    """One thing that was asked; its commit is the acknowledgement."""

    id = models.BigAutoField(primary_key=True)
    shard = models.PositiveSmallIntegerField()
    login = models.BigIntegerField(null=True, help_text="None: it concerns the whole shard")
    name = models.CharField(max_length=40)
    payload = models.JSONField()
    client_key = models.CharField(max_length=100, null=True)
    ticket = models.BigIntegerField(default=0, help_text="reserved number of the order it makes")
    smart = models.BigIntegerField(default=0, help_text="reserved number of the smart order it makes")
    actor = models.CharField(max_length=150, blank=True, default="")
    status = models.CharField(max_length=10, choices=CommandStatus.choices, default=CommandStatus.PENDING)
    code = models.CharField(max_length=40, blank=True, default="")
    message = models.TextField(blank=True, default="")
    result = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    at_ms = models.BigIntegerField(null=True, help_text="event clock; None: the wall clock")
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["login", "client_key"],
                name="dealing_command_once",
                condition=Q(client_key__isnull=False),
                nulls_distinct=False,
            ),
            CheckConstraint(
                condition=Q(status="pending", done_at__isnull=True, code="")
                | Q(status="done", done_at__isnull=False),
                name="dealing_command_life",
            ),
        ]
        indexes = [
            Index(fields=["shard", "id"], name="dealing_command_pending", condition=Q(status="pending")),
            Index(fields=["login", "-id"], name="dealing_command_login"),
            Index(fields=["login"], name="dealing_command_accepts", condition=Q(name="AcceptRequote")),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.pk}"


class EngineShard(models.Model):
    """The lease of a shard: who may write, and how far the desk has come."""

    shard = models.PositiveSmallIntegerField(primary_key=True)
    epoch = models.BigIntegerField(default=0, help_text="fencing number: rises with every take")
    seq = models.BigIntegerField(default=0, help_text="number of the last committed batch")
    owner = models.CharField(max_length=200, blank=True, default="")
    build_id = models.CharField(max_length=100, blank=True, default="")
    backend_pid = models.IntegerField(default=0)
    backend_start = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(
        null=True, help_text="when the desk last beat or committed, never ahead"
    )
    quiet_until = models.DateTimeField(null=True, help_text="its silence means nothing until then")
    takes = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=Value("{}"),
        help_text="of the lease, the latest first",
    )
    crashes = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=Value("{}"),
        help_text="takes from an owner that had died",
    )
    tick_cursor = models.CharField(
        max_length=50, default="0-0", help_text="last stream entry wholly consumed"
    )
    tick_offset = models.IntegerField(default=0, help_text="lines consumed of the entry after it")
    drain_requested = models.BooleanField(default=False)
    next_order = models.BigIntegerField(default=0)
    next_deal = models.BigIntegerField(default=0)
    next_request = models.BigIntegerField(default=0)
    published = models.BigIntegerField(default=0, help_text="last outbox row that was published")
    clock_ms = models.BigIntegerField(default=0)
    day_end_ms = models.BigIntegerField(
        default=0, db_default=0, help_text="the next day end; 0: none has been looked for"
    )
    dealers = models.JSONField(default=list, help_text="dealers online as of the last batch")
    clock_skew_ms = models.BigIntegerField(
        default=0, help_text="how far its desk's clock is certainly ahead of the database's; below 0: behind"
    )

    def __str__(self) -> str:
        return f"shard {self.shard}"


class EngineControl(models.Model):
    """What all desks obey; one row, read by the first statement of every batch."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    halt_level = models.CharField(
        max_length=20,
        default=HaltLevel.NORMAL.value,
        choices=[(level.value, level.value) for level in HaltLevel],
    )
    expected_build = models.CharField(max_length=100, blank=True, default="")
    shards = models.PositiveSmallIntegerField(
        default=0, help_text="among how many desks the accounts are divided; 0: nobody has said so yet"
    )
    numbers_from = models.BigIntegerField(
        default=1, help_text="where all shards' numbers went on at the last change, in tens"
    )

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(id=1), name="dealing_control_one_row"),
            CheckConstraint(
                condition=Q(halt_level__in=[level.value for level in HaltLevel]),
                name="dealing_control_level",
            ),
        ]

    def __str__(self) -> str:
        return "engine control"


class EngineBatch(models.Model):
    """One committed batch of a shard: what it consumed and made."""

    pk = models.CompositePrimaryKey("shard", "seq")
    shard = models.PositiveSmallIntegerField()
    seq = models.BigIntegerField()
    epoch = models.BigIntegerField()
    first_tick = models.CharField(max_length=60, blank=True, default="", help_text="entry:line")
    last_tick = models.CharField(max_length=60, blank=True, default="", help_text="entry:line")
    ticks = models.IntegerField(default=0)
    refused = models.JSONField(default=dict, help_text="refused ticks by cause")
    commands = models.IntegerField(default=0)
    deals = models.IntegerField(default=0)
    state_hash = models.CharField(max_length=64, blank=True, default="", help_text="written when draining")
    inputs = models.BinaryField(null=True, help_text="what it was computed from (dealing/inputs.py)")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [Index(fields=["at"], name="dealing_batch_at")]

    def __str__(self) -> str:
        return f"batch {self.shard}/{self.seq}"


class EngineSnapshot(models.Model):
    """A shard's whole state behind a batch, from which a replay can begin (dealing/snapshots.py)."""

    key = models.CharField(
        max_length=60, primary_key=True, help_text="among the inputs of the batch that follows"
    )
    shard = models.PositiveSmallIntegerField()
    seq = models.BigIntegerField(help_text="of the last batch that is in it")
    state = models.BinaryField()
    state_hash = models.CharField(max_length=64)
    build = models.CharField(max_length=100, blank=True)
    plugins = models.TextField(blank=True, help_text="the setting DESK_PLUGINS")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [Index(fields=["shard", "seq"], name="dealing_snapshot_place")]

    def __str__(self) -> str:
        return f"snapshot {self.key} behind {self.shard}/{self.seq}"


class TickCount(models.Model):
    """How many ticks a shard accepted and refused, by cause, since the beginning."""

    shard = models.PositiveSmallIntegerField()
    cause = models.CharField(max_length=20, help_text="accepted, or why not")
    ticks = models.BigIntegerField(default=0)

    class Meta:
        constraints = [UniqueConstraint(fields=["shard", "cause"], name="dealing_tickcount_once")]

    def __str__(self) -> str:
        return f"{self.cause} {self.ticks}"


class Outbox(models.Model):
    """One event to publish; written with its effect, published after the commit."""

    id = models.BigAutoField(primary_key=True)
    shard = models.PositiveSmallIntegerField()
    login = models.BigIntegerField(help_text="0: it concerns no account")
    seq = models.BigIntegerField(help_text="number among the account's events")
    kind = models.CharField(max_length=30)
    time_ms = models.BigIntegerField()
    data = WrittenJSONField()

    class Meta:
        indexes = [Index(fields=["login", "seq"], name="dealing_outbox_login")]

    def __str__(self) -> str:
        return f"{self.kind} {self.login}/{self.seq}"


class Gap(models.Model):
    """Ticks that were not traded on, and what they would have touched."""

    id = models.BigAutoField(primary_key=True)
    shard = models.PositiveSmallIntegerField()
    cause = models.CharField(max_length=10, choices=GapCause.choices)
    from_cursor = models.CharField(max_length=60)
    to_cursor = models.CharField(max_length=60)
    from_ms = models.BigIntegerField(default=0)
    to_ms = models.BigIntegerField(default=0)
    missed = models.BigIntegerField(default=0, help_text="ticks passed over; 0 where nobody can tell")
    report = models.JSONField(
        default=list, help_text="deals that the engine would have made and the desk did not"
    )
    note = models.CharField(
        max_length=500, blank=True, default="", help_text="what the report does not say; empty: it says all"
    )
    seen_by = models.CharField(max_length=150, blank=True, default="")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"gap {self.from_cursor} to {self.to_cursor}"


class PoisonItem(models.Model):
    """A tick or command that the engine could not process, in its raw form."""

    id = models.BigAutoField(primary_key=True)
    shard = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20, choices=ItemKind.choices)
    reference = models.CharField(max_length=60, help_text="command number or stream entry:line")
    raw = models.TextField()
    error = models.TextField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class PluginState(models.Model):
    """Options and memory of a plugin, as of the last committed batch of a shard."""

    shard = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=60)
    state = models.JSONField()

    class Meta:
        constraints = [UniqueConstraint(fields=["shard", "name"], name="dealing_pluginstate_once")]

    def __str__(self) -> str:
        return self.name


class HookFailure(models.Model):
    """How often a plugin raised at a hook point, and the last time why."""

    shard = models.PositiveSmallIntegerField()
    plugin = models.CharField(max_length=60)
    point = models.CharField(max_length=30)
    times = models.BigIntegerField(default=0)
    last_error = models.TextField(default="")
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [UniqueConstraint(fields=["shard", "plugin", "point"], name="dealing_hookfailure_once")]

    def __str__(self) -> str:
        return f"{self.plugin} {self.point}"


class Halt(models.Model):
    """A kill switch as a shard obeys it; a switch at normal has no row."""

    shard = models.PositiveSmallIntegerField()
    scope = models.CharField(max_length=10, choices=[(scope.value, scope.value) for scope in HaltScope])
    key = models.CharField(max_length=60, blank=True, default="")
    level = models.CharField(max_length=20, choices=[(level.value, level.value) for level in HaltLevel])
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            UniqueConstraint(fields=["shard", "scope", "key"], name="dealing_halt_once"),
            CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in HaltScope])
                & Q(level__in=[level.value for level in HaltLevel]),
                name="dealing_halt_words",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}: {self.level}"


class SettingsChange(models.Model):
    """One change of a record's settings: what differs, before and after, who and when. Written once, never changed.

    `kind` is symbol, group or account for what the desk goes by, and for others the name of the record's model.
    Keys are those of scenario files (`securities.NAME`: a group's terms on one security), else names of columns.
    """

    kind = models.CharField(max_length=30)
    key = models.CharField(max_length=60)
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=150, blank=True, default="")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    is_new = models.BooleanField(default=False)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=["kind", "key", "-id"], name="dealing_settings_of_record")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {', '.join(self.after)}"


class DealerConnection(models.Model):
    """A page or session of a dealer that beats; written by dealing.dealers alone."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=150)
    groups = models.JSONField(null=True, help_text="Masks of the groups that the dealer serves; null: all.")
    session = models.CharField(
        max_length=64, blank=True, default="", help_text="Digest of the login's session."
    )
    since = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.name} since {self.since}"
