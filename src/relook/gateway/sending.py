"""A response onto the wire."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Send

from relook.aws.body import OutgoingBody
from relook.aws.http import HttpResponse
from relook.gateway.exchange import ClientDisconnected, Exchange
from relook.gateway.failing import host_id

_BODILESS = frozenset({204, 304})


def with_ids(exchange: Exchange, response: HttpResponse) -> Mapping[str, str]:
    """The response's headers and those that every answer has; a body left unread ends the connection."""
    headers = dict(response.headers)
    if exchange.service is not None and exchange.service.model.metadata["protocol"] == "rest-xml":
        headers |= {"x-amz-request-id": exchange.request_id, "x-amz-id-2": host_id(exchange.request_id)}
    else:
        headers["x-amzn-requestid"] = exchange.request_id
    if exchange.left_unread:
        headers["connection"] = "close"
    return headers


async def send_response(send: Send, response: HttpResponse, headers: Mapping[str, str], *, head: bool) -> int:
    """Send it all; returns the bytes of body sent. ClientDisconnected when the client is gone.

    Whatever a streaming body raises is passed on: the status is out already, only breaking the connection is left.
    """
    out = dict(headers)
    body = response.body
    if response.status not in _BODILESS:
        length = body.content_length if isinstance(body, OutgoingBody) else len(body)
        # The answer to a HEAD may say how long the answer to a GET would be.
        if length is not None:
            out.setdefault("content-length", str(length)) if head else out.update({"content-length": str(length)})
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in out.items()]
    silent = head or response.status in _BODILESS
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        if isinstance(body, OutgoingBody):
            return await _stream(send, body, silent=silent)
        content = b"" if silent else body
        await send({"type": "http.response.body", "body": content})
    except OSError as error:
        raise ClientDisconnected from error
    return len(content)


async def _stream(send: Send, body: OutgoingBody, *, silent: bool) -> int:
    sent = 0
    try:
        if not silent:
            async for piece in body.chunks:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                sent += len(piece)
        await send({"type": "http.response.body", "body": b""})
    finally:
        close = getattr(body.chunks, "aclose", None)
        if close is not None:
            await close()
    return sent
