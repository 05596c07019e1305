"""A quote remembers which of its symbol's last ticks were refused."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("markets", "0001_initial")]

    operations = [
        migrations.AddField(
            "quote",
            "refusals",
            models.IntegerField(default=0, help_text="a bit for each of the last 20 ticks: 1 where refused"),
        ),
    ]
