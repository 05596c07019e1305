"""Numbers of the ninth shard get an ending of four digits (docs/adr/0004-tickets.md); what was given stays as it is.

They ended in a 9 alone until now, and any of them might be a number of another shard from now on. So whatever ends in a
9 begins above all that was given out. A desk of the ninth shard that still runs as it was writes nothing any more: its
epoch is over.
"""

from django.db import migrations, models

FORTH = """
UPDATE dealing_enginecontrol SET numbers_from = greatest(numbers_from,
    (SELECT max(greatest(next_order, next_deal, next_request)) FROM dealing_engineshard));
UPDATE dealing_engineshard SET epoch = epoch + 1, (next_order, next_deal, next_request) = (
    SELECT (numbers_from + 999) / 1000, (numbers_from + 999) / 1000, (numbers_from + 999) / 1000
    FROM dealing_enginecontrol WHERE id = 1)
WHERE shard >= 8;
"""
BACK = """
UPDATE dealing_engineshard SET epoch = epoch + 1, next_order = next_order * 1000, next_deal = next_deal * 1000,
    next_request = next_request * 1000
WHERE shard >= 8;
"""


class Migration(migrations.Migration):
    dependencies = [("dealing", "0012_outbox_as_written")]

    operations = [
        migrations.AlterField(
            "enginecontrol",
            "numbers_from",
            models.BigIntegerField(
                default=1, help_text="where all shards' numbers went on at the last change, in tens"
            ),
        ),
        migrations.RunSQL(FORTH, BACK),
    ]
