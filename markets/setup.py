"""Rows of symbols from the words of scenario files: for the demo, scenarios, benchmarks and tests.

It writes settings, which a desk reads when it starts or on a reload command; it does not tell the desk.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from engine.settings import Symbol as EngineSymbol
from markets.models import SYMBOL_DECIMALS, SYMBOL_PLAIN, Security, Symbol, usual_multipliers

_DEFAULTS: dict[str, Any] = {"holidays": [], "swap_multipliers": usual_multipliers()}


@transaction.atomic
def put_symbols(symbols: Iterable[Mapping[str, Any]]) -> list[Symbol]:
    """Insert or overwrite symbols in this order, securities included, and return their rows.

    Keys are those of scenario files, and `description`. What is left out takes its default.

    Raises:
        SettingError: the engine cannot take a setting.
    """
    rows = []
    for position, given in enumerate(symbols):
        values = {key: value for key, value in given.items() if key != "description"}
        read = EngineSymbol.from_values(values, index=position)
        Security.objects.get_or_create(name=read.security)
        fields = {key: values[key] for key in (*SYMBOL_PLAIN, *SYMBOL_DECIMALS) if key in values}
        for key in ("sessions", "holidays", "swap_multipliers"):
            if fields.get(key) is None:
                fields[key] = _DEFAULTS.get(key)
        fields |= {
            "base_currency": read.base_currency,
            "profit_currency": read.profit_currency,
            "margin_currency": read.margin_currency,
            "conversion": read.conversion.value,
            "swap_mode": read.swap_mode.value,
        }
        row = Symbol(
            description=given.get("description", ""), position=position, security_id=read.security, **fields
        )
        row.save()
        rows.append(row)
    return rows
