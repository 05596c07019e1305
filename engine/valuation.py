"""Equity, margin level and free margin of an account at the quotes of the moment (rules section 7)."""

from fractions import Fraction

from engine.enums import Side, StopOutUnit
from engine.figures import AccountState
from engine.margin import account_margin
from engine.profit import floating_profit
from engine.rounding import to_text
from engine.settings import Group, currency_digits
from engine.state import State


def account_state(state: State, login: int) -> AccountState:
    """Return the account's figures at the quotes of the moment."""
    account = state.accounts[login]
    floating = carried = 0
    for position in state.book(login).positions.values():
        floating += floating_profit(state, position)
        carried += position.swap + position.fees
    return AccountState(
        balance=account.balance,
        credit=account.credit,
        floating=floating,
        carried=carried,
        margin=account_margin(state, login),
        mode=state.groups[account.group].free_margin_mode,
    )


def money_text(state: State, login: int, amount: int) -> str:
    """Return an amount in minor units as the account's currency is written."""
    return to_text(amount, currency_digits(state.accounts[login].currency))


def is_fully_hedged(state: State, login: int, *, without: str = "") -> bool:
    """Return whether the account is as long as it is short on every symbol, one left out where it is named."""
    net: dict[str, int] = {}
    for position in state.book(login).positions.values():
        if position.symbol == without:
            continue
        signed = position.volume if position.side is Side.BUY else -position.volume
        net[position.symbol] = net.get(position.symbol, 0) + signed
    return not any(net.values())


def is_stopped_out(group: Group, currency: str, equity: int, margin: int, *, hedged: bool) -> bool:
    """Return whether an account with these figures has reached its stop-out (§8.1).

    Without margin an equity below 0 is enough, unless the group spares accounts that are fully `hedged`.
    """
    if margin > 0:
        if group.stop_out_unit is StopOutUnit.MONEY:
            limit: Fraction = group.stop_out * 10 ** currency_digits(currency)
            return equity <= limit
        return equity * 100 * group.stop_out.denominator <= group.stop_out.numerator * margin
    return equity < 0 and not (hedged and group.skip_fully_hedged)


def is_margin_called(group: Group, equity: int, margin: int) -> bool:
    """Return whether the margin level is at or below the group's margin call."""
    call = group.margin_call
    return margin > 0 and equity * 100 * call.denominator <= call.numerator * margin
