"""The number of shards becomes a fact of the database; a shard's row says how far its desk's clock is off.

A database that has been in use keeps the number that this process was started with, else that of its rows. Rows of
shards beyond it go, and the numbers that they gave out are never given out again.
"""

from typing import Any

from django.conf import settings
from django.db import migrations, models


def keep_number(apps: Any, schema_editor: Any) -> None:
    """Write down what a database in use goes by."""
    shard, control = apps.get_model("dealing", "EngineShard"), apps.get_model("dealing", "EngineControl")
    number = settings.DESK_SHARDS or shard.objects.count()
    if not shard.objects.exists():
        return
    gone = shard.objects.filter(shard__gte=number)
    numbers = [max(row.next_order, row.next_deal, row.next_request) for row in gone]
    control.objects.update_or_create(pk=1, defaults={"shards": number, "numbers_from": max([1, *numbers])})
    gone.delete()


class Migration(migrations.Migration):
    dependencies = [("dealing", "0002_sequences")]

    operations = [
        migrations.AddField(
            "enginecontrol",
            "shards",
            models.PositiveSmallIntegerField(
                default=0,
                help_text="among how many desks the accounts are divided; 0: nobody has said so yet",
            ),
        ),
        migrations.AddField(
            "enginecontrol",
            "numbers_from",
            models.BigIntegerField(default=1, help_text="where the numbers of a shard that is made begin"),
        ),
        migrations.AddField(
            "engineshard",
            "clock_skew_ms",
            models.BigIntegerField(
                default=0,
                help_text="how far its desk's clock is certainly ahead of the database's; below 0: behind",
            ),
        ),
        migrations.RunPython(keep_number, migrations.RunPython.noop),
    ]
