"""How often one address may try to log in: `API_LOGIN_RATE` a minute, counted in
memory, for all web processes of the machine together.

All other limits stand before Django (tradingdesk/gate.py). It needs no other part, so that it cannot fail when Redis
does.
"""

import time
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.http.limits import Buckets
from credentials.address import caller_address, limit_key


class LoginRate(BaseThrottle):
    """Limit attempts to log in by address; whoever they say they are."""

    buckets = Buckets(per_s=settings.API_LOGIN_RATE / 60, burst=settings.API_LOGIN_RATE, region="logins")
    wait_s: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return whether this request may go on."""
        caller = f"address {limit_key(caller_address(request))}"
        self.wait_s = self.buckets.take(caller, now_s=time.monotonic()) or None
        return self.wait_s is None

    def wait(self) -> float | None:
        """Return the seconds until the next request may come."""
        return self.wait_s
