"""Sockets that ask without end: each kind of flood meets a limit that says what it is, and nobody else notices."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.api.sockets import Socket
from tests.api.world import Client, World

pytestmark = pytest.mark.stack
SHARE = 60  # units a second, three times that at once


@pytest.fixture(scope="module")
def strict(world: World) -> Iterator[World]:
    """Return the same world behind a daphne of its own, with a user's share of cost as small as that."""
    with world.beside(LIMIT_COST_USER=str(SHARE)) as other:
        yield other


def answers(opened: Socket, for_s: float = 1.0) -> list[dict[str, Any]]:
    """Return the answers of the next moment but for prices and live values."""
    return [frame for frame in opened.drain(for_s) if frame["type"] not in ("quotes", "live")]


def test_snapshots_when_asked_for_without_end_then_paid_from_the_users_share_and_the_socket_goes_on(
    strict: World,
) -> None:
    client = strict.client()
    with Socket(client) as opened:
        for _ in range(50):
            opened.send(op="subscribe", channel="account", account=client.login)
            time.sleep(0.06)  # one that is no longer wanted when it is made is not sent
            opened.send(op="unsubscribe", channel="account", account=client.login)
        got = answers(opened)
        refused = [frame for frame in got if frame["type"] == "error"]
        snapshots = [frame for frame in got if frame["type"] == "snapshot"]

        assert {frame["code"] for frame in refused} == {"too_many_requests"}
        assert "is possible in" in refused[0]["message"]
        # 18 at once, 6 a second for as long as it took; those that were still wanted
        assert 1 <= len(snapshots) <= 44
        assert len(refused) + len(snapshots) <= 50
        assert len(refused) >= 6
        # The share is the one of REST.
        with strict.redis() as redis:
            assert len(redis.keys("td:limit:cost-user:*")) >= 1
            (user,) = strict.rows("SELECT user_id FROM accounts_account WHERE login = %s", client.login)[0]
            assert redis.hget(f"td:limit:cost-user:{user}", "level") is not None
        time.sleep(1.5)
        opened.send(op="subscribe", channel="account", account=client.login)
        assert opened.next("snapshot")["account"] == client.login


def test_snapshot_when_asked_for_while_it_comes_then_it_comes_once(strict: World) -> None:
    client = strict.client()
    with Socket(client) as opened:
        text = json.dumps({"op": "subscribe", "channel": "account", "account": client.login})
        for _ in range(10):
            opened.connection.send(text)
        got = answers(opened)

    assert 1 <= len([frame for frame in got if frame["type"] == "snapshot"]) < 10


def test_symbols_when_ten_thousand_are_named_then_refused_beyond_the_limit_and_few_words_are_made_of_it(
    strict: World,
) -> None:
    client = strict.client()
    with Socket(client) as opened:
        for number in range(25):
            names = [f"S{number:02d}X{one:03d}" for one in range(400)]
            opened.send(op="subscribe", channel="quotes", symbols=names)
            time.sleep(0.06)
        got = answers(opened, 2)
        told = [frame["code"] for frame in got if frame["type"] == "error"]

        assert told.count("symbol_not_found") == 11  # the first 400: ten by name, the others by their number
        assert set(told) == {"symbol_not_found", "limit_reached"}
        assert len(told) == 11 + 24
        opened.send(op="ping")
        assert opened.next("pong")


@pytest.mark.parametrize("kind", ["pings", "pieces"])
def test_frames_when_they_are_no_messages_then_too_many_close_the_socket(strict: World, kind: str) -> None:
    client = strict.client_of(strict.logins["hedging"][0])
    with Socket(client, ping_interval=None) as flood, Socket(client) as calm:
        sock = flood.connection.socket
        piece = (
            b"\x89\x80aaaa" if kind == "pings" else b"\x00\x80aaaa"
        )  # a ping; a piece of a message that does not end
        if kind == "pieces":
            sock.sendall(b"\x01\x80aaaa")
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(50):
                sock.sendall(piece * 100)
            flood.drain(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4029
        calm.send(op="ping")
        assert calm.next("pong")


def test_orders_when_sockets_flood_then_placed_in_time(strict: World) -> None:
    attackers = [strict.client() for _ in range(3)]
    trader: Client = strict.client()
    assert trader.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}).status == 201
    over = threading.Event()

    def flood(client: Client) -> None:
        opened = [Socket(client) for _ in range(3)]
        while not over.wait(0.16):
            for one in opened:
                one.send(op="subscribe", channel="quotes", symbols="*")
                one.send(op="subscribe", channel="account", account=client.login)
                one.send(op="unsubscribe", channel="account", account=client.login)
                try:
                    one.drain(0)
                except ConnectionClosed:
                    return
        for one in opened:
            one.connection.close()

    threads = [threading.Thread(target=flood, args=(client,)) for client in attackers]
    for thread in threads:
        thread.start()
    took = []
    for _ in range(20):
        begun = time.monotonic()
        placed = trader.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"})
        took.append(time.monotonic() - begun)
        assert placed.status == 201, placed
        time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join(20)

    assert sorted(took)[-2] < 3
