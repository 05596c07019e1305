"""How the admin looks and where its side bar leads. Plain values, read by the settings."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

#: Lists that stand in the side bar twice: as a whole, and filtered by this.
FILTERED = ("status__exact=open", "status__exact=pending")


def _item(title: str, icon: str, name: str, *, query: str = "") -> dict[str, Any]:
    """Return an entry of the side bar, for those who may look at the list."""
    app, model = name.split("_", 1)

    def link(request: Any) -> str:
        return f"{reverse_lazy(f'admin:{name}_changelist')}{query}"

    def permission(request: Any) -> bool:
        # The settings read this file before there are any models.
        from live.rights import may_view  # noqa: PLC0415

        return may_view(request.user, f"{app}.{model}")

    def active(request: Any) -> bool:
        here = request.path.startswith(str(reverse_lazy(f"admin:{name}_changelist")))
        if not here or request.path.startswith(str(reverse_lazy("admin:manager_mass_list"))):
            return False
        asked = request.GET.urlencode()
        filtered = any(part in asked for part in FILTERED)
        return query[1:] in asked if query[1:] in FILTERED else not filtered

    return {"title": title, "icon": icon, "link": link, "permission": permission, "active": active}


def _style(request: Any) -> str:
    return static("manager/admin.css")


def _script(request: Any) -> str:
    return static("manager/live.js")


def _guard(request: Any) -> str:
    return static("manager/guard.js")


def _icon(request: Any) -> str:
    return static("portal/icon.svg")


NAVIGATION = [
    {
        "items": [
            {"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")},
            _item("Accounts", "account_balance_wallet", "accounts_account"),
            {
                "title": "Mass actions",
                "icon": "playlist_play",
                "link": reverse_lazy("admin:manager_mass_list"),
            },
            _item("Dealers' queue", "support_agent", "orders_dealerrequest", query="?is_open__exact=1"),
        ]
    },
    {
        "title": "Trading",
        "separator": True,
        "items": [
            _item("Open positions", "show_chart", "positions_position", query="?status__exact=open"),
            _item("Pending orders", "schedule", "orders_order", query="?status__exact=pending"),
            _item("Smart orders", "route", "orders_smartorder"),
            _item("Orders", "receipt_long", "orders_order"),
            _item("Positions", "history", "positions_position"),
            _item("Deals", "handshake", "positions_deal"),
            _item("Ledger", "menu_book", "accounts_ledgerentry"),
            _item("Day ends", "event_available", "accounts_accountday"),
        ],
    },
    {
        "title": "Settings",
        "separator": True,
        "items": [
            _item("Server", "dns", "markets_server", query="1/change/"),
            _item("Symbols", "candlestick_chart", "markets_symbol"),
            _item("Groups", "groups", "accounts_group"),
            _item("Securities", "category", "markets_security"),
            _item("Users", "person", "auth_user"),
            _item("Roles", "badge", "auth_group"),
        ],
    },
    {
        "title": "Desk",
        "separator": True,
        "items": [
            _item("Kill switches", "power_settings_new", "dealing_halt"),
            _item("Journal", "list_alt", "dealing_command"),
            _item("Gaps", "hide_source", "dealing_gap"),
            _item("Plugins", "extension", "dealing_pluginstate"),
            _item("Plugin failures", "extension_off", "dealing_hookfailure"),
            _item("Unprocessable", "warning", "dealing_poisonitem"),
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
    "SCRIPTS": [_script, _guard],
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
