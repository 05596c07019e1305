"""A gap says what its report leaves out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dealing", "0007_dealer_connections")]

    operations = [
        migrations.AddField(
            "gap",
            "note",
            models.CharField(
                blank=True,
                default="",
                help_text="what the report does not say; empty: it says all",
                max_length=500,
            ),
        ),
        migrations.AlterField(
            "gap",
            "report",
            models.JSONField(
                default=list, help_text="deals that the engine would have made and the desk did not"
            ),
        ),
    ]
