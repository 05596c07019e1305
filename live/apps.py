"""The Django application of this folder: it makes the roles."""

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class LiveConfig(AppConfig):
    name = "live"
    verbose_name = "Live"

    def ready(self) -> None:
        """Make missing roles once the rights that they hold have rows."""
        # The last of the applications whose rights a role may hold.
        post_migrate.connect(_make_roles, sender=apps.get_app_config("manager"))


def _make_roles(**_: Any) -> None:
    from live.roles import put_roles  # noqa: PLC0415 - its models can be imported only once the applications are loaded

    put_roles()
