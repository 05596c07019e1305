"""The Django application of this folder: it tells the doors below whose an account is, and makes the roles."""

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class LiveConfig(AppConfig):
    name = "live"
    verbose_name = "Live"

    def ready(self) -> None:
        """Announce the decision to the doors; make missing roles once the rights that they hold have rows."""
        # What decides reads models, which can be imported only once the applications are loaded.
        from doors.scope import decide_owners_by  # noqa: PLC0415
        from live.rights import own_accounts  # noqa: PLC0415

        decide_owners_by(own_accounts)
        # The last of the applications whose rights a role may hold.
        post_migrate.connect(_make_roles, sender=apps.get_app_config("manager"))


def _make_roles(**_: Any) -> None:
    from live.roles import put_roles  # noqa: PLC0415 - as above

    put_roles()
