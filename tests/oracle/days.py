"""Wall clocks: day ends, and what a day end does (rules section 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.oracle import trading
from tests.oracle.book import Book, Position, Symbol
from tests.oracle.margin import kept_rate, rate
from tests.oracle.numbers import rounded

MINUTE = timedelta(minutes=1)


def zone(name: str) -> tzinfo:
    return ZoneInfo(name)


def instant(where: tzinfo, local: datetime) -> int:
    """Return the moment in ms of a wall clock's time: its first, or that of the next minute that there is."""
    while True:
        found = []
        for fold in (0, 1):
            moment = local.replace(tzinfo=where, fold=fold).astimezone(UTC)
            if moment.astimezone(where).replace(tzinfo=None) == local:
                found.append(round(moment.timestamp() * 1000))
        if found:
            return min(found)
        local += MINUTE


def next_end(book: Book, after_ms: int) -> int:
    """Return the first day end after a moment."""
    where = zone(book.server["time_zone"])
    hour, minute = (int(part) for part in book.server["day_end"].split(":"))
    date = datetime.fromtimestamp(after_ms / 1000, tz=where).date() - timedelta(days=2)
    while True:
        end = instant(where, datetime(date.year, date.month, date.day, hour, minute))  # noqa: DTZ001
        if end > after_ms:
            return end
        date += timedelta(days=1)


def in_session(book: Book, symbol: Symbol) -> bool:
    """Return whether the symbol trades now."""
    if symbol.sessions is None:
        return True
    where = zone(symbol.sessions.get("time_zone") or book.server["time_zone"])
    today = datetime.fromtimestamp(book.now_ms // 1000, tz=where).date()
    for near in (-1, 0, 1):
        date = today + timedelta(days=near)
        name = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[date.weekday()]
        for span in symbol.sessions.get(name, []):
            start, end = (_of_day(where, date, text) for text in span)
            if start <= book.now_ms < end:
                return True
    return False


def _of_day(where: tzinfo, date: object, text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    midnight = datetime(date.year, date.month, date.day)  # type: ignore[attr-defined]  # noqa: DTZ001
    return instant(where, midnight + timedelta(days=hours // 24, hours=hours % 24, minutes=minutes))


def end_day(book: Book, at_ms: int) -> None:
    """Let day orders expire and swaps accrue; the day is that of the instant just before."""
    for order in list(book.resting):
        if order.expires == "day":
            trading.cancel(book, order, reason="expiration")
    where = zone(book.server["time_zone"])
    weekday = datetime.fromtimestamp((at_ms - 1) / 1000, tz=where).weekday()
    for position in book.positions:
        position.swap += next_swap(book, position, weekday)


def next_swap(book: Book, position: Position, weekday: int) -> Fraction:
    """Return what the end of such a day adds to a position."""
    symbol, group = book.symbols[position.symbol], book.group(position.login)
    mode, times = symbol.swap_mode, symbol.swap_multipliers[weekday]
    if group.swap_free or mode == "none" or symbol.bid is None:
        return Fraction(0)
    setting = symbol.swap_long if position.side == "buy" else symbol.swap_short
    currency = symbol.profit_currency
    if mode == "points":
        amount = setting * symbol.point * symbol.contract_size * position.volume
    elif mode.startswith("percent"):
        price = position.open_price
        if mode == "percent":
            price = book.close_price(position.login, symbol, position.side)
        amount = position.volume * symbol.contract_size * abs(price) * setting / 100 / 360
    else:
        amount = setting * position.volume
        currency = {
            "money": group.currency, "money_deposit": group.currency, "money_profit": symbol.profit_currency,
            "money_base": symbol.base_currency, "money_margin": symbol.margin_currency,
        }[mode]  # fmt: skip
    if currency == symbol.profit_currency:
        converted = kept_rate(book, position, amount < 0)
    else:
        side = "ask" if amount < 0 else "bid"
        if symbol.conversion == "deal":
            side = "ask" if position.side == "buy" else "bid"
        converted = rate(book, group, currency, group.currency, side) or Fraction(0)
    return rounded(amount * converted * times, book.digits(position.login))
