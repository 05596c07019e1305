"""Rows of positions and deals, written by the desk alone.

Deals are facts: a trigger of the database refuses to change or delete them, and a trigger key stands on one
deal at most. Exact fractions stand as "num/den" text beside the printed number. Floating profit is not a row:
it follows from the quote of the moment and is published by the desk.
"""

from django.db import models

from dealing.columns import NumericField, one_of
from engine import enums
from positions import choices


class Position(models.Model):
    """An open or closed position."""

    ticket = models.BigIntegerField(primary_key=True)
    login = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=choices.Side)
    volume = NumericField(help_text="Lots.")
    volume_opened = NumericField(help_text="Lots: all that was ever opened under this ticket.")
    open_price = NumericField()
    open_price_exact = models.TextField()
    leverage = NumericField()
    leverage_exact = models.TextField()
    margin_rate = NumericField(help_text="Margin currency to account currency, kept from the opening.")
    margin_rate_exact = models.TextField()
    opened_at = models.DateTimeField()
    modified_at = models.DateTimeField(help_text="Of a closed position: when it closed.")
    status = models.CharField(max_length=8, choices=choices.PositionStatus)
    sl = NumericField(null=True, blank=True)
    tp = NumericField(null=True, blank=True)
    fees = NumericField(default=0, help_text="Accrued, not yet booked.")
    swap = NumericField(default=0, help_text="Accrued, not yet booked.")
    profit = NumericField(default=0, help_text="Realised so far.")
    fees_booked = NumericField(default=0)
    swap_booked = NumericField(default=0)
    close_price = NumericField(null=True, blank=True)
    smart = models.BigIntegerField(null=True, blank=True, help_text="Smart order that owns its exits.")
    comment = models.TextField(blank=True)
    digits = models.PositiveSmallIntegerField(default=5)
    gen = models.BigIntegerField(default=0)
    last_rate = NumericField(null=True, blank=True, help_text="Last good rate of profit to account currency.")
    last_rate_exact = models.TextField(null=True, blank=True)
    margin_factor = models.TextField(
        null=True,
        blank=True,
        help_text="Of a netting position: what makes a lot's margin, averaged over its lots.",
    )

    class Meta:
        ordering = ("-ticket",)
        indexes = [
            models.Index(fields=("login", "-ticket"), name="position_login"),
            models.Index(fields=("login",), name="position_open", condition=models.Q(status="open")),
            models.Index(fields=("modified_at",), name="position_modified"),
        ]
        constraints = [
            one_of("side", enums.Side, name="position_side"),
            one_of("status", enums.PositionStatus, name="position_status"),
            models.CheckConstraint(
                condition=models.Q(status="open", volume__gt=0) | models.Q(status="closed", volume=0),
                name="position_closed_is_empty",
            ),
            models.CheckConstraint(
                condition=models.Q(volume_opened__gte=models.F("volume"), volume_opened__gt=0),
                name="position_volume_opened",
            ),
            models.CheckConstraint(condition=models.Q(leverage__gt=0), name="position_leverage"),
            models.CheckConstraint(condition=models.Q(margin_rate__gte=0), name="position_margin_rate"),
            models.CheckConstraint(condition=models.Q(digits__lte=10), name="position_digits"),
        ]

    def __str__(self) -> str:
        return f"#{self.ticket}"


class Deal(models.Model):
    """An execution: a fact, never changed."""

    ticket = models.BigIntegerField(primary_key=True)
    order = models.BigIntegerField()
    position = models.BigIntegerField()
    login = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=choices.Side)
    direction = models.CharField(max_length=4, choices=choices.Direction)
    volume = NumericField(help_text="Lots.")
    price = NumericField()
    requested_price = NumericField()
    time = models.DateTimeField()
    reason = models.CharField(max_length=16, choices=choices.OrderReason)
    digits = models.PositiveSmallIntegerField(default=5)
    profit = NumericField(null=True, blank=True)
    fees = NumericField(null=True, blank=True)
    swap = NumericField(null=True, blank=True)
    profit_rate = NumericField(null=True, blank=True, help_text="Profit currency to account currency.")
    profit_rate_exact = models.TextField(null=True, blank=True)
    open_price = NumericField(null=True, blank=True, help_text="Of the position; out deals.")
    open_price_exact = models.TextField(null=True, blank=True)
    comment = models.TextField(blank=True)
    trigger_key = models.CharField(max_length=80, null=True, blank=True, unique=True)
    evidence = models.JSONField(null=True, blank=True, help_text="Of every automatic deal.")
    by = models.CharField(max_length=8, choices=choices.DealBy, null=True, help_text="Who caused it.")
    actor = models.TextField(blank=True, default="", db_default="", help_text="Login of the member of staff.")
    market_bid = NumericField(null=True, blank=True, help_text="At that moment.")
    market_ask = NumericField(null=True, blank=True)
    group_bid = NumericField(null=True, blank=True, help_text="As the account's group saw it.")
    group_ask = NumericField(null=True, blank=True)
    settings = models.JSONField(null=True, blank=True, help_text="Of the group, as they decided.")

    class Meta:
        ordering = ("-ticket",)
        indexes = [
            models.Index(fields=("login", "-ticket"), name="deal_login"),
            models.Index(fields=("position",), name="deal_position"),
            models.Index(fields=("order",), name="deal_order"),
            models.Index(fields=("time",), name="deal_time"),
            models.Index(fields=("time",), name="deal_forced", condition=models.Q(reason="forced_close")),
        ]
        constraints = [
            one_of("side", enums.Side, name="deal_side"),
            one_of("direction", enums.Direction, name="deal_direction"),
            one_of("reason", enums.OrderReason, name="deal_reason"),
            one_of("by", enums.DealBy, name="deal_by"),
            models.CheckConstraint(condition=models.Q(volume__gt=0), name="deal_volume"),
            models.CheckConstraint(
                condition=models.Q(direction="in", profit__isnull=True, fees__isnull=True, swap__isnull=True)
                | models.Q(direction="out", profit__isnull=False, fees__isnull=False, swap__isnull=False),
                name="deal_money_on_out_only",
            ),
            models.CheckConstraint(condition=models.Q(digits__lte=10), name="deal_digits"),
        ]

    def __str__(self) -> str:
        return f"#{self.ticket}"
