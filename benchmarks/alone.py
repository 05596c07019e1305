"""A workload on the engine alone, in memory: what the same day comes to without rows, queue and worker."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.instruments import quotes
from benchmarks.workload import Workload
from dealing.journal import TICKETED
from engine import commands as cmd
from engine.engine import Engine
from engine.events import CommandDone, DealMade, TickAccepted, TickRefused
from engine.records import Account, Deal
from engine.settings import Group, Symbol, read_account
from engine.state import State


@dataclass
class Alone:
    """What came of a run: deals by account in order, counts of ticks by cause, outcomes of commands."""

    deals: dict[int, list[dict[str, Any]]]
    counts: dict[str, int]
    codes: dict[str, int]
    seconds: float
    state: State


def deal_facts(deal: Deal) -> dict[str, Any]:
    """Return a deal without the numbers that depend on who reserved them."""
    return {
        "symbol": deal.symbol, "side": deal.side.value, "direction": deal.direction.value,
        "volume": deal.volume, "price": deal.price, "requested_price": deal.requested_price,
        "time_ms": deal.time_ms, "reason": deal.reason.value, "profit": deal.profit, "fees": deal.fees,
        "swap": deal.swap, "open_price": str(deal.open_price) if deal.open_price is not None else None,
    }  # fmt: skip


def run(day: Workload, path: Path) -> Alone:
    """Return what the engine makes of the day."""
    state = State()
    for index, values in enumerate(day.symbols):
        state.symbols[values["name"]] = Symbol.from_values(values, index=index)
    for values in day.groups:
        state.groups[values["name"]] = Group.from_values(values)
    for values in day.accounts:
        group = state.groups[values["group"]]
        account = Account(login=values["login"], group=group.name, currency=group.currency)
        for key, value in read_account({k: v for k, v in values.items() if k != "login"}).items():
            setattr(account, key, value)
        state.accounts[account.login] = account
    engine = Engine(state)
    engine.recover()
    out = Alone({row["login"]: [] for row in day.accounts}, {}, {}, 0.0, state)
    number = 0
    for symbol, bid, ask, time_ms in day.opening:
        _note(out, engine.on_tick(symbol, bid, ask, time_ms))
    begun = time.perf_counter()
    stream = quotes(path)
    for part in day.parts:
        for command in part.commands:
            number += 1
            _note(out, engine.on_command(_numbered(command, number), max(state.now_ms, part.time_ms)))
        for symbol, bid, ask, time_ms in _some(stream, part.quotes):
            _note(out, engine.on_tick(symbol, bid, ask, time_ms))
    out.seconds = time.perf_counter() - begun
    return out


def _some(stream: Iterator[Any], count: int) -> Iterator[Any]:
    for _ in range(count):
        yield next(stream)


def _numbered(command: cmd.Command, number: int) -> cmd.Command:
    """Return the command with numbers as a journal would reserve them."""
    if isinstance(command, TICKETED):
        command = replace(command, ticket=number * 10)
    if isinstance(command, cmd.PlaceSmart):
        command = replace(command, smart=number)
    return command


def _note(out: Alone, events: list[Any]) -> None:
    for event in events:
        if isinstance(event, DealMade):
            out.deals[event.deal.login].append(deal_facts(event.deal))
        elif isinstance(event, TickAccepted):
            out.counts["accepted"] = out.counts.get("accepted", 0) + 1
        elif isinstance(event, TickRefused):
            out.counts[event.cause] = out.counts.get(event.cause, 0) + 1
        elif isinstance(event, CommandDone):
            code = str(event.code) or "done"
            out.codes[code] = out.codes.get(code, 0) + 1
