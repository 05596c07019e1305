"""How the admin looks and where its side bar leads. Plain values, read by the settings."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _item(title: str, icon: str, name: str, right: str, query: str = "") -> dict[str, Any]:
    app, model = name.split("_", 1)

    def link(request: Any) -> str:
        return f"{reverse_lazy(f'admin:{name}_changelist')}{query}"

    def permission(request: Any) -> bool:
        user = request.user
        return bool(user.has_perm(f"{app}.view_{model}") or user.has_perm(f"{app}.{right}_{model}"))

    def active(request: Any) -> bool:
        here = request.path.startswith(str(reverse_lazy(f"admin:{name}_changelist")))
        filtered = any(part in request.GET for part in ("status__exact", "is_open__exact"))
        return here and filtered == bool(query) and (not query or query[1:] in request.GET.urlencode())

    return {"title": title, "icon": icon, "link": link, "permission": permission, "active": active}


def _style(request: Any) -> str:
    return static("manager/admin.css")


def _icon(request: Any) -> str:
    return static("portal/icon.svg")


NAVIGATION = [
    {
        "items": [
            {"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")},
            _item("Accounts", "account_balance_wallet", "accounts_account", "change"),
            _item("Dealers' queue", "support_agent", "orders_dealerrequest", "change", "?is_open__exact=1"),
        ]
    },
    {
        "title": "Trading",
        "separator": True,
        "items": [
            _item("Open positions", "show_chart", "positions_position", "change", "?status__exact=open"),
            _item("Pending orders", "schedule", "orders_order", "change", "?status__exact=pending"),
            _item("Smart orders", "route", "orders_smartorder", "change"),
            _item("Orders", "receipt_long", "orders_order", "change"),
            _item("Positions", "history", "positions_position", "change"),
            _item("Deals", "handshake", "positions_deal", "change"),
            _item("Ledger", "menu_book", "accounts_ledgerentry", "change"),
        ],
    },
    {
        "title": "Settings",
        "separator": True,
        "items": [
            _item("Symbols", "candlestick_chart", "markets_symbol", "change"),
            _item("Groups", "groups", "accounts_group", "change"),
            _item("Securities", "category", "markets_security", "change"),
            _item("Users", "person", "auth_user", "change"),
            _item("Roles", "badge", "auth_group", "change"),
        ],
    },
    {
        "title": "Desk",
        "separator": True,
        "items": [
            _item("Kill switches", "power_settings_new", "dealing_halt", "change"),
            _item("Journal", "list_alt", "dealing_command", "change"),
            _item("Gaps", "hide_source", "dealing_gap", "change"),
            _item("Poisoned items", "warning", "dealing_poisonitem", "change"),
            _item("Plugin failures", "extension_off", "dealing_hookfailure", "change"),
        ],
    },
]

UNFOLD = {
    "SITE_TITLE": "tradingdesk",
    "SITE_HEADER": "tradingdesk",
    "SITE_SUBHEADER": "Manager",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "manager.dashboard.figures",
    "STYLES": [_style],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .214 259.8)",
            "600": "oklch(54.6% .245 262.9)",
            "700": "oklch(48.8% .243 264.4)",
            "800": "oklch(42.4% .199 265.6)",
            "900": "oklch(37.9% .146 265.5)",
            "950": "oklch(28.2% .091 267.9)",
        }
    },
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
}
