"""The addresses below /api/v1/; each is answered with and without a slash at its end."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, URLPattern, URLResolver, path, re_path, resolve
from django.views.decorators.csrf import csrf_exempt

from accounts.api import Ledger, Preferences
from doors.errors import missing_address
from markets.api import Assets, Candles, Symbols
from orders.requests_api import OrderByClientId, RequestByClientId, RequestByTicket
from positions.api import Deals, OneDeal
from tradingdesk.rest import trade
from tradingdesk.rest.accounts import Accounts, OneAccount, WebSocketTicket
from tradingdesk.rest.auth import Logout, Refresh, Token
from tradingdesk.rest.live import (
    AcceptRequote,
    ClosePosition,
    ClosePositionBy,
    EndSmartOrder,
    OneOrder,
    OnePosition,
    OneSmartOrder,
    Orders,
    Positions,
    SmartOrders,
)
from tradingdesk.rest.preview import MarginPreview, SmartPreview
from tradingdesk.rest.schema import Docs, Schema


@csrf_exempt  # the view that is found judges, as it does with its slash
def with_a_slash(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """Answer an address that lacks its slash like the one that has it: a redirect would lose a body."""
    try:
        found = resolve(request.path_info + "/")
    except Resolver404:
        return missing_address(request)
    request.resolver_match = found
    return found.func(request, *found.args, **found.kwargs)


urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/token/", Token.as_view(), name="api-token"),
    path("auth/refresh/", Refresh.as_view(), name="api-refresh"),
    path("auth/logout/", Logout.as_view(), name="api-logout"),
    path("ws-ticket/", WebSocketTicket.as_view(), name="api-ws-ticket"),
    # The published trade addresses, without a slash at the end, as their document has them.
    re_path(r"^trade/create/?$", trade.CreateTrade.as_view(), name="api-trade-create"),
    re_path(r"^trade/open/?$", trade.OpenTrades.as_view(), name="api-trade-open"),
    re_path(r"^trade/close/?$", trade.CloseTrades.as_view(), name="api-trade-close"),
    re_path(r"^balance/?$", trade.Balance.as_view(), name="api-balance"),
    re_path(r"^assets/?$", Assets.as_view(), name="api-assets"),
    re_path(r"^candles/?$", Candles.as_view(), name="api-candles"),
    path("accounts/", Accounts.as_view(), name="api-accounts"),
    path("accounts/<str:login>/", OneAccount.as_view(), name="api-account"),
    path("symbols/", Symbols.as_view(), name="api-symbols"),
    path("orders/", Orders.as_view(), name="api-orders"),
    path("orders/by-client-id/<str:client_id>/", OrderByClientId.as_view(), name="api-order-by-client-id"),
    path("requests/by-client-id/<str:client_id>/", RequestByClientId.as_view(), name="api-request"),
    path("requests/<str:ticket>/", RequestByTicket.as_view(), name="api-request-by-ticket"),
    path("orders/<str:ticket>/", OneOrder.as_view(), name="api-order"),
    path("orders/<str:ticket>/accept/", AcceptRequote.as_view(), name="api-order-accept"),
    path("positions/", Positions.as_view(), name="api-positions"),
    path("positions/<str:ticket>/", OnePosition.as_view(), name="api-position"),
    path("positions/<str:ticket>/close/", ClosePosition.as_view(), name="api-position-close"),
    path("positions/<str:ticket>/close-by/", ClosePositionBy.as_view(), name="api-position-close-by"),
    path("deals/", Deals.as_view(), name="api-deals"),
    path("deals/<str:ticket>/", OneDeal.as_view(), name="api-deal"),
    path("ledger/", Ledger.as_view(), name="api-ledger"),
    path("smart-orders/", SmartOrders.as_view(), name="api-smart-orders"),
    path("smart-orders/preview/", SmartPreview.as_view(), name="api-smart-preview"),
    path("smart-orders/<str:number>/", OneSmartOrder.as_view(), name="api-smart-order"),
    path("smart-orders/<str:number>/cancel/", EndSmartOrder.as_view(), name="api-smart-cancel"),
    path("smart-orders/<str:number>/close/", EndSmartOrder.as_view(close=True), name="api-smart-close"),
    path("preferences/", Preferences.as_view(), name="api-preferences"),
    path("margin-preview/", MarginPreview.as_view(), name="api-margin-preview"),
    path("schema/", Schema.as_view(), name="api-schema"),
    path("docs/", Docs.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r".*[^/]$", with_a_slash),
    re_path("", missing_address),
]
