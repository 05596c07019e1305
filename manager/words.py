"""How settings are called in the admin: labels, help texts and choices in the words of the trade."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

MOST = 10**15
DECIMALS = 18
Words = dict[str, tuple[str, str]]  # column: label, help

ACCOUNT: Words = {
    "login": ("Login", ""),
    "user": ("Client's user", "Who may log in to this account. Empty: nobody."),
    "name": ("Name", ""),
    "group": ("Group", "The conditions that hold for the account."),
    "leverage": ("Leverage", "1 to this. 0: the group's."),
    "tier": ("Tier", "Smart orders need PRO or above."),
    "agent": ("Agent", "Login of the account that gets the agent commission."),
    "enabled": ("Enabled", "Off: every order is refused."),
    "read_only": ("Read only", "May look, not trade."),
    "close_only": ("Close only", "May close, not open."),
}
GROUP: Words = {
    "name": ("Name", ""),
    "description": ("Description", ""),
    "currency": ("Currency", "Of all accounts of the group."),
    "margin_mode": ("Position keeping", "Hedging: many positions a symbol. Netting: one."),
    "leverage": ("Leverage", "1 to this, for accounts that have none of their own."),
    "leverage_max": ("Most leverage", "Of any account of the group. Empty: no limit."),
    "max_orders": ("Most positions and orders", "Of one account. 0: no limit."),
    "margin_call": ("Margin call", "Margin level in percent at or below which the account is warned."),
    "stop_out": ("Stop-out", "At or below this the desk closes positions."),
    "stop_out_unit": ("Stop-out measured in", "Margin level in percent, or equity in money."),
    "stop_out_mode": ("Stop-out closes", "Which position, and how much of it, goes first."),
    "free_margin_mode": ("Free margin counts", "Which part of floating profit may be used for new margin."),
    "skip_fully_hedged": (
        "No stop-out when fully hedged",
        "Equity below 0 without margin in use is left alone.",
    ),
    "hedge_larger_leg": ("Margin of the larger leg", "Of a hedge only the larger side needs margin."),
    "negative_balance_protection": ("Negative balance protection", "A stop-out never leaves a debt."),
    "execution": ("Execution", "Who executes: the desk at once, or a dealer."),
    "timeout": ("Dealer's time", "Seconds that a dealer has to answer."),
    "ttl": ("Late openings", "Seconds that an order delayed by the server may still open."),
    "requote_ttl": ("Requote may be accepted for", "Seconds; at exactly that moment it still may."),
    "deviation": (
        "Drift at an acceptance",
        "Points by which the market may have moved against the broker where the client named no deviation. 0: none.",
    ),
    "price_bound_points": (
        "Bound of prices by hand",
        "Points from the market's price that dealers and managers may name. Empty: 1 % of the price. 0: the market's only.",
    ),
    "spread_diff": ("Wider spread", "Points added to the spread of this group's quotes."),
    "close_fifo": (
        "Oldest first (FIFO)",
        "Positions of a symbol close in the order in which they were opened.",
    ),
    "hedge_prohibited": ("No hedging", "Opposite positions of a symbol are refused."),
    "positive_slippage": ("Better fills to the client", "A limit that is passed fills at the better price."),
    "swap_free": ("Swap free", "No overnight swap."),
    "commission_kind": ("Commission", "Empty: none."),
    "commission_amount": ("Commission amount", "Account currency a lot or deal; or percent."),
    "agent_commission_kind": ("Agent commission", "Empty: none."),
    "agent_commission_amount": ("Agent commission amount", "Account currency a lot or deal; or percent."),
}
SYMBOL: Words = {
    "name": ("Name", "As clients see it. It cannot change later."),
    "security": ("Security", "The set of symbols whose terms it shares."),
    "position": ("Place in the list", "Where several pairs convert a currency, the first one does."),
    "description": ("Description", ""),
    "digits": ("Digits", "Decimals of a price."),
    "contract_size": ("Contract size", "Units of the base currency in a lot."),
    "calc_mode": ("Margin and profit", "The formula."),
    "base_currency": ("Base currency", ""),
    "profit_currency": ("Profit currency", ""),
    "margin_currency": ("Margin currency", ""),
    "conversion": ("Conversion", "Side of the pair that turns profit into the account's currency."),
    "volume_min": ("Smallest volume", "Lots."),
    "volume_max": ("Largest volume", "Lots."),
    "volume_step": ("Volume step", "Lots."),
    "trade_mode": ("Trading", "What clients may do with it."),
    "stops_level": (
        "Stops level",
        "Points that stops and pending orders stay away from the market. 0: none.",
    ),
    "freeze_level": ("Freeze level", "Points from the market within which nothing may be changed. 0: none."),
    "gateway": ("Executed by a venue", "The desk does not trigger its orders."),
    "filter_points": ("Price filter", "Points by which a quote may jump. 0: any."),
    "filter_ticks": ("Confirmed after", "Quotes in a row that make a jump a move."),
    "quotes_timeout": ("Quote is old after", "Seconds. 0: never."),
    "allow_negative": ("Prices may be negative", "Then 0 is a price like any other."),
    "sessions": (
        "Sessions",
        'Local times of the zone beside. Empty: always open. {"mon": [["00:00", "22:00"]], "fri": [["00:00", "21:00"]]}',
    ),
    "session_zone": ("Sessions by the clock of", "Such as America/New_York. Empty: the server's zone."),
    "holidays": ("Holidays", 'Local dates on which it is closed: ["2026-12-25", "2027-01-01"]'),
    "margin_initial": ("Initial margin", "Of a lot. Empty: by the formula."),
    "margin_maintenance": ("Maintenance margin", "Of a lot once it is open; futures."),
    "margin_hedged": ("Hedged margin", "Contract size or sum that a hedged lot counts with."),
    "margin_rate_buy": ("Margin rate, long", "Factor."),
    "margin_rate_sell": ("Margin rate, short", "Factor."),
    "pending_margin_rate": ("Margin rate, pending", "0: pending orders reserve nothing."),
    "tick_size": ("Tick size", "Futures."),
    "tick_value": ("Tick value", "Futures."),
    "swap_mode": ("Swap", "How the overnight swap is computed."),
    "swap_long": ("Swap, long", "A lot and day end, in the unit chosen; positive is paid to the client."),
    "swap_short": ("Swap, short", "A lot and day end, in the unit chosen; positive is paid to the client."),
    "swap_multipliers": ("Swap by weekday", "Seven factors, Monday first: of the day that ends."),
}
SERVER: Words = {
    "day_end": ("Trading day ends at", "HH:MM by the clock of the zone below. 00:00 is midnight."),
    "time_zone": (
        "Time zone",
        "An IANA name such as America/New_York or UTC. Day ends, swaps, day orders, sessions without a zone of their "
        "own, holidays and daily candles follow its wall clock, in summer and winter.",
    ),
}
SECURITY: Words = {"name": ("Name", ""), "description": ("Description", "")}
TERMS: Words = {
    "security": ("Security", ""),
    "execution": ("Execution", ""),
    "spread_diff": ("Wider spread, points", ""),
    "commission_kind": ("Commission", ""),
    "commission_amount": ("Amount", ""),
    "agent_commission_kind": ("Agent commission", ""),
    "agent_commission_amount": ("Amount", ""),
}
#: Choices whose own names say little, by column and value.
CHOICES: dict[str, dict[str, str]] = {
    "stop_out_mode": {
        "mt4": "the largest loss first (as MT4)",
        "mt5": "orders that reserve margin, then the largest loss (as MT5)",
        "smart": "part of the largest margin, as little as helps",
    },
    "stop_out_unit": {"percent": "percent of margin", "money": "money of equity"},
    "free_margin_mode": {
        "use_all": "floating profit and loss",
        "no_pl": "neither profit nor loss",
        "profit_only": "floating profit only",
        "loss_only": "floating loss only",
    },
    "execution": {
        "auto": "at once",
        "manual": "by a dealer",
        "manual_unless_no_dealers": "by a dealer while one is online",
    },
    "calc_mode": {
        "forex": "Forex",
        "forex_no_leverage": "Forex without leverage",
        "cfd": "CFD",
        "cfd_leverage": "CFD with leverage",
        "futures": "Futures",
    },
    "conversion": {"deal": "the side of the deal", "market": "the market's side"},
    "trade_mode": {
        "full": "everything",
        "disabled": "nothing",
        "close_only": "closing only",
        "long_only": "long only",
        "short_only": "short only",
    },
    "swap_mode": {
        "none": "none",
        "points": "points, in the profit currency",
        "money_deposit": "money a lot, in the account's currency",
        "money_profit": "money a lot, in the profit currency",
        "money_base": "money a lot, in the base currency",
        "money_margin": "money a lot, in the margin currency",
        "percent": "percent a year of the closing price",
        "percent_open": "percent a year of the open price",
    },
    "commission_kind": {"per_lot": "a lot", "per_deal": "a deal", "percent": "percent of the value"},
    "agent_commission_kind": {"per_lot": "a lot", "per_deal": "a deal", "percent": "percent of the value"},
    "tier": {"FREE": "Free", "PRO": "Pro", "ENTERPRISE": "Enterprise"},
}  # fmt: skip


def said(column: str, value: Any) -> str:
    """Return the words of a choice."""
    text = str(value)
    return CHOICES.get(column, {}).get(text, text.replace("_", " "))


def kwargs(words: Words) -> dict[str, dict[str, str]]:
    """Return what Django's form factory takes for labels and help texts."""
    return {
        "labels": {name: label for name, (label, _) in words.items()},
        "help_texts": {name: text for name, (_, text) in words.items()},
    }


def _of_a_size(value: Decimal) -> None:
    """Refuse numbers that no column of the trade can hold."""
    exponent = value.as_tuple().exponent
    if abs(value) >= MOST or (isinstance(exponent, int) and -exponent > DECIMALS):
        raise ValidationError(f"Write a number below {MOST:,} with at most {DECIMALS} decimals.")


def dress(form: Any) -> None:
    """Give the choices of a form their own words, and its numbers a size."""
    for name, field in form.base_fields.items():
        if isinstance(field, forms.DecimalField):
            field.validators = [*field.validators, _of_a_size]
        own = CHOICES.get(name)
        choices = getattr(field, "choices", None)
        if own and choices:
            field.choices = [(value, own.get(str(value), label)) for value, label in choices]
