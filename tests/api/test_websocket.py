"""The WebSocket against a real desk and daphne: rights, order of events, coalescing, slow readers."""

import json
import socket
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.api.sockets import Socket, applied, without_live

pytestmark = pytest.mark.stack


def open_with(world, *, origin: str | None, cookie: str = "", path: str = "/ws/"):
    headers = {"Cookie": f"sessionid={cookie}"} if cookie else {}
    url = f"ws://127.0.0.1:{world.port}{path}"
    return connect(url, origin=origin, additional_headers=headers, compression=None, proxy=None)


def account_socket(client, **options):
    opened = Socket(client, **options)
    opened.send(op="subscribe", channel="account", account=client.login)
    return opened, opened.next("snapshot")


def buy(client, volume="0.1", **more):
    body = {"account": client.login, "symbol": "BTCUSDT", "type": "buy", "volume": volume, **more}
    answer = client.post("/api/v1/orders/", body)
    assert answer.status == 201, answer
    return answer.body


def test_opening_when_cookie_and_exact_origin_then_accepted_else_refused(world):
    client = world.client_of(world.logins["hedging"][0])
    cookie = world.session_of(client.login)
    here = f"http://127.0.0.1:{world.port}"

    with open_with(world, origin=here, cookie=cookie) as opened:
        opened.send('{"op": "ping"}')
        assert json.loads(opened.recv(timeout=5)) == {"type": "pong"}
    for origin in (
        f"https://127.0.0.1:{world.port}", "http://127.0.0.1", f"http://localhost:{world.port}",
        f"http://127.0.0.1:{world.port + 1}", "http://evil.example", "null", None,
    ):  # fmt: skip
        with pytest.raises(InvalidStatus):
            open_with(world, origin=origin, cookie=cookie)
    for cookie in ("", "x" * 32, "../../etc", "a" * 5000):
        with pytest.raises(InvalidStatus):
            open_with(world, origin=here, cookie=cookie)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM django_session WHERE session_key = %(key)s",
        "UPDATE django_session SET expire_date = now() - interval '1 second' WHERE session_key = %(key)s",
        "UPDATE auth_user SET password = 'changed' WHERE username = %(name)s",
        "UPDATE auth_user SET is_active = false WHERE username = %(name)s",
    ],
)
def test_session_when_it_ends_then_the_open_socket_is_closed(world, change):
    client = world.client()
    cookie = world.session_of(client.login)

    with open_with(world, origin=f"http://127.0.0.1:{world.port}", cookie=cookie) as opened:
        time.sleep(4)  # it is judged again meanwhile, and stays
        opened.send('{"op": "ping"}')
        assert json.loads(opened.recv(timeout=5)) == {"type": "pong"}
        query = change.replace("%(key)s", "%s").replace("%(name)s", "%s")
        world.rows(query, cookie if "%(key)s" in change else f"client{client.login}")
        with pytest.raises(ConnectionClosed) as closed:
            opened.recv(timeout=10)
    assert closed.value.rcvd.code == 4003


def test_ticket_when_used_twice_or_wrong_then_refused(world):
    client = world.client_of(world.logins["hedging"][0])
    ticket = client.post("/api/v1/ws-ticket/").body["ticket"]

    open_with(world, origin=None, path=f"/ws/?ticket={ticket}").close()

    fresh = client.post("/api/v1/ws-ticket/").body["ticket"]
    for path in (
        f"/ws/?ticket={ticket}",
        "/ws/?ticket=",
        "/ws/?ticket=%00",
        "/ws/",
        f"/nowhere/?ticket={fresh}",
    ):
        with pytest.raises(InvalidStatus):
            open_with(world, origin=None, path=path)


def test_quotes_when_subscribed_then_the_last_ones_at_once_and_changes_coalesced(world):
    client = world.client_of(world.logins["hedging"][0])
    world.tick("EURUSD", "1.10000", "1.10010")
    time.sleep(0.5)

    with Socket(client) as opened:
        opened.send(op="subscribe", channel="quotes", symbols=["EURUSD", "NOSUCH"])
        first = opened.next("quotes")
        assert first["quotes"]["EURUSD"][:2] == ["1.10000", "1.10010"]
        unknown = opened.next("error")
        assert (unknown["code"], unknown["message"]) == ("symbol_not_found", "there is no symbol 'NOSUCH'")
        world.tick("BTCUSDT", "43000.00", "43000.00")
        world.tick("EURUSD", "1.10050", "1.10060")
        changed = opened.next("quotes")
        assert list(changed["quotes"]) == ["EURUSD"]
        assert changed["quotes"]["EURUSD"][0] == "1.10050"
        opened.send(op="unsubscribe", channel="quotes", symbols="*")
        time.sleep(0.3)
        world.tick("EURUSD", "1.10070", "1.10080")
        assert opened.drain(0.8) == []


def test_quotes_when_many_ticks_come_then_at_most_five_frames_a_second(world):
    client = world.client_of(world.logins["hedging"][0])

    with Socket(client) as opened, world.redis() as redis:
        opened.send(op="subscribe", channel="quotes", symbols="*")
        opened.next("quotes")
        for number in range(60):
            stamp = int(time.time() * 1000)
            redis.xadd("ticks", {"d": f"EURUSD,1.2{number:04d},1.2{number:04d},{stamp}"})
            time.sleep(0.02)
        frames = [frame for frame in opened.drain(1.0) if frame["type"] == "quotes"]

    assert 3 <= len(frames) <= 12
    assert frames[-1]["quotes"]["EURUSD"][0] == "1.20059"
    world.tick("EURUSD", "1.10000", "1.10010")


def test_quotes_when_the_accounts_group_has_a_spread_then_widened(world):
    client = world.client("wide")
    world.tick("BTCUSDT", "43000.00", "43000.00")
    opened, _ = account_socket(client)
    with opened:
        opened.send(op="subscribe", channel="quotes", symbols=["BTCUSDT"])
        assert opened.next("quotes")["quotes"]["BTCUSDT"][:2] == ["42999.98", "43000.03"]

    (symbol,) = [s for s in client.get("/api/v1/symbols/").body["results"] if s["symbol"] == "BTCUSDT"]
    assert (symbol["quote"]["bid"], symbol["quote"]["ask"]) == ("42999.98", "43000.03")


def test_account_when_things_happen_then_snapshot_and_events_make_the_fresh_state(world):
    client = world.client()
    world.usual_market()
    opened, first = account_socket(client)
    with opened:
        kept = buy(client, "0.5", sl="40000")
        gone = buy(client, "0.2")
        pending = buy(client, "0.1", type="buy_limit", price="42000", expires="day")
        dropped = buy(client, "0.1", type="sell_stop", price="41000")
        client.patch(f"/api/v1/orders/{pending['ticket']}/", {"price": "42100"})
        client.delete(f"/api/v1/orders/{dropped['ticket']}/")
        client.post(f"/api/v1/positions/{kept['position']}/close/", {"volume": "0.2"})
        client.post(f"/api/v1/positions/{gone['position']}/close/")
        plan = client.post(
            "/api/v1/smart-orders/",
            {
                "account": client.login, "symbol": "BTCUSDT", "side": "buy", "volume": "0.4",
                "entry": {"type": "market"}, "stop_loss": "40000", "break_even": True,
                "take_profits": [{"price": "44000", "percent": "50"}, {"price": "45000", "percent": "50"}],
            },
        )  # fmt: skip
        assert plan.status == 201, plan
        world.tick("BTCUSDT", "44000.00", "44000.00")
        fresh = client.get(f"/api/v1/accounts/{client.login}/").body["snapshot"]
        opened.next(lambda frame: frame["type"] == "event" and frame["seq"] == fresh["seq"])
        events = [frame for frame in opened.frames if frame["type"] == "event"]

    assert {event["kind"] for event in events} >= {"order", "position", "deal", "account", "ledger", "smart"}
    assert without_live(applied(first["data"], events)) == without_live(fresh)
    assert fresh["smart_orders"][0]["break_even_triggered"] is True
    world.usual_market()


def test_account_when_prices_move_then_live_values_are_the_engines(world):
    client = world.client()
    world.tick("BTCUSDT", "43000.00", "43000.00")
    opened, _ = account_socket(client)
    with opened:
        position = buy(client, "1")["position"]
        world.tick("BTCUSDT", "43100.00", "43101.00")
        live = opened.next(
            lambda frame: (
                frame["type"] == "live"
                and frame["data"]["positions"].get(str(position), {}).get("price") == "43100.00"
            )
        )

    assert live["data"]["positions"][str(position)]["profit"] == "100.00"
    assert live["data"]["equity"] == "100100.00"
    assert live["data"]["floating"] == "100.00"
    shown = client.get(f"/api/v1/accounts/{client.login}/").body
    assert (shown["equity"], shown["margin"]) == ("100100.00", live["data"]["margin"])
    world.usual_market()


def test_account_of_another_when_subscribed_then_looks_absent(world):
    client, other = world.client_of(world.logins["hedging"][0]), world.logins["hedging"][1]

    with Socket(client) as opened:
        for wanted in (other, 999_999_999, 0, -1, "abc", None, 2**70, [1], True):
            opened.send(op="subscribe", channel="account", account=wanted)
            answer = opened.next("error")
            assert (answer["code"], answer["message"]) == ("not_found", "There is no such account.")


@pytest.mark.parametrize("change", ["enabled = false", "user_id = NULL"])
def test_account_when_rights_are_lost_then_the_open_socket_is_cut_off(world, change):
    client = world.client()
    opened, _ = account_socket(client)
    with opened:
        world.rows(f"UPDATE accounts_account SET {change} WHERE login = %s", client.login)
        lost = opened.next("error", limit_s=8)
        assert (lost["code"], lost["account"]) == ("not_found", client.login)
        with world.redis() as redis:
            redis.publish("td:events", json.dumps(
                {"login": client.login, "seq": 10**6, "kind": "order", "time_ms": 1, "data": {}}
            ))  # fmt: skip
        assert opened.drain(0.7) == []
        opened.send(op="subscribe", channel="account", account=client.login)
        assert (
            opened.next(lambda frame: True)["code"] == "not_found"
        )  # the first answer, no snapshot before it


def test_client_when_it_comes_back_then_it_gets_the_events_it_missed(world):
    client = world.client()
    opened, first = account_socket(client)
    opened.connection.close()
    buy(client)

    with Socket(client) as again:
        again.send(op="subscribe", channel="account", account=client.login, after=first["seq"])
        fresh = client.get(f"/api/v1/accounts/{client.login}/").body["snapshot"]
        again.next(lambda frame: frame["type"] == "event" and frame["seq"] == fresh["seq"])
        assert "snapshot" not in {frame["type"] for frame in again.frames}
        events = [frame for frame in again.frames if frame["type"] == "event"]
        assert without_live(applied(first["data"], events)) == without_live(fresh)

    with Socket(client) as lost:
        lost.send(op="subscribe", channel="account", account=client.login, after=10**9)
        assert lost.next("snapshot")["seq"] == fresh["seq"]


def test_events_when_one_is_lost_or_the_subscription_breaks_then_a_snapshot_follows(world):
    client = world.client()
    opened, first = account_socket(client)
    with opened, world.redis() as redis:
        redis.publish("td:events", json.dumps(
            {"login": client.login, "seq": first["seq"] + 5, "kind": "order", "time_ms": 1, "data": {}}
        ))  # fmt: skip
        assert opened.next("snapshot")["seq"] == first["seq"]

        redis.client_kill_filter(_type="pubsub")
        opened.next("snapshot")
        buy(client)
        opened.next(lambda frame: frame["type"] == "event" and frame["kind"] == "position")


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "[]", "null", "5", '"ping"', "{}", '{"op": null}', '{"op": "subscribe"}', '{"op": ["ping"]}',
        '{"op": "subscribe", "channel": "quotes"}', '{"op": "subscribe", "channel": "quotes", "symbols": 5}',
        '{"op": "subscribe", "channel": "quotes", "symbols": [1]}', '{"op": {"a": 1}, "channel": []}',
        '{"op": "subscribe", "channel": "account"}', '{"op": "subscribe", "channel": "account", "account": NaN}',
        '{"op": "subscribe", "channel": "account", "account": "\\u0000"}', "[" * 5000,
        '{"op": "subscribe", "channel": "quotes", "symbols": ["' + "x" * 100 + '"]}',
    ],
)  # fmt: skip
def test_message_when_malformed_then_an_error_and_the_socket_goes_on(world, message):
    with Socket(world.client_of(world.logins["hedging"][0])) as opened:
        opened.connection.send(message)
        if message:  # daphne swallows an empty one
            assert opened.next("error")["code"] in ("invalid_request", "not_found")
        opened.send(op="ping")
        assert opened.next("pong") == {"type": "pong"}


def test_message_when_larger_than_16_kib_or_binary_then_closed(world):
    for message in ("x" * 20_000, b"\x00\x01"):
        with Socket(world.client_of(world.logins["hedging"][0])) as opened:
            opened.connection.send(message)
            with pytest.raises(ConnectionClosed):
                opened.connection.recv(timeout=5)


def test_messages_when_too_many_then_closed_and_others_go_on(world):
    client = world.client_of(world.logins["hedging"][0])
    with Socket(client) as flood, Socket(client) as calm:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(500):
                flood.send(op="ping")
            flood.drain(5)
        assert closed.value.rcvd.code == 4029
        calm.send(op="ping")
        assert calm.next("pong")


def test_sockets_when_more_than_twenty_of_one_user_then_refused(world):
    client = world.client_of(world.logins["hedging"][2])
    opened = [Socket(client) for _ in range(20)]
    try:
        with Socket(client) as surplus, pytest.raises(ConnectionClosed) as closed:
            surplus.connection.recv(timeout=5)
        assert closed.value.rcvd.code == 4029
    finally:
        for one in opened:
            one.connection.close()


def memory_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def silent_reader(client) -> socket.socket:
    """Return a socket that subscribed to everything and reads nothing any more."""
    ticket = client.post("/api/v1/ws-ticket/").body["ticket"]
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", client.world.port))
    opened = connect(
        f"ws://127.0.0.1:{client.world.port}/ws/?ticket={ticket}", sock=raw, compression=None, proxy=None,
        max_queue=1, ping_interval=None,
    )  # fmt: skip
    opened.send('{"op": "subscribe", "channel": "quotes", "symbols": "*"}')
    opened.recv(timeout=5)
    SILENT.append(opened)
    return raw


SILENT: list[object] = []


def test_readers_when_they_do_not_read_then_closed_in_time_and_cost_the_others_nothing(world):
    clients = [world.client_of(login) for login in world.logins["hedging"][:5]]
    pid = world.pid("daphne")
    for number in range(50):
        silent_reader(clients[number % 5])
    before = memory_kib(pid)
    reader = Socket(world.client_of(world.logins["netting"][0]))
    names = [f"TEST{number:03d}" for number in range(400)]
    gaps, closed_after_s = [], None
    with reader, world.redis() as redis:
        reader.send(op="subscribe", channel="quotes", symbols="*")
        reader.next("quotes")
        at_start = connections(world)
        start = last = time.monotonic()
        while time.monotonic() - start < 15:
            stamp = int(time.time() * 1000)
            redis.publish("td:quotes", json.dumps({name: ["1.00000", "1.00001", stamp] for name in names}))
            reader.next("quotes", limit_s=5)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
            time.sleep(0.15)
            if connections(world) <= at_start - 50:
                closed_after_s = time.monotonic() - start
                break
    grown = memory_kib(pid) - before
    for opened in SILENT:
        opened.socket.close()
    SILENT.clear()

    assert closed_after_s is not None, f"{connections(world)} of {at_start} still open after 15 s"
    assert grown <= 64 * 1024
    assert sorted(gaps)[int(len(gaps) * 0.99)] < 2.0


def connections(world) -> int:
    """Return how many connections daphne holds, as the kernel sees them."""
    port = f"{world.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return sum(row[1].endswith(f":{port}") and row[3] == "01" for row in rows)
