"""Margin and equity of every account with open positions, afresh from rows, against what the desk shows.

A straightforward reading of rules section 7 that shares no formula with the engine. An account is compared
where nothing of it changed after its figures were shown, and it holds no pending order that reserves margin;
equity only where no quote it depends on moved since. Figures whose time is yet to come are not compared: a feed
that ran ahead took the engine's time with it, and until the clock has caught up nobody can say what they are of.
"""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dealing.columns import ms_of
from engine.settings import currency_digits

_SYMBOLS = """
    SELECT name, position, digits, contract_size, base_currency, profit_currency, calc_mode, conversion,
           margin_initial, margin_maintenance, margin_hedged, margin_rate_buy, margin_rate_sell,
           tick_size, tick_value, pending_margin_rate, security_id, allow_negative FROM markets_symbol ORDER BY position, name"""
_POSITIONS = """
    SELECT p.login, p.symbol, p.side, p.volume, p.open_price_exact, p.leverage_exact, p.margin_rate_exact,
           p.fees, p.swap, p.modified_at, p.digits, p.margin_factor
    FROM positions_position p WHERE p.status = 'open' ORDER BY p.login, p.ticket"""
_ACCOUNTS = """
    SELECT a.login, a.currency, a.balance, a.credit, a.group_id, g.hedge_larger_leg, g.spread_diff
    FROM accounts_account a JOIN accounts_group g ON g.name = a.group_id
    WHERE EXISTS (SELECT FROM positions_position p WHERE p.login = a.login AND p.status = 'open')"""
_RESERVING = """
    SELECT DISTINCT o.login FROM orders_order o JOIN markets_symbol s ON s.name = o.symbol
    WHERE o.status = 'pending' AND s.pending_margin_rate <> 0"""


@dataclass
class Market:
    """Symbols, quotes and spreads as rows have them."""

    symbols: dict[str, dict[str, Any]]
    quotes: dict[str, tuple[Fraction, Fraction, int]]
    spreads: dict[tuple[str, str], int]

    def quote(self, symbol: str, account: dict[str, Any]) -> tuple[Fraction, Fraction] | None:
        """Return bid and ask as the account's group sees them."""
        if symbol not in self.quotes:
            return None
        bid, ask, _ = self.quotes[symbol]
        row = self.symbols[symbol]
        diff = self.spreads.get((account["group_id"], row["security_id"]), account["spread_diff"])
        point = Fraction(1, 10 ** row["digits"])
        low, high = bid - diff // 2 * point, ask + (diff + 1) // 2 * point
        if diff and not row["allow_negative"]:
            low = max(low, point)
        return low, max(high, low + point) if diff else high

    def rate(self, source: str, target: str, account: dict[str, Any], *, ask: bool) -> Fraction | None:
        """Return what one unit of a currency is worth in another (§7.3).

        Direct, inverse, else through USD, else through the first currency of the symbol list with both legs.
        """
        if source == target:
            return Fraction(1)
        if self._has_pair(source, target):
            return self._pair(source, target, account, ask)
        middles = ["USD"]
        for row in self.symbols.values():
            middles += [row["base_currency"], row["profit_currency"]]
        for middle in middles:
            if middle in (source, target):
                continue
            if self._has_pair(source, middle) and self._has_pair(middle, target):
                first = self._pair(source, middle, account, ask)
                second = self._pair(middle, target, account, ask)
                return first * second if first is not None and second is not None else None
        return None

    def _has_pair(self, source: str, target: str) -> bool:
        return self._named(source, target) is not None

    def _named(self, source: str, target: str) -> tuple[str, bool] | None:
        """Return the first pair of two currencies that has a price above 0, and whether it is the inverse one."""
        for wanted, inverse in (((source, target), False), ((target, source), True)):
            for name, row in self.symbols.items():
                if (row["base_currency"], row["profit_currency"]) == wanted and (
                    name in self.quotes and self.quotes[name][0] > 0
                ):
                    return name, inverse
        return None

    def _pair(self, source: str, target: str, account: dict[str, Any], ask: bool) -> Fraction | None:
        found = self._named(source, target)
        view = self.quote(found[0], account) if found is not None else None
        if found is None or view is None:
            return None
        if not found[1]:
            return view[1 if ask else 0]
        price = view[0 if ask else 1]
        return 1 / price if price > 0 else None


def compare(cursor: Any, published: dict[int, dict[str, Any]]) -> tuple[int, list[tuple[Any, ...]]]:
    """Return how many accounts were compared with what the desk shows, and the differences."""
    market = market_of(cursor)
    accounts = {row["login"]: row for row in _dicts(cursor, _ACCOUNTS)}
    positions = defaultdict(list)
    for row in _dicts(cursor, _POSITIONS):
        positions[row["login"]].append(row)
    cursor.execute(_RESERVING)
    reserving = {login for (login,) in cursor.fetchall()}
    cursor.execute("SELECT clock_timestamp()")
    clock_ms = ms_of(cursor.fetchone()[0])
    compared, found = 0, []
    for login, account in accounts.items():
        shown = published.get(login)
        if shown is None or login in reserving:
            continue
        time_ms = int(shown["time_ms"])
        if time_ms > clock_ms:
            continue
        if any(ms_of(p["modified_at"]) > time_ms for p in positions[login]):
            continue
        compared += 1
        margin = account_margin(market, account, positions[login])
        if Decimal(shown["margin"]) != margin:
            found.append((f"account {login}", "margin", margin, shown["margin"]))
        if any(quote[2] > time_ms for quote in market.quotes.values()):
            continue
        equity = account_equity(market, account, positions[login])
        if equity is not None and Decimal(shown["equity"]) != equity:
            found.append((f"account {login}", "equity", equity, shown["equity"]))
    return compared, found


def account_margin(market: Market, account: dict[str, Any], positions: list[dict[str, Any]]) -> Decimal:
    """Return the margin of an account's open positions in its currency."""
    by_symbol: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for position in positions:
        by_symbol[position["symbol"]].append(position)
    digits = currency_digits(account["currency"])
    parts = [
        _symbol_margin(market.symbols[name], some, digits, larger_leg=account["hedge_larger_leg"])
        for name, some in by_symbol.items()
    ]
    return sum(parts, Decimal(0))


def _symbol_margin(
    symbol: dict[str, Any], positions: list[dict[str, Any]], digits: int, *, larger_leg: bool
) -> Decimal:
    lots = {"buy": Fraction(0), "sell": Fraction(0)}
    money = {"buy": Fraction(0), "sell": Fraction(0)}
    for position in positions:
        volume = Fraction(position["volume"])
        lots[position["side"]] += volume
        money[position["side"]] += volume * _lot_margin(symbol, position)
    factor = {side: Fraction(symbol[f"margin_rate_{side}"]) for side in ("buy", "sell")}
    if not lots["buy"] or not lots["sell"]:
        return _rounded(sum(money[side] * factor[side] for side in money), digits)
    if larger_leg:
        return max(_rounded(money[side] * factor[side], digits) for side in money)
    larger = "buy" if lots["buy"] >= lots["sell"] else "sell"
    uncovered = abs(lots["buy"] - lots["sell"]) * money[larger] / lots[larger] * factor[larger]
    average = (money["buy"] + money["sell"]) / (lots["buy"] + lots["sell"])
    hedged = symbol["margin_hedged"] if symbol["margin_hedged"] is not None else symbol["contract_size"]
    covered = min(lots.values()) * average * Fraction(hedged) / Fraction(symbol["contract_size"])
    return _rounded(uncovered, digits) + _rounded(covered * (factor["buy"] + factor["sell"]) / 2, digits)


def _lot_margin(symbol: dict[str, Any], position: dict[str, Any]) -> Fraction:
    rate = Fraction(position["margin_rate_exact"])
    mode = symbol["calc_mode"]
    if mode == "futures":
        own = symbol["margin_maintenance"]
        return Fraction(symbol["margin_initial"] if own is None else own) * rate
    if symbol["margin_initial"] is not None:
        return Fraction(symbol["margin_initial"]) * rate
    contract = Fraction(symbol["contract_size"])
    points = Fraction(1, 10 ** position["digits"]) if mode.startswith("cfd") else Fraction(1)
    if (
        position["margin_factor"] is not None
    ):  # of a netting position that was increased: price x rate / leverage
        return contract * Fraction(position["margin_factor"]) * points
    amount = contract * rate
    if mode.startswith("cfd"):
        amount *= abs(Fraction(position["open_price_exact"])) * points
    return amount / Fraction(position["leverage_exact"]) if mode in ("forex", "cfd_leverage") else amount


def account_equity(
    market: Market, account: dict[str, Any], positions: list[dict[str, Any]]
) -> Decimal | None:
    """Return balance, credit, floating profit, swap and fees together; None where a rate is not to be had."""
    total = Decimal(account["balance"] + account["credit"])
    for position in positions:
        profit = position_profit(market, account, position)
        if profit is None:
            return None
        total += profit + position["fees"] + position["swap"]
    return total


def position_profit(market: Market, account: dict[str, Any], position: dict[str, Any]) -> Decimal | None:
    """Return the floating profit of an open position in account currency; None where a rate is not to be had."""
    symbol = market.symbols[position["symbol"]]
    view = market.quote(position["symbol"], account)
    if view is None:
        return None
    is_buy = position["side"] == "buy"
    move = (view[0] if is_buy else view[1]) - Fraction(position["open_price_exact"]) / 10 ** position[
        "digits"
    ]
    per_price = (
        Fraction(symbol["tick_value"]) / Fraction(symbol["tick_size"])
        if symbol["calc_mode"] == "futures"
        else Fraction(symbol["contract_size"])
    )
    raw = (move if is_buy else -move) * per_price * Fraction(position["volume"])
    ask = is_buy if symbol["conversion"] == "deal" else raw <= 0
    rate = market.rate(symbol["profit_currency"], account["currency"], account, ask=ask)
    return None if rate is None else _rounded(raw * rate, currency_digits(account["currency"]))


def _rounded(value: Fraction | int, digits: int) -> Decimal:
    """Return an amount rounded once, half up and away from zero."""
    units = int(abs(Fraction(value)) * 10**digits + Fraction(1, 2))
    return Decimal(units if value >= 0 else -units).scaleb(-digits)


def market_of(cursor: Any) -> Market:
    """Return symbols, last committed quotes and group spreads."""
    symbols = {row["name"]: row for row in _dicts(cursor, _SYMBOLS)}
    cursor.execute("SELECT symbol, bid, ask, time FROM markets_quote")
    quotes = {
        name: (Fraction(bid), Fraction(ask), ms_of(time))
        for name, bid, ask, time in cursor.fetchall()
        if name in symbols
    }
    cursor.execute(
        "SELECT group_id, security, spread_diff FROM accounts_groupsecurity WHERE spread_diff IS NOT NULL"
    )
    return Market(symbols, quotes, {(group, security): diff for group, security, diff in cursor.fetchall()})


def _dicts(cursor: Any, query: str) -> list[dict[str, Any]]:
    cursor.execute(query)
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
