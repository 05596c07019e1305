"""The Django application of this folder: its name and what it announces to the desk."""

from django.apps import AppConfig


class PositionsConfig(AppConfig):
    name = "positions"
    verbose_name = "Positions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce the store and the check of volumes to the desk."""
        # The models behind them can be imported only once the applications are loaded.
        from dealing.registry import register_check, register_store  # noqa: PLC0415
        from positions import store  # noqa: PLC0415

        register_store("positions", store)
        register_check(store.disagreements)
