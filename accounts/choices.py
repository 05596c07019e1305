"""The words of the accounts' rows, as the engine spells them."""

from django.db import models

from dealing.columns import choices_of
from engine import enums

MarginMode = choices_of(enums.MarginMode)
StopOutUnit = choices_of(enums.StopOutUnit)
StopOutMode = choices_of(enums.StopOutMode)
FreeMarginMode = choices_of(enums.FreeMarginMode)
Execution = choices_of(enums.Execution)
CommissionKind = choices_of(enums.CommissionKind)
HaltLevel = choices_of(enums.HaltLevel)
Tier = choices_of(enums.Tier)
LedgerKind = choices_of(enums.LedgerKind)


class TimesShown(models.TextChoices):
    """The zone that the terminal shows and reads times in."""

    LOCAL = "local", "The reader's own"
    UTC = "utc", "UTC, as the server"


class OwnCommission(models.TextChoices):
    """A commission that a security may set for itself: none at all, or of a kind. Empty: the group's."""

    NONE = "none", "None"
    PER_LOT = "per_lot", "Per lot"
    PER_DEAL = "per_deal", "Per deal"
    PERCENT = "percent", "Percent"
