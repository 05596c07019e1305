"""The published trade addresses, to the letter: shapes, names, texts, statuses, sides."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.stack

TRADE = "/api/v1/trade"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def create(client, **body):
    return client.post(f"{TRADE}/create", {"symbol": "btc", "type": "buy", "quantity": 0.1, **body})


def open_orders(client):
    answer = client.get(f"{TRADE}/open")
    assert answer.status == 200
    return answer.body["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "open"), ("POST", "create"), ("POST", "close"), ("GET", "close")],
)
def test_trade_when_there_is_no_token_then_401_unauthorized(world, method, path):
    stranger = world.client_of(world.logins["hedging"][0])
    stranger.token = ""

    answer = stranger.request(method, f"{TRADE}/{path}", {} if method == "POST" else None)
    assert (answer.status, answer.body) == (401, {"error": "Unauthorized"})

    stranger.token = "nonsense"
    answer = stranger.request(method, f"{TRADE}/{path}", {} if method == "POST" else None)
    assert (answer.status, answer.body) == (401, {"error": "Unauthorized"})


def test_buy_when_opened_and_closed_then_the_documented_answers(world):
    client = world.client()
    world.tick("BTCUSDT", "43000.00", "43000.00")

    created = create(client, leverage=10, takeProfit=45000, stopLoss=42000)
    assert created.status == 200, created
    assert created.body["message"] == "Order created successfully"
    world.tick("BTCUSDT", "43500.00", "43501.00")

    (order,) = open_orders(client)
    user_id = world.rows("SELECT user_id FROM accounts_account WHERE login = %s", client.login)[0][0]
    assert order.pop("openTime") and ISO.fullmatch(created.body["order"]["openTime"])
    assert order == {
        "orderId": created.body["orderId"],
        "userId": str(user_id),
        "symbol": "btc",
        "type": "buy",
        "quantity": 0.1,
        "leverage": 10,
        "openPrice": 43000,
        "currentPrice": 43500,
        "takeProfit": 45000,
        "stopLoss": 42000,
        "status": "open",
    }

    closed = client.post(f"{TRADE}/close", {"orderId": order["orderId"]})
    assert closed.status == 200, closed
    assert closed.body["message"] == "Order closed successfully"
    result = closed.body["order"]
    assert ISO.fullmatch(result.pop("closeTime"))
    assert result == {
        "orderId": order["orderId"],
        "openPrice": 43000,
        "closePrice": 43500,
        "profitLoss": 50.00,
    }
    assert b'"profitLoss":50.00' in closed.raw  # the account's digits, never 50.000000000000001
    assert open_orders(client) == []

    (past,) = client.get(f"{TRADE}/close").body["message"]
    assert ISO.fullmatch(past.pop("openTime")) and ISO.fullmatch(past.pop("closeTime"))
    assert past == {
        "orderId": order["orderId"],
        "symbol": "btc",
        "type": "buy",
        "quantity": 0.1,
        "leverage": 10,
        "openPrice": 43000,
        "closePrice": 43500,
        "profitLoss": 50.00,
    }


def test_sell_when_the_price_falls_then_profit_and_current_price_is_the_ask(world):
    client = world.client()
    world.tick("ETHUSDT", "2500.00", "2500.00")
    order_id = create(client, symbol="ETHUSDT", type="sell", quantity=1).body["orderId"]
    world.tick("ETHUSDT", "2399.00", "2400.00")

    assert open_orders(client)[0]["currentPrice"] == 2400
    closed = client.post(f"{TRADE}/close", {"orderId": order_id})

    assert closed.body["order"]["profitLoss"] == 100
    assert closed.body["order"]["closePrice"] == 2400


def test_sell_stops_when_reached_then_triggered_on_the_sells_own_sides(world):
    client = world.client()
    world.tick("ETHUSDT", "2500.00", "2501.00")
    made = create(client, symbol="eth", type="sell", quantity=1, takeProfit=2400, stopLoss=2600)
    assert made.status == 200, made
    world.tick("ETHUSDT", "2450.00", "2451.00")  # a buy's rules would have closed here: price below the stop
    assert len(open_orders(client)) == 1

    world.tick("ETHUSDT", "2399.00", "2400.00")
    assert open_orders(client) == []
    (past,) = client.get(f"{TRADE}/close").body["message"]
    assert (past["closePrice"], past["profitLoss"]) == (2400, 100)


@pytest.mark.parametrize("symbol", ["btc", "BTC", "Btc", "BTCUSDT", "btcusdt", "eth", "eurusd", "EURUSD"])
def test_create_when_symbol_is_any_known_form_then_accepted(world, symbol):
    client = world.client_of(world.logins["hedging"][0])
    quantity = 100_000 if "eur" in symbol.lower() else 0.1

    created = create(client, symbol=symbol, quantity=quantity)

    assert created.status == 200, created
    client.post(f"{TRADE}/close", {"orderId": created.body["orderId"]})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Missing required parameters: symbol, type, quantity"),
        ({"symbol": "btc"}, "Missing required parameters: type, quantity"),
        ({"symbol": "btc", "type": "", "quantity": 1}, "Missing required parameters: type"),
        ([], "Missing required parameters: symbol, type, quantity"),
    ],
)
def test_create_when_parameters_are_missing_then_they_are_named(world, body, error):
    client = world.client_of(world.logins["hedging"][0])

    answer = client.post(f"{TRADE}/create", body)

    assert (answer.status, answer.body) == (400, {"error": error})


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "doge"}, {"symbol": "бтк"}, {"symbol": "x" * 10_000}, {"symbol": 5}, {"symbol": ["btc"]},
        {"type": "hold"}, {"type": 1}, {"quantity": -1}, {"quantity": 0}, {"quantity": "NaN"},
        {"quantity": "Infinity"}, {"quantity": 0.00001}, {"quantity": "1/3"}, {"quantity": True},
        {"quantity": "1e99999"}, {"quantity": 10**30}, {"leverage": 0}, {"leverage": 1.5}, {"leverage": 10**9},
        {"leverage": -10}, {"takeProfit": 1}, {"stopLoss": 10**9}, {"stopLoss": "low"}, {"unknown": 1},
        {"takeProfit": {"price": 1}}, {"client_id": "ü"}, {"account": 1},
    ],
)  # fmt: skip
def test_create_when_malformed_then_a_client_error_and_nothing_opens(world, changes):
    client = world.client_of(world.logins["hedging"][1])

    answer = create(client, **changes)

    assert answer.status in (400, 404), answer
    assert isinstance(answer.body["error"], str)
    assert open_orders(client) == []


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"orderId=1", b"\xff\xfe", b"[" * 60_000, b'"' + b"a" * 70_000 + b'"']
)
def test_bodies_when_not_json_then_a_client_error(world, raw):
    client = world.client_of(world.logins["hedging"][1])
    for path in ("create", "close"):
        answer = client.request("POST", f"{TRADE}/{path}", raw=raw)
        assert answer.status in (400, 413), answer
        assert set(answer.body) == {"error"}


def test_close_when_order_id_is_missing_or_unknown_then_the_documented_texts(world):
    client = world.client_of(world.logins["hedging"][0])
    missing = {"error": "Missing required parameters: orderId"}

    for body in ({}, {"orderId": ""}, {"orderId": None}):
        answer = client.post(f"{TRADE}/close", body)
        assert (answer.status, answer.body) == (400, missing)
    for unknown in ("550e8400-e29b-41d4-a716-446655440000", "999999999", 999999999, "0", [], 2**70, "\u0661"):
        answer = client.post(f"{TRADE}/close", {"orderId": unknown or [1]})
        assert (answer.status, answer.body) == (400, {"error": "Order not found"}), unknown


def test_position_of_another_when_closed_then_order_not_found_and_it_stays(world):
    owner, stranger = world.client(), world.client_of(world.logins["hedging"][0])
    order_id = create(owner).body["orderId"]

    answer = stranger.post(f"{TRADE}/close", {"orderId": order_id})

    assert (answer.status, answer.body) == (400, {"error": "Order not found"})
    assert [order["orderId"] for order in open_orders(owner)] == [order_id]


def test_close_when_already_closed_then_order_not_found(world):
    client = world.client()
    order_id = create(client).body["orderId"]
    client.post(f"{TRADE}/close", {"orderId": order_id})

    answer = client.post(f"{TRADE}/close", {"orderId": order_id})

    assert (answer.status, answer.body) == (400, {"error": "Order not found"})


def test_create_when_the_engine_refuses_then_400_with_its_code(world):
    client = world.client()

    answer = create(client, quantity=1_000)

    assert (answer.status, answer.body["code"]) == (400, "invalid_volume") or answer.body[
        "code"
    ] == "no_money"
    assert open_orders(client) == []


def test_create_when_repeated_with_one_key_then_one_position_and_one_answer(world):
    client = world.client()

    def send(_):
        return create(world.client_of(client.login), client_id="retry-1").body["orderId"]

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(send, range(5)))

    assert len(set(answers)) == 1
    assert len(open_orders(client)) == 1
    other = create(client, client_id="retry-1", quantity=0.2)
    assert other.status == 409, other
    body = {"symbol": "btc", "type": "buy", "quantity": 0.1}
    header = client.post(f"{TRADE}/create", body, Idempotency_Key="retry-1")
    assert header.body["orderId"] == answers[0]


def test_close_when_repeated_with_one_key_then_the_same_answer(world):
    client = world.client()
    order_id = create(client).body["orderId"]
    body = {"orderId": order_id, "client_id": "close-1"}

    first, second = client.post(f"{TRADE}/close", body), client.post(f"{TRADE}/close", body)

    assert first.status == second.status == 200
    assert first.body == second.body
    deals = world.rows("SELECT count(*) FROM positions_deal WHERE position = %s", int(order_id))
    assert deals == [(2,)]


def test_netting_account_when_it_adds_then_the_id_stays_the_positions(world):
    client = world.client("netting")
    world.tick("BTCUSDT", "43000.00", "43000.00")
    first = create(client).body["orderId"]
    world.tick("BTCUSDT", "44000.00", "44000.00")
    second = create(client).body["orderId"]

    (order,) = open_orders(client)
    assert first == second == order["orderId"]
    assert (order["quantity"], order["openPrice"]) == (0.2, 43500)


def test_manual_group_when_dealers_decide_then_202_and_the_ticket(world):
    client = world.client("manual")

    answer = create(client)

    assert answer.status == 202, answer
    assert answer.body["orderId"].isdigit()
    assert open_orders(client) == []


def test_balance_and_assets_when_asked_then_text_amounts_and_short_names(world):
    client = world.client()

    balance = client.get("/api/v1/balance").body
    assets = client.get("/api/v1/assets").body["assets"]

    assert (balance["account"], balance["balance"], balance["equity"]) == (
        client.login,
        "100000.00",
        "100000.00",
    )
    assert balance["margin_level"] is None
    assert [asset["symbol"] for asset in assets] == ["btc", "eth", "eurusd", "gbpusd", "xauusd", "wti"]
    assert world.client_of(client.login).get("/api/v1/balance/").status == 200


def test_desk_when_silent_then_504_with_the_ticket_and_never_an_empty_list(world):
    client = world.client()
    order_id = create(client).body["orderId"]
    world.stop("desk-0")
    try:
        with ThreadPoolExecutor(3) as pool:
            created = pool.submit(create, world.client_of(client.login), client_id="silent-1")
            closed = pool.submit(
                world.client_of(client.login).post,
                f"{TRADE}/close",
                {"orderId": order_id, "client_id": "silent-2"},
            )
            created, closed = created.result(), closed.result()
        listed = client.get(f"{TRADE}/open")
    finally:
        world.serve()

    assert created.status == closed.status == listed.status == 504
    assert created.body["error"] and created.body["orderId"].isdigit()
    assert closed.body["orderId"] == order_id
    assert list(listed.body) == ["error"]
    again = client.post(f"{TRADE}/close", {"orderId": order_id, "client_id": "silent-2"})
    assert (again.status, again.body["message"]) == (200, "Order closed successfully")
