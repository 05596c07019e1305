"""The addresses below /api/v1/; each is answered with and without a slash at its end."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, URLPattern, URLResolver, path, re_path, resolve
from django.views.decorators.csrf import csrf_exempt

from api import trade
from api.http.errors import missing_address
from api.schema import Docs, Schema
from api.v1.accounts import Accounts, OneAccount, WebSocketTicket
from api.v1.auth import Logout, Refresh, Token
from api.v1.ledger import Ledger, Preferences
from api.v1.markets import Assets, Candles, Symbols
from api.v1.orders import OneOrder, Orders
from api.v1.positions import ClosePosition, ClosePositionBy, Deals, OneDeal, OnePosition, Positions
from api.v1.previews import MarginPreview, SmartPreview
from api.v1.requests import OrderByClientId, RequestByClientId, RequestByTicket
from api.v1.requotes import AcceptRequote
from api.v1.smart_orders import EndSmartOrder, OneSmartOrder, SmartOrders


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
    # A client id may hold slashes; a 404 would say that it was never used.
    path("orders/by-client-id/<path:client_id>/", OrderByClientId.as_view(), name="api-order-by-client-id"),
    path("requests/by-client-id/<path:client_id>/", RequestByClientId.as_view(), name="api-request"),
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
