"""The words of the market's rows, as the engine spells them."""

from django.db import models

from dealing.columns import choices_of
from engine import enums

CalcMode = choices_of(enums.CalcMode)
Conversion = choices_of(enums.Conversion)
TradeMode = choices_of(enums.TradeMode)
SwapMode = choices_of(enums.SwapMode)
HaltLevel = choices_of(enums.HaltLevel)


class Interval(models.TextChoices):
    """Lengths of a candle."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
