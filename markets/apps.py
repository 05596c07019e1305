"""The Django application of this folder: its name and what it announces to the desk."""

from django.apps import AppConfig


class MarketsConfig(AppConfig):
    name = "markets"
    verbose_name = "Markets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce the store, the settings of symbols and the candles to the desk."""
        # The models behind them can be imported only once the applications are loaded.
        from dealing.registry import (  # noqa: PLC0415
            register_move,
            register_settings,
            register_store,
            register_tick_book,
        )
        from markets import store  # noqa: PLC0415
        from markets.candles import CandleBook  # noqa: PLC0415

        register_store("markets", store)
        register_settings("symbol", store.symbol_values)
        register_settings("server", store.server_values)
        register_tick_book(CandleBook)
        register_move(store.move_extremes)
