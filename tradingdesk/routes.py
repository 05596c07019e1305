"""What a request is, by method and path alone: its lane and what it costs.

Units of cost are about the milliseconds of a processor that an answer takes. An address that is not named here costs
nothing beyond being counted; a new costly one needs a row. The table decides nothing else: whether an address exists is
Django's to say.
"""

import re
from dataclasses import dataclass

from django.urls import Resolver404, resolve

from tradingdesk import lanes

MAX_ROWS = 1_000
_LIMIT = re.compile(rb"(?:^|&)limit=([0-9]{1,6})(?:&|$)")
_API = "/api/v1/"

#: Whatever places, changes, closes or cancels: (methods, what stands after /api/v1/ without its last slash).
TRADES = [
    ({"POST"}, re.compile(r"orders")),
    ({"PATCH", "DELETE"}, re.compile(r"orders/[^/]+")),
    ({"POST"}, re.compile(r"orders/[^/]+/accept")),
    ({"PATCH"}, re.compile(r"positions/[^/]+")),
    ({"POST"}, re.compile(r"positions/[^/]+/(close|close-by)")),
    ({"POST"}, re.compile(r"smart-orders")),
    ({"PATCH"}, re.compile(r"smart-orders/(?!preview$)[^/]+")),
    ({"POST"}, re.compile(r"smart-orders/[^/]+/(cancel|close)")),
    ({"POST"}, re.compile(r"trade/(create|close)")),
]
#: Costly answers: (methods, path, lane, cost, cost of a row asked for by `limit`, rows without `limit`).
COSTS = [
    ({"POST"}, re.compile(r"(margin-preview|smart-orders/preview)"), lanes.COSTLY, 10, 0.0, 0),
    ({"GET"}, re.compile(r"candles"), lanes.COSTLY, 4, 0.02, 500),
    ({"GET"}, re.compile(r"(deals|ledger)"), lanes.COSTLY, 4, 0.1, 50),
    ({"GET"}, re.compile(r"trade/close"), lanes.COSTLY, 5, 0.05, 500),
    ({"GET"}, re.compile(r"schema"), lanes.COSTLY, 5, 0.0, 0),
    ({"GET"}, re.compile(r"(orders|positions|smart-orders)"), lanes.PLAIN, 4, 0.1, 50),
    ({"GET"}, re.compile(r"(positions|smart-orders|accounts)/[^/]+"), lanes.PLAIN, 5, 0.0, 0),
    ({"GET"}, re.compile(r"(accounts|symbols|trade/open)"), lanes.PLAIN, 5, 0.0, 0),
]
EXPORT_COST = 50
_EXPORT = re.compile(r"/admin/.*(/csv/|/export/)$")
_HEALTH = ("/healthz", "/health/", "/metrics")
_LOGINS = ("/login", "/admin/login", "/admin/password_change", "/password", "/api/v1/auth/")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request belongs."""

    path: str
    lane: str
    cost: float = 0

    @property
    def is_static(self) -> bool:
        """Return whether it is a file for the browser."""
        return self.path.startswith("/static/")


def is_known(path: str) -> bool:
    """Return whether Django has something at this address, with or without a slash at its end."""
    for name in (path, path + "/") if not path.endswith("/") else (path,):
        try:
            found = resolve(name)
        except Resolver404:
            continue
        # The API resolves everything: what has no name there is either "not there" or "as with a slash".
        if found.url_name or not path.startswith(_API):
            return True
    return False


def route_of(method: str, path: str, query: bytes) -> Route:
    """Return the lane and the cost of a request."""
    if path.startswith(_LOGINS):
        return Route(path, lanes.LOGIN.name)
    if path.startswith(_HEALTH):
        return Route(path, lanes.HEALTH.name)
    if path.startswith(_API):
        return _api_route(method, path, path[len(_API) :].rstrip("/"), query)
    if path.startswith("/admin/"):
        if _EXPORT.search(path):
            return Route(path, lanes.COSTLY.name, EXPORT_COST)
        return Route(path, lanes.STAFF.name)
    return Route(path, lanes.PLAIN.name)


def _api_route(method: str, path: str, rest: str, query: bytes) -> Route:
    for methods, pattern in TRADES:
        if method in methods and pattern.fullmatch(rest):
            return Route(path, lanes.TRADE.name)
    asked = "GET" if method == "HEAD" else method
    for methods, pattern, lane, base, of_row, usual in COSTS:
        if asked in methods and pattern.fullmatch(rest):
            found = _LIMIT.search(query)
            rows = min(int(found[1]), MAX_ROWS) if found else usual
            return Route(path, lane.name, base + of_row * rows)
    return Route(path, lanes.PLAIN.name)
