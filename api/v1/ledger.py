"""REST of the ledger, and how an account's row is shown.

Equity and margin are not rows: views that show them stand in the composition root.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.choices import TimesShown
from accounts.models import Account, LedgerEntry, Preference
from accounts.selectors import ledger_of
from api.http import fields
from api.http.describe import CURSOR, LIMIT, page_of, thing
from api.http.lists import page
from api.http.scope import account_of
from dealing.columns import iso
from engine.enums import LedgerKind

ACCOUNT = OpenApiParameter("account", int, description="Login; the caller's first account by default.")


ACCOUNT_SHOWN = thing(
    login="int", name="text", currency="text", digits="int", group="text", margin_mode="text", leverage="int",
    tier="text", balance="decimal", credit="decimal", equity="decimal?", margin="decimal?",
    free_margin="decimal?", margin_level="decimal?", floating="decimal?", margin_call="flag",
    margin_call_level="decimal", stop_out_level="decimal", stop_out_unit="text", enabled="flag",
    read_only="flag", close_only="flag", halt="text",
)  # fmt: skip
PREFERENCES = thing(one_click="flag", confirm_close="flag", time_zone="text")
ENTRY = thing(
    account="int", seq="int", kind="text", amount="decimal", balance_after="decimal", credit_after="decimal",
    time="time", order="int?", deal="int?", comment="text",
)  # fmt: skip


def show_account(row: Account, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an account as JSON shows it; `live` holds equity, margin and what follows from them."""
    live = live or {}
    return {
        "login": row.login,
        "name": row.name,
        "currency": row.currency,
        "digits": row.digits,
        "group": row.group_id,
        "margin_mode": row.group.margin_mode,
        "leverage": row.granted_leverage,
        "tier": row.tier,
        "balance": f"{row.balance:.{row.digits}f}",
        "credit": f"{row.credit:.{row.digits}f}",
        "equity": live.get("equity"),
        "margin": live.get("margin"),
        "free_margin": live.get("free_margin"),
        "margin_level": live.get("margin_level"),
        "floating": live.get("floating"),
        "margin_call": row.margin_call,
        "margin_call_level": fields.plain(row.group.margin_call),
        "stop_out_level": fields.plain(row.group.stop_out),
        "stop_out_unit": row.group.stop_out_unit,
        "enabled": row.enabled,
        "read_only": row.read_only,
        "close_only": row.close_only,
        "halt": row.halt,
    }


def show_entry(row: LedgerEntry) -> dict[str, Any]:
    """Return a ledger entry as JSON shows it."""
    return {
        "account": row.login,
        "seq": row.seq,
        "kind": row.kind,
        "amount": fields.plain(row.amount),
        "balance_after": fields.plain(row.balance_after),
        "credit_after": fields.plain(row.credit_after),
        "time": iso(row.time),
        "order": row.order,
        "deal": row.deal,
        "comment": row.comment,
    }


class PreferenceChange(fields.StrictSerializer):
    """What to change; left out keeps."""

    one_click = fields.Flag(required=False, help_text="A price button of a market order sends at once.")
    confirm_close = fields.Flag(required=False, help_text="Closing a position is asked about first.")
    time_zone = fields.Word(TimesShown, required=False)


class Preferences(APIView):
    """What the caller has chosen about sending and showing; their own, in whatever browser they are."""

    @extend_schema(responses={200: PREFERENCES})
    def get(self, request: Request) -> Response:
        """Return the choices, the careful ones where nothing was chosen."""
        row = Preference.objects.filter(user_id=request.user.pk or 0).first() or Preference()
        return Response(show_preferences(row))

    @extend_schema(request=PreferenceChange, responses={200: PREFERENCES})
    def patch(self, request: Request) -> Response:
        """Change choices and return all of them."""
        body = fields.read(PreferenceChange, request.data)
        row, _ = Preference.objects.update_or_create(user_id=request.user.pk or 0, defaults=body)
        return Response(show_preferences(row))


def show_preferences(row: Preference) -> dict[str, Any]:
    """Return preferences as JSON shows them."""
    return {"one_click": row.one_click, "confirm_close": row.confirm_close, "time_zone": row.time_zone}


class Ledger(APIView):
    """Every change of balance and credit."""

    @extend_schema(
        parameters=[
            ACCOUNT,
            OpenApiParameter("kind", str, enum=list(LedgerKind)),
            OpenApiParameter("since", str, description="Booked at or after this time, ISO 8601 or ms."),
            OpenApiParameter("until", str, description="Booked before this time."),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of(ENTRY)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of ledger entries, newest first."""
        since, until = fields.span_params(request)
        rows = ledger_of(
            account_of(request).login,
            since=since,
            until=until,
        )
        kind = fields.word_param(request, "kind", LedgerKind)
        if kind:
            rows = rows.filter(kind=kind)
        return Response(page(request, rows, show_entry, key="seq"))
