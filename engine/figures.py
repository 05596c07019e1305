"""What an account is worth at one moment: a value, no formula of trading (those are in valuation.py)."""

from dataclasses import dataclass

from engine.enums import FreeMarginMode
from engine.rounding import divide_half_up, to_text


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
        return None if self.margin == 0 else level_text(self.equity, self.margin)


def level_text(equity: int, margin: int) -> str:
    """Return a margin level in percent with two decimals; margin is above 0."""
    return to_text(divide_half_up(equity * 10_000, margin), 2)
