"""REST of orders: what is waiting and what came of it.

Views read the account's own rows and submit through `dealing.services`; whether a request is allowed is the
engine's word. Smart orders have their own file, smart_orders.py.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http import fields
from api.http.answers import done
from api.http.errors import Refused
from api.http.lists import CURSOR, LIMIT, take_page
from api.http.scope import ACCOUNT, account_of, number_of
from api.http.symbols import symbol_name, symbol_param
from dealing import services
from dealing.kept_query import KeptQuery
from engine.codes import Code
from engine.enums import OrderStatus
from engine.order_types import OrderType
from engine.rates import open_price
from engine.rounding import parse_decimal, to_text
from live.quotes import spread_of
from live.schema import page_of
from live.shapes import ORDER, show_order
from markets.selectors import quotes_of
from orders.models import Order
from orders.selectors import order_history


class NewOrder(fields.StrictSerializer):
    """A market or pending order."""

    account = fields.Number(required=False)
    symbol = fields.Text(max_length=32)
    type = fields.Word(OrderType)
    volume = fields.DecimalText(help_text="Lots.")
    price = fields.DecimalText(
        required=False, allow_null=True, help_text="Of a pending order; a market order takes none."
    )
    limit_price = fields.DecimalText(
        required=False, allow_null=True, help_text="Of a stop-limit order; others take none."
    )
    sl = fields.DecimalText(
        required=False, allow_null=True, help_text="null: none, also where a netting position has one."
    )
    tp = fields.DecimalText(required=False, allow_null=True)
    expires = fields.Expires(required=False, allow_null=True)
    leverage = fields.Whole(required=False, allow_null=True)
    expected_price = fields.DecimalText(
        required=False, allow_null=True, help_text="Of a market order: the price that the caller saw."
    )
    deviation = fields.Whole(
        required=False,
        allow_null=True,
        help_text="Points that the price may be worse by than `expected_price`; left out: no limit.",
    )
    client_id = fields.ClientId(required=False, allow_null=True)
    comment = fields.Text(required=False, allow_blank=True, max_length=200)


class SeenPrices(fields.StrictSerializer):
    """The prices that the caller saw, null for none."""

    price = fields.DecimalText(required=False, allow_null=True)
    limit_price = fields.DecimalText(required=False, allow_null=True)
    sl = fields.DecimalText(required=False, allow_null=True)
    tp = fields.DecimalText(required=False, allow_null=True)


class OrderChange(fields.StrictSerializer):
    """What to change of a pending order: left out keeps, null deletes a stop, "0" too where prices are positive."""

    account = fields.Number(required=False)
    price = fields.DecimalText(required=False)
    limit_price = fields.DecimalText(required=False)
    sl = fields.DecimalText(required=False, allow_null=True)
    tp = fields.DecimalText(required=False, allow_null=True)
    expires = fields.Expires(required=False)
    seen = SeenPrices(
        required=False, help_text="Where one is another by now: 409 conflict, and nothing changes."
    )
    client_id = fields.ClientId(required=False, allow_null=True)


_ORDER = KeptQuery(lambda login, number: Order.objects.filter(login=login, ticket=number))


def order_of(login: int, ticket: Any) -> Order:
    """Return the account's order.

    Raises:
        Refused: it has none of that ticket.
    """
    number = number_of(ticket)
    row = _ORDER.first(login, number) if number else None
    if row is None:
        raise Refused(Code.ORDER_NOT_FOUND, "There is no such order.")
    return row


def market_prices(account: Any, rows: list[Order]) -> dict[int, str]:
    """Return the price of each order's side by ticket, of the last committed quotes; the whole book is not read."""
    if not rows:
        return {}
    group = account.group.to_engine()
    quotes = quotes_of({row.symbol for row in rows})
    found = {}
    for row in rows:
        if row.symbol in quotes:
            symbol, quote = quotes[row.symbol]
            seen = spread_of(group, symbol).seen(quote.bid, quote.ask)
            found[row.ticket] = to_text(open_price(seen, OrderType(row.type).side), symbol.digits)
    return found


class OrderView(APIView):
    """What the views of orders share."""

    def shown(self, account: Any, rows: list[Order]) -> list[dict[str, Any]]:
        """Return these orders of one account as JSON shows them."""
        pending = [row for row in rows if row.status == OrderStatus.PENDING]
        prices = market_prices(account, pending)
        return [show_order(row, prices.get(row.ticket)) for row in rows]

    def one(self, account: Any, ticket: Any) -> dict[str, Any]:
        """Return the account's order as JSON shows it.

        Raises:
            Refused: it has none of that ticket.
        """
        return self.shown(account, [order_of(account.login, ticket)])[0]


class Orders(OrderView):
    """The account's orders, and placing one."""

    @extend_schema(
        parameters=[
            ACCOUNT,
            OpenApiParameter("status", str, enum=list(OrderStatus)),
            OpenApiParameter("symbol", str),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of(ORDER)},
        operation_id="orders_list",
    )
    def get(self, request: Request) -> Response:
        """Return a page of orders, newest first."""
        account = account_of(request)
        rows = order_history(account.login)
        status = fields.word_param(request, "status", OrderStatus)
        if status:
            rows = rows.filter(status=status)
        symbol = symbol_param(request)
        if symbol:
            rows = rows.filter(symbol=symbol)
        found, following = take_page(request, rows)
        return Response({"results": self.shown(account, found), "next": following})

    @extend_schema(request=NewOrder, responses={201: ORDER})
    def post(self, request: Request) -> Response:
        """Place an order and return it as it stands after the desk's answer."""
        body = fields.read(NewOrder, request.data)
        account = account_of(request, body.get("account"))
        outcome = services.place_order(
            account.login,
            symbol=symbol_name(body["symbol"]),
            type=body["type"],
            volume=body["volume"],
            **entry_prices(body),
            **fields.levels_of(body, "sl", "tp"),
            expires=body.get("expires"),
            leverage=body.get("leverage"),
            **expectation(body),
            caller=fields.caller_of(request, body),
        )
        return Response(self.one(account, done(outcome).ticket), status=201)


def entry_prices(body: dict[str, Any]) -> dict[str, Any]:
    """Return a new order's price and limit price; 0 is none.

    Raises:
        Refused: one is given that its type has no use for: left unsaid, its sender would believe in it.
    """
    kind = OrderType(body["type"])
    prices = {name: body.get(name) for name in ("price", "limit_price")}
    prices = {name: text for name, text in prices.items() if text is not None and parse_decimal(text) != 0}
    if kind.is_market and prices:
        name, text = next(iter(prices.items()))
        pending = [
            row for row in OrderType if row.side is kind.side and not row.is_market and not row.has_limit
        ]
        raise Refused(
            Code.INVALID_PRICE,
            f"{name} {text}: a {kind} order is filled at the market and takes no price; "
            f"{' and '.join(pending)} wait for one",
        )
    if "limit_price" in prices and not kind.has_limit:
        raise Refused(Code.INVALID_PRICE, f"limit_price {prices['limit_price']}: a {kind} order has none")
    return prices


def expectation(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a new order says of the price that its sender saw.

    Raises:
        Refused: a pending order says it, which waits for a price of its own.
    """
    bounds = {name: body.get(name) for name in ("expected_price", "deviation")}
    bounds = {name: value for name, value in bounds.items() if value is not None}
    kind = OrderType(body["type"])
    if bounds and not kind.is_market:
        name, value = next(iter(bounds.items()))
        raise Refused(
            Code.INVALID_PRICE, f"{name} {value}: a {kind} order waits for its own price and takes none"
        )
    return bounds


class OneOrder(OrderView):
    """One order: see, change, delete."""

    @extend_schema(parameters=[ACCOUNT], responses={200: ORDER})
    def get(self, request: Request, ticket: str) -> Response:
        """Return the order."""
        return Response(self.one(account_of(request), ticket))

    @extend_schema(request=OrderChange, responses={200: ORDER})
    def patch(self, request: Request, ticket: str) -> Response:
        """Change price, stops or expiry of a pending order."""
        body = fields.read(OrderChange, request.data)
        account = account_of(request, body.get("account"))
        row = order_of(account.login, ticket)
        changes: dict[str, Any] = {
            key: body[key] for key in ("price", "limit_price", "expires") if key in body
        }
        changes |= fields.levels_of(body, "sl", "tp")
        outcome = services.modify_order(
            account.login,
            row.ticket,
            **changes,
            seen=body.get("seen"),
            caller=fields.caller_of(request, body),
        )
        done(outcome, current=lambda: self.one(account, row.ticket))
        return Response(self.one(account, row.ticket))

    @extend_schema(parameters=[ACCOUNT], responses={200: ORDER})
    def delete(self, request: Request, ticket: str) -> Response:
        """Delete a pending order and return it as it ended."""
        account = account_of(request)
        row = order_of(account.login, ticket)
        done(services.cancel_order(account.login, row.ticket, caller=fields.caller_of(request, {})))
        return Response(self.one(account, row.ticket))
