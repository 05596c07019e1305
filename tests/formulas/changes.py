"""The formulas of the engine: how each is changed by the least that one can see, and which figures follow from it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib import import_module
from types import FunctionType
from typing import Any

from engine.enums import Side

#: A rate has no point of its own: so much more that the smallest amount of the test moves by a cent.
TENTH = Fraction(11, 10)


QUEUE = ("admin orders/dealerrequest list", "admin orders/dealerrequest page")


@dataclass(frozen=True)
class Formula:
    """How a formula is changed, and the figures (`doors.FIGURES`) that are others then."""

    change: Callable[..., Any]
    figures: frozenset[str]
    but: dict[str, str] = field(default_factory=dict)  # doors that show such a figure without it: why


def plus_one(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return one point or one cent more, nothing where there is nothing."""
    value = original(*args, **kwargs)
    return None if value is None else value + 1


def times(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return a rate a tenth larger."""
    value = original(*args, **kwargs)
    return None if value is None else value * TENTH


def further(
    original: Callable[..., Any], symbol: Any, side: Any, opened: Any, closed: Any, volume: int
) -> Any:
    """Return the profit of one point more."""
    return original(symbol, side, opened, closed + (1 if side is Side.BUY else -1), volume)


def wider(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return a quote whose ask is one point higher and whose bid is one lower."""
    value = original(*args, **kwargs)
    return None if value is None else value._replace(bid=value.bid - 1, ask=value.ask + 1)


def a_leg(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return a leg that needs a tenth more a lot."""
    leg = original(*args, **kwargs)
    return replace(leg, lot_margin=leg.lot_margin * TENTH)


def parts(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the parts of a margin with one cent more."""
    return [*original(*args, **kwargs), (1, Fraction(1))]


def a_state(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return an account's figures with a cent more of floating profit."""
    state = original(*args, **kwargs)
    return replace(state, floating=state.floating + 1)


def level(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return another margin level."""
    value = original(*args, **kwargs)
    return None if value is None else value[:-1] + ("1" if value[-1] == "0" else "0")


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


EQUITY = of("equity", "free_margin", "preview_free")
LEVEL = of("margin_level")
FLOATING = of("profit", "floating", "open_profit") | EQUITY
OF_POSITION = of("profit", "open_profit")
PLANNED = of("preview_level", "preview_reward", "preview_risk", "preview_point")
PROFIT = FLOATING | PLANNED | of("deal_profit")
MARGIN = of("margin", "free_margin", "margin_level", "preview_free")
NEW_MARGIN = MARGIN | of("preview_margin")
OPENING = of(
    "preview_free",
    "market_price",
    "opened_price",
    "preview_entry",
    "preview_level",
    "preview_reward",
    "preview_stop",
    "deal_profit",
)
CLOSING = FLOATING | LEVEL | of("price", "deal_price", "deal_profit")
QUOTE = OPENING | CLOSING | of("bid", "ask", "deal_bid", "deal_ask", "preview_margin", "preview_point")
LOOSE_QUOTES = "asks `widen` itself: there is no state of an engine, only a quote and a group"
FORMULAS: dict[str, Formula] = {
    "profit.raw_profit": Formula(further, PROFIT | LEVEL),
    "profit.in_money": Formula(plus_one, PROFIT),
    "profit.position_profit": Formula(plus_one, OF_POSITION | PLANNED | of("deal_profit")),
    "profit.floating_profit": Formula(plus_one, OF_POSITION),
    "profit.swap_of_day": Formula(plus_one, of("next_swap")),
    "profit.commission_of": Formula(plus_one, of("deal_fees", "preview_commission", "preview_free")),
    "rates.widen": Formula(wider, QUOTE),
    "rates.widened_bid": Formula(
        plus_one, FLOATING | LEVEL | of("price", "bid"), dict.fromkeys(QUEUE, "its group has no spread")
    ),
    "rates.group_quote": Formula(
        wider,
        QUOTE,
        dict.fromkeys(("socket quotes", "symbols/", "orders/", "orders/{ticket}/"), LOOSE_QUOTES),
    ),
    "rates.open_price": Formula(plus_one, OPENING),
    "rates.close_price": Formula(plus_one, CLOSING),
    "rates.conversion_rate": Formula(times, PROFIT | NEW_MARGIN | of("next_swap")),
    "rates.profit_rate": Formula(times, PROFIT | LEVEL | of("next_swap")),
    "rates.margin_conversion": Formula(times, NEW_MARGIN),
    "margin.margin_factor": Formula(times, NEW_MARGIN),
    "margin.lot_margin": Formula(times, NEW_MARGIN),
    "margin.new_lot_margin": Formula(times, NEW_MARGIN),
    "margin.position_leg": Formula(a_leg, NEW_MARGIN),
    "margin.position_factor": Formula(times, NEW_MARGIN),
    "margin.symbol_margin": Formula(plus_one, MARGIN),
    "margin.margin_parts": Formula(parts, MARGIN),
    "margin.order_leverage": Formula(plus_one, NEW_MARGIN),
    "margin.reservation": Formula(plus_one, MARGIN),
    "valuation.positions_margin": Formula(plus_one, MARGIN),
    "valuation.account_margin": Formula(plus_one, MARGIN),
    "valuation.account_state": Formula(a_state, of("floating") | EQUITY),
    "figures.AccountState.equity": Formula(plus_one, of("equity")),
    "figures.AccountState.free_margin": Formula(plus_one, of("free_margin", "preview_free")),
    "figures.AccountState.level_text": Formula(level, of("margin_level")),
    "figures.level_text": Formula(level, of("margin_level")),
    "plans.effective_stop": Formula(plus_one, of("stop")),
    "plans.current_mark": Formula(plus_one, of("mark", "stop")),
    "trailing.stop_points": Formula(plus_one, of("stop", "preview_stop", "preview_risk")),
}
#: Functions of the same modules that give no figure, and what they give.
NO_FORMULAS = {
    "profit.unit_profit": "what a part of a position brings, for the fewest steps of a stop-out",
    "rates.conversion_path": "which symbols convert",
    "rates.has_rates": "whether there is a way to convert",
    "margin.reserving_orders": "which orders reserve",
    "valuation.money_text": "print",
    "valuation.holdings_of": "sums",
    "valuation.fresh_holdings": "sums",
    "valuation.hold": "sums",
    "valuation.wrong_sums": "whether sums are right",
    "valuation.is_whole": "a yes or no",
    "valuation.keep_rates": "which rate is the last good one",
    "valuation.summed_legs": "sums",
    "valuation.exact_legs": "legs as `position_leg` gives them",
    "valuation.is_fully_hedged": "a yes or no",
    "valuation.is_stopped_out": "a yes or no",
    "valuation.is_margin_called": "a yes or no",
}


def found(name: str) -> FunctionType:
    """Return the function that the list names; of a property what computes it."""
    module, *words = name.split(".")
    thing: Any = import_module(f"engine.{module}")
    for word in words:
        thing = getattr(thing, word)
    if isinstance(thing, property):
        thing = thing.fget
    assert isinstance(thing, FunctionType), name
    return thing
