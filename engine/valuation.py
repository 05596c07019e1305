"""Equity, margin level and free margin of an account at the quotes of the moment (rules section 7)."""

from dataclasses import dataclass
from fractions import Fraction

from engine.enums import FreeMarginMode, StopOutUnit
from engine.margin import account_margin
from engine.profit import floating_profit
from engine.rounding import divide_half_up, to_text
from engine.settings import Group, currency_digits
from engine.state import State


@dataclass(slots=True, frozen=True)
class AccountState:
    """An account's figures in minor units of its currency."""

    balance: int
    credit: int
    floating: int
    carried: int  # swap and fees accrued on open positions
    margin: int
    mode: FreeMarginMode

    @property
    def equity(self) -> int:
        """Return balance + credit + floating profit + accrued swap and fees."""
        return self.balance + self.credit + self.floating + self.carried

    @property
    def free_margin(self) -> int:
        """Return free margin by the group's mode; swap and fees count in full except under no_pl."""
        if self.mode is FreeMarginMode.NO_PL:
            return self.balance + self.credit - self.margin
        floating = self.floating
        if self.mode is FreeMarginMode.PROFIT_ONLY:
            floating = max(floating, 0)
        elif self.mode is FreeMarginMode.LOSS_ONLY:
            floating = min(floating, 0)
        return self.balance + self.credit + self.carried + floating - self.margin

    @property
    def level_text(self) -> str | None:
        """Return equity / margin x 100 with two decimals, None when margin is 0."""
        if self.margin == 0:
            return None
        return to_text(divide_half_up(self.equity * 10_000, self.margin), 2)


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


def is_stopped_out(group: Group, currency: str, equity: int, margin: int) -> bool:
    """Return whether an account with these figures has reached its stop-out (rules section 8)."""
    if margin > 0:
        if group.stop_out_unit is StopOutUnit.MONEY:
            limit: Fraction = group.stop_out * 10 ** currency_digits(currency)
            return equity <= limit
        return equity * 100 * group.stop_out.denominator <= group.stop_out.numerator * margin
    return equity < 0 and not group.skip_fully_hedged


def is_margin_called(group: Group, equity: int, margin: int) -> bool:
    """Return whether the margin level is at or below the group's margin call."""
    call = group.margin_call
    return margin > 0 and equity * 100 * call.denominator <= call.numerator * margin
