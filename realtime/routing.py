"""The WebSocket addresses, as Channels wants them."""

from typing import Any

websocket_urlpatterns: list[Any] = []
