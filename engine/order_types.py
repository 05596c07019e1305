"""The table of order types: what tells one type from another, and all that does.

Everybody asks a member for its columns (`order.type.side`, `order.type.is_market`) and nobody lists types by name: the
engine, rows, REST, the admin and, through a copy printed into its page, the terminal. A new type is a new row; what else
it takes says CONTRIBUTING. Promises: words never change once released, because rows hold them. The twin of the tests has
a table of its own.
"""

from enum import StrEnum
from typing import Any, TypeVar

from engine.enums import EntryType, Side
from engine.triggers import Cross

Price = TypeVar("Price", int | None, str | None)
_RISING = frozenset({Cross.BID_UP, Cross.ASK_UP})


class OrderType(StrEnum):
    """What an order asks for; rules section 3.

    word: what rows, scenarios and doors call it. side: of the position that it opens. kind: what it and its like of
    the other side are called together. reached: which price must come to its own, from which side; None for a market
    order, which fills at once. own_price: it fills at its own price, not at the market (without positive slippage).
    limit_word: what it becomes, at its limit price, once it is reached; only such a type has a limit price, and none
    of its own fill. entry: the smart order's entry that it serves.
    """

    # fmt: off
    #                 word               side       kind          reached          own    limit_word    entry
    BUY             = "buy",             Side.BUY,  "market",     None,            False, "",           EntryType.MARKET
    SELL            = "sell",            Side.SELL, "market",     None,            False, "",           EntryType.MARKET
    BUY_LIMIT       = "buy_limit",       Side.BUY,  "limit",      Cross.ASK_DOWN,  True,  "",           EntryType.LIMIT
    SELL_LIMIT      = "sell_limit",      Side.SELL, "limit",      Cross.BID_UP,    True,  "",           EntryType.LIMIT
    BUY_STOP        = "buy_stop",        Side.BUY,  "stop",       Cross.ASK_UP,    False, "",           EntryType.STOP
    SELL_STOP       = "sell_stop",       Side.SELL, "stop",       Cross.BID_DOWN,  False, "",           EntryType.STOP
    BUY_STOP_LIMIT  = "buy_stop_limit",  Side.BUY,  "stop-limit", Cross.ASK_UP,    False, "buy_limit",  None
    SELL_STOP_LIMIT = "sell_stop_limit", Side.SELL, "stop-limit", Cross.BID_DOWN,  False, "sell_limit", None
    # fmt: on

    _value_: str
    side: Side
    kind: str
    reached: Cross | None
    own_price: bool
    limit_word: str
    entry: EntryType | None
    is_market: bool
    rises: bool
    has_limit: bool

    def __new__(cls, word: str, *columns: Any) -> "OrderType":
        """Make a row; what follows from its columns is worked out once, because every tick asks."""
        row = str.__new__(cls, word)
        row._value_ = word
        row.side, row.kind, row.reached, row.own_price, row.limit_word, row.entry = columns
        row.is_market, row.rises, row.has_limit = (
            row.reached is None,
            row.reached in _RISING,
            bool(row.limit_word),
        )
        return row

    @property
    def words(self) -> str:
        """Return how a sentence calls it."""
        return self.value.replace("_", " ")

    @property
    def label(self) -> str:
        """Return how a page calls it."""
        return _titled(self.side.value if self.is_market else f"{self.side} {self.kind}")

    def is_reached_by(self, market: int, price: int) -> bool:
        """Return whether the market's price of its side is at or beyond its own price."""
        return market >= price if self.rises else market <= price

    def ahead(self, price: int, market: int) -> int:
        """Return how far the market has to go to reach `price`; not above 0: it stands on the wrong side."""
        return price - market if self.rises else market - price

    def opening_price(self, price: Price, limit_price: Price) -> Price:
        """Return which of the two an order of this type will open at, whether it is triggered by now or not."""
        return limit_price if self.has_limit else price

    def is_limit_better(self, limit_price: int, price: int) -> bool:
        """Return whether a limit price is on the better side of the price that triggers the order."""
        return limit_price < price if self.side is Side.BUY else limit_price > price

    def as_facts(self) -> dict[str, Any]:
        """Return the row as the terminal's page has it."""
        return {
            "type": self.value, "side": self.side.value, "kind": self.kind,
            "kind_label": _titled(self.kind), "label": self.label, "is_market": self.is_market, "has_limit": self.has_limit,
            "entry": self.entry.value if self.entry else None,
        }  # fmt: skip


def _titled(words: str) -> str:
    """Return words with a capital first letter; other capitals stay, as in MIT."""
    return words[:1].upper() + words[1:]


MARKET_OF = {row.side: row for row in OrderType if row.is_market}
ENTRY_TYPES = {(row.entry, row.side): row for row in OrderType if row.entry}
PRICED_ENTRIES = tuple(dict.fromkeys(row.entry for row in OrderType if row.entry and not row.is_market))
