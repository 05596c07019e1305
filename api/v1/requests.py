"""REST of requests: what became of something that was asked and whose answer was lost.

The journal answers, where the request stands from its acknowledgement on: pending, done, or refused with its code;
whatever was asked. So a program that got no answer never has to guess, and never does a thing twice.
"""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http import fields
from api.http.errors import not_found
from api.http.scope import ACCOUNT, account_of, number_of
from dealing import services
from dealing.columns import iso
from live.schema import nullable, thing
from live.shapes import ORDER, show_order
from orders.models import Order

KINDS = {
    "PlaceOrder": "open",
    "ClosePosition": "close",
    "CloseBy": "close_by",
    "ModifyPosition": "modify",
    "ModifyOrder": "modify",
    "CancelOrder": "cancel",
    "AcceptRequote": "accept",
    "PlaceSmart": "plan",
    "ModifySmart": "plan_modify",
    "CancelSmart": "plan_cancel",
}
#: Those whose ticket is an order's: made by them, or changed.
OF_ORDERS = ("PlaceOrder", "ClosePosition", "CloseBy", "ModifyOrder", "CancelOrder", "AcceptRequote")
STATES = {services.ACCEPTED: "pending", services.DONE: "done", services.REFUSED: "refused"}
REQUEST = thing(
    kind="text", state="text", code="text?", message="text", ticket="int?", client_id="text?",
    created_at="time", done_at="time?", order=nullable(ORDER),
)  # fmt: skip


#: What the older name answers: an order's own fields stand beside the request's, where there is an order.
REQUEST_OR_ORDER = {**REQUEST, "properties": {**ORDER["properties"], **REQUEST["properties"]}}


def show_request(login: int, found: services.Request) -> dict[str, Any]:
    """Return a request as JSON shows it, with the order that it made or is about, where there is one."""
    outcome = found.outcome
    row = None
    if found.name in OF_ORDERS and outcome.ticket:
        row = Order.objects.filter(login=login, ticket=outcome.ticket).first()
    return {
        "kind": KINDS.get(found.name, found.name),
        "state": STATES[outcome.state],
        "code": outcome.code or None,
        "message": outcome.message,
        "ticket": outcome.ticket or None,
        "client_id": found.client_id or None,
        "created_at": iso(found.created_at),
        "done_at": iso(found.done_at),
        "order": None if row is None else show_order(row),
    }


def request_by(login: int, *, client_id: str = "", ticket: int = 0) -> dict[str, Any]:
    """Return an account's request as JSON shows it.

    Raises:
        Refused: it has none of that client id or ticket.
    """
    known = bool(ticket) or (0 < len(client_id) <= fields.MAX_TEXT_CHARS and "\0" not in client_id)
    found = services.request_of(login, client_id=client_id, ticket=ticket) if known else None
    if found is None:
        raise not_found(f"Nothing was asked with this {'ticket' if ticket else 'client id'}.")
    return show_request(login, found)


class RequestByClientId(APIView):
    """What became of a request whose answer was lost."""

    @extend_schema(parameters=[ACCOUNT], responses={200: REQUEST})
    def get(self, request: Request, client_id: str) -> Response:
        """Return the request of any kind that was sent with this client id: pending, done or refused."""
        return Response(request_by(account_of(request).login, client_id=client_id))


class RequestByTicket(APIView):
    """What a ticket was reserved for, also where no order came of it."""

    @extend_schema(parameters=[ACCOUNT], responses={200: REQUEST})
    def get(self, request: Request, ticket: str) -> Response:
        """Return the request for which this ticket was reserved."""
        return Response(request_by(account_of(request).login, ticket=number_of(ticket) or -1))


class OrderByClientId(APIView):
    """The older name of the same look-up; an order's own fields stand beside the request's."""

    @extend_schema(parameters=[ACCOUNT], responses={200: REQUEST_OR_ORDER})
    def get(self, request: Request, client_id: str) -> Response:
        """Return the request, and on the same level the fields of the order that it made."""
        shown = request_by(account_of(request).login, client_id=client_id)
        return Response({**shown, **(shown["order"] or {})})
