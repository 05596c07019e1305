"""What a refusal says to people: what was found, and what would have fitted.

`text` gives one line for every code, whichever handler refuses; the code alone decides, the line explains. It is
asked after a check has failed and reads the same state. Promises: it changes nothing and never raises for what a
caller can send. It judges nothing: that is checks.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from engine import checks
from engine.codes import Code
from engine.core import Core
from engine.enums import By, Side, TradeMode
from engine.execution import netting_position
from engine.margin import order_leverage
from engine.order_types import OrderType
from engine.plans import HUNDRED, MAX_LEVELS
from engine.records import LAST_TICKS
from engine.rounding import fraction_text, parse_decimal, to_text
from engine.settings import LAST_MS, Symbol, currency_digits
from engine.valuation import account_state


@dataclass(slots=True)
class Asked:
    """What was asked, as far as a refusal may have to name it; texts as they came."""

    login: int
    name: str = ""  # of the symbol
    by: By = By.CLIENT
    side: Side | None = None  # of the position or the order
    type: OrderType | None = None
    volume: str | None = None
    whole: int | None = None  # units of the position that is there to be closed
    leverage: int | None = None
    price: str | None = None
    limit_price: str | None = None
    expected: str | None = None  # the price that was seen
    deviation: int | None = None
    price_stands: bool = False  # the price is not asked for, it is what the order has
    stops: list[tuple[str, str | None, bool]] = field(default_factory=list)  # (name, text, is ahead: a TP)
    base: int | None = None  # points that stops are measured from
    expires: str | int | None = None
    callback: str | None = None
    offset: int | None = None
    position: int | None = None
    opposite: int | None = None
    order: int | None = None
    smart: int | None = None
    version: int | None = None
    seen: str = ""  # which value was seen and is another by now
    levels: list[tuple[str, str]] = field(default_factory=list)  # (price, percent)
    level: int = 0  # the one at fault
    takes_over: bool = False  # a plan for a position that is open already
    guarded: list[tuple[str, int | None, int]] = field(
        default_factory=list
    )  # (name, level, market) in points


def text(core: Core, code: str, asked: Asked) -> str:
    """Return one line for people about a refusal with this code."""
    said = _SAID.get(Code(code))
    return said(core, asked) if said is not None else f"{code.replace('_', ' ')}: {_what(asked)}"


def exits(sl: str | None, tp: str | None) -> list[tuple[str, str | None, bool]]:
    """Return SL and TP as `Asked.stops` holds them."""
    return [("SL", sl, False), ("TP", tp, True)]


def seen(symbol: Symbol, values: dict[str, Any] | None, stands: dict[str, int | None]) -> str:
    """Return in words which value its sender saw and which stands, "" where all are as they were."""
    name = checks.unseen(symbol, values, stands)
    if name is None or values is None:
        return ""
    found = stands.get(name)
    return f"{name} was {values[name] or 'none'} when it was seen and is {to_text(found, symbol.digits) if found else 'none'}"


def _what(asked: Asked) -> str:
    """Return the thing that a request is about."""
    for name, number in (("smart order", asked.smart), ("order", asked.order), ("position", asked.position)):
        if number:
            return f"{name} {number}"
    return asked.name or f"account {asked.login}"


def _symbol(core: Core, asked: Asked) -> Symbol | None:
    return core.state.symbols.get(asked.name)


# The account


def _disabled(core: Core, asked: Asked) -> str:
    known = asked.login in core.state.accounts
    return f"account {asked.login} is disabled" if known else f"there is no account {asked.login}"


def _close_only(core: Core, asked: Asked) -> str:
    symbol = _symbol(core, asked)
    if symbol is not None and symbol.trade_mode is TradeMode.CLOSE_ONLY:
        return f"{asked.name} may only be closed"
    return f"account {asked.login} may only close"


def _subscription(core: Core, asked: Asked) -> str:
    tier = core.state.accounts[asked.login].tier
    return f"account {asked.login} has the tier {tier}, smart orders need PRO or above"


def _halted(core: Core, asked: Asked) -> str:
    level = checks.halt_level(core, asked.login, _symbol(core, asked))
    return f"a kill switch is turned: {level.value.replace('_', ' ')}"


def _limit(core: Core, asked: Asked) -> str:
    book, most = core.state.book(asked.login), core.state.group_of(asked.login).max_orders
    pending = sum(1 for order in book.orders.values() if not order.type.is_market)
    return f"{len(book.positions)} positions and {pending} pending orders are there, the group allows {most} in all"


def _hedge(core: Core, asked: Asked) -> str:
    for position in core.state.book(asked.login).positions.values():
        if position.symbol == asked.name and position.side is not asked.side:
            return f"position {position.ticket} is a {position.side.value} of {asked.name}; the group prohibits hedging"
    return f"the group prohibits hedging on {asked.name}"


def _exists(core: Core, asked: Asked) -> str:
    standing = netting_position(core, asked.login, asked.name)
    number = standing.ticket if standing is not None else 0
    return f"the netting account has position {number} on {asked.name}; take it over, or close it first"


def _no_money(core: Core, asked: Asked) -> str:
    free = money(core, asked.login, account_state(core.state, asked.login).free_margin)
    return f"free margin {free} does not cover {asked.volume} {asked.name}"


def money(core: Core, login: int, amount: int) -> str:
    """Return an amount in minor units as the account's currency is written."""
    return to_text(amount, currency_digits(core.state.accounts[login].currency))


# The symbol


def _off_quotes(core: Core, asked: Asked) -> str:
    state, symbol = core.state, _symbol(core, asked)
    quote = state.quotes.get(asked.name)
    if symbol is None or quote is None:
        return f"there is no quote of {asked.name}"
    age_ms, limit_s = state.passed_ms - quote.arrived_ms, symbol.quotes_timeout_s
    if limit_s and age_ms > limit_s * 1000:
        return f"the last quote of {asked.name} is {age_ms // 1000} s old, {limit_s} s are allowed"
    if quote.is_refused_mostly:
        refused = quote.refusals.bit_count()
        return f"{refused} of the last {LAST_TICKS} quotes of {asked.name} were refused, at most half may be"
    currency = state.accounts[asked.login].currency
    return f"there is no rate between {currency} and the currencies of {asked.name}"


def _volume(core: Core, asked: Asked) -> str:
    symbol = _symbol(core, asked)
    if symbol is None:
        return f"volume {asked.volume}"
    units = None if asked.volume is None else checks.read_volume(asked.volume)
    if asked.whole is not None and units is not None and units > asked.whole:
        return f"volume {asked.volume} is more than the position's {checks.lots_text(asked.whole)}"
    if asked.takes_over and asked.whole is not None:
        return f"volume {asked.volume} is not the position's {checks.lots_text(asked.whole)}"
    least, most, step = map(checks.lots_text, (symbol.volume_min, symbol.volume_max, symbol.volume_step))
    also = "" if asked.whole is None else f", nor the position's {checks.lots_text(asked.whole)}"
    return f"volume {asked.volume} is not {least} to {most} in steps of {step}{also}"


def _leverage(core: Core, asked: Asked) -> str:
    most = order_leverage(core.state, asked.login, None)
    return f"leverage {asked.leverage} is not 1 to {most}"


def _price(core: Core, asked: Asked) -> str:
    symbol = _symbol(core, asked)
    if symbol is not None and asked.price is None and (asked.expected, asked.deviation) != (None, None):
        return _expectation(asked, symbol)
    if symbol is None or asked.type is None or asked.type.is_market:
        return f"price {asked.price} is no price of {asked.name}"
    if asked.price is None:
        return f"a {asked.type.words} needs a price"
    for given in (asked.price, asked.limit_price):
        if given is not None and checks.read_price(symbol, given) is None:
            return _off_grid("price", given, symbol)
    view = checks.view_of(core, asked.login, symbol)
    if view is None:
        return f"there is no quote of {asked.name}"
    buy = asked.type.side is Side.BUY
    market, below = checks.market_price(view, asked.type.side, opening=True), not asked.type.rises
    distance = max(1, symbol.stops_level if asked.by is By.CLIENT else 0)
    price = checks.read_price(symbol, asked.price)
    assert price is not None
    if not asked.price_stands and asked.type.ahead(price, market) < distance:
        fits = _bound(market, distance, symbol, below=below)
        name = f"price {asked.price} of a {asked.type.words}"
        return f"{name} must be {fits} ({'ask' if buy else 'bid'} {to_text(market, symbol.digits)})"
    if not asked.type.has_limit:
        return f"a {asked.type.words} has no limit price"
    if asked.limit_price is None:
        return f"a {asked.type.words} needs a limit price"
    return f"limit price {asked.limit_price} must be {_bound(price, 1, symbol, below=buy)}"


def _bound(base: int, distance: int, symbol: Symbol, *, below: bool) -> str:
    """Return the nearest price that is at least so many points from `base`, and to which side it may go."""
    nearest = base - distance if below else base + distance
    return f"{to_text(nearest, symbol.digits)} or {'lower' if below else 'higher'}"


def _expectation(asked: Asked, symbol: Symbol) -> str:
    if asked.expected is None:
        return f"deviation {asked.deviation} needs an expected price that it is measured from"
    if asked.deviation is not None and asked.deviation < 0:
        return f"deviation {asked.deviation} is below 0; points that the price may be worse by are needed"
    return _off_grid("expected price", asked.expected, symbol)


def _off_grid(name: str, given: str, symbol: Symbol) -> str:
    return f"{name} {given} is no price of {symbol.name}, which has {symbol.digits} digits"


def _stops(core: Core, asked: Asked) -> str:
    symbol = _symbol(core, asked)
    if asked.callback is not None:
        rate = parse_decimal(asked.callback)
        if rate is None or not 0 <= rate < 100:
            return f"callback {asked.callback} is not a percentage above 0 and below 100"
    if asked.offset is not None and asked.offset < 0:
        return f"offset {asked.offset} is below 0"
    if symbol is None or asked.side is None or asked.base is None:
        return f"invalid stops: {_what(asked)}"
    least = max(1, symbol.stops_level if asked.by is By.CLIENT else 0)
    for name, given, ahead in asked.stops:
        if given is None or (name in ("SL", "TP", "stop loss") and checks.deletes(symbol, given)):
            continue
        level = checks.read_price(symbol, given)
        if level is None:
            return _off_grid(name, given, symbol)
        below = ahead is (asked.side is Side.SELL)
        if (asked.base - level if below else level - asked.base) < least:
            fits = _bound(asked.base, least, symbol, below=below)
            at = to_text(asked.base, symbol.digits)
            return f"{name} {given} must be {fits} ({asked.side.value} measured from {at})"
    return f"callback {asked.callback} makes no stop" if asked.callback else f"invalid stops: {_what(asked)}"


def _expiration(core: Core, asked: Asked) -> str:
    if isinstance(asked.expires, int) and asked.expires > LAST_MS:
        return f"expiry {asked.expires} is later than 31 December 9998 ({LAST_MS})"
    return f'expiry {asked.expires!a} is neither "gtc", "day" nor a time to come'


def _requote(core: Core, asked: Asked) -> str:
    group = core.state.group_of(asked.login)
    seconds = fraction_text(Fraction(group.requote_ttl_ms, 1000), 3).rstrip("0").rstrip(".")
    return f"the price of {_what(asked)} has moved; the new one may be accepted for {seconds} s"


# Plans


def _levels(core: Core, asked: Asked) -> str:
    where = f", level {asked.level}" if asked.level else ""
    percents = [parse_decimal(percent) or Fraction(0) for _, percent in asked.levels]
    total = sum(percents, Fraction(0))
    if not asked.level:
        if total > HUNDRED:
            return f"the levels close {fraction_text(total, 2)} % in all, which is more than 100"
        if asked.levels:
            return f"the levels close {fraction_text(total, 2)} % in all; below 100 a stop is needed"
        return "an exit is needed: a take profit, a stop loss or a trailing stop"
    if asked.level > MAX_LEVELS:
        return f"there are {len(asked.levels)} levels, at most {MAX_LEVELS} are taken"
    if asked.level <= len(percents) and percents[asked.level - 1] <= 0:
        return f"percent {asked.levels[asked.level - 1][1]} is not above 0{where}"
    symbol = _symbol(core, asked)
    least = checks.lots_text(symbol.volume_min) if symbol is not None else "the least volume"
    return f"a level must close {least} lots or more and lie farther than the one before{where}"


def _managed(core: Core, asked: Asked) -> str:
    book = core.state.book(asked.login)
    position, order = book.positions.get(asked.position or 0), book.orders.get(asked.order or 0)
    owner = (position.smart if position is not None else 0) or (order.smart if order is not None else 0)
    return f"{_what(asked)} belongs to smart order {owner}: change or cancel that"


def _conflict(core: Core, asked: Asked) -> str:
    if not asked.smart:
        return f"{_what(asked)}: {asked.seen or 'it was changed meanwhile'}"
    smart = core.state.book(asked.login).smarts.get(asked.smart or 0)
    stands = f"stands at version {smart.version}" if smart is not None else "has changed"
    return f"version {asked.version} was named, smart order {asked.smart} {stands}"


# Things that exist


def _no_position(core: Core, asked: Asked) -> str:
    positions = core.state.book(asked.login).positions
    missing = asked.position if asked.position not in positions else asked.opposite or asked.position
    found = positions.get(asked.position or 0)
    if found is not None and not asked.opposite:
        return f"position {found.ticket} is a {found.side.value} of {found.symbol}"
    return f"account {asked.login} has no open position {missing}"


def _frozen(core: Core, asked: Asked) -> str:
    symbol = _symbol(core, asked)
    assert symbol is not None  # only its freeze level freezes
    for name, level, market in asked.guarded:
        if level is not None and abs(market - level) <= symbol.freeze_level:
            near, at = to_text(level, symbol.digits), to_text(market, symbol.digits)
            return f"{name} {near} is within {symbol.freeze_level} points of the market at {at}: {_what(asked)} is frozen"
    return f"the market is too near: {_what(asked)} is frozen"


def _fifo(core: Core, asked: Asked) -> str:
    book = core.state.book(asked.login)
    for number in (asked.position, asked.opposite):
        position = book.positions.get(number or 0)
        if position is not None:
            oldest = checks.oldest_of(core, position)
            if oldest is not position:
                return f"position {oldest.ticket} is older than {position.ticket} and closes first"
    return f"an older position closes before {_what(asked)}"


def _close_by(core: Core, asked: Asked) -> str:
    book = core.state.book(asked.login)
    pair = [book.positions.get(number or 0) for number in (asked.position, asked.opposite)]
    shown = " and ".join(f"{p.ticket} is a {p.side.value} of {p.symbol}" for p in pair if p is not None)
    return f"position {shown}; two opposite ones of one symbol close by each other"


_SAID: dict[Code, Callable[[Core, Asked], str]] = {
    Code.ACCOUNT_DISABLED: _disabled,
    Code.READ_ONLY: lambda core, asked: f"account {asked.login} may look, not trade",
    Code.CLOSE_ONLY: _close_only,
    Code.SUBSCRIPTION_REQUIRED: _subscription,
    Code.SYMBOL_NOT_FOUND: lambda core, asked: f"there is no symbol {asked.name}",
    Code.TRADE_DISABLED: lambda core, asked: f"trading in {asked.name} is disabled",
    Code.LONG_ONLY: lambda core, asked: f"{asked.name} may only be bought",
    Code.SHORT_ONLY: lambda core, asked: f"{asked.name} may only be sold",
    Code.MARKET_CLOSED: lambda core, asked: f"{asked.name} is outside its trading session",
    Code.OFF_QUOTES: _off_quotes,
    Code.INVALID_VOLUME: _volume,
    Code.INVALID_LEVERAGE: _leverage,
    Code.INVALID_PRICE: _price,
    Code.INVALID_STOPS: _stops,
    Code.INVALID_LEVELS: _levels,
    Code.INVALID_EXPIRATION: _expiration,
    Code.LIMIT_REACHED: _limit,
    Code.POSITION_EXISTS: _exists,
    Code.HEDGE_PROHIBITED: _hedge,
    Code.NO_MONEY: _no_money,
    Code.POSITION_NOT_FOUND: _no_position,
    Code.ORDER_NOT_FOUND: lambda core, asked: f"account {asked.login} has no pending order {asked.order}",
    Code.SMART_NOT_FOUND: lambda core, asked: f"account {asked.login} has no live smart order {asked.smart}",
    Code.MANAGED_BY_SMART_ORDER: _managed,
    Code.CONFLICT: _conflict,
    Code.FROZEN: _frozen,
    Code.FIFO: _fifo,
    Code.INVALID_CLOSE_BY: _close_by,
    Code.TIMEOUT: lambda core, asked: f"the request for {asked.name} came too late to be executed",
    Code.REQUOTE: _requote,
    Code.HALTED: _halted,
}


def exit_base(core: Core, login: int, symbol: Symbol, side: Side) -> int | None:
    """Return the price at which a position of this side would close now, None without a quote."""
    view = checks.view_of(core, login, symbol)
    return None if view is None else checks.market_price(view, side, opening=False)
