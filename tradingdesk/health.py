"""Two plain pages for machines: is it well, and how much of it is there.

`/healthz` answers 200 when the database and Redis answer, 503 and the name of the silent one
otherwise; it tells nothing else to anybody. `/metrics` speaks the text format of Prometheus.
Neither needs a login, and neither shows a name, a login or an amount of a client.
"""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

TIMEOUT_S = 2


def redis_client() -> redis.Redis:
    """Return a client that gives up after two seconds; the caller closes it."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except DatabaseError:
        return False


def _redis() -> bool:
    try:
        with redis_client() as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@require_GET
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 200 when the database and Redis answer, else 503; the body names each."""
    parts = {"database": _database(), "redis": _redis()}
    well = all(parts.values())
    body = {name: "ok" if ok else "silent" for name, ok in parts.items()}
    return JsonResponse({"status": "ok" if well else "unavailable", **body}, status=200 if well else 503)


@require_GET
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return counts of quotes by cause and the length of the quote stream, as Prometheus reads them."""
    lines = ["# TYPE tradingdesk_ticks_total counter"]
    try:
        with redis_client() as client:
            for key in sorted(client.scan_iter("td:ticks:*")):
                shard = key.rpartition(":")[2]
                for cause, count in sorted(client.hgetall(key).items()):
                    lines.append(f'tradingdesk_ticks_total{{shard="{shard}",cause="{cause}"}} {count}')
            lines.append("# TYPE tradingdesk_stream_entries gauge")
            lines.append(f"tradingdesk_stream_entries {client.xlen('ticks')}")
    except redis.RedisError:
        return HttpResponse("redis is silent\n", status=503, content_type="text/plain")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")
