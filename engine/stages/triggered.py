"""What all triggered executions share: the tick, the hook context, the evidence, the trigger keys; of exits, who lets them."""

from dataclasses import dataclass
from typing import Any

from engine import checks
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_trigger
from engine.enums import Answer, By, HookPoint, OrderReason, RequestKind, Side
from engine.hooks import Context
from engine.rates import BidAsk, widen
from engine.records import Position, Quote, lots_text
from engine.rounding import to_text
from engine.settings import Symbol


@dataclass(slots=True, frozen=True)
class AcceptedTick:
    """An accepted tick on its way through the stages; prices in raw points."""

    symbol: Symbol
    quote: Quote

    @property
    def bid(self) -> int:
        """Return the raw bid in points."""
        return self.quote.bid

    @property
    def ask(self) -> int:
        """Return the raw ask in points."""
        return self.quote.ask

    def view(self, core: Core, login: int) -> BidAsk:
        """Return (bid, ask) in points as the account's group sees them."""
        diff = core.state.terms_for(core.state.group_of(login), self.symbol).spread_diff
        return widen(self.quote.bid, self.quote.ask, diff, positive=not self.symbol.allow_negative)


def tick_evidence(symbol: Symbol, view: BidAsk, time_ms: int) -> dict[str, Any]:
    """Return the tick part of a deal's evidence, as the account saw it."""
    digits = symbol.digits
    return {
        "symbol": symbol.name,
        "bid": to_text(view.bid, digits),
        "ask": to_text(view.ask, digits),
        "time_ms": time_ms,
    }


def evidence_of(
    symbol: Symbol,
    view: BidAsk,
    time_ms: int,
    *,
    trigger: str,
    level: int | None,
    hooks: dict[str, str],
) -> dict[str, Any]:
    """Return what a triggered deal keeps: tick, trigger, level and the hooks' answers."""
    return {
        "tick": tick_evidence(symbol, view, time_ms),
        "trigger": trigger,
        "level": None if level is None else to_text(level, symbol.digits),
        "hooks": dict(hooks),
    }


def context(
    core: Core, symbol: Symbol, view: BidAsk, *, login: int, ticket: int, side: Side, volume: int,
    reason: OrderReason, trigger: str, level: int | None, price: int,
) -> Context:  # fmt: skip
    """Return what the hooks of a trigger are told."""
    digits = symbol.digits
    return Context(
        symbol=symbol.name, group=core.state.accounts[login].group, login=login,
        bid=to_text(view.bid, digits), ask=to_text(view.ask, digits), time_ms=core.state.now_ms, ticket=ticket,
        side=side, volume=lots_text(volume), reason=reason, trigger=trigger,
        level="" if level is None else to_text(level, digits), price=to_text(price, digits),
    )  # fmt: skip


def price_applied(
    core: Core, point: HookPoint, hook_context: Context, evidence: dict[str, Any], price: int
) -> int | None:
    """Ask an apply hook before an execution that a dealer confirmed (§6.9).

    Returns the price in points: the hook's where it gives one. None: it did not say OK. All answers reach
    `evidence`.
    """
    hooks: dict[str, str] = dict(evidence.get("hooks", {}))
    verdict = core.hooks.apply(point, hook_context, hooks)
    evidence["hooks"] = hooks
    if verdict.answer is not Answer.OK:
        return None
    symbol = core.state.symbols[hook_context.symbol]
    return price if verdict.price is None else checks.hook_price(symbol, verdict.price, price)


@dataclass(slots=True, frozen=True, kw_only=True)
class Exit:
    """A close of a position at a level that a tick has reached; prices in points, volume in units."""

    kind: RequestKind  # what it is in the dealers' queue
    reason: OrderReason
    trigger: str
    level: int
    price: int  # at which it would fill
    volume: int
    number: int = 0  # of a smart order's level


def decide_exit(
    core: Core, tick: AcceptedTick, position: Position, exit_: Exit
) -> tuple[int, dict[str, Any]] | None:
    """Ask hooks, execution mode and FIFO; return (price, evidence) if the exit executes now, None if it waits."""
    view = tick.view(core, position.login)
    hooks: dict[str, str] = {}
    hook_context = context(
        core, tick.symbol, view, login=position.login, ticket=position.ticket, side=position.side.opposite,
        volume=exit_.volume, reason=exit_.reason, trigger=exit_.trigger, level=exit_.level, price=exit_.price,
    )  # fmt: skip
    answer = core.hooks.filter(HookPoint.STOPS_FILTER, hook_context, hooks)
    evidence = evidence_of(
        tick.symbol, view, tick.quote.time_ms, trigger=exit_.trigger, level=exit_.level, hooks=hooks
    )
    if answer is not Answer.OK and not executes_by_itself(core, position.login, position.symbol):
        queue_trigger(
            core, position, exit_.kind, volume=exit_.volume, price=exit_.level, level=exit_.number, context=evidence
        )  # fmt: skip
        return None
    if checks.fifo_check(core.state, position, By.SYSTEM) is not None:
        return None
    verdict = core.hooks.apply(HookPoint.STOPS_APPLY, hook_context, hooks)
    if verdict.answer is not Answer.OK:
        return None
    evidence["hooks"] = hooks
    if verdict.price is None:
        return exit_.price, evidence
    return checks.hook_price(tick.symbol, verdict.price, exit_.price), evidence


def trigger_key(position: Position, reason: OrderReason) -> str:
    """Return the unique key of a position's stop loss or take profit: it can execute once."""
    return f"position:{position.ticket}:{reason.value}"
