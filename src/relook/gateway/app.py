"""The ASGI application: every request runs through one ordered chain of small steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from anyio import move_on_after
from starlette.types import Receive, Scope, Send

from relook.aws.http import HttpResponse
from relook.aws.operation import Service
from relook.core.clock import Clock, system_clock
from relook.gateway.access_log import CLIENT_GONE, log_access
from relook.gateway.authenticating import Authenticator
from relook.gateway.draining import InFlight
from relook.gateway.exchange import ClientDisconnected, Exchange, Step
from relook.gateway.failing import failure
from relook.gateway.health import health
from relook.gateway.locating import Locator
from relook.gateway.operating import Operator
from relook.gateway.receiving import opener
from relook.gateway.sending import send_response, with_ids
from relook.iam.authorizer import Authorizer
from relook.iam.keys import AccessKeys

LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 10
"""How much of a body that nobody wants is still taken in, so that its sender gets to read the answer."""
BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of body that a service takes where nothing else is said. S3 streams, and is not bound by it."""


class Gateway:
    """The ASGI callable that `build` makes."""

    def __init__(self, begin: Callable[[Scope, Receive], Exchange], steps: Sequence[Step], in_flight: InFlight) -> None:
        self._begin = begin
        self._steps = tuple(steps)
        self._in_flight = in_flight

    async def drain(self) -> None:
        """Answer 503 to new requests from now on; returns once those in flight are answered. Idempotent."""
        await self._in_flight.drain()

    @property
    def in_flight(self) -> int:
        """Requests being answered at this moment."""
        return self._in_flight.count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        else:
            with self._in_flight.one():
                await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        exchange = self._begin(scope, receive)
        status, bytes_out = CLIENT_GONE, 0
        try:
            response = await self._answer(exchange)
            if exchange.left_unread and exchange.sent.header("expect") is None:
                with move_on_after(LINGER_SECONDS):
                    await exchange.incoming.discard(LINGER_BYTES)
            status = response.status
            head = exchange.sent.method == "HEAD"
            bytes_out = await send_response(send, response, with_ids(exchange, response), head=head)
        except ClientDisconnected:
            status, exchange.error_code = CLIENT_GONE, "ClientDisconnected"
        finally:
            log_access(exchange, status, bytes_out, time.perf_counter() - started)

    async def _answer(self, exchange: Exchange) -> HttpResponse:
        try:
            for step in self._steps:
                response = await step(exchange)
                if response is not None:
                    return response
            raise RuntimeError("no step of the chain answered")
        except ClientDisconnected:
            raise
        except Exception as error:
            return failure(exchange, error)


def build(
    services: Sequence[Service],
    keys: AccessKeys,
    authorizer: Authorizer,
    *,
    clock: Clock = system_clock,
    ready: Callable[[], bool] = lambda: True,
    virtual_host: str | None = None,
    threads: int = 40,
    body_limit: int = BODY_LIMIT,
    body_limits: Mapping[str, int] | None = None,
) -> Gateway:
    """Wire the chain.

    `virtual_host`: the host name under which S3 takes bucket.name addresses, without a port. `threads`: how many plain
    handlers run at once. `body_limit`, `body_limits`: bytes of body for every service but S3, and by signing name.
    """
    in_flight = InFlight()
    steps: list[Step] = [
        health(lambda: ready() and not in_flight.draining),
        Locator(services),
        in_flight.refuse,
        Authenticator(keys, body_limit, body_limits or {}),
        Operator(authorizer, threads, body_limit),
    ]
    return Gateway(opener(clock, virtual_host), steps, in_flight)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
