"""The WebSocket addresses, as Channels wants them; any other address is refused like an unknown page."""

from typing import Any

from django.urls import path, re_path

from realtime.consumer import ClientConsumer


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    """Refuse a socket to an address that does not exist."""
    await receive()
    await send({"type": "websocket.close"})


nowhere: Any = _nowhere  # Channels' routes take applications, Django's types know views only
websocket_urlpatterns: list[Any] = [path("ws/", ClientConsumer.as_asgi()), re_path("", nowhere)]
