"""The roles of a broker's staff as named sets of rights, in one table; rows of them are Django's groups.

`put_roles` makes those that are missing, after every migration, and leaves alone what superusers made of them;
`manage.py roles --restore` puts them back. A role says what one may do, masks say for whom. A superuser needs
none.
"""

from collections.abc import Iterable

from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission

LOOK_AT_TRADING = (
    "accounts.view_account", "accounts.view_group", "orders.view_order", "orders.view_smartorder",
    "orders.view_dealerrequest", "positions.view_position", "positions.view_deal", "markets.view_symbol",
    "markets.view_server",
)  # fmt: skip
LOOK_AT_DESK = (
    "dealing.view_halt", "dealing.view_gap", "dealing.view_pluginstate", "dealing.view_hookfailure",
    "dealing.view_poisonitem",
)  # fmt: skip
DEAL = (
    "orders.change_order", "orders.change_smartorder", "orders.change_dealerrequest", "positions.change_position",
    "manager.place_orders",
)  # fmt: skip
LOOK_AT_MONEY = ("accounts.view_ledgerentry", "accounts.view_accountday")
LOOK_AT_ALL = (
    *LOOK_AT_TRADING, *LOOK_AT_DESK, *LOOK_AT_MONEY, "dealing.view_command", "markets.view_security",
    "auth.view_user", "auth.view_group",
)  # fmt: skip

#: Each role's rights. docs/managers.md says the same in words.
ROLES: dict[str, tuple[str, ...]] = {
    "dealer": (*LOOK_AT_TRADING, *DEAL),
    "head dealer": (
        *LOOK_AT_TRADING, *LOOK_AT_DESK, *DEAL, *LOOK_AT_MONEY, "dealing.view_command",
        "dealing.change_gap", "manager.override_terms", "manager.turn_switches",
    ),
    "risk": (
        *LOOK_AT_TRADING, *LOOK_AT_DESK, *LOOK_AT_MONEY, "dealing.view_command", "accounts.change_account",
        "accounts.change_group", "positions.change_position", "orders.change_order", "orders.change_smartorder",
        "dealing.change_gap", "dealing.change_halt", "manager.turn_switches", "manager.set_group",
        "manager.set_leverage",
    ),
    "clerk": (
        "accounts.view_account", "accounts.add_account", "accounts.change_account", "accounts.view_group",
        "auth.view_user", "auth.add_user", "auth.change_user", "manager.set_owner",
    ),
    "cashier": ("accounts.view_account", *LOOK_AT_MONEY, "manager.move_money"),
    "compliance": (*LOOK_AT_ALL, "accounts.change_account", "manager.turn_switches"),
    "auditor": LOOK_AT_ALL,
    "support": (*LOOK_AT_TRADING, *LOOK_AT_MONEY, "auth.view_user", "auth.change_user"),
    "settings": (
        *LOOK_AT_DESK, "accounts.view_group", "accounts.add_group", "accounts.change_group", "markets.view_symbol",
        "markets.add_symbol", "markets.change_symbol", "markets.view_security", "markets.add_security",
        "markets.change_security", "markets.view_server", "markets.change_server", "dealing.change_pluginstate",
    ),
}  # fmt: skip


def put_roles(restore: Iterable[str] = ()) -> list[str]:
    """Make the roles that are missing, put back the rights of those named, and return which were written.

    Raises:
        LookupError: a right of a role has no row.
    """
    again = set(restore)
    known = set(Role.objects.filter(name__in=ROLES).values_list("name", flat=True))
    written = [name for name in ROLES if name not in known or name in again]
    if not written:
        return []
    rows = Permission.objects.select_related("content_type")
    rights = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    for name in written:
        missing = sorted(set(ROLES[name]) - set(rights))
        if missing:
            raise LookupError(
                f"role {name}: there is no right {', '.join(missing)}; has everything been migrated?"
            )
        role, _ = Role.objects.get_or_create(name=name)
        role.permissions.set([rights[right] for right in ROLES[name]])
    return written
