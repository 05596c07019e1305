"""Order types as the rulebook has them (3.2, 4.3, 6.2, 6.7), told once more for the twin and by nobody else's table."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class OrderType:
    """What the rulebook says about one type.

    waits_for: "rise" or "fall" of the side's opening price, None where the order fills at once; at_own_price: fills at
    its price unless slippage may be in the client's favour; then: what it turns into, at its limit price, when reached.
    """

    side: str
    waits_for: str | None = None
    at_own_price: bool = False
    then: str | None = None

    @property
    def rests(self) -> bool:
        return self.waits_for is not None

    def distance(self, price: Fraction, market: Fraction) -> Fraction:
        """Return how far the market is from reaching the price; 0 or less where it has reached it."""
        return price - market if self.waits_for == "rise" else market - price


ORDER_TYPES = {
    "buy": OrderType("buy"),
    "sell": OrderType("sell"),
    "buy_limit": OrderType("buy", "fall", at_own_price=True),
    "sell_limit": OrderType("sell", "rise", at_own_price=True),
    "buy_stop": OrderType("buy", "rise"),
    "sell_stop": OrderType("sell", "fall"),
    "buy_stop_limit": OrderType("buy", "rise", then="buy_limit"),
    "sell_stop_limit": OrderType("sell", "fall", then="sell_limit"),
}
