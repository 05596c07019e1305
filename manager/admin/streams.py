"""Answers that are made while they are sent, under daphne as well as in a test's client.

Django gathers a synchronous stream whole before it sends it asynchronously. Here one thread of its own makes the
pieces, one when one is asked for, so that no more than one waits. Promises: whatever happens, the caller who goes
away included, the maker is closed in its own thread, and its database connection given back.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse


class _Once:
    """Calls what it is given, the first time that it is called itself."""

    def __init__(self, what: Callable[[], Any]) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._is_done = False

    def __call__(self) -> None:
        with self._lock:
            if self._is_done:
                return
            self._is_done = True
        self._what()


class _Streamed(StreamingHttpResponse):
    """A stream that ends its maker when it is closed, although nobody may have begun to read it."""

    def __init__(self, pieces: Any, end: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(pieces, **kwargs)
        self._end = end

    def close(self) -> None:
        """Close the answer and end its maker."""
        super().close()
        self._end()


def streamed(
    request: HttpRequest,
    make: Callable[[], Iterator[bytes]],
    *,
    content_type: str,
) -> StreamingHttpResponse:
    """Return an answer of the pieces that `make` gives."""
    if not isinstance(request, ASGIRequest):
        pieces = make()

        return _Streamed(pieces, pieces.close, content_type=content_type)  # type: ignore[attr-defined]

    thread = ThreadPoolExecutor(1, thread_name_prefix="file")
    made: list[Iterator[bytes]] = []

    def piece() -> bytes | None:
        if not made:
            made.append(make())
        return next(made[0], None)

    def finish() -> None:
        try:
            for maker in made:
                maker.close()  # type: ignore[attr-defined]
        finally:
            connection.close()

    def end() -> None:
        thread.submit(finish)
        thread.shutdown(wait=False)

    async def pieces_of() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while (made_piece := await loop.run_in_executor(thread, piece)) is not None:
            yield made_piece

    return _Streamed(pieces_of(), _Once(end), content_type=content_type)
