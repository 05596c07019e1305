"""Rows of accounts: groups and their terms, accounts, the ledger, and what managers may see.

Columns of Group and GroupSecurity are the keys of scenario files, so that `Group.values()` is what
`engine.settings.Group.from_values` takes. Balance, credit, margin call and the two sequences of an account are
written by the desk alone; the ledger is append-only, kept so by a trigger. Logins, not foreign keys, tie the
trading rows to accounts: see docs/adr/0101-rows-without-foreign-keys.md.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from accounts import choices
from dealing.columns import NumericField, one_of, plain
from engine import enums
from engine.masks import MaskError, masks_from
from engine.settings import Group as EngineGroup
from engine.settings import SettingError, currency_digits

GROUP_PLAIN = (
    "name", "currency", "margin_mode", "leverage", "leverage_max", "stop_out_unit", "stop_out_mode", "skip_fully_hedged",
    "close_fifo", "hedge_prohibited", "hedge_larger_leg", "free_margin_mode", "positive_slippage",
    "negative_balance_protection", "swap_free", "timeout", "ttl", "max_orders", "deviation",
    "price_bound_points", "execution", "spread_diff",
    "halt",
)  # fmt: skip
GROUP_DECIMALS = ("margin_call", "stop_out", "requote_ttl")
#: What may not change while accounts of the group hold positions or pending orders.
GROUP_FIXED = ("currency", "margin_mode")
#: Settings of an account, as `ChangeSettings` takes them.
ACCOUNT_PLAIN = ("group", "currency", "leverage", "tier", "enabled", "read_only", "close_only", "halt")


def commission_values(kind: str, amount: Any) -> dict[str, str] | None:
    """Return a commission as scenario files write it, None where there is none."""
    if kind in ("", "none"):
        return None
    return {"kind": kind, "amount": str(amount) if isinstance(amount, (str, int)) else plain(amount) or "0"}


class Group(models.Model):
    """The conditions that a set of accounts shares."""

    name = models.CharField(max_length=48, primary_key=True)
    description = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=12, default="USD")
    margin_mode = models.CharField(max_length=10, choices=choices.MarginMode, default="hedging")
    leverage = models.PositiveIntegerField(default=100, help_text="Of accounts that have none of their own.")
    leverage_max = models.PositiveIntegerField(
        null=True, blank=True, help_text="The most that an account may have; empty is no limit."
    )
    margin_call = NumericField(default=100, help_text="Percent.")
    stop_out = NumericField(default=50)
    stop_out_unit = models.CharField(max_length=10, choices=choices.StopOutUnit, default="percent")
    stop_out_mode = models.CharField(max_length=10, choices=choices.StopOutMode, default="mt4")
    skip_fully_hedged = models.BooleanField(default=True)
    close_fifo = models.BooleanField(default=False)
    hedge_prohibited = models.BooleanField(default=False)
    hedge_larger_leg = models.BooleanField(default=False)
    free_margin_mode = models.CharField(max_length=12, choices=choices.FreeMarginMode, default="use_all")
    positive_slippage = models.BooleanField(default=False)
    negative_balance_protection = models.BooleanField(default=False)
    swap_free = models.BooleanField(default=False)
    timeout = models.PositiveIntegerField(default=180, help_text="Seconds that a dealer has.")
    ttl = models.PositiveIntegerField(default=10, help_text="Seconds that a late opening may still fill.")
    max_orders = models.PositiveIntegerField(default=0, help_text="Positions and orders; 0 is no limit.")
    requote_ttl = NumericField(default=5, help_text="Seconds that a requote may be accepted.")
    deviation = models.PositiveIntegerField(
        default=0, help_text="Points that the market may have moved against the broker at an acceptance."
    )
    price_bound_points = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How far from the market a price by hand may be; empty: 1 % of the price.",
    )
    execution = models.CharField(max_length=26, choices=choices.Execution, default="auto")
    spread_diff = models.PositiveIntegerField(default=0, help_text="Points.")
    commission_kind = models.CharField(max_length=10, choices=choices.CommissionKind, blank=True)
    commission_amount = NumericField(default=0)
    agent_commission_kind = models.CharField(max_length=10, choices=choices.CommissionKind, blank=True)
    agent_commission_amount = NumericField(default=0)
    halt = models.CharField(max_length=20, choices=choices.HaltLevel, default="normal")

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(condition=models.Q(leverage__gte=1), name="group_leverage"),
            models.CheckConstraint(
                condition=models.Q(leverage_max__isnull=True)
                | models.Q(leverage_max__gte=models.F("leverage")),
                name="group_leverage_max",
            ),
            models.CheckConstraint(
                condition=models.Q(commission_amount__gte=0, agent_commission_amount__gte=0),
                name="group_commissions",
            ),
            one_of("margin_mode", enums.MarginMode, name="group_margin_mode"),
            one_of("stop_out_unit", enums.StopOutUnit, name="group_stop_out_unit"),
            one_of("stop_out_mode", enums.StopOutMode, name="group_stop_out_mode"),
            one_of("free_margin_mode", enums.FreeMarginMode, name="group_free_margin_mode"),
            one_of("execution", enums.Execution, name="group_execution"),
            one_of("halt", enums.HaltLevel, name="group_halt"),
        ]

    def __str__(self) -> str:
        return self.name

    def values(self, own: Iterable["GroupSecurity"] | None = None) -> dict[str, Any]:
        """Return the settings as the words and decimal text of scenario files, securities included.

        `own` are the group's terms on securities; None reads them.
        """
        values: dict[str, Any] = {key: getattr(self, key) for key in GROUP_PLAIN}
        for key in GROUP_DECIMALS:
            value = getattr(self, key)
            values[key] = str(value) if isinstance(value, (str, int)) else plain(value)
        values["commission"] = commission_values(self.commission_kind, self.commission_amount)
        values["agent_commission"] = commission_values(
            self.agent_commission_kind, self.agent_commission_amount
        )
        if own is None:
            own = [] if self._state.adding else self.securities.all()
        values["securities"] = {row.security: row.values() for row in own}
        return values

    def to_engine(self, own: Iterable["GroupSecurity"] | None = None) -> EngineGroup:
        """Return the engine's group; `own` as in `values`.

        Raises:
            SettingError: the engine cannot take a setting.
        """
        return EngineGroup.from_values(self.values(own))

    def clean(self) -> None:
        """Let the engine judge the settings, before they are saved."""
        try:
            self.to_engine()
        except SettingError as error:
            known = error.key if error.key in (*GROUP_PLAIN, *GROUP_DECIMALS) else None
            raise ValidationError({known: error.why} if known else str(error)) from None


class GroupSecurity(models.Model):
    """What a group grants on one security, where it differs from the group's own terms."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="securities")
    security = models.CharField(max_length=32)
    execution = models.CharField(
        max_length=26, choices=choices.Execution, blank=True, help_text="Empty: the group's."
    )
    spread_diff = models.PositiveIntegerField(null=True, blank=True, help_text="Points; empty: the group's.")
    commission_kind = models.CharField(
        max_length=10, choices=choices.OwnCommission, blank=True, help_text="Empty: the group's."
    )
    commission_amount = NumericField(default=0)
    agent_commission_kind = models.CharField(
        max_length=10, choices=choices.OwnCommission, blank=True, help_text="Empty: the group's."
    )
    agent_commission_amount = NumericField(default=0)

    class Meta:
        ordering = ("group", "security")
        verbose_name = "terms on a security"
        verbose_name_plural = "terms on securities"
        constraints = [
            models.UniqueConstraint(fields=("group", "security"), name="group_security_once"),
            models.CheckConstraint(
                condition=models.Q(commission_amount__gte=0, agent_commission_amount__gte=0),
                name="group_security_commissions",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id}: {self.security}"

    def values(self) -> dict[str, Any]:
        """Return only what this security sets for itself."""
        values: dict[str, Any] = {}
        if self.execution:
            values["execution"] = self.execution
        if self.spread_diff is not None:
            values["spread_diff"] = self.spread_diff
        if self.commission_kind:
            values["commission"] = commission_values(self.commission_kind, self.commission_amount)
        if self.agent_commission_kind:
            values["agent_commission"] = commission_values(
                self.agent_commission_kind, self.agent_commission_amount
            )
        return values


class Account(models.Model):
    """A trading account: whose it is, its settings, and its money."""

    login = models.BigIntegerField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(max_length=120, blank=True)
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=12)
    balance = NumericField(default=0)
    credit = NumericField(default=0)
    leverage = models.PositiveIntegerField(default=0, help_text="0: the group's.")
    tier = models.CharField(max_length=12, choices=choices.Tier, default="PRO")
    agent = models.BigIntegerField(null=True, blank=True, help_text="Login of the agent's account.")
    enabled = models.BooleanField(default=True)
    read_only = models.BooleanField(default=False)
    close_only = models.BooleanField(default=False)
    halt = models.CharField(max_length=20, choices=choices.HaltLevel, default="normal")
    margin_call = models.BooleanField(default=False)
    ledger_seq = models.BigIntegerField(default=0)
    event_seq = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("login",)
        constraints = [
            models.CheckConstraint(condition=models.Q(login__gt=0), name="account_login"),
            models.CheckConstraint(condition=models.Q(credit__gte=0), name="account_credit"),
            models.CheckConstraint(
                condition=models.Q(ledger_seq__gte=0, event_seq__gte=0), name="account_sequences"
            ),
            one_of("tier", enums.Tier, name="account_tier"),
            one_of("halt", enums.HaltLevel, name="account_halt"),
        ]

    def __str__(self) -> str:
        return str(self.login)

    @property
    def granted_leverage(self) -> int:
        """Return the leverage that holds: its own or its group's, within what the group allows."""
        own: int = self.leverage or self.group.leverage
        return min(own, self.group.leverage_max or own)

    @property
    def digits(self) -> int:
        """Return the number of decimals of this account's money."""
        return currency_digits(self.currency)

    def values(self) -> dict[str, Any]:
        """Return the settings as `ChangeSettings` takes them: no money."""
        values: dict[str, Any] = {key: getattr(self, key) for key in ACCOUNT_PLAIN if key != "group"}
        values["group"] = self.group_id
        values["agent"] = self.agent
        return values


class LedgerEntry(models.Model):
    """One change of balance or credit: a fact, never changed."""

    login = models.BigIntegerField()
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=choices.LedgerKind)
    amount = NumericField()
    balance_after = NumericField()
    credit_after = NumericField()
    time = models.DateTimeField()
    order = models.BigIntegerField(null=True, blank=True)
    deal = models.BigIntegerField(null=True, blank=True)
    comment = models.TextField(blank=True)
    actor = models.TextField(blank=True)

    class Meta:
        ordering = ("login", "seq")
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=("deal",), name="ledger_deal", condition=models.Q(deal__isnull=False)),
            models.Index(fields=("time",), name="ledger_time"),
        ]
        constraints = [
            models.UniqueConstraint(fields=("login", "seq"), name="ledger_login_seq"),
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="ledger_seq"),
            models.CheckConstraint(condition=models.Q(credit_after__gte=0), name="ledger_credit_after"),
            one_of("kind", enums.LedgerKind, name="ledger_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.login} #{self.seq} {self.kind} {self.amount}"


class AccountDay(models.Model):
    """An account as it stood at a day end, that day's swaps included: a fact, never changed."""

    login = models.BigIntegerField()
    time = models.DateTimeField()
    balance = NumericField()
    credit = NumericField()
    equity = NumericField()
    margin = NumericField()
    floating = NumericField(help_text="Profit of open positions; swap and fees are in the equity.")

    class Meta:
        ordering = ("login", "-time")
        verbose_name = "day end"
        verbose_name_plural = "day ends"
        indexes = [models.Index(fields=("time",), name="account_day_time")]
        constraints = [models.UniqueConstraint(fields=("login", "time"), name="account_day_once")]

    def __str__(self) -> str:
        return f"{self.login} {self.time:%Y-%m-%d}"


class ManagerScope(models.Model):
    """Which groups a member of staff sees and acts on: masks such as `retail*,!retail-vip*` (engine/masks.py)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    group_masks = models.CharField(max_length=400, default="", blank=True)

    def __str__(self) -> str:
        return f"{self.user}: {self.group_masks}"

    def clean(self) -> None:
        """Refuse what is no list of masks, in a sentence."""
        try:
            masks_from(self.group_masks)
        except MaskError as error:
            raise ValidationError({"group_masks": str(error)}) from None

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the masks, whoever asks, only where they can be read.

        Raises:
            ValidationError: they are no list of masks.
        """
        self.clean()
        super().save(*args, **kwargs)


class Preference(models.Model):
    """What a user has chosen about sending and showing in the terminal; the careful choice until they choose."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    one_click = models.BooleanField(
        default=False, help_text="A price button of a market order sends at once."
    )
    confirm_close = models.BooleanField(default=False, help_text="Closing a position is asked about first.")
    time_zone = models.CharField(max_length=8, choices=choices.TimesShown, default="local")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(time_zone__in=choices.TimesShown.values), name="preference_time_zone"
            )
        ]

    def __str__(self) -> str:
        return str(self.user)
