"""Orders, positions, deals, ledger, symbols, candles: what they answer, to the digit."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.stack


def place(client, **body):
    sent = {"account": client.login, "symbol": "EURUSD", "type": "buy", "volume": "1", **body}
    return client.post("/api/v1/orders/", sent)


@pytest.fixture(autouse=True)
def euro(world):
    world.tick("EURUSD", "1.10000", "1.10010")


def test_order_when_placed_then_shown_with_its_digits_and_found_by_client_id(world):
    client = world.client()

    made = place(client, sl="1.09", tp="1.11", comment="first", client_id="o-1")

    assert made.status == 201
    assert {key: made.body[key] for key in ("volume", "requested_price", "modified_price", "sl", "tp", "status")} == {
        "volume": "1.00", "requested_price": "1.10010", "modified_price": "1.10010", "sl": "1.09000",
        "tp": "1.11000", "status": "completed",
    }  # fmt: skip
    assert made.body["account"] == client.login and made.body["error"] is None
    found = client.get("/api/v1/orders/by-client-id/o-1/")
    assert found.body.items() >= made.body.items()
    assert client.get(f"/api/v1/orders/{made.body['ticket']}/").body == made.body
    assert client.get("/api/v1/orders/by-client-id/o-2/").status == 404


def test_order_when_repeated_then_the_same_answer_and_other_body_conflicts(world):
    client = world.client()

    def send(_):
        return place(world.client_of(client.login), client_id="same")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(8)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["ticket"] for answer in answers}) == 1
    other = place(client, client_id="same", volume="2")
    assert (other.status, other.body["code"]) == (409, "conflict")
    differing = client.post(
        "/api/v1/orders/",
        {"symbol": "EURUSD", "type": "buy", "volume": "1", "client_id": "a"},
        Idempotency_Key="b",
    )
    assert (differing.status, differing.body["code"]) == (400, "invalid_request")
    assert len(client.get("/api/v1/positions/").body["results"]) == 1


@pytest.mark.parametrize("empty", [{"client_id": ""}, {"Idempotency_Key": ""}])
def test_order_when_its_key_is_empty_then_refused_and_nothing_opened(world, empty):
    """Who sends an empty key believes that the request may be repeated."""
    client = world.client()
    body = {"symbol": "EURUSD", "type": "buy", "volume": "1"}
    if "client_id" in empty:
        answer = client.post("/api/v1/orders/", {**body, **empty})
    else:
        answer = client.post("/api/v1/orders/", body, **empty)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert client.get("/api/v1/positions/").body["results"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"symbol": "NOSUCH"}, 404, "symbol_not_found"),
        ({"symbol": "GBPUSD"}, 423, "close_only"),
        ({"volume": "0"}, 400, "invalid_volume"),
        ({"volume": "0.015"}, 400, "invalid_volume"),
        ({"volume": "much"}, 400, "invalid_volume"),
        ({"volume": "NaN"}, 400, "invalid_volume"),
        ({"leverage": 500}, 400, "invalid_leverage"),
        ({"type": "buy_limit", "price": "1.2"}, 400, "invalid_price"),
        ({"type": "buy_limit"}, 400, "invalid_price"),
        ({"type": "buy_limit", "price": "1.100001"}, 400, "invalid_price"),
        ({"sl": "1.2"}, 400, "invalid_stops"),
        ({"sl": "1.09995"}, 400, "invalid_stops"),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "2020-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "9999-12-31T23:59:59-14:00"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "9999-12-31T23:59:59+14:00"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "9999-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "10000-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "+10000-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "-0001-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "0000-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "0001-01-01T00:00:00+14:00"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "1969-12-31T23:59:59Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "9998-12-31T23:59:59-14:00"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "99999999-01-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        (
            {"type": "buy_limit", "price": "1.05", "expires": "2026-13-01T00:00:00Z"},
            400,
            "invalid_expiration",
        ),
        ({"type": "buy_limit", "price": "1.05", "expires": "tomorrow"}, 400, "invalid_request"),
        ({"volume": "900"}, 409, "no_money"),
        ({"type": "hold"}, 400, "invalid_request"),
        ({"volume": None}, 400, "invalid_request"),
        ({"slippage": 3}, 400, "invalid_request"),
        ({"account": 1}, 404, "not_found"),
    ],
)
def test_order_when_refused_then_the_codes_status_and_nothing_opens(world, changes, status, code):
    client = world.client_of(world.logins["hedging"][3])

    answer = place(client, **changes)

    assert (answer.status, answer.body["code"]) == (status, code), answer
    assert set(answer.body) == {"code", "message", "ticket"}
    assert client.get("/api/v1/positions/").body["results"] == []


def test_pending_order_when_changed_and_deleted_then_its_life_is_shown(world):
    client = world.client()
    ticket = place(client, type="sell_limit", price="1.12", expires="day").body["ticket"]

    changed = client.patch(f"/api/v1/orders/{ticket}/", {"price": "1.13", "sl": "1.14", "expires": "gtc"})
    assert (changed.body["price"], changed.body["sl"], changed.body["expires"]) == (
        "1.13000",
        "1.14000",
        "gtc",
    )
    cleared = client.patch(f"/api/v1/orders/{ticket}/", {"sl": "0"})
    assert cleared.body["sl"] is None
    deleted = client.delete(f"/api/v1/orders/{ticket}/")
    assert deleted.body["status"] == "canceled"
    again = client.delete(f"/api/v1/orders/{ticket}/")
    assert (again.status, again.body["code"]) == (404, "order_not_found")


def test_position_when_closed_in_parts_then_deals_and_ledger_add_up(world):
    client = world.client()
    position = place(client, volume="1").body["position"]
    world.tick("EURUSD", "1.10110", "1.10120")
    path = f"/api/v1/positions/{position}/"

    shown = client.get(path).body
    assert (shown["profit"], shown["price"], shown["status"]) == ("100.00", "1.10110", "open")
    assert client.patch(path, {"sl": "1.09000", "tp": "1.12000"}).body["sl"] == "1.09000"
    first = client.post(f"{path}close/", {"volume": "0.4"})
    assert (first.body["position"]["volume"], first.body["deals"][0]["profit"]) == ("0.60", "40.00")
    rest = client.post(f"{path}close/")
    assert (rest.body["position"]["status"], rest.body["position"]["realised_profit"]) == ("closed", "100.00")
    gone = client.post(f"{path}close/")
    assert (gone.status, gone.body["code"]) == (404, "position_not_found")

    deals = client.get(f"/api/v1/deals/?position={position}").body["results"]
    assert [(deal["direction"], deal["volume"], deal["profit"]) for deal in deals] == [
        ("out", "0.60", "60.00"), ("out", "0.40", "40.00"), ("in", "1.00", None),
    ]  # fmt: skip
    ledger = client.get("/api/v1/ledger/").body["results"]
    assert [(entry["kind"], entry["amount"], entry["balance_after"]) for entry in ledger] == [
        ("profit", "60.00", "100100.00"), ("profit", "40.00", "100040.00"), ("deposit", "100000.00", "100000.00"),
    ]  # fmt: skip


def test_deals_and_ledger_when_asked_for_a_span_then_only_what_lies_in_it_comes(world):
    client = world.client()
    position = place(client, volume="1").body["position"]
    closed = client.post(f"/api/v1/positions/{position}/close/").body["deals"][0]

    for path in ("deals/", "ledger/"):
        everything = client.get(f"/api/v1/{path}").body["results"]
        since = client.get(f"/api/v1/{path}?since={closed['time']}").body["results"]
        until = client.get(f"/api/v1/{path}?until={closed['time']}").body["results"]
        assert since == [row for row in everything if row["time"] >= closed["time"]]
        assert until == [row for row in everything if row["time"] < closed["time"]]
        assert since and until
        refused = client.get(f"/api/v1/{path}?since=yesterday")
        assert (refused.status, refused.body["code"]) == (400, "invalid_request")
        assert refused.body["message"].startswith("since: a time such as")


@pytest.mark.parametrize(
    "instant",
    ["2020-01-01T00:00:00+23:59:59.999999", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z",
     "1969-12-31T23:59:59Z", "2020-01-01T00:00:00-16:00"],
)  # fmt: skip
def test_span_when_its_zone_or_year_is_none_of_the_databases_then_it_is_understood(world, instant):
    client = world.client()
    place(client, volume="1")

    for path in ("deals/", "ledger/"):
        everything = client.get(f"/api/v1/{path}").body["results"]
        assert client.get(f"/api/v1/{path}?since={quote(instant)}").body["results"] == everything != []
        assert client.get(f"/api/v1/{path}?until={quote(instant)}").body["results"] == []
    older = client.get(f"/api/v1/candles?symbol=EURUSD&interval=1m&before={quote(instant)}")
    assert older.status == 200


def test_positions_when_closed_by_each_other_then_both_deals_are_shown(world):
    client = world.client()
    long = place(client, volume="1").body["position"]
    short = place(client, type="sell", volume="0.5").body["position"]

    answer = client.post(f"/api/v1/positions/{long}/close-by/", {"opposite": short})

    assert answer.status == 200, answer
    assert [deal["position"] for deal in answer.body["deals"]] == [long, short]
    assert answer.body["position"]["volume"] == "0.50"
    bad = client.post(f"/api/v1/positions/{long}/close-by/", {"opposite": long})
    assert (bad.status, bad.body["code"]) in ((400, "invalid_close_by"), (404, "position_not_found"))


def test_deal_when_a_stop_made_it_then_its_evidence_says_why(world):
    client = world.client()
    position = place(client, sl="1.09500").body["position"]
    world.tick("EURUSD", "1.09490", "1.09500")

    deal = client.get(f"/api/v1/deals/?position={position}").body["results"][0]
    shown = client.get(f"/api/v1/deals/{deal['ticket']}/").body

    assert (deal["reason"], deal["price"], deal["requested_price"]) == ("stop_loss", "1.09490", "1.09500")
    assert deal["automatic"] is True
    assert "1.09490" in str(shown["evidence"])
    assert shown["trigger_key"]


def test_lists_when_long_then_pages_follow_each_other_without_holes(world):
    client = world.client()
    tickets = [place(client, type="buy_limit", price="1.05", volume="0.01").body["ticket"] for _ in range(7)]

    seen, cursor = [], ""
    while True:
        page = client.get(f"/api/v1/orders/?status=pending&limit=3{cursor}").body
        seen += [order["ticket"] for order in page["results"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == sorted(tickets, reverse=True)
    for query in ("limit=0", "limit=201", "limit=x", "cursor=x", "status=lost"):
        answer = client.get(f"/api/v1/orders/?{query}")
        assert (answer.status, answer.body["code"]) == (400, "invalid_request"), query


def test_symbols_when_asked_then_what_a_ticket_needs(world):
    client = world.client_of(world.logins["hedging"][0])

    symbols = {one["symbol"]: one for one in client.get("/api/v1/symbols/").body["results"]}

    euro, gold = symbols["EURUSD"], symbols["XAUUSD"]
    assert (euro["digits"], euro["contract_size"], euro["volume_step"], euro["stops_level"]) == (
        5, "100000", "0.01", 10,
    )  # fmt: skip
    assert (euro["quote"]["bid"], euro["quote"]["ask"]) == ("1.10000", "1.10010")
    assert euro["session_open"] is True
    assert gold["security"] == "metals"
    assert symbols["GBPUSD"]["trade_mode"] == "close_only"


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h", "4h", "1d"])
def test_candles_when_asked_then_the_ticks_are_in_them(world, interval):
    client = world.client_of(world.logins["hedging"][0])

    answer = client.get(f"/api/v1/candles?symbol=btc&interval={interval}&limit=1")

    assert answer.status == 200
    assert (answer.body["symbol"], answer.body["interval"]) == ("BTCUSDT", interval)
    (candle,) = answer.body["results"]
    assert float(candle["low"]) <= float(candle["close"]) <= float(candle["high"])
    older = client.get(f"/api/v1/candles?symbol=btc&interval={interval}&before={candle['time_ms']}")
    assert all(one["time_ms"] < candle["time_ms"] for one in older.body["results"])


def test_candles_when_malformed_then_400_or_404(world):
    client = world.client_of(world.logins["hedging"][0])
    for query, status in (
        ("", 400), ("symbol=nosuch", 404), ("symbol=btc&interval=2m", 400), ("symbol=btc&limit=5000", 400),
        ("symbol=btc&before=yesterday", 400), ("symbol=btc&before=" + "9" * 30, 400),
        ("symbol=btc&before=2026-01-01", 400), ("symbol=%00", 400),
    ):  # fmt: skip
        assert client.get(f"/api/v1/candles?{query}").status == status, query


def test_margin_preview_when_asked_then_what_the_order_then_takes(world):
    client = world.client()
    body = {"account": client.login, "symbol": "EURUSD", "side": "buy", "volume": "2"}

    told = client.post("/api/v1/margin-preview/", body).body

    assert told == {
        "entry_price": "1.10010", "margin": "2200.20", "free_margin_after": "97779.80",  # a spread of 20 less
        "value_per_point": "2.000000", "commission": "0.00", "errors": [],
    }  # fmt: skip
    place(client, volume="2")
    shown = client.get(f"/api/v1/accounts/{client.login}/").body
    assert (shown["margin"], shown["free_margin"]) == (told["margin"], told["free_margin_after"])
    refused = client.post("/api/v1/margin-preview/", {**body, "volume": "1000"}).body
    assert [error["code"] for error in refused["errors"]] == ["no_money"]
    unknown = client.post("/api/v1/margin-preview/", {**body, "symbol": "NOSUCH"}).body
    assert (unknown["margin"], unknown["errors"][0]["code"]) == (None, "symbol_not_found")


def test_desk_when_silent_then_503_with_the_ticket_and_the_client_id_finds_it_later(world):
    client = world.client()
    world.stop("desk-0")
    try:
        answer = place(client, client_id="lost")
    finally:
        world.serve()

    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert answer.body["ticket"] and answer.headers["retry-after"] == "1"
    found = world.until(
        lambda: client.get("/api/v1/orders/by-client-id/lost/").status == 200,
        "the order that was acknowledged",
        10,
    )
    assert found
    again = place(client, client_id="lost")
    assert (again.status, again.body.get("ticket")) == (201, answer.body["ticket"])


def test_login_when_wrong_too_often_then_locked_and_the_right_word_does_not_help(world):
    client = world.client_of(world.logins["manual"][0])
    name = f"client{client.login}"
    client.token = ""

    statuses = [
        client.post("/api/v1/auth/token/", {"username": name, "password": f"wrong {number}"}).status
        for number in range(6)
    ]
    right = client.post("/api/v1/auth/token/", {"username": name, "password": "correct horse battery"})

    assert set(statuses) <= {401, 403, 429}
    assert right.status in (401, 403, 429)


def test_refresh_token_when_used_twice_then_refused(world):
    client = world.client()
    body = {"username": f"client{client.login}", "password": "correct horse battery"}
    pair = client.post("/api/v1/auth/token/", body).body
    client.token = ""

    first = client.post("/api/v1/auth/refresh/", {"refresh": pair["refresh"]})
    second = client.post("/api/v1/auth/refresh/", {"refresh": pair["refresh"]})

    assert first.status == 200 and first.body["access"] != pair["access"]
    assert (second.status, second.body["code"]) == (401, "unauthorized")


def test_answers_when_given_then_their_times_are_iso_with_milliseconds(world):
    client = world.client()
    made = place(client).body

    assert made["created_at"].endswith("Z") and len(made["created_at"]) == len("2024-03-15T10:30:00.000Z")
    assert (
        abs(
            time.time()
            - time.mktime(time.strptime(made["created_at"][:19], "%Y-%m-%dT%H:%M:%S"))
            + time.timezone
        )
        < 60
    )


def test_stops_when_they_changed_since_they_were_seen_then_409_with_what_stands(world):
    client = world.client()
    ticket = place(client, sl="1.09").body["position"]
    path = f"/api/v1/positions/{ticket}/"
    assert client.request("PATCH", path, {"sl": "1.08", "seen": {"sl": "1.09000"}}).status == 200

    stale = client.request("PATCH", path, {"tp": "1.2", "sl": "1.095", "seen": {"sl": "1.09000"}})

    assert (stale.status, stale.body["code"]) == (409, "conflict")
    assert (stale.body["current"]["sl"], stale.body["current"]["tp"]) == ("1.08000", None)
    assert client.get(path).body["sl"] == "1.08000"
    unknown = client.request("PATCH", path, {"sl": "1.07", "seen": {"volume": "1"}})
    assert (unknown.status, unknown.body["code"]) == (400, "invalid_request")


def test_order_when_it_changed_since_it_was_seen_then_409_with_what_stands(world):
    client = world.client()
    ticket = place(client, type="buy_limit", price="1.05").body["ticket"]
    path = f"/api/v1/orders/{ticket}/"
    assert (
        client.request("PATCH", path, {"price": "1.06", "seen": {"price": "1.05", "sl": None}}).status == 200
    )

    stale = client.request("PATCH", path, {"price": "1.07", "seen": {"price": "1.05"}})

    assert (stale.status, stale.body["code"]) == (409, "conflict")
    assert stale.body["current"]["price"] == client.get(path).body["price"] == "1.06000"


def test_deal_when_a_pending_order_was_reached_then_it_says_which_kind(world):
    client = world.client()
    path = f"/api/v1/orders/{place(client, type='buy_limit', price='1.09990').body['ticket']}/"

    world.tick("EURUSD", "1.09970", "1.09980")
    world.until(lambda: client.get(path).body["status"] == "completed", "the fill")

    (deal,) = client.get("/api/v1/deals/").body["results"]
    assert (deal["reason"], deal["trigger"], deal["automatic"]) == ("client", "buy_limit", True)
    by_hand = place(client).body
    (first, _) = client.get("/api/v1/deals/").body["results"]
    assert (first["order"], first["trigger"], first["automatic"]) == (by_hand["ticket"], None, False)


def test_preferences_when_nothing_was_chosen_then_careful_and_each_user_has_their_own(world):
    client, other = world.client(), world.client()
    careful = {"one_click": False, "confirm_close": False, "time_zone": "local"}
    assert client.get("/api/v1/preferences/").body == careful

    changed = client.request("PATCH", "/api/v1/preferences/", {"one_click": True, "time_zone": "utc"})

    assert changed.body == {"one_click": True, "confirm_close": False, "time_zone": "utc"}
    assert client.get("/api/v1/preferences/").body == changed.body
    assert other.get("/api/v1/preferences/").body == careful
    for wrong in ({"one_click": "true"}, {"one_click": 1}, {"time_zone": "Mars"}, {"colour": "red"}):
        refused = client.request("PATCH", "/api/v1/preferences/", wrong)
        assert (refused.status, refused.body["code"]) == (400, "invalid_request"), wrong
    assert client.get("/api/v1/preferences/").body == changed.body
