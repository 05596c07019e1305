"""Deals: opening, closing, booking. The only place where volume and money change (rules sections 3 and 7).

Functions act on a Core and emit the events of what they did; whether they may act was decided before.
Promises: every out deal books profit, fees and swap once, each as its own ledger entry, none for 0.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from engine import smart_life
from engine.codes import Code
from engine.core import Core
from engine.dealer_queue import leave_queue
from engine.enums import (
    CREDIT_KINDS,
    DealBy,
    Direction,
    LedgerKind,
    OrderReason,
    OrderStatus,
    PositionStatus,
)
from engine.events import AccountChanged, AgentCommissionDue, LedgerBooked
from engine.lifecycle import advance
from engine.margin import margin_factor, order_leverage, position_factor
from engine.order_types import MARKET_OF
from engine.profit import commission_of, position_profit
from engine.rates import group_quote, margin_conversion
from engine.records import Account, Deal, LedgerEntry, Order, Position
from engine.rounding import divide_half_up, exact_text
from engine.settings import Group, Symbol

_EXACT_LIMIT = 10**60


@dataclass(slots=True, kw_only=True)
class Fill:
    """How an order executes: prices in points, and what made it execute."""

    price: int
    requested_price: int
    reason: OrderReason
    trigger_key: str | None = None
    evidence: dict[str, Any] | None = None
    by: DealBy = DealBy.SYSTEM
    actor: str = ""


def book_money(
    core: Core, account: Account, kind: LedgerKind, amount: int, *, order: int = 0, deal: int = 0,
    comment: str = "", actor: str = "",
) -> LedgerEntry:  # fmt: skip
    """Change balance or credit by a signed amount and write the ledger entry."""
    if kind in CREDIT_KINDS:
        account.credit += amount
    else:
        account.balance += amount
    account.ledger_seq += 1
    entry = LedgerEntry(
        login=account.login, seq=account.ledger_seq, kind=kind, amount=amount, balance_after=account.balance,
        credit_after=account.credit, time_ms=core.state.now_ms, order=order, deal=deal, comment=comment,
        actor=actor,
    )  # fmt: skip
    core.emit(LedgerBooked(entry))
    core.emit(AccountChanged(account))
    core.bounds.touch(account.login)
    return entry


def open_deal(core: Core, order: Order, fill: Fill) -> Position:
    """Execute an opening order at `fill`: a new position, or on a netting account in, out, or both.

    The order ends COMPLETED. Returns the position that holds the order's side, or the one it closed.
    """
    state = core.state
    side = order.type.side
    if not state.is_netting(order.login):
        position = _new_position(core, order, fill, order.volume)
    else:
        standing = state.netting_position(order.login, order.symbol)
        if standing is None:
            position = _new_position(core, order, fill, order.volume)
        elif standing.side is side:
            position = _increase(core, order, standing, fill)
        else:
            position = _reduce_or_reverse(core, order, standing, fill)
    complete(core, order, position.ticket, fill.price)
    if order.smart:
        _hand_over(core, order, position, fill)
    return position


def _hand_over(core: Core, order: Order, position: Position, fill: Fill) -> None:
    """Give a position that a smart order's entry opened to its plan.

    On a netting account the entry may have met a position that came between: then the plan is cancelled.
    """
    smart = core.state.smarts[order.smart]
    if position.ticket == order.ticket:
        smart_life.start_smart(core, smart, position, Fraction(fill.price))
    else:
        smart_life.entry_ended(core, smart.id, "position_exists")


def complete(core: Core, order: Order, position: int, price: int) -> None:
    """End an order as executed at a price in points."""
    order.position = order.position or position
    order.modified_price = price
    order.requested_price = order.requested_price if order.requested_price is not None else price
    if order.status is not OrderStatus.COMPLETED:
        advance(order, "status", OrderStatus.COMPLETED)
    core.save_order(order)


def _opening_deal(
    core: Core, order: Order, position: Position, fill: Fill, volume: int, key: str | None
) -> None:
    deal = Deal(
        ticket=core.new_deal_ticket(), order=order.ticket, position=position.ticket, login=order.login,
        symbol=order.symbol, side=order.type.side, direction=Direction.IN, volume=volume, price=fill.price,
        requested_price=fill.requested_price, time_ms=core.state.now_ms, reason=fill.reason,
        digits=position.digits, comment=order.comment, trigger_key=key, evidence=fill.evidence,
    )  # fmt: skip
    _note_circumstances(core, deal, order, fill)
    core.deal_made(deal)


def _opening_terms(core: Core, order: Order, fill: Fill, volume: int) -> tuple[Fraction, Fraction, int]:
    """Return (leverage, margin conversion rate, commission) of newly opened volume."""
    state = core.state
    symbol = state.symbols[order.symbol]
    account = state.accounts[order.login]
    group = state.groups[account.group]
    side = order.type.side
    rate = margin_conversion(state, group, symbol, side, account.currency)
    if rate is None:
        raise AssertionError(f"order {order.ticket} opens without a margin rate")
    fee = commission_of(
        state, state.terms_for(group, symbol).commission, login=order.login, symbol=symbol, side=side,
        volume=volume, open_points=fill.price,
    )  # fmt: skip
    return order_leverage(state, order.login, order.leverage), rate, fee


def _new_position(core: Core, order: Order, fill: Fill, volume: int, key: bool = True) -> Position:
    leverage, rate, fee = _opening_terms(core, order, fill, volume)
    now = core.state.now_ms
    position = Position(
        ticket=order.ticket, login=order.login, symbol=order.symbol, side=order.type.side, volume=volume,
        open_price=Fraction(fill.price), leverage=leverage, margin_rate=rate, opened_ms=now, modified_ms=now,
        sl=order.sl, tp=order.tp, volume_opened=volume, fees=-fee, comment=order.comment,
        digits=order.digits,
    )  # fmt: skip
    core.save_position(position)
    _opening_deal(core, order, position, fill, volume, fill.trigger_key if key else None)
    core.arm_position(position)
    return position


def _increase(core: Core, order: Order, position: Position, fill: Fill) -> Position:
    """Add to a netting position: its margin is the sum of the margins of its lots (§7.6).

    So what makes a lot's margin (price, rate and 1 / leverage together) is averaged by volume as one figure; the
    price for its profit and the rate alone are averaged too, and the leverage shown is the harmonic mean.
    """
    leverage, rate, fee = _opening_terms(core, order, fill, order.volume)
    symbol = core.state.symbols[order.symbol]
    old, new = position.volume, order.volume
    total = old + new
    added = margin_factor(symbol.calc_mode, price_points=fill.price, leverage=leverage, rate=rate)
    position.margin_factor = _bounded((position_factor(symbol, position) * old + added * new) / total)
    position.open_price = _bounded((position.open_price * old + fill.price * new) / total)
    position.margin_rate = _bounded((position.margin_rate * old + rate * new) / total)
    position.leverage = _bounded(total / (old / position.leverage + new / leverage))
    position.volume = total
    position.volume_opened += new
    position.fees -= fee
    if not position.smart:
        position.sl = _level_after(position.sl, order.sl, deletes=order.deletes_sl)
        position.tp = _level_after(position.tp, order.tp, deletes=order.deletes_tp)
    core.save_position(position)
    core.arm_position(position)
    _opening_deal(core, order, position, fill, new, fill.trigger_key)
    return position


def _level_after(standing: int | None, wanted: int | None, *, deletes: bool) -> int | None:
    """Return SL or TP after a netting increase: left out it stays, a value replaces it."""
    return None if deletes else standing if wanted is None else wanted


def _bounded(value: Fraction) -> Fraction:
    """Return an average exactly, or to 30 decimals once its exact form has grown past all use."""
    if value.denominator <= _EXACT_LIMIT:
        return value
    return Fraction(divide_half_up(value.numerator * 10**30, value.denominator), 10**30)


def _reduce_or_reverse(core: Core, order: Order, position: Position, fill: Fill) -> Position:
    """Close against the netting position; what is left of the order opens the other way, at the deal price."""
    rest = order.volume - position.volume
    close_deal(core, position, min(order.volume, position.volume), order, fill)
    if rest <= 0:
        return position
    order.position = order.ticket
    return _new_position(core, order, fill, rest, key=False)


def close_deal(
    core: Core, position: Position, volume: int, order: Order, fill: Fill, *,
    close_points: Fraction | int | None = None, profit: int | None = None, by_smart: bool = False,
) -> Deal:  # fmt: skip
    """Close `volume` units of a position under an order: deal, ledger, what is left of the position.

    `close_points` is the exact price where it is not `fill.price`; `profit` is given where the deal has its
    own (0 for the second deal of a close by). Unless the position's own smart order closes (`by_smart`),
    that order is cut to what is left.
    """
    state = core.state
    converted = profit is None
    if profit is None:
        exact = fill.price if close_points is None else close_points
        profit = position_profit(state, position, exact, volume)
        if profit is None:
            raise AssertionError(f"position {position.ticket} closes without a profit rate")
    fees, swap = (
        _share(position.fees, volume, position.volume),
        _share(position.swap, volume, position.volume),
    )
    deal = Deal(
        ticket=core.new_deal_ticket(), order=order.ticket, position=position.ticket, login=position.login,
        symbol=position.symbol, side=position.side.opposite, direction=Direction.OUT, volume=volume,
        price=fill.price, requested_price=fill.requested_price, time_ms=state.now_ms, reason=fill.reason,
        digits=position.digits, profit=profit, fees=fees, swap=swap, profit_rate=position.last_rate if converted else None,
        open_price=position.open_price, comment=order.comment, trigger_key=fill.trigger_key,
        evidence=fill.evidence,
    )  # fmt: skip
    _note_circumstances(core, deal, order, fill)
    _book_close(core, state.accounts[position.login], deal)
    position.volume -= volume
    position.fees -= fees
    position.swap -= swap
    position.fees_booked += fees
    position.swap_booked += swap
    position.profit += profit
    position.close_price = fill.price
    if position.volume == 0:
        advance(position, "status", PositionStatus.CLOSED)
    core.save_position(position)
    core.deal_made(deal)
    _pay_agent(core, position, deal)
    if position.smart and not by_smart:
        smart_life.position_shrunk(core, position)
    withdraw_requests(core, position)
    return deal


def _note_circumstances(core: Core, deal: Deal, order: Order, fill: Fill) -> None:
    """Note who caused a deal, the market at that moment, raw and as the group sees it, and the settings (§6.12)."""
    state = core.state
    group, symbol = state.group_of(deal.login), state.symbols[deal.symbol]
    deal.by, deal.actor = fill.by, fill.actor
    quote, view = state.quotes.get(symbol.name), group_quote(state, group, symbol)
    if quote is not None and view is not None:
        deal.market_bid, deal.market_ask = quote.bid, quote.ask
        deal.group_bid, deal.group_ask = view
    deal.settings = {**_settings_of(core, group, symbol), "deviation": order.deviation}


def _settings_of(core: Core, group: Group, symbol: Symbol) -> dict[str, Any]:
    """Return the settings of a group that decide about deals on a symbol, as evidence."""
    known = core.state.deal_settings.get((group.name, symbol.name))
    if known is None:
        terms = core.state.terms_for(group, symbol)
        known = core.state.deal_settings[group.name, symbol.name] = {
            "execution": terms.execution.value,
            "spread_diff": terms.spread_diff,
            "margin_call": exact_text(group.margin_call),
            "stop_out": exact_text(group.stop_out),
            "stop_out_unit": group.stop_out_unit.value,
            "stop_out_mode": group.stop_out_mode.value,
        }
    return known


def _share(amount: int, volume: int, of: int) -> int:
    """Return the part of carried fees or swap that a close of `volume` out of `of` books."""
    return amount if volume == of else divide_half_up(amount * volume, of)


def _book_close(core: Core, account: Account, deal: Deal) -> None:
    for kind, amount in (
        (LedgerKind.PROFIT, deal.profit),
        (LedgerKind.COMMISSION, deal.fees),
        (LedgerKind.SWAP, deal.swap),
    ):
        if amount:
            book_money(core, account, kind, amount, order=deal.order, deal=deal.ticket, comment=deal.comment)


def _pay_agent(core: Core, position: Position, deal: Deal) -> None:
    """Pay the client's agent for a close; an agent of another currency is not paid (rules section 11)."""
    state = core.state
    client = state.accounts[position.login]
    if not client.agent:
        return
    symbol = state.symbols[position.symbol]
    terms = state.terms_for(state.groups[client.group], symbol).agent_commission
    amount = commission_of(
        state, terms, login=client.login, symbol=symbol, side=position.side, volume=deal.volume,
        open_points=position.open_price,
    )  # fmt: skip
    if not amount:
        return
    agent = state.accounts.get(client.agent)
    if agent is not None:
        if agent.currency == client.currency:
            book_money(
                core, agent, LedgerKind.AGENT_COMMISSION, amount, deal=deal.ticket,
                comment=f"agent of {client.login}",
            )  # fmt: skip
    elif core.shards > 1:
        core.emit(AgentCommissionDue(client.agent, amount, client.currency, deal.ticket, client.login))


def closing_order(
    core: Core, position: Position, volume: int, reason: OrderReason, requested: int | None
) -> Order:
    """Return a new order by which the system itself closes a position."""
    now = core.state.now_ms
    return Order(
        ticket=core.new_order_ticket(), login=position.login, symbol=position.symbol, type=MARKET_OF[position.side.opposite],
        volume=volume, status=OrderStatus.PENDING, reason=reason, created_ms=now, modified_ms=now,
        position=position.ticket, requested_price=requested, digits=position.digits,
    )  # fmt: skip


def withdraw_requests(core: Core, position: Position) -> None:
    """Take everything that waits on a closed position out of the dealers' queue.

    A client's close or close by fails, because there is nothing left to close; triggers just leave.
    """
    if position.status is PositionStatus.OPEN:
        return
    for request in list(core.state.book(position.login).requests.values()):
        if position.ticket not in (request.position, request.opposite):
            continue
        leave_queue(core, request, "withdrawn")
        order = core.state.orders.get(request.order)
        if order is not None:
            order.error = Code.POSITION_NOT_FOUND.value
            advance(order, "status", OrderStatus.FAILED)
            core.save_order(order)
