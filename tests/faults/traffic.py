"""Clients and prices while the servers suffer.

Each client is a thread with an account, a seed, and requests of every kind; it repeats a request with the same client
id until it is acknowledged, and now and then once more after that: the answer must name the same numbers. One client
talks REST with daphne. Prices walk at random, with bad ticks in between. A client that is told 500, or other numbers
than before, writes a breach down. It injects no fault.
"""

import http.client
import json
import random
import threading
import time
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Any

import redis
from django.contrib.auth import get_user_model
from django.db import Error as DatabaseError
from django.db import connection

from credentials.tokens import begin
from dealing import services
from tests.faults.log import Ack, Log, SentTick

SYMBOLS = {"EURUSD": Decimal("1.10000"), "GBPUSD": Decimal("1.25000")}
POINT = Decimal("0.00001")
SPREAD = 10
PAUSE_S = 0.05
TOKEN_KEPT_S = 240.0
PATIENCE_S = 120.0


class Market(threading.Thread):
    """Writes ticks to the stream, under entry ids of its own, so that it knows what is there without an answer."""

    def __init__(self, url: str, log: Log, seed: int, *, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=2)
        self.log = log
        self.chance = random.Random(seed)
        self.pause_s = pause_s
        self.mids = dict(SYMBOLS)
        self.over = threading.Event()
        self.last_ms = self.entry_ms = self.number = 0

    def run(self) -> None:
        """Send until told that it is over."""
        while not self.over.is_set():
            self.send()
            self.over.wait(self.chance.uniform(0.2, 1.8) * self.pause_s)
        self.client.close()

    def send(self) -> None:
        """Send one entry of one to three ticks; while Redis is away nothing is sent."""
        names = self.chance.choices(list(self.mids), k=self.chance.randint(1, 3))
        entry = self._entry()
        made = [self._tick(entry, line, name) for line, name in enumerate(names)]
        text = "\n".join(f"{tick.symbol},{tick.bid},{tick.ask},{tick.time_ms}" for tick in made)
        try:
            self.client.xadd("ticks", {"d": text}, id=entry)
        except redis.ResponseError:
            return  # the id is too small: Redis's clock is before ours by a moment; these were never there
        except redis.RedisError:
            if not self._is_there(entry):
                return
        self.log.ticks += made

    def _is_there(self, entry: str) -> bool:
        """Return whether an entry that was not answered is in the stream, once Redis is back."""
        while not self.over.is_set():
            try:
                return bool(self.client.xrange("ticks", entry, entry))
            except redis.RedisError:
                self.over.wait(PAUSE_S)
        return False

    def _entry(self) -> str:
        now_ms = time.time_ns() // 1_000_000
        self.number = self.number + 1 if now_ms <= self.entry_ms else 0
        self.entry_ms = max(self.entry_ms, now_ms)
        return f"{self.entry_ms}-{self.number}"

    def _tick(self, entry: str, line: int, name: str) -> SentTick:
        self.last_ms = max(self.last_ms + 1, time.time_ns() // 1_000_000)
        self.mids[name] += self.chance.randint(-12, 12) * POINT
        self.mids[name] += (SYMBOLS[name] - self.mids[name]) / 50 // POINT * POINT
        bid, ask, when = self.mids[name], self.mids[name] + SPREAD * POINT, self.last_ms
        fault = self.chance.random()
        if fault < 0.01:
            ask = bid - POINT  # crossed
        elif fault < 0.02:
            when -= 3_600_000  # stale
        elif fault < 0.03:
            bid = -bid  # invalid
        return SentTick(entry, line, name, bid, ask, when, fault >= 0.03)


class Client(threading.Thread, ABC):
    """Asks for one thing after another until told that it is over."""

    KINDS = {
        "market": 34, "pending": 16, "close": 16, "modify": 6, "cancel": 5, "smart": 12, "cancel_smart": 2,
        "deposit": 5, "withdraw": 4,
    }  # fmt: skip

    def __init__(self, login: int, log: Log, market: Market, seed: int, *, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.login, self.log, self.market = login, log, market
        self.chance = random.Random(seed)
        self.pause_s = pause_s
        self.over = threading.Event()
        self.number = 0
        self.positions: list[int] = []
        self.orders: list[int] = []
        self.plans: list[int] = []

    def run(self) -> None:
        """Ask until it is over; what was begun is brought to its acknowledgement."""
        try:
            while not self.over.is_set():
                self.act()
                self.over.wait(self.chance.uniform(0, 2) * self.pause_s)
        except Exception as error:  # noqa: BLE001 - a client that dies must not look like one that is content
            self.log.breach(f"client {self.login} failed: {error!r}")
        finally:
            connection.close()

    def act(self) -> None:
        """Make a request, have it acknowledged, and now and then repeat it."""
        kind = self.chance.choices(list(self.KINDS), weights=list(self.KINDS.values()))[0]
        name, asked = getattr(self, f"_{kind}")()
        if not name:
            return
        self.number += 1
        key = f"{self.login}-{self.number}"
        ack = self._acknowledged(name, asked, key)
        self.log.heard(ack)
        if ack.state != "refused" and ack.ticket:
            kept = {
                "PlaceOrder": self.orders if "price" in asked else self.positions,
                "PlaceSmart": self.plans,
            }
            kept.get(name, []).append(ack.ticket)
        if self.chance.random() < 0.1:
            again = self._acknowledged(name, asked, key)
            # A refusal of what is asked of a smart order names the smart order, and not the order that was reserved.
            same = again.ticket in (0, ack.ticket, asked.get("smart")) or not ack.ticket
            if again.command_id != ack.command_id or not same:
                self.log.breach(f"{key}: the repeated request was answered {again}, first {ack}")

    def _acknowledged(self, name: str, asked: dict[str, Any], key: str) -> Ack:
        end = time.monotonic() + PATIENCE_S
        while True:
            ack = self.send(name, asked, key)
            if ack is not None:
                return ack
            self.log.retried()
            if time.monotonic() > end:
                raise TimeoutError(f"{key} was not acknowledged within {PATIENCE_S:.0f} s")
            time.sleep(PAUSE_S)

    @abstractmethod
    def send(self, name: str, asked: dict[str, Any], key: str) -> Ack | None:
        """Return the acknowledgement, None where nobody knows whether the request arrived."""

    # ---- what is asked for ----

    def _mid(self) -> tuple[str, Decimal]:
        symbol = self.chance.choice(list(SYMBOLS))
        return symbol, self.market.mids[symbol]

    def _levels(self, sign: int, price: Decimal) -> dict[str, str]:
        """Return SL and TP at near distances; not always both."""
        near, far = (sign * self.chance.randint(20, 160) * POINT for _ in range(2))
        made = {"sl": str(price - near), "tp": str(price + far)}
        for name in ("sl", "tp"):
            if self.chance.random() < 0.15:
                del made[name]
        return made

    def _market(self) -> tuple[str, dict[str, Any]]:
        symbol, mid = self._mid()
        sign = self.chance.choice((1, -1))
        asked = {"symbol": symbol, "type": "buy" if sign > 0 else "sell", "volume": "0.05"}
        return "PlaceOrder", {**asked, **self._levels(sign, mid)}

    def _pending(self) -> tuple[str, dict[str, Any]]:
        symbol, mid = self._mid()
        sign = self.chance.choice((1, -1))
        rises = self.chance.choice((1, -1))
        price = mid + rises * self.chance.randint(30, 120) * POINT
        kind = f"{'buy' if sign > 0 else 'sell'}_{'stop' if rises == sign else 'limit'}"
        asked = {"symbol": symbol, "type": kind, "volume": "0.03", "price": str(price)}
        return "PlaceOrder", {**asked, **self._levels(sign, price)}

    def _close(self) -> tuple[str, dict[str, Any]]:
        ticket = self._pick(self.positions)
        return ("ClosePosition", {"position": ticket}) if ticket else ("", {})

    def _modify(self) -> tuple[str, dict[str, Any]]:
        if not self.positions:
            return "", {}
        _, mid = self._mid()
        away = self.chance.randint(30, 200) * POINT
        ticket = self.chance.choice(self.positions)
        return "ModifyPosition", {"position": ticket, self.chance.choice(("sl", "tp")): str(mid + away)}

    def _cancel(self) -> tuple[str, dict[str, Any]]:
        ticket = self._pick(self.orders)
        return ("CancelOrder", {"order": ticket}) if ticket else ("", {})

    def _smart(self) -> tuple[str, dict[str, Any]]:
        symbol, mid = self._mid()
        sign = self.chance.choice((1, -1))
        percents = self.chance.choice((["100"], ["40", "60"], ["30", "30", "40"]))
        step = self.chance.randint(20, 80)
        levels = [[str(mid + sign * step * (n + 1) * POINT), p] for n, p in enumerate(percents)]
        return "PlaceSmart", {
            "symbol": symbol, "side": "buy" if sign > 0 else "sell", "volume": "0.10", "take_profits": levels,
            "stop_loss": str(mid - sign * self.chance.randint(40, 160) * POINT),
            "callback": self.chance.choice((None, "0.05", "0.1")), "break_even": self.chance.random() < 0.5,
            "offset": self.chance.randint(0, 5),
        }  # fmt: skip

    def _cancel_smart(self) -> tuple[str, dict[str, Any]]:
        number = self._pick(self.plans)
        return ("CancelSmart", {"smart": number, "close": True}) if number else ("", {})

    def _deposit(self) -> tuple[str, dict[str, Any]]:
        return "BalanceOperation", {"kind": "deposit", "amount": f"{self.chance.randint(1, 500)}.25"}

    def _withdraw(self) -> tuple[str, dict[str, Any]]:
        return "BalanceOperation", {"kind": "withdrawal", "amount": f"{self.chance.randint(1, 300)}.10"}

    def _pick(self, tickets: list[int]) -> int:
        return tickets.pop(self.chance.randrange(len(tickets))) if tickets else 0


class ServiceClient(Client):
    """Asks as a page of the server does: by the services, in this process, on a session of its own."""

    CALLS = {
        "PlaceOrder": services.place_order, "ClosePosition": services.close_position,
        "ModifyPosition": services.modify_position, "CancelOrder": services.cancel_order,
        "PlaceSmart": services.place_smart, "CancelSmart": services.cancel_smart,
        "BalanceOperation": services.balance_operation,
    }  # fmt: skip

    def send(self, name: str, asked: dict[str, Any], key: str) -> Ack | None:
        """See Client; most requests do not wait for their outcome."""
        wait_s = self.chance.choice((0, 0, 0.2, 2.0))
        words = {"type": asked.get("type")} if "type" in asked else {}
        if name == "BalanceOperation":
            words = {"kind": asked["kind"], "amount": asked["amount"]}
        try:
            told = self.CALLS[name](
                self.login, caller=services.Caller(client_id=key, wait_s=wait_s), **{**asked, **words}
            )
        except DatabaseError:
            connection.close()
            return None
        return Ack(self.login, key, name, asked, told.command_id, told.ticket, told.state, told.code)


class RestClient(Client):
    """Asks by REST; a 503 and a broken connection are repeated, a 500 is a breach."""

    KINDS = {"market": 50, "pending": 20, "close": 15, "smart": 15}
    PATHS = {
        "PlaceOrder": "orders/", "PlaceSmart": "smart-orders/",
        "ClosePosition": "positions/{position}/close/",
    }  # fmt: skip

    def __init__(self, *words: Any, port: int, **given: Any) -> None:
        super().__init__(*words, **given)
        self.port = port
        self.token, self.token_until = "", 0.0
        self.user = get_user_model().objects.get(username=f"client{self.login}")
        self.unavailable = 0

    def _token(self) -> str:
        if time.monotonic() > self.token_until:
            self.token = begin(self.user).access
            self.token_until = time.monotonic() + TOKEN_KEPT_S
        return self.token

    def act(self) -> None:
        """See Client; only what REST offers to clients."""
        if self.chance.random() < 0.2:
            self._look()
        super().act()

    def _look(self) -> None:
        """Read the open positions: an answer or a 503, never a 500."""
        self._request("GET", "positions/", None, "")

    def send(self, name: str, asked: dict[str, Any], key: str) -> Ack | None:
        """See Client."""
        body = dict(asked)
        path = self.PATHS[name].format(**asked)
        if name == "ClosePosition":
            body = {}
        if name == "PlaceSmart":
            body = {
                "symbol": asked["symbol"], "side": asked["side"], "volume": asked["volume"],
                "entry": {"type": "market"}, "stop_loss": asked["stop_loss"],
                "take_profits": [{"price": price, "percent": part} for price, part in asked["take_profits"]],
                **({"trailing": {"callback": asked["callback"]}} if asked["callback"] else {}),
                **({"break_even": {"offset": asked["offset"]}} if asked["break_even"] else {}),
            }  # fmt: skip
        status, told = self._request("POST", path, body, key)
        if status == 0 or (status == 503 and not (isinstance(told, dict) and told.get("ticket"))):
            return None
        code = str(told.get("code") or "") if status >= 400 else ""
        state = "done" if status < 300 else "accepted" if status == 503 else "refused"
        return Ack(self.login, key, name, asked, 0, self._ticket(name, told), state, code)

    @staticmethod
    def _ticket(name: str, told: Any) -> int:
        if name == "ClosePosition" and isinstance(told.get("order"), dict):
            return int(told["order"]["ticket"])
        return int(told.get("ticket") or told.get("id") or 0)

    def _request(self, method: str, path: str, body: Any, key: str) -> tuple[int, Any]:
        """Return status and JSON; (0, None) where the connection broke."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        head = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        if key:
            head["Idempotency-Key"] = key
        try:
            wire.request(method, f"/api/v1/{path}", json.dumps(body) if body is not None else None, head)
            answer = wire.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            wire.close()
        if answer.status == 503:
            self.unavailable += 1
        if (
            answer.status == 500
            or answer.status > 503
            or not answer.getheader("Content-Type", "").startswith("application/json")
        ):
            self.log.breach(f"{method} {path} was answered {answer.status}: {text[:200]!r}")
            return 0, None
        return answer.status, json.loads(text)
