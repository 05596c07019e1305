"""Old and new values of settings, with who and when."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dealing", "0004_heartbeats")]

    operations = [
        migrations.CreateModel(
            name="SettingsChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("key", models.CharField(max_length=60)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(blank=True, default="", max_length=150)),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                ("is_new", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["kind", "key", "-id"], name="dealing_settings_of_record")],
            },
        ),
    ]
