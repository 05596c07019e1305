"""Who may see and do what: the one place that decides, for pages, lists, files, doors, live figures and sockets.

Three questions, in this order: which rows (a client their own accounts; staff those of the groups in their
masks and all that belongs to them; a superuser all), which verbs (rights that a role or a user holds), which
fields (owner, group and leverage of an account are rights of their own). Promises: whoever asks gets a queryset
that is scoped before anything else filters it, so that foreign and absent look the same; a model that is not
listed in `SCOPES` is refused, not shown; the answer comes from the rows of the moment, so that a change acts at
once. Staff without masks, or with masks that cannot be read, see nobody. It keeps no state, and knows no HTTP.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q, QuerySet
from structlog import get_logger

from accounts.models import Account, Group, ManagerScope
from dealing.choices import ItemKind
from dealing.kept_query import KeptQuery
from dealing.models import Command, Halt, PoisonItem
from engine.masks import MaskError, Masks, masks_from

log = get_logger(__name__)


class Right(StrEnum):
    """Rights that are not those to view, add or change one kind of row."""

    MOVE_MONEY = "manager.move_money"
    PLACE_ORDERS = "manager.place_orders"
    OVERRIDE_TERMS = "manager.override_terms"
    TURN_SWITCHES = "manager.turn_switches"
    SET_OWNER = "manager.set_owner"
    SET_GROUP = "manager.set_group"
    SET_LEVERAGE = "manager.set_leverage"
    TURN_ALL = "dealing.change_halt"
    CLOSE = "positions.change_position"
    CANCEL = "orders.change_order"


#: Fields of an account that take a right of their own.
ACCOUNT_FIELDS = {"user": Right.SET_OWNER, "group": Right.SET_GROUP, "leverage": Right.SET_LEVERAGE}
#: Fields of a user that make a member of staff, or more of one: superusers give them.
STAFF_FIELDS = ("is_staff", "is_superuser", "groups", "user_permissions")


# ---- which rows ----


@dataclass(frozen=True, slots=True)
class Sight:
    """How far somebody sees: every group, also those to come, or these."""

    everything: bool = False
    groups: frozenset[str] = field(default_factory=frozenset)


def sight_of(user: Any) -> Sight:
    """Return how far a member of staff sees; nobody else sees any group."""
    if not is_staff(user):
        return Sight()
    if user.is_superuser:
        return Sight(everything=True)
    masks = masks_of(user)
    if masks.cover_everything:
        return Sight(everything=True)
    names = Group.objects.values_list("name", flat=True) if masks.named else ()
    return Sight(groups=frozenset(name for name in names if masks.cover(name)))


def masks_of(user: Any) -> Masks:
    """Return a member of staff's masks; none where they have none, or such as cannot be read."""
    scope = ManagerScope.objects.filter(user_id=user.pk).first()
    try:
        return masks_from(scope.group_masks) if scope else Masks()
    except MaskError as error:
        log.warning("masks that cannot be read name nobody", user=user.pk, error=str(error))
        return Masks()


def is_staff(user: Any) -> bool:
    """Return whether this is a member of staff who may still come in."""
    return _may_come_in(user) and bool(user.is_staff)


def own_accounts(user: Any) -> "QuerySet[Account]":
    """Return the accounts that belong to somebody as a client, with their groups, by login."""
    return _accounts_of(user.pk) if _may_come_in(user) else Account.objects.none()


_FIRST = KeptQuery(lambda user_id: _accounts_of(user_id))
_ONE = KeptQuery(lambda user_id, login: _accounts_of(user_id).filter(login=login))


def _accounts_of(user_id: int) -> "QuerySet[Account]":
    return Account.objects.filter(user_id=user_id).select_related("group").order_by("login")


def first_own_account(user: Any) -> Account | None:
    """Return the first of `own_accounts`."""
    return _FIRST.first(user.pk) if _may_come_in(user) else None


def own_account(user: Any, login: int) -> Account | None:
    """Return that one of `own_accounts`."""
    return _ONE.first(user.pk, login) if _may_come_in(user) else None


def _may_come_in(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active)


def watched(logins: Iterable[int]) -> list[tuple[int, int | None, str]]:
    """Return (login, owner, group) of those of these accounts whose owner may watch them now: enabled ones."""
    rows = Account.objects.filter(login__in=list(logins), enabled=True)
    return list(rows.values_list("login", "user_id", "group_id"))


def groups_for(user: Any) -> "QuerySet[Group]":
    """Return the groups that a member of staff sees, by name; none for anybody else."""
    return scoped(user, Group.objects.order_by("name"))


def accounts_for(user: Any) -> "QuerySet[Account]":
    """Return the accounts that somebody sees: staff by their groups, others their own."""
    if not is_staff(user):
        return own_accounts(user)
    return scoped(user, Account.objects.select_related("group").order_by("login"))


def logins_for(user: Any) -> "QuerySet[Account, Any]":
    """Return the logins that somebody sees, as a subquery for rows that carry a login."""
    return accounts_for(user).order_by().values("login")


def users_for(user: Any) -> "QuerySet[Any]":
    """Return the users that a member of staff sees."""
    return scoped(user, get_user_model()._default_manager.all())


def scoped(user: Any, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return those of the rows that a member of staff may see; none for anybody else.

    Raises:
        LookupError: nobody has said who sees rows of this kind.
    """
    label = rows.model._meta.label_lower
    if label not in SCOPES:
        raise LookupError(f"who sees {label} is not said in live.rights.SCOPES")
    if not is_staff(user):
        return rows.none()
    return rows if user.is_superuser else SCOPES[label](user, sight_of(user), rows)


Narrow = Callable[[Any, Sight, "QuerySet[Any]"], "QuerySet[Any]"]


def _by_group(column: str) -> Narrow:
    def narrow(_user: Any, sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        return rows if sight.everything else rows.filter(**{f"{column}__in": sight.groups})

    return narrow


def _by_login(column: str = "login") -> Narrow:
    def narrow(_user: Any, sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        if sight.everything:
            return rows
        seen = Account.objects.filter(group_id__in=sight.groups).order_by().values("login")
        return rows.filter(**{f"{column}__in": seen})

    return narrow


def _house(_user: Any, _sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """What belongs to no account and names none: the right to look is enough."""
    return rows


def _nobody(_user: Any, _sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """What superusers alone see."""
    return rows.none()


def _users(user: Any, sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """Clients who hold an account that is seen; those without any whom one has made; and oneself."""
    clients = Q(is_staff=False, is_superuser=False)
    if sight.everything:
        return rows.filter(clients | Q(pk=user.pk))
    owned = Account.objects.filter(user__isnull=False).order_by()
    seen = Q(pk__in=owned.filter(group_id__in=sight.groups).values("user_id"))
    fresh = Q(pk__in=_made_by(user)) & ~Q(pk__in=owned.values("user_id"))
    return rows.filter((clients & (seen | fresh)) | Q(pk=user.pk))


def _made_by(user: Any) -> list[int]:
    """Return the users whom a member of staff has added, by the admin's log."""
    kind = ContentType.objects.get_for_model(get_user_model())
    additions = LogEntry.objects.filter(user_id=user.pk, content_type=kind, action_flag=ADDITION)
    return [int(key) for key in additions.values_list("object_id", flat=True) if key and key.isdecimal()]


def _halts(_user: Any, sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """Switches of the server and of symbols concern everybody; others whose group or account is seen."""
    if sight.everything:
        return rows
    turned = [int(key) for key in Halt.objects.filter(scope="account").values_list("key", flat=True)]
    seen = Account.objects.filter(login__in=turned, group_id__in=sight.groups).values_list("login", flat=True)
    return rows.filter(
        Q(scope__in=("server", "symbol"))
        | Q(scope="group", key__in=sight.groups)
        | Q(scope="account", key__in=[str(login) for login in seen])
    )


def _poison(_user: Any, sight: Sight, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """Quotes are nobody's; a command is its account's; of other things the raw form may name anybody."""
    if sight.everything:
        return rows
    items = PoisonItem.objects.filter(kind=ItemKind.COMMAND).values_list("id", "reference")
    commands = {int(named): pk for pk, named in items if named.isdecimal()}
    seen = Account.objects.filter(group_id__in=sight.groups).order_by().values("login")
    mine = Command.objects.filter(id__in=commands, login__in=seen).values_list("id", flat=True)
    return rows.filter(Q(kind=ItemKind.TICK) | Q(pk__in=[commands[number] for number in mine]))


#: Who sees the rows of each kind that a page or a list may show. What is missing here is shown to nobody.
SCOPES: dict[str, Narrow] = {
    "accounts.group": _by_group("name"),
    "accounts.groupsecurity": _by_group("group_id"),
    "accounts.account": _by_group("group_id"),
    "accounts.ledgerentry": _by_login(),
    "accounts.accountday": _by_login(),
    "accounts.managerscope": _nobody,
    "orders.order": _by_login(),
    "orders.smartorder": _by_login(),
    "orders.smartlevel": _by_login("smart__login"),
    "orders.smartevent": _by_login("smart__login"),
    "orders.dealerrequest": _by_login(),
    "positions.position": _by_login(),
    "positions.deal": _by_login(),
    "dealing.command": _by_login(),
    "dealing.halt": _halts,
    "dealing.gap": _house,
    "dealing.poisonitem": _poison,
    "dealing.hookfailure": _house,
    "dealing.pluginstate": _house,
    "markets.server": _house,
    "markets.symbol": _house,
    "markets.security": _house,
    "auth.user": _users,
    "auth.group": _house,
    "auth.permission": _nobody,
}


def sees_everything(user: Any) -> bool:
    """Return whether a member of staff sees every group: raw records may name accounts of any."""
    return sight_of(user).everything


def told_text(user: Any, text: str, *, instead: str) -> str:
    """Return what the desk or a plugin wrote freely, which may name anybody's account: to others `instead`."""
    return text if not text or sees_everything(user) else instead


# ---- which verbs ----


def may(user: Any, right: str) -> bool:
    """Return whether a member of staff holds a right, such as `Right.MOVE_MONEY`."""
    return bool(is_staff(user) and user.has_perm(str(right)))


def may_view(user: Any, kind: str) -> bool:
    """Return whether a member of staff may look at rows of a kind, as in "orders.order": to act includes it."""
    also = {"dealing.halt": (Right.TURN_SWITCHES,)}.get(kind, ())
    return any(may(user, right) for right in (_named("view", kind), _named("change", kind), *also))


def may_add(user: Any, kind: str) -> bool:
    """Return whether a member of staff may make rows of a kind."""
    return may(user, _named("add", kind)) and (kind not in BY_SUPERUSERS or user.is_superuser)


def may_change(user: Any, kind: str, row: Model | None = None) -> bool:
    """Return whether a member of staff may change rows of a kind, or act on them; `row`: this one."""
    if not may(user, _named("change", kind)) or (kind in BY_SUPERUSERS and not user.is_superuser):
        return False
    return row is None or kind != "auth.user" or _may_change_user(user, row)


#: Roles give rights and masks give sight: whoever could change them could take everything.
BY_SUPERUSERS = frozenset({"auth.group", "accounts.managerscope"})


def _named(verb: str, kind: str) -> str:
    app, model = kind.split(".")
    return f"{app}.{verb}_{model}"


def _may_change_user(user: Any, other: Any) -> bool:
    """Return whether a user may be changed, the password included.

    Staff by superusers alone. A client also by other staff, where these see all of the client's accounts: who has
    the password has them all.
    """
    if user.is_superuser:
        return True
    if other.is_staff or other.is_superuser:
        return False
    held = Account.objects.filter(user_id=other.pk)
    unseen = held.exclude(login__in=logins_for(user))
    return users_for(user).filter(pk=other.pk).exists() and not unseen.exists()


def may_turn(user: Any, scope: str, key: str) -> str:
    """Return why a member of staff may not turn that kill switch, "" where they may."""
    if scope in ("server", "symbol"):
        if may(user, Right.TURN_SWITCHES) and may(user, Right.TURN_ALL):
            return ""
        return f"the switch of the {scope} concerns every group: you may turn those of your own"
    if not may(user, Right.TURN_SWITCHES):
        return "you may not turn kill switches"
    if scope == "group":
        is_seen = groups_for(user).filter(pk=key).exists()
    else:
        is_login = key.isascii() and key.isdecimal() and len(key) <= 18
        if not is_login:
            return f"{key!r} is no login"
        is_seen = accounts_for(user).filter(pk=int(key)).exists()
    return "" if is_seen else f"there is no {scope} {key!r}"


# ---- which fields ----


def closed_fields(user: Any, kind: str, *, row: Any = None) -> tuple[str, ...]:
    """Return the fields that a member of staff may not set of a row, or, where there is none yet, of a new one.

    Who may open accounts opens them in the groups that they see; owner and leverage stay rights of their own.
    An account is not taken from an owner who may not be seen.
    """
    if kind == "auth.user":
        return () if user.is_superuser else STAFF_FIELDS
    if kind != "accounts.account":
        return ()
    closed = {name for name, right in ACCOUNT_FIELDS.items() if not may(user, right)}
    if row is None:
        closed.discard("group")
    elif row.user_id and not users_for(user).filter(pk=row.user_id).exists():
        closed.add("user")
    return tuple(name for name in ACCOUNT_FIELDS if name in closed)


def unseen_choices(user: Any, kind: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields of these values that name a group, an owner or an agent whom a member of staff may not see."""
    if kind != "accounts.account":
        return ()
    seen = {"group": groups_for(user), "user": users_for(user), "agent": accounts_for(user)}
    return tuple(
        name
        for name, rows in seen.items()
        if values.get(name) not in (None, "") and not rows.filter(pk=values[name]).exists()
    )


def may_name_group(user: Any, name: str) -> bool:
    """Return whether a member of staff would see a group of this name: nobody makes one for others."""
    return is_staff(user) and (user.is_superuser or masks_of(user).cover(name))
