"""Events to publish are kept as they were written, with two indexes: what a batch writes most of costs half."""

from django.db import migrations

from dealing.columns import WrittenJSONField


class Migration(migrations.Migration):
    dependencies = [("dealing", "0011_no_config_version")]

    operations = [
        migrations.AlterField("outbox", "data", WrittenJSONField()),
        migrations.RemoveIndex("outbox", "dealing_outbox_order"),
    ]
