"""What is traded on a recorded day: symbols, groups, accounts, and the commands before and between its parts.

Everything follows from the file's first quotes and from fixed numbers, so that every run, on whatever path, is asked
exactly the same. It trades nothing itself.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine import commands as cmd
from engine.enums import By, EntryType, LedgerKind, OrderType, Side

MINUTE_MS = 60_000
PENDING = [t for t in OrderType if t not in (OrderType.BUY, OrderType.SELL)]
METALS = ("XAU", "XAG", "XPT", "XPD")
GROUPS: dict[str, dict[str, Any]] = {
    "retail": {"name": "retail", "leverage": 100},
    "net": {
        "name": "net", "margin_mode": "netting", "stop_out_mode": "mt5", "free_margin_mode": "loss_only",
        "leverage": 200, "spread_diff": 3, "commission": {"kind": "per_lot", "amount": "7"},
        "negative_balance_protection": True,
    },
    "pro": {
        "name": "pro", "leverage": 50, "stop_out_mode": "smart", "positive_slippage": True,
        "commission": {"kind": "percent", "amount": "0.002"},
        "agent_commission": {"kind": "per_lot", "amount": "2"},
        "securities": {"metals": {"execution": "manual_unless_no_dealers", "spread_diff": 10}},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What a file tells of a symbol: its first price that is not crossed, and the decimals of its prices."""

    name: str
    bid: Decimal
    ask: Decimal
    digits: int

    def settings(self) -> dict[str, Any]:
        """Return the symbol as scenarios write it: a pair of currencies, a metal, or an index in dollars."""
        values: dict[str, Any] = {"name": self.name, "digits": self.digits}
        pair = len(self.name) == 6 and self.name.isalpha()
        if self.name[:3] in METALS:
            values |= {"contract_size": "100", "calc_mode": "cfd_leverage", "security": "metals"}
        elif not pair:
            values |= {"contract_size": "1", "calc_mode": "cfd_leverage", "security": "indices"}
        if not pair:
            values |= {"base_currency": "USD", "profit_currency": "USD"}
        return values

    @property
    def step(self) -> Decimal:
        """Return the smallest distance of a level from the market: about 0.014 % of the price, on its grid."""
        point = Decimal(1).scaleb(-self.digits)
        return max(10 * point, (self.bid / 7000).quantize(point))


@dataclass
class Part:
    """Commands at one moment, and the quotes that follow them."""

    time_ms: int
    commands: list[cmd.Command] = field(default_factory=list)
    quotes: int = 0  # how many lines of the file come after the commands


@dataclass
class Workload:
    """A day's work."""

    symbols: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    opening: list[tuple[str, str, str, int]]  # a tick of each symbol before everything
    parts: list[Part]
    seen: list[Seen]


def quotes(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield (symbol, bid, ask, time in ms) of every line of the file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="ascii") as lines:
        next(lines)
        for line in lines:
            time, symbol, bid, ask = line.rstrip("\n").split(",")
            moment = datetime.fromisoformat(time)
            yield symbol, bid, ask, int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def symbols_of(path: Path) -> tuple[list[Seen], int]:
    """Return the symbols of a file by name, and the time in ms of its first quote."""
    first: dict[str, tuple[str, str]] = {}
    digits: dict[str, int] = {}
    begin = 0
    for symbol, bid, ask, time_ms in quotes(path):
        begin = begin or time_ms
        digits[symbol] = max(digits.get(symbol, 0), len(bid.partition(".")[2]), len(ask.partition(".")[2]))
        if symbol not in first and 0 < Decimal(bid) <= Decimal(ask):
            first[symbol] = (bid, ask)
    seen = [Seen(name, *map(Decimal, first[name]), digits=digits[name]) for name in sorted(first)]
    return seen, begin


def lines_of(path: Path) -> int:
    """Return how many quotes the file holds."""
    return sum(1 for _ in quotes(path))


class Maker:
    """Makes commands around the opening prices."""

    def __init__(self, symbols: list[Seen]) -> None:
        self.names = [symbol.name for symbol in symbols]
        self.market = {symbol.name: (symbol.bid, symbol.ask) for symbol in symbols}
        self.step = {symbol.name: symbol.step for symbol in symbols}

    def deposit(self, login: int, amount: str) -> cmd.Command:
        """Return a deposit."""
        return cmd.BalanceOperation(login=login, kind=LedgerKind.DEPOSIT, amount=amount, by=By.MANAGER)

    def _levels(self, symbol: str, side: Side, price: Decimal, near: int, far: int) -> tuple[str, str]:
        """Return stop loss and take profit, so many steps away."""
        sign = 1 if side is Side.BUY else -1
        step = self.step[symbol]
        return str(price - sign * step * near), str(price + sign * step * far)

    def market_order(self, login: int, number: int, volume: str = "0.10") -> cmd.PlaceOrder:
        """Return a market order with stop loss and take profit, its symbol, side and distances by number."""
        symbol, side, price = self._side_of(number)
        sl, tp = self._levels(symbol, side, price, 3 + number * 7 % 40, 3 + number * 11 % 40)
        return cmd.PlaceOrder(
            login=login, symbol=symbol, type=OrderType(side.value), volume=volume, sl=sl, tp=tp
        )

    def near_order(self, login: int, number: int) -> cmd.PlaceOrder:
        """Return a market order whose levels are near and almost nobody else's, so that they go one by one."""
        symbol, side, price = self._side_of(number)
        sign = 1 if side is Side.BUY else -1
        point = Decimal(1).scaleb(price.as_tuple().exponent)
        away = 2 * self.step[symbol] + number // 6 % 200 * max(
            point, (self.step[symbol] / 10).quantize(point)
        )
        return cmd.PlaceOrder(
            login=login, symbol=symbol, type=OrderType(side.value), volume="0.10",
            sl=str(price - sign * away), tp=str(price + sign * away),
        )  # fmt: skip

    def _side_of(self, number: int) -> tuple[str, Side, Decimal]:
        """Return symbol, side and closing price of the market order of that number."""
        symbol = self.names[number % len(self.names)]
        side = Side.BUY if number // 3 % 2 else Side.SELL
        bid, ask = self.market[symbol]
        return symbol, side, bid if side is Side.BUY else ask

    def pending_order(self, login: int, number: int, expires: int | str | None = None) -> cmd.PlaceOrder:
        """Return a pending order of the kind that its number says."""
        symbol = self.names[number % len(self.names)]
        kind = PENDING[number // 3 % len(PENDING)]
        buy = kind.value.startswith("buy")
        bid, ask = self.market[symbol]
        away = self.step[symbol] * (3 + number * 5 % 30)
        rises = ("stop" in kind.value) == buy
        price = (ask if buy else bid) + (away if rises else -away)
        limit = None
        if "stop_limit" in kind.value:
            limit = str(price - self.step[symbol] if buy else price + self.step[symbol])
        base = Decimal(limit) if limit else price
        sl, tp = self._levels(symbol, Side.BUY if buy else Side.SELL, base, 10 + number % 20, 4 + number % 9)
        return cmd.PlaceOrder(
            login=login, symbol=symbol, type=kind, volume="0.05", price=str(price), limit_price=limit, sl=sl,
            tp=tp, expires=expires,
        )  # fmt: skip

    def smart_order(self, login: int, number: int) -> cmd.PlaceSmart:
        """Return a plan with one to three levels, a stop, and by turns trailing and break-even."""
        symbol = self.names[number % len(self.names)]
        side = Side.BUY if number // 3 % 2 else Side.SELL
        sign = 1 if side is Side.BUY else -1
        bid, ask = self.market[symbol]
        entry = ask if side is Side.BUY else bid
        step = self.step[symbol]
        rungs = 1 + number % 3
        percents = {1: ["100"], 2: ["40", "60"], 3: ["30", "30", "40"]}[rungs]
        levels = [
            [str(entry + sign * step * (4 + number * 3 % 11) * (rung + 1)), percents[rung]]
            for rung in range(rungs)
        ]
        stop = None if number % 5 == 0 else str(entry - sign * step * (6 + number * 7 % 30))
        callback = ["0.05", "0.2", "0.5", None][number % 4] if stop else "0.3"
        return cmd.PlaceSmart(
            login=login, smart=0, symbol=symbol, side=side, volume="0.10", entry=EntryType.MARKET,
            take_profits=levels, stop_loss=stop, callback=callback, break_even=number % 2 == 0,
            offset=number % 7,
        )  # fmt: skip


def _opening(symbols: list[Seen], begin_ms: int) -> list[tuple[str, str, str, int]]:
    """Return a tick of every symbol a minute before the day begins, at its first price."""
    return [(s.name, str(s.bid), str(s.ask), begin_ms - MINUTE_MS) for s in symbols]


def basic(path: Path, *, accounts: int, positions: int) -> Workload:
    """Return a day with that many positions with SL and TP, opened a moment before it begins."""
    symbols, begin = symbols_of(path)
    maker = Maker(symbols)
    opening = _opening(symbols, begin)
    logins = range(1001, 1001 + accounts)
    first = Part(opening[0][3])
    first.commands += [maker.deposit(login, "100000") for login in logins]
    for number in range(positions):
        first.commands.append(maker.market_order(logins[number % accounts], number))
    first.quotes = lines_of(path)
    return Workload(
        [symbol.settings() for symbol in symbols],
        [GROUPS["retail"]],
        [{"login": n, "group": "retail"} for n in logins],
        opening,
        [first],
        symbols,
    )


def smart(path: Path, *, accounts: int, plans: int) -> Workload:
    """Return a day with that many smart orders, opened a moment before it begins."""
    day = basic(path, accounts=accounts, positions=0)
    maker = Maker(day.seen)
    for number in range(plans):
        day.parts[0].commands.append(maker.smart_order(1001 + number % accounts, number))
    return day


def everything(path: Path, *, accounts: int, positions: int) -> Workload:
    """Return a day of all features: pending orders of every kind, plans, three groups of different modes.

    The day has four parts; between them there are closes, changes, cancellations, money and a day end.
    """
    symbols, begin = symbols_of(path)
    maker = Maker(symbols)
    opening = _opening(symbols, begin)
    names = list(GROUPS)
    rows = [{"login": 1000, "group": "pro"}]
    for index in range(accounts):
        row: dict[str, Any] = {"login": 1001 + index, "group": names[index % 3]}
        if row["group"] == "pro":
            row["agent"] = 1000
        rows.append(row)
    logins = [row["login"] for row in rows[1:]]
    total = lines_of(path)
    start = opening[0][3]
    parts = [Part(start, quotes=total // 4) for _ in range(4)]
    parts[3].quotes = total - 3 * (total // 4)
    first = parts[0].commands
    # Small accounts too, so that there are stop-outs.
    first += [maker.deposit(login, "600" if login % 5 == 0 else "20000") for login in logins]
    for number in range(positions):
        login = logins[number % accounts]
        if number % 4 == 0:
            first.append(
                maker.pending_order(login, number, ["gtc", "day", start + 9 * 3_600_000][number // 4 % 3])
            )
        elif number % 4 == 1:
            first.append(maker.smart_order(login, number))
        else:
            first.append(maker.market_order(login, number, "0.20" if login % 5 == 0 else "0.10"))
    for place, part in enumerate(parts[1:], start=1):
        part.commands.append(cmd.EndDay(by=By.SYSTEM))
        for index in range(0, accounts, 3):
            login = logins[index]
            part.commands.append(
                cmd.BalanceOperation(login=login, kind=LedgerKind.WITHDRAWAL, amount="10", by=By.CLIENT)
            )
            part.commands.append(maker.market_order(login, index + place * 17))
            part.commands.append(maker.pending_order(login, index + place * 31))
    settings = [symbol.settings() for symbol in symbols]
    return Workload(settings, list(GROUPS.values()), rows, opening, parts, symbols)
