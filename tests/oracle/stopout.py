"""Stop-out: when it is reached, whom it takes, and what it leaves (rules section 8)."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle import dealing, trading
from tests.oracle.book import Book, Position, is_oldest
from tests.oracle.checks import in_session
from tests.oracle.margin import (
    AccountState,
    account_state,
    floating,
    leg_of,
    reservation,
)
from tests.oracle.numbers import printed, rounded


def is_reached(book: Book, login: int, state: AccountState) -> bool:
    group = book.group(login)
    if state.margin > 0:
        if group.stop_out_unit == "money":
            return state.equity <= group.stop_out
        return state.equity / state.margin * 100 <= group.stop_out
    return state.equity < 0 and not (group.skip_fully_hedged and _is_hedged(book, login))


def _is_hedged(book: Book, login: int) -> bool:
    """Return whether the account is as long as it is short on every symbol."""
    net: dict[str, Fraction] = {}
    for position in book.positions_of(login):
        signed = position.volume if position.side == "buy" else -position.volume
        net[position.symbol] = net.get(position.symbol, Fraction(0)) + signed
    return not any(net.values())


def comment_of(state: AccountState) -> str:
    level = state.level if state.margin > 0 else Fraction(0)
    return f"so: {printed(level, 2)}%/{printed(state.equity, 2)}/{printed(state.margin, 2)}"


def run(book: Book, login: int) -> None:
    """Stop the account out until its level is above the limit or nothing is left to close."""
    refused: list[Position] = []
    has_closed = False
    while True:
        state = account_state(book, login)
        if not is_reached(book, login, state):
            break
        if book.group(login).stop_out_mode == "mt5" and _delete_pending(book, login, state):
            continue
        victim = _victim(book, login, refused)
        if victim is None:
            break
        symbol = book.symbols[victim.symbol]
        if not book.filter_hook("stopouts_filter") and not book.executes_itself(login, symbol):
            if not any(r.kind == "so" and r.login == login for r in book.requests):
                market = book.close_price(login, symbol, victim.side)
                dealing.queue_exit(book, "so", victim, market)
            break
        is_ok, price = book.apply_hook("stopouts_apply", symbol)
        if not is_ok:
            refused.append(victim)
            continue
        close_victim(book, victim, price)
        has_closed = True
    if has_closed:
        compensate(book, login)


def _delete_pending(book: Book, login: int, state: AccountState) -> bool:
    """Delete the pending order that reserves the most margin; return whether there was one."""
    holders = [(reservation(book, o), o) for o in book.resting if o.login == login]
    holders = [(held, order) for held, order in holders if held > 0]
    if not holders:
        return False
    _, order = min(holders, key=lambda item: (-item[0], item[1].ticket))
    trading.cancel(book, order, reason="forced_close", comment=comment_of(state))
    return True


def _victim(book: Book, login: int, refused: list[Position]) -> Position | None:
    """Return the position that the group's mode closes first, or None."""
    group = book.group(login)
    candidates = []
    for position in book.positions_of(login):
        symbol = book.symbols[position.symbol]
        if in_session(book, symbol) and book.is_fresh(symbol) and not symbol.gateway:
            candidates.append(position)
    while True:
        candidates = [p for p in candidates if p not in refused]
        if not candidates:
            return None
        if group.stop_out_mode == "smart":
            victim = min(candidates, key=lambda p: (-own_margin(book, p), p.ticket))
        else:
            victim = min(candidates, key=lambda p: (floating(book, p), p.ticket))
        if not group.close_fifo or is_oldest(book, victim):
            return victim
        same = [p for p in book.positions_of(login, victim.symbol) if p.side == victim.side]
        oldest = min(same, key=lambda p: (p.open_ms, p.ticket))
        if oldest not in refused:
            return oldest
        candidates.remove(victim)


def own_margin(book: Book, position: Position) -> Fraction:
    """Return the margin of the position by itself, unhedged."""
    symbol, leg = book.symbols[position.symbol], leg_of(book, position)
    margin_rate = symbol.margin_rate_buy if position.side == "buy" else symbol.margin_rate_sell
    return rounded(leg.volume * leg.per_lot * margin_rate, book.digits(position.login))


def close_victim(book: Book, position: Position, price: Fraction | None, *, is_dealer: bool = False) -> None:
    """Close a victim, all of it or in mode smart the part that is enough."""
    login, symbol = position.login, book.symbols[position.symbol]
    state = account_state(book, login)
    market = book.close_price(login, symbol, position.side)
    volume = position.volume
    if book.group(login).stop_out_mode == "smart":
        volume = _enough(book, position, market if price is None or not is_dealer else price)
    dealing.drop(book, "so", position)
    order = trading.system_order(book, position, volume, "forced_close", market)
    order.comment = comment_of(state)
    trading.close(book, position, volume, market if price is None else price, order)


def _enough(book: Book, position: Position, price: Fraction) -> Fraction:
    """Return the fewest steps of the position that bring the level above the limit, else all of it."""
    step = book.symbols[position.symbol].volume_step
    volume = step
    while volume < position.volume:
        if not is_reached(book, position.login, _state_after(book, position, volume, price)):
            return volume
        volume += step
    return position.volume


def _state_after(book: Book, position: Position, volume: Fraction, price: Fraction) -> AccountState:
    """Return the account as it would be after that part is closed; everything is put back."""
    account = book.accounts[position.login]
    agent = book.accounts.get(account.agent) if account.agent is not None else None
    before = (position.volume, position.fees, position.swap, position.smart)
    money = [(a, a.balance, len(a.ledger)) for a in (account, agent) if a is not None]
    position.smart = None
    trading.close(
        book, position, volume, price, trading.Order(0, position.login, position.symbol, "", "", volume)
    )
    state = account_state(book, position.login)
    book.deals[position.login].pop()
    position.volume, position.fees, position.swap, position.smart = before
    for owner, balance, entries in money:
        owner.balance = balance
        del owner.ledger[entries:]
    return state


def compensate(book: Book, login: int) -> None:
    """Bring a negative balance back to 0 where the group promises it and no position is left."""
    account = book.accounts[login]
    if not book.group(login).negative_balance_protection or book.positions_of(login):
        return
    if account.balance < 0:
        trading.book_money(book, login, "so_compensation", -account.balance)
