"""Rows of orders, smart orders with levels and timeline, and the dealers' queue.

All of them are written by the desk alone. Ended orders stay as they ended: a trigger refuses another status.
Prices are numeric with the digits of their symbol at the time; what the engine keeps as an exact fraction
stands as "num/den" text beside the printed number. Logins and tickets are plain numbers.
"""

from django.db import models

from dealing.columns import NumericField, one_of
from engine import enums
from engine.order_types import OrderType
from orders import choices


class Order(models.Model):
    """One request with a ticket."""

    ticket = models.BigIntegerField(primary_key=True)
    login = models.BigIntegerField()
    symbol = models.TextField()
    type = models.CharField(max_length=16, choices=choices.OrderType)
    volume = NumericField(help_text="Lots.")
    status = models.CharField(max_length=12, choices=choices.OrderStatus)
    reason = models.CharField(max_length=16, choices=choices.OrderReason)
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField()
    price = NumericField(null=True, blank=True)
    limit_price = NumericField(null=True, blank=True)
    sl = NumericField(null=True, blank=True)
    tp = NumericField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    expires_day = models.BooleanField(default=False)
    leverage = models.BigIntegerField(null=True, blank=True)
    requested_price = NumericField(null=True, blank=True)
    modified_price = NumericField(null=True, blank=True)
    position = models.BigIntegerField(null=True, blank=True)
    smart = models.BigIntegerField(null=True, blank=True)
    error = models.CharField(max_length=32, blank=True)
    comment = models.TextField(blank=True)
    client_id = models.TextField(blank=True)
    actor = models.TextField(blank=True)
    digits = models.PositiveSmallIntegerField(default=5)
    request = models.BigIntegerField(null=True, blank=True, help_text="Number in the dealers' queue.")
    gen = models.BigIntegerField(default=0)
    deletes_sl = models.BooleanField(
        default=False, db_default=False, help_text="It deletes the SL of a netting position it meets."
    )
    deletes_tp = models.BooleanField(default=False, db_default=False)
    expected_price = NumericField(null=True, blank=True, help_text="What its sender saw.")
    deviation = models.BigIntegerField(null=True, blank=True, help_text="Points; empty is no limit.")
    requote_price = NumericField(null=True, blank=True, help_text="What was offered instead.")
    requote_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Until when it may be accepted."
    )

    class Meta:
        ordering = ("-ticket",)
        indexes = [
            models.Index(fields=("login", "-ticket"), name="order_login"),
            models.Index(fields=("ticket",), name="order_pending", condition=models.Q(status="pending")),
            models.Index(
                fields=("position",), name="order_position", condition=models.Q(position__isnull=False)
            ),
            # By when it was made: an index on what changes would be written anew at every change.
            models.Index(fields=("created_at",), name="order_requoted", condition=models.Q(error="requote")),
            models.Index(
                fields=("login", "client_id"), name="order_client_id", condition=~models.Q(client_id="")
            ),
        ]
        constraints = [
            one_of("type", OrderType, name="order_type"),
            one_of("status", enums.OrderStatus, name="order_status"),
            one_of("reason", enums.OrderReason, name="order_reason"),
            models.CheckConstraint(condition=models.Q(digits__lte=10), name="order_digits"),
            models.CheckConstraint(
                condition=models.Q(status="failed") | models.Q(volume__gt=0), name="order_volume"
            ),
            models.CheckConstraint(
                condition=models.Q(status="failed") & ~models.Q(error="")
                | ~models.Q(status="failed") & models.Q(error=""),
                name="order_failed_has_error",
            ),
            models.CheckConstraint(
                condition=models.Q(request__isnull=True) | models.Q(status="pending"),
                name="order_ended_not_queued",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.ticket}"


class SmartOrder(models.Model):
    """An exit plan kept by the server."""

    id = models.BigIntegerField(primary_key=True)
    login = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=choices.Side)
    volume = NumericField(help_text="Lots.")
    entry = models.CharField(max_length=10, choices=choices.EntryType)
    state = models.CharField(max_length=18, choices=choices.SmartState)
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField()
    order = models.BigIntegerField(null=True, blank=True, help_text="Entry order.")
    position = models.BigIntegerField(null=True, blank=True)
    entry_price = NumericField(null=True, blank=True)
    entry_price_exact = models.TextField(null=True, blank=True)
    stop_loss = NumericField(null=True, blank=True)
    callback = NumericField(null=True, blank=True, help_text="Percent.")
    activation = NumericField(null=True, blank=True)
    activated = models.BooleanField(default=False)
    break_even = models.BooleanField(default=False)
    offset = models.BigIntegerField(default=0, help_text="Points.")
    break_even_stop = NumericField(null=True, blank=True)
    break_even_triggered = models.BooleanField(default=False)
    trail_floor = NumericField(
        null=True, blank=True, help_text="A stop that a wider callback may not loosen."
    )
    mark = NumericField(
        null=True, blank=True, help_text="As of quote number mark_seq; later ones may be higher."
    )
    mark_seq = models.BigIntegerField(default=0)
    remaining = NumericField(help_text="Lots.")
    version = models.BigIntegerField(default=1)
    digits = models.PositiveSmallIntegerField(default=5)
    client_id = models.TextField(blank=True)
    comment = models.TextField(blank=True)
    gen = models.BigIntegerField(default=0)
    fired_stop = NumericField(null=True, blank=True, help_text="The stop that fired.")

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("login", "-id"), name="smart_login"),
            models.Index(
                fields=("id",),
                name="smart_live",
                condition=models.Q(state__in=("PENDING", "ACTIVE", "PARTIALLY_CLOSED")),
            ),
        ]
        constraints = [
            one_of("side", enums.Side, name="smart_side"),
            one_of("entry", enums.EntryType, name="smart_entry"),
            one_of("state", enums.SmartState, name="smart_state"),
            models.CheckConstraint(condition=models.Q(volume__gt=0), name="smart_volume"),
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, remaining__lte=models.F("volume")),
                name="smart_remaining",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=("CLOSED", "STOPPED")) | models.Q(remaining=0),
                name="smart_ended_is_empty",
            ),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="smart_version"),
        ]

    def __str__(self) -> str:
        return f"#{self.id}"


class SmartLevel(models.Model):
    """One take-profit level of a smart order."""

    smart = models.ForeignKey(SmartOrder, on_delete=models.CASCADE, related_name="levels")
    number = models.PositiveSmallIntegerField()
    price = NumericField()
    percent = NumericField()
    volume = NumericField(help_text="Lots: what it has still to close, or has closed.")
    status = models.CharField(max_length=10, choices=choices.LevelStatus)
    deal = models.BigIntegerField(null=True, blank=True)
    time = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("smart", "number")
        constraints = [
            models.UniqueConstraint(fields=("smart", "number"), name="level_once"),
            one_of("status", enums.LevelStatus, name="level_status"),
            models.CheckConstraint(condition=models.Q(volume__gte=0, number__gte=1), name="level_volume"),
            models.CheckConstraint(
                condition=~models.Q(status="FILLED") | models.Q(deal__isnull=False),
                name="level_filled_has_deal",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.smart_id}/{self.number}"


class SmartEvent(models.Model):
    """A line of a smart order's timeline: what happened, when, and its numbers."""

    smart = models.ForeignKey(SmartOrder, on_delete=models.CASCADE, related_name="timeline")
    time = models.DateTimeField()
    what = models.CharField(max_length=60)
    version = models.BigIntegerField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.smart_id}: {self.what}"


class RequoteOffer(models.Model):
    """A requote's price that its client may still accept, or came too late for; gone once it is used."""

    order = models.BigIntegerField(primary_key=True, help_text="The order that failed with it.")
    login = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    price = NumericField()
    expires_at = models.DateTimeField()
    digits = models.PositiveSmallIntegerField(default=5)
    name = models.CharField(max_length=40, help_text="Of the command that was requoted.")
    terms = models.JSONField(help_text="What it asked for.")

    class Meta:
        ordering = ("-order",)
        indexes = [models.Index(fields=("login",), name="offer_login")]

    def __str__(self) -> str:
        return f"#{self.order}: {self.price}"


class DealerRequest(models.Model):
    """One entry of the dealers' queue, kept after its answer."""

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=12, choices=choices.RequestKind)
    login = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=choices.Side)
    volume = NumericField(help_text="Lots.")
    price = NumericField(null=True, blank=True)
    requested_price = NumericField(null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    order = models.BigIntegerField(null=True, blank=True)
    position = models.BigIntegerField(null=True, blank=True)
    smart = models.BigIntegerField(null=True, blank=True)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    opposite = models.BigIntegerField(null=True, blank=True)
    dealer = models.TextField(blank=True)
    digits = models.PositiveSmallIntegerField(default=5)
    context = models.JSONField(default=dict)
    is_open = models.BooleanField()
    outcome = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = [
            models.Index(fields=("id",), name="request_open", condition=models.Q(is_open=True)),
            models.Index(fields=("login", "-id"), name="request_login"),
        ]
        constraints = [
            one_of("kind", enums.RequestKind, name="request_kind"),
            one_of("side", enums.Side, name="request_side"),
            models.CheckConstraint(condition=models.Q(volume__gt=0), name="request_volume"),
        ]

    def __str__(self) -> str:
        return f"#{self.id}"
