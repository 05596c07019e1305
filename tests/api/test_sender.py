"""One socket's sending side, with a hub without Redis and a transport that counts."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from credentials.identity import Identity
from live.quotes import Spread
from realtime import sender as sender_module
from realtime.consumer import ClientConsumer
from realtime.hub import Hub
from realtime.rights import Standing
from realtime.sender import CALM_BYTES, MAX_QUEUE_BYTES, AccountFeed, SocketSender, widened

pytestmark = pytest.mark.asyncio


class Transport:
    """The two numbers that daphne's transport keeps of what has not left."""

    def __init__(self) -> None:
        self.dataBuffer = b""
        self.offset = 0
        self._tempDataLen = 0


class Rig:
    """A sender, what it sent, and what it asked for."""

    def __init__(self) -> None:
        self.hub = Hub("redis://127.0.0.1:1/0")  # never spoken to
        self.sent: list[dict[str, Any]] = []
        self.closed: list[int] = []
        self.snapshots: list[int] = []
        self.transport = Transport()
        self.sender = SocketSender(
            self.hub,
            user_id=1,
            session_key="",
            send=self._send,
            close=self._close,
            snapshot=self.snapshots.append,
            judged=lambda standing, spreads: None,
            transport=self.transport,
        )

    async def _send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def _close(self, code: int) -> None:
        self.closed.append(code)

    def quotes(self, **quotes: list[Any]) -> None:
        self.hub._take_quotes(quotes)
        self.sender.quotes_changed(set(quotes))

    async def pulse(self) -> list[dict[str, Any]]:
        self.sent.clear()
        self.sender.pulse()
        await asyncio.sleep(0.01)
        return list(self.sent)


@pytest_asyncio.fixture
async def rig():
    rig = Rig()
    yield rig
    await rig.sender.end()


def event(seq: int, kind: str = "order") -> dict[str, Any]:
    return {
        "login": 7,
        "seq": seq,
        "kind": kind,
        "time_ms": 5,
        "data": {"order": {"ticket": seq, "login": 7}},
    }


async def test_quotes_when_several_come_before_a_pulse_then_one_frame_with_the_newest(rig):
    rig.sender.show_quotes(None)
    rig.quotes(EURUSD=["1.1", "1.2", 1])
    rig.quotes(EURUSD=["1.3", "1.4", 2], USDJPY=["100", "101", 2])

    frames = await rig.pulse()

    assert frames == [
        {"type": "quotes", "quotes": {"EURUSD": ["1.3", "1.4", 2], "USDJPY": ["100", "101", 2]}}
    ]
    assert await rig.pulse() == []


async def test_quotes_when_symbols_are_named_then_no_others_come(rig):
    rig.sender.show_quotes({"EURUSD"})
    rig.quotes(EURUSD=["1.1", "1.2", 1], USDJPY=["100", "101", 1])

    assert list((await rig.pulse())[0]["quotes"]) == ["EURUSD"]

    rig.sender.hide_quotes({"EURUSD"})
    rig.quotes(EURUSD=["1.2", "1.3", 2])
    assert await rig.pulse() == []


async def test_quotes_when_the_group_has_a_spread_then_widened_with_the_same_digits(rig):
    rig.sender.show_quotes(None)
    rig.sender.set_spreads("5", {"BTCUSDT": Spread(5, 2, True)})
    rig.quotes(BTCUSDT=["43000.00", "43000.00", 1])

    assert (await rig.pulse())[0]["quotes"] == {"BTCUSDT": ["42999.98", "43000.03", 1]}
    assert widened(["1.10", "1.20", 1], None) == ["1.10", "1.20", 1]
    # Half of the spread would lead below zero: the bid stays at one point, and the ask above it (rule 2.3).
    assert widened(["0.02", "0.03", 1], Spread(9, 2, True)) == ["0.01", "0.08", 1]
    assert widened(["-0.02", "-0.01", 1], Spread(9, 2, False)) == ["-0.06", "0.04", 1]


async def test_quotes_when_the_spread_is_wider_than_the_price_then_they_stay_positive_where_prices_do():
    assert widened(["0.002", "0.002", 1], Spread(9, 3, True)) == ["0.001", "0.007", 1]
    assert widened(["0.002", "0.002", 1], Spread(9, 3, False)) == ["-0.002", "0.007", 1]


async def test_quotes_when_the_last_send_is_unfinished_then_skipped_and_sent_newest_later(rig):
    rig.sender.show_quotes(None)
    rig.quotes(EURUSD=["1.1", "1.2", 1])
    rig.transport._tempDataLen = CALM_BYTES + 1

    assert await rig.pulse() == []

    rig.quotes(EURUSD=["1.5", "1.6", 2])
    rig.transport._tempDataLen = 0
    assert (await rig.pulse())[0]["quotes"] == {"EURUSD": ["1.5", "1.6", 2]}


async def test_reader_when_stuck_too_long_then_closed_with_4008(rig, monkeypatch):
    monkeypatch.setattr(sender_module, "STUCK_S", 0.0)
    rig.transport.dataBuffer = b"x" * (CALM_BYTES + 1)

    await rig.pulse()
    await rig.pulse()

    assert rig.closed == [4008]


async def test_reader_when_too_much_waits_then_closed_with_4008(rig):
    rig.transport._tempDataLen = 10**9
    for _ in range(20):
        rig.sender.push("x" * (MAX_QUEUE_BYTES // 10))
    await asyncio.sleep(0.01)

    assert rig.closed == [4008]
    assert rig.sent == []


async def test_events_when_before_the_snapshot_then_after_it_and_once(rig):
    rig.sender.feeds[7] = AccountFeed(7)
    for seq in (4, 5, 6):
        rig.sender.event_came(7, event(seq))

    rig.sender.snapshot_came(7, json.dumps({"type": "snapshot", "seq": 5}), 5)
    rig.sender.event_came(7, event(7))
    rig.sender.event_came(7, event(7))
    await asyncio.sleep(0.01)

    assert [(frame["type"], frame["seq"]) for frame in rig.sent] == [
        ("snapshot", 5),
        ("event", 6),
        ("event", 7),
    ]
    assert rig.snapshots == []


async def test_events_when_one_is_missing_then_a_snapshot_is_asked_for(rig):
    rig.sender.feeds[7] = AccountFeed(7)
    rig.sender.snapshot_came(7, None, 5)

    rig.sender.event_came(7, event(7))
    rig.sender.event_came(7, event(8))
    rig.sender.snapshot_came(7, json.dumps({"type": "snapshot", "seq": 7}), 7)
    await asyncio.sleep(0.01)

    assert rig.snapshots == [7]
    assert [(frame["type"], frame["seq"]) for frame in rig.sent] == [("snapshot", 7), ("event", 8)]


async def test_events_when_the_subscription_broke_then_every_account_starts_again(rig):
    rig.sender.feeds[7] = AccountFeed(7)
    rig.sender.snapshot_came(7, None, 5)

    rig.sender.subscription_broke()

    assert rig.snapshots == [7]


async def test_events_of_another_account_when_they_come_then_not_sent(rig):
    rig.sender.feeds[7] = AccountFeed(7)
    rig.sender.snapshot_came(7, None, 5)

    rig.sender.event_came(8, event(6))
    rig.sender.live_changed(8, {"equity": "1"})

    assert await rig.pulse() == []


async def test_account_when_subscribed_while_the_rows_were_read_then_it_is_not_cut_off(rig):
    consumer = ClientConsumer()
    consumer.sender, consumer.groups_of = rig.sender, {}
    consumer.identity = Identity(SimpleNamespace(pk=1))
    rig.sender.feeds[7], rig.sender.feeds[8] = AccountFeed(7), AccountFeed(8)
    standing = Standing(
        users=frozenset({1}), sessions=frozenset(), logins=frozenset({7}), owners={7: 2}, groups={7: "retail"}
    )

    consumer._judged(standing, {})

    assert list(rig.sender.feeds) == [8]


async def test_live_values_when_several_come_then_the_newest_goes(rig):
    rig.sender.feeds[7] = AccountFeed(7)
    for equity in ("1", "2"):
        account = {"login": 7, "currency": "USD", "equity": equity}
        position = {
            "ticket": 9,
            "profit": equity,
            "price": "1.1",
            "sl": None,
            "next_swap": "-0.10",
            "symbol": "EURUSD",
        }
        rig.sender.live_changed(
            7, {"account": account, "positions": {"9": position}, "smart": {}, "time_ms": 5}
        )

    shown = {"profit": "2", "price": "1.1", "sl": None, "next_swap": "-0.10"}
    data = {"equity": "2", "time_ms": 5, "positions": {"9": shown}, "smart": {}}
    assert await rig.pulse() == [{"type": "live", "account": 7, "data": data}]
