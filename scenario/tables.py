"""Symbols, groups and accounts of a scenario file: their keys, defaults and cross-checks.

It promises records in which every key is present and every default is filled in, also those
that follow from other keys (currencies from the name, `margin_hedged` from `contract_size`).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine import settings as engine
from engine.enums import SwapMode
from scenario.fields import (
    Check,
    Field,
    FormatError,
    choice,
    decimal,
    flag,
    list_of,
    name_of,
    not_negative,
    nullable,
    positive,
    record,
    sessions,
    text,
    whole,
    within,
)

_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,7}\Z")
MOST = 10**9  # of whole numbers: what an engine and a row take
FOREX_MODES = ("forex", "forex_no_leverage")


def currency(value: Any) -> str:
    """Return a currency code such as USD."""
    if not isinstance(value, str) or not _CURRENCY.match(value):
        raise ValueError(f"expected a currency code, got {value!r}")
    return value


def week(value: Any) -> list[int]:
    """Return seven multipliers, Monday first."""
    days: list[int] = list_of(whole(0))(value)
    if len(days) != 7:
        raise ValueError(f"expected seven whole numbers, Monday first, got {value!r}")
    return days


COMMISSION = record({"kind": Field(choice("per_lot", "per_deal", "percent")), "amount": Field(not_negative)})

SECURITY_SETTINGS: dict[str, Field] = {
    "execution": Field(choice("auto", "manual", "manual_unless_no_dealers"), "auto"),
    "spread_diff": Field(whole(0, MOST), 0),
    "commission": Field(nullable(COMMISSION), None),
    "agent_commission": Field(nullable(COMMISSION), None),
}


def _securities(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected an object of securities, got {value!r}")
    check = record(SECURITY_SETTINGS, defaults=False)
    return {name: within(name, check, settings) for name, settings in value.items()}


SYMBOL: dict[str, Field] = {
    "name": Field(name_of(32)),
    "digits": Field(whole(0, 8), 5),
    "contract_size": Field(positive, "100000"),
    "base_currency": Field(currency, None),
    "profit_currency": Field(currency, None),
    "margin_currency": Field(currency, None),
    "calc_mode": Field(choice(*FOREX_MODES, "cfd", "cfd_leverage", "futures"), "forex"),
    "conversion": Field(choice("deal", "market"), None),
    "volume_min": Field(positive, "0.01"),
    "volume_max": Field(positive, "1000"),
    "volume_step": Field(positive, "0.01"),
    "trade_mode": Field(choice("full", "disabled", "close_only", "long_only", "short_only"), "full"),
    "stops_level": Field(whole(0, MOST), 0),
    "freeze_level": Field(whole(0, MOST), 0),
    "filter_points": Field(whole(0, MOST), 0),
    "filter_ticks": Field(whole(1, MOST), 3),
    "quotes_timeout": Field(whole(0, MOST), 0),
    "margin_initial": Field(nullable(not_negative), None),
    "margin_maintenance": Field(nullable(not_negative), None),
    "margin_hedged": Field(not_negative, None),
    "margin_rate_buy": Field(not_negative, "1"),
    "margin_rate_sell": Field(not_negative, "1"),
    "pending_margin_rate": Field(not_negative, "0"),
    "tick_size": Field(nullable(positive), None),
    "tick_value": Field(nullable(positive), None),
    "swap_mode": Field(choice("money", *SwapMode), "none"),
    "swap_long": Field(decimal, "0"),
    "swap_short": Field(decimal, "0"),
    "swap_multipliers": Field(week, lambda: [1, 1, 3, 1, 1, 0, 0]),
    "security": Field(name_of(32), "default"),
    "gateway": Field(flag, False),
    "sessions": Field(nullable(sessions), None),
    "allow_negative": Field(flag, False),
}

GROUP: dict[str, Field] = {
    "name": Field(name_of(48)),
    "currency": Field(currency, "USD"),
    "margin_mode": Field(choice("hedging", "netting"), "hedging"),
    "leverage": Field(whole(1, MOST), 100),
    "leverage_max": Field(nullable(whole(1, MOST)), None),
    "margin_call": Field(not_negative, "100"),
    "stop_out": Field(not_negative, "50"),
    "stop_out_unit": Field(choice("percent", "money"), "percent"),
    "stop_out_mode": Field(choice("mt4", "mt5", "smart"), "mt4"),
    "skip_fully_hedged": Field(flag, True),
    "close_fifo": Field(flag, False),
    "hedge_prohibited": Field(flag, False),
    "hedge_larger_leg": Field(flag, False),
    "free_margin_mode": Field(choice("use_all", "no_pl", "profit_only", "loss_only"), "use_all"),
    "positive_slippage": Field(flag, False),
    "negative_balance_protection": Field(flag, False),
    "swap_free": Field(flag, False),
    "timeout": Field(whole(1, MOST), 180),
    "max_orders": Field(whole(0, MOST), 0),
    "requote_ttl": Field(not_negative, "5"),
    "deviation": Field(whole(0, MOST), 0),
    "price_bound_points": Field(nullable(whole(0, MOST)), None),
    **SECURITY_SETTINGS,
    "securities": Field(_securities, dict),
}

SERVER: dict[str, Field] = {"day_end": Field(text, "00:00"), "time_zone": Field(text, "UTC")}

ACCOUNT: dict[str, Field] = {
    "login": Field(whole(1, MOST)),
    "group": Field(text),
    "balance": Field(decimal, "10000"),
    "credit": Field(not_negative, "0"),
    "leverage": Field(nullable(whole(1, MOST)), None),
    "tier": Field(choice("FREE", "PRO", "ENTERPRISE"), "PRO"),
    "agent": Field(nullable(whole(1, MOST)), None),
    "enabled": Field(flag, True),
    "read_only": Field(flag, False),
    "close_only": Field(flag, False),
}

NEVER_SET = {
    "symbol": {"name"},
    "group": {"name"},
    "account": {"login", "balance", "credit"},
    "server": set(),
}


def symbol(value: Any) -> dict[str, Any]:
    """Return one symbol with every default filled in."""
    result: dict[str, Any] = record(SYMBOL)(value)
    result["base_currency"] = result["base_currency"] or _from_name(result["name"][:3], "base_currency")
    result["profit_currency"] = result["profit_currency"] or _from_name(
        result["name"][-3:], "profit_currency"
    )
    is_forex = result["calc_mode"] in FOREX_MODES
    result["margin_currency"] = (
        result["margin_currency"] or result["base_currency" if is_forex else "profit_currency"]
    )
    result["conversion"] = result["conversion"] or ("deal" if is_forex else "market")
    result["margin_hedged"] = result["margin_hedged"] or result["contract_size"]
    if result["calc_mode"] == "futures":
        for key in ("tick_size", "tick_value", "margin_initial"):
            if result[key] is None:
                raise FormatError(key, "is required for futures")
    if Decimal(result["volume_min"]) > Decimal(result["volume_max"]):
        raise FormatError("volume_min", "is above volume_max")
    return result


def _from_name(letters: str, key: str) -> str:
    try:
        return currency(letters)
    except ValueError:
        raise FormatError(key, f"is required: {letters!r} of the name is not a currency") from None


def server(value: Any) -> dict[str, Any]:
    """Return the server's settings, checked as the engine takes them."""
    result: dict[str, Any] = record(SERVER)(value)
    try:
        engine.Server.from_values(result)
    except engine.SettingError as error:
        raise FormatError(error.key, error.why) from None
    return result


group: Check = record(GROUP)
account: Check = record(ACCOUNT)


def check_settings(kind: str, values: Mapping[str, Any]) -> None:
    """Check that an engine takes a complete symbol or group.

    Raises:
        SettingError: it does not.
    """
    if kind == "symbols":
        engine.Symbol.from_values(values, index=0)
    else:
        engine.Group.from_values(values)


def named(items: list[dict[str, Any]], key: str, where: str) -> dict[Any, dict[str, Any]]:
    """Return the records by their name; `where` is the list they stand in.

    Raises:
        FormatError: two have the same name.
    """
    result: dict[Any, dict[str, Any]] = {}
    for i, item in enumerate(items):
        if item[key] in result:
            raise FormatError(f"{where}[{i}].{key}", f"{item[key]!r} is there twice")
        result[item[key]] = item
    return result
