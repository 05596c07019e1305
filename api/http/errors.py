"""One form of error for every door: `{"code", "message", "ticket"}` with the status of its code, and what it brings besides.

`Refused` is raised by doors for what a caller caused; `handle` turns it, and whatever Django and the REST
framework raise for bad requests, into that form. Views under the old trade addresses set `plain_errors` and
answer `{"error": text}` instead. Promises: what a caller sends never ends as a 500. It does not decide what
is allowed: the engine and the views do.
"""

from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError
from rest_framework import exceptions, status
from rest_framework.response import Response
from structlog import get_logger

from dealing.shards import WrongShards
from engine.codes import CODES, Code

log = get_logger(__name__)

#: Codes of the doors themselves, beside the engine's.
DOOR_CODES = {
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "too_slow": 408,
    "too_large": 413,
    "unsupported_media_type": 415,
    "too_many_requests": 429,
    "headers_too_large": 431,
}
_BY_STATUS = {number: code for code, number in DOOR_CODES.items()}
RETRY_AFTER_S = 1


class Refused(Exception):
    """A request that is answered with a code: what was asked cannot be done."""

    def __init__(
        self,
        code: Code | str,
        message: str,
        *,
        ticket: int = 0,
        level: int = 0,
        current: Any = None,
        requote: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message
        self.ticket = ticket
        self.level = level
        self.current = current
        self.requote = requote

    @property
    def http_status(self) -> int:
        """Return the HTTP status of the code."""
        return status_of(self.code)

    def body(self) -> dict[str, Any]:
        """Return the answer's body."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "ticket": self.ticket or None}
        if self.level:
            body["level"] = self.level
        if self.current is not None:
            body["current"] = self.current
        body |= self.requote or {}
        return body


def invalid(message: str) -> Refused:
    """Return the refusal of a request that is malformed."""
    return Refused("invalid_request", message)


def not_found(message: str) -> Refused:
    """Return the refusal of a request for what is absent or another's: both look the same."""
    return Refused("not_found", message)


def status_of(code: str) -> int:
    """Return the HTTP status of an engine's or a door's code."""
    if code in DOOR_CODES:
        return DOOR_CODES[code]
    return CODES[Code(code)].http_status


def handle(exception: Exception, context: dict[str, Any]) -> Response:
    """Return the answer to what a view raised; a fault of ours is logged and answered 500 `internal_error`."""
    refused = _as_refused(exception)
    if refused is None:
        log.error("a view failed", view=type(context.get("view")).__name__, exc_info=exception)
        refused = Refused(Code.INTERNAL_ERROR, "The server failed; the fault is logged.")
    headers = {}
    if isinstance(exception, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, int(getattr(exception, "wait", None) or 1)))
    elif refused.http_status == status.HTTP_503_SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    challenge = getattr(exception, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    view = context.get("view")
    if getattr(view, "plain_errors", False):
        return Response(plain_body(refused), status=refused.http_status, headers=headers)
    return Response(refused.body(), status=refused.http_status, headers=headers)


def plain_body(refused: Refused) -> dict[str, Any]:
    """Return the answer of the old trade addresses: one text, and the ticket where there is one."""
    if refused.code == "unauthorized":
        return {"error": "Unauthorized"}
    body: dict[str, Any] = {"error": refused.message}
    if refused.ticket:
        body["orderId"] = str(refused.ticket)
    return body


def _as_refused(exception: Exception) -> Refused | None:
    match exception:
        case Refused():
            return exception
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Refused("unauthorized", _text(exception))
        case exceptions.ValidationError():
            return invalid(_first_error(exception.detail))
        case exceptions.APIException():
            code = _BY_STATUS.get(exception.status_code)
            return Refused(code, _text(exception)) if code else None
        case Http404():
            return not_found("There is nothing at this address.")
        case PermissionDenied():
            return Refused("forbidden", "This is not allowed.")
        case RequestDataTooBig():
            return Refused("too_large", "The request is too large.")
        case SuspiciousOperation() | BadRequest() | MultiPartParserError():
            return invalid("The request is malformed.")
        case WrongShards():
            log.error("requests are refused", why=str(exception))
            return Refused(Code.UNAVAILABLE, str(exception))
        case OperationalError() | InterfaceError() | RedisError():
            log.error("a part is silent", exc_info=exception)
            return Refused(Code.UNAVAILABLE, "The server cannot answer just now; repeat the request.")
    return None


def _text(exception: exceptions.APIException) -> str:
    detail: Any = exception.detail
    if isinstance(detail, dict):
        detail = detail.get("detail", "The request was refused.")
    return str(detail[0] if isinstance(detail, list) else detail)


def _first_error(detail: Any, where: str = "") -> str:
    """Return the first message in a tree of field errors, with the field's path before it."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            if inner:
                path = where if key == "non_field_errors" else f"{where}.{key}".strip(".")
                return _first_error(inner, path)
    if isinstance(detail, list):
        for index, inner in enumerate(detail):
            if inner:
                deeper = isinstance(inner, (dict, list))
                return _first_error(inner, f"{where}[{index}]" if deeper else where)
    return f"{where}: {detail}" if where else str(detail)


@csrf_exempt  # there is nothing to protect, and its refusal would be a page
def missing_address(request: HttpRequest, *_args: Any, **_kwargs: Any) -> JsonResponse:
    """Answer an address below the API that does not exist, in the API's own form."""
    return JsonResponse(not_found("There is nothing at this address.").body(), status=404)
