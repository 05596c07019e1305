"""What a client meets that was written from the documents alone: slashes, fields of no use, the form of errors."""

import json

import pytest

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "auth/token", {"username": "nobody", "password": "x"}, 401),
        ("POST", "orders", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}, 201),
        ("GET", "orders?limit=1", None, 200),
        ("GET", "orders/1", None, 404),
        ("GET", "trade/open/", None, 200),
        ("GET", "balance/", None, 200),
        ("DELETE", "balance", None, 405),
        ("POST", "nowhere", {}, 404),
        ("POST", "nowhere/", {}, 404),
    ],
)
def test_address_when_its_slash_is_missing_or_extra_then_answered_all_the_same(
    world, method, path, body, status
):
    client = world.client_of(world.logins["hedging"][0])

    answer = client.request(method, f"/api/v1/{path}", body)

    assert answer.status == status, answer
    assert answer.headers["cache-control"] == "no-store"


def test_body_when_its_address_lacks_a_slash_and_a_session_asks_then_csrf_is_judged(world):
    login = world.logins["hedging"][0]
    client = type(world.client_of(login))(world, login=login)

    answer = client.post(
        "/api/v1/orders", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"},
        Cookie=f"sessionid={world.session_of(login)}",
    )  # fmt: skip

    assert (answer.status, answer.body["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "1.05"}, "invalid_price"),
        ({"limit_price": "1.05"}, "invalid_price"),
        ({"type": "buy_limit", "price": "1.05", "limit_price": "1.04"}, "invalid_price"),
        ({"type": "long"}, "invalid_request"),
    ],
)
def test_order_when_it_names_what_its_type_has_no_use_for_then_told_so(world, changes, code):
    client = world.client()

    answer = client.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01", **changes})

    assert (answer.status, answer.body["code"]) == (400, code), answer
    assert client.get("/api/v1/orders/").body["results"] == []


def test_market_order_when_its_price_is_zero_or_null_then_none_is_meant(world):
    client = world.client()

    for none in ("0", 0, None):
        body = {"symbol": "EURUSD", "type": "buy", "volume": "0.01", "price": none}
        assert client.post("/api/v1/orders/", body).status == 201


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"type": "market", "price": "1"}, "invalid_price"),
        ({"type": "position", "position": 10, "price": "1"}, "invalid_price"),
        ({"type": "limit", "price": "1", "position": 10}, "invalid_request"),
        ({"type": "now"}, "invalid_request"),
    ],
)
def test_plan_when_its_entry_names_what_it_has_no_use_for_then_told_so(world, entry, code):
    plan = {"symbol": "EURUSD", "side": "buy", "volume": "0.01", "entry": entry, "stop_loss": "0.5"}

    answer = world.client().post("/api/v1/smart-orders/", plan)

    assert (answer.status, answer.body["code"]) == (400, code), answer


@pytest.mark.parametrize(
    ("symbol", "quantity", "error"),
    [
        ("eurusd", 0.1, "quantity 0.1 of eurusd is not 1000 to "),
        ("btc", 0.0001, "quantity 0.0001 of btc is not "),
        ("btc", "1e-12", "quantity 0.000000000001 of btc is not "),
    ],
)
def test_trade_when_its_quantity_does_not_fit_then_told_in_its_own_units(world, symbol, quantity, error):
    body = {"symbol": symbol, "type": "buy", "quantity": quantity, "leverage": 10}

    answer = world.client().post("/api/v1/trade/create", body)

    assert answer.status == 400
    assert answer.body["error"].startswith(error), answer.body


def test_key_when_used_for_another_kind_of_request_then_conflict_at_both_doors(world):
    client = world.client()
    body = {"symbol": "btc", "type": "buy", "quantity": 0.01}
    made = client.post("/api/v1/trade/create", body, Idempotency_Key="one")
    again = client.post("/api/v1/trade/create", body, Idempotency_Key="one")
    other = client.post("/api/v1/trade/create", {**body, "quantity": 0.02}, Idempotency_Key="one")
    elsewhere = client.post(
        "/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}, Idempotency_Key="one"
    )

    assert (made.status, again.status, other.status, elsewhere.status) == (200, 200, 409, 409)
    assert again.body["orderId"] == made.body["orderId"]
    assert other.body["code"] == elsewhere.body["code"] == "conflict"
    assert len(client.get("/api/v1/trade/open").body["message"]) == 1


def test_document_when_read_then_every_address_describes_its_refusals(world):
    client = world.client_of(world.logins["hedging"][0])
    document = json.loads(client.get("/api/v1/schema/?format=json").raw)
    forms = {
        path: {operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"]}
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }

    plain = {path for path, named in forms.items() if named == {"#/components/schemas/PlainError"}}
    assert plain == {
        f"/api/v1/{name}/" for name in ("trade/create", "trade/open", "trade/close", "balance", "assets")
    }
    assert {"Error", "PlainError"} <= set(document["components"]["schemas"])
    assert document["components"]["schemas"]["SideEnum"]["enum"] == ["buy", "sell"]
    assert document["components"]["schemas"]["NewOrderRequest"]["additionalProperties"] is False
    refused = client.get("/api/v1/orders/1/").body
    assert set(refused) == set(document["components"]["schemas"]["Error"]["required"])


def test_token_when_its_scheme_is_written_small_then_taken(world):
    client = world.client_of(world.logins["hedging"][0])

    assert client.get("/api/v1/accounts/", Authorization=f"bearer {client.token}").status == 200


def test_favicon_when_asked_for_then_the_icon(world):
    answer = world.client_of(world.logins["hedging"][0]).get("/favicon.ico")

    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.raw.startswith(b"<svg")
