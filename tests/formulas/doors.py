"""Which door shows which figure, and the reading of all of them."""

import re
import time
from collections.abc import Iterable
from typing import Any

from tests.recorded.normal import outline
from tests.recorded.sockets import Socket
from tests.recorded.words import HEDGING, MANUAL, WIDE
from tests.recorded.world import World


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


Reading = dict[tuple[str, str], str]
ACCOUNT = ("equity", "floating", "margin", "free_margin", "margin_level")
#: The words under which JSON has a figure, by the thing that holds them.
WORDS = {
    "account": {name: name for name in ACCOUNT},
    "positions": {"profit": "profit", "price": "price", "next_swap": "next_swap", "sl": "stop"},
    "orders": {"market_price": "market_price"},
    "smart_orders": {"open_profit": "open_profit", "effective_stop": "stop", "high_water_mark": "mark"},
    "quote": {"bid": "bid", "ask": "ask"},
    "trade": {"currentPrice": "price", "stopLoss": "stop"},
    "margin_preview": {
        "entry_price": "preview_entry", "margin": "preview_margin", "free_margin_after": "preview_free",
        "value_per_point": "preview_point", "commission": "preview_commission",
    },
    "smart_preview": {
        "entry_price": "preview_entry", "margin": "preview_margin", "reward": "preview_reward", "risk": "preview_risk",
        "worst_case": "preview_risk", "risk_reward": "preview_ratio", "profit": "preview_level", "stop": "preview_stop",
    },
    "deal": {"profit": "deal_profit", "fees": "deal_fees", "price": "deal_price", "group_bid": "deal_bid", "group_ask": "deal_ask"},
    "closed": {"profitLoss": "deal_profit", "closePrice": "deal_price"},
}  # fmt: skip
#: The words of the admin's lists and records.
LISTS = {
    "accounts/account": {"Equity": "equity", "Floating": "floating", "Margin": "margin", "Free margin": "free_margin",
                         "Level": "margin_level"},
    "positions/position": {"Price": "price", "Profit": "profit"},
    "orders/order": {"Now": "market_price"},
    "orders/smartorder": {"Stop": "stop"},
    "orders/dealerrequest": {"Bid now": "bid", "Ask now": "ask"},
}  # fmt: skip
RECORDS = {
    "accounts/account": {"Equity": "equity", "Floating": "floating", "Margin": "margin", "Free margin": "free_margin",
                         "Margin level": "margin_level"},
    "positions/position": {"Now": "price", "Floating profit": "profit", "Swap at the next day end": "next_swap"},
    "orders/order": {"Now": "market_price"},
    "orders/smartorder": {"In force": "stop", "Mark": "mark"},
    "orders/dealerrequest": {"Bid now": "bid", "Ask now": "ask"},
}  # fmt: skip


#: What is not listed here and shows a figure all the same fails. Besides: the admin's first page shows the figures of its list of
#: accounts; the terminal shows what REST and the socket say (see `test_arithmetic` for what its scripts reckon from that).
DOORS: dict[str, frozenset[str]] = {
    "accounts/": of("equity", "floating", "free_margin", "margin", "margin_level"),
    "accounts/{login}/": of("equity", "floating", "free_margin", "margin", "margin_level"),
    "accounts/{login}/ snapshot": of(
        "equity",
        "floating",
        "free_margin",
        "margin",
        "margin_level",
        "mark",
        "market_price",
        "next_swap",
        "open_profit",
        "price",
        "profit",
        "stop",
    ),
    "admin accounts/account list": of("equity", "floating", "free_margin", "margin", "margin_level"),
    "admin accounts/account page": of("equity", "floating", "free_margin", "margin", "margin_level"),
    "admin accounts/account positions": of("price", "profit", "stop"),
    "admin orders/dealerrequest list": of("ask", "bid"),
    "admin orders/dealerrequest page": of("ask", "bid"),
    "admin orders/order list": of("market_price"),
    "admin orders/order page": of("market_price"),
    "admin orders/smartorder list": of("stop"),
    "admin orders/smartorder page": of("stop"),
    "admin positions/deal file": of("deal_fees", "deal_price", "deal_profit"),
    "admin positions/deal page": of("deal_fees", "deal_profit"),
    "admin positions/position file": of("deal_price", "deal_profit"),
    "admin positions/position list": of("price", "profit"),
    "admin positions/position page": of("next_swap", "price", "profit"),
    "balance": of("equity", "free_margin", "margin", "margin_level"),
    "deals/": of("deal_ask", "deal_bid", "deal_fees", "deal_price", "deal_profit"),
    "deals/ opening": of("opened_price"),
    "deals/{ticket}/": of("deal_ask", "deal_bid", "deal_fees", "deal_price", "deal_profit"),
    "ledger/": of("deal_fees", "deal_profit"),
    "margin-preview/": of(
        "preview_commission", "preview_entry", "preview_free", "preview_margin", "preview_point"
    ),
    "orders/": of("market_price"),
    "orders/ made": of("opened_price"),
    "orders/{ticket}/": of("market_price"),
    "positions/": of("next_swap", "price", "profit", "stop"),
    "positions/ closed": of("deal_price", "deal_profit"),
    "positions/{ticket}/": of("next_swap", "price", "profit", "stop"),
    "positions/{ticket}/close/": of("deal_ask", "deal_bid", "deal_fees", "deal_price", "deal_profit"),
    "smart-orders/": of("mark", "open_profit", "stop"),
    "smart-orders/preview/": of(
        "preview_entry",
        "preview_level",
        "preview_margin",
        "preview_ratio",
        "preview_reward",
        "preview_risk",
        "preview_stop",
    ),
    "smart-orders/{number}/": of("mark", "open_profit", "stop"),
    "socket live": of(
        "equity",
        "floating",
        "free_margin",
        "margin",
        "margin_level",
        "mark",
        "next_swap",
        "open_profit",
        "price",
        "profit",
        "stop",
    ),
    "socket quotes": of("ask", "bid"),
    "socket snapshot": of(
        "equity",
        "floating",
        "free_margin",
        "margin",
        "margin_level",
        "mark",
        "market_price",
        "next_swap",
        "open_profit",
        "price",
        "profit",
        "stop",
    ),
    "symbols/": of("ask", "bid"),
    "trade/close": of("deal_price", "deal_profit"),
    "trade/open": of("price", "stop"),
}
#: Addresses of the API that show nothing of that: why.
NO_FIGURES = {
    "assets/": "names and digits", "candles/": "the market's bid, which nobody's spread widens",
    "auth/logout/": "about callers", "auth/refresh/": "about callers", "auth/token/": "about callers", "preferences/": "a user's choices",
    "ws-ticket/": "a pass", "requests/{ticket}/": "what became of a request", "requests/by-client-id/{client_id}/": "the same",
    "orders/by-client-id/{client_id}/": "the same, with the order of `orders/{ticket}/`",
    "orders/{ticket}/accept/": "the new order, as `orders/ made`", "positions/{ticket}/close-by/": "deals, as `positions/{ticket}/close/`",
    "smart-orders/{number}/cancel/": "the plan, as `smart-orders/{number}/`", "smart-orders/{number}/close/": "the same",
    "trade/create/": "the position, as `trade/open`",
}  # fmt: skip


def leaves(value: Any, words: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Give every figure that JSON holds anywhere below."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in words and not isinstance(inner, dict | list):
                yield words[key], str(inner)
            else:
                yield from leaves(inner, words)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, words)


def table_of(page: str, labels: dict[str, str]) -> dict[str, list[str]]:
    """Return the cells of a record page's table of positions, by the figure that stands in their column."""
    columns: list[str] = []
    found: dict[str, list[str]] = {}
    _, _, part = page.partition("\n<h2>\nOpen positions\n")
    for row in part.split("<tr>\n")[1:]:
        if row.startswith("<th>"):
            if columns:
                break
            columns = [cell.strip() for cell in row.split("<th>\n")[1:]]
            continue
        for label, cell in zip(columns, row.split("<td>\n")[1:], strict=False):
            if label in labels:
                found.setdefault(labels[label], []).append(cell.strip())
    return found


class Book:
    """What the figures are of: one account of a group with a spread, and one that trades to be looked at."""

    def __init__(self, world: World) -> None:
        self.world, self.owner = world, world.owner
        self.position = self._placed(symbol="EURUSD", volume="0.30")
        self._placed(symbol="EURUSD", type="sell", volume="0.10")
        self._placed(symbol="USDJPY", volume="0.30")
        self.order = self._placed("ticket", symbol="ETHUSDT", type="buy_limit", price="2400", volume="0.10")
        plan = {"account": WIDE, "symbol": "BTCUSDT", "side": "buy", "volume": "1", "entry": {"type": "market"},
                "trailing": {"callback": "2"}}  # fmt: skip
        made = self.owner.call("POST", "/api/v1/smart-orders/", plan)
        assert made.status == 201, made
        self.plan, self.managed = made.json["id"], made.json["position"]
        body = {"account": MANUAL, "symbol": "EURUSD", "type": "buy", "volume": "0.10"}
        assert self.owner.call("POST", "/api/v1/orders/", body).status in (201, 202)
        query = "SELECT id FROM orders_dealerrequest WHERE is_open"
        self.request = world.stack.rows(query)[0][0]
        self.socket = Socket(self.owner)
        self.socket.send(op="subscribe", channel="account", account=WIDE)
        self.socket.send(op="subscribe", channel="quotes", symbols=["EURUSD"])
        self.turns = 0

    def _placed(self, what: str = "position", **body: Any) -> int:
        answer = self.owner.call("POST", "/api/v1/orders/", {"account": WIDE, "type": "buy", **body})
        assert answer.status == 201, answer
        return int(answer.json[what])

    def read(self) -> Reading:
        """Return what every door shows of every figure now, at prices that are always the same."""
        found: Reading = {}
        self._move()
        self._published(found)
        self._rest(found)
        self._previews(found)
        self._admin(found)
        self._traded(found)
        return found

    def _move(self) -> None:
        """Let the desk compute anew what it publishes: quotes go a point away and back, and a position is changed.

        The margin of positions is kept until one of them changes.
        """
        self.turns += 1
        path, body = (
            f"/api/v1/positions/{self.position}/",
            {"tp": f"1.{80 + self.turns % 2}000", "account": WIDE},
        )
        answer = self.owner.call("PATCH", path, body)
        assert answer.status == 200, answer
        for bid, ask in (("1.10001", "1.10011"), ("1.10000", "1.10010")):
            self.world.tick("EURUSD", bid, ask)
        time.sleep(0.7)

    def _keep(self, found: Reading, door: str, value: Any, *kinds: str) -> None:
        for kind in kinds:
            for figure, text in leaves(value, WORDS[kind]):
                key = door, figure
                found[key] = f"{found[key]} {text}" if key in found else text

    def _json(self, found: Reading, door: str, path: str, *kinds: str) -> None:
        answer = self.owner.call("GET", f"/api/v1/{path}")
        assert answer.status == 200, (path, answer)
        self._keep(found, door, answer.json, *kinds)

    def _rest(self, found: Reading) -> None:
        answer = self.owner.call("GET", "/api/v1/accounts/").json["results"]
        self._keep(found, "accounts/", [one for one in answer if one["login"] == WIDE], "account")
        self._json(found, "balance", f"balance?account={WIDE}", "account")
        one = self.owner.call("GET", f"/api/v1/accounts/{WIDE}/").json
        self._snapshot(found, "accounts/{login}/ snapshot", one.pop("snapshot"))
        self._keep(found, "accounts/{login}/", one, "account")
        self._json(found, "positions/", f"positions/?account={WIDE}", "positions")
        self._json(found, "positions/{ticket}/", f"positions/{self.managed}/?account={WIDE}", "positions")
        self._json(found, "orders/", f"orders/?account={WIDE}&status=pending", "orders")
        self._json(found, "orders/{ticket}/", f"orders/{self.order}/?account={WIDE}", "orders")
        self._json(found, "smart-orders/", f"smart-orders/?account={WIDE}", "smart_orders")
        self._json(
            found, "smart-orders/{number}/", f"smart-orders/{self.plan}/?account={WIDE}", "smart_orders"
        )
        self._json(found, "symbols/", f"symbols/?account={WIDE}", "quote")
        self._json(found, "trade/open", f"trade/open?account={WIDE}", "trade")

    def _snapshot(self, found: Reading, door: str, data: dict[str, Any]) -> None:
        for kind in ("account", "positions", "orders", "smart_orders"):
            self._keep(found, door, data[kind], kind)

    def _published(self, found: Reading) -> None:
        """Read what sockets are told: the newest live values and quotes, and a snapshot of now."""
        self.socket.drain(0.3)
        live = self.socket.live[str(WIDE)]
        self._keep(found, "socket live", {key: live[key] for key in ACCOUNT}, "account")
        self._keep(found, "socket live", live["positions"], "positions")
        self._keep(found, "socket live", live["smart"], "smart_orders")
        bid, ask = self.socket.quotes["EURUSD"]
        found["socket quotes", "bid"], found["socket quotes", "ask"] = bid, ask
        fresh = Socket(self.owner)
        fresh.send(op="subscribe", channel="account", account=WIDE)
        while not fresh.told:
            fresh.drain(0.05)
        fresh.connection.close()
        self._snapshot(found, "socket snapshot", fresh.told[0]["data"])

    def _previews(self, found: Reading) -> None:
        for symbol in ("EURUSD", "USDJPY"):
            body = {"account": WIDE, "symbol": symbol, "side": "buy", "volume": "1"}
            answer = self.owner.call("POST", "/api/v1/margin-preview/", body).json
            self._keep(found, "margin-preview/", answer, "margin_preview")
        body = {"account": WIDE, "symbol": "EURUSD", "side": "buy", "volume": "1", "entry": {"type": "market"},
                "trailing": {"callback": "2"}, "take_profits": [{"price": "1.20000", "percent": "50"}]}  # fmt: skip
        answer = self.owner.call("POST", "/api/v1/smart-orders/preview/", body).json
        self._keep(found, "smart-orders/preview/", answer, "smart_preview")

    # ---- the admin ----

    def _admin(self, found: Reading) -> None:
        keys = {"accounts/account": WIDE, "positions/position": self.managed, "orders/order": self.order,
                "orders/smartorder": self.plan, "orders/dealerrequest": self.request}  # fmt: skip
        queries = {"accounts/account": f"q={WIDE}", "orders/dealerrequest": "is_open__exact=1",
                   "positions/position": f"q={WIDE}", "orders/order": f"q={WIDE}&status__exact=pending"}  # fmt: skip
        for path, key in keys.items():
            page = self._page(f"/admin/{path}/?{queries.get(path, '')}")
            for label, figure in LISTS[path].items():
                cells = re.findall(
                    rf'^<td data-label="{label}">\n((?:(?!<td|<th|<tr).*\n)*)', page, re.MULTILINE
                )
                found[f"admin {path} list", figure] = " ".join(cells)
            page = self._page(f"/admin/{path}/{key}/change/")
            for label, figure in RECORDS[path].items():
                facts = re.findall(rf"^{label}\n(.*\n.*)\n", page, re.MULTILINE)
                if facts:
                    found[f"admin {path} page", figure] = facts[0]
        page = self._page(f"/admin/accounts/account/{WIDE}/change/")
        for figure, cells in table_of(
            page, {"Price": "price", "Now": "price", "Profit": "profit", "SL": "stop"}
        ).items():
            found["admin accounts/account positions", figure] = " ".join(cells)

    def _page(self, path: str) -> str:
        answer = self.world.staff.ask("GET", path)
        assert answer.status == 200, (path, answer)
        return outline(answer.text)

    # ---- what is executed ----

    def _traded(self, found: Reading) -> None:
        """Open and close at the market, and read what history, ledger and files keep of it."""
        body = {"account": HEDGING, "symbol": "USDJPY", "type": "buy", "volume": "0.10"}
        made = self.owner.call("POST", "/api/v1/orders/", body).json
        position = made["position"]
        found["orders/ made", "opened_price"] = made["modified_price"]
        found["deals/ opening", "opened_price"] = self._opening(position)
        closed = self.owner.call("POST", f"/api/v1/positions/{position}/close/", {}).json
        self._keep(found, "positions/{ticket}/close/", closed["deals"], "deal")
        deals = self.owner.call("GET", f"/api/v1/deals/?account={HEDGING}&position={position}").json[
            "results"
        ]
        self._keep(found, "deals/", deals[0], "deal")
        out = deals[0]["ticket"]
        self._keep(found, "deals/{ticket}/", self.owner.call("GET", f"/api/v1/deals/{out}/").json, "deal")
        past = self.owner.call("GET", f"/api/v1/positions/{position}/").json
        found["positions/ closed", "deal_profit"] = past["realised_profit"]
        found["positions/ closed", "deal_price"] = past["close_price"]
        past = self.owner.call("GET", f"/api/v1/trade/close?account={HEDGING}&limit=1").json
        self._keep(found, "trade/close", past, "closed")
        entries = self.owner.call("GET", f"/api/v1/ledger/?account={HEDGING}&limit=2").json["results"]
        for entry in entries:
            figure = "deal_profit" if entry["kind"] == "profit" else "deal_fees"
            found["ledger/", figure] = entry["amount"]
        page = self._page(f"/admin/positions/deal/{out}/change/")
        for label, figure in {"Profit": "deal_profit", "Fees": "deal_fees", "Price": "deal_price"}.items():
            facts = re.findall(rf"^{label}\n(.*\n.*)\n", page, re.MULTILINE)
            if facts:
                found["admin positions/deal page", figure] = facts[0]
        self._files(found, out, position)

    def _opening(self, position: int) -> str:
        deals = self.owner.call("GET", f"/api/v1/deals/?account={HEDGING}&position={position}").json[
            "results"
        ]
        return str(deals[-1]["price"])

    def _files(self, found: Reading, deal: int, position: int) -> None:
        for path, key, columns in (
            ("positions/deal", deal, {"profit": "deal_profit", "fees": "deal_fees", "price": "deal_price"}),
            ("positions/position", position, {"profit": "deal_profit", "close_price": "deal_price"}),
        ):
            text = self.world.staff.ask("GET", f"/admin/{path}/csv/?q={HEDGING}").text.lstrip("\ufeff")
            head, *lines = [[cell.strip('"') for cell in line.split(",")] for line in text.splitlines()]
            row = next(line for line in lines if line[0] == str(key))
            for column, figure in columns.items():
                found[f"admin {path} file", figure] = row[head.index(column)]
