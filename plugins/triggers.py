"""How bundled plugins read their options, and the words by which they let a broker choose triggers.

A hook's context names its trigger precisely ("level 2", an order's type); options name families of them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.order_types import OrderType

FAMILIES = ("limits", "stops", "take_profits", "stop_losses", "stop_outs")
OWN_PRICE = frozenset(row.value for row in OrderType if row.own_price)


def family_of(trigger: str) -> str:
    """Return the family of a context's trigger: limits, stops, take_profits, stop_losses or stop_outs."""
    if trigger == "take_profit" or trigger.startswith("level "):
        return "take_profits"
    if trigger in ("stop_loss", "stop"):
        return "stop_losses"
    if trigger == "stop_out":
        return "stop_outs"
    return "limits" if trigger in OWN_PRICE else "stops"


def refuse_unknown(options: Mapping[str, Any], known: Iterable[str], plugin: str) -> None:
    """Raise where there is an option that the plugin does not have.

    Raises:
        ValueError: it names the first of them.
    """
    unknown = sorted(set(options).difference(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no option of {plugin}")


def read_families(value: Any, default: Iterable[str]) -> frozenset[str]:
    """Return the families that an option lists.

    Raises:
        ValueError: it lists something that is no family.
    """
    listed = frozenset(default if value is None else value)
    unknown = sorted(listed - set(FAMILIES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(FAMILIES)}")
    return listed
