"""Smart orders over REST: plans, previews, versions, endings."""

import pytest

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def bitcoin(world):
    world.tick("BTCUSDT", "43000.00", "43000.00")


def plan(client, **changes):
    body = {
        "account": client.login,
        "symbol": "BTCUSDT",
        "side": "buy",
        "volume": "1",
        "entry": {"type": "market"},
        "take_profits": [
            {"price": "44000", "percent": "40"},
            {"price": "45000", "percent": "35"},
            {"price": "47000", "percent": "25"},
        ],
        "stop_loss": "42000",
        "break_even": True,
        **changes,
    }
    return {key: value for key, value in body.items() if value is not None}


def create(client, **changes):
    return client.post("/api/v1/smart-orders/", plan(client, **changes))


def test_plan_when_made_then_shown_with_levels_stop_and_timeline(world):
    client = world.client()

    made = create(client, client_id="p-1")

    assert made.status == 201, made
    shown = made.body
    assert (shown["state"], shown["version"], shown["remaining"]) == ("ACTIVE", 1, "1.00")
    assert [(level["volume"], level["status"]) for level in shown["levels"]] == [
        ("0.40", "PENDING"), ("0.35", "PENDING"), ("0.25", "PENDING"),
    ]  # fmt: skip
    assert (shown["effective_stop"], shown["stop_source"], shown["high_water_mark"]) == (
        "42000.00",
        "fixed",
        None,
    )
    assert shown["timeline"][0]["what"] == "created"
    assert client.get(f"/api/v1/smart-orders/{shown['id']}/").body == shown
    assert create(client, client_id="p-1").body["id"] == shown["id"]
    assert create(client, client_id="p-1", volume="2").status == 409
    (position,) = client.get("/api/v1/positions/").body["results"]
    assert (position["smart"], position["sl"]) == (shown["id"], "42000.00")


def test_plan_when_levels_fill_then_profit_break_even_and_stop_are_shown(world):
    client = world.client()
    number = create(client).body["id"]

    world.tick("BTCUSDT", "44000.00", "44001.00")
    first = client.get(f"/api/v1/smart-orders/{number}/").body
    assert (first["state"], first["filled"], first["remaining"]) == ("PARTIALLY_CLOSED", 1, "0.60")
    assert (first["realised_profit"], first["open_profit"]) == ("400.00", "600.00")
    assert (first["effective_stop"], first["stop_source"]) == ("43000.00", "break_even")

    world.tick("BTCUSDT", "43000.00", "43001.00")
    ended = client.get(f"/api/v1/smart-orders/{number}/").body
    assert (ended["state"], ended["remaining"], ended["realised_profit"]) == ("STOPPED", "0.00", "400.00")
    assert [level["status"] for level in ended["levels"]] == ["FILLED", "CANCELLED", "CANCELLED"]
    listed = client.get("/api/v1/smart-orders/?state=STOPPED,CLOSED").body["results"]
    assert [one["id"] for one in listed] == [number]
    assert client.get("/api/v1/smart-orders/?state=ACTIVE").body["results"] == []
    assert client.get("/api/v1/smart-orders/?state=LOST").status == 400


def test_plan_when_it_trails_then_the_mark_and_stop_follow(world):
    client = world.client()
    number = create(
        client, take_profits=None, stop_loss=None, trailing={"callback": "2"}, break_even=None
    ).body["id"]
    world.tick("BTCUSDT", "45000.00", "45001.00")

    shown = client.get(f"/api/v1/smart-orders/{number}/").body

    assert (shown["high_water_mark"], shown["effective_stop"], shown["stop_source"]) == (
        "45000.00", "44100.00", "trailing",
    )  # fmt: skip


def test_plan_when_changed_with_a_stale_version_then_409_with_the_plan_as_it_stands(world):
    client = world.client()
    number = create(client).body["id"]
    path = f"/api/v1/smart-orders/{number}/"

    changed = client.patch(path, {"version": 1, "stop_loss": "42500"})
    assert (changed.status, changed.body["version"], changed.body["effective_stop"]) == (200, 2, "42500.00")
    stale = client.patch(path, {"version": 1, "stop_loss": "41000"})
    assert (stale.status, stale.body["code"]) == (409, "conflict")
    assert (stale.body["current"]["version"], stale.body["current"]["stop_loss"]) == (2, "42500.00")
    by_header = client.patch(path, {"stop_loss": "42600"}, If_Match='"2"')
    assert (by_header.status, by_header.body["version"]) == (200, 3)
    stale_header = client.patch(path, {"stop_loss": "42700"}, If_Match="2")
    assert stale_header.status == 409
    for body, headers in (
        ({"stop_loss": "42700"}, {}),
        ({"stop_loss": "42700", "version": 3}, {"If_Match": "2"}),
        ({"stop_loss": "42700"}, {"If_Match": "*"}),
        ({"stop_loss": "42700", "version": "3"}, {}),
    ):
        assert client.patch(path, body, **headers).status == 400


def test_plan_when_its_open_levels_are_moved_then_the_new_ones_stand(world):
    client = world.client()
    number = create(client).body["id"]
    levels = [{"price": "44500", "percent": "50"}, {"price": "46000", "percent": "50"}]

    changed = client.patch(f"/api/v1/smart-orders/{number}/", {"version": 1, "levels": levels})

    assert changed.status == 200, changed
    assert [(level["price"], level["volume"]) for level in changed.body["levels"]] == [
        ("44500.00", "0.50"), ("46000.00", "0.50"),
    ]  # fmt: skip


def test_plan_when_cancelled_then_the_position_stays_and_when_closed_it_goes(world):
    client = world.client()
    kept, gone = create(client).body, create(client).body

    cancelled = client.post(f"/api/v1/smart-orders/{kept['id']}/cancel/")
    closed = client.post(f"/api/v1/smart-orders/{gone['id']}/close/", {"version": 1})

    assert (cancelled.status, cancelled.body["state"]) == (200, "CANCELLED")
    assert closed.status == 200 and closed.body["state"] in ("CLOSED", "CANCELLED")
    assert {level["status"] for level in cancelled.body["levels"]} == {"CANCELLED"}
    positions = client.get("/api/v1/positions/").body["results"]
    assert [(one["ticket"], one["smart"], one["sl"]) for one in positions] == [(kept["position"], None, None)]
    again = client.post(f"/api/v1/smart-orders/{kept['id']}/cancel/")
    assert (again.status, again.body["code"]) == (404, "smart_not_found")


@pytest.mark.parametrize(
    ("changes", "status", "code", "level"),
    [
        ({"take_profits": None, "stop_loss": None, "break_even": None}, 400, "invalid_levels", None),
        ({"take_profits": [{"price": "44000", "percent": "101"}]}, 400, "invalid_levels", None),
        ({"take_profits": [{"price": "44000", "percent": "50"}], "stop_loss": None}, 400, "invalid_levels", None),
        ({"take_profits": [{"price": "45000", "percent": "50"}, {"price": "44000", "percent": "50"}]}, 400,
         "invalid_levels", 2),
        ({"take_profits": [{"price": "44000", "percent": "0.01"}]}, 400, "invalid_levels", 1),
        ({"take_profits": [{"price": "42000", "percent": "100"}]}, 400, "invalid_stops", None),
        ({"stop_loss": "43500"}, 400, "invalid_stops", None),
        ({"symbol": "NOSUCH"}, 404, "symbol_not_found", None),
        ({"volume": "x"}, 400, "invalid_volume", None),
        ({"entry": {"type": "position", "position": 999}}, 404, "position_not_found", None),
        ({"entry": {"type": "later"}}, 400, "invalid_request", None),
        ({"entry": "market"}, 400, "invalid_request", None),
        ({"side": "long"}, 400, "invalid_request", None),
        ({"take_profits": {"price": "1"}}, 400, "invalid_request", None),
        ({"take_profits": [{"price": "44000", "percent": "100", "size": 1}]}, 400, "invalid_request", None),
        ({"break_even": {"offset": "x"}}, 400, "invalid_request", None),
        ({"trailing": {"callback": "2", "rate": 1}}, 400, "invalid_request", None),
    ],
)  # fmt: skip
def test_plan_when_refused_then_preview_and_creation_say_the_same(world, changes, status, code, level):
    client = world.client_of(world.logins["hedging"][4])

    answer = create(client, **changes)
    preview = client.post("/api/v1/smart-orders/preview/", plan(client, **changes))

    assert (answer.status, answer.body["code"], answer.body.get("level")) == (status, code, level), answer
    if code == "invalid_request":
        assert preview.body == answer.body
    else:
        (error,) = preview.body["errors"]
        assert (error["code"], error.get("level")) == (code, level)
    assert client.get("/api/v1/positions/").body["results"] == []


def test_plan_when_the_tier_is_below_pro_then_subscription_required(world):
    client = world.client()
    world.run(
        "-c",
        "import django; django.setup(); from accounts.models import Account; from dealing import services;"
        f"Account.objects.filter(login={client.login}).update(tier='FREE');"
        f"assert services.reload_settings('account', {client.login}).ok",
    )

    answer = create(client)
    preview = client.post("/api/v1/smart-orders/preview/", plan(client)).body

    assert (answer.status, answer.body["code"]) == (403, "subscription_required")
    assert [error["code"] for error in preview["errors"]] == ["subscription_required"]
    assert preview["reward"] == "2100.00"
    assert client.get(f"/api/v1/accounts/{client.login}/").body["tier"] == "FREE"


def test_preview_when_asked_then_the_money_that_the_plan_then_makes(world):
    client = world.client()

    told = client.post("/api/v1/smart-orders/preview/", plan(client)).body

    assert told == {
        "levels": [
            {"number": 1, "price": "44000", "percent": "40", "volume": "0.40", "profit": "400.00"},
            {"number": 2, "price": "45000", "percent": "35", "volume": "0.35", "profit": "700.00"},
            {"number": 3, "price": "47000", "percent": "25", "volume": "0.25", "profit": "1000.00"},
        ],
        "remaining_volume": "0.00",
        "entry_price": "43000.00",
        "reward": "2100.00",
        "risk": "1000.00",
        "worst_case": "-1000.00",
        "stop": "42000.00",
        "risk_reward": "2.10",
        "margin": "430.00",
        "errors": [],
    }
    number = create(client).body["id"]
    assert client.get(f"/api/v1/accounts/{client.login}/").body["margin"] == told["margin"]
    for price in ("44000.00", "45000.00", "47000.00"):
        world.tick("BTCUSDT", price, price)
    ended = client.get(f"/api/v1/smart-orders/{number}/").body
    assert (ended["state"], ended["realised_profit"]) == ("CLOSED", told["reward"])


def test_preview_when_levels_are_rounded_then_the_last_takes_the_rest(world):
    client = world.client_of(world.logins["hedging"][4])
    levels = [
        {"price": "44000", "percent": "33"},
        {"price": "45000", "percent": "33"},
        {"price": "46000", "percent": "34"},
    ]

    told = client.post("/api/v1/smart-orders/preview/", plan(client, volume="0.01", take_profits=levels)).body

    assert [level["volume"] for level in told["levels"]] == ["0.003", "0.003", "0.004"]
    part = client.post(
        "/api/v1/smart-orders/preview/", plan(client, take_profits=levels[:1], trailing={"callback": "2"})
    ).body
    assert (part["remaining_volume"], part["stop"], part["worst_case"]) == ("0.67", "42140.00", "-860.00")


def test_preview_when_it_sells_at_a_limit_then_its_own_side_counts(world):
    client = world.client_of(world.logins["hedging"][4])
    told = client.post(
        "/api/v1/smart-orders/preview/",
        plan(
            client, side="sell", entry={"type": "limit", "price": "44000"}, stop_loss="45000",
            take_profits=[{"price": "43000", "percent": "100"}], break_even=None,
        ),
    ).body  # fmt: skip

    assert (told["entry_price"], told["reward"], told["risk"], told["errors"]) == (
        "44000.00",
        "1000.00",
        "1000.00",
        [],
    )


def test_position_when_a_plan_owns_it_then_its_stops_are_not_edited_elsewhere(world):
    client = world.client()
    position = create(client).body["position"]

    answer = client.patch(f"/api/v1/positions/{position}/", {"sl": "42500"})

    assert (answer.status, answer.body["code"]) == (409, "managed_by_smart_order")
