"""A fixed day of trading, told as requests: everything that later addresses and pages show comes from here."""

import time
from collections.abc import Iterator
from typing import Any

from tests.recorded.callers import Caller
from tests.recorded.words import (
    CLOSE_ONLY,
    DISABLED,
    EURO,
    FIFO,
    FREE,
    HALTED,
    HEDGING,
    MANUAL,
    NETTING,
    ONEWAY,
    OTHER,
    POOR,
    READ_ONLY,
    SETTLED_S,
    SMALL,
    THIN,
    WIDE,
)
from tests.recorded.world import World

ORDERS, PLANS = "/api/v1/orders/", "/api/v1/smart-orders/"
PLAN: dict[str, Any] = {
    "symbol": "BTCUSDT", "side": "buy", "volume": "1", "entry": {"type": "market"}, "stop_loss": "42000", "break_even": True,
    "take_profits": [
        {"price": "44000", "percent": "40"}, {"price": "45000", "percent": "35"}, {"price": "47000", "percent": "25"},
    ],
}  # fmt: skip
PENDINGS = (
    ("buy_limit", "1.09000", None), ("sell_limit", "1.12000", None), ("buy_stop", "1.12000", None), ("sell_stop", "1.09000", None),
    ("buy_stop_limit", "1.12000", "1.11900"), ("sell_stop_limit", "1.09000", "1.09100"),
)  # fmt: skip
PRICES = {"BTCUSDT": "42000", "ETHUSDT": "2400", "USDJPY": "149.000", "XAUUSD": "1950", "WTI": "65"}
#: Requests that are refused, each with its reason in its name; the account, the address and what is sent.
REFUSED: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("no such symbol", HEDGING, {"symbol": "NOSUCH"}),
    ("trade disabled", HEDGING, {"symbol": "AUDUSD"}),
    ("symbol close only", HEDGING, {"symbol": "GBPUSD"}),
    ("long only", HEDGING, {"symbol": "NZDUSD", "type": "sell"}),
    ("short only", HEDGING, {"symbol": "USDCAD"}),
    ("market closed", HEDGING, {"symbol": "USDCHF"}),
    ("no quote", HEDGING, {"symbol": "USDSEK"}),
    ("account disabled", DISABLED, {}),
    ("read only", READ_ONLY, {}),
    ("close only", CLOSE_ONLY, {}),
    ("no money", POOR, {"volume": "10"}),
    ("volume off the step", HEDGING, {"volume": "0.015"}),
    ("volume too small", HEDGING, {"volume": "0.001"}),
    ("volume too large", HEDGING, {"volume": "5000"}),
    ("volume below 0", HEDGING, {"volume": "-1"}),
    ("leverage above", HEDGING, {"leverage": 500}),
    ("price with a market order", HEDGING, {"price": "1.1"}),
    ("limit price with a market order", HEDGING, {"limit_price": "1.1"}),
    ("price missing", HEDGING, {"type": "buy_limit"}),
    ("price on the wrong side", HEDGING, {"type": "buy_limit", "price": "1.2"}),
    ("price too near", HEDGING, {"type": "buy_limit", "price": "1.10005"}),
    ("price off the grid", HEDGING, {"type": "buy_limit", "price": "1.0999999"}),
    ("limit price missing", HEDGING, {"type": "buy_stop_limit", "price": "1.2"}),
    ("limit price worse", HEDGING, {"type": "buy_stop_limit", "price": "1.2", "limit_price": "1.21"}),
    ("stop loss wrong", HEDGING, {"sl": "1.2"}),
    ("stop loss too near", HEDGING, {"sl": "1.09995"}),
    ("take profit wrong", HEDGING, {"tp": "1.0"}),
    ("expired", HEDGING, {"type": "buy_limit", "price": "1.05", "expires": "2020-01-01T00:00:00Z"}),
    ("expiry of a market order", HEDGING, {"expires": "x"}),
    ("deviation alone", HEDGING, {"deviation": 5}),
    ("expected price with a pending", HEDGING, {"type": "buy_limit", "price": "1.05", "expected_price": "1.05"}),
    ("requote", HEDGING, {"expected_price": "1.00000", "deviation": 1}),
    ("unknown field", HEDGING, {"size": 1}),
    ("unknown type", HEDGING, {"type": "buy_maybe"}),
    ("somebody else's account", OTHER, {}),
    ("no such account", 999_999, {}),
)  # fmt: skip


class Story:
    """Asks for the day's orders; `things` keeps one number of each kind by name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.things: dict[str, int] = {}

    def place(
        self, file: str, account: int, *, caller: Caller | None = None, client_id: str = "", **body: Any
    ) -> dict[str, Any]:
        """Ask for an order and write the answer down; return it."""
        sent = {"account": account, "symbol": "EURUSD", "type": "buy", "volume": "0.10", **body}
        if client_id:
            sent["client_id"] = client_id
        answer: dict[str, Any] = (caller or self.world.owner).note(f"story/{file}", "POST", ORDERS, sent).json
        return answer

    def plan(
        self, file: str, account: int, *, caller: Caller | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Ask for a smart order; a change to None leaves a field out."""
        merged = {"account": account, **PLAN, **changes}
        sent = {key: value for key, value in merged.items() if value is not None}
        answer: dict[str, Any] = (caller or self.world.owner).note(f"story/{file}", "POST", PLANS, sent).json
        return answer

    def tell(self) -> dict[str, int]:
        """Play the whole day and return the numbers of its things."""
        self._positions()
        self._pendings()
        self._plans()
        self._refusals()
        self._netting()
        self._closing()
        self._requotes()
        self._dealers()
        self._moves()
        self._stop_out()
        self.world.usual()
        self._stands()
        return self.things

    def _positions(self) -> None:
        """Open what stays open: every symbol that trades, both sides, in every kind of account."""
        for account in (HEDGING, WIDE, EURO):
            for symbol in ("EURUSD", "BTCUSDT", "ETHUSDT", "USDJPY", "EURJPY", "XAUUSD", "WTI"):
                for side in ("buy", "sell"):
                    volume = "0.30" if side == "buy" else "0.10"
                    made = self.place("positions", account, symbol=symbol, type=side, volume=volume)
                    self.things.setdefault(f"{side} {account} {symbol}", made.get("position") or 0)
        self.place(
            "positions", HEDGING, sl="1.05", tp="1.2", comment="with stops", leverage=50, client_id="mine"
        )
        self.place("positions", HEDGING, symbol="btc", volume="0.002")
        again = self.place(
            "positions", HEDGING, sl="1.05", tp="1.2", comment="with stops", leverage=50, client_id="mine"
        )
        self.things["order"] = again["ticket"]
        self.things["position"] = again["position"]
        self.place("positions", HEDGING, volume="0.5", client_id="mine")
        self.things["other position"] = self.place("positions", OTHER, caller=self.world.other)["position"]
        self.things["other pending"] = self.place(
            "positions", OTHER, caller=self.world.other, type="buy_limit", price="1.05"
        )["ticket"]

    def _pendings(self) -> None:
        for account in (HEDGING, NETTING, WIDE):
            for type_, price, limit in PENDINGS:
                more = {"limit_price": limit} if limit else {}
                made = self.place("pendings", account, type=type_, price=price, **more)
                self.things.setdefault(type_, made["ticket"])
        for symbol, price in PRICES.items():
            self.place("pendings", HEDGING, symbol=symbol, type="buy_limit", price=price, expires="day")
        self.place(
            "pendings", HEDGING, type="buy_limit", price="1.08", sl="1.07", tp="1.2",
            expires="2030-01-01T10:00:00Z", comment="until 2030",
        )  # fmt: skip
        gone = self.place("pendings", HEDGING, type="buy_limit", price="1.08")["ticket"]
        self.world.owner.note("story/pendings", "DELETE", f"{ORDERS}{gone}/")
        self.world.owner.note("story/pendings", "DELETE", f"{ORDERS}{gone}/")
        path = f"{ORDERS}{self.things['buy_limit']}/"
        for change in (
            {"price": "1.09100", "sl": "1.08"}, {"price": "1.2"}, {"sl": None}, {"price": "1.09", "seen": {"price": "1.05"}},
            {"expires": "day"}, {},
        ):  # fmt: skip
            self.world.owner.note("story/pendings", "PATCH", path, change)

    def _plans(self) -> None:
        owner = self.world.owner
        self.things["smart"] = self.plan("plans", HEDGING, client_id="plan-1")["id"]
        trailing = {"take_profits": None, "stop_loss": None, "break_even": None}
        self.plan("plans", HEDGING, **trailing, trailing={"callback": "2"})
        self.plan("plans", HEDGING, **trailing, trailing={"callback": "2", "activation": "43500"})
        self.plan("plans", HEDGING, entry={"type": "limit", "price": "42500"})
        self.plan("plans", HEDGING, entry={"type": "stop", "price": "43500"}, stop_loss="43000")
        short = [{"price": "42000", "percent": "60"}]
        self.plan(
            "plans", WIDE, side="sell", stop_loss="44000", take_profits=short, break_even={"offset": 10}
        )
        held = self.things[f"buy {WIDE} BTCUSDT"]
        self.plan("plans", WIDE, volume=None, entry={"type": "position", "position": held})
        self.plan("plans", NETTING)
        self.plan("plans", NETTING)
        kept, gone = self.plan("plans", HEDGING)["id"], self.plan("plans", HEDGING)["id"]
        path = f"{PLANS}{self.things['smart']}/"
        owner.note("story/plans", "PATCH", path, {"version": 1, "stop_loss": "42100"})
        owner.note("story/plans", "PATCH", path, {"version": 1, "stop_loss": "42200"})
        owner.note("story/plans", "PATCH", path, {"stop_loss": "42300"}, If_Match='"2"')
        owner.note("story/plans", "PATCH", path, {"version": 3, "stop_loss": "43500"})
        owner.note("story/plans", "POST", f"{PLANS}{kept}/cancel/")
        owner.note("story/plans", "POST", f"{PLANS}{kept}/cancel/")
        owner.note("story/plans", "POST", f"{PLANS}{gone}/close/", {"version": 1})
        self.things["other smart"] = self.plan("plans", OTHER, caller=self.world.other)["id"]

    def _refusals(self) -> None:
        for why, account, body in REFUSED:
            self.place(f"refused/{why.replace(' ', '-')}", account, **body)
        for changes in (
            {"take_profits": None, "stop_loss": None, "break_even": None},
            {"take_profits": [{"price": "44000", "percent": "101"}]},
            {"take_profits": [{"price": "45000", "percent": "50"}, {"price": "44000", "percent": "50"}]},
            {"take_profits": [{"price": "44000", "percent": "0.001"}]},
            {"take_profits": [{"price": "42000", "percent": "100"}]},
            {"stop_loss": "43500"},
            {"entry": {"type": "position", "position": 999}},
            {"trailing": {"callback": "200"}},
        ):  # fmt: skip
            self.plan("refused/plans", HEDGING, **changes)
        self.plan("refused/plans", FREE)
        self.world.act("accounts/account/1106/halt", level="close_only")
        self.place("refused/halted", HALTED)
        self.place("refused/limit-reached", SMALL)
        self.place("refused/limit-reached", SMALL)
        self.place("refused/limit-reached", SMALL)
        self.place("refused/hedge-prohibited", ONEWAY)
        self.place("refused/hedge-prohibited", ONEWAY, type="sell")
        first = self.place("refused/fifo", FIFO)["position"]
        second = self.place("refused/fifo", FIFO)["position"]
        for ticket in (second, first):
            self.world.owner.note("story/refused/fifo", "POST", f"/api/v1/positions/{ticket}/close/", {})

    def _netting(self) -> None:
        for side, volume in (("buy", "1"), ("buy", "0.50"), ("sell", "0.70"), ("sell", "2"), ("buy", "0.20")):
            made = self.place("netting", NETTING, symbol="EURUSD", type=side, volume=volume)
            self.things["netting"] = made.get("position") or self.things.get("netting", 0)

    def _closing(self) -> None:
        owner = self.world.owner
        position = self.place("closing", HEDGING, volume="1")["position"]
        path = f"/api/v1/positions/{position}/"
        for change in (
            {"sl": "1.05"}, {"sl": "1.2"}, {"tp": "1.15"}, {"sl": None}, {"sl": "1.06", "seen": {"sl": "1.01"}},
            {"tp": "1.10011"},
        ):  # fmt: skip
            owner.note("story/closing", "PATCH", path, change)
        for body in (
            {"volume": "0.30"}, {"volume": "5"}, {"volume": "0.015"}, {"expected_price": "2", "deviation": 0}, {}, {},
        ):  # fmt: skip
            owner.note("story/closing", "POST", f"{path}close/", body)
        self.things["closed"] = position
        long = self.place("closing", HEDGING, volume="0.40")["position"]
        short = self.place("closing", HEDGING, type="sell", volume="0.30")["position"]
        for opposite in (long, 999_999, short):
            owner.note("story/closing", "POST", f"/api/v1/positions/{long}/close-by/", {"opposite": opposite})
        deals = owner.note("story/closing", "GET", f"/api/v1/deals/?account=1001&position={position}").json
        self.things["deal"] = deals["results"][0]["ticket"]

    def requoted(self, file: str = "requotes") -> int:
        """Return the number of an order that failed with an offer that still stands."""
        return int(self.place(file, HEDGING, expected_price="1.00000", deviation=0)["ticket"])

    def _requotes(self) -> None:
        owner = self.world.owner
        taken, missed = self.requoted(), self.requoted()
        self.things["requoted"] = self.requoted()
        owner.note("story/requotes", "POST", f"{ORDERS}{taken}/accept/", {})
        owner.note("story/requotes", "POST", f"{ORDERS}{taken}/accept/", {})
        self.world.tick("EURUSD", "1.10100", "1.10110")
        owner.note("story/requotes", "POST", f"{ORDERS}{missed}/accept/", {})
        owner.note("story/requotes", "POST", f"{ORDERS}{self.things['buy_limit']}/accept/", {})
        self.world.tick("EURUSD", *("1.10000", "1.10010"))

    def _queue(self) -> Iterator[int]:
        """Give the numbers of the requests that wait for a dealer, oldest first."""
        query = "SELECT id FROM orders_dealerrequest WHERE is_open ORDER BY id"
        yield from [int(number) for (number,) in self.world.stack.rows(query)]

    def _dealers(self) -> None:
        """Let dealers take, confirm, requote, reject and leave requests of each kind."""
        world, owner = self.world, self.world.owner
        for volume in ("0.10", "0.20", "0.30", "0.40"):
            self.place("dealers", MANUAL, volume=volume)
        confirmed, requoted, rejected, _ = list(self._queue())
        page = "orders/dealerrequest"
        world.act(f"{page}/{confirmed}/take", by="staff-dealer")
        world.act(f"{page}/{confirmed}/confirm", by="staff-dealer", price="1.5")
        world.act(f"{page}/{confirmed}/confirm", by="staff-dealer", price="1.10015")
        world.act(f"{page}/{confirmed}/confirm", by="staff-dealer", price="1.10015")
        world.act(f"{page}/{requoted}/requote", by="staff-dealer", price="1.10050")
        world.act(f"{page}/{rejected}/reject", by="staff-dealer", comment="not today")
        held = world.stack.rows("SELECT ticket FROM positions_position WHERE login = %s", MANUAL)[0][0]
        owner.note("story/dealers", "POST", f"/api/v1/positions/{held}/close/", {"volume": "0.05"})
        self.place("dealers", MANUAL, type="buy_limit", price="1.09500")
        self.plan("dealers", MANUAL)
        time.sleep(SETTLED_S)  # the pages show figures that the desk publishes
        world.act(
            f"accounts/account/{MANUAL}/order", symbol="EURUSD", type="buy", volume="0.60", comment="by hand"
        )
        world.act(f"accounts/account/{HEDGING}/order", symbol="EURUSD", type="sell", volume="0.60", sl="1.0")
        world.act(
            "dealing/halt/turn", scope="symbol", key="EURJPY", level="close_only", comment="as recorded"
        )
        self.place("refused/switch", HEDGING, symbol="EURJPY")

    def _moves(self) -> None:
        """Let the market reach pending orders, stops and levels of plans."""
        for symbol, bid, ask in (
            ("EURUSD", "1.08990", "1.09000"), ("EURUSD", "1.12000", "1.12010"), ("EURUSD", "1.10000", "1.10010"),
            ("BTCUSDT", "44000.00", "44001.00"), ("BTCUSDT", "45500.00", "45501.00"), ("BTCUSDT", "42900.00", "42901.00"),
            ("BTCUSDT", "41900.00", "41901.00"), ("USDJPY", "148.900", "148.910"), ("WTI", "-2.00", "-1.95"), ("WTI", "70.00", "70.05"),
            ("EURUSD", "0", "0"), ("EURUSD", "1.2", "1.1"),
        ):  # fmt: skip
            self.world.tick(symbol, bid, ask)

    def _stop_out(self) -> None:
        self.place("stop-out", THIN, volume="1.00")
        self.world.tick("EURUSD", "1.09700", "1.09710")
        self.world.tick("EURUSD", "1.09600", "1.09610")
        self.world.owner.note("story/stop-out", "GET", f"/api/v1/deals/?account={THIN}")

    def _stands(self) -> None:
        """Open again what the moves have ended and later questions are about."""
        self.things["smart"] = self.plan("stands", HEDGING, client_id="plan-2")["id"]
        for type_, price, limit in PENDINGS:
            more = {"limit_price": limit} if limit else {}
            self.things[type_] = self.place("stands", HEDGING, type=type_, price=price, **more)["ticket"]
        self.things["position"] = self.place("stands", HEDGING, sl="1.05", tp="1.2")["position"]
        self.things["spare"] = self.place("stands", HEDGING)["position"]
        self.things["short"] = self.place("stands", HEDGING, type="sell")["position"]
        self.things["requoted"] = self.requoted("stands")
