"""The `expect` step: which keys it may name, and how a state is compared with it.

Only what is named is compared; decimals compare by value, lists by length and order. It never
changes a state and never decides whether a difference matters.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from scenario.fields import (
    Check,
    Field,
    FormatError,
    choice,
    decimal,
    flag,
    list_of,
    nullable,
    record,
    text,
    whole,
)
from scenario.names import Names

_NUMBER = Field(nullable(decimal))
_TEXT = Field(nullable(text))
_ANY_TEXT = Field(lambda value: value if value == "" else nullable(text)(value))
_SIDE = Field(choice("buy", "sell"))

_ACCOUNT = dict.fromkeys(("balance", "credit", "equity", "margin", "free_margin", "margin_level"), _NUMBER)
_ORDER = {
    "status": Field(choice("pending", "completed", "canceled", "failed")),
    "comment": _ANY_TEXT,
    "reason": _TEXT,
    "error": _TEXT,
    "login": Field(whole(1)),
    "symbol": _TEXT,
    "type": _TEXT,
    "volume": _NUMBER,
    "price": _NUMBER,
    "requote_price": _NUMBER,
}
_POSITION = {
    "of": _TEXT,
    "symbol": _TEXT,
    "side": _SIDE,
    "leverage": Field(whole(1)),
    **dict.fromkeys(("volume", "open_price", "sl", "tp", "profit", "fees", "swap"), _NUMBER),
}
_DEAL = {
    "order": _TEXT,
    "symbol": _TEXT,
    "direction": Field(choice("in", "out")),
    "side": _SIDE,
    "reason": _TEXT,
    "comment": _ANY_TEXT,
    "by": Field(choice("client", "dealer", "manager", "system")),
    **dict.fromkeys(("volume", "price", "requested_price", "profit", "fees", "swap"), _NUMBER),
    **dict.fromkeys(("market_bid", "market_ask", "group_bid", "group_ask"), _NUMBER),
}
_LEVEL = choice("PENDING", "TRIGGERED", "FILLED", "CANCELLED")
_SMART = {
    "state": Field(choice("PENDING", "ACTIVE", "PARTIALLY_CLOSED", "CLOSED", "STOPPED", "CANCELLED")),
    "levels": Field(list_of(_LEVEL)),
    "stop": _NUMBER,
    "high_water_mark": _NUMBER,
    "break_even_triggered": Field(flag),
    "remaining": _NUMBER,
    "version": Field(whole(1)),
}
_LEDGER = {"kind": _TEXT, "amount": _NUMBER}


def _table(check: Check) -> Check:
    def check_table(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected an object, got {value!r}")
        return record({key: Field(check) for key in value}, defaults=False)(value)

    return check_table


def _part(fields: Mapping[str, Field]) -> Check:
    return record(fields, defaults=False)


_SECTIONS: dict[str, Field] = {
    "accounts": Field(_table(_part(_ACCOUNT))),
    "orders": Field(_table(_part(_ORDER))),
    "positions": Field(_table(list_of(_part(_POSITION)))),
    "deals": Field(_table(list_of(_part(_DEAL)))),
    "smart": Field(_table(_part(_SMART))),
    "requests": Field(list_of(text)),
    "ledger": Field(_table(list_of(_part(_LEDGER)))),
}
EXPECT: Check = record(_SECTIONS, defaults=False)


def check_names(value: Mapping[str, Any], names: Names) -> None:
    """Check that logins and names of an expectation are defined.

    Raises:
        FormatError: one is not.
    """
    for section in ("accounts", "positions", "deals", "ledger"):
        for login in value.get(section, {}):
            if not login.isdigit() or int(login) not in names.accounts:
                raise FormatError(f"{section}.{login}", "is not defined")
    for section, defined in (("orders", names.orders), ("smart", names.smart)):
        for name in value.get(section, {}):
            if name not in defined:
                raise FormatError(f"{section}.{name}", "is not defined")
    for section, key in (("positions", "of"), ("deals", "order")):
        for login, items in value.get(section, {}).items():
            for i, item in enumerate(items):
                name = item.get(key)
                if name is not None and name not in names.orders:
                    raise FormatError(f"{section}.{login}[{i}].{key}", f"{name!r} is not defined")
    for i, name in enumerate(value.get("requests", [])):
        if name not in names.orders:
            raise FormatError(f"requests[{i}]", f"{name!r} is not defined")


def differences(expected: Any, got: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, expected, got) of everything named in `expected` that `got` has otherwise."""
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping):
            yield path, expected, got
            return
        for key, item in expected.items():
            yield from differences(item, got.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(expected, list):
        if not isinstance(got, list) or len(expected) != len(got):
            found = len(got) if isinstance(got, list) else got
            yield f"{path} (length)", len(expected), found
            return
        for i, (item, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(item, other, f"{path}[{i}]")
    elif not _is_equal(expected, got):
        yield path, expected, got


def _is_equal(expected: Any, got: Any) -> bool:
    if expected == got and type(expected) is type(got):
        return True
    if isinstance(expected, str) and isinstance(got, str):
        try:
            return Decimal(expected) == Decimal(got)
        except InvalidOperation:
            return False
    return False
