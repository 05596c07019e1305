"""The figures of the admin's first page: money at risk, the queue, and how the desk is."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.selectors import accounts_visible_to, logins_visible_to
from dealing import services
from dealing.models import Command, EngineShard, PoisonItem, TickCount
from manager import live
from manager.admin import show
from orders.models import DealerRequest, Order, SmartOrder
from positions.models import Deal, Position

SILENT_AFTER_S = 5.0


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the context of the first page; they are of the accounts that may be seen."""
    logins = logins_visible_to(request.user)
    context["title"] = "Overview"
    context["cards"] = _cards(request, logins)
    context["shards"] = _shards()
    context["ticks"] = _ticks()
    context["switches"] = [
        (switch.scope, switch.key or "all", switch.level.replace("_", " ")) for switch in services.halts()
    ]
    context["exposure"] = _exposure(logins)
    context["latest"] = show.table(
        ("Deal", "Time", "Account", "Symbol", "Side", "", "Volume", "Price", "Profit", "Reason"),
        [
            (
                show.link("positions_deal", d.ticket), show.time(d.time),
                show.link("accounts_account", d.login), d.symbol, show.side(d.side), d.direction,
                show.number(d.volume), show.price(d.price), show.gain(d.profit), d.get_reason_display(),
            )
            for d in Deal.objects.filter(login__in=logins).order_by("-time", "-ticket")[:10]
        ],
    )  # fmt: skip
    return context


def _cards(request: HttpRequest, logins: Any) -> list[dict[str, Any]]:
    accounts = accounts_visible_to(request.user)
    seen = set(accounts.values_list("login", flat=True))
    states = {login: state for login, state in live.account_states().items() if login in seen}
    equity: dict[str, Decimal] = defaultdict(Decimal)
    for currency, balance, credit in (
        accounts.exclude(login__in=states)
        .order_by()
        .values_list("currency")
        .annotate(Sum("balance"), Sum("credit"))
    ):
        equity[currency] += balance + credit
    floating: dict[str, Decimal] = defaultdict(Decimal)
    for state in states.values():
        equity[state["currency"]] += Decimal(state["equity"])
        floating[state["currency"]] += Decimal(state["floating"])
    positions = Position.objects.filter(status="open", login__in=logins).count()
    waiting = DealerRequest.objects.filter(is_open=True, login__in=logins).count()
    calls = accounts.filter(margin_call=True).count()
    plans = SmartOrder.objects.filter(
        state__in=("PENDING", "ACTIVE", "PARTIALLY_CLOSED"), login__in=logins
    ).count()
    return [
        {
            "title": "Equity",
            "lines": [f"{amount:,.2f} {currency}" for currency, amount in sorted(equity.items())] or ["0"],
            "note": f"{len(seen):,} accounts",
            "link": reverse("admin:accounts_account_changelist"),
        },
        {
            "title": "Floating profit",
            "lines": [show.gain(amount) for _, amount in sorted(floating.items())] or ["0"],
            "note": f"{len(states):,} accounts with positions",
            "link": reverse("admin:accounts_account_changelist"),
        },
        {
            "title": "Open positions",
            "lines": [f"{positions:,}"],
            "note": f"{Order.objects.filter(status='pending', login__in=logins).count():,} pending orders, "
            f"{plans:,} plans",
            "link": reverse("admin:positions_position_changelist") + "?status__exact=open",
        },
        {
            "title": "Margin calls",
            "lines": [f"{calls:,}"],
            "is_bad": calls > 0,
            "note": "accounts at or below their margin call",
            "link": reverse("admin:accounts_account_changelist") + "?margin_call__exact=1",
        },
        {
            "title": "Dealers' queue",
            "lines": [f"{waiting:,}"],
            "is_bad": waiting > 0,
            "note": "requests waiting for a dealer",
            "link": reverse("admin:orders_dealerrequest_changelist") + "?is_open__exact=1",
        },
    ]


def _shards() -> list[dict[str, Any]]:
    """Return how each shard's desk is: by its lease in the database, not by what Redis remembers."""
    health = live.health()
    now = timezone.now()
    waiting = dict(
        Command.objects.filter(status="pending").order_by().values_list("shard").annotate(Count("id"))
    )
    shards = []
    for shard in EngineShard.objects.order_by("shard"):
        age = (now - shard.heartbeat_at).total_seconds() if shard.heartbeat_at else None
        said = health.get(shard.shard, {})
        shards.append(
            {
                "shard": shard.shard,
                "is_up": age is not None and age < SILENT_AFTER_S,
                "age": "never" if age is None else f"{age:.1f} s ago",
                "epoch": shard.epoch,
                "batch": shard.seq,
                "ticks_per_s": said.get("ticks_per_s", "-"),
                "waiting_ticks": said.get("waiting_ticks", "-"),
                "waiting_commands": waiting.get(shard.shard, 0),
                "dealers": ", ".join(said.get("dealers", [])) or "none",
                "poisoned": PoisonItem.objects.filter(shard=shard.shard).count(),
            }
        )
    return shards


def _ticks() -> list[tuple[str, str]]:
    counts = (
        TickCount.objects.filter(shard=0).order_by("-ticks").values_list("cause", "ticks")
    )  # every shard reads all ticks
    return [(cause, f"{ticks:,}") for cause, ticks in counts]


def _exposure(logins: Any) -> Any:
    """Return what clients hold, by symbol: the house's other side."""
    rows: dict[str, dict[str, Decimal]] = defaultdict(lambda: {"buy": Decimal(0), "sell": Decimal(0)})
    for symbol, side, volume in (
        Position.objects.filter(status="open", login__in=logins)
        .order_by()
        .values_list("symbol", "side")
        .annotate(Sum("volume"))
    ):
        rows[symbol][side] = volume
    return show.table(
        ("Symbol", "Long", "Short", "Net"),
        [
            (symbol, show.number(v["buy"]), show.number(v["sell"]), show.gain(v["buy"] - v["sell"]))
            for symbol, v in sorted(rows.items())
        ],
    )
