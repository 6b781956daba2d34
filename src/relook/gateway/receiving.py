"""From an ASGI scope to a request, and where a bucket hides in the Host header."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from starlette.types import Receive, Scope

from relook.aws.http import HttpRequest
from relook.core.clock import Clock
from relook.gateway.exchange import Exchange, Incoming


def opener(clock: Clock, virtual_host: str | None) -> Callable[[Scope, Receive], Exchange]:
    """A function that begins an exchange; `virtual_host` is the name under which bucket.name addresses are taken."""

    def begin(scope: Scope, receive: Receive) -> Exchange:
        sent = request_of(scope)
        host = sent.header("host")
        bucket = _bucket_in(host, virtual_host)
        return Exchange(
            sent=sent,
            request=sent if bucket is None else replace(sent, path=f"/{bucket}{sent.path}"),
            incoming=Incoming(receive),
            request_id=str(uuid.uuid4()),
            now=clock(),
            endpoint=f"{sent.scheme}://{host or _server(scope)}",
            virtual_bucket=bucket,
        )

    return begin


def request_of(scope: Scope) -> HttpRequest:
    """The request line and headers, byte for byte (as Latin-1)."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return HttpRequest(
        method=scope["method"],
        path=raw_path.decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        scheme=scope.get("scheme", "http"),
    )


def _bucket_in(host: str | None, virtual_host: str | None) -> str | None:
    if host is None or virtual_host is None:
        return None
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    suffix = "." + virtual_host.lower()
    bucket = name[: -len(suffix)]
    # A slash would let the Host header choose a key as well.
    return bucket if name.lower().endswith(suffix) and bucket and "/" not in bucket else None


def _server(scope: Scope) -> str:
    host, port = scope.get("server") or ("localhost", None)
    return f"{host}:{port}" if port else str(host)
