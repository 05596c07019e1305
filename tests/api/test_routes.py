"""Every address of the API for every kind of caller. An address or method that is not in the table fails."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import get_resolver

pytestmark = pytest.mark.stack

OK, MADE, NO, LOST = 200, 201, 401, 404
NEW_ORDER = {"account": "{login}", "symbol": "EURUSD", "type": "buy_limit", "volume": "0.01", "price": "1.05"}
NEW_PLAN = {
    "account": "{login}", "symbol": "BTCUSDT", "side": "buy", "volume": "0.1", "entry": {"type": "market"},
    "stop_loss": "40000", "take_profits": [{"price": "50000", "percent": "100"}],
}  # fmt: skip
QUESTION = {"account": "{login}", "symbol": "EURUSD", "side": "buy", "volume": "1"}
TRADE = {"account": "{login}", "symbol": "btc", "type": "buy", "quantity": 0.1}
LOGIN = {"username": "nobody", "password": "wrong"}
OF = "?account={login}"


@dataclass
class Row:
    """One address and method: what anonymous callers, the owner, another client and staff are answered."""

    name: str
    method: str
    path: str
    anonymous: int
    owner: int
    stranger: int
    body: Any = None


TABLE = [
    Row("api-token", "POST", "auth/token/", 401, 401, 401, LOGIN),
    Row("api-refresh", "POST", "auth/refresh/", 401, 401, 401, {"refresh": "x"}),
    Row("api-logout", "POST", "auth/logout/", NO, OK, OK, {"everywhere": False}),
    Row("api-ws-ticket", "POST", "ws-ticket/", NO, MADE, MADE),
    Row("api-trade-create", "POST", "trade/create", NO, OK, LOST, TRADE),
    Row("api-trade-open", "GET", "trade/open" + OF, NO, OK, LOST),
    Row("api-trade-close", "GET", "trade/close" + OF, NO, OK, LOST),
    Row("api-trade-close", "POST", "trade/close", NO, OK, 400, {"orderId": "{spare}"}),
    Row("api-balance", "GET", "balance" + OF, NO, OK, LOST),
    Row("api-assets", "GET", "assets", NO, OK, OK),
    Row("api-candles", "GET", "candles?symbol=btc", NO, OK, OK),
    Row("api-accounts", "GET", "accounts/", NO, OK, OK),
    Row("api-account", "GET", "accounts/{login}/", NO, OK, LOST),
    Row("api-symbols", "GET", "symbols/" + OF, NO, OK, LOST),
    Row("api-orders", "GET", "orders/" + OF, NO, OK, LOST),
    Row("api-orders", "POST", "orders/", NO, MADE, LOST, NEW_ORDER),
    Row("api-order-by-client-id", "GET", "orders/by-client-id/mine/" + OF, NO, OK, LOST),
    Row("api-request", "GET", "requests/by-client-id/mine/" + OF, NO, OK, LOST),
    Row("api-request-by-ticket", "GET", "requests/{order}/" + OF, NO, OK, LOST),
    Row("api-order", "GET", "orders/{order}/", NO, OK, LOST),
    Row("api-order", "PATCH", "orders/{order}/", NO, OK, LOST, {"price": "1.06"}),
    Row("api-order", "DELETE", "orders/{order}/", NO, OK, LOST),
    Row("api-order-accept", "POST", "orders/{requoted}/accept/", NO, MADE, LOST),
    Row("api-positions", "GET", "positions/" + OF, NO, OK, LOST),
    Row("api-position", "GET", "positions/{position}/", NO, OK, LOST),
    Row("api-position", "PATCH", "positions/{position}/", NO, OK, LOST, {"sl": "40000"}),
    Row(
        "api-position-close-by",
        "POST",
        "positions/{position}/close-by/",
        NO,
        OK,
        LOST,
        {"opposite": "{short}"},
    ),
    Row("api-position-close", "POST", "positions/{position}/close/", NO, OK, LOST),
    Row("api-deals", "GET", "deals/" + OF, NO, OK, LOST),
    Row("api-deal", "GET", "deals/{deal}/", NO, OK, LOST),
    Row("api-ledger", "GET", "ledger/" + OF, NO, OK, LOST),
    Row("api-smart-orders", "GET", "smart-orders/" + OF, NO, OK, LOST),
    Row("api-smart-orders", "POST", "smart-orders/", NO, MADE, LOST, NEW_PLAN),
    Row("api-smart-preview", "POST", "smart-orders/preview/", NO, OK, LOST, NEW_PLAN),
    Row("api-smart-order", "GET", "smart-orders/{smart}/", NO, OK, LOST),
    Row(
        "api-smart-order",
        "PATCH",
        "smart-orders/{smart}/",
        NO,
        OK,
        LOST,
        {"version": 1, "stop_loss": "41000"},
    ),
    Row("api-smart-cancel", "POST", "smart-orders/{smart}/cancel/", NO, OK, LOST),
    Row("api-smart-close", "POST", "smart-orders/{other_smart}/close/", NO, OK, LOST),
    Row("api-margin-preview", "POST", "margin-preview/", NO, OK, LOST, QUESTION),
    Row("api-preferences", "GET", "preferences/", NO, OK, OK),
    Row("api-preferences", "PATCH", "preferences/", NO, OK, OK, {"confirm_close": False}),
    Row("api-schema", "GET", "schema/", OK, OK, OK),
    Row("api-docs", "GET", "docs/", OK, OK, OK),
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def filled(value: Any, things: dict[str, int]) -> Any:
    """Return a path or body with its names replaced by the owner's numbers."""
    if isinstance(value, dict):
        return {key: filled(inner, things) for key, inner in value.items()}
    return value.format(**things) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def owner(world):
    return world.client()


@pytest.fixture(scope="module")
def things(world, owner) -> dict[str, int]:
    """Return the owner's numbers: one of everything that a path can name."""
    world.usual_market()

    def placed(**body: Any) -> dict[str, Any]:
        sent = {"account": owner.login, "symbol": "BTCUSDT", "volume": "0.5", **body}
        answer = owner.post("/api/v1/orders/", sent)
        assert answer.status == 201, answer
        return answer.body

    def requoted() -> int:
        seen = {"expected_price": "1.00", "deviation": 0}
        sent = {"account": owner.login, "symbol": "BTCUSDT", "type": "buy", "volume": "0.1", **seen}
        answer = owner.post("/api/v1/orders/", sent)
        assert answer.status == 409, answer
        return answer.body["ticket"]

    def planned() -> int:
        answer = owner.post("/api/v1/smart-orders/", filled(NEW_PLAN, {"login": owner.login}))
        assert answer.status == 201, answer
        return answer.body["id"]

    position = placed(type="buy", client_id="mine")["position"]
    deal = owner.get(f"/api/v1/deals/?position={position}").body["results"][0]["ticket"]
    return {
        "login": owner.login,
        "position": position,
        "short": placed(type="sell", volume="0.2")["position"],
        "spare": placed(type="buy", volume="0.1")["position"],
        "requoted": requoted(),
        "order": placed(type="buy_limit", price="42000")["ticket"],
        "deal": deal,
        "smart": planned(),
        "other_smart": planned(),
    }


def test_table_when_compared_with_the_addresses_then_none_is_missing():
    resolver = next(one for one in get_resolver().url_patterns if str(one.pattern) == "api/v1/")
    named = {one.name for one in resolver.url_patterns if one.name}

    assert named == {row.name for row in TABLE}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.path}")
def test_address_when_the_caller_is_not_the_owner_then_as_the_table_says(world, things, row):
    path = "/api/v1/" + filled(row.path, things)
    body = filled(row.body, things)
    anonymous = world.client_of(world.logins["hedging"][0])
    anonymous.token = ""
    stranger = world.client_of(world.logins["hedging"][0])
    staff = world.staff()

    assert anonymous.request(row.method, path, body).status == row.anonymous
    for caller in (stranger, staff):
        if row.name == "api-logout":
            caller = world.anew(caller)
        answer = caller.request(row.method, path, body)
        if caller is staff and row.stranger == OK and row.name not in ("api-schema", "api-docs"):
            assert answer.status in (OK, LOST), answer
        else:
            assert answer.status == row.stranger, answer


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.path}")
def test_address_when_the_caller_is_the_owner_then_as_the_table_says(world, owner, things, row):
    if row.name == "api-logout":
        owner = world.anew(owner)
    answer = owner.request(row.method, "/api/v1/" + filled(row.path, things), filled(row.body, things))

    assert answer.status == row.owner, answer


@pytest.mark.parametrize("name", sorted({row.name for row in TABLE}))
def test_address_when_the_method_is_another_then_405(owner, things, name):
    rows = [row for row in TABLE if row.name == name]
    allowed = {row.method for row in rows}

    for method in METHODS:
        if method not in allowed:
            path = "/api/v1/" + filled(rows[0].path, things)
            answer = owner.request(method, path, {} if method != "GET" else None)
            assert answer.status == 405, (method, answer)
            assert set(answer.body) in ({"error"}, {"code", "message", "ticket"})


@pytest.mark.parametrize("name", sorted({row.name for row in TABLE}))
def test_address_when_asked_what_it_takes_then_it_answers(owner, things, name):
    row = next(row for row in TABLE if row.name == name)

    answer = owner.request("OPTIONS", "/api/v1/" + filled(row.path, things))

    assert answer.status in (200, 405), answer


def test_address_when_there_is_none_then_404_in_json(owner):
    for path in ("/api/v1/", "/api/v1/nothing", "/api/v1/orders/1/2/3/", "/api/v1/../v1/x"):
        answer = owner.get(path)
        assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_disabled_account_when_its_owner_asks_then_403_and_it_is_listed_without_figures(world):
    client = world.client()
    world.rows("UPDATE accounts_account SET enabled = false WHERE login = %s", client.login)

    (listed,) = client.get("/api/v1/accounts/").body["results"]
    assert (listed["enabled"], listed["equity"]) == (False, None)
    for path in ("orders/", "positions/", "deals/", "ledger/", "symbols/", f"accounts/{client.login}/"):
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status, answer.body["code"]) == (403, "account_disabled"), path


def test_disabled_user_when_he_comes_with_a_token_then_401(world):
    client = world.client()
    world.rows("UPDATE auth_user SET is_active = false WHERE username = %s", f"client{client.login}")

    assert client.get("/api/v1/accounts/").status == 401
    assert client.get("/api/v1/trade/open").body == {"error": "Unauthorized"}


def test_session_when_it_writes_without_the_csrf_header_then_refused(world):
    client = world.client_of(world.logins["hedging"][0])
    client.token = ""
    cookie = world.session_of(client.login)
    body = {"symbol": "EURUSD", "side": "buy", "volume": "1"}

    read = client.get("/api/v1/accounts/", Cookie=f"sessionid={cookie}")
    refused = client.post("/api/v1/margin-preview/", body, Cookie=f"sessionid={cookie}")
    secret = "a" * 32
    allowed = client.post(
        "/api/v1/margin-preview/", body, Cookie=f"sessionid={cookie}; csrftoken={secret}", X_CSRFToken=secret
    )

    assert read.status == 200
    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    assert allowed.status == 200, allowed


#: Pages outside the API: what an anonymous caller and a client (by session) are answered. The admin has its
#: own tests; here only that a client does not get in.
PAGES = {
    "health-live": ("/health/live", 200, 200),
    "health-ready": ("/health/ready", 200, 200),
    "healthz": ("/healthz", 200, 200),
    "metrics": ("/metrics", 200, 200),
    "favicon": ("/favicon.ico", 200, 200),
    "terminal": ("/", 302, 200),
    "login": ("/login/", 200, 302),
    "logout": ("/logout/", 405, 405),
    "password": ("/password/", 302, 200),
    "password-done": ("/password/done/", 302, 200),
    "admin": ("/admin/", 302, 302),
    "admin accounts": ("/admin/accounts/account/", 302, 302),
    "admin deals": ("/admin/positions/deal/", 302, 302),
    "admin users": ("/admin/auth/user/", 302, 302),
}


def test_pages_when_compared_with_the_addresses_then_none_is_missing():
    named = set()
    for one in get_resolver().url_patterns:
        inner = [one] if not hasattr(one, "url_patterns") else one.url_patterns
        if str(one.pattern) not in ("admin/", "api/v1/"):
            named |= {page.name for page in inner}

    assert named == {name for name in PAGES if not name.startswith("admin")}


@pytest.mark.parametrize("name", PAGES)
def test_page_when_opened_by_strangers_and_clients_then_as_the_table_says(world, name):
    path, anonymous, client = PAGES[name]
    caller = world.client_of(world.logins["hedging"][0])
    caller.token = ""
    cookie = world.session_of(caller.login) if client == 200 and anonymous == 302 else ""

    first = caller.get(path)
    assert first.status == anonymous, first.status
    if anonymous == 302:
        assert "login" in first.headers["location"]
    if cookie:
        assert caller.get(path, Cookie=f"sessionid={cookie}").status == client


def test_admin_when_a_client_is_logged_in_then_sent_to_its_login(world):
    caller = world.client_of(world.logins["hedging"][0])
    caller.token = ""
    cookie = world.session_of(caller.login)

    for path in ("/admin/", "/admin/accounts/account/", "/admin/positions/deal/", "/admin/auth/user/"):
        answer = caller.get(path, Cookie=f"sessionid={cookie}")
        assert (answer.status, "/admin/login/" in answer.headers.get("location", "")) == (302, True), path
