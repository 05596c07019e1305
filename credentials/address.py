"""Where a request comes from: the one answer for limits, lock-outs and logs, over HTTP and WebSocket.

`PROXY_COUNT` proxies stand in front of the server. Each appends to X-Forwarded-For the address that it was called from,
so the caller's own is the entry that many places from the right; everything further left is what the caller wrote.
Promises: nothing that a caller sends changes their address; where the header is shorter than the proxies say or
the entry is no address, the connection's other end counts, which cannot be forged. One address has one spelling:
IPv6 compressed, IPv4 inside IPv6 as IPv4, without port and zone. It trusts the setting: who can reach the server past
its proxies while `PROXY_COUNT` says that there are some can write what they like, so bind the server to where only the
proxies reach it.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings

#: What stands for the other end of a connection that has no address, such as a Unix socket.
UNKNOWN = "unknown"
MAX_ENTRY_CHARACTERS = 64
#: One customer of an access provider is given at least that many addresses.
IPV6_NETWORK_BITS = 64
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[^\]]+)\](?::[0-9]{1,5})?")


def caller_address(source: Any) -> str:
    """Return the caller's address: of an HTTP request (Django's or the REST framework's) or an ASGI scope."""
    scope = source if isinstance(source, Mapping) else getattr(source, "scope", None)
    if isinstance(scope, Mapping):
        client = scope.get("client")
        return _address(str(client[0] or "") if client else "", _header(scope, b"x-forwarded-for"))
    return _address(source.META.get("REMOTE_ADDR") or "", source.META.get("HTTP_X_FORWARDED_FOR") or "")


def limit_key(address: str) -> str:
    """Return what limits count an address by: itself, or for IPv6 its /64, which is one caller's to fill."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, IPV6_NETWORK_BITS), strict=False))
    return address


def came_by_tls(scope: Mapping[str, Any]) -> bool:
    """Return whether the caller of an ASGI scope came by TLS: the proxies' word, where there are proxies."""
    if settings.HTTPS or scope.get("scheme") in ("https", "wss"):
        return True
    said = _header(scope, b"x-forwarded-proto").partition(",")[0]  # as Django reads SECURE_PROXY_SSL_HEADER
    return settings.PROXY_COUNT > 0 and said.strip() == "https"


def _address(peer: str, forwarded: str) -> str:
    shown = str(_parsed(peer) or peer or UNKNOWN)
    count = settings.PROXY_COUNT
    if not count:
        return shown
    entries = forwarded.rsplit(",", count)
    if len(entries) < count:
        return shown
    return str(_parsed(entries[-count]) or shown)


def _header(scope: Mapping[str, Any], name: bytes) -> str:
    """Return all values of a header as one list, in the order in which they came."""
    values = [value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name]
    return ",".join(values)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, with or without a port and a zone; None where it is none."""
    text = text.strip()
    if not text or len(text) > MAX_ENTRY_CHARACTERS:
        return None
    ported = _WITH_PORT.fullmatch(text)
    if ported:
        text = ported["v4"] or ported["v6"]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
