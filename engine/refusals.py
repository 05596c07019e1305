"""A refusal: the code of the rule that a request breaks, and what was found; and the sentences made of that.

`refuse` makes one where a check has found something, so that nothing is looked up twice. Every sentence says what was
found and what would have fitted; the code alone decides, the sentence explains. It judges nothing: that is checks.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.codes import Code

RefusalFacts = Mapping[str, str | int]


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why a request is refused: the code, which of its sentences fits, and the facts that fill it."""

    code: Code
    reason: str
    facts: RefusalFacts
    level: int = 0  # number of the smart order's level at fault, 0 where none is

    @property
    def sentence(self) -> str:
        """Return one line for people."""
        return SENTENCES[self.code][self.reason].format_map(self.facts)


def refuse(code: Code, reason: str, /, *, at_level: int = 0, **facts: str | int) -> Refusal:
    """Return a refusal with what was found; `reason` is a key of `SENTENCES[code]`, `facts` what it names."""
    return Refusal(code, reason, facts, at_level)


_OFF_GRID = "{name} {text} is no price of {symbol}, which has {digits} digits"

#: By code and reason. `thing` is what a request is about: "position 10", "order 20", "smart order 30".
SENTENCES: dict[Code, dict[str, str]] = {
    Code.TIMEOUT: {
        "late": "the request for {symbol} came too late to be executed",
        "offer": "the requote of order {order} ran out {seconds} s ago",
    },
    Code.HALTED: {"switch": "a kill switch is turned: {halt}"},
    Code.REJECTED: {"plugin": "{reply}"},
    Code.ACCOUNT_DISABLED: {
        "unknown": "there is no account {login}",
        "disabled": "account {login} is disabled",
    },
    Code.READ_ONLY: {"account": "account {login} may look, not trade"},
    Code.CLOSE_ONLY: {
        "account": "account {login} may only close",
        "symbol": "{symbol} may only be closed",
    },
    Code.SUBSCRIPTION_REQUIRED: {
        "tier": "account {login} has the tier {tier}, smart orders need PRO or above",
    },
    Code.SYMBOL_NOT_FOUND: {"unknown": "there is no symbol {symbol}"},
    Code.TRADE_DISABLED: {"symbol": "trading in {symbol} is disabled"},
    Code.LONG_ONLY: {"symbol": "{symbol} may only be bought"},
    Code.SHORT_ONLY: {"symbol": "{symbol} may only be sold"},
    Code.MARKET_CLOSED: {"session": "{symbol} is outside its trading session"},
    Code.OFF_QUOTES: {
        "none": "there is no quote of {symbol}",
        "old": "the last quote of {symbol} is {seconds} s old, {limit} s are allowed",
        "refused": "{refused} of the last {of} quotes of {symbol} were refused, at most half may be",
        "rate": "there is no rate between {currency} and the currencies of {symbol}",
    },
    Code.INVALID_VOLUME: {
        "range": "volume {volume} is not {least} to {most} in steps of {step}",
        "range_or_whole": "volume {volume} is not {least} to {most} in steps of {step}, nor the position's {whole}",
        "above_whole": "volume {volume} is more than the position's {whole}",
        "not_whole": "volume {volume} is not the position's {whole}",
    },
    Code.INVALID_LEVERAGE: {"range": "leverage {leverage} is not 1 to {most}"},
    Code.INVALID_PRICE: {
        "off_grid": _OFF_GRID,
        "missing": "a {words} needs a price",
        "requote_missing": "a requote needs a price",
        "no_limit": "a {words} has no limit price",
        "limit_missing": "a {words} needs a limit price",
        "limit_side": "limit price {price} must be {fits}",
        "side": "price {price} of a {words} must be {fits} ({quoted} {market})",
        "too_far": "{price} is farther than {bound} from the market, which is at {market}",
        "nothing_expected": "deviation {deviation} needs an expected price that it is measured from",
        "deviation_below_0": "deviation {deviation} is below 0; points that the price may be worse by are needed",
    },
    Code.INVALID_STOPS: {
        "off_grid": _OFF_GRID,
        "side": "{name} {text} must be {fits} ({side} measured from {base})",
        "callback": "callback {callback} is not a percentage above 0 and below 100",
        "offset": "offset {offset} is below 0",
        "reached": "the stop that results is {stop}, which is reached at {base} ({side})",
        "break_even": "break-even at {price} is not short of level 1 at {level} ({side})",
    },
    Code.INVALID_LEVELS: {
        "no_exit": "an exit is needed: a take profit, a stop loss or a trailing stop",
        "above_100": "the levels close {total} % in all, which is more than 100",
        "no_stop": "the levels close {total} % in all; below 100 a stop is needed",
        "uncovered": "the open levels close {closed} of {remaining} lots; without a stop they must close all",
        "too_many": "there are {count} levels, at most {most} are taken",
        "percent": "percent {percent} is not above 0, level {level}",
        "level": "a level must close {least} lots or more and lie farther than the one before, level {level}",
    },
    Code.INVALID_EXPIRATION: {
        "too_late": "expiry {expires} is later than 31 December 9998 ({last})",
        "unreadable": 'expiry {expires} is neither "gtc", "day" nor a time to come',
    },
    Code.LIMIT_REACHED: {
        "group": "{positions} positions and {pending} pending orders are there, the group allows {most} in all",
    },
    Code.POSITION_EXISTS: {
        "netting": "the netting account has position {position} on {symbol}; take it over, or close it first",
    },
    Code.HEDGE_PROHIBITED: {
        "position": "position {position} is a {side} of {symbol}; the group prohibits hedging",
    },
    Code.NO_MONEY: {
        "margin": "free margin {free} does not cover {volume} {symbol}",
        "taken": "{operation} of {amount}: the {what} is {there}",
    },
    Code.POSITION_NOT_FOUND: {
        "unknown": "account {login} has no open position {position}",
        "other": "position {position} is a {side} of {symbol}",
    },
    Code.ORDER_NOT_FOUND: {"unknown": "account {login} has no pending order {order}"},
    Code.SMART_NOT_FOUND: {"unknown": "account {login} has no live smart order {smart}"},
    Code.REQUEST_NOT_FOUND: {
        "unknown": "the queue has no request {request}",
        "offer": "order {order} has no requote to accept",
    },
    Code.MANAGED_BY_SMART_ORDER: {
        "owned": "{thing} belongs to smart order {smart}: change or cancel that",
    },
    Code.CONFLICT: {
        "seen": "{thing}: {name} was {seen} when it was seen and is {stands}",
        "version": "version {version} was named, smart order {smart} stands at version {stands}",
        "dealer": "request {request} is {dealer}'s",
    },
    Code.FROZEN: {
        "near": "{name} {level} is within {points} points of the market at {market}: {thing} is frozen",
    },
    Code.FIFO: {"older": "position {oldest} is older than {position} and closes first"},
    Code.INVALID_CLOSE_BY: {
        "pair": "position {first} is a {first_side} of {first_symbol} and {second} is a {second_side} of "
        "{second_symbol}; two opposite ones of one symbol close by each other",
    },
    Code.INVALID_AMOUNT: {
        "kind": "{kind} is no operation; there are {kinds}",
        "off_grid": "{amount} is no amount of {currency}, which has {digits} digits",
        "not_above_0": "the amount {amount} of a {operation} must be above 0",
        "too_much": "the amount {amount} is more than {most}",
        "holds": "{amount} is more than an account holds, which is {most}",
    },
    Code.REQUOTE: {
        "moved": "the price of {thing} has moved; the new one may be accepted for {seconds} s",
    },
}
