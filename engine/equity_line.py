"""Accounts of one symbol and side in its own currency: their equity is a straight line of one price.

Where a limit lies on that line is one division, and it stays there until something of the account changes: a margin
call that comes and goes with the price costs no look at the account. Promises: `None` wherever anything is rounded,
converted, reserved or cut off, so that the line is exact.
"""

from dataclasses import dataclass

from engine.enums import StopOutUnit
from engine.events import AccountChanged
from engine.margin import reserving_orders
from engine.records import Account
from engine.rounding import spread_halves
from engine.safe_prices import End
from engine.settings import Group, Symbol, currency_digits
from engine.state import State
from engine.valuation import holdings_of, is_whole, positions_margin

NEVER = -(10**60)


@dataclass(slots=True)
class EquityLine:
    """Equity = start + slope x price in minor units; price is the raw bid of buys, minus the raw ask of sells."""

    symbol: str
    is_buy: bool
    start: int
    slope: int
    margin: int
    call_at: int  # the margin call stands at this price and below
    stop_at: int  # so does the stop-out; NEVER: no price reaches it
    falls: End  # the bound that is crossed as the price of the line falls
    rises: End
    changed: AccountChanged  # says that its account changed, as often as it does

    def price(self, bid: int, ask: int) -> int:
        """Return the price of the line at a raw quote."""
        return bid if self.is_buy else -ask


def line_of(state: State, account: Account) -> EquityLine | None:
    """Return the account's line, None where its equity is none or a limit lies where prices are cut off."""
    holdings = holdings_of(state, account.login)
    if len(holdings) != 1:
        return None
    ((name, holding),) = holdings.items()
    symbol, group = state.symbols[name], state.groups[account.group]
    is_buy = not holding.sells.count
    side = holding.buys if is_buy else holding.sells
    if (
        (not is_buy and holding.buys.count)
        or symbol.profit_currency != account.currency
        or name not in state.quotes
        or not is_whole(side, holding.unit)
        or reserving_orders(state, account.login)
    ):
        return None
    margin = positions_margin(state, account.login)
    if margin <= 0:
        return None
    num, den = holding.unit
    slope = side.volume * num // den
    paid = side.weight * num // den
    start = account.balance + account.credit + holding.carried + (-paid if is_buy else paid)
    diff = state.terms_for(group, symbol).spread_diff
    below, above = spread_halves(diff)
    start -= slope * (below if is_buy else above)
    call = group.margin_call
    call_at = (call.numerator * margin // (100 * call.denominator) - start) // slope
    stop_at = (_stop_out_equity(group, account.currency, margin) - start) // slope
    if is_buy and stop_at < 0 and not symbol.allow_negative:
        stop_at = NEVER
    limits = [call_at, stop_at] if stop_at > NEVER else [call_at]
    if any(_is_cut_off(symbol, below, is_buy, price) for price in limits):
        return None
    ends = (End.BID_FALLS, End.BID_RISES) if is_buy else (End.ASK_RISES, End.ASK_FALLS)
    return EquityLine(name, is_buy, start, slope, margin, call_at, stop_at, *ends, AccountChanged(account))


def _stop_out_equity(group: Group, currency: str, margin: int) -> int:
    limit = group.stop_out
    if group.stop_out_unit is StopOutUnit.MONEY:
        return int(limit * 10 ** currency_digits(currency) // 1)
    return limit.numerator * margin // (100 * limit.denominator)


def _is_cut_off(symbol: Symbol, below: int, is_buy: bool, price: int) -> bool:
    """Return whether a price of the line is where a wider spread keeps the group's prices above zero (§2.3)."""
    if symbol.allow_negative:
        return False
    return price - below < 1 if is_buy else -price < 3
