"""Stage 5: margin calls and stop-outs of the accounts that hold the ticked symbol (rules section 8).

Only accounts that `AccountBounds` calls due are computed; the answer is the same as computing all of them. An
account that reached its limit and could not be helped stays due; where nothing of it may be closed it is parked.
"""

from heapq import heapify, heappop, heappush
from typing import Any

from engine import checks
from engine.calendar import DAY_MS
from engine.core import Core
from engine.dealer_queue import drop_trigger, executes_by_itself, queue_trigger
from engine.enums import (
    Answer,
    DealBy,
    HaltLevel,
    HookPoint,
    LedgerKind,
    OrderReason,
    RequestKind,
    Side,
    StopOutMode,
)
from engine.equity_line import EquityLine
from engine.events import AccountChanged, MarginCallChanged
from engine.execution import Fill, book_money, close_deal, closing_order, complete
from engine.fewest_steps import fewest_steps
from engine.figures import level_text
from engine.margin import position_leg, reservation, reserving_orders
from engine.order_ending import cancel_order
from engine.profit import floating_profit
from engine.records import VOLUME_SCALE, Order, Position
from engine.rounding import divide_half_up, round_half_up, to_text
from engine.settings import currency_digits
from engine.stages.triggered import AcceptedTick, context, tick_evidence
from engine.valuation import (
    AccountState,
    account_state,
    is_fully_hedged,
    is_margin_called,
    is_stopped_out,
)

_LOOK_AGAIN_MS = 300 * DAY_MS  # where no session begins for longer than the calendar looks ahead


def run(core: Core, tick: AcceptedTick) -> None:
    """Look at every due account that has a position on the symbol, by login.

    What one account does may make another due: one with a higher login is looked at by the same tick.
    """
    name, bounds, books = tick.symbol.name, core.bounds, core.state.books
    if bounds.openings:
        bounds.opened(core.state.now_ms)
    called = bounds.crossed(name, tick.bid, tick.ask)
    due = bounds.due.get(name)
    if not due:
        if not called:
            return
        for login in sorted(called):  # margin calls come and go without anything else
            line = books[login].line
            _turn_call(core, line, tick.bid if line.is_buy else -tick.ask, login)
        return
    touched: set[int] = set()
    bounds.touched = touched
    logins = [*called, *(due or ())]
    heapify(logins)
    while logins:
        login = heappop(logins)
        line = books[login].line
        if line is not None:
            _turn_call(core, line, tick.bid if line.is_buy else -tick.ask, login)
        elif name in books[login].held():
            look(core, tick, login)
        elif due:
            due.discard(login)
        if touched:
            for other in touched:
                if other > login and other not in logins and name in books[other].held():
                    heappush(logins, other)
            touched.clear()
    bounds.touched = None


def _turn_call(core: Core, line: EquityLine, price: int, login: int) -> None:
    """Let the margin call of an account come or go of which its line tells that nothing else happens at its price."""
    state = core.state
    account = state.accounts[login]
    called = price <= line.call_at
    if called is not account.margin_call:
        account.margin_call = called
        level = level_text(line.start + line.slope * price, line.margin)
        core.out += (MarginCallChanged(account, level), line.changed)
    core.bounds.arm_call(account, line, state.books[login].bounds_gen)


def look(core: Core, tick: AcceptedTick, login: int) -> None:
    """Look at one account: its margin call, and a stop-out where it is reached.

    Mostly neither is: that is certain where its bounds can be armed. Only else are its exact figures computed.
    """
    if core.bounds.arm_bounds(login):
        return
    figures = account_state(core.state, login)
    _margin_call(core, login, figures)
    if _reached(core, login, figures):
        _stop_out(core, tick, login)
        figures = account_state(core.state, login)
        _margin_call(core, login, figures)
        if _reached(core, login, figures):
            _park(core, login)
            return
    core.bounds.arm_bounds(login)


def _park(core: Core, login: int) -> None:
    """Let an account rest of which nothing may be closed, until that may have changed."""
    state = core.state
    if state.group_of(login).stop_out_mode is StopOutMode.MT5 and reserving_orders(state, login):
        return  # a rate may give one of them something to reserve, and then it is deleted
    quoteless: set[str] = set()
    opens_ms: int | None = None
    for name in state.book(login).held():
        symbol = state.symbols[name]
        if symbol.venue_executed or checks.halt_level(state, login, symbol) is HaltLevel.HALT:
            continue
        if symbol.in_session(state.now_ms):
            if checks.quote_check(state, symbol, fresh=True) is None:
                return
            quoteless.add(name)
            continue
        change_ms = symbol.calendar.next_change(state.now_ms)
        next_ms = state.now_ms + _LOOK_AGAIN_MS if change_ms is None else change_ms
        opens_ms = next_ms if opens_ms is None else min(opens_ms, next_ms)
    core.bounds.park(login, quoteless, opens_ms)


def _reached(core: Core, login: int, figures: AccountState) -> bool:
    account, group = core.state.accounts[login], core.state.group_of(login)
    hedged = figures.margin == 0 and is_fully_hedged(core.state, login)
    return is_stopped_out(group, account.currency, figures.equity, figures.margin, hedged=hedged)


def _margin_call(core: Core, login: int, figures: AccountState) -> None:
    account = core.state.accounts[login]
    called = is_margin_called(core.state.groups[account.group], figures.equity, figures.margin)
    if called is not account.margin_call:
        account.margin_call = called
        core.emit(MarginCallChanged(account, figures.level_text))
        core.emit(AccountChanged(account))


def _stop_out(core: Core, tick: AcceptedTick, login: int) -> None:
    """Close victims until the account is above its limit or nothing is left to close."""
    group = core.state.group_of(login)
    skipped: set[int] = set()
    closed = False
    while True:
        figures = account_state(core.state, login)
        if not _reached(core, login, figures):
            break
        if group.stop_out_mode is StopOutMode.MT5 and _delete_reserving(core, login, figures):
            continue
        victim = _victim(core, login, skipped)
        if victim is None:
            break
        outcome = _close_victim(core, tick, victim, figures)
        if outcome is None:  # it waits for a dealer, and the account with it
            break
        if outcome:
            closed = True
        else:
            skipped.add(victim.ticket)
    if closed:
        compensate(core, login)


def _delete_reserving(core: Core, login: int, figures: AccountState) -> bool:
    """Delete the pending order that reserves most margin, if any does; ties go to the lower ticket."""
    ranked = [
        (-reservation(core.state, order), order.ticket, order)
        for order in reserving_orders(core.state, login)
    ]
    ranked = [entry for entry in ranked if entry[0] < 0]
    if not ranked:
        return False
    order: Order = min(ranked, key=lambda entry: entry[:2])[2]
    cancel_order(core, order, comment=stop_out_comment(core, login, figures), reason=OrderReason.FORCED_CLOSE)
    core.bounds.touch(login)
    return True


def _victim(core: Core, login: int, skipped: set[int]) -> Position | None:
    """Return the position that the group's mode closes next, the oldest of its kind under FIFO."""
    state = core.state
    group = state.group_of(login)
    while True:
        candidates = [
            position
            for position in state.book(login).positions.values()
            if position.ticket not in skipped and _can_close(core, position)
        ]
        if not candidates:
            return None
        if group.stop_out_mode is StopOutMode.SMART:
            chosen = min(candidates, key=lambda p: (-own_margin(core, p), p.ticket))
        else:
            chosen = min(candidates, key=lambda p: (floating_profit(state, p), p.ticket))
        if not group.close_fifo:
            return chosen
        oldest = checks.oldest_of(state, chosen)
        if oldest.ticket not in skipped:
            return oldest
        skipped.add(chosen.ticket)


def _can_close(core: Core, position: Position) -> bool:
    """Return whether the symbol is freshly quoted, in session, not executed by a venue and not halted."""
    symbol = core.state.symbols[position.symbol]
    if symbol.venue_executed or not symbol.in_session(core.state.now_ms):
        return False
    if checks.quote_check(core.state, symbol, fresh=True) is not None:
        return False
    return checks.halt_level(core.state, position.login, symbol) is not HaltLevel.HALT


def own_margin(core: Core, position: Position) -> int:
    """Return a position's unhedged margin in account minor units."""
    symbol = core.state.symbols[position.symbol]
    leg = position_leg(symbol, position)
    digits = currency_digits(core.state.accounts[position.login].currency)
    amount = leg.lot_margin * leg.volume / VOLUME_SCALE * symbol.margin_rate(position.side is Side.BUY)
    return round_half_up(amount * 10**digits)


def _close_victim(core: Core, tick: AcceptedTick, victim: Position, figures: AccountState) -> bool | None:
    """Close a victim; False: a hook skips it; None: it was queued for a dealer."""
    state = core.state
    symbol = state.symbols[victim.symbol]
    view = checks.standing_view(state, victim.login, symbol)
    price = checks.market_price(view, victim.side, opening=False)
    volume = _victim_volume(core, victim, price)
    hooks: dict[str, str] = {}
    hook_context = context(
        core, symbol, view, login=victim.login, ticket=victim.ticket, side=victim.side.opposite, volume=volume,
        reason=OrderReason.FORCED_CLOSE, trigger="stop_out", level=None, price=price,
    )  # fmt: skip
    answer = core.hooks.filter(HookPoint.STOPOUTS_FILTER, hook_context, hooks)
    evidence: dict[str, Any] = {
        "tick": tick_evidence(tick.symbol, tick.view(core, victim.login), tick.quote.time_ms),
        "trigger": "stop_out",
        "level": None,
        "hooks": hooks,
        "before": _figures(core, victim.login, figures),
    }
    if answer is not Answer.OK and not executes_by_itself(core, victim.login, victim.symbol):
        if any(r.kind is RequestKind.STOP_OUT for r in state.book(victim.login).requests.values()):
            return None
        queue_trigger(core, victim, RequestKind.STOP_OUT, volume=volume, price=price, context=evidence)
        return None
    verdict = core.hooks.apply(HookPoint.STOPOUTS_APPLY, hook_context, hooks)
    if verdict.answer is not Answer.OK:
        return False
    at = price if verdict.price is None else checks.hook_price(symbol, verdict.price, price)
    _force_close(core, victim, volume, at, price, figures, evidence)
    return True


def _victim_volume(core: Core, victim: Position, price: int) -> int:
    group = core.state.group_of(victim.login)
    if group.stop_out_mode is not StopOutMode.SMART:
        return victim.volume
    return fewest_steps(core, victim, price)


def _force_close(
    core: Core,
    victim: Position,
    volume: int,
    price: int,
    requested: int,
    figures: AccountState,
    evidence: dict[str, Any],
    by: DealBy = DealBy.SYSTEM,
    actor: str = "",
) -> None:
    drop_trigger(core, victim, RequestKind.STOP_OUT)
    order = closing_order(core, victim, volume, OrderReason.FORCED_CLOSE, requested)
    order.comment = stop_out_comment(core, victim.login, figures)
    fill = Fill(
        price=price, requested_price=requested, reason=OrderReason.FORCED_CLOSE, evidence=evidence, by=by, actor=actor
    )  # fmt: skip
    close_deal(core, victim, volume, order, fill)
    complete(core, order, victim.ticket, price)
    evidence["after"] = _figures(core, victim.login, account_state(core.state, victim.login))


def confirm(
    core: Core, victim: Position, price: int, market: int, evidence: dict[str, Any], *, dealer: str
) -> None:
    """Close a victim that a dealer confirmed at a price; the account is looked at again by the next tick.

    The deal's requested price is the market (points) of this moment, as for every stop-out.
    """
    figures = account_state(core.state, victim.login)
    volume = _victim_volume(core, victim, price)
    _force_close(core, victim, volume, price, market, figures, evidence, DealBy.DEALER, dealer)
    compensate(core, victim.login)


def compensate(core: Core, login: int) -> None:
    """Bring a negative balance to 0 after a stop-out that left no position, where the group protects it."""
    account = core.state.accounts[login]
    group = core.state.groups[account.group]
    if group.negative_balance_protection and account.balance < 0 and not core.state.book(login).positions:
        book_money(core, account, LedgerKind.SO_COMPENSATION, -account.balance)


def _figures(core: Core, login: int, figures: AccountState) -> dict[str, str | None]:
    digits = currency_digits(core.state.accounts[login].currency)
    return {
        "equity": to_text(figures.equity, digits),
        "margin": to_text(figures.margin, digits),
        "level": figures.level_text,
    }


def stop_out_comment(core: Core, login: int, figures: AccountState) -> str:
    """Return `so: LEVEL%/EQUITY/MARGIN`, each with two decimals."""
    scale = 10 ** currency_digits(core.state.accounts[login].currency)
    equity = to_text(divide_half_up(figures.equity * 100, scale), 2)
    margin = to_text(divide_half_up(figures.margin * 100, scale), 2)
    return f"so: {figures.level_text or '0.00'}%/{equity}/{margin}"
