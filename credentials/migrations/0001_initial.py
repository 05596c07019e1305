"""Rows of credentials, the trigger that ends them, and the end of two libraries' tables."""

import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION credentials_end(person integer, why text, with_sessions boolean) RETURNS void LANGUAGE sql AS $$
    INSERT INTO credentials_credential (user_id, epoch, session_epoch) VALUES (person, 1, with_sessions::integer)
        ON CONFLICT (user_id) DO UPDATE SET epoch = credentials_credential.epoch + 1,
            session_epoch = credentials_credential.session_epoch + excluded.session_epoch;
    INSERT INTO credentials_ending (user_id, why, at) VALUES (person, why, clock_timestamp());
$$;
CREATE FUNCTION credentials_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.is_active IS DISTINCT FROM OLD.is_active THEN
        PERFORM credentials_end(NEW.id, 'active', true);
    ELSIF NEW.password IS DISTINCT FROM OLD.password
        -- A hash that is renewed at a log-in is of the same password.
        AND coalesce(current_setting('tradingdesk.same_password', true), '') <> 'yes'
    THEN
        PERFORM credentials_end(NEW.id, 'password', false);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER credentials_user_changed AFTER UPDATE OF password, is_active ON auth_user
    FOR EACH ROW EXECUTE FUNCTION credentials_user_changed();
"""
BACKWARD = """
DROP TRIGGER credentials_user_changed ON auth_user;
DROP FUNCTION credentials_user_changed();
DROP FUNCTION credentials_end(integer, text, boolean);
"""
#: What counted failures and kept refresh tokens before; left alone, its keys would forbid to delete a user.
OLD_TABLES = """
DROP TABLE IF EXISTS token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken, axes_accessattempt,
    axes_accessattemptexpiration, axes_accesslog, axes_accessfailurelog;
DELETE FROM django_migrations WHERE app IN ('axes', 'token_blacklist');
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Credential",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="credential",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("epoch", models.PositiveIntegerField(db_default=0)),
                ("session_epoch", models.PositiveIntegerField(db_default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Ending",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "why",
                    models.CharField(
                        choices=[
                            ("password", "Password changed"),
                            ("active", "Made active or inactive"),
                            ("logout", "Logged out everywhere"),
                            ("one", "Logged out once"),
                            ("reuse", "A used refresh token came again"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TokenFamily",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("epoch", models.PositiveIntegerField()),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_families",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RefreshToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hash", models.CharField(max_length=64, unique=True)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("used_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "family",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to="credentials.tokenfamily",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KnownAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.CharField(max_length=64)),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="known_addresses",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "address"), name="credentials_known_once")
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunSQL(OLD_TABLES, migrations.RunSQL.noop),
    ]
