"""Equity, margin level and free margin of an account at the quotes of the moment (rules section 7)."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import gcd

from engine.enums import Conversion, PositionStatus, Side, StopOutUnit
from engine.figures import AccountState
from engine.holdings import Holding, Ratio, Share
from engine.holdings import Side as Sums
from engine.margin import Leg, position_leg, reservation, reserving_orders, symbol_margin
from engine.profit import floating_profit, in_money, raw_profit
from engine.rates import close_price, conversion_path, group_quote, profit_rate
from engine.records import Position
from engine.rounding import to_text
from engine.settings import Group, currency_digits
from engine.state import Book, State


def account_state(state: State, login: int) -> AccountState:
    """Return the account's figures at the quotes of the moment."""
    account = state.accounts[login]
    floating = carried = 0
    for name, holding in holdings_of(state, login).items():
        floating += _floating(state, login, name, holding)
        carried += holding.carried
    return AccountState(
        balance=account.balance,
        credit=account.credit,
        floating=floating,
        carried=carried,
        margin=account_margin(state, login),
        mode=state.groups[account.group].free_margin_mode,
    )


def money_text(state: State, login: int, amount: int) -> str:
    """Return an amount in minor units as the account's currency is written."""
    return to_text(amount, currency_digits(state.accounts[login].currency))


def is_fully_hedged(state: State, login: int, *, without: str = "") -> bool:
    """Return whether the account is as long as it is short on every symbol, one left out where it is named."""
    return all(
        holding.buys.volume == holding.sells.volume
        for name, holding in holdings_of(state, login).items()
        if name != without
    )


def is_stopped_out(group: Group, currency: str, equity: int, margin: int, *, hedged: bool) -> bool:
    """Return whether an account with these figures has reached its stop-out (§8.1).

    Without margin an equity below 0 is enough, unless the group spares accounts that are fully `hedged`.
    """
    if margin > 0:
        if group.stop_out_unit is StopOutUnit.MONEY:
            limit: Fraction = group.stop_out * 10 ** currency_digits(currency)
            return equity <= limit
        return equity * 100 * group.stop_out.denominator <= group.stop_out.numerator * margin
    return equity < 0 and not (hedged and group.skip_fully_hedged)


def is_margin_called(group: Group, equity: int, margin: int) -> bool:
    """Return whether the margin level is at or below the group's margin call."""
    call = group.margin_call
    return margin > 0 and equity * 100 * call.denominator <= call.numerator * margin


# Sums


def holdings_of(state: State, login: int) -> dict[str, Holding]:
    """Return the sums of the account's positions by symbol, added up now where they are not kept."""
    book = state.book(login)
    if book.holdings is None:
        book.holdings = fresh_holdings(state, book)
    return book.holdings


def fresh_holdings(state: State, book: Book) -> dict[str, Holding]:
    """Return the sums of a book's positions, added up anew."""
    holdings: dict[str, Holding] = {}
    for position in book.positions.values():
        _put(state, holdings, position)
    return holdings


def hold(state: State, position: Position) -> None:
    """Bring the sums up to date with a position that was opened, changed or closed."""
    book = state.book(position.login)
    if book.holdings is not None:
        _put(state, book.holdings, position)


def _put(state: State, holdings: dict[str, Holding], position: Position) -> None:
    symbol = state.symbols[position.symbol]
    holding = holdings.get(symbol.name)
    if holding is None:
        num = symbol.profit_num * 10 ** currency_digits(state.accounts[position.login].currency)
        common = gcd(num, symbol.profit_den)
        holding = holdings[symbol.name] = Holding((num // common, symbol.profit_den // common))
    if position.status is not PositionStatus.OPEN:
        holding.put(position.ticket, None)
        if not holding.shares:
            del holdings[symbol.name]
        return
    leg = position_leg(symbol, position)
    share = Share(
        is_buy=position.side is Side.BUY,
        volume=position.volume,
        open_price=position.open_price,
        margin=(leg.lot_margin.numerator * position.volume, leg.lot_margin.denominator),
        carried=position.swap + position.fees,
    )
    holding.put(position.ticket, share)


def wrong_sums(state: State) -> Iterator[tuple[int, str]]:
    """Yield each account whose sums are not those of its positions, and what is wrong."""
    for login, book in state.books.items():
        if book.holdings is None:
            continue
        afresh = fresh_holdings(state, book)
        if {k: h.sums() for k, h in book.holdings.items()} != {k: h.sums() for k, h in afresh.items()}:
            yield login, f"account {login}: the sums of its positions are not those added up afresh"
        account = state.accounts[login]
        group, digits = state.groups[account.group], currency_digits(account.currency)
        for name, holding in book.holdings.items():
            margin = symbol_margin(state.symbols[name], group, exact_legs(state, login, name), digits)
            if holding.margin not in (None, margin):
                yield (
                    login,
                    f"account {login}: the margin of {name} is kept as {holding.margin}, it is {margin}",
                )


# Floating profit


def _floating(state: State, login: int, name: str, holding: Holding) -> int:
    """Return the profit of all positions of one symbol at the group's close prices, each rounded by itself."""
    account, symbol = state.accounts[login], state.symbols[name]
    group = state.groups[account.group]
    view = group_quote(state, group, symbol)
    if view is None:
        return 0
    total, digits, currency = 0, currency_digits(account.currency), account.currency
    for side, sums in ((Side.BUY, holding.buys), (Side.SELL, holding.sells)):
        if not sums.count:
            continue
        price = close_price(view, side)
        gain = loss = profit_rate(state, group, symbol, side, gain=True, currency=currency)
        if symbol.conversion is Conversion.MARKET:
            loss = profit_rate(state, group, symbol, side, gain=False, currency=currency)
        if gain is None or loss is None:  # each position has its own last good rate
            mine = (p for p in state.book(login).positions.values() if p.symbol == name and p.side is side)
            total += sum(floating_profit(state, position) for position in mine)
            continue
        shares: Iterable[tuple[Fraction, int]]
        if sums.count > 1 and symbol.profit_currency == currency and is_whole(sums, holding.unit):
            shares = ((Fraction(sums.weight, sums.volume), sums.volume),)
        else:
            is_buy = side is Side.BUY
            shares = [(s.open_price, s.volume) for s in holding.shares.values() if s.is_buy is is_buy]
        for opened, volume in shares:
            raw = raw_profit(symbol, side, opened, price, volume)
            total += in_money(raw, gain if raw[0] > 0 else loss, digits)
    return total


def is_whole(sums: Sums, unit: Ratio) -> bool:
    """Return whether every position's profit is whole minor units by itself, so that none is rounded."""
    return not sums.fractional and not sums.grain * unit[0] % unit[1]


def keep_rates(state: State, via: str = "") -> None:
    """Let open positions keep their last good rate: the one of now, before it may be gone.

    `via`: only of those that convert through this symbol.
    """
    for position in state.positions.values():
        source, target = (
            state.symbols[position.symbol].profit_currency,
            state.accounts[position.login].currency,
        )
        path = conversion_path(state, source, target)
        if path and (not via or any(name == via for name, _ in path)):
            floating_profit(state, position)


# Margin


def positions_margin(
    state: State, login: int, *, symbol_name: str = "", legs: list[Leg] | None = None
) -> int:
    """Return the margin of the account's positions; `legs` replaces those of one symbol ("what if")."""
    account = state.accounts[login]
    group, digits = state.groups[account.group], currency_digits(account.currency)
    total = 0
    for name, holding in holdings_of(state, login).items():
        if legs is None or name != symbol_name:
            total += _holding_margin(state, login, name, holding)
    if legs is not None:
        total += symbol_margin(state.symbols[symbol_name], group, legs, digits)
    return total


def _holding_margin(state: State, login: int, name: str, holding: Holding) -> int:
    if holding.margin is None:
        account, symbol = state.accounts[login], state.symbols[name]
        group, digits = state.groups[account.group], currency_digits(account.currency)
        fewest, most = summed_legs(holding)
        least = symbol_margin(symbol, group, fewest, digits)
        if most is not fewest and least != symbol_margin(symbol, group, most, digits):
            least = symbol_margin(symbol, group, exact_legs(state, login, name), digits)
        holding.margin = least
    return holding.margin


def summed_legs(holding: Holding | None) -> tuple[list[Leg], list[Leg]]:
    """Return a symbol's positions as one leg a side: with the least that their margin can be, and with the most.

    They are one list unless the sum of a side is not kept exactly.
    """
    least: list[Leg] = []
    most: list[Leg] = []
    sides = () if holding is None else ((Side.BUY, holding.buys), (Side.SELL, holding.sells))
    for side, sums in sides:
        if sums.count:
            low, high = sums.margin.ends
            least.append(Leg(side, sums.volume, low / sums.volume))
            most.append(Leg(side, sums.volume, high / sums.volume) if high is not low else least[-1])
    return least, least if all(one is other for one, other in zip(least, most, strict=True)) else most


def exact_legs(state: State, login: int, name: str) -> list[Leg]:
    """Return the legs of the account's positions on a symbol, one a position."""
    held = [p for p in state.book(login).positions.values() if p.symbol == name]
    return [position_leg(state.symbols[name], position) for position in held]


def account_margin(
    state: State, login: int, *, symbol_name: str = "", legs: list[Leg] | None = None, without: int = 0
) -> int:
    """Return the account's margin, reservations of pending orders included except order `without`."""
    total = positions_margin(state, login, symbol_name=symbol_name, legs=legs)
    for order in reserving_orders(state, login):
        if order.ticket != without:
            total += reservation(state, order)
    return total
