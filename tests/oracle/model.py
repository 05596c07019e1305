"""The twin as a backend of the scenario runner: steps in, state out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from scenario.backend import State, Value
from scenario.format import START_MS, Scenario
from tests.oracle import days, dealing, orders, plans, release, settings, smart, ticks, trading
from tests.oracle.book import Book, Deal, Order, Position, Smart
from tests.oracle.margin import account_state, floating, shown_leverage
from tests.oracle.numbers import printed


class Twin:
    """Every rule of the book, by scanning."""

    def __init__(self, scenario: Scenario) -> None:
        self.book = Book(scenario.symbols, scenario.groups, scenario.accounts, scenario.server)
        self.book.now_ms = START_MS
        self.book.day_end_ms = days.next_end(self.book, START_MS)
        for account in scenario.accounts:
            trading.book_money(self.book, account["login"], "deposit", Fraction(account["balance"]))
            trading.book_money(self.book, account["login"], "credit_in", Fraction(account["credit"]))

    def _at(self, time_ms: int) -> Book:
        """Move the clock: days end, orders expire and requests time out before anything else happens.

        What expires or times out before a day end comes before it.
        """
        book = self.book
        book.touched, book.actor = set(), "system"
        while book.day_end_ms <= time_ms:
            end = book.day_end_ms
            self._pass(end - 1)
            book.now_ms = end
            days.end_day(book, end)
            book.day_end_ms = days.next_end(book, end)
        self._pass(time_ms)
        book.touched = set()
        return book

    def _pass(self, time_ms: int) -> None:
        self.book.now_ms = max(self.book.now_ms, time_ms)
        orders.expire(self.book)
        dealing.time_out(self.book)

    def tick(self, value: Value, time_ms: int) -> str | None:
        return ticks.tick(self._at(time_ms), value)

    def place(self, value: Value, time_ms: int) -> str | None:
        return orders.place(self._at(time_ms), value)

    def close(self, value: Value, time_ms: int) -> str | None:
        return orders.close(self._at(time_ms), value)

    def close_by(self, value: Value, time_ms: int) -> str | None:
        return orders.close_by(self._at(time_ms), value)

    def modify(self, value: Value, time_ms: int) -> str | None:
        return orders.modify(self._at(time_ms), value)

    def accept(self, value: Value, time_ms: int) -> str | None:
        return orders.accept(self._at(time_ms), value)

    def cancel(self, value: Value, time_ms: int) -> str | None:
        return orders.cancel(self._at(time_ms), value)

    def smart(self, value: Value, time_ms: int) -> str | None:
        return plans.create(self._at(time_ms), value)

    def smart_modify(self, value: Value, time_ms: int) -> str | None:
        return plans.modify(self._at(time_ms), value["smart"], value)

    def smart_cancel(self, value: Value, time_ms: int) -> str | None:
        return plans.cancel(self._at(time_ms), value["smart"])

    def balance(self, value: Value, time_ms: int) -> str | None:
        return orders.balance(self._at(time_ms), value)

    def set(self, value: Value, time_ms: int) -> str | None:
        book = self._at(time_ms)
        if "server" in value:
            return settings.change_server(book, value["values"])
        if orders.is_wrong_setting(book, value):
            return "invalid_setting"
        tables = {"symbol": book.symbols, "group": book.groups, "account": book.accounts}
        kind = next(kind for kind in tables if kind in value)
        record = tables[kind][value[kind]]
        if not settings.may_be_saved(book, record, value["values"]):
            return "invalid_setting"
        record.assign(value["values"])
        return None

    def dealers(self, value: list[Any], time_ms: int) -> str | None:
        release.set_dealers(self._at(time_ms), {dealer["name"]: dealer["groups"] for dealer in value})
        return None

    def dealer(self, value: Value, time_ms: int) -> str | None:
        return dealing.answer(self._at(time_ms), value)

    def hook(self, value: Value, time_ms: int) -> str | None:
        price = None if value["price"] is None else Fraction(value["price"])
        hook = {"answer": value["answer"], "price": price, "times": value["times"]}
        self._at(time_ms).hooks[value["name"]] = hook
        return None

    def day_end(self, value: Value, time_ms: int) -> str | None:
        return self.wait(0, time_ms)

    def wait(self, value: int, time_ms: int) -> str | None:
        del value
        self._at(time_ms)
        return None

    def restart(self, value: Value, time_ms: int) -> str | None:
        """Keep everything: a recovered engine must be one that never stopped."""
        return self.wait(0, time_ms)

    def stop(self) -> None:
        """Nothing is held."""

    def state(self) -> State:
        book = self.book
        return {
            "accounts": {str(login): self._account(login) for login in book.accounts},
            "orders": {name: self._order(order) for name, order in book.names.items()},
            "positions": {
                str(login): [self._position(p) for p in book.positions_of(login)] for login in book.accounts
            },
            "deals": {str(login): [self._deal(d) for d in deals] for login, deals in book.deals.items()},
            "smart": {plan.name: self._smart(plan) for plan in book.smart if plan.name is not None},
            "requests": [request.name for request in book.requests],
            "ledger": {
                str(account.login): [
                    {"kind": kind, "amount": printed(amount, book.digits(account.login))}
                    for kind, amount in account.ledger
                ]
                for account in book.accounts.values()
            },
        }

    def _account(self, login: int) -> dict[str, Any]:
        state, digits = account_state(self.book, login), self.book.digits(login)
        return {
            "balance": printed(state.balance, digits),
            "credit": printed(state.credit, digits),
            "equity": printed(state.equity, digits),
            "margin": printed(state.margin, digits),
            "free_margin": printed(state.free_margin, digits),
            "margin_level": printed(state.level, 2),
        }

    def _order(self, order: Order) -> dict[str, Any]:
        symbol = self.book.symbols.get(order.symbol)
        volume_digits, digits = (symbol.volume_digits, symbol.digits) if symbol else (2, 5)
        return {
            "status": order.status,
            "comment": order.comment,
            "reason": order.reason,
            "error": order.error,
            "login": order.login,
            "symbol": order.symbol,
            "type": order.type,
            "volume": printed(order.volume, volume_digits),
            "price": printed(order.price, digits),
            "requote_price": printed(order.requoted, digits),
        }

    def _position(self, position: Position) -> dict[str, Any]:
        symbol, money = self.book.symbols[position.symbol], self.book.digits(position.login)
        return {
            "of": position.name,
            "symbol": position.symbol,
            "side": position.side,
            "volume": printed(position.volume, symbol.volume_digits),
            "open_price": printed(position.open_price, symbol.digits),
            "leverage": shown_leverage(position),
            "sl": printed(position.sl, symbol.digits),
            "tp": printed(position.tp, symbol.digits),
            "profit": printed(floating(self.book, position), money),
            "fees": printed(position.fees, money),
            "swap": printed(position.swap, money),
        }

    def _deal(self, deal: Deal) -> dict[str, Any]:
        symbol, money = self.book.symbols[deal.symbol], self.book.digits(deal.order.login)
        return {
            "order": deal.order.name,
            "symbol": deal.symbol,
            "direction": deal.direction,
            "side": deal.side,
            "volume": printed(deal.volume, symbol.volume_digits),
            "price": printed(deal.price, symbol.digits),
            "requested_price": printed(deal.requested, symbol.digits),
            "profit": printed(deal.profit, money),
            "fees": printed(deal.fees, money),
            "swap": printed(deal.swap, money),
            "reason": deal.order.reason,
            "comment": deal.order.comment,
            "by": deal.by,
            "market_bid": printed(deal.market and deal.market[0], symbol.digits),
            "market_ask": printed(deal.market and deal.market[1], symbol.digits),
            "group_bid": printed(deal.view and deal.view[0], symbol.digits),
            "group_ask": printed(deal.view and deal.view[1], symbol.digits),
        }

    def _smart(self, plan: Smart) -> dict[str, Any]:
        symbol = self.book.symbols[plan.symbol]
        return {
            "state": plan.state,
            "levels": [level.status for level in plan.levels],
            "stop": printed(smart.stop_of(plan) if plan.is_open else plan.fired, symbol.digits),
            "high_water_mark": printed(plan.mark, symbol.digits),
            "break_even_triggered": plan.even_stop is not None,
            "remaining": printed(plan.remaining, symbol.volume_digits),
            "version": plan.version,
        }
