"""REST of accounts: the caller's own, with the figures of the moment and the state that events go on from."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Account
from api.http.errors import not_found
from api.http.scope import account_of, number_of
from credentials.identity import TICKET_TTL_S, make_ticket
from live.account_view import read_account_view
from live.rights import own_accounts
from live.schema import extended, page_of, thing
from live.shapes import ACCOUNT_SHOWN, SNAPSHOT, show_account
from live.snapshot import snapshot_of


def _card(row: Account) -> dict[str, Any]:
    """Return an account with its figures, balance and equity of the same moment; a disabled one without figures."""
    if not row.enabled:
        return show_account(row)
    view = read_account_view(row.login)
    return show_account(view.account, view.account_values())


class Accounts(APIView):
    """All accounts of the caller."""

    @extend_schema(responses={200: page_of(ACCOUNT_SHOWN)}, operation_id="accounts_list")
    def get(self, request: Request) -> Response:
        """Return the caller's accounts by login; a disabled one without its figures."""
        shown = [_card(row) for row in own_accounts(request.user)]
        return Response({"results": shown, "next": None})


class OneAccount(APIView):
    """One account with all that is open."""

    @extend_schema(responses={200: extended(ACCOUNT_SHOWN, snapshot=SNAPSHOT)})
    def get(self, request: Request, login: str) -> Response:
        """Return the account's figures, its open things, and the number of the last event in them."""
        number = number_of(login)
        if number is None:
            raise not_found("There is no such account.")
        account = account_of(request, number)
        state = snapshot_of(account.login)
        return Response({**state["account"], "snapshot": state})


class WebSocketTicket(APIView):
    """A pass for programs that have no session."""

    @extend_schema(request=None, responses={201: thing(ticket="text", expires_in="int")})
    def post(self, request: Request) -> Response:
        """Return a ticket that opens one WebSocket within 30 s: /ws/?ticket=..."""
        token: Any = request.auth
        if token is not None:
            ticket = make_ticket(request.user, family=UUID(token["family"]))
        else:
            ticket = make_ticket(request.user, session_key=request._request.session.session_key or "")
        return Response({"ticket": ticket, "expires_in": TICKET_TTL_S}, status=201)
