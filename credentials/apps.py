"""The Django application of this folder."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "credentials"
    verbose_name = "Credentials"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let sessions know of which epoch they are."""
        # It imports models, which can be done only once the applications are loaded.
        from credentials import sessions  # noqa: PLC0415

        sessions.connect()
