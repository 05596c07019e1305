"""Margin of legs, symbols and accounts (rules section 7).

A leg is some volume of one side with the margin of one lot in account currency before the margin rate.
Amounts are whole minor units; one margin component is rounded at a time, then components are added.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from engine.enums import CalcMode, Side
from engine.rates import margin_conversion
from engine.records import VOLUME_SCALE, Order, Position
from engine.rounding import round_half_up
from engine.settings import Group, Symbol, currency_digits
from engine.state import State


@dataclass(slots=True, frozen=True)
class Leg:
    """Volume of one side at `lot_margin` account currency a lot, before the margin rate."""

    side: Side
    volume: int
    lot_margin: Fraction


_NOTHING = Fraction(0)
CFD_MODES = frozenset({CalcMode.CFD, CalcMode.CFD_LEVERAGE})
LEVERAGED_MODES = frozenset({CalcMode.FOREX, CalcMode.CFD_LEVERAGE})


def margin_factor(
    mode: CalcMode, *, price_points: Fraction | int, leverage: Fraction | int, rate: Fraction
) -> Fraction:
    """Return |price| x rate / leverage of a lot, each as far as the margin mode uses it (§7.6)."""
    factor = rate
    if mode in CFD_MODES:
        factor = factor * abs(Fraction(price_points))
    if mode in LEVERAGED_MODES:
        factor = factor / leverage
    return factor


def lot_margin(symbol: Symbol, *, factor: Fraction, rate: Fraction, opened: bool) -> Fraction:
    """Return the margin of one lot in account currency, before the margin rate; never below 0.

    forex: contract / leverage; forex_no_leverage: contract; cfd: contract x |price|; cfd_leverage: the same /
    leverage; futures: initial margin for new lots, maintenance for open ones; margin_initial per lot where a
    symbol sets it. `factor` is `margin_factor`'s, `rate` converts the margin currency.
    """
    mode = symbol.calc_mode
    if mode is CalcMode.FUTURES:
        per_lot = (
            symbol.margin_initial
            if not opened or symbol.margin_maintenance is None
            else symbol.margin_maintenance
        )
        return (per_lot or 0) * rate
    if symbol.margin_initial is not None:
        return symbol.margin_initial * rate
    amount = symbol.contract_size * factor
    return amount / 10**symbol.digits if mode in CFD_MODES else amount


def new_lot_margin(
    symbol: Symbol, *, price_points: Fraction | int, leverage: Fraction | int, rate: Fraction
) -> Fraction:
    """Return the margin of one lot that is to be opened, in account currency, before the margin rate."""
    factor = margin_factor(symbol.calc_mode, price_points=price_points, leverage=leverage, rate=rate)
    return lot_margin(symbol, factor=factor, rate=rate, opened=False)


def position_leg(symbol: Symbol, position: Position) -> Leg:
    """Return an open position as a leg: its price, leverage and conversion rate are kept from its opening."""
    factor = position_factor(symbol, position)
    amount = lot_margin(symbol, factor=factor, rate=position.margin_rate, opened=True)
    return Leg(position.side, position.volume, amount)


def position_factor(symbol: Symbol, position: Position) -> Fraction:
    """Return a position's `margin_factor`: of its one opening, or averaged over those of a netting position."""
    if position.margin_factor is not None:
        return position.margin_factor
    return margin_factor(
        symbol.calc_mode, price_points=position.open_price, leverage=position.leverage, rate=position.margin_rate
    )  # fmt: skip


def symbol_margin(symbol: Symbol, group: Group, legs: Iterable[Leg], digits: int) -> int:
    """Return the margin of all legs of one symbol in minor units of `digits` decimals."""
    return sum(round_half_up(volume * rate) for volume, rate in margin_parts(symbol, group, legs, digits))


def margin_parts(
    symbol: Symbol, group: Group, legs: Iterable[Leg], digits: int
) -> list[tuple[int, Fraction]]:
    """Return the margin of one symbol's legs in parts, each volume x rate, to be rounded one by one.

    With both sides open: the uncovered volume at the larger side's rate, and the covered volume. As one leg
    shrinks, every volume and every rate only rises or only falls until the other side is the larger.
    """
    long = short = 0
    bought = sold = _NOTHING
    for leg in legs:
        weighted = leg.volume * leg.lot_margin
        if leg.side is Side.BUY:
            long, bought = long + leg.volume, bought + weighted if bought else weighted
        else:
            short, sold = short + leg.volume, sold + weighted if sold else weighted
    scale = 10**digits
    (buy_num, buy_den), (buy_rate, buy_part) = _parts(bought), _parts(symbol.margin_rate_buy)
    (sell_num, sell_den), (sell_rate, sell_part) = _parts(sold), _parts(symbol.margin_rate_sell)
    buy_num, buy_den = buy_num * buy_rate * scale, buy_den * buy_part * VOLUME_SCALE
    sell_num, sell_den = sell_num * sell_rate * scale, sell_den * sell_part * VOLUME_SCALE
    if not short:
        return [(1, Fraction(buy_num, buy_den))]
    if not long:
        return [(1, Fraction(sell_num, sell_den))]
    if group.hedge_larger_leg:
        return [(1, max(Fraction(buy_num, buy_den), Fraction(sell_num, sell_den)))]
    larger = Fraction(buy_num, buy_den * long) if long >= short else Fraction(sell_num, sell_den * short)
    covered_num, covered_den = _parts(bought + sold)
    hedged, contract = symbol.margin_hedged, symbol.contract_size
    mean_num, mean_den = buy_rate * sell_part + sell_rate * buy_part, 2 * buy_part * sell_part
    covered = Fraction(
        covered_num * scale * hedged.numerator * contract.denominator * mean_num,
        covered_den * (long + short) * VOLUME_SCALE * hedged.denominator * contract.numerator * mean_den,
    )
    return [(abs(long - short), larger), (min(long, short), covered)]


def _parts(value: Fraction) -> tuple[int, int]:
    return value.numerator, value.denominator


def order_leverage(state: State, login: int, wanted: int | None) -> Fraction:
    """Return the leverage an order of this account gets: asked for, else the account's, else its group's.

    The group's `leverage_max` limits an account's own, also where it was granted before.
    """
    account = state.accounts[login]
    group = state.groups[account.group]
    own = account.leverage or group.leverage
    return Fraction(wanted or min(own, group.leverage_max or own))


def reservation(state: State, order: Order, rate: Fraction | None = None) -> int:
    """Return the margin that a pending order reserves: its leg at its own price x pending_margin_rate.

    A stop-limit's price is its limit price. The conversion is that of the moment unless `rate` is given. Nothing is reserved while there is no rate.
    """
    symbol = state.symbols.get(order.symbol)
    price = order.type.opening_price(order.price, order.limit_price)
    if symbol is None or not symbol.pending_margin_rate or price is None:
        return 0
    account = state.accounts[order.login]
    side = order.type.side
    if rate is None:
        rate = margin_conversion(state, state.groups[account.group], symbol, side, account.currency)
        if rate is None:
            return 0
    leverage = order_leverage(state, order.login, order.leverage)
    per_lot = new_lot_margin(symbol, price_points=price, leverage=leverage, rate=rate)
    amount = per_lot * order.volume / VOLUME_SCALE * symbol.margin_rate(side is Side.BUY)
    scale = 10 ** currency_digits(account.currency)
    return round_half_up(amount * symbol.pending_margin_rate * scale)


def reserving_orders(state: State, login: int) -> list[Order]:
    """Return the account's pending orders that reserve margin, by ticket."""
    orders = state.book(login).orders.values()
    return [o for o in orders if o.price is not None and _reserves(state, o)]


def _reserves(state: State, order: Order) -> bool:
    symbol = state.symbols.get(order.symbol)
    return symbol is not None and bool(symbol.pending_margin_rate)
