"""The Django application of this folder: its name and what it announces to the desk."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce the store, and whose a request is, to the desk."""
        # The models behind it can be imported only once the applications are loaded.
        from dealing.registry import register_request_owner, register_store  # noqa: PLC0415
        from orders import selectors, store  # noqa: PLC0415

        register_store("orders", store)
        register_request_owner(selectors.request_owner)
