"""Quotes as a group sees them, for lists, sockets and symbols: rows and texts in, the engine's formula on them (§2.3)."""

from decimal import Decimal
from typing import Any, NamedTuple

from accounts.models import Group
from engine.rates import BidAsk, widen
from engine.settings import Group as EngineGroup
from markets.models import Symbol


class Spread(NamedTuple):
    """What a group's view of a symbol's quotes takes."""

    points: int
    digits: int
    positive: bool

    def seen(self, bid: Decimal | str, ask: Decimal | str) -> BidAsk:
        """Return a quote in points as the group sees it."""
        low, high = (int(Decimal(price).scaleb(self.digits)) for price in (bid, ask))
        return widen(low, high, self.points, positive=self.positive)


def spread_of(group: EngineGroup, symbol: Any) -> Spread:
    """Return what the group's view of a symbol takes, of its row or of a part of it."""
    points = group.terms(symbol.security_id).spread_diff
    return Spread(points, symbol.digits, not symbol.allow_negative)


def spreads_of(group_name: str) -> dict[str, Spread]:
    """Return by how much the quotes of each symbol are widened for a group; symbols without are left out."""
    group = Group.objects.filter(name=group_name).prefetch_related("securities").first()
    if group is None:
        return {}
    terms = group.to_engine()
    rows = Symbol.objects.only("name", "security_id", "digits", "allow_negative")
    spreads = {row.name: spread_of(terms, row) for row in rows}
    return {name: spread for name, spread in spreads.items() if spread.points}
