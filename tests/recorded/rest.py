"""Every address of the OpenAPI document: good and bad input, as every kind of caller."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from tests.recorded.callers import Caller
from tests.recorded.normal import parsed, printed
from tests.recorded.story import PLAN, PLANS, Story
from tests.recorded.words import ACCOUNTS, EURO, HEDGING, NETTING, OTHER, PASSWORD, WIDE

BAD_NUMBERS = ("0", "-1", "abc", "9" * 25, "1.5", "%00")
BAD_VALUES: tuple[Any, ...] = (None, "x", -1, [1], "")
BAD_QUERIES = ("x", "-1", "", "9" * 30)
BAD_BODIES = (b"", b"{", b"[]", b"null", b'"x"', b'{"unknown": 1}', b'{"volume": 1, "volume": 2}', b"\xff")
#: Good values of parameters in addresses, beside those that the document lists.
QUERIES: dict[str, tuple[str, ...]] = {
    "account": (str(HEDGING), str(NETTING), str(WIDE), str(EURO), str(OTHER), "999999"),
    "symbol": ("EURUSD", "btc", "NOSUCH"),
    "limit": ("2", "500"),
    "since": ("2020-01-01T00:00:00Z", "1577836800000", "1577836800"),
    "until": ("2020-01-01T00:00:00Z", "2050-01-01T00:00:00Z"),
    "before": ("1577836800000",),
    "cursor": ("abc",),
}
#: What a good request says. Words in braces are things of the story; a path's own number is made anew each time.
BODIES: dict[str, dict[str, Any]] = {
    "POST auth/token/": {"username": "owner", "password": PASSWORD},
    "POST auth/refresh/": {"refresh": "{refresh}"},
    "POST auth/logout/": {"everywhere": False},
    "POST margin-preview/": {"account": HEDGING, "symbol": "EURUSD", "side": "buy", "volume": "1"},
    "POST orders/": {"account": HEDGING, "symbol": "EURUSD", "type": "buy_limit", "volume": "0.01", "price": "1.05"},
    "PATCH orders/{ticket}/": {"price": "1.06000", "seen": {"price": "1.05000"}},
    "DELETE orders/{ticket}/": {},
    "POST orders/{ticket}/accept/": {},
    "PATCH positions/{ticket}/": {"sl": "1.05000", "tp": "1.20000"},
    "POST positions/{ticket}/close/": {"volume": "0.05"},
    "POST positions/{ticket}/close-by/": {"opposite": "{short}"},
    "PATCH preferences/": {"one_click": True, "time_zone": "utc"},
    "POST smart-orders/": {"account": HEDGING, **PLAN},
    "POST smart-orders/preview/": {"account": HEDGING, **PLAN},
    "PATCH smart-orders/{number}/": {"version": 1, "stop_loss": "41000"},
    "POST smart-orders/{number}/cancel/": {"version": 1},
    "POST smart-orders/{number}/close/": {"version": 1},
    "POST trade/create/": {"symbol": "btc", "type": "buy", "quantity": 0.1, "leverage": 10, "takeProfit": 45000, "stopLoss": 40000},
    "POST trade/close/": {"orderId": "{spare}"},
    "POST ws-ticket/": {},
}  # fmt: skip
#: More that an address tells apart.
MORE: dict[str, tuple[dict[str, Any], ...]] = {
    "POST margin-preview/": tuple(
        {"account": account, "symbol": symbol, "side": side, "volume": "0.5"}
        for account in (HEDGING, NETTING, WIDE, EURO)
        for symbol in ("BTCUSDT", "ETHUSDT", "EURUSD", "USDJPY", "XAUUSD", "WTI", "AUDUSD", "USDSEK")
        for side in ("buy", "sell")
    ),
    "POST smart-orders/preview/": tuple(
        {**PLAN, "account": account, **change}
        for account in (HEDGING, NETTING, WIDE, EURO)
        for change in (
            {}, {"entry": {"type": "limit", "price": "42500"}}, {"trailing": {"callback": "2"}, "break_even": False},
            {"side": "sell", "stop_loss": "44000", "take_profits": [{"price": "42000", "percent": "33"}]},
        )
    ),
    "PATCH preferences/": ({"confirm_close": True}, {"one_click": False, "time_zone": "local"}),
}  # fmt: skip
#: Queries beside those of one parameter alone.
PAIRS: dict[str, tuple[dict[str, str], ...]] = {
    "GET candles/": tuple(
        {"symbol": "WTI", "interval": interval, "before": "{oil_end}", "limit": "10"}
        for interval in ("1m", "5m", "15m", "1h", "4h", "1d")
    ),
    "GET deals/": tuple({"account": str(login), "limit": "200"} for login in ACCOUNTS),
    "GET ledger/": tuple({"account": str(login), "limit": "200"} for login in ACCOUNTS),
    "GET positions/": tuple({"account": str(login), "status": "all", "limit": "200"} for login in ACCOUNTS),
    "GET orders/": tuple({"account": str(login), "limit": "200"} for login in ACCOUNTS),
    "GET smart-orders/": tuple({"account": str(login), "limit": "200"} for login in ACCOUNTS),
}
#: Candles of another day than that of the recording: those of now are as many as minutes have begun.
BESIDE = {"GET candles/": {"symbol": "WTI", "before": "{oil_end}"}}


class Walk:
    """Asks every address of the document, in alphabetic order."""

    def __init__(self, story: Story, *, thorough: bool) -> None:
        self.world, self.story, self.notes = story.world, story, story.world.notes
        self.most = 10_000 if thorough else 1  # of what is alike
        answer = self.world.anonymous.call("GET", "/api/v1/schema/?format=json")
        self.document = parsed(answer.raw)
        self.notes.write("openapi", "the document", printed(self.document))
        self.operations = 0

    def walk(self) -> None:
        """Ask them all."""
        for path, operations in sorted(self.document["paths"].items()):
            for method, operation in sorted(operations.items()):
                self._address(method.upper(), path, operation)
                self.operations += 1
            self._other_methods(path, {method.upper() for method in operations})
        self._no_address()

    def _address(self, method: str, path: str, operation: dict[str, Any]) -> None:
        short = path.removeprefix("/api/v1/")
        name, file = f"{method} {short}", f"api/{short.strip('/').replace('/', '-')} {method}"
        good = self._filled(BODIES.get(name)) if method != "GET" else None
        kinds = {one["name"]: one for one in operation.get("parameters", []) if one["in"] == "query"}
        for caller in (self.world.anonymous, self.world.other, self.world.manager):
            if "auth/logout" not in path or not caller.token:
                caller.note(file, method, self._path(path), good)
        if "auth/" in path:
            self._auth(file, method, path, good)
            return
        self._bad_numbers(file, method, path, good)
        for query in self._queries(kinds, name):
            self.world.owner.note(file, method, f"{self._path(path)}?{query}", good if not kinds else None)
        self._bodies(file, method, path, name, operation, good)
        self.world.owner.note(file, method, self._path(path), good)
        self.world.owner.note(file, method, self._path(path).rstrip("/"), good)

    # ---- addresses ----

    def _path(self, path: str) -> str:
        """Return the address with a number in it that the owner may ask for, made anew where it is used up."""
        things, story = self.story.things, self.story
        if "{client_id}" in path:
            return path.replace("{client_id}", "mine")
        if "{login}" in path:
            return path.replace("{login}", str(HEDGING))
        if "{number}" in path:
            ends = path.endswith(("cancel/", "close/"))
            number = self._made(PLANS, {"account": HEDGING, **PLAN})["id"] if ends else things["smart"]
            return path.replace("{number}", str(number))
        if "accept" in path:
            ticket = story.requoted("made")
        elif "positions" in path:
            ticket = self._made_position() if "close" in path else things["position"]
        elif "deals" in path:
            ticket = things["deal"]
        elif "requests" in path:
            ticket = things["order"]
        else:
            ticket = things["walked"] = self._made(
                "/api/v1/orders/",
                {
                    "account": HEDGING,
                    "symbol": "EURUSD",
                    "type": "buy_limit",
                    "volume": "0.01",
                    "price": "1.05",
                },
            )["ticket"]
        return path.replace("{ticket}", str(ticket))

    def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.world.owner.call("POST", path, body)
        assert answer.status == 201, answer
        made: dict[str, Any] = answer.json
        return made

    def _made_position(self) -> int:
        body = {"account": HEDGING, "symbol": "EURUSD", "type": "buy", "volume": "0.10"}
        return int(self._made("/api/v1/orders/", body)["position"])

    def _filled(self, body: Any) -> Any:
        if isinstance(body, dict):
            return {key: self._filled(value) for key, value in body.items()}
        if not isinstance(body, str) or not body.startswith("{"):
            return body
        word = body.strip("{}")
        if word in ("spare", "short"):
            side = "buy" if word == "spare" else "sell"
            sent = {"account": HEDGING, "symbol": "EURUSD", "type": side, "volume": "0.05"}
            number = self._made("/api/v1/orders/", sent)["position"]
            return str(number) if word == "spare" else number
        if word == "oil_end":
            time_ms = self.world.stack.rows("SELECT extract(epoch FROM date_trunc('day', now())) * 1000")[0][
                0
            ]
            return str(int(time_ms))
        return body

    def _bad_numbers(self, file: str, method: str, path: str, good: Any) -> None:
        start, brace, rest = path.partition("{")
        if not brace:
            return
        end = rest.partition("}")[2]
        others = [str(self.story.things[word]) for word in ("other position", "other pending", "other smart")]
        for number in (*BAD_NUMBERS[: self.most], *others[: self.most]):
            self.world.owner.note(file, method, f"{start}{number}{end}", good)

    def _queries(self, kinds: dict[str, Any], name: str) -> Iterator[str]:
        """Give queries of one parameter each, good and bad, then those of several."""
        for word, kind in sorted(kinds.items()):
            values = QUERIES.get(word) or kind["schema"].get("enum") or ("1",)
            beside = {key: value for key, value in BESIDE.get(name, {}).items() if key != word}
            beside = {"interval": "1d", **beside} if beside and word in ("symbol", "before") else beside
            for value in (*values[: self.most], *BAD_QUERIES[: self.most]):
                yield self._query({**beside, word: value})
            yield f"{self._query(beside)}&{word}=1&{word}=1"
        yield "unknown=1"
        for pair in PAIRS.get(name, ())[: self.most]:
            yield self._query(pair)

    def _query(self, values: dict[str, str]) -> str:
        return urlencode(self._filled(values))

    # ---- bodies ----

    def _bodies(
        self, file: str, method: str, path: str, name: str, operation: dict[str, Any], good: Any
    ) -> None:
        if method == "GET":
            return
        owner, address = self.world.owner, self._path(path)
        for raw in BAD_BODIES[: self.most]:
            owner.note(file, method, address, raw)
        owner.note(file, method, address, b"a=1", Content_Type="text/plain")
        for word in sorted(self._properties(operation)):
            for value in BAD_VALUES[: self.most]:
                owner.note(file, method, address, {**(good or {}), word: value})
        for word in sorted(good or {})[: self.most]:
            owner.note(file, method, address, {key: value for key, value in good.items() if key != word})
        for body in MORE.get(name, ())[: self.most]:
            owner.note(file, method, address, body)
        again = quote(f"again {method} {path}")
        address = self._path(path)
        for _ in range(2):
            owner.note(file, method, address, good, Idempotency_Key=again)

    def _properties(self, operation: dict[str, Any]) -> set[str]:
        content = operation.get("requestBody", {}).get("content", {})
        for form in content.values():
            reference = form["schema"].get("$ref", "")
            if reference:
                schema = self.document["components"]["schemas"][reference.rpartition("/")[2]]
                return set(schema.get("properties", {}))
        return set()

    # ---- what is about nobody's things ----

    def _auth(self, file: str, method: str, path: str, good: Any) -> None:
        """Log in, refresh and log out, as callers of their own."""
        fresh = self.world.caller("fresh")
        for raw in BAD_BODIES:
            fresh.note(file, method, path, raw)
        if "logout" in path:
            fresh.log_in("owner").note(file, method, path, good)
            fresh.note(file, method, path, good)
            return
        answer = fresh.call("POST", "/api/v1/auth/token/", BODIES["POST auth/token/"])
        body = good if "token/" in path else {"refresh": answer.json["refresh"]}
        for word in sorted(body):
            for value in BAD_VALUES:
                fresh.note(file, method, path, {**body, word: value})
            fresh.note(file, method, path, {key: value for key, value in body.items() if key != word})
        for what in ("right", "again"):
            answer = fresh.call(method, path, body)
            self.notes.answer(file, f"fresh: {what}", answer)

    def _other_methods(self, path: str, known: set[str]) -> None:
        file = f"api/{path.removeprefix('/api/v1/').strip('/').replace('/', '-')} other methods"
        address = path.replace("{", "").replace("}", "")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            if method not in known:
                self.world.owner.note(file, method, address, {} if method not in ("GET", "OPTIONS") else None)

    def _no_address(self) -> None:
        for path in ("", "nothing", "orders/1/2/3/", "schema/?format=x", "docs/"):
            self.world.owner.note("api/no address", "GET", f"/api/v1/{path}")


def note_state(caller: Caller, file: str) -> None:
    """Write down what all the owner's accounts are after all that."""
    for login in ACCOUNTS:
        caller.note(file, "GET", f"/api/v1/accounts/{login}/")
        caller.note(file, "GET", f"/api/v1/symbols/?account={login}")
        caller.note(file, "GET", f"/api/v1/trade/open?account={login}")
        caller.note(file, "GET", f"/api/v1/trade/close?account={login}")
        caller.note(file, "GET", f"/api/v1/balance?account={login}")
