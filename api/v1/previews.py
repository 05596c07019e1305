"""REST of previews: what an order or a plan would mean, before it is sent."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http import fields
from api.http.scope import account_of
from api.http.symbols import symbol_name
from api.v1.smart_orders import NewSmart, smart_values
from engine.enums import Side
from live.account_view import read_account_view
from live.preview import preview_margin, preview_smart
from live.schema import thing


class MarginQuestion(fields.StrictSerializer):
    """A market order that somebody thinks about."""

    account = fields.Number(required=False)
    symbol = fields.Text(max_length=32)
    side = fields.Word(Side)
    volume = fields.DecimalText(help_text="Lots.")
    leverage = fields.Whole(required=False, allow_null=True)


FAULT = thing(code="text", message="text")
MARGIN = thing(
    entry_price="decimal?", margin="decimal?", free_margin_after="decimal?", value_per_point="decimal?",
    commission="decimal?", errors=[FAULT],
)  # fmt: skip
LEVEL = thing(number="int", price="decimal", percent="decimal", volume="decimal", profit="decimal?")
PLAN = thing(
    levels=[LEVEL], remaining_volume="decimal?", entry_price="decimal?", reward="decimal?", risk="decimal?",
    worst_case="decimal?", stop="decimal?", risk_reward="decimal?", margin="decimal?", errors=[FAULT],
)  # fmt: skip


class MarginPreview(APIView):
    """Margin, value of a point and commission of an order."""

    @extend_schema(request=MarginQuestion, responses={200: MARGIN})
    def post(self, request: Request) -> Response:
        """Return what the order would take."""
        body = fields.read(MarginQuestion, request.data)
        account = account_of(request, body.get("account"))
        return Response(
            preview_margin(read_account_view(account.login), {**body, "symbol": symbol_name(body["symbol"])})
        )


class SmartPreview(APIView):
    """Money at each level of a plan, risk and reward."""

    @extend_schema(request=NewSmart, responses={200: PLAN})
    def post(self, request: Request) -> Response:
        """Return what the plan would bring, and what is wrong with it."""
        body = fields.read(NewSmart, request.data)
        account = account_of(request, body.get("account"))
        return Response(preview_smart(read_account_view(account.login), smart_values(body)))
