"""The gate: who pays, what is refused before Django, and that orders are not."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from api.http import limits
from tradingdesk.gate import Gate, notice
from tradingdesk.routes import is_known, route_of


class Inside:
    """What stands behind the gate: answers at once or holds, and says what it noticed."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.status = 200
        self.code: str | None = None
        self.user: Any = None
        self.held: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope["path"])
        if self.held is not None and "candles" in scope["path"]:
            await self.held.wait()
        data = {"code": self.code} if self.code else None
        response = SimpleNamespace(status_code=self.status, data=data)
        notice(scope["desk.visit"], SimpleNamespace(user=self.user) if self.user else None, response)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


class Asking:
    """A gate and callers of it."""

    def __init__(self) -> None:
        self.inside = Inside()
        self.gate = Gate(self.inside)
        self.gate._shared._away_until_s = float("inf")  # by process: these tests have no Redis

    async def ask(
        self, method: str, path: str, *, source: str = "127.0.0.3", token: str = "", cookie: str = ""
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return status, headers and body."""
        headers = [(b"host", b"localhost")]
        headers += [(b"authorization", b"Bearer " + token.encode())] if token else []
        headers += [(b"cookie", b"a=b; sessionid=" + cookie.encode())] if cookie else []
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        name, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": name, "query_string": query.encode(), "headers": headers,
            "client": [source, 4000],
        }  # fmt: skip
        await self.gate(scope, None, send)
        shown = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        is_json = sent[1]["body"].startswith(b"{")
        return sent[0]["status"], shown, json.loads(sent[1]["body"]) if is_json else {}

    async def many(self, count: int, *words: Any, **named: Any) -> list[int]:
        """Return the statuses of as many equal requests."""
        return [(await self.ask(*words, **named))[0] for _ in range(count)]


@pytest.fixture
def asking(settings: Any) -> Asking:
    settings.LIMIT_STRANGER = 2
    settings.LIMIT_MISSES = 1
    settings.LIMIT_COST_USER = 10
    settings.LIMIT_COST_ADDRESS = 20
    settings.API_USER_RATE = 40
    return Asking()


def run(test: Any) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(lambda: asyncio.run(asyncio.wait_for(test(), 20))).result()


def token(user: int) -> str:
    made = AccessToken()
    made["user_id"] = user
    return str(made)


def test_stranger_when_asking_too_often_then_429_and_nobody_else_is(asking: Asking) -> None:
    async def test() -> None:
        statuses = await asking.many(7, "GET", "/login/")
        status, headers, _ = await asking.ask("GET", "/login/")

        assert statuses == [200] * 6 + [429]
        assert (status, headers["retry-after"]) == (429, "1")
        assert (await asking.ask("GET", "/login/", source="127.0.0.4"))[0] == 200
        assert (await asking.ask("POST", "/api/v1/orders/", token=token(7)))[0] == 200

    run(test)


def test_refusal_when_below_the_api_then_in_its_form(asking: Asking) -> None:
    async def test() -> None:
        await asking.many(6, "GET", "/api/v1/symbols/", token="no.token.atall")
        inside = len(asking.inside.seen)

        status, headers, body = await asking.ask("GET", "/api/v1/symbols/")
        _, _, plain = await asking.ask("GET", "/api/v1/trade/open")

        assert status == 429
        assert headers["content-type"] == "application/json"
        text = "Too many requests; wait as long as Retry-After says."
        assert body == {"code": "too_many_requests", "message": text, "ticket": None}
        assert plain == {"error": text}
        assert len(asking.inside.seen) == inside

    run(test)


@pytest.mark.parametrize("status", [400, 401, 404, 405, 413])
def test_stranger_when_answers_are_of_no_use_then_refused_until_paid_back(
    asking: Asking, status: int
) -> None:
    async def test() -> None:
        asking.inside.status = status

        assert (await asking.many(7, "GET", "/")).count(429) == 4
        assert asking.gate._misses.wait_s("address 127.0.0.3", now_s=asyncio.get_running_loop().time()) > 0

    run(test)


def test_user_when_an_address_sends_rubbish_then_orders_of_users_there_go_on(asking: Asking) -> None:
    async def test() -> None:
        asking.inside.status = 404
        await asking.many(20, "GET", "/nowhere", source="127.0.0.2")
        asking.inside.status = 201

        assert (
            await asking.many(5, "POST", "/api/v1/orders/", source="127.0.0.2", token=token(7)) == [201] * 5
        )

    run(test)


def test_user_when_the_engine_refuses_then_that_is_no_rubbish(asking: Asking) -> None:
    async def test() -> None:
        asking.inside.status, asking.inside.code = 400, "invalid_volume"
        assert await asking.many(9, "POST", "/api/v1/orders/", token=token(7)) == [400] * 9

        asking.inside.code = "invalid_request"
        assert (await asking.many(9, "POST", "/api/v1/orders/", token=token(8))).count(429) > 0

    run(test)


def test_user_when_mostly_of_no_use_lately_then_not_beside_orders_until_paid_back(asking: Asking) -> None:
    async def test() -> None:
        asking.inside.status = 400
        lanes = []
        for _ in range(3):
            visit = asking.gate._visit(order_scope(token(7)))
            lanes.append(asking.gate._lane_of(visit))
            await asking.ask("POST", "/api/v1/orders/", token=token(7))

        assert lanes == ["trade", "trade", "plain"]
        assert asking.gate._lane_of(asking.gate._visit(order_scope(token(8)))) == "trade"

    run(test)


def order_scope(shown: str) -> dict[str, Any]:
    return {
        "method": "POST", "path": "/api/v1/orders/", "query_string": b"", "client": ["127.0.0.3", 1],
        "headers": [(b"authorization", b"Bearer " + shown.encode())],
    }  # fmt: skip


def test_unknown_page_when_a_stranger_asks_then_answered_without_a_thread(asking: Asking) -> None:
    async def test() -> None:
        page = await asking.ask("GET", "/nowhere/at/all")
        api = await asking.ask("GET", "/api/v1/nowhere")
        slash = await asking.ask("GET", "/api/v1/nowhere/")

        assert page[0] == 404
        assert page[1]["content-type"].startswith("text/html")
        text = "There is nothing at this address."
        assert api[2] == slash[2] == {"code": "not_found", "message": text, "ticket": None}
        assert asking.inside.seen == []

    run(test)


@pytest.mark.parametrize(
    "path",
    ["/", "/login", "/login/", "/admin", "/admin/x/y/", "/api/v1/orders", "/api/v1/orders/5/", "/api/v1/candles",
     "/api/v1/trade/open", "/api/v1/orders/by-client-id/x", "/healthz", "/favicon.ico"],
)  # fmt: skip
def test_address_when_it_exists_then_known(path: str) -> None:
    assert is_known(path)


def test_strangers_when_many_addresses_send_rubbish_then_only_they_wait(asking: Asking) -> None:
    async def test() -> None:
        asking.inside.status = 404
        statuses = [
            (await asking.ask("GET", "/nowhere", source=f"10.0.0.{number}"))[0] for number in range(10)
        ]
        again = [(await asking.ask("GET", "/nowhere", source=f"10.0.0.{number}"))[0] for number in range(10)]
        asking.inside.status = 200

        assert statuses == [404] * 10
        assert again == [429] * 10
        assert (await asking.ask("GET", "/", source="10.0.1.1"))[0] == 200

    run(test)


def test_reads_when_an_order_is_at_work_then_begin_after_it_or_after_their_limit(asking: Asking) -> None:
    async def test() -> None:
        trade = asking.gate._lanes["trade"]
        async with trade.place("user 1"):
            read = asyncio.ensure_future(asking.ask("GET", "/api/v1/candles", token=token(7)))
            await asyncio.sleep(0.02)
            begun = list(asking.inside.seen)
        await asyncio.wait_for(read, 0.1)
        async with trade.place("user 1"):
            assert (await asyncio.wait_for(asking.ask("GET", "/api/v1/candles", token=token(7)), 2))[0] == 200

        assert begun == []

    run(test)


def test_user_when_sending_orders_without_end_then_bounded_by_their_weight(asking: Asking) -> None:
    async def test() -> None:
        assert await asking.many(11, "POST", "/api/v1/orders/", token=token(7)) == [200] * 10 + [429]
        assert await asking.many(1, "POST", "/api/v1/orders/", token=token(8)) == [200]

    run(test)


def test_costly_reads_when_too_many_then_429_by_user_and_by_address(asking: Asking) -> None:
    async def test() -> None:
        one = await asking.many(4, "POST", "/api/v1/margin-preview/", token=token(7))
        others = [
            (await asking.ask("POST", "/api/v1/margin-preview", token=token(user)))[0]
            for user in range(10, 14)
        ]
        elsewhere = await asking.ask("POST", "/api/v1/margin-preview/", token=token(7), source="127.0.0.9")
        orders = await asking.ask("POST", "/api/v1/orders/", token=token(7))

        assert one == [200] * 3 + [429]  # 30 units of the user, 10 each
        assert others == [200] * 3 + [429]  # 60 units of the address
        assert elsewhere[0] == 429
        assert elsewhere[1]["retry-after"] == "1"
        assert orders[0] == 200

    run(test)


def test_orders_when_costly_reads_stand_still_then_pass_and_reads_are_told_to_wait(
    asking: Asking, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LIMIT_COST_USER = settings.LIMIT_COST_ADDRESS = 10_000
    asking.gate = Gate(asking.inside)
    asking.gate._shared._away_until_s = float("inf")

    async def test() -> None:
        asking.inside.held = asyncio.Event()
        reads = [
            asyncio.ensure_future(asking.ask("GET", "/api/v1/candles?symbol=x", token=token(user)))
            for user in range(60)
        ]
        await asyncio.sleep(0.05)
        refused = [read for read in reads if read.done()]

        assert (await asking.ask("POST", "/api/v1/orders/", token=token(7)))[0] == 200
        assert len(refused) == 60 - 2 - 24  # at once: what neither runs nor fits into the queue
        status, headers, body = refused[0].result()
        assert (status, headers["retry-after"], body["code"]) == (503, "1", "unavailable")
        answers = [await read for read in reads[2:]]
        assert {answer[0] for answer in answers} == {503}
        asking.inside.held.set()
        assert [(await read)[0] for read in reads[:2]] == [200, 200]

    run(test)


def test_caller_when_leaving_then_the_request_is_carried_out_and_keeps_its_place(asking: Asking) -> None:
    async def test() -> None:
        asking.inside.held = asyncio.Event()
        read = asyncio.ensure_future(asking.ask("GET", "/api/v1/candles", token=token(7)))
        await asyncio.sleep(0.02)
        read.cancel()
        await asyncio.sleep(0.02)

        assert asking.gate._lanes["costly"]._busy == 1
        asking.inside.held.set()
        await asyncio.sleep(0.02)
        assert asking.gate._lanes["costly"]._busy == 0

    run(test)


def test_token_when_it_is_none_then_its_bearer_is_a_stranger(asking: Asking) -> None:
    refresh = RefreshToken()
    refresh["user_id"] = 7
    old = AccessToken()
    old["user_id"] = 7
    old.set_exp(lifetime=-old.lifetime)
    forged = token(7)[:-4] + "AAAA"

    async def test() -> None:
        for shown in (str(refresh), str(old), forged, "x", "ä" * 10):
            visit = asking.gate._visit(
                {
                    "method": "POST",
                    "path": "/api/v1/orders/",
                    "query_string": b"",
                    "client": ["127.0.0.3", 1],
                    "headers": [(b"authorization", b"bearer " + shown.encode("utf-8"))],
                }
            )
            assert (visit.caller, asking.gate._lane_of(visit)) == ("address 127.0.0.3", "stranger")

    run(test)


def test_token_when_django_refused_it_then_its_bearer_pays_as_a_stranger(asking: Asking) -> None:
    shown = token(7)

    def missed() -> list[str]:
        return [who for who in ("user 7", "address 127.0.0.3") if asking.gate._misses._table.get(who)]

    async def test() -> None:
        asking.inside.status = 401
        await asking.ask("POST", "/api/v1/orders/", token=shown)

        assert missed() == ["user 7"]
        await asking.ask("POST", "/api/v1/orders/", token=shown)
        assert missed() == ["user 7", "address 127.0.0.3"]

    run(test)


def test_session_when_answered_once_then_its_orders_run_where_orders_do(asking: Asking) -> None:
    scope = {
        "method": "POST", "path": "/api/v1/orders/", "query_string": b"", "client": ["127.0.0.3", 1],
        "headers": [(b"cookie", b"sessionid=abc")],
    }  # fmt: skip

    async def test() -> None:
        before = asking.gate._lane_of(asking.gate._visit(scope))
        asking.inside.user = SimpleNamespace(pk=7, is_authenticated=True)
        await asking.ask("GET", "/", cookie="abc")
        after = asking.gate._visit(scope)
        asking.inside.user = AnonymousUser()
        await asking.ask("GET", "/", cookie="abc")

        assert before == "stranger"
        assert (after.user, asking.gate._lane_of(after)) == ("7", "trade")
        assert asking.gate._lane_of(asking.gate._visit(scope)) == "stranger"

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "lane"),
    [
        ("POST", "/api/v1/orders/", "trade"),
        ("POST", "/api/v1/orders", "trade"),
        ("PATCH", "/api/v1/orders/17/", "trade"),
        ("DELETE", "/api/v1/orders/17", "trade"),
        ("GET", "/api/v1/orders/17/", "plain"),
        ("PATCH", "/api/v1/positions/17/", "trade"),
        ("POST", "/api/v1/positions/17/close/", "trade"),
        ("POST", "/api/v1/positions/17/close-by/", "trade"),
        ("POST", "/api/v1/smart-orders/", "trade"),
        ("PATCH", "/api/v1/smart-orders/3/", "trade"),
        ("POST", "/api/v1/smart-orders/3/cancel/", "trade"),
        ("POST", "/api/v1/smart-orders/3/close/", "trade"),
        ("POST", "/api/v1/smart-orders/preview/", "costly"),
        ("POST", "/api/v1/margin-preview/", "costly"),
        ("POST", "/api/v1/trade/create", "trade"),
        ("POST", "/api/v1/trade/close", "trade"),
        ("GET", "/api/v1/trade/close", "costly"),
        ("GET", "/api/v1/candles?symbol=x", "costly"),
        ("GET", "/api/v1/schema/", "costly"),
        ("POST", "/api/v1/auth/token/", "login"),
        ("POST", "/admin/login/", "login"),
        ("GET", "/admin/orders/order/", "staff"),
        ("GET", "/admin/orders/order/csv/", "costly"),
        ("GET", "/", "plain"),
        ("GET", "/healthz", "health"),
        ("GET", "/health/ready", "health"),
    ],
)
def test_route_then_its_lane(method: str, path: str, lane: str) -> None:
    name, _, query = path.partition("?")

    assert route_of(method, name, query.encode()).lane == lane


def test_route_when_more_rows_are_asked_for_then_it_costs_more() -> None:
    costs = [
        route_of("GET", "/api/v1/candles", query).cost for query in (b"", b"limit=100", b"a=1&limit=1000")
    ]

    assert costs == [14, 6, 24]


# ---- shared by processes ----


@pytest.mark.stack
def test_limit_when_two_processes_count_then_together(stack_env: dict[str, str]) -> None:
    async def test() -> None:
        limit = limits.Limit("test-two", 0.5, 10)
        here, there = limits.Shared(stack_env["REDIS_URL"]), limits.Shared(stack_env["REDIS_URL"])
        takes = [limits.Take(limit, "a", 4)]

        waits = [await one.take(takes) for one in (here, there, here, there)]

        assert waits[:2] == [0.0, 0.0]
        assert waits[2] == pytest.approx(
            4, abs=0.2
        )  # 2 units are left, 2 are missing at half a unit a second
        assert waits[3] == pytest.approx(4, abs=0.2)

    run(test)


@pytest.mark.stack
def test_limit_when_twenty_take_at_once_then_not_one_too_many(stack_env: dict[str, str]) -> None:
    async def test() -> None:
        limit = limits.Limit("test-twenty", 0.001, 7)
        counting = [limits.Shared(stack_env["REDIS_URL"]) for _ in range(20)]

        waits = await asyncio.gather(*(one.take([limits.Take(limit, "a")]) for one in counting))

        assert waits.count(0.0) == 7

    run(test)


@pytest.mark.stack
def test_limit_when_one_of_two_buckets_is_empty_then_nothing_is_taken_of_the_other(
    stack_env: dict[str, str],
) -> None:
    async def test() -> None:
        user, address = limits.Limit("test-user", 0.001, 1), limits.Limit("test-address", 0.001, 5)
        counting = limits.Shared(stack_env["REDIS_URL"])
        both = [limits.Take(user, "a"), limits.Take(address, "b")]
        assert await counting.take(both) == 0.0
        for _ in range(5):
            assert await counting.take(both) > 0

        assert [await counting.take([limits.Take(address, "b")]) == 0.0 for _ in range(5)] == [True] * 4 + [
            False
        ]

    run(test)


def test_limit_when_redis_is_away_then_counted_by_process() -> None:
    async def test() -> None:
        counting = limits.Shared("redis://127.0.0.1:1/0")
        takes = [limits.Take(limits.Limit("test", 0.001, 3), "a")]

        assert [await counting.take(takes) == 0.0 for _ in range(5)] == [True, True, True, False, False]

    run(test)


def test_limit_when_redis_stands_still_then_one_request_waits_a_moment() -> None:
    async def test() -> None:
        async def silent(_reader: Any, _writer: Any) -> None:
            await asyncio.sleep(10)

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        counting = limits.Shared(f"redis://127.0.0.1:{port}/0")
        takes = [limits.Take(limits.Limit("test", 100, 1_000), "a")]
        loop = asyncio.get_running_loop()

        begun = loop.time()
        assert [await counting.take(takes) for _ in range(50)] == [0.0] * 50
        assert loop.time() - begun < 2 * limits.ANSWER_S + 0.5
        server.close()

    run(test)
