"""The engine's two doors: ticks and commands in, events out.

Engine owns a State and everything armed on it. It has no clock: time comes with every call and never goes
back. It does no I/O and returns everything that happened as events, in order. An exception out of a door
means that memory can no longer be trusted: drop the engine and load it anew.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from fractions import Fraction
from heapq import heappop
from typing import Any

from engine import commands as c
from engine import pipeline, plans
from engine.calendar import next_day_end
from engine.codes import Code
from engine.core import Core
from engine.day import end_day, next_swap
from engine.enums import OrderReason, RequestKind, TickRefusal
from engine.events import CommandDone, Event, StopOutUnanswered, TickAccepted, TickRefused
from engine.handlers import (
    back_office,
    closing,
    dealers,
    gate,
    orders,
    presence,
    smart_changing,
    smart_ending,
    smart_placing,
)
from engine.hooks import Plugin, Registration
from engine.invariants import InvariantError, faults
from engine.order_ending import cancel_order, drop_request
from engine.profit import floating_profit
from engine.rates import close_price, group_quote, open_price
from engine.records import Quote
from engine.requotes import OFFER_EXPIRY, forget
from engine.rounding import fraction_text, to_text
from engine.settings import LAST_MS, Symbol, currency_digits
from engine.stages import quotes
from engine.stages.triggered import AcceptedTick
from engine.state import State
from engine.valuation import account_state, keep_rates, wrong_sums

HANDLERS: dict[type[c.Command], Callable[[Core, Any], CommandDone]] = {
    c.PlaceOrder: orders.place,
    c.ModifyOrder: orders.modify,
    c.CancelOrder: orders.cancel,
    c.ClosePosition: closing.close,
    c.CloseBy: closing.close_by,
    c.ModifyPosition: closing.modify,
    c.PlaceSmart: smart_placing.place,
    c.ModifySmart: smart_changing.modify,
    c.CancelSmart: smart_ending.cancel,
    c.BalanceOperation: back_office.balance,
    c.BookAgentCommission: back_office.agent_commission,
    c.ChangeSettings: back_office.change_settings,
    c.SetHalt: back_office.set_halt,
    c.ConfigurePlugin: back_office.configure_plugin,
    c.SetDealers: presence.set_dealers,
    c.TakeRequest: dealers.take,
    c.AnswerRequest: dealers.answer,
    c.AcceptRequote: dealers.accept_requote,
}

_TRANSIENT = frozenset({"gen", "last_rate", "mark_seq", "modified_ms", "arrived_ms"})


class Engine:
    """All accounts of one shard, under one writer."""

    def __init__(
        self, state: State, plugins: Iterable[Registration | Plugin] = (), *, shard: int = 0, shards: int = 1
    ) -> None:
        self.state = state
        self.core = Core(state, plugins, shard=shard, shards=shards)
        state.index()

    # Doors

    def on_tick(
        self,
        symbol_name: str,
        bid: str,
        ask: str,
        time_ms: int,
        *,
        passed_ms: int | None = None,
        age_ms: int = 0,
    ) -> list[Event]:
        """Take a tick: prices as decimal text. The first event says whether it was accepted.

        passed_ms: a count of milliseconds that only passes, the same at every door; None: the engine's time is one.
        age_ms: how long before it the tick arrived; without `passed_ms` its time says so.
        """
        core = self.core
        symbol = self.state.symbols.get(symbol_name)
        if symbol is None:
            return [TickRefused(symbol_name, TickRefusal.UNKNOWN.value)]
        quote = self._take_quote(symbol, bid, ask, time_ms, passed_ms, age_ms)
        if isinstance(quote, TickRefusal):
            return [TickRefused(symbol_name, quote.value)]
        if core.hooks.watches(symbol_name):
            core.hooks.on_tick(symbol_name, bid, ask, time_ms)
        pipeline.run(core, AcceptedTick(symbol, quote))
        core.finish()
        return self._drain()

    def on_missed_tick(self, symbol_name: str, bid: str, ask: str, time_ms: int) -> list[Event]:
        """Take a tick of a long absence: it becomes the quote, so that day ends find it, and triggers nothing."""
        symbol = self.state.symbols.get(symbol_name)
        if symbol is None:
            return [TickRefused(symbol_name, TickRefusal.UNKNOWN.value)]
        quote = self._take_quote(symbol, bid, ask, time_ms)
        if isinstance(quote, TickRefusal):
            return [TickRefused(symbol_name, quote.value)]
        self.core.bounds.passed_over(symbol_name, quote.bid, quote.ask)
        self.core.finish()
        return self._drain()

    def _take_quote(
        self,
        symbol: Symbol,
        bid: str,
        ask: str,
        time_ms: int,
        passed_ms: int | None = None,
        age_ms: int = 0,
    ) -> Quote | TickRefusal:
        """Judge a tick; where it is accepted let its time come, then make it the symbol's quote."""
        core, name = self.core, symbol.name
        prices = quotes.judge(core, symbol, bid, ask, time_ms)
        if isinstance(prices, TickRefusal):
            return prices
        self._advance(time_ms, passed_ms)  # a day that has ended by now ends with the quotes that stood
        last = self.state.quotes.get(name)
        was_positive = last is not None and last.bid > 0
        if was_positive and prices[0] <= 0:
            keep_rates(self.state, name)
        quote = quotes.accept(core, symbol, prices, time_ms)
        if passed_ms is not None:
            quote.arrived_ms = passed_ms - age_ms
        core.emit(TickAccepted(name, quote))
        if last is None or was_positive is not (quote.bid > 0):  # conversions may find another path
            self.state.paths.clear()
            core.bounds.touch_all()
        return quote

    def refuse_tick(self, symbol_name: str, cause: TickRefusal) -> list[Event]:
        """Count a tick that whoever reads ticks has refused, for a reason that the engine cannot see."""
        quote = self.state.quotes.get(symbol_name)
        if quote is not None:
            quote.note(refused=True)
        return [TickRefused(symbol_name, cause.value)]

    def on_command(self, command: c.Command, time_ms: int, *, passed_ms: int | None = None) -> list[Event]:
        """Take a command; exactly one CommandDone is among the events, the last of them."""
        core = self.core
        self._advance(time_ms, passed_ms)
        if not 0 <= getattr(command, "time_ms", 0) <= LAST_MS:
            done = CommandDone(Code.INVALID_SETTING, f"time {command.time_ms} is not from 0 to {LAST_MS}")  # type: ignore[attr-defined]
        elif isinstance(command, c.AdvanceTime):
            self._advance(command.time_ms, passed_ms)
            done = CommandDone("")
        else:
            done = gate.refused(core, command) or HANDLERS[type(command)](core, command)
        core.finish()
        core.emit(done)
        return self._drain()

    def on_time(self, time_ms: int, *, passed_ms: int | None = None) -> list[Event]:
        """Let the clock act: orders expire, requests of the dealers' queue time out."""
        self._advance(time_ms, passed_ms)
        self.core.finish()
        return self._drain()

    def _drain(self) -> list[Event]:
        events = self.core.out[:]
        self.core.out.clear()
        return events

    def _advance(self, time_ms: int, passed_ms: int | None) -> None:
        """Let the clock come as far: day ends, expiries and timeouts act in their order, each at its own moment."""
        core, state = self.core, self.state
        target = max(state.now_ms, time_ms)
        state.passed_ms = max(state.passed_ms, target if passed_ms is None else passed_ms)
        if not state.day_end_ms:
            state.day_end_ms = next_day_end(state.server.zone, state.server.day_end_ms, target)
        expiries = core.expiries
        while state.day_end_ms <= target or (expiries and expiries[0][0] <= target):
            if expiries and expiries[0][0] < state.day_end_ms:
                at, kind, number = heappop(expiries)
                state.now_ms = max(state.now_ms, at)
                self._expire(at, kind, number)
                continue
            at = state.day_end_ms
            state.now_ms = max(state.now_ms, at)
            end_day(core, at)
            state.day_end_ms = next_day_end(state.server.zone, state.server.day_end_ms, at)
        state.now_ms = target

    def _expire(self, at: int, kind: int, number: int) -> None:
        core, state = self.core, self.state
        if kind == 0:
            order = state.orders.get(number)
            if order is not None and order.expires_ms == at:
                cancel_order(core, order, reason=OrderReason.EXPIRATION)
                core.bounds.touch(order.login)
            return
        if kind == OFFER_EXPIRY:
            forget(core, number)
            return
        request = state.requests.get(number)
        if request is not None and request.expires_ms + 1 == at:
            drop_request(core, request, Code.TIMEOUT.value)
            if request.kind is RequestKind.STOP_OUT:
                core.emit(StopOutUnanswered(request))

    # Recovery

    def after_commit(self, events: Sequence[Event]) -> list[Event]:
        """Show plugins what is in the database now, and return what became of that: their failures."""
        self.core.hooks.after_commit(events)
        return self._drain()

    def recover(self) -> list[Event]:
        """Arm everything from loaded records; call once after filling the state. Returns plugins' failures.

        Quotes count as having arrived at their own times, and time passes on from the engine's.
        """
        self.state.passed_ms = self.state.now_ms
        for quote in self.state.quotes.values():
            quote.arrived_ms = quote.time_ms
        self.state.index()
        self.core.hooks.remember(self.state.plugin_states)
        self.core.recover_marks()
        self.core.arm_everything()
        self.arm_bounds()
        return self._drain()

    def arm_bounds(self, most: int | None = None) -> int:
        """Do ahead of the next tick what it would have to do for every account that a change has touched.

        A change of settings, a day end or a new pair may touch all accounts at once. Call it between ticks, with
        as many accounts at a time as there is time for, until it returns 0. It changes nothing that happens.
        """
        bounds = self.core.bounds
        return bounds.arm_some(len(bounds.backlog) if most is None else most)

    def check(self, *, sums: bool = False) -> None:
        """Assert what must hold between two calls; `sums`: also that what is summed up equals adding up afresh.

        Raises:
            InvariantError: the first thing found wrong.
        """
        for _login, what in faults(self.state):
            raise InvariantError(what)
        for _login, what in wrong_sums(self.state) if sums else ():
            raise InvariantError(what)

    def state_hash(self) -> str:
        """Return a digest of all trading state, equal for equal states whatever their history in memory."""
        state = self.state
        for smart in state.smarts.values():
            self.core.sync_mark(smart)
        parts = {
            "accounts": [_plain(a) for a in sorted(state.accounts.values(), key=lambda a: a.login)],
            "orders": [_plain(o) for o in sorted(state.orders.values(), key=lambda o: o.ticket)],
            "positions": [_plain(p) for p in sorted(state.positions.values(), key=lambda p: p.ticket)],
            "smarts": [_plain(s) for s in sorted(state.smarts.values(), key=lambda s: s.id)],
            "offers": [_plain(o) for o in sorted(state.offers.values(), key=lambda o: o.order)],
            "requests": [_plain(r) for r in sorted(state.requests.values(), key=lambda r: r.id)],
            "quotes": {name: _plain(q) for name, q in sorted(state.quotes.items())},
            "counters": [state.next_order, state.next_deal, state.next_request],
            "day_end": state.day_end_ms,
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    # Views: decimal text for those who look

    def accounts_with_positions(self) -> list[int]:
        """Return the logins that have open positions."""
        return [login for login, book in self.state.books.items() if book.positions]

    def account_view(self, login: int) -> dict[str, Any]:
        """Return balance, credit, equity, margin, free margin, level and floating profit as decimal text."""
        figures = account_state(self.state, login)
        account = self.state.accounts[login]
        digits = currency_digits(account.currency)
        return {
            "login": login,
            "currency": account.currency,
            "balance": to_text(figures.balance, digits),
            "credit": to_text(figures.credit, digits),
            "equity": to_text(figures.equity, digits),
            "margin": to_text(figures.margin, digits),
            "free_margin": to_text(figures.free_margin, digits),
            "margin_level": figures.level_text,
            "floating": to_text(figures.floating, digits),
            "margin_call": account.margin_call,
        }

    def position_view(self, ticket: int) -> dict[str, Any]:
        """Return an open position with its live profit and the stop that its smart order stands for."""
        state = self.state
        position = state.positions[ticket]
        digits = currency_digits(state.accounts[position.login].currency)
        view = group_quote(state, state.group_of(position.login), state.symbols[position.symbol])
        smart = state.smarts.get(position.smart)
        stop = plans.shown_stop(position, smart)
        price = None if view is None else close_price(view, position.side)
        return {
            "ticket": ticket,
            "symbol": position.symbol,
            "side": position.side.value,
            "open_price": fraction_text(position.open_price / 10**position.digits, position.digits),
            "price": None if price is None else to_text(price, position.digits),
            "profit": to_text(floating_profit(state, position), digits),
            "leverage": int(position.leverage),
            "fees": to_text(position.fees, digits),
            "swap": to_text(position.swap, digits),
            "sl": to_text(stop, position.digits) if stop is not None else None,
            "tp": to_text(position.tp, position.digits) if position.tp is not None else None,
            "next_swap": self.next_swap(ticket),
        }

    def next_day_end_ms(self) -> int:
        """Return the moment of the next day end."""
        state = self.state
        return state.day_end_ms or next_day_end(state.server.zone, state.server.day_end_ms, state.now_ms)

    def next_swap(self, ticket: int) -> str:
        """Return the swap, in account currency, that the next day end would add to a position now."""
        position = self.state.positions[ticket]
        swap = next_swap(self.core, position, self.next_day_end_ms())
        return to_text(swap, currency_digits(self.state.accounts[position.login].currency))

    def order_price(self, ticket: int) -> str | None:
        """Return the market's price of a pending order's side, as its account's group sees it."""
        order = self.state.orders[ticket]
        symbol = self.state.symbols.get(order.symbol)
        view = symbol and group_quote(self.state, self.state.group_of(order.login), symbol)
        return None if not view else to_text(open_price(view, order.type.side), order.digits)

    def smart_view(self, number: int) -> dict[str, Any]:
        """Return what moves of a live smart order: effective stop, what makes it, mark, open profit."""
        smart = self.state.smarts[number]
        stop, mark = plans.effective_stop(smart), plans.current_mark(smart)
        position = self.state.positions.get(smart.position)
        digits = currency_digits(self.state.accounts[smart.login].currency)
        profit = 0 if position is None else floating_profit(self.state, position)
        return {
            "id": number,
            "state": smart.state.value,
            "version": smart.version,
            "effective_stop": None if stop is None else to_text(stop, smart.digits),
            "stop_source": plans.stop_source(smart),
            "high_water_mark": None
            if mark is None or smart.callback is None
            else to_text(mark, smart.digits),
            "open_profit": to_text(profit, digits),
        }


def _plain(record: Any) -> dict[str, Any]:
    """Return a record as JSON values, without what only memory has."""
    plain: dict[str, Any] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if f.name in _TRANSIENT or (f.name == "group" and not isinstance(value, str)):
            continue
        if isinstance(value, Fraction):
            value = f"{value.numerator}/{value.denominator}"
        elif isinstance(value, list):
            value = [_plain(item) for item in value]
        plain[f.name] = value
    return plain


__all__ = ["Engine", "InvariantError"]
