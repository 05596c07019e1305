"""The engine alone, in memory, as a backend of the scenario runner.

It plays the journal's part (tickets, repeated client ids) and the stores' part (scenario/memory.py); all
rules are the engine's.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from engine import commands as c
from engine.engine import Engine
from engine.enums import By, DealerAnswer, EntryType, LedgerKind, Side
from engine.events import CommandDone, TickRefused
from engine.order_types import OrderType
from engine.plans import current_mark, effective_stop
from engine.records import VOLUME_SCALE, Deal, Order, Position, Request, SmartOrder
from engine.rounding import fraction_text, to_text
from engine.settings import Group, Server, Symbol, currency_digits
from engine.state import State as EngineState
from plugins.scripted import Scripted
from scenario.backend import NotOpened, State, Value
from scenario.format import START_MS, Scenario
from scenario.memory import Rows

_TICKET_STEP = 10


class EngineBackend:
    """One engine with the scenario's symbols, groups and accounts."""

    def __init__(self, scenario: Scenario) -> None:
        state = EngineState(now_ms=START_MS, server=Server.from_values(scenario.server))
        self.values: dict[tuple[str, str], dict[str, Any]] = {}
        self.volume_digits: dict[str, int] = {}
        for index, values in enumerate(scenario.symbols):
            state.symbols[values["name"]] = Symbol.from_values(values, index=index)
            self.values["symbol", values["name"]] = dict(values)
            self._note_volume(values["name"], values["volume_step"])
        for values in scenario.groups:
            state.groups[values["name"]] = Group.from_values(values)
            self.values["group", values["name"]] = dict(values)
        self.values["server", "True"] = dict(scenario.server)
        self.rows = Rows()
        self.plugin = Scripted()
        self.engine = Engine(state, [self.plugin])
        self.names: dict[int, str] = {}
        self.tickets: dict[str, int] = {}
        self.smart_ids: dict[str, int] = {}
        self.smart_logins: dict[str, int] = {}
        self.client_ids: dict[tuple[int, str], tuple[int, str | None]] = {}
        self.next_ticket = 1
        for values in scenario.accounts:
            self._add_account(values)
        for values in scenario.accounts:  # an agent may stand below its client
            if values["agent"] is not None:
                self._set_account(values["login"], {"agent": values["agent"]})

    def _note_volume(self, symbol: str, step: str) -> None:
        self.volume_digits[symbol] = len(step.partition(".")[2])

    def _add_account(self, values: Mapping[str, Any]) -> None:
        settings = {k: v for k, v in values.items() if k not in ("login", "balance", "credit", "agent")}
        login = values["login"]
        self._set_account(login, settings)
        for kind, amount in (
            (LedgerKind.DEPOSIT, values["balance"]),
            (LedgerKind.CREDIT_IN, values["credit"]),
        ):
            if Fraction(amount):
                booked = LedgerKind.CORRECTION if Fraction(amount) < 0 else kind
                command = c.BalanceOperation(login=login, kind=booked, amount=amount, by=By.MANAGER)
                done = self._do(command, START_MS)
                if done.code:
                    raise NotOpened(f"account {login}: {amount} cannot be booked: {done.code}")

    def _set_account(self, login: int, settings: dict[str, Any]) -> None:
        command = c.ChangeSettings(kind="account", key=str(login), values=settings, by=By.SYSTEM)
        done = self._do(command, START_MS)
        if done.code:
            raise NotOpened(f"account {login}: {done.message} ({done.code})")

    def _do(self, command: c.Command, time_ms: int) -> CommandDone:
        events = self.engine.on_command(command, time_ms)
        self.rows.record(events, self.engine.state)
        done = events[-1]
        assert isinstance(done, CommandDone)
        return done

    def _ticket(self, name: str | None) -> int:
        ticket = self.next_ticket * _TICKET_STEP
        self.next_ticket += 1
        if name is not None:
            self.names[ticket] = name
            self.tickets[name] = ticket
        return ticket

    def _find(self, name: str | None) -> int:
        return self.tickets.get(name, -1) if name is not None else -1

    # Steps

    def tick(self, value: Value, time_ms: int) -> str | None:
        """Advance the clock, then hand over the tick with its own time."""
        self.wait(0, time_ms)
        events = self.engine.on_tick(value["symbol"], value["bid"], value["ask"], value["time_ms"])
        self.rows.record(events, self.engine.state)
        first = events[0]
        return first.cause if isinstance(first, TickRefused) else None

    def place(self, value: Value, time_ms: int) -> str | None:
        """Place an order; a repeated client id is answered like the first."""
        key = (value["login"], value["client_id"])
        if value["client_id"] is not None and key in self.client_ids:
            self.wait(0, time_ms)
            first, error = self.client_ids[key]
            if value["as"] is not None:
                self.tickets[value["as"]] = first  # another name for the order that was made then
            return error
        ticket = self._ticket(value["as"])
        command = c.PlaceOrder(
            login=value["login"], symbol=value["symbol"], type=OrderType(value["type"]), volume=value["volume"],
            price=value["price"], limit_price=value["limit_price"], sl=value["sl"], tp=value["tp"],
            expires=value["expires"], leverage=value["leverage"], by=By(value["by"]),
            open_price=value["open_price"], ticket=ticket, client_id=value["client_id"] or "",
            expected_price=value["expected_price"], deviation=value["deviation"],
        )  # fmt: skip
        error = self._do(command, time_ms).code or None
        if value["client_id"] is not None:
            self.client_ids[key] = ticket, error
        return error

    def close(self, value: Value, time_ms: int) -> str | None:
        """Close a position or part of it."""
        command = c.ClosePosition(
            login=value["login"], position=self._find(value["position"]), volume=value["volume"],
            by=By(value["by"]), price=value["price"], ticket=self._ticket(value["as"]),
            expected_price=value["expected_price"], deviation=value["deviation"],
        )  # fmt: skip
        return self._do(command, time_ms).code or None

    def close_by(self, value: Value, time_ms: int) -> str | None:
        """Close two positions against each other."""
        command = c.CloseBy(
            login=value["login"], position=self._find(value["position"]), opposite=self._find(value["opposite"]),
            ticket=self._ticket(value["as"]),
        )  # fmt: skip
        return self._do(command, time_ms).code or None

    def modify(self, value: Value, time_ms: int) -> str | None:
        """Change levels of a position, or levels and price of an order."""
        command: c.Command
        if value["position"] is not None:
            command = c.ModifyPosition(
                login=value["login"], position=self._find(value["position"]), sl=value["sl"], tp=value["tp"]
            )
        else:
            command = c.ModifyOrder(
                login=value["login"], order=self._find(value["order"]), price=value["price"], sl=value["sl"],
                tp=value["tp"],
            )  # fmt: skip
        return self._do(command, time_ms).code or None

    def accept(self, value: Value, time_ms: int) -> str | None:
        """Accept a requote."""
        command = c.AcceptRequote(
            login=value["login"], order=self._find(value["order"]), ticket=self._ticket(value["as"])
        )
        return self._do(command, time_ms).code or None

    def cancel(self, value: Value, time_ms: int) -> str | None:
        """Delete a pending order."""
        command = c.CancelOrder(login=value["login"], order=self._find(value["order"]))
        return self._do(command, time_ms).code or None

    def smart(self, value: Value, time_ms: int) -> str | None:
        """Create a smart order; its name stands for the plan, its entry order and its position."""
        entry, trailing, even = value["entry"], value["trailing"] or {}, value["break_even"]
        number = self._ticket(None)
        ticket = self._ticket(None)
        takes_over = entry["type"] == EntryType.POSITION.value
        command = c.PlaceSmart(
            login=value["login"], smart=number, ticket=ticket, symbol=value["symbol"], side=Side(value["side"]),
            volume=value["volume"], entry=EntryType(entry["type"]), price=entry["price"],
            position=self._find(entry["position"]) if takes_over else None,
            take_profits=[[level["price"], level["percent"]] for level in value["take_profits"]],
            stop_loss=value["stop_loss"], callback=trailing.get("callback"), activation=trailing.get("activation"),
            break_even=even is not None, offset=0 if even is None else even["offset"],
        )  # fmt: skip
        error = self._do(command, time_ms).code or None
        if value["as"] is not None:
            self.smart_logins[value["as"]] = value["login"]  # also of a plan that was refused
        if error is None and value["as"] is not None:
            self.smart_ids[value["as"]] = number
            self.names[number] = value["as"]
            if not takes_over:
                self.names[ticket] = value["as"]
                self.tickets[value["as"]] = ticket
        return error

    def _plan(self, name: str) -> SmartOrder | None:
        return self.rows.smarts.get(self.smart_ids.get(name, -1))

    def smart_modify(self, value: Value, time_ms: int) -> str | None:
        """Change a plan; what is left out stays."""
        plan = self._plan(value["smart"])
        even = value.get("break_even")
        command = c.ModifySmart(
            login=self.smart_logins[value["smart"]], smart=plan.id if plan is not None else -1,
            version=value.get("version"), stop_loss=value.get("stop_loss"), callback=value.get("callback"),
            break_even=(even is not None) if "break_even" in value else None,
            offset=even["offset"] if even is not None else None,
        )  # fmt: skip
        return self._do(command, time_ms).code or None

    def smart_cancel(self, value: Value, time_ms: int) -> str | None:
        """End a plan by hand."""
        plan = self._plan(value["smart"])
        command = c.CancelSmart(
            login=self.smart_logins[value["smart"]],
            smart=plan.id if plan is not None else -1,
        )
        return self._do(command, time_ms).code or None

    def balance(self, value: Value, time_ms: int) -> str | None:
        """Move money as a manager does."""
        command = c.BalanceOperation(
            login=value["login"], kind=LedgerKind(value["kind"]), amount=value["amount"],
            override=value["override"], by=By.MANAGER,
        )  # fmt: skip
        return self._do(command, time_ms).code or None

    def set(self, value: Value, time_ms: int) -> str | None:
        """Change settings between two ticks."""
        kind = next(k for k in ("symbol", "group", "account", "server") if k in value)
        key = str(value[kind])
        values = {**self.values.get((kind, key), {}), **value["values"]}
        command = c.ChangeSettings(kind=kind, key=key, values=values, by=By.SYSTEM)
        code = self._do(command, time_ms).code or None
        if code is None and kind != "account":
            self.values[kind, key] = values
            if kind == "symbol":
                self._note_volume(key, values["volume_step"])
        return code

    def dealers(self, value: list[dict[str, Any]], time_ms: int) -> str | None:
        """Say who is online, and for which groups."""
        groups = {dealer["name"]: dealer["groups"] for dealer in value if dealer["groups"] is not None}
        command = c.SetDealers(names=[dealer["name"] for dealer in value], groups=groups, by=By.SYSTEM)
        return self._do(command, time_ms).code or None

    def dealer(self, value: Value, time_ms: int) -> str | None:
        """Answer the oldest request of that name."""
        self.wait(0, time_ms)
        requests = self.engine.state.requests.values()
        found = next((r.id for r in requests if self._request_name(r) == value["request"]), -1)
        command = c.AnswerRequest(
            request=found, answer=DealerAnswer(value["answer"]), price=value["price"], by=By.MANAGER
        )
        return self._do(command, time_ms).code or None

    def hook(self, value: Value, time_ms: int) -> str | None:
        """Script a hook's answers."""
        command = c.ConfigurePlugin(plugin=Scripted.name, values=dict(value), by=By.SYSTEM)
        return self._do(command, time_ms).code or None

    def day_end(self, value: Value, time_ms: int) -> str | None:
        """Let the clock come to the day end."""
        del value
        return self.wait(0, time_ms)

    def wait(self, value: int, time_ms: int) -> str | None:
        """Let the clock act."""
        del value
        self.rows.record(self.engine.on_time(time_ms), self.engine.state)
        return None

    def restart(self, value: Value, time_ms: int) -> str | None:
        """Drop the engine and recover another from what was recorded."""
        del value
        self.wait(0, time_ms)
        self.engine.check(sums=True)
        before = self.engine.state_hash()
        self.plugin = Scripted()
        self.engine = Engine(self.rows.load(self.engine.state), [self.plugin])
        self.engine.recover()
        self.engine.check(sums=True)
        if self.engine.state_hash() != before:
            raise AssertionError("the recovered state differs from the one that was dropped")
        return None

    def stop(self) -> None:
        """Hold nothing."""

    # State

    def state(self) -> State:
        """Return everything in the shapes of `expect`."""
        self.engine.check(sums=True)
        logins = sorted(self.engine.state.accounts)
        rows = self.rows
        return {
            "accounts": {str(login): self._account(login) for login in logins},
            "orders": {
                name: self._order(rows.orders[t]) for name, t in self.tickets.items() if t in rows.orders
            },
            "positions": {str(login): self._positions(login) for login in logins},
            "deals": {str(lg): [self._deal(d) for d in rows.deals if d.login == lg] for lg in logins},
            "smart": {name: self._smart(rows.smarts[n]) for name, n in self.smart_ids.items()},
            "requests": [self._request_name(r) for r in self.engine.state.requests.values()],
            "ledger": {
                str(lg): [
                    {"kind": e.kind.value, "amount": to_text(e.amount, self._money(lg))}
                    for e in rows.ledger
                    if e.login == lg
                ]
                for lg in logins
            },
        }

    def _money(self, login: int) -> int:
        return currency_digits(self.engine.state.accounts[login].currency)

    def _lots(self, symbol: str, units: int) -> str:
        return fraction_text(Fraction(units, VOLUME_SCALE), self.volume_digits.get(symbol, 2))

    def _account(self, login: int) -> dict[str, Any]:
        view = self.engine.account_view(login)
        return {k: view[k] for k in ("balance", "credit", "equity", "margin", "free_margin", "margin_level")}

    def _order(self, order: Order) -> dict[str, Any]:
        return {
            "status": order.status.value, "comment": order.comment, "reason": order.reason.value,
            "error": order.error or None, "login": order.login, "symbol": order.symbol,
            "type": order.type.value, "volume": self._lots(order.symbol, order.volume),
            "price": _points(order.price, order.digits), "requote_price": _points(order.requote_price, order.digits),
        }  # fmt: skip

    def _positions(self, login: int) -> list[dict[str, Any]]:
        positions = self.engine.state.book(login).positions
        return [self._position(positions[ticket]) for ticket in sorted(positions)]

    def _position(self, position: Position) -> dict[str, Any]:
        view = self.engine.position_view(position.ticket)
        return {
            "of": self.names.get(position.ticket), "symbol": position.symbol, "side": position.side.value,
            "volume": self._lots(position.symbol, position.volume), "open_price": view["open_price"],
            "sl": view["sl"], "tp": view["tp"], "profit": view["profit"], "fees": view["fees"],
            "swap": view["swap"], "leverage": view["leverage"],
        }  # fmt: skip

    def _deal(self, deal: Deal) -> dict[str, Any]:
        money = self._money(deal.login)

        def text(amount: int | None) -> str | None:
            return None if amount is None else to_text(amount, money)

        return {
            "order": self.names.get(deal.order), "symbol": deal.symbol, "direction": deal.direction.value,
            "side": deal.side.value, "volume": self._lots(deal.symbol, deal.volume),
            "price": to_text(deal.price, deal.digits), "requested_price": to_text(deal.requested_price, deal.digits),
            "profit": text(deal.profit), "fees": text(deal.fees), "swap": text(deal.swap),
            "reason": deal.reason.value, "comment": self.rows.orders[deal.order].comment, "by": deal.by.value,
            **{
                key: _points(getattr(deal, key), deal.digits)
                for key in ("market_bid", "market_ask", "group_bid", "group_ask")
            },
        }  # fmt: skip

    def _smart(self, row: SmartOrder) -> dict[str, Any]:
        plan = self.engine.state.smarts.get(row.id, row)
        stop = effective_stop(plan) if row.id in self.engine.state.smarts else plan.fired_stop
        mark = current_mark(plan)
        return {
            "state": plan.state.value,
            "levels": [level.status.value for level in plan.levels],
            "stop": None if stop is None else to_text(stop, plan.digits),
            "high_water_mark": None if mark is None else to_text(mark, plan.digits),
            "break_even_triggered": plan.break_even_triggered,
            "remaining": self._lots(plan.symbol, plan.remaining),
            "version": plan.version,
        }

    def _request_name(self, request: Request) -> str | None:
        if request.smart:
            return self.names.get(request.smart)
        if request.position and request.kind.value not in ("market", "pending"):
            return self.names.get(request.position)
        return self.names.get(request.order)


def _points(value: int | None, digits: int) -> str | None:
    return None if value is None else to_text(value, digits)
