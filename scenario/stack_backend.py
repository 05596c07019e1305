"""A scenario on the whole stack: rows, journal, Redis stream, Celery worker, desk.

Settings are written as rows, ticks go through the stream and everything else through dealing.services, as from any
door; what is compared is read back from the committed rows. `restart` kills the worker with SIGKILL. The desk
goes by the events' own times. Promises: an answer is what the journal or the batch's row says, never a guess.
"""

import json
import time
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection, transaction

from accounts.models import Account, LedgerEntry
from accounts.setup import put_accounts, put_groups
from dealing import bus, services
from dealing.caller import Caller
from dealing.models import PoisonItem
from dealing.registry import STORES
from dealing.services import Outcome
from engine import commands as cmd
from engine.codes import Code
from engine.engine import Engine
from engine.enums import By, RequestKind
from engine.settings import SettingError, currency_digits
from engine.state import State as EngineState
from markets.models import Server
from markets.setup import put_symbols
from orders.models import DealerRequest, Order, SmartOrder
from positions.models import Deal, Position
from scenario.backend import NotOpened, State, Value
from scenario.format import START_MS, Scenario
from scenario.scratch import ScratchError, scratch

WAIT_S = 20.0
OWN_NAME = {RequestKind.MARKET.value, RequestKind.PENDING.value}
PLAN_NAME = {RequestKind.SMART_LEVEL.value, RequestKind.SMART_STOP.value}


class StackBackend:
    """Plays on database, queue and worker."""

    def __init__(self, scenario: Scenario) -> None:
        self.tickets: dict[str, int] = {}  # names of orders, and of the positions they opened
        self.plans: dict[str, int] = {}
        self.symbols = {given["name"]: dict(given) for given in scenario.symbols}
        self.groups = {given["name"]: dict(given) for given in scenario.groups}
        self.stack = scratch()
        self.stack.empty()
        self.server = dict(scenario.server)
        with transaction.atomic():
            Server.objects.update_or_create(id=1, defaults=self.server)
            put_symbols(self.symbols.values())
            put_groups(self.groups.values())
            put_accounts(sorted(scenario.accounts, key=lambda a: a["agent"] is not None))
        self.stack.serve()
        for account in scenario.accounts:
            for kind, key in (("deposit", "balance"), ("credit_in", "credit")):
                if is_zero(account[key]):
                    continue
                kind = "correction" if account[key].startswith("-") else kind
                outcome = services.balance_operation(
                    account["login"],
                    kind,
                    account[key],
                    caller=services.Caller(wait_s=WAIT_S, at_ms=START_MS),
                )
                code = self._code(outcome)
                if code is not None:
                    raise NotOpened(f"account {account['login']}: {account[key]} cannot be booked: {code}")

    # Answers

    @staticmethod
    def _code(outcome: Outcome) -> str | None:
        if outcome.state == services.ACCEPTED:
            raise ScratchError("the desk does not answer")
        return str(outcome.code) or None

    def _ask(
        self, ask: Callable[..., Outcome], *args: Any, time_ms: int, by: str = "client", client_id: str = "", **values: Any
    ) -> Outcome:  # fmt: skip
        caller = Caller(by=By(by), client_id=client_id, wait_s=WAIT_S, at_ms=time_ms)
        return ask(*args, caller=caller, **values)

    # Steps

    def tick(self, value: Value, time_ms: int) -> str | None:
        """Append a tick to the stream and return what the batch that consumed it says."""
        if value["time_ms"] < time_ms:
            self.wait(0, time_ms)
        line = f"{value['symbol']},{value['bid']},{value['ask']},{value['time_ms']}"
        entry = bus.client().xadd(bus.TICKS, {"d": line})
        end = time.monotonic() + WAIT_S
        with connection.cursor() as cursor:
            while time.monotonic() < end:
                cursor.execute(
                    "SELECT refused FROM dealing_enginebatch WHERE shard = 0 AND last_tick = %s",
                    (f"{entry}:0",),
                )
                row = cursor.fetchone()
                if row is not None:
                    refused = row[0] if isinstance(row[0], dict) else json.loads(row[0])
                    return next(iter(refused), None)
                time.sleep(0.002)
        raise ScratchError(f"tick {entry} was not consumed")

    def place(self, value: Value, time_ms: int) -> str | None:
        """Place an order."""
        given = {k: v for k, v in value.items() if k not in ("login", "as", "client_id")}
        outcome = self._ask(
            services.place_order, value["login"], time_ms=time_ms, client_id=value["client_id"] or "", **given
        )
        if outcome.code == Code.CONFLICT and value["client_id"]:
            # The journal tells a sender that their key has another body; the rule's answer is the first order's.
            outcome = services.outcome_by_client_id(value["login"], value["client_id"]) or outcome
        return self._named(value, outcome)

    def _named(self, value: Value, outcome: Outcome) -> str | None:
        if value["as"] is not None:
            self.tickets[value["as"]] = outcome.ticket
        return self._code(outcome)

    def close(self, value: Value, time_ms: int) -> str | None:
        """Close a position or a part of it."""
        outcome = self._ask(
            services.close_position, value["login"], self.tickets[value["position"]],
            volume=value["volume"], by=value["by"], price=value["price"], expected_price=value["expected_price"],
            deviation=value["deviation"], time_ms=time_ms,
        )  # fmt: skip
        return self._named(value, outcome)

    def close_by(self, value: Value, time_ms: int) -> str | None:
        """Close two positions against each other."""
        outcome = self._ask(
            services.close_by, value["login"], self.tickets[value["position"]],
            self.tickets[value["opposite"]], time_ms=time_ms,
        )  # fmt: skip
        return self._named(value, outcome)

    def modify(self, value: Value, time_ms: int) -> str | None:
        """Change an order or a position."""
        if value["order"] is not None:
            return self._code(
                self._ask(
                    services.modify_order, value["login"], self.tickets[value["order"]],
                    price=value["price"], sl=value["sl"], tp=value["tp"], time_ms=time_ms,
                )
            )  # fmt: skip
        return self._code(
            self._ask(
                services.modify_position, value["login"], self.tickets[value["position"]],
                sl=value["sl"], tp=value["tp"], time_ms=time_ms,
            )
        )  # fmt: skip

    def accept(self, value: Value, time_ms: int) -> str | None:
        """Accept a requote."""
        outcome = self._ask(
            services.accept_requote, value["login"], self.tickets[value["order"]], time_ms=time_ms
        )
        return self._named(value, outcome)

    def cancel(self, value: Value, time_ms: int) -> str | None:
        """Delete a pending order."""
        return self._code(
            self._ask(services.cancel_order, value["login"], self.tickets[value["order"]], time_ms=time_ms)
        )

    def smart(self, value: Value, time_ms: int) -> str | None:
        """Place a smart order."""
        entry, trailing, even = value["entry"], value["trailing"] or {}, value["break_even"]
        position = self.tickets[entry["position"]] if entry["position"] is not None else None
        outcome = self._ask(
            services.place_smart, value["login"], symbol=value["symbol"], side=value["side"],
            volume=value["volume"], entry=entry["type"], price=entry["price"], position=position,
            take_profits=value["take_profits"], stop_loss=value["stop_loss"],
            callback=trailing.get("callback"), activation=trailing.get("activation"),
            break_even=even is not None, offset=even["offset"] if even else 0, time_ms=time_ms,
        )  # fmt: skip
        if value["as"] is not None:
            self.plans[value["as"]] = outcome.ticket
            plan = SmartOrder.objects.filter(pk=outcome.ticket).first()
            made = plan.order if plan is not None else None
            if made is None:
                journal_ticket = self._journal_ticket(outcome.command_id)
                made = journal_ticket if Order.objects.filter(pk=journal_ticket).exists() else 0
            self.tickets[value["as"]] = made
        return self._code(outcome)

    @staticmethod
    def _journal_ticket(command_id: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ticket FROM dealing_command WHERE id = %s", (command_id,))
            return int(cursor.fetchone()[0])

    def _login_of(self, plan: int) -> int:
        return SmartOrder.objects.values_list("login", flat=True).filter(pk=plan).first() or 0

    def smart_modify(self, value: Value, time_ms: int) -> str | None:
        """Change a smart order."""
        plan = self.plans[value["smart"]]
        even: dict[str, Any] = {}
        if "break_even" in value:
            even = {"break_even": value["break_even"] is not None}
            if value["break_even"] is not None:
                even["offset"] = value["break_even"]["offset"]
        return self._code(
            self._ask(
                services.modify_smart, self._owner(value["smart"]), plan, version=value.get("version"),
                stop_loss=value.get("stop_loss"), callback=value.get("callback"), time_ms=time_ms, **even,
            )
        )  # fmt: skip

    def _owner(self, name: str) -> int:
        """Return the account of a smart order; of one that was refused, the first account, to be told so."""
        first = Account.objects.order_by("login").values_list("login", flat=True)[0]
        return self._login_of(self.plans[name]) or first

    def smart_cancel(self, value: Value, time_ms: int) -> str | None:
        """End a smart order by hand."""
        return self._code(
            self._ask(
                services.cancel_smart,
                self._owner(value["smart"]),
                self.plans[value["smart"]],
                time_ms=time_ms,
            )
        )

    def balance(self, value: Value, time_ms: int) -> str | None:
        """Move money."""
        return self._code(
            self._ask(
                services.balance_operation, value["login"], value["kind"], value["amount"],
                override=value["override"], time_ms=time_ms,
            )
        )  # fmt: skip

    def set(self, value: Value, time_ms: int) -> str | None:
        """Edit a row and hand it to the engine, as a manager's edit does; a refused edit leaves the row as it was."""
        kind = next(kind for kind in ("symbol", "group", "account", "server") if kind in value)
        key, changed = value[kind], value["values"]
        try:
            with transaction.atomic():
                old = self._write_settings(kind, key, changed)
        except SettingError:
            return Code.INVALID_SETTING.value
        code = self._code(self._ask(services.reload_settings, kind, key, time_ms=time_ms))
        if code is not None:
            self._write_settings(kind, key, old)
        return code

    def _write_settings(self, kind: str, key: Any, changed: Mapping[str, Any]) -> dict[str, Any]:
        """Write the changed settings into the row, and return what they were.

        Raises:
            SettingError: the engine could not take them; then nothing is changed.
        """
        if kind == "account":
            fields = {("group_id" if name == "group" else name): given for name, given in changed.items()}
            if "leverage" in fields:
                fields["leverage"] = fields["leverage"] or 0
            rows = Account.objects.filter(login=key)
            old = dict(rows.values(*fields)[0]) if fields else {}
            rows.update(**fields)
            return old
        if kind == "server":
            before = dict(self.server)
            self.server.update(changed)
            Server.objects.update_or_create(id=1, defaults=self.server)
            return before
        known = self.symbols if kind == "symbol" else self.groups
        before = known[key]
        known[key] = {**before, **changed}
        try:
            if kind == "symbol":
                put_symbols(self.symbols.values())
            else:
                put_groups([self.groups[key]])
        except SettingError:
            known[key] = before
            raise
        return {name: before[name] for name in changed}

    def dealers(self, value: list[dict[str, Any]], time_ms: int) -> str | None:
        """Say which dealers are online."""
        return self._code(self._ask(services.set_dealers, value, time_ms=time_ms))

    def dealer(self, value: Value, time_ms: int) -> str | None:
        """Answer a request of the queue by its name."""
        requests = DealerRequest.objects.filter(is_open=True).order_by("id")
        wanted = [request.id for request in requests if self._request_name(request) == value["request"]]
        return self._code(
            self._ask(
                services.answer_request, wanted[0] if wanted else 0, value["answer"], price=value["price"],
                time_ms=time_ms,
            )
        )  # fmt: skip

    def hook(self, value: Value, time_ms: int) -> str | None:
        """Tell the scripted plugin what to answer."""
        return self._code(self._ask(services.configure_plugin, "scripted", dict(value), time_ms=time_ms))

    def day_end(self, value: Value, time_ms: int) -> str | None:
        """Let the clock come to the day end."""
        return self.wait(0, time_ms)

    def wait(self, value: int, time_ms: int) -> str | None:
        """Move the engine's clock."""
        command = cmd.AdvanceTime(time_ms=time_ms, by=By.SYSTEM)
        return self._code(self._ask(services.submit_to_all, command, time_ms=time_ms))

    def restart(self, value: Value, time_ms: int) -> str | None:
        """Kill the worker and its desk without warning; another one recovers from the rows."""
        self.stack.restart()
        return None

    # What is there

    def state(self) -> State:
        """Return what the rows hold; equity and the like are computed afresh from them."""
        aside = PoisonItem.objects.first()
        if aside is not None:
            raise ScratchError(f"the desk put {aside.kind} {aside.reference} aside: {aside.error}")
        names = {ticket: name for name, ticket in reversed(self.tickets.items())}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            engine = self._engine(cursor)
            logins = list(Account.objects.order_by("login").values_list("login", flat=True))
            return {
                "accounts": {str(login): self._account(engine, login) for login in logins},
                "orders": self._orders(),
                "positions": {str(login): self._positions(engine, login, names) for login in logins},
                "deals": self._deals(engine, logins, names),
                "smart": {
                    name: self._shown_plan(engine, number) for name, number in self._made_plans().items()
                },
                "requests": [
                    self._request_name(request)
                    for request in DealerRequest.objects.filter(is_open=True).order_by("id")
                ],
                "ledger": {str(login): self._ledger(engine, login) for login in logins},
            }

    @staticmethod
    def _engine(cursor: Any) -> Engine:
        """Return an engine over the committed rows, which computes what no row holds."""
        state = EngineState()
        for _, store in STORES:
            store.load(cursor, state, shard=0, shards=1)
        engine = Engine(state)
        engine.recover()
        return engine

    @staticmethod
    def _account(engine: Engine, login: int) -> dict[str, Any]:
        view = engine.account_view(login)
        keys = ("balance", "credit", "equity", "margin", "free_margin", "margin_level")
        return {key: view[key] for key in keys}

    def _orders(self) -> dict[str, Any]:
        rows = Order.objects.in_bulk(set(self.tickets.values()))
        shown = {}
        for name, ticket in self.tickets.items():
            row = rows.get(ticket)
            if row is None:
                continue
            shown[name] = {
                "status": row.status, "comment": row.comment, "reason": row.reason, "error": row.error or None,
                "login": row.login, "symbol": row.symbol, "type": row.type,
                "volume": self._lots(row.symbol, row.volume), "price": self._price(row.symbol, row.price),
                "requote_price": self._price(row.symbol, row.requote_price),
            }  # fmt: skip
        return shown

    def _lots(self, symbol: str, volume: Decimal) -> str | None:
        step = self.symbols[symbol]["volume_step"] if symbol in self.symbols else "0.01"
        return _fixed(volume, len(step.partition(".")[2]))

    def _price(self, symbol: str, price: Decimal | None) -> str | None:
        return _fixed(price, self.symbols[symbol]["digits"] if symbol in self.symbols else 5)

    @staticmethod
    def _money(engine: Engine, login: int, amount: Decimal | None) -> str | None:
        return _fixed(amount, currency_digits(engine.state.accounts[login].currency))

    def _positions(self, engine: Engine, login: int, names: Mapping[int, str]) -> list[dict[str, Any]]:
        shown = []
        for row in Position.objects.filter(login=login, status="open").order_by("ticket"):
            live = engine.position_view(row.ticket)
            shown.append(
                {
                    "of": names.get(row.ticket), "symbol": row.symbol, "side": row.side,
                    "volume": self._lots(row.symbol, row.volume), "open_price": live["open_price"], "sl": live["sl"],
                    "tp": live["tp"], "profit": live["profit"], "fees": live["fees"], "swap": live["swap"],
                    "leverage": live["leverage"],
                }
            )  # fmt: skip
        return shown

    def _deals(
        self, engine: Engine, logins: list[int], names: Mapping[int, str]
    ) -> dict[str, list[dict[str, Any]]]:
        shown: dict[str, list[dict[str, Any]]] = {str(login): [] for login in logins}
        comments = dict(Order.objects.values_list("ticket", "comment"))
        for row in Deal.objects.order_by("ticket"):
            shown[str(row.login)].append(
                {
                    "order": names.get(row.order), "symbol": row.symbol, "direction": row.direction,
                    "side": row.side, "volume": self._lots(row.symbol, row.volume),
                    "price": self._price(row.symbol, row.price),
                    "requested_price": self._price(row.symbol, row.requested_price),
                    **{
                        key: self._money(engine, row.login, getattr(row, key))
                        for key in ("profit", "fees", "swap")
                    },
                    "reason": row.reason,
                    "comment": comments.get(row.order, ""), "by": row.by,
                    **{
                        key: self._price(row.symbol, getattr(row, key))
                        for key in ("market_bid", "market_ask", "group_bid", "group_ask")
                    },
                }
            )  # fmt: skip
        return shown

    def _made_plans(self) -> dict[str, int]:
        known = set(SmartOrder.objects.values_list("id", flat=True))
        return {name: number for name, number in self.plans.items() if number in known}

    def _shown_plan(self, engine: Engine, number: int) -> dict[str, Any]:
        row = SmartOrder.objects.get(pk=number)
        live = engine.smart_view(number) if number in engine.state.smarts else None
        mark = self._price(row.symbol, row.mark) if row.callback is not None else None
        return {
            "state": row.state,
            "levels": list(row.levels.order_by("number").values_list("status", flat=True)),
            "stop": live["effective_stop"] if live else self._price(row.symbol, row.fired_stop),
            "high_water_mark": live["high_water_mark"] if live else mark,
            "break_even_triggered": row.break_even_triggered,
            "remaining": self._lots(row.symbol, row.remaining),
            "version": row.version,
        }

    def _request_name(self, request: DealerRequest) -> str | None:
        if request.kind in PLAN_NAME:
            return next((name for name, number in self.plans.items() if number == request.smart), None)
        ticket = request.order if request.kind in OWN_NAME else request.position
        return next((name for name, number in self.tickets.items() if number == ticket), None)

    def _ledger(self, engine: Engine, login: int) -> list[dict[str, Any]]:
        rows = LedgerEntry.objects.filter(login=login).order_by("seq")
        return [{"kind": row.kind, "amount": self._money(engine, login, row.amount)} for row in rows]

    def stop(self) -> None:
        """Leave the stack as it is: the next scenario empties it, the end of the process drops it."""


def _fixed(value: Decimal | None, digits: int) -> str | None:
    """Return decimal text with exactly that many digits, half up: every number with its field's digits."""
    if value is None:
        return None
    return format(value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP), "f")


def is_zero(text: str) -> bool:
    """Return whether decimal text stands for zero."""
    return not text.strip("-+0.")
