"""Rates, profit, margin and the state of an account (rules section 7).

Everything is computed anew from the quotes of the moment; nothing is remembered between ticks
but the last good rate of an open position.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.book import Account, Book, Group, Order, Position, Symbol
from tests.oracle.numbers import rounded
from tests.oracle.order_types import ORDER_TYPES


def _one_leg(book: Book, group: Group, source: str, target: str, side: str) -> Fraction | None:
    """Return the rate by the direct pair, else by the inverse one; the first in the list wins."""
    for symbol in book.symbols.values():
        if symbol.base_currency == source and symbol.profit_currency == target and _is_quoted(symbol):
            bid, ask = book.quote(group, symbol)
            return ask if side == "ask" else bid
    for symbol in book.symbols.values():
        if symbol.base_currency == target and symbol.profit_currency == source and _is_quoted(symbol):
            bid, ask = book.quote(group, symbol)
            return 1 / bid if side == "ask" else 1 / ask
    return None


def _is_quoted(symbol: Symbol) -> bool:
    return symbol.bid is not None and symbol.bid > 0


def rate(book: Book, group: Group, source: str, target: str, side: str) -> Fraction | None:
    """Return how much one unit of `source` is in `target` by the "ask" or the "bid", or None."""
    if source == target:
        return Fraction(1)
    found = _one_leg(book, group, source, target, side)
    if found is not None:
        return found
    listed = [c for s in book.symbols.values() for c in (s.base_currency, s.profit_currency)]
    for middle in ["USD", *listed]:
        if middle not in (source, target):
            first = _one_leg(book, group, source, middle, side)
            second = _one_leg(book, group, middle, target, side)
            if first is not None and second is not None:
                return first * second
    return None


def profit_rate(book: Book, account: Account, symbol: Symbol, side: str, is_loss: bool) -> Fraction | None:
    """Return the rate that turns a profit of this position side into account money."""
    group = book.groups[account.group]
    if symbol.conversion == "deal":
        quote_side = "ask" if side == "buy" else "bid"
    else:
        quote_side = "ask" if is_loss else "bid"
    return rate(book, group, symbol.profit_currency, group.currency, quote_side)


def kept_rate(book: Book, position: Position, is_loss: bool) -> Fraction:
    """Return the profit rate of an open position, which keeps its last good one."""
    account, symbol = book.accounts[position.login], book.symbols[position.symbol]
    key = "loss" if is_loss else "gain"
    found = profit_rate(book, account, symbol, position.side, is_loss)
    if found is not None:
        position.last_rates[key] = found
    return position.last_rates.get(key, Fraction(1))


def profit(book: Book, position: Position, volume: Fraction, price: Fraction) -> Fraction:
    """Return the profit of closing that volume at that price, in account money."""
    symbol = book.symbols[position.symbol]
    move = price - position.open_price if position.side == "buy" else position.open_price - price
    if symbol.calc_mode == "futures":
        amount = move / symbol.tick_size * symbol.tick_value * volume
    else:
        amount = move * symbol.contract_size * volume
    return rounded(amount * kept_rate(book, position, amount < 0), book.digits(position.login))


def floating(book: Book, position: Position) -> Fraction:
    """Return the floating profit at the close price."""
    price = book.close_price(position.login, book.symbols[position.symbol], position.side)
    return profit(book, position, position.volume, price)


def commission(
    book: Book, login: int, symbol: Symbol, key: str, side: str, volume: Fraction, price: Fraction
) -> Fraction:
    """Return a commission (`key` names the setting) in account money, 0 or above."""
    setting = book.setting(book.group(login), symbol, key)
    if setting is None:
        return Fraction(0)
    amount = Fraction(setting["amount"])
    if setting["kind"] == "per_lot":
        amount *= volume
    elif setting["kind"] == "percent":
        converted = profit_rate(book, book.accounts[login], symbol, side, True) or Fraction(1)
        amount = amount / 100 * volume * symbol.contract_size * abs(price) * converted
    return rounded(amount, book.digits(login))


@dataclass(frozen=True)
class Leg:
    """Lots on one side of a symbol, and the margin of one of them before the margin rate."""

    side: str
    volume: Fraction
    per_lot: Fraction


def per_lot(
    symbol: Symbol, price: Fraction, leverage: Fraction, converted: Fraction, is_new: bool
) -> Fraction:
    """Return the margin of one lot in account money, before the margin rate."""
    if symbol.calc_mode == "futures":
        amount = symbol.margin_initial
        if not is_new and symbol.margin_maintenance is not None:
            amount = symbol.margin_maintenance
    elif symbol.margin_initial is not None:
        amount = symbol.margin_initial
    elif symbol.calc_mode == "forex":
        amount = symbol.contract_size / leverage
    elif symbol.calc_mode == "forex_no_leverage":
        amount = symbol.contract_size
    elif symbol.calc_mode == "cfd":
        amount = symbol.contract_size * abs(price)
    else:
        amount = symbol.contract_size * abs(price) / leverage
    return amount * converted


def margin_rate_of_conversion(book: Book, account: Account, symbol: Symbol, side: str) -> Fraction | None:
    """Return the rate margin currency to account currency: ask for buys, bid for sells."""
    group = book.groups[account.group]
    return rate(book, group, symbol.margin_currency, group.currency, "ask" if side == "buy" else "bid")


def leg_of(book: Book, position: Position) -> Leg:
    """Return a position as a leg: its lots' margins, averaged by their volumes."""
    symbol = book.symbols[position.symbol]
    total = sum(volume for volume, *_ in position.lots)
    money = sum(volume * per_lot(symbol, price, leverage, converted, False)
                for volume, price, converted, leverage in position.lots)  # fmt: skip
    return Leg(position.side, position.volume, money / total)


def leverage_of(book: Book, login: int, asked: int | None) -> Fraction:
    own = book.accounts[login].leverage or book.group(login).leverage
    most = book.group(login).leverage_max
    return Fraction(asked or (own if most is None else min(own, most)))


def _margin_rate(symbol: Symbol, side: str) -> Fraction:
    return symbol.margin_rate_buy if side == "buy" else symbol.margin_rate_sell


def symbol_margin(group: Group, symbol: Symbol, legs: list[Leg], digits: int) -> Fraction:
    """Return the margin of all legs of one symbol, each component rounded."""
    lots, money = {}, {}
    for side in ("buy", "sell"):
        mine = [leg for leg in legs if leg.side == side]
        lots[side] = sum((leg.volume for leg in mine), Fraction(0))
        money[side] = sum((leg.volume * leg.per_lot for leg in mine), Fraction(0))
    whole = {side: rounded(money[side] * _margin_rate(symbol, side), digits) for side in lots}
    if not lots["buy"] or not lots["sell"]:
        return whole["buy"] + whole["sell"]
    if group.hedge_larger_leg:
        return max(whole["buy"], whole["sell"])
    larger = "buy" if lots["buy"] > lots["sell"] else "sell"
    uncovered = abs(lots["buy"] - lots["sell"])
    covered = min(lots["buy"], lots["sell"])
    open_part = uncovered * money[larger] / lots[larger] * _margin_rate(symbol, larger)
    average = (money["buy"] + money["sell"]) / (lots["buy"] + lots["sell"])
    mean_rate = (symbol.margin_rate_buy + symbol.margin_rate_sell) / 2
    hedged_part = covered * average * symbol.margin_hedged / symbol.contract_size * mean_rate
    return rounded(open_part, digits) + rounded(hedged_part, digits)


def reservation(book: Book, order: Order) -> Fraction:
    """Return the margin that a pending order reserves."""
    symbol, account = book.symbols[order.symbol], book.accounts[order.login]
    if not symbol.pending_margin_rate:
        return Fraction(0)
    converted = margin_rate_of_conversion(book, account, symbol, order.side)
    if converted is None:
        return Fraction(0)
    price = order.limit_price if ORDER_TYPES[order.type].then else order.price
    one = per_lot(symbol, price, leverage_of(book, order.login, order.leverage), converted, True)
    amount = order.volume * one * _margin_rate(symbol, order.side) * symbol.pending_margin_rate
    return rounded(amount, book.digits(order.login))


def margin(
    book: Book, login: int, legs: dict[str, list[Leg]] | None = None, without: Order | None = None
) -> Fraction:
    """Return the account's margin; `legs` replaces those of the symbols in it, one order may be left out."""
    group, digits = book.group(login), book.digits(login)
    all_legs: dict[str, list[Leg]] = {}
    for position in book.positions_of(login):
        all_legs.setdefault(position.symbol, []).append(leg_of(book, position))
    all_legs.update(legs or {})
    total = Fraction(0)
    for name, mine in all_legs.items():
        total += symbol_margin(group, book.symbols[name], mine, digits)
    for order in book.resting:
        if order.login == login and order is not without:
            total += reservation(book, order)
    return total


def legs_after(book: Book, order: Order, price: Fraction) -> dict[str, list[Leg]] | None:
    """Return the legs of the order's symbol as they would be after it opened, None without a rate."""
    symbol, account = book.symbols[order.symbol], book.accounts[order.login]
    converted = margin_rate_of_conversion(book, account, symbol, order.side)
    if converted is None:
        return None
    leverage = leverage_of(book, order.login, order.leverage)
    mine = book.positions_of(order.login, order.symbol)
    new = per_lot(symbol, price, leverage, converted, True)
    if book.group(order.login).margin_mode == "hedging" or not mine:
        return {order.symbol: [*(leg_of(book, p) for p in mine), Leg(order.side, order.volume, new)]}
    old = mine[0]
    if old.side != order.side:
        left = old.volume - order.volume
        if left < 0:
            return {order.symbol: [Leg(order.side, -left, new)]}
        return {order.symbol: [Leg(old.side, left, leg_of(book, old).per_lot)] if left else []}
    return {order.symbol: [leg_of(book, old), Leg(order.side, order.volume, new)]}


def shown_leverage(position: Position) -> int:
    """Return the harmonic mean of the lots' leverages by volume, rounded down."""
    total = sum(volume for volume, *_ in position.lots)
    return int(total / sum(volume / leverage for volume, _, _, leverage in position.lots))


@dataclass(frozen=True)
class AccountState:
    balance: Fraction
    credit: Fraction
    equity: Fraction
    margin: Fraction
    free_margin: Fraction

    @property
    def level(self) -> Fraction | None:
        return self.equity / self.margin * 100 if self.margin else None


def account_state(book: Book, login: int) -> AccountState:
    """Return the account as the quotes of the moment have it."""
    account = book.accounts[login]
    mine = book.positions_of(login)
    open_profit = sum((floating(book, p) for p in mine), Fraction(0))
    carried = sum((p.swap + p.fees for p in mine), Fraction(0))
    own = account.balance + account.credit
    used = margin(book, login)
    mode = book.group(login).free_margin_mode
    if mode == "use_all":
        free = own + open_profit + carried - used
    elif mode == "no_pl":
        free = own - used
    elif mode == "profit_only":
        free = own + max(open_profit, Fraction(0)) + carried - used
    else:
        free = own + min(open_profit, Fraction(0)) + carried - used
    return AccountState(account.balance, account.credit, own + open_profit + carried, used, free)


def has_rates(book: Book, order: Order) -> bool:
    """Return whether profit and margin of the order can be converted."""
    symbol, account = book.symbols[order.symbol], book.accounts[order.login]
    return (
        profit_rate(book, account, symbol, order.side, True) is not None
        and margin_rate_of_conversion(book, account, symbol, order.side) is not None
    )


def margin_suffices(book: Book, order: Order, price: Fraction, *, without: Order | None = None) -> bool:
    """Return whether the order may be opened: m1 - m0 <= free margin, or m1 <= m0."""
    legs = legs_after(book, order, price)
    assert legs is not None
    before = margin(book, order.login)
    after = margin(book, order.login, legs, without)
    return after <= before or after - before <= account_state(book, order.login).free_margin
