"""What became of a request, whatever was asked; and parameters that mean nothing."""

import os
import signal
import time
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def euro(world):
    world.tick("EURUSD", "1.10000", "1.10010")


def asked(client, key: str) -> dict:
    answer = client.get(f"/api/v1/requests/by-client-id/{key}/")
    assert answer.status == 200, answer
    return answer.body


def test_request_when_the_desk_is_silent_then_pending_and_afterwards_done(world):
    client = world.client()
    body = {"symbol": "EURUSD", "type": "buy", "volume": "0.1", "client_id": "st-1"}
    desk = world.pid("desk-0")
    os.kill(desk, signal.SIGSTOP)
    try:
        assert client.post("/api/v1/orders/", body).status == 503
        pending = asked(client, "st-1")
        alias = client.get("/api/v1/orders/by-client-id/st-1/")
    finally:
        os.kill(desk, signal.SIGCONT)
    world.until(lambda: asked(client, "st-1")["state"] == "done", "the order")

    assert (pending["kind"], pending["state"], pending["order"], pending["done_at"]) == (
        "open",
        "pending",
        None,
        None,
    )
    assert (alias.status, alias.body["state"]) == (200, "pending")
    done = asked(client, "st-1")
    assert done["ticket"] == pending["ticket"]
    assert (done["order"]["status"], done["code"]) == ("completed", None)
    assert asked(client, "st-1") == client.get(f"/api/v1/requests/{done['ticket']}/").body


def test_request_when_of_any_kind_then_the_journal_knows_it(world):
    client = world.client()
    place = {"symbol": "EURUSD", "type": "buy", "volume": "0.2"}
    position = client.post("/api/v1/orders/", {**place, "client_id": "k-open"}).body["position"]
    order = client.post("/api/v1/orders/", {**place, "type": "buy_limit", "price": "1.05"}).body["ticket"]
    client.patch(f"/api/v1/positions/{position}/", {"sl": "1.05", "client_id": "k-stops"})
    client.patch(f"/api/v1/orders/{order}/", {"price": "1.06", "client_id": "k-price"})
    client.delete(f"/api/v1/orders/{order}/", Idempotency_Key="k-cancel")
    closed = client.post(f"/api/v1/positions/{position}/close/", {"client_id": "k-close"}).body["order"]

    kinds = {key: asked(client, key) for key in ("k-open", "k-stops", "k-price", "k-cancel", "k-close")}

    assert {key: found["kind"] for key, found in kinds.items()} == {
        "k-open": "open", "k-stops": "modify", "k-price": "modify", "k-cancel": "cancel", "k-close": "close",
    }  # fmt: skip
    assert {found["state"] for found in kinds.values()} == {"done"}
    assert kinds["k-close"]["ticket"] == kinds["k-close"]["order"]["ticket"] == closed
    assert kinds["k-cancel"]["order"]["status"] == "canceled"
    assert kinds["k-stops"]["order"] is None
    again = client.post(f"/api/v1/positions/{position}/close/", {"client_id": "k-again"})
    refused = asked(client, "k-again")
    assert (again.status, refused["state"], refused["code"]) == (404, "refused", "position_not_found")
    assert refused["ticket"] == again.body["ticket"] == refused["order"]["ticket"]


def test_request_when_it_is_anothers_or_none_then_404(world):
    client, other = world.client(), world.client()
    client.post(
        "/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.1", "client_id": "mine-alone"}
    )

    for key in ("mine-alone", "nothing", "x" * 65, "%00"):
        assert other.get(f"/api/v1/requests/by-client-id/{key}/").status == 404
    for ticket in ("0", "abc"):
        none = other.get(f"/api/v1/requests/{ticket}/")
        assert (none.status, none.body["message"]) == (404, "Nothing was asked with this ticket.")


@pytest.mark.parametrize("key", ["a/b", "/", "a//b/", "a%b", "a?b#c"])
def test_request_when_its_key_holds_what_addresses_are_made_of_then_it_is_found(world, key):
    client = world.client()
    body = {"symbol": "EURUSD", "type": "buy", "volume": "0.1", "client_id": key}
    ticket = client.post("/api/v1/orders/", body).body["ticket"]

    for kind in ("requests", "orders"):
        found = client.get(f"/api/v1/{kind}/by-client-id/{quote(key, safe='')}/")
        assert (found.status, found.body.get("ticket")) == (200, ticket), found


def test_key_when_spaces_stand_around_it_then_refused_and_not_taken_for_another(world):
    client = world.client()
    body = {"symbol": "EURUSD", "type": "buy", "volume": "0.1"}

    for key in (" a", "a ", "a\n"):
        answer = client.post("/api/v1/orders/", {**body, "client_id": key})
        assert (answer.status, answer.body["code"]) == (400, "invalid_request"), answer
    assert client.get("/api/v1/positions/").body["results"] == []


@pytest.mark.parametrize("body", [[], "", 0, False])
def test_close_when_its_body_is_no_object_then_refused_and_nothing_is_closed(world, body):
    client = world.client()
    opened = client.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.1"}).body

    answer = client.post(f"/api/v1/positions/{opened['position']}/close/", body)

    assert (answer.status, answer.body["message"]) == (400, "a JSON object is needed"), answer
    assert client.get(f"/api/v1/positions/{opened['position']}/").body["status"] == "open"


LISTS = (
    "orders/",
    "positions/",
    "deals/",
    "ledger/",
    "smart-orders/",
    "symbols/",
    "accounts/",
    "candles?symbol=btc&",
)


@pytest.mark.parametrize("path", LISTS)
def test_list_when_a_parameter_is_unknown_or_stands_twice_then_400(world, path):
    client = world.client()
    join = "" if path.endswith("&") else "?"

    for query in ("staus=open", "Symbol=EURUSD", "account=1&account=2"):
        answer = client.get(f"/api/v1/{path}{join}{query}")
        assert (answer.status, answer.body["code"]) == (400, "invalid_request"), answer
    assert client.get(f"/api/v1/{path}{join}account={client.login}").status == 200


@pytest.mark.parametrize("path", ["trade/open", "trade/close", "balance", "assets"])
def test_plain_address_when_a_parameter_is_unknown_then_400_in_its_own_form(world, path):
    answer = world.client().get(f"/api/v1/{path}?page=2")

    assert (answer.status, set(answer.body)) == (400, {"error"})


@pytest.mark.parametrize("path", ["orders/", "positions/", "deals/", "smart-orders/"])
def test_list_when_of_a_symbol_then_by_any_of_its_names_and_an_unknown_one_is_400(world, path):
    client = world.client()
    client.post("/api/v1/orders/", {"symbol": "btc", "type": "buy", "volume": "0.1"})
    want = client.get(f"/api/v1/{path}?symbol=BTCUSDT").body

    for name in ("btc", "BTC", "btcusdt"):
        assert client.get(f"/api/v1/{path}?symbol={name}").body["results"] == want["results"]
    unknown = client.get(f"/api/v1/{path}?symbol=BTCUSTD")
    assert (unknown.status, unknown.body["message"]) == (400, "symbol: there is no symbol 'BTCUSTD'")


@pytest.mark.parametrize(
    "path", ["deals/?since=", "deals/?until=", "ledger/?since=", "candles?symbol=btc&before="]
)
def test_time_when_in_another_unit_then_400_and_in_ms_it_is_taken(world, path):
    client = world.client()
    now_s = int(time.time())

    for wrong, unit in ((now_s, "seconds"), (now_s * 10**6, "microseconds"), (now_s * 10**9, "nanoseconds")):
        answer = client.get(f"/api/v1/{path}{wrong}")
        assert (answer.status, answer.body["code"]) == (400, "invalid_request")
        assert unit in answer.body["message"]
    for right in (now_s * 1000, 0, "2026-01-31T12:00:00Z"):
        assert client.get(f"/api/v1/{path}{right}").status == 200


def test_closed_trades_when_a_position_was_closed_in_parts_then_a_row_a_deal_that_keeps_the_formula(world):
    client = world.client()
    position = client.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "1"}).body[
        "position"
    ]
    client.post(f"/api/v1/positions/{position}/close/", {"volume": "0.3"})
    world.tick("EURUSD", "1.10110", "1.10120")
    client.post(f"/api/v1/positions/{position}/close/", {})

    rows = client.get("/api/v1/trade/close").body["message"]

    assert [(row["orderId"], row["quantity"], row["closePrice"]) for row in rows] == [
        (str(position), 70000, 1.1011), (str(position), 30000, 1.1),
    ]  # fmt: skip
    assert [float(row["profitLoss"]) for row in rows] == [70.0, -3.0]  # (close - open) x quantity
    assert {row["openPrice"] for row in rows} == {1.1001}


def test_lists_when_since_and_until_are_mixed_up_then_they_are_refused(world):
    client = world.client()

    for path in ("deals", "ledger"):
        mixed = client.get(f"/api/v1/{path}/?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z")
        assert (mixed.status, mixed.body["code"]) == (400, "invalid_request")
        assert mixed.body["message"] == (
            "until: 2026-01-01T00:00:00+00:00 is not after since, 2026-02-01T00:00:00+00:00; nothing lies between"
        )
        same = client.get(f"/api/v1/{path}/?since=1767225600000&until=1767225600000")
        assert same.status == 400
        assert client.get(f"/api/v1/{path}/?since=1767225600000&until=1767225600001").status == 200


def test_deals_when_asked_of_an_order_then_only_its_own(world):
    client = world.client()
    first, second = (
        client.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.1"}).body
        for _ in "ab"
    )

    found = client.get(f"/api/v1/deals/?order={first['ticket']}").body["results"]

    assert [(deal["order"], deal["position"]) for deal in found] == [(first["ticket"], first["position"])]
    assert first["ticket"] != second["ticket"]


@pytest.mark.parametrize(
    "query", ["order=x", "order=1,000", "position=1.0", "position=-1", "order=%EF%BC%91"]
)
def test_deals_when_asked_of_what_is_no_ticket_then_refused_and_not_empty(world, query):
    answer = world.client().get(f"/api/v1/deals/?{query}")

    assert (answer.status, answer.body["code"]) == (400, "invalid_request"), answer
