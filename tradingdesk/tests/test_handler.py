"""A request is answered in one thread, with Django's signals around it."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.signals import request_finished, request_started

from tradingdesk.handler import OneThreadHandler


def ask(handler: OneThreadHandler, path: str, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the handler sends to a GET of this path."""
    coming = iter(messages or ({"type": "http.request", "body": b""},))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")],
    }  # fmt: skip
    # In a thread of its own: a browser driven by other tests leaves a running loop in this one.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(lambda: asyncio.run(handler(scope, receive, send))).result(timeout=30)
    return sent


def test_request_when_answered_then_chain_and_signals_are_of_one_thread() -> None:
    seen: list[tuple[str, int]] = []

    def started(**_: Any) -> None:
        seen.append(("started", threading.get_ident()))

    def finished(**_: Any) -> None:
        seen.append(("finished", threading.get_ident()))

    request_started.connect(started)
    request_finished.connect(finished)
    try:
        sent = ask(OneThreadHandler(), "/api/v1/nowhere/")
    finally:
        request_started.disconnect(started)
        request_finished.disconnect(finished)

    assert sent[0]["status"] == 404
    assert json.loads(sent[1]["body"])["code"] == "not_found"
    assert [what for what, _ in seen] == ["started", "finished"]
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def test_request_when_the_caller_goes_before_it_is_whole_then_nothing_is_sent() -> None:
    assert ask(OneThreadHandler(), "/api/v1/nowhere/", {"type": "http.disconnect"}) == []
