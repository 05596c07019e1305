"""In which order a request is judged: the one table that handlers obey and docs/codes.md prints.

A rule is one check and the codes that it answers with. A row has the rules of one family of requests; of two rules that
a request breaks, the one that stands first answers. Handlers name a check for each rule of their row, in no order, and
`judge` asks them in the row's. Whoever moves a rule in a row moves it everywhere.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from itertools import groupby

from engine.codes import Code
from engine.refusals import Refusal

Check = Callable[[], Refusal | None]


class Rule(StrEnum):
    """What requests are asked."""

    IN_TIME = auto()
    NOT_HALTED = auto()
    NO_PLUGIN_OBJECTS = auto()
    ACCOUNT_KNOWN = auto()
    ACCOUNT_TRADES = auto()
    ACCOUNT_OPENS = auto()
    TIER = auto()
    SYMBOL_KNOWN = auto()
    SYMBOL_TRADES = auto()
    SYMBOL_OPENS = auto()
    SESSION = auto()
    QUOTE = auto()
    RATES = auto()
    VOLUME = auto()
    LEVERAGE = auto()
    PRICE = auto()
    STOPS = auto()
    RESULTING_STOPS = auto()
    LEVELS = auto()
    EXPIRY = auto()
    ROOM = auto()
    NO_POSITION = auto()
    HEDGE = auto()
    MARGIN = auto()
    DEVIATION = auto()
    POSITION_THERE = auto()
    ORDER_THERE = auto()
    SMART_THERE = auto()
    NOT_MANAGED = auto()
    SEEN_STANDS = auto()
    NOT_FROZEN = auto()
    FIFO = auto()
    OPPOSITE = auto()
    AMOUNT = auto()
    TAKEN_IS_THERE = auto()
    SUM_IS_HELD = auto()
    REQUEST_THERE = auto()
    REQUEST_FREE = auto()
    OFFER_THERE = auto()
    OFFER_STANDS = auto()


#: What each rule answers with.
CODES_OF: dict[Rule, tuple[Code, ...]] = {
    Rule.IN_TIME: (Code.TIMEOUT,),
    Rule.NOT_HALTED: (Code.HALTED,),
    Rule.NO_PLUGIN_OBJECTS: (Code.REJECTED,),
    Rule.ACCOUNT_KNOWN: (Code.ACCOUNT_DISABLED,),
    Rule.ACCOUNT_TRADES: (Code.ACCOUNT_DISABLED, Code.READ_ONLY),
    Rule.ACCOUNT_OPENS: (Code.CLOSE_ONLY,),
    Rule.TIER: (Code.SUBSCRIPTION_REQUIRED,),
    Rule.SYMBOL_KNOWN: (Code.SYMBOL_NOT_FOUND,),
    Rule.SYMBOL_TRADES: (Code.TRADE_DISABLED,),
    Rule.SYMBOL_OPENS: (Code.CLOSE_ONLY, Code.LONG_ONLY, Code.SHORT_ONLY),
    Rule.SESSION: (Code.MARKET_CLOSED,),
    Rule.QUOTE: (Code.OFF_QUOTES,),
    Rule.RATES: (Code.OFF_QUOTES,),
    Rule.VOLUME: (Code.INVALID_VOLUME,),
    Rule.LEVERAGE: (Code.INVALID_LEVERAGE,),
    Rule.PRICE: (Code.INVALID_PRICE,),
    Rule.STOPS: (Code.INVALID_STOPS,),
    Rule.RESULTING_STOPS: (Code.INVALID_STOPS,),
    Rule.LEVELS: (Code.INVALID_LEVELS,),
    Rule.EXPIRY: (Code.INVALID_EXPIRATION,),
    Rule.ROOM: (Code.LIMIT_REACHED,),
    Rule.NO_POSITION: (Code.POSITION_EXISTS,),
    Rule.HEDGE: (Code.HEDGE_PROHIBITED,),
    Rule.MARGIN: (Code.NO_MONEY,),
    Rule.DEVIATION: (Code.REQUOTE,),
    Rule.POSITION_THERE: (Code.POSITION_NOT_FOUND,),
    Rule.ORDER_THERE: (Code.ORDER_NOT_FOUND,),
    Rule.SMART_THERE: (Code.SMART_NOT_FOUND,),
    Rule.NOT_MANAGED: (Code.MANAGED_BY_SMART_ORDER,),
    Rule.SEEN_STANDS: (Code.CONFLICT,),
    Rule.NOT_FROZEN: (Code.FROZEN,),
    Rule.FIFO: (Code.FIFO,),
    Rule.OPPOSITE: (Code.INVALID_CLOSE_BY,),
    Rule.AMOUNT: (Code.INVALID_AMOUNT,),
    Rule.TAKEN_IS_THERE: (Code.NO_MONEY,),
    Rule.SUM_IS_HELD: (Code.INVALID_AMOUNT,),
    Rule.REQUEST_THERE: (Code.REQUEST_NOT_FOUND,),
    Rule.REQUEST_FREE: (Code.CONFLICT,),
    Rule.OFFER_THERE: (Code.REQUEST_NOT_FOUND,),
    Rule.OFFER_STANDS: (Code.TIMEOUT,),
}


class Family(StrEnum):
    """Requests that are judged alike; the words are those of docs/codes.md."""

    GATE = "any request of an account"
    PLACE_ORDER = "place an order"
    REDUCE = "place an order that only reduces a netting position"
    PLACE_SMART = "place a smart order"
    TAKE_OVER = "place a smart order for an open position"
    CLOSE = "close a position"
    CLOSE_BY = "close by"
    MODIFY_POSITION = "modify a position"
    MODIFY_ORDER = "modify an order"
    CANCEL_ORDER = "cancel an order"
    MODIFY_SMART = "modify a smart order"
    CANCEL_SMART = "cancel a smart order"
    MOVE_MONEY = "move money"
    TAKE_REQUEST = "take a request"
    ANSWER_REQUEST = "answer a request"
    ACCEPT_REQUOTE = "accept a requote"
    CONFIRM_OPENING = "execute a market order that waited for a dealer"
    ACTIVATE = "activate a pending order"
    RELEASE = "execute an order that the last dealer left"


_OPENING = (Rule.ACCOUNT_TRADES, Rule.ACCOUNT_OPENS)
_SYMBOL_OPENS = (Rule.SYMBOL_TRADES, Rule.SYMBOL_OPENS, Rule.SESSION, Rule.QUOTE, Rule.RATES, Rule.VOLUME)
#: The rules of each family in their order. A plugin is asked after the kill switches and before all else.
ROWS: dict[Family, tuple[Rule, ...]] = {
    Family.GATE: (Rule.IN_TIME, Rule.NOT_HALTED, Rule.NO_PLUGIN_OBJECTS),
    Family.PLACE_ORDER: (
        *_OPENING, Rule.SYMBOL_KNOWN, *_SYMBOL_OPENS, Rule.LEVERAGE, Rule.PRICE, Rule.STOPS, Rule.EXPIRY, Rule.ROOM,
        Rule.HEDGE, Rule.MARGIN, Rule.DEVIATION,
    ),
    Family.REDUCE: (
        Rule.ACCOUNT_TRADES, Rule.SYMBOL_KNOWN, Rule.SYMBOL_TRADES, Rule.SESSION, Rule.QUOTE, Rule.VOLUME, Rule.PRICE,
        Rule.DEVIATION,
    ),
    Family.PLACE_SMART: (
        *_OPENING, Rule.TIER, Rule.SYMBOL_KNOWN, *_SYMBOL_OPENS, Rule.PRICE, Rule.STOPS, Rule.RESULTING_STOPS,
        Rule.LEVELS, Rule.ROOM, Rule.NO_POSITION, Rule.HEDGE, Rule.MARGIN,
    ),
    Family.TAKE_OVER: (
        Rule.ACCOUNT_TRADES, Rule.TIER, Rule.SYMBOL_KNOWN, Rule.POSITION_THERE, Rule.NOT_MANAGED, Rule.SESSION,
        Rule.QUOTE, Rule.VOLUME, Rule.STOPS, Rule.RESULTING_STOPS, Rule.LEVELS,
    ),
    Family.CLOSE: (
        Rule.ACCOUNT_TRADES, Rule.POSITION_THERE, Rule.SYMBOL_TRADES, Rule.SESSION, Rule.QUOTE, Rule.VOLUME, Rule.FIFO,
        Rule.PRICE, Rule.DEVIATION,
    ),
    Family.CLOSE_BY: (
        Rule.ACCOUNT_TRADES, Rule.POSITION_THERE, Rule.SYMBOL_TRADES, Rule.SESSION, Rule.FIFO, Rule.OPPOSITE,
    ),
    Family.MODIFY_POSITION: (
        Rule.ACCOUNT_TRADES, Rule.POSITION_THERE, Rule.NOT_MANAGED, Rule.SEEN_STANDS, Rule.SESSION, Rule.QUOTE,
        Rule.NOT_FROZEN, Rule.STOPS,
    ),
    Family.MODIFY_ORDER: (
        Rule.ACCOUNT_TRADES, Rule.ORDER_THERE, Rule.NOT_MANAGED, Rule.SEEN_STANDS, Rule.SESSION, Rule.QUOTE,
        Rule.NOT_FROZEN, Rule.PRICE, Rule.STOPS, Rule.EXPIRY,
    ),
    Family.CANCEL_ORDER: (Rule.ACCOUNT_TRADES, Rule.ORDER_THERE, Rule.SESSION, Rule.NOT_FROZEN),
    Family.MODIFY_SMART: (
        Rule.ACCOUNT_TRADES, Rule.SMART_THERE, Rule.SEEN_STANDS, Rule.QUOTE, Rule.STOPS, Rule.LEVELS,
        Rule.RESULTING_STOPS,
    ),
    Family.CANCEL_SMART: (Rule.ACCOUNT_TRADES, Rule.SMART_THERE, Rule.SEEN_STANDS),
    Family.MOVE_MONEY: (Rule.ACCOUNT_KNOWN, Rule.AMOUNT, Rule.TAKEN_IS_THERE, Rule.SUM_IS_HELD),
    Family.TAKE_REQUEST: (Rule.REQUEST_THERE, Rule.REQUEST_FREE),
    Family.ANSWER_REQUEST: (Rule.REQUEST_THERE, Rule.REQUEST_FREE, Rule.PRICE, Rule.QUOTE),
    Family.ACCEPT_REQUOTE: (Rule.OFFER_THERE, Rule.OFFER_STANDS),
    Family.CONFIRM_OPENING: (Rule.RATES, Rule.HEDGE, Rule.MARGIN, Rule.DEVIATION),
    Family.ACTIVATE: (Rule.SYMBOL_TRADES, Rule.SYMBOL_OPENS, Rule.RATES, Rule.MARGIN, Rule.HEDGE),
    Family.RELEASE: (Rule.NOT_HALTED, Rule.SESSION, Rule.QUOTE),
}  # fmt: skip
#: Families whose requests pass the gate before their own row.
GATED = frozenset(Family) - {
    Family.GATE, Family.MOVE_MONEY, Family.TAKE_REQUEST, Family.ANSWER_REQUEST, Family.ACCEPT_REQUOTE,
    Family.CONFIRM_OPENING, Family.ACTIVATE, Family.RELEASE,
}  # fmt: skip


def judge(family: Family, checks: Mapping[Rule, Check]) -> Refusal | None:
    """Return the refusal of the first rule of the row that is broken, None where all hold.

    Raises:
        KeyError: a rule of the row has no check, or a check no place in the row.
    """
    row = ROWS[family]
    if len(checks) != len(row):
        raise KeyError(f"{family}: {sorted(checks.keys() ^ set(row))}")
    for rule in row:
        refusal = checks[rule]()
        if refusal is not None:
            assert refusal.code in CODES_OF[rule], (rule, refusal.code)
            return refusal
    return None


def _codes(family: Family) -> tuple[Code, ...]:
    rules = (*ROWS[Family.GATE], *ROWS[family]) if family in GATED else ROWS[family]
    return tuple(code for code, _ in groupby(code for rule in rules for code in CODES_OF[rule]))


#: The codes of each family in their order, as docs/codes.md prints them.
PRECEDENCE: dict[Family, tuple[Code, ...]] = {
    family: _codes(family) for family in Family if family is not Family.GATE
}
