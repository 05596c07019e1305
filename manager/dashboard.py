"""The figures of the admin's first page: money at risk, who is near the edge, the queue, and how the desk is.

The page renews itself every two seconds, so every figure here costs an index or a small table; what accounts
show comes from Redis in one read. Figures are of the accounts that may be seen.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from dealing.models import Command, EngineShard, Gap, Halt, PoisonItem, TickCount
from engine.calendar import zone_of
from live import published, rights
from manager import clocks
from manager.admin import evidence, show, tables
from markets.models import Symbol
from orders.models import DealerRequest, Order, SmartOrder
from orders.selectors import LIVE_STATES
from positions.models import Deal, Position

SILENT_AFTER_S = 5.0
NEAREST = 8
LATEST = 10
Card = dict[str, Any]


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the context of the first page what this member of staff may see."""
    user = request.user
    logins = rights.logins_for(user)
    may = {name: tables.may_see(request, name) for name in SHOWN}
    states = _states(user) if may["accounts.account"] else {}
    shards = _shards()
    context["title"] = context["heading"] = "Overview"
    if "X-Renew" in request.headers:
        context["messages"] = ()  # they are for the page that one looks at
    context["cards"] = [
        *(_account_cards(user, states) if may["accounts.account"] else ()),
        *(_position_cards(logins) if may["positions.position"] else ()),
        *(_deal_cards(logins) if may["positions.deal"] else ()),
        *(_queue_cards(logins) if may["orders.dealerrequest"] else ()),
        *_desk_cards(shards, request),
        _day_end_card(request),
    ]
    context["shards"] = shards
    context["ticks"] = _ticks()
    context["switches"] = [
        (switch.scope, switch.key or "all", switch.level.replace("_", " ")) for switch in _switches(user)
    ]
    context["market"] = _market(logins if may["positions.position"] else None)
    context["nearest"] = _nearest(states) if may["accounts.account"] else ""
    context["latest"] = _latest(logins) if may["positions.deal"] else ""
    return context


SHOWN = ("accounts.account", "positions.position", "positions.deal", "orders.dealerrequest")


def _states(user: Any) -> dict[int, dict[str, Any]]:
    """Return what the desk shows of the accounts with positions that may be seen."""
    states = published.account_states()
    if rights.sees_everything(user):
        return states
    seen = set(rights.accounts_for(user).filter(login__in=states).order_by().values_list("login", flat=True))
    return {login: state for login, state in states.items() if login in seen}


def _card(
    title: str, lines: Iterable[Any], note: str, name: str, query: str = "", *, is_bad: bool = False
) -> Card:
    link = reverse(f"admin:{name}_changelist") + query
    return {"title": title, "lines": list(lines), "note": note, "link": link, "is_bad": is_bad}


def _account_cards(user: Any, states: dict[int, dict[str, Any]]) -> list[Card]:
    accounts = rights.accounts_for(user).order_by()
    equity: dict[str, Decimal] = defaultdict(Decimal)
    digits: dict[str, int] = {}
    totals = accounts.values_list("currency").annotate(Sum("balance"), Sum("credit"), Count("pk"))
    number = 0
    for currency, balance, credit, count in totals:
        equity[currency] += balance + credit
        digits[currency] = Account(currency=currency).digits
        number += count
    floating: dict[str, Decimal] = defaultdict(Decimal)
    for state in states.values():
        # Equity is balance, credit, and what is open: floating with fees and swap.
        own = Decimal(state["equity"]) - Decimal(state["balance"]) - Decimal(state["credit"])
        equity[state["currency"]] += own
        floating[state["currency"]] += Decimal(state["floating"])
    calls = accounts.filter(margin_call=True).count()
    return [
        _card(
            "Clients' equity",
            [f"{amount:,.{digits.get(currency, 2)}f} {currency}" for currency, amount in sorted(equity.items())] or ["0"],
            f"{number:,} accounts", "accounts_account",
        ),
        _card(
            "Floating profit", [show.gain(amount) for _, amount in sorted(floating.items())] or ["0"],
            f"{len(states):,} accounts with positions", "accounts_account",
        ),
        _card(
            "Margin calls", [f"{calls:,}"], "accounts at or below their call", "accounts_account",
            "?margin_call__exact=1", is_bad=calls > 0,
        ),
    ]  # fmt: skip


def _position_cards(logins: Any) -> list[Card]:
    positions = Position.objects.filter(status="open", login__in=logins).count()
    orders = Order.objects.filter(status="pending", login__in=logins).count()
    plans = SmartOrder.objects.filter(state__in=LIVE_STATES, login__in=logins).count()
    note = f"{orders:,} pending orders, {plans:,} smart orders"
    return [_card("Open positions", [f"{positions:,}"], note, "positions_position", "?status__exact=open")]


def _deal_cards(logins: Any) -> list[Card]:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    forced = Deal.objects.filter(reason="forced_close", time__gte=today, login__in=logins).count()
    query = "?reason__exact=forced_close&since=today"
    note = "deals by which the desk reduced risk"
    return [_card("Stop-outs today", [f"{forced:,}"], note, "positions_deal", query, is_bad=forced > 0)]


def _queue_cards(logins: Any) -> list[Card]:
    found = DealerRequest.objects.filter(is_open=True, login__in=logins).aggregate(
        Count("pk"), Min("expires_at")
    )
    waiting, first = found["pk__count"], found["expires_at__min"]
    note = "nothing waits for a dealer"
    if waiting:
        left = max(0, int((first - timezone.now()).total_seconds())) if first else None
        note = "waiting for a dealer" if left is None else f"the first times out in {left} s"
    return [
        _card(
            "Dealers' queue",
            [f"{waiting:,}"],
            note,
            "orders_dealerrequest",
            "?is_open__exact=1",
            is_bad=waiting > 0,
        )
    ]


def _desk_cards(shards: list[dict[str, Any]], request: HttpRequest) -> list[Card]:
    silent = [shard["shard"] for shard in shards if not shard["is_up"]]
    waiting = sum(shard["waiting_commands"] for shard in shards)
    cards = [
        {
            "title": "Desk",
            "lines": ["silent" if silent or not shards else "running"],
            "note": f"{waiting:,} commands waiting" if shards else "it has never run here",
            "link": reverse("admin:dealing_command_changelist") + "?status__exact=pending",
            "is_bad": bool(silent) or not shards,
        }
    ]
    if tables.may_see(request, "dealing.gap", "dealing.poisonitem"):
        gaps = Gap.objects.filter(seen_by="").count()
        items = rights.scoped(request.user, PoisonItem.objects.all()).count()
        cards.append(
            _card(
                "To be looked at", [f"{gaps + items:,}"], f"{gaps:,} gaps unseen, {items:,} unprocessable", "dealing_gap",
                is_bad=gaps + items > 0,
            )
        )  # fmt: skip
    return cards


def _day_end_card(request: HttpRequest) -> Card:
    """Return when the trading day ends next, by the server's clock, UTC, and the viewer's."""
    held, now = clocks.server(), clocks.now_ms()
    at = clocks.day_end_ms(held)
    is_late = at <= now
    others: list[tuple[str, tzinfo]] = [("UTC", UTC)] if held.time_zone != "UTC" else []
    own = clocks.viewer_zone(request)
    if own and own not in ("UTC", held.time_zone):
        others.append((own, zone_of(own)))
    told = "; ".join(f"{clocks.local(at, zone, is_far=False)} {name}" for name, zone in others)
    note = "overdue: the desk makes up for it" if is_late else clocks.in_words(at, of=now)
    may = tables.may_see(request, "markets.server")
    return {
        "title": "Next day end",
        "lines": [f"{clocks.local(at, held.zone, is_far=False)} {held.time_zone}"],
        "note": f"{note}; {told}" if told else note,
        "link": reverse("admin:markets_server_change", args=[1]) if may else "#",
        "is_bad": is_late,
    }


def _shards() -> list[dict[str, Any]]:
    """Return how each shard's desk is: by its lease in the database, not by what Redis remembers."""
    health = published.health()
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
                "is_up": (age is not None and age < SILENT_AFTER_S) or (shard.quiet_until or now) > now,
                "age": "never" if age is None else f"{max(age, 0):.1f} s ago",
                "epoch": shard.epoch,
                "batch": f"{shard.seq:,}",
                "ticks_per_s": said.get("ticks_per_s", "-"),
                "waiting_ticks": said.get("waiting_ticks", "-"),
                "waiting_commands": waiting.get(shard.shard, 0),
                "dealers": ", ".join(said.get("dealers", [])) or "none",
            }
        )
    return shards


def _switches(user: Any) -> Any:
    """Return the kill switches that are turned and may be seen; every shard keeps a row of those it obeys."""
    rows = Halt.objects.filter(Q(shard=0) | Q(scope="account")).order_by("scope", "key")
    return rights.scoped(user, rows)


def _ticks() -> list[tuple[str, str]]:
    # Every shard reads all ticks: those of one are those of all.
    counts = TickCount.objects.filter(shard=0).order_by("-ticks").values_list("cause", "ticks")
    return [(show.words(cause), f"{ticks:,}") for cause, ticks in counts]


def _market(logins: Any) -> Any:
    """Return quotes with their age, and what clients hold, by symbol: the house's other side."""
    held: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"buy": Decimal(0), "sell": Decimal(0), "number": 0}
    )
    if logins is not None:
        open_ones = Position.objects.filter(status="open", login__in=logins).order_by()
        for symbol, side, volume, number in open_ones.values_list("symbol", "side").annotate(
            Sum("volume"), Count("pk")
        ):
            held[symbol][side] = volume
            held[symbol]["number"] += number
    quotes = published.quotes()
    rows = []
    for symbol in Symbol.objects.order_by("position", "name"):
        quote, own = quotes.get(symbol.name), held.get(symbol.name)
        if quote is None and own is None:
            continue
        net = own["buy"] - own["sell"] if own else None
        value = None
        if quote and net is not None:
            price = Decimal(quote[0] if net > 0 else quote[1])
            value = net * symbol.contract_size * price
        rows.append(
            (
                show.link("markets_symbol", symbol.name), show.price(quote and quote[0]), show.price(quote and quote[1]),
                show.age(published.age_s(quote[2]), symbol.quotes_timeout) if quote else show.flag("no quote", "warn"),
                show.number(own and own["number"]), show.number(own and own["buy"]), show.number(own and own["sell"]),
                show.signed(net), "" if value is None else show.money(value, symbol.profit_currency, 0),
            )
        )  # fmt: skip
    headers = ("Symbol", "Bid", "Ask", "Age", "Positions", "Long", "Short", "Net", "Net value")
    return show.table(headers, rows, none="No quotes yet.")


def _nearest(states: dict[int, dict[str, Any]]) -> Any:
    """Return the accounts with the lowest margin levels."""
    levels = [
        (Decimal(state["margin_level"]), login)
        for login, state in states.items()
        if state.get("margin_level") is not None
    ]
    lowest = sorted(levels)[:NEAREST]
    rows = Account.objects.select_related("group").in_bulk([login for _, login in lowest])
    lines = []
    for level, login in lowest:
        account = rows.get(login)
        if account is None:
            continue
        marked = show.figure(show.flag(f"{level:,} %", "bad")) if account.margin_call else show.percent(level)
        state = states[login]
        lines.append(
            (
                tables.login(login), account.name, marked, show.money(state["equity"], account.currency, account.digits),
                show.number(state["margin"]), show.percent(account.group.margin_call),
            )
        )  # fmt: skip
    headers = ("Account", "Name", "Margin level", "Equity", "Margin", "Called at")
    return show.table(headers, lines, none="No account holds a position.")


def _latest(logins: Any) -> Any:
    rows = Deal.objects.filter(login__in=logins).order_by("-ticket")[:LATEST]
    return show.table(
        ("Deal", "Time", "Account", "Symbol", "Side", "", "Volume", "Price", "Profit", "Reason", "What the desk saw"),
        [
            (
                show.link("positions_deal", d.ticket), show.time(d.time), tables.login(d.login), d.symbol,
                show.side(d.side), d.direction, show.number(d.volume), show.price(d.price), show.gain(d.profit),
                tables.reason(d), evidence.in_short(d.evidence) or d.comment,
            )
            for d in rows
        ],
        none="No deals yet.",
    )  # fmt: skip
