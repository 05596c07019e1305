"""No index on what changes with every order: one that waits changes in place, and a close has one entry less."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_requote_expiry")]

    operations = [
        migrations.RemoveIndex("order", "order_modified"),
        migrations.AddIndex(
            "order",
            models.Index(fields=["created_at"], name="order_requoted", condition=models.Q(error="requote")),
        ),
    ]
