"""REST of smart orders: exit plans that the server keeps.

Views read the account's own rows and submit through `dealing.services`. What moves with every tick (effective
stop, high-water mark, open profit) is not in rows: `live/account_view.py` computes it. Promises: a
modification names the version it saw, and a stale one is answered 409 with the plan as it stands.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http import fields
from api.http.answers import done
from api.http.errors import Refused, invalid
from api.http.lists import CURSOR, LIMIT, take_page
from api.http.scope import ACCOUNT, account_of, number_of
from api.http.symbols import symbol_name, symbol_param
from dealing import services
from engine.codes import Code
from engine.enums import EntryType, Side, SmartState
from engine.order_types import PRICED_ENTRIES
from engine.rounding import parse_decimal
from live.account_view import read_account_view, realised_profits
from live.schema import page_of
from live.shapes import SMART, SMART_WITH_TIMELINE, show_event, show_smart
from orders.models import SmartOrder
from orders.selectors import smart_order, smart_orders

MAX_LEVELS_SENT = 100  # the engine allows 20 and says so with its own code


class Entry(fields.StrictSerializer):
    """How the plan gets its position."""

    type = fields.Word(EntryType)
    price = fields.DecimalText(required=False, allow_null=True, help_text="Of a limit or stop entry.")
    position = fields.Number(required=False, allow_null=True)


class LevelOf(fields.StrictSerializer):
    """One take-profit level; percent of the plan's whole volume."""

    price = fields.DecimalText()
    percent = fields.DecimalText()


class Trailing(fields.StrictSerializer):
    """A stop that follows the market at a distance of `callback` percent."""

    callback = fields.DecimalText()
    activation = fields.DecimalText(required=False, allow_null=True)


@extend_schema_field(
    {"oneOf": [{"type": "boolean"}, {"type": "object", "properties": {"offset": {"type": "integer"}}}]}
)
class BreakEven(serializers.Field[Any, Any, Any, Any]):
    """true, false, or {"offset": points in the direction of profit}."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return {"break_even", "offset"}; offset is None where it was not named.

        Raises:
            ValidationError: it is none of the forms.
        """
        if isinstance(data, bool):
            return {"break_even": data, "offset": None}
        if isinstance(data, dict) and set(data) <= {"offset"}:
            offset = data.get("offset", 0)
            if isinstance(offset, int) and not isinstance(offset, bool) and abs(offset) <= 10**9:
                return {"break_even": True, "offset": offset}
        raise serializers.ValidationError('true, false or {"offset": points} is needed')

    def to_representation(self, value: Any) -> Any:
        """Return the value."""
        return value


class NewSmart(fields.StrictSerializer):
    """A plan: one entry, several exits."""

    account = fields.Number(required=False)
    symbol = fields.Text(max_length=32)
    side = fields.Word(Side)
    volume = fields.DecimalText(help_text="Lots.")
    entry = Entry()
    take_profits = serializers.ListField(child=LevelOf(), required=False, max_length=MAX_LEVELS_SENT)
    stop_loss = fields.DecimalText(required=False, allow_null=True)
    trailing = Trailing(required=False, allow_null=True)
    break_even = BreakEven(required=False, allow_null=True)
    client_id = fields.ClientId(required=False, allow_null=True)
    comment = fields.Text(required=False, allow_blank=True, max_length=200)


class SmartChange(fields.StrictSerializer):
    """What to change: left out keeps, stop_loss null deletes ("0" too where prices are positive), callback "0" ends trailing."""

    account = fields.Number(required=False)
    version = fields.Whole(required=False)
    stop_loss = fields.DecimalText(required=False, allow_null=True)
    callback = fields.DecimalText(required=False)
    break_even = BreakEven(required=False)
    levels = serializers.ListField(
        child=LevelOf(), required=False, max_length=MAX_LEVELS_SENT, help_text="All levels still open."
    )
    client_id = fields.ClientId(required=False, allow_null=True)


class SmartEnd(fields.StrictSerializer):
    """Ending a plan; the version is optional here."""

    account = fields.Number(required=False)
    version = fields.Whole(required=False)
    client_id = fields.ClientId(required=False, allow_null=True)


def smart_values(body: dict[str, Any]) -> dict[str, Any]:
    """Return a new plan's body as `services.place_smart` takes it, account and keys left out."""
    trailing = body.get("trailing") or {}
    even = body.get("break_even") or {"break_even": False, "offset": None}
    _judge_entry(body["entry"])
    return {
        "symbol": symbol_name(body["symbol"]),
        "side": body["side"],
        "volume": body["volume"],
        "entry": body["entry"]["type"],
        "price": body["entry"].get("price"),
        "position": body["entry"].get("position"),
        "take_profits": [[level["price"], level["percent"]] for level in body.get("take_profits", [])],
        "stop_loss": body.get("stop_loss"),
        "callback": trailing.get("callback"),
        "activation": trailing.get("activation"),
        "break_even": even["break_even"],
        "offset": even["offset"] or 0,
    }


def _judge_entry(entry: dict[str, Any]) -> None:
    """Refuse what an entry of this type has no use for: left unsaid, its sender would believe in it."""
    kind, price = EntryType(entry["type"]), entry.get("price")
    if price is not None and parse_decimal(price) != 0 and kind not in PRICED_ENTRIES:
        raise Refused(
            Code.INVALID_PRICE,
            f"entry.price {price}: a {kind} entry takes no price; {' and '.join(PRICED_ENTRIES)} wait for one",
        )
    if entry.get("position") is not None and kind is not EntryType.POSITION:
        raise invalid(f'entry.position: a {kind} entry opens its own; "type": "position" takes one over')


def smart_of(login: int, number: Any) -> SmartOrder:
    """Return the account's plan.

    Raises:
        Refused: it has none of that number.
    """
    wanted = number_of(number)
    row = smart_order(login, wanted) if wanted else None
    if row is None:
        raise Refused(Code.SMART_NOT_FOUND, "There is no such smart order.")
    return row


class SmartView(APIView):
    """What the views of plans share."""

    def shown(self, account: Any, rows: list[SmartOrder]) -> list[dict[str, Any]]:
        """Return plans with their values of the moment."""
        if not rows:
            return []
        live = read_account_view(account.login).smart_values()
        realised = realised_profits(rows)
        return [show_smart(row, live.get(row.id), realised.get(row.id)) for row in rows]

    def one(self, account: Any, number: Any) -> dict[str, Any]:
        """Return one plan with its timeline."""
        row = smart_of(account.login, number)
        return {**self.shown(account, [row])[0], "timeline": [show_event(e) for e in row.timeline.all()]}

    def finished(self, account: Any, number: int, outcome: services.Outcome) -> Response:
        """Return the plan after a change that was done; a stale one shows how the plan stands.

        Raises:
            Refused: the change was refused.
        """
        try:
            done(outcome)
        except Refused as refused:
            if refused.code == Code.CONFLICT:
                refused.current = self.one(account, number)
            raise
        return Response(self.one(account, number))


class SmartOrders(SmartView):
    """The account's plans, and making one."""

    @extend_schema(
        parameters=[
            ACCOUNT,
            OpenApiParameter("state", str, enum=list(SmartState)),
            OpenApiParameter("symbol", str),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of(SMART)},
        operation_id="smart_orders_list",
    )
    def get(self, request: Request) -> Response:
        """Return a page of plans, newest first; `state` may name several, separated by commas."""
        account = account_of(request)
        rows = smart_orders(account.login)
        states = [word for word in fields.text_param(request, "state").split(",") if word]
        if states:
            rows = rows.filter(state__in=[fields.word(word, SmartState, "state") for word in states])
        symbol = symbol_param(request)
        if symbol:
            rows = rows.filter(symbol=symbol)
        found, following = take_page(request, rows, key="id")
        return Response({"results": self.shown(account, found), "next": following})

    @extend_schema(request=NewSmart, responses={201: SMART_WITH_TIMELINE})
    def post(self, request: Request) -> Response:
        """Make a plan and return it as it stands after the desk's answer."""
        body = fields.read(NewSmart, request.data)
        account = account_of(request, body.get("account"))
        outcome = services.place_smart(
            account.login,
            **smart_values(body),
            caller=fields.caller_of(request, body),
        )
        number = int(done(outcome).data.get("smart") or outcome.ticket)
        return Response(self.one(account, number), status=201)


class OneSmartOrder(SmartView):
    """One plan: see and change."""

    @extend_schema(parameters=[ACCOUNT], responses={200: SMART_WITH_TIMELINE})
    def get(self, request: Request, number: str) -> Response:
        """Return the plan with its levels and its timeline."""
        return Response(self.one(account_of(request), number))

    @extend_schema(request=SmartChange, responses={200: SMART_WITH_TIMELINE})
    def patch(self, request: Request, number: str) -> Response:
        """Change stop, trailing, break-even or open levels of the version that the caller saw."""
        body = fields.read(SmartChange, request.data)
        account = account_of(request, body.get("account"))
        row = smart_of(account.login, number)
        changes: dict[str, Any] = {key: body[key] for key in ("callback",) if key in body}
        changes |= fields.levels_of(body, "stop_loss")
        if "break_even" in body:
            changes.update({k: v for k, v in body["break_even"].items() if v is not None})
        if "levels" in body:
            changes["levels"] = [[level["price"], level["percent"]] for level in body["levels"]]
        outcome = services.modify_smart(
            account.login,
            row.id,
            version=seen_version(request, body),
            **changes,
            caller=fields.caller_of(request, body),
        )
        return self.finished(account, row.id, outcome)


class EndSmartOrder(SmartView):
    """Ending a plan: `close` decides whether its position is closed at the market too."""

    close = False

    @extend_schema(request=SmartEnd, responses={200: SMART_WITH_TIMELINE})
    def post(self, request: Request, number: str) -> Response:
        """End the plan and return it as it ended."""
        body = fields.read(SmartEnd, fields.body_of(request))
        account = account_of(request, body.get("account"))
        row = smart_of(account.login, number)
        outcome = services.cancel_smart(
            account.login,
            row.id,
            version=body.get("version"),
            close=self.close,
            caller=fields.caller_of(request, body),
        )
        return self.finished(account, row.id, outcome)


def seen_version(request: Request, body: dict[str, Any]) -> int:
    """Return the version that the caller saw: body `version`, else header If-Match.

    Raises:
        Refused: neither is there, or they differ.
    """
    header = request.headers.get("If-Match", "").strip().strip('"')
    named = body.get("version")
    if header and (not header.isascii() or not header.isdigit() or len(header) > 18):
        raise invalid("If-Match: the version that you saw is needed")
    if named is None and not header:
        raise invalid("version: the version that you saw is needed")
    if named is not None and header and int(header) != named:
        raise invalid("If-Match and version differ.")
    return int(header) if named is None else int(named)
