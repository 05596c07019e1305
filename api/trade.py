"""The plain trade addresses: create, open, close, balance; for programs that know nothing of lots and accounts.

    POST /api/v1/trade/create   GET /api/v1/trade/open   POST /api/v1/trade/close   GET /api/v1/trade/close

Their shapes, field names, texts and statuses are a published contract (docs/rest.md) and differ from the rest
of the API: numbers are JSON numbers, quantities are units of the base currency, an order id is a position's
ticket as text, errors are `{"error": text}`. Promises: a desk that is silent for 5 s is an error (504 with the
ticket), never an empty list; prices are those of the position's own side.
"""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Account
from api.http import fields
from api.http.errors import Refused, invalid, plain_body
from api.http.scope import account_of, number_of, short_name
from api.http.symbols import symbol_named
from api.liveness import require_desk
from dealing import services
from dealing.columns import Inexact, exact_text, fraction_of, iso
from engine.codes import Code
from engine.enums import Direction, PositionStatus
from engine.rounding import parse_decimal
from live.account_view import read_account_view
from live.rights import own_accounts
from live.schema import thing
from markets.models import Symbol
from orders.models import Order
from positions.models import Deal, Position
from positions.selectors import closing_deals, open_positions

USUAL_CLOSED = 500
MAX_CLOSED = 1_000
MAX_LEVERAGE = 1_000_000  # of what can be asked for; an account's own is the engine's word
NOT_FOUND = "Order not found"
SILENT = "The engine did not answer within 5 seconds"


class NewTrade(fields.StrictSerializer):
    """A market order in units of the base currency."""

    symbol = fields.Text(max_length=32, help_text="btc, BTC or BTCUSDT.")
    type = fields.Text(help_text="buy or sell.")
    quantity = fields.DecimalText(help_text="Units of the base currency: 0.1 is a tenth of a bitcoin.")
    leverage = fields.DecimalText(required=False, allow_null=True)
    takeProfit = fields.DecimalText(required=False, allow_null=True)  # noqa: N815 - the published name
    stopLoss = fields.DecimalText(required=False, allow_null=True)  # noqa: N815 - the published name
    account = fields.Number(required=False)
    client_id = fields.ClientId(required=False, allow_null=True)


class OrderId(fields.Number):
    """A position's ticket as text; whatever is no ticket names no order."""

    def to_internal_value(self, data: Any) -> int:
        """Return the ticket, 0 where it is none of ours."""
        return number_of(data) or 0


class CloseTrade(fields.StrictSerializer):
    """Which position to close."""

    orderId = OrderId()  # noqa: N815 - the published name
    client_id = fields.ClientId(required=False, allow_null=True)


OPEN = thing(
    orderId="text", userId="text", symbol="text", type="text", quantity="number", leverage="number",
    openPrice="number", currentPrice="number?", openTime="time", takeProfit="number?", stopLoss="number?",
    status="text",
)  # fmt: skip
PAST = thing(
    orderId="text", symbol="text", type="text", quantity="number", leverage="number", openPrice="number",
    closePrice="number?", openTime="time", closeTime="time", profitLoss="number",
)  # fmt: skip
RESULT = thing(orderId="text", openPrice="number", closePrice="number", profitLoss="number", closeTime="time")
FIGURES = {"equity": "decimal", "margin": "decimal", "free_margin": "decimal", "margin_level": "decimal?"}


class TradeView(APIView):
    """What the trade addresses share: their form of errors."""

    plain_errors = True


class CreateTrade(TradeView):
    """Opening at the market."""

    @extend_schema(request=NewTrade, responses={200: thing(message="text", orderId="text", order=OPEN)})
    def post(self, request: Request) -> Response:
        """Open a position and return it."""
        _require(request.data, "symbol", "type", "quantity")
        body = fields.read(NewTrade, request.data)
        account = account_of(request, body.get("account"))
        symbol = known_symbol(body["symbol"])
        side = fields.word(body["type"].lower(), ("buy", "sell"), "type")
        outcome = services.place_order(
            account.login,
            symbol=symbol.name,
            type=side,
            volume=lots_of(body["quantity"], symbol),
            sl=_level(body.get("stopLoss")),
            tp=_level(body.get("takeProfit")),
            leverage=_leverage(body.get("leverage")),
            caller=fields.caller_of(request, body),
        )
        if outcome.code == Code.INVALID_VOLUME:  # the engine speaks of lots, the caller of units
            outcome = replace(outcome, message=quantities(body["quantity"], symbol))
        refusal = _refusal(outcome)
        if refusal is not None:
            return refusal
        order = Order.objects.get(login=account.login, ticket=outcome.ticket)
        if not order.position:
            return _waiting(order.ticket)
        shown = open_trades(account, order.position) or [_opened_and_gone(account, order)]
        return Response(
            {"message": "Order created successfully", "orderId": str(order.position), "order": shown[0]}
        )


class OpenTrades(TradeView):
    """What is open now."""

    @extend_schema(responses={200: thing(message=[OPEN])})
    def get(self, request: Request) -> Response:
        """Return the open positions with their live prices; a silent desk is an error."""
        account = account_of(request)
        require_desk(account.login)
        return Response({"message": open_trades(account)})


class CloseTrades(TradeView):
    """Closing, and what has been closed."""

    @extend_schema(
        parameters=[OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_CLOSED})],
        responses={200: thing(message=[PAST])},
    )
    def get(self, request: Request) -> Response:
        """Return what was closed, a row a deal, the last first; `limit` of them, 500 by default."""
        account = account_of(request)
        limit = fields.whole_param(request, "limit", USUAL_CLOSED, low=1, high=MAX_CLOSED)
        closed = list(closing_deals(account.login)[:limit])
        held = Position.objects.in_bulk({deal.position for deal in closed}, field_name="ticket")
        sizes = contract_sizes()
        shown = [show_closing(deal, held[deal.position], sizes[deal.symbol]) for deal in closed]
        return Response({"message": shown})

    @extend_schema(request=CloseTrade, responses={200: thing(message="text", order=RESULT)})
    def post(self, request: Request) -> Response:
        """Close a position of one of the caller's accounts and return its result."""
        _require(request.data, "orderId")
        body = fields.read(CloseTrade, request.data)
        row = _own_position(request, body["orderId"])
        caller = fields.caller_of(request, body)
        if row is None or (row.status == PositionStatus.CLOSED and not caller.client_id):
            return Response({"error": NOT_FOUND}, status=400)
        outcome = services.close_position(
            row.login,
            row.ticket,
            caller=caller,
        )
        refusal = _refusal(outcome, position=row.ticket)
        if refusal is not None:
            return refusal
        deals = list(Deal.objects.filter(login=row.login, order=outcome.ticket, direction=Direction.OUT))
        if not deals:
            return _waiting(row.ticket)
        return Response({"message": "Order closed successfully", "order": show_result(row, deals)})


class Balance(TradeView):
    """Money of an account."""

    @extend_schema(
        responses={200: thing(account="int", currency="text", balance="decimal", credit="decimal", **FIGURES)}
    )
    def get(self, request: Request) -> Response:
        """Return balance, credit, equity and margin as decimal text."""
        account = account_of(request)
        values = read_account_view(account.login).account_values()
        figures = {key: values[key] for key in ("balance", "credit", *FIGURES)}
        return Response({"account": account.login, "currency": account.currency, **figures})


# ---- shapes ----


def open_trades(account: Account, ticket: int = 0) -> list[dict[str, Any]]:
    """Return the account's open positions in the published shape; only `ticket` where it is given."""
    live = read_account_view(account.login).position_values()
    rows = open_positions(account.login)
    sizes = contract_sizes()
    return [
        {
            "orderId": str(row.ticket),
            "userId": str(account.user_id),
            "symbol": short_name(row.symbol),
            "type": row.side,
            "quantity": number(row.volume * sizes[row.symbol]),
            "leverage": number(row.leverage),
            "openPrice": number(row.open_price),
            "currentPrice": _number_of_text(live.get(row.ticket, {}).get("price")),
            "openTime": iso(row.opened_at),
            "takeProfit": number(row.tp),
            "stopLoss": _number_of_text(live.get(row.ticket, {}).get("sl")),
            "status": PositionStatus.OPEN.value,
        }
        for row in (rows.filter(ticket=ticket) if ticket else rows)
    ]


def show_closed(row: Position, contract_size: Decimal) -> dict[str, Any]:
    """Return a closed position in the published shape."""
    return {
        "orderId": str(row.ticket),
        "symbol": short_name(row.symbol),
        "type": row.side,
        "quantity": number(row.volume_opened * contract_size),
        "leverage": number(row.leverage),
        "openPrice": number(row.open_price),
        "closePrice": number(row.close_price),
        "openTime": iso(row.opened_at),
        "closeTime": iso(row.modified_at),
        "profitLoss": row.profit,
    }


def show_closing(deal: Deal, row: Position, contract_size: Decimal) -> dict[str, Any]:
    """Return one close of a position, or of a part of it, in the published shape."""
    return {
        **show_closed(row, contract_size),
        "quantity": number(deal.volume * contract_size),
        "openPrice": number(deal.open_price),
        "closePrice": number(deal.price),
        "closeTime": iso(deal.time),
        "profitLoss": deal.profit,
    }


def show_result(row: Position, deals: list[Deal]) -> dict[str, Any]:
    """Return what a close brought, in the published shape."""
    last = deals[-1]
    return {
        "orderId": str(row.ticket),
        "openPrice": number(row.open_price),
        "closePrice": number(last.price),
        "profitLoss": sum((deal.profit for deal in deals if deal.profit is not None), Decimal(0)),
        "closeTime": iso(last.time),
    }


def _opened_and_gone(account: Account, order: Order) -> dict[str, Any]:
    """Return a position that was closed again before it could be shown."""
    row = Position.objects.get(login=account.login, ticket=order.position or 0)
    shown = show_closed(row, contract_sizes()[row.symbol])
    return {**shown, "userId": str(account.user_id), "status": row.status}


def number(value: Decimal | None) -> Decimal | None:
    """Return a row's number as a JSON number without needless zeros."""
    if value is None:
        return None
    whole = value.to_integral_value()
    return whole if whole == value else value.normalize()


def _number_of_text(text: str | None) -> Decimal | None:
    return None if text is None else number(Decimal(text))


# ---- reading ----


def known_symbol(named: str) -> Symbol:
    """Return the symbol that is meant by btc, BTC or BTCUSDT.

    Raises:
        Refused: there is none.
    """
    found: Symbol | None = symbol_named(named)
    if found is None:
        raise Refused("invalid_request", f"Unknown symbol: {named}")
    return found


def lots_of(quantity: str, symbol: Symbol) -> str:
    """Return units of the base currency as lots, exactly.

    Raises:
        Refused: it is no number above 0, or no number of lots that can be written.
    """
    units = parse_decimal(quantity)
    if units is None or units <= 0:
        raise invalid(f"quantity: {quantity!a} is not a number above 0")
    try:
        text = exact_text(units / Fraction(symbol.contract_size))
    except Inexact:
        text = None
    if text is None or len(text.partition(".")[2]) > 8:
        raise invalid(quantities(quantity, symbol))
    return text


def quantities(asked: str, symbol: Symbol) -> str:
    """Return what is wrong with a quantity, in units of the base currency."""
    limits = (symbol.volume_min, symbol.volume_max, symbol.volume_step)
    least, most, step = (f"{number(lots * symbol.contract_size):f}" for lots in limits)
    return f"quantity {asked} of {short_name(symbol.name)} is not {least} to {most} in steps of {step}"


def contract_sizes() -> dict[str, Decimal]:
    """Return the units of a lot by symbol."""
    return dict(Symbol.objects.values_list("name", "contract_size"))


def _level(text: str | None) -> str | None:
    """Return a stop, None where it was left out or 0."""
    return None if text is None or parse_decimal(text) == 0 else text


def _leverage(text: str | None) -> int | None:
    if text is None:
        return None
    leverage = fraction_of(text) if parse_decimal(text) is not None else None
    if leverage is None or leverage.denominator != 1 or not 0 < leverage <= MAX_LEVERAGE:
        raise invalid(f"leverage: {text!a} is not a whole number from 1 to {MAX_LEVERAGE}")
    return leverage.numerator


def _require(data: Any, *names: str) -> None:
    """Refuse a body that lacks parameters, with the published text."""
    body = data if isinstance(data, dict) else {}
    missing = [name for name in names if body.get(name) in (None, "")]
    if missing:
        raise invalid(f"Missing required parameters: {', '.join(missing)}")


def _own_position(request: Request, ticket: int) -> Position | None:
    mine = own_accounts(request.user).values("login")
    return Position.objects.filter(ticket=ticket, login__in=mine).first()


# ---- answers ----


def _refusal(outcome: services.Outcome, *, position: int = 0) -> Response | None:
    """Return the answer to a request that was not done; all refusals of the engine are 400."""
    if outcome.state == "done":
        return None
    if outcome.state == "accepted":
        return Response({"error": SILENT, "orderId": str(position or outcome.ticket)}, status=504)
    if outcome.code in (Code.POSITION_NOT_FOUND, Code.ORDER_NOT_FOUND):
        return Response({"error": NOT_FOUND}, status=400)
    refused = Refused(outcome.code, outcome.message or outcome.code)
    status = {Code.CONFLICT: 409, Code.UNAVAILABLE: 503, Code.INTERNAL_ERROR: 500}.get(
        Code(outcome.code), 400
    )
    return Response({**plain_body(refused), "code": refused.code}, status=status)


def _waiting(ticket: int) -> Response:
    """Return the answer to a request that a dealer has to confirm first."""
    return Response({"message": "Order is waiting for a dealer", "orderId": str(ticket)}, status=202)
