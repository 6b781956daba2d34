"""/healthz says that the process lives, /readyz that it serves."""

from __future__ import annotations

from collections.abc import Callable

from relook.aws.http import HttpResponse
from relook.gateway.exchange import Exchange, Step

_TEXT = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}


def health(ready: Callable[[], bool]) -> Step:
    """Answers unsigned GETs of the two paths alone: a signed one means an object of that name."""

    async def step(exchange: Exchange) -> HttpResponse | None:
        request = exchange.sent
        if request.path not in ("/healthz", "/readyz") or request.method not in ("GET", "HEAD"):
            return None
        if request.header("authorization") is not None or request.query:
            return None
        if request.path == "/healthz":
            return HttpResponse(200, _TEXT, b"live\n")
        return HttpResponse(200, _TEXT, b"ready\n") if ready() else HttpResponse(503, _TEXT, b"not ready\n")

    return step
