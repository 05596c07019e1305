"""REST of requotes: accepting the price that was offered instead of the one asked for (§5.9).

Whether there is an offer, whether it is in time and what comes of it is the engine's word. There is no declining: an
offer that is left alone runs out, and binds nobody meanwhile.
"""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.http import fields
from api.http.answers import done
from api.http.errors import Refused
from api.http.scope import account_of, number_of
from api.v1.orders import OrderView
from dealing import services
from engine.codes import Code
from live.shapes import ORDER
from orders.models import Order


class AcceptRequest(fields.StrictSerializer):
    """Accepting takes nothing but whose it is: terms and price are those of the offer."""

    account = fields.Number(required=False)
    client_id = fields.ClientId(required=False, allow_null=True)


class AcceptRequote(OrderView):
    """Accepting a requote."""

    @extend_schema(request=AcceptRequest, responses={201: ORDER})
    def post(self, request: Request, ticket: str) -> Response:
        """Execute a new order of the same terms at the offered price, and return it; `ticket` is the order that failed."""
        body = fields.read(AcceptRequest, fields.body_of(request))
        account = account_of(request, body.get("account"))
        number = number_of(ticket)
        if number is None or not Order.objects.filter(login=account.login, ticket=number).exists():
            raise Refused(Code.REQUEST_NOT_FOUND, "There is no such order with a requote to accept.")
        outcome = services.accept_requote(
            account.login,
            number,
            caller=fields.caller_of(request, body),
        )
        return Response(self.one(account, done(outcome).ticket), status=201)
