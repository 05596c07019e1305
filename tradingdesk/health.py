"""Pages for machines: does this process live, is all of it ready, and how much of it is there.

`/health/live` is this process alone: it asks nobody. `/health/ready`, also as `/healthz`, answers 200 when every part
is well and 503 otherwise (tradingdesk/vitals.py). Strangers are told no more than that; the reasons are for staff, by
their session, and for callers on this machine itself that come without a proxy. Both answer whatever the Host header
says, with TLS or without, because what asks them comes by address. `/metrics` speaks the text format of Prometheus.
None of them needs a login, and none shows a name, a login or an amount of a client.
"""

import ipaddress
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from credentials.identity import identity_of_cookie
from dealing import bus
from live.rights import is_staff
from tradingdesk.vitals import recent_look

TIMEOUT_S = 2
#: What a proxy on this machine adds: who comes with one of these comes from somewhere else.
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP",
             "HTTP_FORWARDED", "HTTP_VIA")  # fmt: skip


def redis_client() -> redis.Redis:
    """Return a client that gives up after two seconds; the caller closes it."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """Return 200: this process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Return 200 when every part is well, else 503; with the reasons to those who may know them."""
    look = recent_look()
    answer = look.as_json() if may_know(request) else {"status": "ok" if look.is_well else "unavailable"}
    return JsonResponse(answer, status=200 if look.is_well else 503)


def may_know(request: HttpRequest) -> bool:
    """Return whether a caller is told reasons: staff by their session, or this machine itself without a proxy."""
    return _is_local(request) or _is_staff(request)


def _is_local(request: HttpRequest) -> bool:
    if settings.PROXY_COUNT or any(request.META.get(name) for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _is_staff(request: HttpRequest) -> bool:
    try:
        identity = identity_of_cookie(request.META.get("HTTP_COOKIE", ""))
    except DatabaseError:
        return False  # who somebody is stands in the database: without it everybody is a stranger
    return identity is not None and is_staff(identity.user)


PAGES: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/health/live": live, "/health/ready": ready, "/healthz": ready,
}  # fmt: skip


class HealthMiddleware:
    """Answers the pages of health before anything looks at the Host header, sessions or limits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the page, or what the rest makes of another request."""
        return PAGES.get(request.path_info, self.get_response)(request)


@require_GET
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return counts of quotes by cause and the length of the quote stream, as Prometheus reads them."""
    lines = ["# TYPE tradingdesk_ticks_total counter"]
    try:
        with redis_client() as client:
            for key in sorted(client.scan_iter(bus.TICK_COUNTS)):
                shard = key.rpartition(":")[2]
                for cause, count in sorted(client.hgetall(key).items()):
                    lines.append(f'tradingdesk_ticks_total{{shard="{shard}",cause="{cause}"}} {count}')
            lines.append("# TYPE tradingdesk_stream_entries gauge")
            lines.append(f"tradingdesk_stream_entries {client.xlen(bus.TICKS)}")
    except redis.RedisError:
        return HttpResponse("redis is silent\n", status=503, content_type="text/plain")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")
