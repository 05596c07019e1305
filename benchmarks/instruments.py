"""What a file of quotes tells of its symbols, and the settings under which they are traded here.

A file names symbols and prices, nothing else, and any may come. Currencies are traded as currencies where the file
holds the pairs that turn their money into dollars; metals as metals; all else as contracts in dollars, of a size that
suits the price. What was chosen, and what had to be left out, is told.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateways.quotefile import BadQuoteFile, QuoteFile

METALS = ("XAU", "XAG", "XPT", "XPD")
CURRENCIES = frozenset(
    ("AUD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS",
     "INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY",
     "TWD", "USD", "ZAR")
)  # fmt: skip
MOST_DIGITS = 10
LONGEST_NAME = 32
# A price may carry more decimals than its symbol has, as in the noise of a float: the engine rounds it.
RARE = 100
WORTH = 1000  # a lot of something cheap holds so many pieces that it costs at least this
PRICE = re.compile(r"\d{1,15}(\.\d{1,15})?")


@dataclass(frozen=True)
class Seen:
    """What a file tells of a symbol: its first price that is not crossed, and the decimals of its prices.

    is_convertible: its currencies, if it is a pair of them, can be turned into dollars.
    """

    name: str
    bid: Decimal
    ask: Decimal
    digits: int
    is_convertible: bool = True

    def settings(self) -> dict[str, Any]:
        """Return the symbol as scenarios write it: a pair of currencies, a metal, or a contract in dollars."""
        base, profit = currencies(self.name)
        values: dict[str, Any] = {"name": self.name, "digits": self.digits}
        if base in METALS and profit in CURRENCIES and self.is_convertible:
            values |= {"contract_size": "100", "calc_mode": "cfd_leverage", "security": "metals"}
        elif base not in CURRENCIES or profit not in CURRENCIES or not self.is_convertible:
            base = profit = "USD"
            values |= {
                "contract_size": str(self._pieces()),
                "calc_mode": "cfd_leverage",
                "security": "metals" if self.name.startswith(METALS) else "indices",
            }
        return {**values, "base_currency": base, "profit_currency": profit}

    def _pieces(self) -> int:
        """Return how many pieces a lot has: one, of cheap things a power of ten."""
        pieces = 1
        while self.bid < 10 and self.bid * pieces < WORTH:
            pieces *= 10
        return pieces

    @property
    def point(self) -> Decimal:
        """Return the smallest step of its prices."""
        return Decimal(1).scaleb(-self.digits)

    @property
    def step(self) -> Decimal:
        """Return the smallest distance of a level from the market: about 0.014 % of the price, on its grid."""
        return max(self.point, (self.bid / 7000).quantize(self.point))

    def told(self) -> str:
        """Return the choice that was made, in a few words."""
        values = self.settings()
        kind = values.get("calc_mode", "forex")
        size = values.get("contract_size", "100000")
        money = (
            f"{values['base_currency']}/{values['profit_currency']}"
            if kind == "forex"
            else values["profit_currency"]
        )
        why = "" if self.is_convertible else " (the file has no pair that turns its currencies into dollars)"
        return f"{self.name} {kind}, {self.digits} digits, lot of {size}, {money}{why}"


@dataclass(frozen=True)
class Day:
    """A file read through once: its symbols by name, the time in ms of its first quote, how many it has.

    left_out: symbols that cannot be traded here, each with the reason.
    """

    symbols: list[Seen]
    begin_ms: int
    quotes: int
    left_out: list[str]


def currencies(name: str) -> tuple[str, str]:
    """Return the first and the second currency that a name would have if it were a pair: EURUSD, eur/usd, EURUSD.m."""
    letters = "".join(filter(str.isalnum, name.upper().partition(".")[0]))
    return (letters[:3], letters[3:]) if len(letters) == 6 else ("", "")


def is_good(bid: str, ask: str) -> bool:
    """Return whether these are prices above 0 and not crossed."""
    return bool(PRICE.fullmatch(bid) and PRICE.fullmatch(ask)) and 0 < Decimal(bid) <= Decimal(ask)


def quotes(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield (symbol, bid, ask, time in ms) of every line of the file.

    Raises:
        BadQuoteFile: a line is malformed.
    """
    file = QuoteFile(path)
    try:
        for time_ms, symbol, bid, ask in file.quotes():
            yield symbol, bid, ask, time_ms
    finally:
        file.close()


def look_at(path: Path) -> Day:
    """Return what a file tells.

    Raises:
        BadQuoteFile: a line is malformed, or nothing in it can be traded.
    """
    first: dict[str, tuple[Decimal, Decimal]] = {}
    decimals: dict[str, Counter[int]] = {}
    begin_ms, count = 0, 0
    for symbol, bid, ask, time_ms in quotes(path):
        begin_ms = begin_ms if count else time_ms
        count += 1
        found = decimals.get(symbol)
        if found is None:
            found = decimals[symbol] = Counter()
        found[len(bid.partition(".")[2])] += 1
        found[len(ask.partition(".")[2])] += 1
        if (
            symbol not in first
            and PRICE.fullmatch(bid)
            and PRICE.fullmatch(ask)
            and 0 < Decimal(bid) <= Decimal(ask)
        ):
            first[symbol] = (Decimal(bid), Decimal(ask))
    left_out = [f"{name}: no quote of it is good" for name in sorted(decimals) if name not in first]
    left_out += [
        f"{name}: longer than {LONGEST_NAME} signs" for name in sorted(first) if len(name) > LONGEST_NAME
    ]
    names = sorted(name for name in first if len(name) <= LONGEST_NAME)
    if not names:
        raise BadQuoteFile(f"{path}: " + ("; ".join(left_out) or "there are no quotes in it"))
    pairs = {currencies(name) for name in names}
    symbols = [
        Seen(name, *first[name], _digits(decimals[name]), _is_convertible(name, pairs)) for name in names
    ]
    return Day(symbols, begin_ms, count, left_out)


def _digits(decimals: Counter[int]) -> int:
    """Return the decimals that all prices but a few keep to."""
    beyond, rare = 0, decimals.total() // RARE
    for digits in sorted(decimals, reverse=True):
        beyond += decimals[digits]
        if beyond > rare:
            return min(digits, MOST_DIGITS)
    return 0


def _is_convertible(name: str, pairs: set[tuple[str, str]]) -> bool:
    """Return whether the money of a pair becomes dollars by a pair that is there."""
    needed = {currency for currency in currencies(name) if currency in CURRENCIES and currency != "USD"}
    return all((currency, "USD") in pairs or ("USD", currency) in pairs for currency in needed)
