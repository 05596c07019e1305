"""The Django application of this folder: its name and what it announces to the desk."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce the store, the check of balances, and the settings of groups and accounts to the desk."""
        # The models behind them can be imported only once the applications are loaded.
        from accounts import store  # noqa: PLC0415
        from dealing.registry import (  # noqa: PLC0415
            register_check,
            register_freezer,
            register_settings,
            register_store,
        )

        register_store("accounts", store)
        register_settings("group", store.group_values)
        register_settings("account", store.account_values)
        register_check(store.disagreements)
        register_freezer(store.freeze)
