"""Numbers reserved by the journal, and the one row that all desks obey.

Tickets are the sequence times ten: the engine's own end in shard + 1, so the two never meet.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("dealing", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE dealing_ticket_seq AS bigint; CREATE SEQUENCE dealing_smart_seq AS bigint;",
            "DROP SEQUENCE dealing_ticket_seq; DROP SEQUENCE dealing_smart_seq;",
        ),
        migrations.RunSQL(
            "INSERT INTO dealing_enginecontrol (id, halt_level, config_version, expected_build)"
            " VALUES (1, 'normal', 0, '') ON CONFLICT DO NOTHING",
            migrations.RunSQL.noop,
        ),
    ]
