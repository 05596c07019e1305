"""The judge of open sockets: one thing that fails ends nobody's judging, and never the judge."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from realtime import rights_watch as watch_module
from realtime.hub import Hub
from realtime.rights import Standing
from realtime.rights_watch import RightsWatch
from realtime.sender import SocketSender

pytestmark = pytest.mark.asyncio

ERRORS = [ValueError("x"), RuntimeError("no thread"), KeyError("x"), RecursionError(), ArithmeticError()]


def standing(*groups: str) -> Standing:
    """Return what rows say of accounts of these groups."""
    logins = dict(enumerate(groups, 1))
    return Standing(frozenset(), frozenset(), frozenset(logins), {}, logins)


def sender_of(hub: Hub, judged: Any, closed: list[int]) -> SocketSender:
    """Return one socket's sending side."""

    async def send(_text: str) -> None: ...

    async def close(code: int) -> None:
        closed.append(code)

    return SocketSender(
        hub, user_id=1, session_key="", send=send, close=close, snapshot=lambda _: None, judged=judged,
        transport=None,
    )  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_judge_when_a_socket_or_a_group_fails_then_the_others_are_judged(monkeypatch, error) -> None:
    hub, seen, closed = Hub("redis://127.0.0.1:1/0"), [], []

    def failing(_standing: Any, _spreads: Any) -> None:
        raise error

    sockets = [
        sender_of(hub, failing, closed), sender_of(hub, lambda _, spreads: seen.append(spreads), closed),
    ]  # fmt: skip

    def spreads(group: str) -> dict[str, Any]:
        if group == "bad":
            raise error
        return {}

    rights = SimpleNamespace(standing_of=lambda *_: standing("bad", "good"))
    monkeypatch.setattr(watch_module, "rights", rights)
    monkeypatch.setattr(watch_module, "quotes", SimpleNamespace(spreads_of=spreads))
    await RightsWatch()._judge_all(sockets)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert seen == [{"good": ("{}", {})}]
    assert sockets[0].closing and not sockets[1].closing
    for one in sockets:
        await one.end()


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_judge_when_anything_fails_then_they_judge_again(monkeypatch, error) -> None:
    hub, judged = Hub("redis://127.0.0.1:1/0"), asyncio.Event()
    socket = sender_of(hub, lambda *_: judged.set(), [])
    hub.listeners.add(socket)
    answers = iter([error])

    def latest() -> frozenset[int]:
        for one in answers:
            raise one
        return frozenset({1})

    monkeypatch.setattr(watch_module, "LOOK_S", 0)
    monkeypatch.setattr(watch_module, "hub", lambda: hub)
    monkeypatch.setattr(watch_module, "latest_endings", latest)
    monkeypatch.setattr(watch_module, "rights", SimpleNamespace(standing_of=lambda *_: standing()))
    judge = RightsWatch()
    judge.start()

    await asyncio.wait_for(judged.wait(), 10)

    assert judge._task is not None
    judge._task.cancel()
    await socket.end()
