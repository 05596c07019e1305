"""The steps of a scenario: the value of every action, its defaults, and the names it uses.

Promises that every name and login a step mentions is defined before it, and that no name is
defined twice. It does not judge what an engine would answer: a step that must be refused is a
valid step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.codes import Code
from engine.commands import NO_LEVEL
from engine.order_types import OrderType
from scenario import expectations, tables
from scenario.fields import (
    Check,
    Field,
    FormatError,
    choice,
    decimal,
    expiry,
    flag,
    list_of,
    nullable,
    positive,
    record,
    table,
    text,
    tick_price,
    time_ms,
    whole,
    within,
)
from scenario.names import Names

SIDES = ("buy", "sell")
BALANCE_KINDS = ("deposit", "withdrawal", "credit_in", "credit_out", "correction", "bonus", "charge")
HOOKS = (
    "pendings_filter",
    "stops_filter",
    "stops_apply",
    "pendings_apply",
    "stopouts_filter",
    "stopouts_apply",
)
LONGEST_WAIT_S = 10**9  # some thirty years
REFUSALS = ("invalid", "crossed", "stale", "filtered")


@dataclass(frozen=True)
class Step:
    """One step: what is done, when, and what must be answered."""

    number: int
    action: str
    value: Any
    at_ms: int | None = None
    error: str | None = None
    refused: str | None = None


def _callback(value: Any) -> str:
    if not 0 < Decimal(positive(value)) < 100:
        raise ValueError(f"expected a percentage between 0 and 100, got {value!r}")
    return str(value)


def choice_true(value: Any) -> bool:
    """Return true, which is all that may stand here."""
    if value is not True:
        raise ValueError(f"expected true, got {value!r}")
    return True


def _break_even(value: Any) -> dict[str, int] | None:
    if value is None or isinstance(value, bool):
        return {"offset": 0} if value else None
    result: dict[str, int] = record({"offset": Field(whole(0, tables.MOST), 0)})(value)
    return result


def _dealer(value: Any) -> dict[str, Any]:
    """Return a dealer who is online: a name serves all groups, else `groups` says which."""
    if isinstance(value, str):
        return {"name": text(value), "groups": None}
    result: dict[str, Any] = record({"name": Field(text), "groups": Field(nullable(list_of(text)), None)})(
        value
    )
    return result


def _without_nulls(inner: Check) -> Check:
    """Return a check of an object in which null stands for a key that is left out, but for a stop loss."""

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return inner(value)
        return inner({k: v for k, v in value.items() if v is not None or k == "stop_loss"})

    return check


def level(value: Any) -> str:
    """Return a level's decimal text; null takes the level away."""
    return NO_LEVEL if value is None else decimal(value)


OPTIONAL = Field(nullable(decimal), None)
LEVEL = Field(level, None)
_BY = Field(choice("client", "manager"), "client")
_AS = Field(nullable(text), None)
_LOGIN = Field(whole(1))

DEVIATION = {
    "expected_price": OPTIONAL,
    "deviation": Field(nullable(whole(-tables.MOST, tables.MOST)), None),
}

PLACE = {
    "login": _LOGIN,
    "symbol": Field(text),
    "type": Field(choice(*(row.value for row in OrderType))),
    "volume": Field(decimal),
    "price": OPTIONAL,
    "limit_price": OPTIONAL,
    "sl": LEVEL,
    "tp": LEVEL,
    "expires": Field(expiry, "gtc"),
    "leverage": Field(nullable(whole(-tables.MOST, tables.MOST)), None),
    "by": _BY,
    "open_price": OPTIONAL,
    "client_id": Field(nullable(text), None),
    **DEVIATION,
    "as": _AS,
}
ENTRY = {
    "type": Field(choice("market", "limit", "stop", "position")),
    "price": OPTIONAL,
    "position": Field(nullable(text), None),
}
SMART = {
    "login": _LOGIN,
    "symbol": Field(text),
    "side": Field(choice(*SIDES)),
    "volume": Field(decimal),
    "entry": Field(record(ENTRY)),
    "take_profits": Field(list_of(record({"price": Field(decimal), "percent": Field(decimal)})), list),
    "stop_loss": LEVEL,
    "trailing": Field(nullable(record({"callback": Field(_callback), "activation": OPTIONAL})), None),
    "break_even": Field(_break_even, None),
    "as": _AS,
}

ACTIONS: dict[str, Check] = {
    "tick": record({"symbol": Field(text), "bid": Field(tick_price), "ask": Field(tick_price)}),
    "place": record(PLACE),
    "close": record(
        {
            "login": _LOGIN,
            "position": Field(text),
            "volume": OPTIONAL,
            "by": _BY,
            "price": OPTIONAL,
            **DEVIATION,
            "as": _AS,
        },
    ),
    "close_by": record({"login": _LOGIN, "position": Field(text), "opposite": Field(text), "as": _AS}),
    "modify": record(
        {
            "login": _LOGIN,
            "position": Field(nullable(text), None),
            "order": Field(nullable(text), None),
            "sl": LEVEL,
            "tp": LEVEL,
            "price": OPTIONAL,
        }
    ),
    "accept": record({"login": _LOGIN, "order": Field(text), "as": _AS}),
    "cancel": record({"login": _LOGIN, "order": Field(text)}),
    "smart": record(SMART),
    # What is left out of a modification stays as it is, so nothing is filled in here.
    "smart_modify": _without_nulls(
        record(
            {
                "smart": Field(text),
                "version": Field(whole(-tables.MOST, tables.MOST)),
                "stop_loss": LEVEL,
                "callback": Field(_callback),
                "break_even": Field(_break_even),
            },
            defaults=False,
        )
    ),
    "smart_cancel": record({"smart": Field(text)}),
    "balance": record(
        {
            "login": _LOGIN,
            "kind": Field(choice(*BALANCE_KINDS)),
            "amount": Field(decimal),
            "override": Field(flag, False),
        }
    ),
    "set": record(
        {
            "symbol": Field(text),
            "group": Field(text),
            "account": Field(whole(1)),
            "server": Field(choice_true),
            "values": Field(table),
        },
        defaults=False,
    ),
    "dealers": list_of(_dealer),
    "dealer": record(
        {"request": Field(text), "answer": Field(choice("confirm", "reject", "requote")), "price": OPTIONAL}
    ),
    "hook": record(
        {
            "name": Field(choice(*HOOKS)),
            "answer": Field(choice("ok", "none", "reject", "raise")),
            "price": OPTIONAL,
            "times": Field(nullable(whole(1, tables.MOST)), None),
        }
    ),
    "day_end": record({}),
    "wait": whole(0, LONGEST_WAIT_S),
    "restart": record({}),
}
_REFUSABLE = {
    *("place", "close", "close_by", "modify", "cancel", "smart", "smart_modify", "smart_cancel"),
    *("balance", "dealer", "accept", "set"),
}


def parse(number: int, names: Names, raw: Any) -> Step:
    """Return one step, checked, with its defaults filled in; `names` learns what it defines.

    Raises:
        FormatError: the step is not valid; the place is relative to the step.
    """
    if not isinstance(raw, Mapping):
        raise FormatError("", f"expected an object, got {raw!r}")
    actions = [key for key in raw if key not in ("at", "error", "refused")]
    if len(actions) != 1:
        raise FormatError("", f"expected one action, got {', '.join(actions) or 'none'}")
    action = actions[0]
    known = {**ACTIONS, "expect": expectations.EXPECT}
    if action not in known:
        raise FormatError(action, f"unknown action (known: {', '.join(known)})")
    value = within(action, known[action], raw[action])
    within(action, lambda v: _check(action, v, names), value)
    at_ms = within("at", time_ms, raw["at"]) if "at" in raw else None
    error = refused = None
    if raw.get("error") is not None:
        if action not in _REFUSABLE:
            raise FormatError("error", f"does not belong to {action}")
        error = within("error", choice(*(code.value for code in Code)), raw["error"])
    if raw.get("refused") is not None:
        if action != "tick":
            raise FormatError("refused", f"does not belong to {action}")
        refused = within("refused", choice(*REFUSALS), raw["refused"])
    return Step(number, action, value, at_ms, error, refused)


def _known(where: str, name: Any, defined: Any) -> None:
    if name is not None and name not in defined:
        raise FormatError(where, f"{name!r} is not defined")


def _check(action: str, value: Any, names: Names) -> None:
    """Check what needs more than one key: names, and keys that need or exclude each other."""
    if action in ("tick",):
        _known("symbol", value["symbol"], names.symbols)
    if isinstance(value, Mapping) and "login" in value:
        _known("login", value["login"], names.accounts)
    for key in ("position", "opposite", "order", "request"):
        if isinstance(value, Mapping) and key in value:
            _known(key, value[key], names.orders)
    special: dict[str, Callable[[Any, Names], None]] = {
        "place": _check_place,
        "close": _check_close,
        "modify": _check_modify,
        "smart": _check_smart,
        "smart_modify": _check_smart_name,
        "smart_cancel": _check_smart_name,
        "set": _check_set,
        "dealers": _check_dealers,
        "expect": expectations.check_names,
    }
    if action in special:
        special[action](value, names)
    if isinstance(value, Mapping) and "as" in value:
        names.define(value["as"], is_smart=action == "smart")


def _check_place(value: Mapping[str, Any], names: Names) -> None:
    del names
    kind = OrderType(value["type"])
    takes = {"price": not kind.is_market, "limit_price": kind.has_limit}
    for key, is_taken in takes.items():  # one that is missing is for the engine to refuse
        if not is_taken and value[key] is not None:
            raise FormatError(key, f"does not belong to {value['type']}")
    if value["open_price"] is not None and (value["by"] != "manager" or value["price"] is not None):
        raise FormatError("open_price", "belongs to a manager's market order")
    if value["expires"] != "gtc" and kind.is_market:
        raise FormatError("expires", "belongs to a pending order")


def _check_close(value: Mapping[str, Any], names: Names) -> None:
    del names
    if value["price"] is not None and value["by"] != "manager":
        raise FormatError("price", "belongs to a manager's close")


def _check_modify(value: Mapping[str, Any], names: Names) -> None:
    del names
    if (value["position"] is None) == (value["order"] is None):
        raise FormatError("position", "expected a position or an order")
    if value["position"] is not None and value["price"] is not None:
        raise FormatError("price", "does not belong to a position")


def _check_smart(value: Mapping[str, Any], names: Names) -> None:
    entry = value["entry"]
    for key, kinds in (("price", ("limit", "stop")), ("position", ("position",))):
        if entry[key] is not None and entry["type"] not in kinds:
            raise FormatError(f"entry.{key}", f"belongs to an entry of type {' or '.join(kinds)}")
    if entry["type"] == "position" and entry["position"] is None:
        raise FormatError("entry.position", "is required")
    _known("entry.position", entry["position"], names.orders)


def _check_smart_name(value: Mapping[str, Any], names: Names) -> None:
    if "smart" not in value:
        raise FormatError("smart", "is required")
    _known("smart", value["smart"], names.smart)


def _check_dealers(value: list[dict[str, Any]], names: Names) -> None:
    for number, dealer in enumerate(value):
        for group in dealer["groups"] or ():
            if "*" not in group and not group.startswith("!"):
                _known(f"[{number}].groups", group, names.groups)


def _check_set(value: dict[str, Any], names: Names) -> None:
    kinds = {"symbol": names.symbols, "group": names.groups, "account": names.accounts, "server": {True}}
    given = [kind for kind in kinds if kind in value]
    if len(given) != 1 or "values" not in value:
        raise FormatError("", "expected one of symbol, group, account and server, and values")
    kind = given[0]
    _known(kind, value[kind], kinds[kind])
    fields = {
        "symbol": tables.SYMBOL, "group": tables.GROUP, "account": tables.ACCOUNT, "server": tables.SERVER,
    }[kind]  # fmt: skip
    allowed = {key: f for key, f in fields.items() if key not in tables.NEVER_SET[kind]}
    value["values"] = within("values", record(allowed, defaults=False), value["values"])
    if kind == "account":
        _known("values.group", value["values"].get("group"), names.groups)
