"""The WebSocket addresses, as Channels wants them."""

from typing import Any

from django.urls import path

from realtime.consumer import ClientConsumer

websocket_urlpatterns: list[Any] = [path("ws/", ClientConsumer.as_asgi())]
