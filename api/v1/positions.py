"""REST of positions and deals: what is held, what was executed and why.

Views read the account's own rows and submit through `dealing.services`. Floating profit is not a row:
`live/account_view.py` computes it.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http import fields
from api.http.answers import done
from api.http.errors import Refused, not_found
from api.http.lists import CURSOR, LIMIT, page, take_page
from api.http.scope import ACCOUNT, account_of, number_of
from api.http.symbols import symbol_param
from dealing import services
from engine.codes import Code
from engine.enums import PositionStatus
from live.account_view import read_account_view
from live.schema import page_of
from live.shapes import CLOSED, DEAL, DEAL_WITH_EVIDENCE, POSITION, show_deal, show_position
from positions.models import Deal, Position
from positions.selectors import deals, deals_of_order


class SeenStops(fields.StrictSerializer):
    """The stops that the caller saw, null for none."""

    sl = fields.DecimalText(required=False, allow_null=True)
    tp = fields.DecimalText(required=False, allow_null=True)


class PositionChange(fields.StrictSerializer):
    """Stops of a position: left out keeps, null deletes, "0" too where prices are positive."""

    account = fields.Number(required=False)
    sl = fields.DecimalText(required=False, allow_null=True)
    tp = fields.DecimalText(required=False, allow_null=True)
    seen = SeenStops(
        required=False, help_text="Where one is another by now: 409 conflict, and nothing changes."
    )
    client_id = fields.ClientId(required=False, allow_null=True)


class CloseRequest(fields.StrictSerializer):
    """Close all of a position, or `volume` lots."""

    account = fields.Number(required=False)
    volume = fields.DecimalText(required=False, allow_null=True)
    expected_price = fields.DecimalText(
        required=False, allow_null=True, help_text="The price that the caller saw."
    )
    deviation = fields.Whole(
        required=False,
        allow_null=True,
        help_text="Points that the price may be worse by than `expected_price`; left out: no limit.",
    )
    client_id = fields.ClientId(required=False, allow_null=True)


class CloseByRequest(fields.StrictSerializer):
    """Close against an opposite position of the same symbol."""

    account = fields.Number(required=False)
    opposite = fields.Number()
    client_id = fields.ClientId(required=False, allow_null=True)


def position_of(login: int, ticket: Any) -> Position:
    """Return the account's position, open or closed.

    Raises:
        Refused: it has none of that ticket.
    """
    number = number_of(ticket)
    row = Position.objects.filter(login=login, ticket=number).first() if number else None
    if row is None:
        raise Refused(Code.POSITION_NOT_FOUND, "There is no such position.")
    return row


class PositionView(APIView):
    """What the views of positions share."""

    def live_of(self, account: Any, rows: list[Position]) -> dict[int, dict[str, Any]]:
        """Return the live values that these rows need."""
        wanted = any(row.status == PositionStatus.OPEN for row in rows)
        return read_account_view(account.login).position_values() if wanted else {}

    def one(self, account: Any, ticket: Any) -> dict[str, Any]:
        """Return one position as JSON shows it."""
        row = position_of(account.login, ticket)
        return show_position(row, account.digits, self.live_of(account, [row]).get(row.ticket))

    def closed(self, account: Any, ticket: int, outcome: services.Outcome) -> Response:
        """Return the position and the deals of the order that a close was.

        Raises:
            Refused: the close was refused.
        """
        order = done(outcome).ticket
        return Response(
            {
                "order": order,
                "position": self.one(account, ticket),
                "deals": [show_deal(deal, account.digits) for deal in deals_of_order(order)],
            }
        )


class Positions(PositionView):
    """The account's positions."""

    @extend_schema(
        parameters=[
            ACCOUNT,
            OpenApiParameter("status", str, enum=[*PositionStatus, "all"]),
            OpenApiParameter("symbol", str),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of(POSITION)},
        operation_id="positions_list",
    )
    def get(self, request: Request) -> Response:
        """Return a page of positions, newest first: the open ones unless `status` says otherwise."""
        account = account_of(request)
        status = fields.word_param(request, "status", [*PositionStatus, "all"], PositionStatus.OPEN)
        rows = Position.objects.filter(login=account.login)
        if status != "all":
            rows = rows.filter(status=status)
        symbol = symbol_param(request)
        if symbol:
            rows = rows.filter(symbol=symbol)
        found, following = take_page(request, rows)
        live = self.live_of(account, found)
        shown = [show_position(row, account.digits, live.get(row.ticket)) for row in found]
        return Response({"results": shown, "next": following})


class OnePosition(PositionView):
    """One position: see, change its stops."""

    @extend_schema(parameters=[ACCOUNT], responses={200: POSITION})
    def get(self, request: Request, ticket: str) -> Response:
        """Return the position."""
        return Response(self.one(account_of(request), ticket))

    @extend_schema(request=PositionChange, responses={200: POSITION})
    def patch(self, request: Request, ticket: str) -> Response:
        """Change SL and TP."""
        body = fields.read(PositionChange, request.data)
        account = account_of(request, body.get("account"))
        row = position_of(account.login, ticket)
        outcome = services.modify_position(
            account.login,
            row.ticket,
            **fields.levels_of(body, "sl", "tp"),
            seen=body.get("seen"),
            caller=fields.caller_of(request, body),
        )
        done(outcome, current=lambda: self.one(account, row.ticket))
        return Response(self.one(account, row.ticket))


class ClosePosition(PositionView):
    """Closing at the market."""

    @extend_schema(request=CloseRequest, responses={200: CLOSED})
    def post(self, request: Request, ticket: str) -> Response:
        """Close the position, or a part of it, and return what came of it."""
        body = fields.read(CloseRequest, fields.body_of(request))
        account = account_of(request, body.get("account"))
        row = position_of(account.login, ticket)
        outcome = services.close_position(
            account.login,
            row.ticket,
            volume=body.get("volume"),
            expected_price=body.get("expected_price"),
            deviation=body.get("deviation"),
            caller=fields.caller_of(request, body),
        )
        return self.closed(account, row.ticket, outcome)


class ClosePositionBy(PositionView):
    """Closing two opposite positions against each other."""

    @extend_schema(request=CloseByRequest, responses={200: CLOSED})
    def post(self, request: Request, ticket: str) -> Response:
        """Close by the opposite position and return what came of it."""
        body = fields.read(CloseByRequest, request.data)
        account = account_of(request, body.get("account"))
        row = position_of(account.login, ticket)
        outcome = services.close_by(
            account.login,
            row.ticket,
            body["opposite"],
            caller=fields.caller_of(request, body),
        )
        return self.closed(account, row.ticket, outcome)


class Deals(APIView):
    """The account's executions."""

    @extend_schema(
        parameters=[
            ACCOUNT,
            OpenApiParameter("symbol", str),
            OpenApiParameter("position", int),
            OpenApiParameter("order", int, description="Of this order."),
            OpenApiParameter("since", str, description="Executed at or after this time, ISO 8601 or ms."),
            OpenApiParameter("until", str, description="Executed before this time."),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of(DEAL)},
        operation_id="deals_list",
    )
    def get(self, request: Request) -> Response:
        """Return a page of deals, newest first."""
        since, until = fields.span_params(request)
        account = account_of(request)
        rows = deals(
            account.login,
            since=since,
            until=until,
        )
        symbol = symbol_param(request)
        if symbol:
            rows = rows.filter(symbol=symbol)
        for name in ("position", "order"):
            ticket = fields.number_param(request, name)
            if ticket is not None:
                rows = rows.filter(**{name: ticket})
        return Response(page(request, rows, lambda row: show_deal(row, account.digits)))


class OneDeal(APIView):
    """One execution, with its evidence."""

    @extend_schema(parameters=[ACCOUNT], responses={200: DEAL_WITH_EVIDENCE})
    def get(self, request: Request, ticket: str) -> Response:
        """Return the deal and, for an automatic one, the tick, level and account state that made it."""
        account = account_of(request)
        number = number_of(ticket)
        row = Deal.objects.filter(login=account.login, ticket=number).first() if number else None
        if row is None:
            raise not_found("There is no such deal.")
        return Response(show_deal(row, account.digits, evidence=True))
