"""Profit of positions, swap and commission: the money formulas of rules section 7.

Each returns whole minor units of the account's currency, computed exactly and rounded once, half up.
"""

from fractions import Fraction

from engine.enums import CommissionKind, Side, SwapMode
from engine.rates import close_price, conversion_rate, group_quote, profit_rate
from engine.records import VOLUME_SCALE, Position
from engine.rounding import divide_half_up, round_half_up
from engine.settings import Commission, Group, Symbol, currency_digits
from engine.state import State


def raw_profit(
    symbol: Symbol, side: Side, open_points: Fraction, close_points: Fraction | int, volume: int
) -> tuple[int, int]:
    """Return profit in profit currency as (numerator, denominator): buy (close - open) x contract x lots."""
    on, od = open_points.numerator, open_points.denominator
    cn, cd = close_points.numerator, close_points.denominator
    move = cn * od - on * cd
    if side is Side.SELL:
        move = -move
    return move * volume * symbol.profit_num, od * cd * symbol.profit_den


def in_money(raw: tuple[int, int], rate: Fraction, digits: int) -> int:
    """Return a raw profit converted at `rate` in minor units of `digits` decimals, rounded half up."""
    return divide_half_up(raw[0] * rate.numerator * 10**digits, raw[1] * rate.denominator)


def unit_profit(state: State, position: Position, close_points: Fraction | int) -> tuple[int, int] | None:
    """Return the exact profit of closing one unit of the position, in account minor units, as a quotient.

    None: there has never been a rate.
    """
    symbol = state.symbols[position.symbol]
    top, bottom = raw_profit(symbol, position.side, position.open_price, close_points, 1)
    rate = _kept_rate(state, position, gain=top > 0)
    if rate is None:
        return None
    scale = 10 ** currency_digits(state.accounts[position.login].currency)
    return top * rate.numerator * scale, bottom * rate.denominator


def position_profit(
    state: State, position: Position, close_points: Fraction | int, volume: int
) -> int | None:
    """Return the profit of closing `volume` of the position at a price in points, in account minor units.

    None: there has never been a rate.
    """
    symbol = state.symbols[position.symbol]
    raw = raw_profit(symbol, position.side, position.open_price, close_points, volume)
    rate = _kept_rate(state, position, gain=raw[0] > 0)
    if rate is None:
        return None
    return in_money(raw, rate, currency_digits(state.accounts[position.login].currency))


def _kept_rate(state: State, position: Position, *, gain: bool) -> Fraction | None:
    """Return the rate of the moment, which the position keeps; where there is none the last good one."""
    account = state.accounts[position.login]
    group, symbol = state.groups[account.group], state.symbols[position.symbol]
    rate = profit_rate(state, group, symbol, position.side, gain=gain, currency=account.currency)
    if rate is not None:
        position.last_rate = rate
    return position.last_rate


def floating_profit(state: State, position: Position, volume: int | None = None) -> int:
    """Return the profit of a position (or part) at the group's close price, 0 without quote or rate."""
    view = group_quote(state, state.group_of(position.login), state.symbols[position.symbol])
    if view is None:
        return 0
    profit = position_profit(
        state, position, close_price(view, position.side), position.volume if volume is None else volume
    )
    return profit or 0


def swap_of_day(state: State, position: Position, multiplier: int) -> int:
    """Return the swap that one day end adds to a position; positive is paid to the client.

    points: points x point size x contract x lots; money_*: an amount per lot in the currency that the mode names;
    percent: lots x contract x |closing price| x percent / 100 / 360, percent_open the same of the open price;
    times the weekday's multiplier; converted like a profit, money_deposit not at all (§7.16).
    """
    symbol = state.symbols[position.symbol]
    account = state.accounts[position.login]
    group = state.groups[account.group]
    value = symbol.swap_long if position.side is Side.BUY else symbol.swap_short
    view = group_quote(state, group, symbol)
    if symbol.swap_mode is SwapMode.NONE or not value or not multiplier or view is None:
        return 0
    lots = Fraction(position.volume, VOLUME_SCALE)
    if symbol.swap_mode is SwapMode.POINTS:
        amount = value / 10**symbol.digits * symbol.contract_size * lots
    elif symbol.swap_mode in (SwapMode.PERCENT, SwapMode.PERCENT_OPEN):
        closing = Fraction(close_price(view, position.side))
        points = closing if symbol.swap_mode is SwapMode.PERCENT else position.open_price
        amount = lots * symbol.contract_size * abs(points) / 10**symbol.digits * value / 100 / 360
    else:
        amount = value * lots
    source = {
        SwapMode.MONEY_DEPOSIT: account.currency,
        SwapMode.MONEY_BASE: symbol.base_currency,
        SwapMode.MONEY_MARGIN: symbol.margin_currency,
    }.get(symbol.swap_mode, symbol.profit_currency)
    rate = profit_rate(
        state, group, symbol, position.side, gain=amount > 0, currency=account.currency, source=source
    )
    if rate is None and source == symbol.profit_currency:
        rate = position.last_rate
    if rate is None:
        return 0
    return round_half_up(amount * multiplier * rate * 10 ** currency_digits(account.currency))


def commission_of(
    state: State, terms: Commission | None, *, login: int, symbol: Symbol, side: Side, volume: int,
    open_points: Fraction | int,
) -> int:  # fmt: skip
    """Return a commission in account minor units, 0 or above.

    per_lot and per_deal are in account currency; percent is of lots x contract x open price, converted as
    a loss would be.
    """
    if terms is None:
        return 0
    account = state.accounts[login]
    scale = 10 ** currency_digits(account.currency)
    if terms.kind is CommissionKind.PER_DEAL:
        return round_half_up(terms.amount * scale)
    lots = Fraction(volume, VOLUME_SCALE)
    if terms.kind is CommissionKind.PER_LOT:
        return round_half_up(terms.amount * lots * scale)
    group: Group = state.groups[account.group]
    rate = profit_rate(state, group, symbol, side, gain=False, currency=account.currency)
    if rate is None:
        rate = conversion_rate(state, group, symbol.profit_currency, account.currency, ask=True)
    notional = lots * symbol.contract_size * Fraction(open_points) / 10**symbol.digits
    return round_half_up(abs(notional) * terms.amount / 100 * (rate or 0) * scale)
