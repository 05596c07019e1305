"""What a batch changed, gathered from the engine's events, for the stores and for the outbox.

Promises: of every record that may change again the last state is written once, append-only records are kept
in order; the data of an event to publish is made at the moment of the event. The only thing it writes to a
record is Account.event_seq, the number of an account's last published event.
It does no I/O and decides nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from dealing import shapes
from engine import events as ev
from engine.records import Account, Deal, LedgerEntry, Order, Position, Quote, Request, SmartOrder
from engine.settings import currency_digits
from engine.state import State
from engine.tickets import shard_of

#: What is to be published once all events of a tick or command are taken: by record, whose it is, and what makes its data.
Published = dict[tuple[Any, ...], tuple[Any, ...]]


@dataclass(slots=True)
class Pending:
    """One event to publish: a row of the outbox."""

    login: int
    seq: int
    kind: str
    time_ms: int
    data: dict[str, Any]
    _text: str = ""

    @property
    def text(self) -> str:
        """Return the data as JSON, made once for the row and for whoever listens."""
        if not self._text:
            self._text = json.dumps(self.data)
        return self._text

    @property
    def message(self) -> str:
        """Return the event as JSON, as it is published."""
        return (
            f'{{"login": {self.login}, "seq": {self.seq}, "kind": "{self.kind}", "time_ms": {self.time_ms},'
            f' "data": {self.text}}}'
        )


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
            and (
                self.shard == 0
                if event.kind != "account"
                else shard_of(int(event.key), self.shards) == self.shard
            )
        ]

    def collect(self, happened: Sequence[ev.Event], time_ms: int) -> ev.CommandDone | None:
        """Add the events of one tick or command and return the command's answer, if it is among them.

        Of one record only the last event is published: they all show the same state by now.
        """
        self.time_ms = max(self.time_ms, time_ms)
        done: ev.CommandDone | None = None
        published: Published = {}
        for event in happened:
            kind = type(event)
            if kind in _KEPT:
                self.dirty = True
                _KEPT[kind](self, event, published)
            elif kind in _COUNTED:
                _COUNTED[kind](self, event)
            elif isinstance(event, ev.CommandDone):
                done = event
            else:
                raise TypeError(f"an event that nobody keeps: {event!r}")
        for (name, *_), (login, make, *arguments) in published.items():
            self._publish(name, login, time_ms, make(*arguments))
        return done

    # What changes nothing that would make a batch of its own worth it

    def _count_accepted(self, event: ev.TickAccepted) -> None:
        quote = self.quotes[event.symbol] = event.quote
        self.accepted_ticks += 1
        self.accepted.append((event.symbol, quote.bid, quote.time_ms))

    def _count_refused(self, event: ev.TickRefused) -> None:
        self.refused[event.cause] = self.refused.get(event.cause, 0) + 1
        quote = self.state.quotes.get(event.symbol)
        if quote is not None:  # what is remembered of the last ticks, and the row of deviating ones
            self.quotes[event.symbol] = quote

    def _count_extremes(self, event: ev.ExtremesChanged) -> None:
        self.extremes.add(event.symbol)

    def _count_failure(self, event: ev.HookFailed) -> None:
        """Count a plugin's failure; of a plugin that fails again and again one is published a batch.

        One that fails at every tick must not make every tick a batch.
        """
        failures = self.hook_failures.setdefault((event.plugin, event.point), HookFailures())
        failures.times += 1
        failures.error = event.error
        if failures.times == 1:
            failure = {"plugin": event.plugin, "point": event.point, "error": event.error}
            self._publish("hook_failed", 0, self.time_ms, failure)

    # Records: the last state of each is kept, and what is to be published about it is noted

    def _keep_order(self, event: ev.OrderChanged, published: Published) -> None:
        order = event.order
        self.orders[order.ticket] = order
        published["order", order.ticket] = order.login, _order, order

    def _keep_position(self, event: ev.PositionChanged, published: Published) -> None:
        position = event.position
        self.positions[position.ticket] = position
        money = _money_digits(self.state, position.login)
        published["position", position.ticket] = position.login, _position, position, money

    def _keep_deal(self, event: ev.DealMade, published: Published) -> None:
        deal = event.deal
        self.deals.append(deal)
        published["deal", deal.ticket] = deal.login, _deal, deal, _money_digits(self.state, deal.login)

    def _keep_entry(self, event: ev.LedgerBooked, published: Published) -> None:
        entry = event.entry
        self.ledger.append(entry)
        self.accounts[entry.login] = self.state.accounts[entry.login]
        money = _money_digits(self.state, entry.login)
        published["ledger", entry.login, entry.seq] = entry.login, _entry, entry, money

    def _keep_account(self, event: ev.AccountChanged, published: Published) -> None:
        account = event.account
        self.accounts[account.login] = account
        published["account", account.login] = account.login, _account, account

    def _keep_margin_call(self, event: ev.MarginCallChanged, published: Published) -> None:
        account = event.account
        self.accounts[account.login] = account
        published["margin_call", account.login] = account.login, _margin_call, account, event.level

    def _keep_smart(self, event: ev.SmartChanged, published: Published) -> None:
        smart = event.smart
        self.smarts[smart.id] = smart
        self.smart_timeline.append(event)
        published["smart", smart.id] = smart.login, _smart, smart, event.what

    def _keep_request(self, event: ev.RequestChanged, published: Published) -> None:
        request = event.request
        self.requests[request.id] = event
        published["request", request.id] = request.login, _request, event

    # What concerns the desk itself rather than an account, published at once

    def _keep_offer(self, event: ev.OfferChanged, _: Published) -> None:
        offer = event.offer
        self.offers[offer.order] = event
        data = {"requote": shapes.REQUOTE.published(offer, extra={"open": event.open})}
        self._publish("requote", offer.login, self.time_ms, data)

    def _keep_account_day(self, event: ev.AccountDayEnded, _: Published) -> None:
        self.account_days.append(event)

    def _keep_commission(self, event: ev.AgentCommissionDue, _: Published) -> None:
        self.commissions_due.append(event)

    def _keep_plugin(self, event: ev.PluginChanged, _: Published) -> None:
        self.plugins[event.plugin] = event.state

    def _keep_halt(self, event: ev.HaltChanged, _: Published) -> None:
        self.halts[event.scope, event.key] = event.level
        halt = {"scope": event.scope, "key": event.key, "level": event.level}
        self._publish("halt", 0, self.time_ms, halt)

    def _keep_dealers(self, event: ev.DealersChanged, _: Published) -> None:
        groups = {name: list(masks) for name, masks in event.dealers.items() if masks is not None}
        self._publish("dealers", 0, self.time_ms, {"names": sorted(event.dealers), "groups": groups})

    def _keep_unanswered(self, event: ev.StopOutUnanswered, _: Published) -> None:
        request = event.request
        self.unanswered.append(request)
        data: dict[str, Any] = {
            "login": request.login,
            "request": request.id,
            "position": request.position,
            "symbol": request.symbol,
        }
        self._publish("stop_out_unanswered", 0, self.time_ms, data)

    def _keep_settings(self, event: ev.SettingsChanged, _: Published) -> None:
        self.settings.append(event)
        self._publish("settings", 0, self.time_ms, {"kind": event.kind, "key": event.key})

    def _keep_day_end(self, event: ev.DayEnded, _: Published) -> None:
        self._publish("day_ended", 0, self.time_ms, {"time_ms": event.time_ms})

    def _publish(self, kind: str, login: int, time_ms: int, data: dict[str, Any]) -> None:
        seq = 0
        account = self.state.accounts.get(login)
        if account is not None:
            account.event_seq += 1
            seq = account.event_seq
            self.accounts[login] = account
        self.outbox.append(Pending(login, seq, kind, time_ms, data))


def _order(order: Order) -> dict[str, Any]:
    return {"order": shapes.ORDER.published(order)}


def _position(position: Position, money: int) -> dict[str, Any]:
    return {"position": shapes.POSITION.published(position, money=money)}


def _deal(deal: Deal, money: int) -> dict[str, Any]:
    return {"deal": shapes.DEAL.published(deal, money=money)}


def _entry(entry: LedgerEntry, money: int) -> dict[str, Any]:
    return {"ledger": shapes.ENTRY.published(entry, money=money)}


def _account(account: Account) -> dict[str, Any]:
    return {"account": shapes.ACCOUNT.published(account, money=_digits_of(account.currency))}


def _margin_call(account: Account, level: Any) -> dict[str, Any]:
    return {
        "account": shapes.ACCOUNT.published(account, money=_digits_of(account.currency)),
        "margin_level": level,
    }


def _smart(smart: SmartOrder, what: str) -> dict[str, Any]:
    return {"smart": shapes.SMART.published(smart), "what": what}


def _request(event: ev.RequestChanged) -> dict[str, Any]:
    return {
        "request": shapes.REQUEST.published(
            event.request, extra={"open": event.open, "outcome": event.outcome}
        )
    }


_digits_of = cache(currency_digits)


def _money_digits(state: State, login: int) -> int:
    account = state.accounts.get(login)
    return _digits_of(account.currency) if account else 2


#: How each kind of event is kept.
_KEPT: dict[type[ev.Event], Callable[[Changes, Any, Published], None]] = {
    ev.OrderChanged: Changes._keep_order,
    ev.PositionChanged: Changes._keep_position,
    ev.DealMade: Changes._keep_deal,
    ev.LedgerBooked: Changes._keep_entry,
    ev.AccountChanged: Changes._keep_account,
    ev.MarginCallChanged: Changes._keep_margin_call,
    ev.SmartChanged: Changes._keep_smart,
    ev.RequestChanged: Changes._keep_request,
    ev.OfferChanged: Changes._keep_offer,
    ev.AccountDayEnded: Changes._keep_account_day,
    ev.AgentCommissionDue: Changes._keep_commission,
    ev.PluginChanged: Changes._keep_plugin,
    ev.HaltChanged: Changes._keep_halt,
    ev.DealersChanged: Changes._keep_dealers,
    ev.StopOutUnanswered: Changes._keep_unanswered,
    ev.SettingsChanged: Changes._keep_settings,
    ev.DayEnded: Changes._keep_day_end,
}
_COUNTED: dict[type[ev.Event], Callable[[Changes, Any], None]] = {
    ev.TickAccepted: Changes._count_accepted,
    ev.TickRefused: Changes._count_refused,
    ev.ExtremesChanged: Changes._count_extremes,
    ev.HookFailed: Changes._count_failure,
}
