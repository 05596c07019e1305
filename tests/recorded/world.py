"""The recorded server: a stack of its own, its callers, and the fixed day that is traded on it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.recorded.callers import Answer, Caller, Notes
from tests.recorded.words import ACCOUNTS, MARKET, POOR, THIN
from tests.services import SERVICES
from tests.stack import Stack, wait_until
from tradingdesk.probes import engine_ready, site_ready

UNLIMITED = ("STRANGER", "MISSES", "COST_USER", "COST_ADDRESS", "SOCKETS", "CONNECTIONS_ADDRESS")
ENVIRONMENT = {
    "API_USER_RATE": "100000", "API_LOGIN_RATE": "100000", "LOGIN_FAILURES_ADDRESS": "100000", "LOGIN_FAILURES_NAME": "100000",
    **{f"LIMIT_{name}": "100000" for name in UNLIMITED},
}  # fmt: skip
HISTORY = (("60.00", "60.05"), ("61.50", "61.55"), ("59.25", "59.30"), ("62.00", "62.05"))
MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS


def _launch(stack: Stack) -> None:
    stack.start_desk(0)
    stack.start_web()


class World:
    """The stack with its callers; `owner` holds nearly all accounts, `other` two, `staff` is a superuser's browser."""

    def __init__(self, folder: Path, launch: Callable[[Stack], None] | None = None) -> None:
        """Plan it; `launch` starts desk and pages where they are not to be the usual ones."""
        self.notes = Notes(folder)
        self.launch = launch or _launch
        self.stack = Stack(SERVICES, desk=False, web=False, environment=ENVIRONMENT)
        self.tick_ms = 0
        self.browsers: dict[str, Caller] = {}

    def __enter__(self) -> Self:
        """Start everything and give it rows, callers, money and prices."""
        stack = self.stack.__enter__()
        try:
            stack.manage("roles")
            stack.start("seed", [sys.executable, "-m", "tests.recorded.seed"])
            seed = stack.parts["seed"].process
            assert seed is not None and seed.wait(120) == 0, stack.log("seed")
            stack.parts.pop("seed")
            self.launch(stack)
            wait_until(lambda: engine_ready(stack.database_url, 1), f"the desk ({stack.log('desk-0')})")
            wait_until(lambda: site_ready(stack.url), f"the pages ({stack.log('daphne')})")
            self._callers()
            self._market()
            self._money()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        """End everything."""
        self.stack.__exit__()

    def caller(self, name: str) -> Caller:
        """Return a program that has not logged in."""
        return Caller(self.stack.port, name, self.notes)

    def browser(self, user: str) -> Caller:
        """Return the browser of a member of staff, logged in once."""
        if user not in self.browsers:
            self.browsers[user] = self.caller(user).open_session(user, "/admin/login/")
        return self.browsers[user]

    def _callers(self) -> None:
        self.owner = self.caller("owner").log_in("owner")
        self.other = self.caller("other").log_in("other")
        self.manager = self.caller("manager").log_in("manager")
        self.anonymous = self.caller("anonymous")
        self.staff = self.browser("manager")

    # ---- market and money ----

    def tick(self, symbol: str, bid: str, ask: str, time_ms: int = 0) -> None:
        """Send one tick, later than all before, and wait until the desk has committed it."""
        self.tick_ms = max(self.tick_ms + 1, time_ms or time.time_ns() // 1_000_000)
        self.stack.tick(symbol, bid, ask, self.tick_ms)

    def _market(self) -> None:
        """Quote everything but USDSEK; oil has a history of minutes, at the same hour of yesterday each time."""
        start = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS - DAY_MS + 10 * 60 * MINUTE_MS
        for number, (bid, ask) in enumerate(HISTORY):
            self.tick("WTI", bid, ask, start + number * 20 * MINUTE_MS)
        self.tick_ms = 0
        self.usual()

    def usual(self) -> None:
        """Set every symbol to its usual price."""
        for symbol, (bid, ask) in MARKET.items():
            self.tick(symbol, bid, ask)

    def _money(self) -> None:
        for login in ACCOUNTS:
            amount = {POOR: "10", THIN: "400"}.get(login, "100000")
            self.money(login, "deposit", amount)
        self.money(1001, "withdrawal", "250.25")
        self.money(1001, "credit_in", "500")
        self.money(1001, "withdrawal", "9999999")
        self.money(1001, "deposit", "-1")
        self.money(1001, "deposit", "x")

    def money(self, login: int, kind: str, amount: str) -> Answer:
        """Move money as the superuser does."""
        return self.act(
            f"accounts/account/{login}/money", kind=kind, amount=amount, comment="as recorded", override=""
        )

    def act(self, page: str, *, by: str = "manager", **fields: Any) -> Answer:
        """Fill in and confirm the form of an action of the admin, and write down what follows."""
        file = "admin/actions/" + "-".join(part for part in page.split("/") if not part.isdigit())
        fields = {"sent": "1", "confirmed": "yes", **fields}
        return self.browser(by).note_form(
            file, f"/admin/{page}/", {key: value for key, value in fields.items() if value != ""}
        )
