"""What a batch changed, gathered from the engine's events, for the stores and for the outbox.

Promises: of every record that may change again the last state is written once, append-only records are kept
in order; the data of an event to publish is made at the moment of the event. The only thing it writes to a
record is Account.event_seq, the number of an account's last published event.
It does no I/O and decides nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dealing import shapes
from engine import events as ev
from engine.records import Account, Deal, LedgerEntry, Order, Position, Quote, Request, SmartOrder
from engine.settings import currency_digits
from engine.state import State


@dataclass(slots=True)
class Pending:
    """One event to publish: a row of the outbox."""

    login: int
    seq: int
    kind: str
    time_ms: int
    data: dict[str, Any]


@dataclass(slots=True)
class HookFailures:
    """How often a plugin failed at a point, and the last time why."""

    times: int = 0
    error: str = ""


@dataclass(slots=True)
class Changes:
    """Everything that one batch changed; stores read digits and currencies from `state`."""

    state: State
    shard: int = 0
    shards: int = 1
    time_ms: int = 0
    orders: dict[int, Order] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    smarts: dict[int, SmartOrder] = field(default_factory=dict)
    smart_timeline: list[ev.SmartChanged] = field(default_factory=list)
    requests: dict[int, ev.RequestChanged] = field(default_factory=dict)
    offers: dict[int, ev.OfferChanged] = field(default_factory=dict)
    account_days: list[ev.AccountDayEnded] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    quotes: dict[str, Quote] = field(default_factory=dict)
    extremes: set[str] = field(default_factory=set)
    accepted: list[tuple[str, int, int]] = field(default_factory=list)  # symbol, bid in points, tick's time
    accepted_ticks: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    commissions_due: list[ev.AgentCommissionDue] = field(default_factory=list)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    hook_failures: dict[tuple[str, str], HookFailures] = field(default_factory=dict)
    halts: dict[tuple[str, str], str] = field(default_factory=dict)
    settings: list[ev.SettingsChanged] = field(default_factory=list)
    unanswered: list[Request] = field(default_factory=list)  # stop-outs that waited for a dealer in vain
    outbox: list[Pending] = field(default_factory=list)
    dirty: bool = False  # whether more than quotes changed, so that the batch should not linger

    def settings_written_here(self) -> list[ev.SettingsChanged]:
        """Return the changes of settings that this shard writes down: its accounts', and on shard 0 everybody's."""
        return [
            event
            for event in self.settings
            if (event.before or event.after)
            and (self.shard == 0 if event.kind != "account" else int(event.key) % self.shards == self.shard)
        ]

    def collect(self, happened: Sequence[ev.Event], time_ms: int) -> ev.CommandDone | None:
        """Add the events of one tick or command and return the command's answer, if it is among them.

        Of one record only the last event is published: they all show the same state by now.
        """
        self.time_ms = max(self.time_ms, time_ms)
        done: ev.CommandDone | None = None
        published: dict[tuple[str, int], tuple[int, Callable[[], dict[str, Any]]]] = {}
        for event in happened:
            match event:
                case ev.TickAccepted():
                    self.quotes[event.symbol] = event.quote
                    self.accepted_ticks += 1
                    quote = event.quote
                    self.accepted.append((event.symbol, quote.bid, quote.time_ms))
                case ev.TickRefused():
                    self.refused[event.cause] = self.refused.get(event.cause, 0) + 1
                    known = self.state.quotes.get(event.symbol)
                    if (
                        known is not None
                    ):  # what is remembered of the last ticks, and the row of deviating ones
                        self.quotes[event.symbol] = known
                case ev.ExtremesChanged():
                    self.extremes.add(event.symbol)
                case ev.CommandDone():
                    done = event
                case ev.HookFailed():  # a plugin that fails at every tick must not make every tick a batch
                    self._count_failure(event)
                case _:
                    self.dirty = True
                    self._collect_change(event, published)
        for (kind, _), (login, make) in published.items():
            self._publish(kind, login, time_ms, make())
        return done

    def _collect_change(
        self,
        event: ev.Event,
        published: dict[tuple[str, int], tuple[int, Callable[[], dict[str, Any]]]],
    ) -> None:
        """Keep the record of one event and note what is to be published about it."""
        state = self.state
        match event:
            case ev.OrderChanged(order=order):
                self.orders[order.ticket] = order
                published["order", order.ticket] = (
                    order.login,
                    lambda: {"order": shapes.ORDER.published(order)},
                )
            case ev.PositionChanged(position=position):
                self.positions[position.ticket] = position
                money = _money_digits(state, position.login)
                published["position", position.ticket] = (
                    position.login,
                    lambda: {"position": shapes.POSITION.published(position, money=money)},
                )
            case ev.DealMade(deal=deal):
                self.deals.append(deal)
                money = _money_digits(state, deal.login)
                published["deal", deal.ticket] = (
                    deal.login,
                    lambda: {"deal": shapes.DEAL.published(deal, money=money)},
                )
            case ev.LedgerBooked(entry=entry):
                self.ledger.append(entry)
                self.accounts[entry.login] = state.accounts[entry.login]
                money = _money_digits(state, entry.login)
                published[f"ledger {entry.seq}", entry.login] = (
                    entry.login,
                    lambda: {"ledger": shapes.ENTRY.published(entry, money=money)},
                )
            case ev.AccountChanged(account=account):
                self.accounts[account.login] = account
                published["account", account.login] = (
                    account.login,
                    lambda: {"account": _account(account)},
                )
            case ev.MarginCallChanged(account=account, level=level):
                self.accounts[account.login] = account
                published["margin_call", account.login] = (
                    account.login,
                    lambda: {"account": _account(account), "margin_level": level},
                )
            case ev.SmartChanged(smart=smart, what=what):
                self.smarts[smart.id] = smart
                self.smart_timeline.append(event)
                published["smart", smart.id] = (
                    smart.login,
                    lambda: {"smart": shapes.SMART.published(smart), "what": what},
                )
            case ev.RequestChanged(request=request):
                self.requests[request.id] = event
                published["request", request.id] = (
                    request.login,
                    lambda: {
                        "request": shapes.REQUEST.published(
                            request, given={"open": event.open, "outcome": event.outcome}
                        )
                    },
                )
            case _:
                self._collect_desk(event)

    def _collect_desk(self, event: ev.Event) -> None:
        """Keep what concerns the desk itself rather than an account."""
        match event:
            case ev.OfferChanged(offer=offer):
                self.offers[offer.order] = event
                offered = {"requote": shapes.REQUOTE.published(offer, given={"open": event.open})}
                self._publish("requote", offer.login, self.time_ms, offered)
            case ev.AccountDayEnded():
                self.account_days.append(event)
            case ev.AgentCommissionDue():
                self.commissions_due.append(event)
            case ev.PluginChanged():
                self.plugins[event.plugin] = event.state
            case ev.HaltChanged():
                self.halts[event.scope, event.key] = event.level
                shown = {"scope": event.scope, "key": event.key, "level": event.level}
                self._publish("halt", 0, self.time_ms, shown)
            case ev.DealersChanged():
                groups = {name: list(masks) for name, masks in event.dealers.items() if masks is not None}
                self._publish("dealers", 0, self.time_ms, {"names": sorted(event.dealers), "groups": groups})
            case ev.StopOutUnanswered(request=request):
                self.unanswered.append(request)
                told: dict[str, Any] = {
                    "login": request.login,
                    "request": request.id,
                    "position": request.position,
                    "symbol": request.symbol,
                }
                self._publish("stop_out_unanswered", 0, self.time_ms, told)
            case ev.SettingsChanged():
                self.settings.append(event)
                shown = {"kind": event.kind, "key": event.key}
                self._publish("settings", 0, self.time_ms, shown)
            case ev.DayEnded():
                self._publish("day_ended", 0, self.time_ms, {"time_ms": event.time_ms})
            case _:
                raise TypeError(f"an event that nobody keeps: {event!r}")

    def _count_failure(self, event: ev.HookFailed) -> None:
        """Count a plugin's failure; of a plugin that fails again and again one is published a batch."""
        found = self.hook_failures.setdefault((event.plugin, event.point), HookFailures())
        found.times += 1
        found.error = event.error
        if found.times == 1:
            shown = {"plugin": event.plugin, "point": event.point, "error": event.error}
            self._publish("hook_failed", 0, self.time_ms, shown)

    def _publish(self, kind: str, login: int, time_ms: int, data: dict[str, Any]) -> None:
        seq = 0
        account = self.state.accounts.get(login)
        if account is not None:
            account.event_seq += 1
            seq = account.event_seq
            self.accounts[login] = account
        self.outbox.append(Pending(login, seq, kind.split(" ")[0], time_ms, data))


def _money_digits(state: State, login: int) -> int:
    account = state.accounts.get(login)
    return currency_digits(account.currency) if account else 2


def _account(account: Account) -> dict[str, Any]:
    return shapes.ACCOUNT.published(account, money=currency_digits(account.currency))
