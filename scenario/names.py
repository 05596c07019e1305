"""What a scenario file has defined up to a step: what its steps may name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scenario.fields import FormatError


@dataclass
class Names:
    """What the file has defined up to a step."""

    symbols: Mapping[str, Any]
    groups: Mapping[str, Any]
    accounts: Mapping[int, Any]
    orders: set[str] = field(default_factory=set)
    smart: set[str] = field(default_factory=set)

    def define(self, name: str | None, *, is_smart: bool = False) -> None:
        """Take a name that an action gives to what it makes.

        Raises:
            FormatError: the name is taken.
        """
        if name is None:
            return
        if name in self.orders:
            raise FormatError("as", f"{name!r} is there twice")
        self.orders.add(name)
        if is_smart:
            self.smart.add(name)
