"""Two brokers' corners for the tests of rights: one inside the masks of staff, and one outside of them.

Everything that is outside is marked, in words by `FOREIGN_WORD` and in numbers by `FOREIGN_DIGITS`, so that a
page that shows any of it is found whatever it shows. Nothing else on a page holds these marks.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Account, AccountDay, Group, LedgerEntry, ManagerScope
from accounts.setup import put_accounts, put_groups
from dealing import bus
from dealing.models import Command, EngineShard, Gap, Halt, HookFailure, PluginState, PoisonItem
from live.roles import put_roles
from markets.models import Security, Server, Symbol
from markets.setup import put_symbols
from orders.models import DealerRequest, Order, SmartLevel, SmartOrder
from positions.models import Deal, Position

AT = "2024-01-02T00:00:00Z"
FOREIGN_WORD = "zzforeign"
FOREIGN_DIGITS = "82828"
#: What staff of the tests see: the group `mine`, by a mask whose exclusion stands first.
MASKS = "!zz*, mi*, *-nothing"


@dataclass(frozen=True)
class Corner:
    """One account and a row of every kind that belongs to it, by the name of its pages."""

    login: int
    group: str
    user: User
    keys: dict[str, Any]


def _corner(login: int, group: str, base: int) -> Corner:
    put_groups([{"name": group, "description": f"{group} terms"}])
    user = User.objects.create_user(f"{group}-client", email=f"{group}@example.test")
    put_accounts([{"login": login, "group": group, "name": f"{group} name", "user": user}])
    common = {"login": login, "symbol": "EURUSD", "digits": 5}
    made = {"created_at": AT, "modified_at": AT}
    Order.objects.create(
        ticket=base + 1, type="buy_limit", status="pending", reason="client", volume="1", price="1.1",
        comment=f"{group} note", **made, **common,
    )  # fmt: skip
    Position.objects.create(
        ticket=base + 2, side="buy", volume="1", volume_opened="1", open_price="1.1", open_price_exact="110000/1",
        leverage=100, leverage_exact="100/1", margin_rate=1, margin_rate_exact="1/1", opened_at=AT, modified_at=AT,
        status="open", comment=f"{group} note", **common,
    )  # fmt: skip
    Deal.objects.create(
        ticket=base + 3, order=base + 1, position=base + 2, side="buy", direction="in", volume="1", price="1.1",
        requested_price="1.1", time=AT, reason="client", **common,
    )  # fmt: skip
    SmartOrder.objects.create(
        id=base + 4, side="buy", entry="market", state="ACTIVE", volume="1", order=base + 1, position=base + 2,
        entry_price="1.1", entry_price_exact="110000/1", stop_loss="1.0", remaining="1", **made, **common,
    )  # fmt: skip
    SmartLevel.objects.create(
        smart_id=base + 4, number=1, price="1.2", percent=50, volume="0.5", status="PENDING"
    )
    DealerRequest.objects.create(
        id=base + 5, kind="market", side="buy", volume="1", price="1.1", created_at=AT, is_open=True, **common
    )
    entry = LedgerEntry.objects.create(
        id=base + 6, login=login, seq=1, kind="deposit", amount="5", balance_after="5", credit_after="0", time=AT,
        deal=base + 3, comment=f"{group} note",
    )  # fmt: skip
    day = AccountDay.objects.create(
        id=base + 10, login=login, time=AT, balance="5", credit="0", equity="6", margin="1", floating="1"
    )
    command = Command.objects.create(
        id=base + 7,
        shard=0,
        login=login,
        name="PlaceOrder",
        payload={"note": group},
        status="done",
        done_at=AT,
    )
    halt = Halt.objects.create(id=base + 8, shard=0, scope="group", key=group, level="close_only")
    item = PoisonItem.objects.create(
        id=base + 9, shard=0, kind="command", reference=str(command.pk), raw=f"{group} raw", error="x"
    )
    keys = {
        "accounts_account": login, "accounts_group": group, "accounts_ledgerentry": entry.pk,
        "accounts_accountday": day.pk, "orders_order": base + 1,
        "orders_smartorder": base + 4, "orders_dealerrequest": base + 5, "positions_position": base + 2,
        "positions_deal": base + 3, "dealing_command": command.pk, "dealing_halt": halt.pk,
        "dealing_poisonitem": item.pk, "auth_user": user.pk,
    }  # fmt: skip
    return Corner(login, group, user, keys)


def two_corners(redis_client: Any) -> tuple[Corner, Corner]:
    """Write both corners, what belongs to the house, and what the desk shows; return (inside, outside)."""
    put_symbols([{"name": "EURUSD"}])
    # The higher login: the next free one, which the form of a new account offers, follows from it.
    mine = _corner(91_000_001, "mine", 71_000_100)
    foreign = _corner(int(f"{FOREIGN_DIGITS}001"), FOREIGN_WORD, int(f"{FOREIGN_DIGITS}100"))
    # An agent's booking of a deal that is seen, on an account that is not.
    LedgerEntry.objects.create(
        id=int(f"{FOREIGN_DIGITS}200"), login=foreign.login, seq=2, kind="agent_commission", amount="1", balance_after="6",
        credit_after="0", time=AT, deal=mine.keys["positions_deal"], comment=f"{FOREIGN_WORD} agent",
    )  # fmt: skip
    Halt.objects.create(shard=1, scope="account", key=str(foreign.login), level="halt")
    touched = [
        {"login": corner.login, "kind": "position", "ticket": corner.keys["positions_position"]}
        for corner in (mine, foreign)
    ]
    gap = Gap.objects.create(shard=0, cause="lag", from_cursor="1-0", to_cursor="2-0", report=touched,
                             note=f"no tick of {FOREIGN_WORD} came")  # fmt: skip
    state = PluginState.objects.create(shard=0, name="guard", state={"memory": {str(foreign.login): 1}})
    failure = HookFailure.objects.create(shard=0, plugin="guard", point="stops_apply", times=3,
                                         last_error=f"Traceback\nValueError: {foreign.login} of {FOREIGN_WORD}")  # fmt: skip
    PoisonItem.objects.create(shard=0, kind="tick", reference="1-0:1", raw="EURUSD,1,2,3",
                              error=f"Traceback\nValueError: {foreign.login} of {FOREIGN_WORD}")  # fmt: skip
    EngineShard.objects.create(shard=0)
    mine.keys.update(
        {
            "markets_server": Server.objects.create(pk=1).pk, "markets_symbol": Symbol.objects.get().pk, "markets_security": Security.objects.first().pk,
            "dealing_gap": gap.pk, "dealing_pluginstate": state.pk, "dealing_hookfailure": failure.pk,
            "auth_group": Role.objects.order_by("pk").first().pk,
        }
    )  # fmt: skip
    figures = {
        "equity": "5", "balance": "5", "credit": "0", "floating": "0", "currency": "USD", "margin": "1",
        "free_margin": "4", "margin_level": "500",
    }  # fmt: skip
    for corner in (mine, foreign):
        redis_client.hset(bus.ACCOUNTS, corner.login, json.dumps(figures))
    return mine, foreign


def browser_of(role: str, masks: str = MASKS) -> Client:
    """Return a browser of somebody with this role ("superuser" is none) and these masks."""
    put_roles()
    user = User.objects.create_user(f"staff-{role}".replace(" ", "-"), is_staff=True)
    if role == "superuser":
        user.is_superuser = True
        user.save()
    else:
        user.groups.set([Role.objects.get(name=role)])
        ManagerScope.objects.create(user=user, group_masks=masks)
    browser = Client()
    browser.force_login(user)
    return browser


def absent_of(key: Any) -> Any:
    """Return a key like this one that no row has."""
    return 99_000_999 if isinstance(key, int) else "absent"


def accounts_of_corner(corner: Corner) -> Any:
    """Return the row of the corner's account."""
    return Account.objects.get(login=corner.login)


def group_of_corner(corner: Corner) -> Any:
    """Return the row of the corner's group."""
    return Group.objects.get(name=corner.group)
