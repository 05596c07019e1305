"""A small market for tests of the engine alone: one pair, two groups, three accounts, a quote."""

from typing import Any

from engine import commands as c
from engine.engine import Engine
from engine.events import CommandDone, Event
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State

CLIENT, OTHER, NETTING = 1001, 1002, 1003
QUOTE = ("1.10000", "1.10010")


class Market:
    """An engine, and its clock: every call is a second later."""

    def __init__(
        self,
        *,
        symbol: dict[str, Any] | None = None,
        group: dict[str, Any] | None = None,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        state = State()
        state.symbols["EURUSD"] = Symbol.from_values({"name": "EURUSD", **(symbol or {})}, index=0)
        state.groups["retail"] = Group.from_values({"name": "retail", **(group or {})})
        state.groups["net"] = Group.from_values({"name": "net", "margin_mode": "netting"})
        for login, name in ((CLIENT, "retail"), (OTHER, "retail"), (NETTING, "net")):
            state.accounts[login] = Account(login=login, group=name, currency="USD", balance=1_000_000)
        self.engine = Engine(state, shard=shard, shards=shards)
        self.state = state
        self.time_ms = 0
        self.tickets = 0
        self.tick(*QUOTE)

    def tick(self, bid: str, ask: str) -> list[Event]:
        """Return the events of a tick."""
        self.time_ms += 1000
        return self.engine.on_tick("EURUSD", bid, ask, self.time_ms)

    def do(self, command: c.Command) -> list[Event]:
        """Return the events of a command, its answer last."""
        self.time_ms += 1000
        return self.engine.on_command(command, self.time_ms)

    def ask(self, command: c.Command) -> CommandDone:
        """Return the answer of a command."""
        done = self.do(command)[-1]
        assert isinstance(done, CommandDone)
        return done

    def place(self, type: OrderType = OrderType.BUY, *, login: int = CLIENT, **given: Any) -> CommandDone:  # noqa: A002
        """Return the answer to an order of a tenth of a lot."""
        self.tickets += 10
        told = {"login": login, "symbol": "EURUSD", "volume": "0.10", "ticket": self.tickets, **given}
        return self.ask(c.PlaceOrder(type=type, **told))
