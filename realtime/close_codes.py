"""The codes with which a WebSocket is closed, as docs/websocket.md tells them.

Autobahn lets an application send 1000 and 3000 to 4999 only.
"""

CLOSE_RIGHTS = 4003  # the session or log-in has ended
CLOSE_SLOW = 4008  # its reader does not keep up
CLOSE_BAD_MESSAGE = 4009
CLOSE_TOO_MANY = 4029
