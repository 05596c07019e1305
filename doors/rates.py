"""How often one caller may ask: token buckets in the memory of the process.

A user has `API_USER_RATE` requests a second (a burst of as many), an address that has not logged in
`API_LOGIN_RATE` a minute. Promises: it needs no other part, so that it cannot fail when Redis does; memory is
bounded. It counts a process, not the installation.
"""

import threading
import time
from collections import OrderedDict
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from doors.address import caller_address, limit_key

MAX_CALLERS = 10_000


class Buckets:
    """Token buckets by caller; the caller seen longest ago is forgotten first."""

    def __init__(self, *, per_s: float, burst: int) -> None:
        self.per_s = per_s
        self.burst = burst
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, *, now_s: float) -> float:
        """Return 0.0 where the caller may go on, else the seconds that he has to wait."""
        with self._lock:
            level, seen_s = self._levels.pop(caller, (float(self.burst), now_s))
            level = min(float(self.burst), level + (now_s - seen_s) * self.per_s)
            wait_s = 0.0 if level >= 1 else (1 - level) / self.per_s
            self._levels[caller] = (level if wait_s else level - 1, now_s)
            if len(self._levels) > MAX_CALLERS:
                self._levels.popitem(last=False)
        return wait_s


class UserRate(BaseThrottle):
    """Limit each logged in user; others by address."""

    buckets = Buckets(per_s=settings.API_USER_RATE, burst=settings.API_USER_RATE)
    wait_s: float | None = None

    def caller(self, request: Request) -> str:
        """Return whom the request counts for."""
        if request.user and request.user.is_authenticated:
            return f"user {request.user.pk}"
        return f"address {limit_key(caller_address(request))}"

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return whether this request may go on."""
        self.wait_s = self.buckets.take(self.caller(request), now_s=time.monotonic()) or None
        return self.wait_s is None

    def wait(self) -> float | None:
        """Return the seconds until the next request may come."""
        return self.wait_s


class LoginRate(UserRate):
    """Limit attempts to log in by address; whoever he says he is."""

    buckets = Buckets(per_s=settings.API_LOGIN_RATE / 60, burst=settings.API_LOGIN_RATE)

    def caller(self, request: Request) -> str:
        """Return the address."""
        return f"address {limit_key(caller_address(request))}"
