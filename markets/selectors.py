"""What may be seen of the market: querysets and one lookup, without side effects."""

from datetime import datetime

from django.db.models import QuerySet

from markets.models import Candle, Quote, Server, Symbol


def server() -> Server:
    """Return the settings of the whole server, the usual ones where none were saved."""
    return Server.objects.first() or Server()


def symbols() -> "QuerySet[Symbol]":
    """Return all symbols in list order."""
    return Symbol.objects.order_by("position", "name")


def quotes() -> dict[str, Quote]:
    """Return the last committed quote of every symbol that had one, by name."""
    return {quote.symbol: quote for quote in Quote.objects.order_by("symbol")}


def quotes_of(names: set[str]) -> dict[str, tuple[Symbol, Quote]]:
    """Return these symbols with their last committed quotes, by name; those without a quote are left out."""
    last = {quote.symbol: quote for quote in Quote.objects.filter(symbol__in=names)}
    return {row.name: (row, last[row.name]) for row in Symbol.objects.filter(name__in=last)}


def candles(
    symbol: str, interval: str, *, since: datetime | None = None, until: datetime | None = None
) -> "QuerySet[Candle]":
    """Return the candles of a symbol, newest first, from `since` on and before `until`."""
    found = Candle.objects.filter(symbol=symbol, interval=interval).order_by("-time")
    if since:
        found = found.filter(time__gte=since)
    if until:
        found = found.filter(time__lt=until)
    return found
