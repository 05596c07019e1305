"""What is traded on a recorded day: symbols, groups, accounts, and the commands before and between its parts.

Everything follows from the file's first quotes and from fixed numbers, so that every run, on whatever path, is asked
exactly the same. It trades nothing itself.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.instruments import Day, Seen, look_at
from engine import commands as cmd
from engine.enums import By, EntryType, LedgerKind, Side
from engine.order_types import MARKET_OF, OrderType

MINUTE_MS = 60_000
PENDING = [row for row in OrderType if not row.is_market]
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
    file: Day


def plain(price: Decimal) -> str:
    """Return a price without an exponent, however small it is."""
    return format(price, "f")


class Maker:
    """Makes commands around the opening prices."""

    def __init__(self, symbols: list[Seen]) -> None:
        self.names = [symbol.name for symbol in symbols]
        self.market = {symbol.name: (symbol.bid, symbol.ask) for symbol in symbols}
        self.step = {symbol.name: symbol.step for symbol in symbols}
        self.point = {symbol.name: symbol.point for symbol in symbols}

    def deposit(self, login: int, amount: str) -> cmd.Command:
        """Return a deposit."""
        return cmd.BalanceOperation(login=login, kind=LedgerKind.DEPOSIT, amount=amount, by=By.MANAGER)

    def _levels(self, symbol: str, side: Side, price: Decimal, near: int, far: int) -> tuple[str, str]:
        """Return stop loss and take profit, so many steps away."""
        sign = 1 if side is Side.BUY else -1
        step = self.step[symbol]
        return plain(price - sign * step * near), plain(price + sign * step * far)

    def market_order(self, login: int, number: int, volume: str = "0.10") -> cmd.PlaceOrder:
        """Return a market order with stop loss and take profit, its symbol, side and distances by number."""
        symbol, side, price = self._side_of(number)
        sl, tp = self._levels(symbol, side, price, 3 + number * 7 % 40, 3 + number * 11 % 40)
        return cmd.PlaceOrder(login=login, symbol=symbol, type=MARKET_OF[side], volume=volume, sl=sl, tp=tp)

    def near_order(self, login: int, number: int) -> cmd.PlaceOrder:
        """Return a market order whose levels are near and almost nobody else's, so that they go one by one."""
        symbol, side, price = self._side_of(number)
        sign = 1 if side is Side.BUY else -1
        point, step = self.point[symbol], self.step[symbol]
        away = 2 * step + number // 6 % 200 * max(point, (step / 10).quantize(point))
        return cmd.PlaceOrder(
            login=login, symbol=symbol, type=MARKET_OF[side], volume="0.10",
            sl=plain(price - sign * away), tp=plain(price + sign * away),
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
        buy = kind.side is Side.BUY
        bid, ask = self.market[symbol]
        away = self.step[symbol] * (3 + number * 5 % 30)
        price = (ask if buy else bid) + (away if kind.rises else -away)
        limit = None
        if kind.has_limit:
            limit = plain(price - self.step[symbol] if buy else price + self.step[symbol])
        base = Decimal(limit) if limit else price
        sl, tp = self._levels(symbol, Side.BUY if buy else Side.SELL, base, 10 + number % 20, 4 + number % 9)
        return cmd.PlaceOrder(
            login=login, symbol=symbol, type=kind, volume="0.05", price=plain(price), limit_price=limit, sl=sl,
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
            [plain(entry + sign * step * (4 + number * 3 % 11) * (rung + 1)), percents[rung]]
            for rung in range(rungs)
        ]
        stop = None if number % 5 == 0 else plain(entry - sign * step * (6 + number * 7 % 30))
        callback = ["0.05", "0.2", "0.5", None][number % 4] if stop else "0.3"
        return cmd.PlaceSmart(
            login=login, smart=0, symbol=symbol, side=side, volume="0.10", entry=EntryType.MARKET,
            take_profits=levels, stop_loss=stop, callback=callback, break_even=number % 2 == 0,
            offset=number % 7,
        )  # fmt: skip


def _opening(file: Day) -> list[tuple[str, str, str, int]]:
    """Return a tick of every symbol a minute before the day begins, at its first price."""
    start_ms = max(file.begin_ms - MINUTE_MS, 0)
    return [(s.name, plain(s.bid), plain(s.ask), start_ms) for s in file.symbols]


def basic(path: Path, *, accounts: int, positions: int) -> Workload:
    """Return a day with that many positions with SL and TP, opened a moment before it begins."""
    file = look_at(path)
    maker = Maker(file.symbols)
    opening = _opening(file)
    logins = range(1001, 1001 + accounts)
    first = Part(opening[0][3])
    first.commands += [maker.deposit(login, "100000") for login in logins]
    for number in range(positions):
        first.commands.append(maker.market_order(logins[number % accounts], number))
    first.quotes = file.quotes
    return Workload(
        [symbol.settings() for symbol in file.symbols],
        [GROUPS["retail"]],
        [{"login": n, "group": "retail"} for n in logins],
        opening,
        [first],
        file,
    )


def smart(path: Path, *, accounts: int, plans: int) -> Workload:
    """Return a day with that many smart orders, opened a moment before it begins."""
    day = basic(path, accounts=accounts, positions=0)
    maker = Maker(day.file.symbols)
    for number in range(plans):
        day.parts[0].commands.append(maker.smart_order(1001 + number % accounts, number))
    return day


def everything(path: Path, *, accounts: int, positions: int) -> Workload:
    """Return a day of all features: pending orders of every kind, plans, three groups of different modes.

    The day has four parts; between them there are closes, changes, cancellations, money and a day end.
    """
    file = look_at(path)
    maker = Maker(file.symbols)
    opening = _opening(file)
    names = list(GROUPS)
    rows = [{"login": 1000, "group": "pro"}]
    for index in range(accounts):
        row: dict[str, Any] = {"login": 1001 + index, "group": names[index % 3]}
        if row["group"] == "pro":
            row["agent"] = 1000
        rows.append(row)
    logins = [row["login"] for row in rows[1:]]
    total = file.quotes
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
        for index in range(0, accounts, 3):
            login = logins[index]
            part.commands.append(
                cmd.BalanceOperation(login=login, kind=LedgerKind.WITHDRAWAL, amount="10", by=By.CLIENT)
            )
            part.commands.append(maker.market_order(login, index + place * 17))
            part.commands.append(maker.pending_order(login, index + place * 31))
    settings = [symbol.settings() for symbol in file.symbols]
    return Workload(settings, list(GROUPS.values()), rows, opening, parts, file)
