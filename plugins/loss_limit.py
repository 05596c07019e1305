"""Refuses new orders of an account that has lost so much in one day (UTC); closing is always possible.

Options: `limit`, a whole number of the smallest unit of the account's currency (50000 is 500.00 USD). A loss is what
closing deals booked: profit, fees and swap together. It is counted in `on_deal`, so that it is written with the deal:
a crash neither forgets a loss nor counts it twice.
"""

from typing import Any

from engine.commands import Command, PlaceOrder, PlaceSmart
from engine.enums import Answer
from engine.hooks import Plugin, Reject
from engine.records import Deal

_DAY_MS = 86_400_000


class LossLimit(Plugin):
    """Counts the result of the day by account."""

    name = "loss_limit"

    def __init__(self, **options: Any) -> None:
        self.limit = 0
        self.options: dict[str, Any] = {}
        self.day = 0
        self.results: dict[str, int] = {}
        self._take(options)

    def configure(self, values: dict[str, Any]) -> None:
        """Replace the limit; from now on it outlives a restart."""
        self._take(values)
        self.options = dict(values)

    def _take(self, values: dict[str, Any]) -> None:
        limit = values.get("limit")
        if set(values) != {"limit"} or isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
            raise ValueError(f"limit, a whole number above 0, is what loss_limit takes, not {values!r}")
        self.limit = limit

    def memory(self) -> dict[str, Any]:
        """Return the results of the day, and the options that a command has set."""
        return {"options": self.options, "day": self.day, "results": self.results}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on with the day as it stood."""
        if memory["options"]:
            self.configure(memory["options"])
        self.day, self.results = memory["day"], dict(memory["results"])

    def _turn_to(self, time_ms: int) -> None:
        if time_ms // _DAY_MS != self.day:
            self.day, self.results = time_ms // _DAY_MS, {}

    def on_deal(self, deal: Deal) -> None:
        """Add what a closing deal booked."""
        if deal.profit is None:
            return
        self._turn_to(deal.time_ms)
        booked = deal.profit + (deal.fees or 0) + (deal.swap or 0)
        self.results[str(deal.login)] = self.results.get(str(deal.login), 0) + booked

    def command_filter(self, command: Command, time_ms: int) -> Answer | Reject:
        """Refuse an opening of an account that is at its limit."""
        if not isinstance(command, (PlaceOrder, PlaceSmart)):
            return Answer.NONE
        self._turn_to(time_ms)
        lost = -self.results.get(str(command.login), 0)
        if lost < self.limit:
            return Answer.NONE
        return Reject(f"account {command.login} has lost {lost} today, its limit is {self.limit}")
