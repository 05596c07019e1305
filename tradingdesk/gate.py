"""The gate before Django: who calls, what it costs, whether they may, and in which lane it runs.

It stands in the event loop, so that what is refused costs microseconds and takes nobody's thread. Callers are the user
of an access token whose signature holds, or of a session that was answered before; everybody else is their address.
That is who pays, not who may: rights stay with Django. Limits, in this order:

    misses     answers that were of no use (unknown page, malformed body, no login) are charged afterwards; who owes
               is refused until it is paid back
    requests   of a user, by the second (`API_USER_RATE`); an order weighs `TRADE_WEIGHT`, being that much work
    strangers  requests of an address that nobody is logged in from (`LIMIT_STRANGER`)
    cost       previews, candles, history, exports, the schema: units by user and by address, shared by all processes

Then the request takes its place in a lane (`lanes`). Promises: every refusal is 429, or 503 where the server is what is
full, with a code, a sentence and Retry-After; a request that has a place is carried out even if its caller goes away.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.functional import LazyObject
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.state import token_backend

from api.http.errors import DOOR_CODES
from api.http.limits import BURST_S, MAX_CALLERS, Buckets, Shared, Take, cost_limit, user_cost
from credentials.address import caller_address, limit_key
from tradingdesk import lanes
from tradingdesk.refusals import Headers, missing, refusal
from tradingdesk.routes import Route, is_known, route_of

ALL_MISSES = 3  # strangers together, in shares of what one of them may
TRADE_WEIGHT = 4
STATIC_WEIGHT = 0.1
USELESS = frozenset({400, 401, 403, 404, 405, 413, 415})
SAYS_TOO_MANY = "Too many requests; wait as long as Retry-After says."
SAYS_COSTLY = "This is costly to answer and was asked too often; wait as long as Retry-After says."
SAYS_USELESS = "Too many requests that could not be answered; wait as long as Retry-After says."
SAYS_BUSY = "The server is busy with requests of this kind; repeat it."


@dataclass(slots=True)
class Visit:
    """One request on its way through: who pays for it, and what the handler noticed."""

    route: Route
    address: str
    key: str = ""  # what the caller showed: token or session, hashed
    user: str = ""
    learned_user: str | None = None  # "" when the session turned out to be nobody's
    useless: bool = False

    @property
    def caller(self) -> str:
        """Return who pays."""
        return f"user {self.user}" if self.user else f"address {self.address}"


class Known:
    """Whom a session or a token belongs to, as far as answers have shown; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """Return the user, "" for nobody's, None for not known."""
        return self._users.get(key)

    def put(self, key: str, user: str) -> None:
        """Remember whose it is."""
        self._users.pop(key, None)
        self._users[key] = user
        if len(self._users) > MAX_CALLERS:
            self._users.popitem(last=False)


class Gate:
    """An ASGI application in front of another one."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._known = Known()
        self._lanes = {size.name: lanes.Lane(size) for size in lanes.SIZES}
        self._misses = Buckets(
            per_s=settings.LIMIT_MISSES, burst=settings.LIMIT_MISSES * BURST_S, region="misses"
        )
        most = settings.LIMIT_MISSES * ALL_MISSES
        self._all_misses = Buckets(per_s=most, burst=most * BURST_S, region="all-misses")
        self._users = Buckets(per_s=settings.API_USER_RATE, burst=settings.API_USER_RATE, region="users")
        self._strangers = Buckets(
            per_s=settings.LIMIT_STRANGER, burst=settings.LIMIT_STRANGER * BURST_S, region="strangers"
        )
        self._user_cost = user_cost()
        self._address_cost = cost_limit("cost-address", settings.LIMIT_COST_ADDRESS)
        self._shared = Shared()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or refuse it."""
        visit = self._visit(scope)
        refused = self._over_rate(visit) or self._unknown(visit) or await self._over_cost(visit)
        if refused is not None:
            await _send(send, *refused)
            return
        # Shielded: daphne cancels what its caller left; the thread goes on, and its place stays taken until it ends.
        await asyncio.shield(asyncio.ensure_future(self._in_lane(visit, scope, receive, send)))

    async def _in_lane(self, visit: Visit, scope: Any, receive: Any, send: Any) -> None:
        lane = self._lanes[self._lane_of(visit)]
        begun = False

        async def noting(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with lane.place(visit.caller):
                await self._lanes[lanes.TRADE.name].idle(lanes.GIVE_WAY_S.get(lane.size.name, 0))
                await self._app({**scope, "desk.visit": visit}, receive, noting)
        except lanes.Full:
            await _send(send, *refusal(scope["path"], 503, "unavailable", SAYS_BUSY, wait_s=1))
        finally:
            self._settle(visit)

    # ---- who ----

    def _visit(self, scope: Mapping[str, Any]) -> Visit:
        address = limit_key(caller_address(scope))
        visit = Visit(route_of(scope["method"], scope["path"], scope["query_string"]), address)
        token, session = _shown(scope["headers"])
        if token:
            visit.key = _hashed(token)
            visit.user = "" if self._known.get(visit.key) == "" else _user_of(token)
        elif session:
            visit.key = _hashed(session)
            visit.user = self._known.get(visit.key) or ""
        return visit

    def _lane_of(self, visit: Visit) -> str:
        """Return the lane: a stranger's request never runs where orders do, whatever it asks for."""
        lane = visit.route.lane
        if visit.user:
            # Whose requests were mostly of no use lately does not run beside orders, until that is paid back.
            doubtful = lane == lanes.TRADE.name and self._is_doubtful(visit.caller)
            return lanes.PLAIN.name if doubtful else lane
        return lane if lane in (lanes.LOGIN.name, lanes.HEALTH.name) else lanes.STRANGER.name

    def _is_doubtful(self, caller: str) -> bool:
        return self._misses.wait_s(caller, now_s=time.monotonic(), cost=self._misses.burst / 2) > 0

    def _settle(self, visit: Visit) -> None:
        """Charge for an answer that was of no use, and remember whose session or token it was."""
        if visit.useless:
            self._misses.charge(visit.caller, now_s=time.monotonic())
            if not visit.user:
                self._all_misses.charge("", now_s=time.monotonic())
        if visit.key and visit.learned_user is not None:
            self._known.put(visit.key, visit.learned_user)

    # ---- whether ----

    def _over_rate(self, visit: Visit) -> tuple[int, Headers, bytes] | None:
        now_s, path = time.monotonic(), visit.route.path
        wait_s = self._misses.wait_s(visit.caller, now_s=now_s)
        if not visit.user and not wait_s:
            # Many addresses at once: those of them that missed lately wait, nobody else.
            missed = self._misses.wait_s(visit.caller, now_s=now_s, cost=self._misses.burst)
            wait_s = min(missed, self._all_misses.wait_s("", now_s=now_s))
        if wait_s:
            return refusal(path, 429, "too_many_requests", SAYS_USELESS, wait_s=wait_s)
        if visit.user:
            weight: float = TRADE_WEIGHT if visit.route.lane == lanes.TRADE.name else 1
            wait_s = self._users.take(visit.caller, now_s=now_s, cost=weight)
        else:
            weight = STATIC_WEIGHT if visit.route.is_static else 1
            wait_s = self._strangers.take(visit.caller, now_s=now_s, cost=weight)
        return refusal(path, 429, "too_many_requests", SAYS_TOO_MANY, wait_s=wait_s) if wait_s else None

    def _unknown(self, visit: Visit) -> tuple[int, Headers, bytes] | None:
        """Return the answer to a stranger who asks for an address that does not exist; it takes no thread."""
        if visit.user or visit.route.is_static or is_known(visit.route.path):
            return None
        visit.useless = True
        self._settle(visit)
        return missing(visit.route.path)

    async def _over_cost(self, visit: Visit) -> tuple[int, Headers, bytes] | None:
        cost = visit.route.cost
        if not cost:
            return None
        takes = [Take(self._address_cost, visit.address, cost)]
        if visit.user:
            takes.append(Take(self._user_cost, visit.user, cost))
        wait_s = await self._shared.take(takes)
        if not wait_s:
            return None
        return refusal(visit.route.path, 429, "too_many_requests", SAYS_COSTLY, wait_s=wait_s)


def notice(visit: Visit, request: Any, response: Any) -> None:
    """Note what an answer shows: whether it was of use, and who was logged in.

    What the engine refused is of use; codes of the doors are not. The user is noted where the view or the page asked
    for it, and nobody where that was the reason of the refusal.
    """
    said = getattr(response, "data", None)
    code = said.get("code") if isinstance(said, Mapping) else None
    visit.useless = response.status_code in USELESS and (code is None or code in DOOR_CODES)
    user = getattr(request, "_cached_user", None) or vars(request).get("user") if request else None
    if isinstance(user, LazyObject):  # a page that did not ask
        return
    if user is not None and user.is_authenticated:
        visit.learned_user = str(user.pk)
    elif (response.status_code == 401 and visit.route.lane != lanes.LOGIN.name) or (
        user is not None and said is None
    ):
        visit.learned_user = ""


def _shown(headers: Any) -> tuple[str, str]:
    """Return the access token and the session key of a request, "" where there is none."""
    token = session = ""
    wanted = settings.SESSION_COOKIE_NAME.encode() + b"="
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            token = value[7:].strip().decode("latin-1")
        elif name == b"cookie" and not session:
            for part in value.split(b";"):
                if part.strip().startswith(wanted):
                    session = part.strip()[len(wanted) :].decode("latin-1")
    return token, session


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _user_of(token: str) -> str:
    """Return the user that a token was made for, "" unless its signature and time hold."""
    shown: Any = token  # the library's own class of tokens is its annotation, text is what it decodes
    try:
        said = token_backend.decode(shown, verify=True)
    except TokenBackendError:
        return ""
    if said.get("token_type") != "access":
        return ""
    return str(said.get(api_settings.USER_ID_CLAIM, ""))


async def _send(send: Any, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
