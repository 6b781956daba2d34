"""Counting what is in flight, so that a shutdown can wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from relook.aws.errors import ServiceError
from relook.aws.http import HttpResponse
from relook.gateway.exchange import Exchange


class InFlight:
    """How many requests are being answered. Used on the event loop alone."""

    def __init__(self) -> None:
        self.count = 0
        self.draining = False
        self._idle = asyncio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        self.count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.count -= 1
            if not self.count:
                self._idle.set()

    async def drain(self) -> None:
        """Refuse new requests from now on; returns when those in flight are answered."""
        self.draining = True
        if self.count:
            await self._idle.wait()

    async def refuse(self, exchange: Exchange) -> HttpResponse | None:
        """A step of the chain."""
        if self.draining:
            raise ServiceError(
                "ServiceUnavailable",
                "The server is shutting down: send the request again when it is back.",
                503,
                headers={"connection": "close"},
            )
        return None
