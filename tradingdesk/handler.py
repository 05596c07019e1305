"""How an HTTP request is answered: middleware, view and clean-up in one thread, in one go.

Middleware and views of this project are synchronous. Django's ASGI handler would give each middleware that could
be asynchronous a trip of its own between the event loop and the request's thread, some twenty a request, and
start a thread for each request; both cost more than the request itself. Here a request is one trip to one of the
threads of `lanes`; the gate before it sees to it that no lane takes another's. Promises: the event loop, which sockets
share, only carries bytes; signals, clean-up and what a caller sees are Django's; every line that is logged meanwhile
carries the caller's address. A caller who goes away does not stop what they asked for.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from structlog.contextvars import bound_contextvars

from credentials.address import caller_address
from tradingdesk.gate import notice
from tradingdesk.lanes import THREADS


class OneThreadHandler(ASGIHandler):
    """Django's handler with a synchronous chain and threads that stay."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http")

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain for one thread, whatever the caller wants."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            answered = sync_to_async(self._answer, thread_sensitive=False, executor=self._threads)
            response = await answered(scope, body)
            try:
                await self.send_response(response, send)
            finally:
                if not response.closed:
                    closed = sync_to_async(response.close, thread_sensitive=False, executor=self._threads)
                    await closed()

    def _answer(self, scope: Any, body: Any) -> HttpResponseBase:
        """Return the answer; one that is not streamed is closed already, so that its connection is free."""
        with bound_contextvars(address=caller_address(scope)):
            return self._response(scope, body)

    def _response(self, scope: Any, body: Any) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: Any = refusal
        if request is not None:
            response = self.get_response(request)
            response._handler_class = self.__class__
        if "desk.visit" in scope:
            notice(scope["desk.visit"], request, response)
        if not response.streaming:
            response.close()
        return response
