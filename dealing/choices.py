"""The closed sets of words of the desk's own rows.

Trading words come from engine.enums; these are about the journal and the desk itself.
"""

from django.db import models


class CommandStatus(models.TextChoices):
    """Life of a journal row: written and acknowledged, then answered once."""

    PENDING = "pending"
    DONE = "done"


class GapCause(models.TextChoices):
    """Why ticks were not traded on."""

    LAG = "lag"  # the outage was longer than the desk may replay
    TRIMMED = "trimmed"  # the stream had already dropped them
    LOST = "lost"  # the stream lost its data, its newest entry is older than the cursor


class ItemKind(models.TextChoices):
    """What could not be processed."""

    TICK = "tick"
    COMMAND = "command"
    PUBLICATION = "publication"
    MOMENT = "moment"  # what is done for all accounts because time passes
    ACCOUNT = "account"  # its rows cannot be loaded, disagree, or make the engine raise: it is frozen
    SETTINGS = "settings"  # the row of a symbol or group that cannot be loaded
