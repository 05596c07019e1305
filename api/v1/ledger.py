"""REST of the ledger, and how an account's row is shown.

Equity and margin are not rows: views that show them stand in the composition root.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.choices import TimesShown
from accounts.models import Preference
from accounts.selectors import ledger_of
from api.http import fields
from api.http.lists import CURSOR, LIMIT, page
from api.http.scope import ACCOUNT, account_of
from engine.enums import LedgerKind
from live.schema import page_of, thing
from live.shapes import ENTRY, show_entry

PREFERENCES = thing(one_click="flag", confirm_close="flag", time_zone="text")


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
        account = account_of(request)
        rows = ledger_of(
            account.login,
            since=since,
            until=until,
        )
        kind = fields.word_param(request, "kind", LedgerKind)
        if kind:
            rows = rows.filter(kind=kind)
        return Response(page(request, rows, lambda row: show_entry(row, account.digits), key="seq"))
