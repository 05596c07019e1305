"""Requotes and the price that one saw: offered, accepted once, in time, by whom it was offered to; exact to the digit."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.test_websocket import account_socket

pytestmark = pytest.mark.stack

ANSWER = """
import django; django.setup()
from dealing import services
done = services.answer_request({request}, "requote", price="{price}", dealer="tom")
assert done.state == "done", done
"""
BAD_PRICES = ["1,000", "abc", "-1", "0", "1.100001", "9" * 40, "1_000", "１.1"]
BAD_DEVIATIONS = [-1, -(2**62)]
NO_WHOLE = ["1", "1,000", 1.5, True, [], {}, 2**63, "NaN"]


@pytest.fixture(autouse=True)
def euro(world):
    world.tick("EURUSD", "1.10000", "1.10010")
    yield
    world.tick("EURUSD", "1.10000", "1.10010")


def place(client, **body):
    return client.post(
        "/api/v1/orders/", {"account": client.login, "symbol": "EURUSD", "type": "buy", "volume": "1", **body}
    )


def requoted(client, **body):
    """Return the answer to an order whose price was seen better by more than it may be worse."""
    answer = place(client, expected_price="1.10000", deviation=5, **body)
    assert (answer.status, answer.body["code"]) == (409, "requote"), answer
    return answer.body


def accept(client, ticket, **body):
    return client.post(f"/api/v1/orders/{ticket}/accept/", body)


def counted(world, login):
    """Return how many orders and deals an account has."""
    orders = world.rows("SELECT count(*) FROM orders_order WHERE login = %s", login)[0][0]
    return orders, world.rows("SELECT count(*) FROM positions_deal WHERE login = %s", login)[0][0]


def test_order_when_the_price_is_worse_than_seen_then_requoted_and_accepted_as_a_new_order(world):
    client = world.client()

    refused = requoted(client, sl="1.09", comment="seen")

    assert refused["requote_price"] == "1.10010"
    failed = client.get(f"/api/v1/orders/{refused['ticket']}/").body
    keys = (
        "status",
        "error",
        "expected_price",
        "deviation",
        "requote_price",
        "requote_expires_at",
        "modified_price",
    )
    assert {key: failed[key] for key in keys} == {
        "status": "failed", "error": "requote", "expected_price": "1.10000", "deviation": 5,
        "requote_price": "1.10010", "requote_expires_at": refused["requote_expires_at"], "modified_price": None,
    }  # fmt: skip
    made = accept(client, refused["ticket"])
    assert made.status == 201, made
    assert made.body["ticket"] != refused["ticket"]
    assert {key: made.body[key] for key in ("status", "type", "volume", "sl", "comment", "modified_price", "requested_price")} == {
        "status": "completed", "type": "buy", "volume": "1.00", "sl": "1.09000", "comment": "seen",
        "modified_price": "1.10010", "requested_price": "1.10010",
    }  # fmt: skip
    (deal,) = client.get(f"/api/v1/deals/?position={made.body['position']}").body["results"]
    assert {key: deal[key] for key in ("by", "price", "market_bid", "market_ask", "group_bid", "group_ask")} == {
        "by": "client", "price": "1.10010", "market_bid": "1.10000", "market_ask": "1.10010",
        "group_bid": "1.10000", "group_ask": "1.10010",
    }  # fmt: skip
    settings = client.get(f"/api/v1/deals/{deal['ticket']}/").body["settings"]
    assert settings["deviation"] == 5


def test_order_when_the_price_is_within_the_deviation_or_better_then_filled(world):
    client = world.client()

    exact = place(client, expected_price="1.10010", deviation=0)
    within = place(client, expected_price="1.10000", deviation=10)
    better = place(client, type="sell", expected_price="1.09000", deviation=0)
    free = place(client, expected_price="1.00000")

    assert [answer.status for answer in (exact, within, better, free)] == [201] * 4


def test_acceptance_when_sent_twice_then_exactly_one_deal(world):
    client = world.client()
    ticket = requoted(client)["ticket"]
    before = counted(world, client.login)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: accept(world.client_of(client.login), ticket), range(8)))

    assert sorted(answer.status for answer in answers) == [201] + [404] * 7
    assert {answer.body["code"] for answer in answers if answer.status == 404} == {"request_not_found"}
    assert counted(world, client.login) == (before[0] + 1, before[1] + 1)


def test_acceptance_when_repeated_under_its_key_then_the_same_order(world):
    client = world.client()
    ticket = requoted(client)["ticket"]

    first, again = (accept(client, ticket, client_id="mine-once") for _ in range(2))
    other = accept(client, requoted(client)["ticket"], client_id="mine-once")
    elsewhere = client.post(f"/api/v1/positions/{first.body['position']}/close/", {"client_id": "mine-once"})

    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert [(one.status, one.body["code"]) for one in (other, elsewhere)] == [(409, "conflict")] * 2
    assert counted(world, client.login) == (3, 1)
    asked = client.get("/api/v1/requests/by-client-id/mine-once/").body
    assert (asked["kind"], asked["state"], asked["order"]["ticket"]) == (
        "accept",
        "done",
        first.body["ticket"],
    )


def test_acceptance_when_too_late_then_timeout_once_and_nothing_is_done(world):
    client = world.client("brief")
    ticket = requoted(client)["ticket"]
    before = counted(world, client.login)
    time.sleep(0.2)  # the offer stands for 50 ms

    late, again = accept(client, ticket), accept(client, ticket)

    assert (late.status, late.body["code"]) == (504, "timeout")
    assert "ran out" in late.body["message"]
    assert (again.status, again.body["code"]) == (404, "request_not_found")
    assert counted(world, client.login) == before


def test_acceptance_when_of_another_or_of_no_offer_then_not_found_and_the_offer_stands(world):
    owner, thief = world.client(), world.client()
    ticket = requoted(owner)["ticket"]
    filled = place(owner).body["ticket"]

    for path, body in (
        (ticket, {}), (ticket, {"account": thief.login}), ("abc", {}), ("0", {}), ("9" * 30, {}), (filled, {}),
    ):  # fmt: skip
        answer = accept(thief, path, **body)
        assert (answer.status, answer.body["code"]) == (404, "request_not_found"), (path, answer)
    named = accept(thief, ticket, account=owner.login)
    assert (named.status, named.body["code"]) == (404, "not_found")
    own = accept(owner, filled)
    assert (own.status, own.body["code"]) == (404, "request_not_found")
    unknown = accept(owner, ticket, price="1.1")
    assert (unknown.status, unknown.body["code"]) == (400, "invalid_request")
    assert counted(world, thief.login) == (0, 0)

    assert accept(owner, ticket).status == 201


def test_acceptance_when_the_market_has_left_by_more_than_the_deviation_then_another_requote(world):
    client = world.client()
    ticket = requoted(client)["ticket"]
    world.tick("EURUSD", "1.10006", "1.10016")

    again = accept(client, ticket)

    assert (again.status, again.body["code"], again.body["requote_price"]) == (409, "requote", "1.10016")
    assert again.body["ticket"] != ticket
    assert accept(client, ticket).body["code"] == "request_not_found"
    world.tick("EURUSD", "1.10011", "1.10021")  # 5 points more: as much as was allowed
    made = accept(client, again.body["ticket"])
    assert (made.status, made.body["modified_price"]) == (201, "1.10016")


def test_close_when_the_price_is_worse_than_seen_then_requoted_and_accepted(world):
    client = world.client()
    position = place(client).body["position"]
    path = f"/api/v1/positions/{position}/close/"

    refused = client.post(path, {"volume": "0.4", "expected_price": "1.10001", "deviation": 0})

    assert (refused.status, refused.body["code"], refused.body["requote_price"]) == (
        409,
        "requote",
        "1.10000",
    )
    assert client.get(f"/api/v1/positions/{position}/").body["volume"] == "1.00"
    made = accept(client, refused.body["ticket"])
    assert (made.status, made.body["type"], made.body["position"]) == (201, "sell", position)
    assert client.get(f"/api/v1/positions/{position}/").body["volume"] == "0.60"
    assert client.post(path, {"expected_price": "1.10000", "deviation": 0}).status == 200


@pytest.mark.parametrize("price", BAD_PRICES)
def test_expected_price_when_it_is_none_then_invalid_price_and_nothing_is_done(world, price):
    client = world.client_of(world.logins["hedging"][0])
    position = place(client).body["position"]
    before = counted(world, client.login)[1]

    opened = place(client, expected_price=price, deviation=1)
    closed = client.post(f"/api/v1/positions/{position}/close/", {"expected_price": price})

    assert [(one.status, one.body["code"]) for one in (opened, closed)] == [(400, "invalid_price")] * 2
    assert counted(world, client.login)[1] == before


@pytest.mark.parametrize("deviation", BAD_DEVIATIONS)
def test_deviation_when_below_0_or_without_a_price_then_invalid_price(world, deviation):
    client = world.client_of(world.logins["hedging"][0])
    position = place(client).body["position"]
    before = counted(world, client.login)[1]

    for body in ({"expected_price": "1.1", "deviation": deviation}, {"deviation": 3}, {"deviation": 0}):
        opened = place(client, **body)
        closed = client.post(f"/api/v1/positions/{position}/close/", body)
        assert [(one.status, one.body["code"]) for one in (opened, closed)] == [(400, "invalid_price")] * 2
    pending = place(client, type="buy_limit", price="1.05", expected_price="1.1")
    assert (pending.status, pending.body["code"]) == (400, "invalid_price")
    assert counted(world, client.login)[1] == before


@pytest.mark.parametrize("deviation", NO_WHOLE)
def test_deviation_when_no_whole_number_then_refused_as_malformed(world, deviation):
    client = world.client_of(world.logins["hedging"][0])

    answer = place(client, expected_price="1.1", deviation=deviation)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request"), answer
    assert "deviation" in answer.body["message"]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e400", "1e999999999", '"1e400"', '"none"'])
def test_expected_price_when_no_number_of_json_then_refused_as_malformed(world, literal):
    client = world.client_of(world.logins["hedging"][0])
    body = json.dumps({"symbol": "EURUSD", "type": "buy", "volume": "1", "expected_price": 0}).replace(
        '"expected_price": 0', f'"expected_price": {literal}, "deviation": 1'
    )

    answer = client.request("POST", "/api/v1/orders/", raw=body.encode())

    assert (answer.status, answer.body["code"]) == (400, "invalid_request"), answer


def test_deviation_when_as_large_as_numbers_go_then_taken_and_shown(world):
    client = world.client()

    made = place(client, expected_price="0.00001", deviation=2**63 - 1)

    assert (made.status, made.body["deviation"]) == (201, 2**63 - 1)


def test_requote_when_a_dealer_gives_it_then_an_event_and_a_snapshot_bring_the_offer(world):
    client = world.client("manual")
    opened, first = account_socket(client)
    with opened:
        placed = place(client, sl="1.09")
        assert (placed.status, placed.body["status"]) == (201, "pending")
        world.run("-c", ANSWER.format(request=placed.body["request"], price="1.10013"))
        offer = opened.next(lambda frame: frame["type"] == "event" and frame["kind"] == "requote")
        snapshot = client.get(f"/api/v1/accounts/{client.login}/").body["snapshot"]
        made = accept(client, placed.body["ticket"])
        gone = opened.next(lambda frame: frame["type"] == "event" and frame["kind"] == "requote")

    failed = client.get(f"/api/v1/orders/{placed.body['ticket']}/").body
    assert (failed["status"], failed["error"], failed["requote_price"]) == ("failed", "requote", "1.10013")
    assert first["data"]["requotes"] == []
    assert offer["data"]["requote"] == {
        "order": placed.body["ticket"], "account": client.login, "symbol": "EURUSD", "type": "buy", "volume": "1",
        "position": None, "price": "1.10013", "expires_at": failed["requote_expires_at"], "digits": 5, "open": True,
    }  # fmt: skip
    assert snapshot["requotes"] == [offer["data"]["requote"]]
    assert (made.status, made.body["status"], made.body["modified_price"]) == (201, "completed", "1.10013")
    assert gone["data"]["requote"] == {**offer["data"]["requote"], "open": False}
    assert client.get(f"/api/v1/accounts/{client.login}/").body["snapshot"]["requotes"] == []


def test_stops_when_null_then_deleted_and_where_left_out_kept(world):
    client = world.client()
    position = place(client, sl="1.09", tp="1.12").body["position"]
    order = place(client, type="buy_limit", price="1.05", sl="1.04", tp="1.08").body["ticket"]

    stops = client.patch(f"/api/v1/positions/{position}/", {"sl": None}).body
    waiting = client.patch(f"/api/v1/orders/{order}/", {"tp": None}).body

    assert (stops["sl"], stops["tp"]) == (None, "1.12000")
    assert (waiting["sl"], waiting["tp"]) == ("1.04000", None)
    assert client.patch(f"/api/v1/positions/{position}/", {"tp": "0"}).body["tp"] is None
    for path in (f"positions/{position}", f"orders/{order}"):
        word = client.patch(f"/api/v1/{path}/", {"sl": "none"})
        assert (word.status, word.body["code"]) == (400, "invalid_request")
    assert client.get(f"/api/v1/orders/{order}/").body["sl"] == "1.04000"


def test_stops_when_prices_may_be_negative_then_0_is_a_price_and_null_deletes(world):
    client = world.client("oil")
    world.tick("WTI", "5.00", "5.02")
    placed = client.post("/api/v1/orders/", {"symbol": "WTI", "type": "buy", "volume": "0.1", "sl": "0"})
    assert placed.status == 201, placed
    position = placed.body["position"]

    assert client.get(f"/api/v1/positions/{position}/").body["sl"] == "0.00"
    added = client.post("/api/v1/orders/", {"symbol": "WTI", "type": "buy", "volume": "0.1", "sl": None})
    assert (added.status, added.body["position"]) == (201, position)
    shown = client.get(f"/api/v1/positions/{position}/").body
    assert (shown["volume"], shown["sl"]) == ("0.20", None)
    assert client.patch(f"/api/v1/positions/{position}/", {"sl": "-1.5"}).body["sl"] == "-1.50"
    assert client.patch(f"/api/v1/positions/{position}/", {"sl": None}).body["sl"] is None


def test_plan_when_its_stop_is_null_then_deleted_and_once_stopped_it_shows_the_stop_that_fired(world):
    client = world.client()
    body = {
        "symbol": "EURUSD", "side": "buy", "volume": "1", "entry": {"type": "market"}, "stop_loss": "1.09",
        "take_profits": [{"price": "1.12", "percent": "100"}],
    }  # fmt: skip
    plan = client.post("/api/v1/smart-orders/", body).body
    path = f"/api/v1/smart-orders/{plan['id']}/"

    bare = client.patch(path, {"version": 1, "stop_loss": None}).body
    again = client.patch(path, {"version": bare["version"], "stop_loss": "1.095"}).body
    opened, _ = account_socket(client)
    with opened:
        world.tick("EURUSD", "1.09400", "1.09410")
        event = opened.next(
            lambda frame: (
                frame["type"] == "event"
                and frame["kind"] == "smart"
                and frame["data"]["smart"]["state"] == "STOPPED"
            )
        )

    assert (plan["effective_stop"], bare["effective_stop"], bare["stop_loss"]) == ("1.09000", None, None)
    assert again["effective_stop"] == "1.09500"
    stopped = client.get(path).body
    assert (stopped["state"], stopped["effective_stop"], stopped["stop_source"]) == (
        "STOPPED",
        "1.09500",
        None,
    )
    assert (event["data"]["smart"]["effective_stop"], "fired_stop" in event["data"]["smart"]) == (
        "1.09500",
        False,
    )


def test_pending_order_when_shown_then_with_the_price_of_its_side_as_its_group_sees_it(world):
    client = world.client("wide")
    world.tick("BTCUSDT", "43000.00", "43001.00")
    made = client.post(
        "/api/v1/orders/", {"symbol": "BTCUSDT", "type": "buy_limit", "volume": "0.1", "price": "42000"}
    ).body
    other = client.post(
        "/api/v1/orders/", {"symbol": "BTCUSDT", "type": "sell_limit", "volume": "0.1", "price": "44000"}
    ).body

    assert (made["market_price"], other["market_price"]) == ("43001.03", "42999.98")
    listed = client.get("/api/v1/orders/").body["results"]
    assert [row["market_price"] for row in listed] == ["42999.98", "43001.03"]
    snapshot = client.get(f"/api/v1/accounts/{client.login}/").body["snapshot"]["orders"]
    assert [row["market_price"] for row in snapshot] == ["43001.03", "42999.98"]
    assert client.delete(f"/api/v1/orders/{made['ticket']}/").body["market_price"] is None
    world.usual_market()
