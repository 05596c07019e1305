"""The door of daphne: HTTP to Django, WebSocket to the consumers of `realtime`.

The connection pool is switched on here and nowhere else: daphne answers from many threads,
and a connection kept by each of them would never come back.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")
os.environ.setdefault("DATABASE_POOL", "1")

import django

django.setup(set_prefix=False)  # loads the applications; consumers and views need their models

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - after the applications are loaded

from realtime.routing import websocket_urlpatterns  # noqa: E402
from tradingdesk.gate import Gate  # noqa: E402
from tradingdesk.handler import OneThreadHandler  # noqa: E402

application = ProtocolTypeRouter(
    {"http": Gate(OneThreadHandler()), "websocket": URLRouter(websocket_urlpatterns)}
)
