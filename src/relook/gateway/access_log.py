"""One log record per request."""

from __future__ import annotations

import logging

from relook.gateway.exchange import Exchange

_LOG = logging.getLogger("relook.access")
CLIENT_GONE = 499
"""Status in the log of a request whose client went away; it never travels."""


def log_access(exchange: Exchange, status: int, bytes_out: int, duration: float) -> None:
    """`duration` in seconds. Fields: request_id, service, operation, principal, status, duration_ms, bytes_in,
    bytes_out, error_code, error_message; None where the request did not get that far."""
    if not _LOG.isEnabledFor(logging.INFO):
        return
    service = exchange.service.name if exchange.service is not None else None
    operation = exchange.operation.name if exchange.operation is not None else None
    milliseconds = round(duration * 1000, 3)
    _LOG.info(
        "%s %s %d %.1f ms", service or "-", operation or exchange.sent.method, status, milliseconds,
        extra={
            "request_id": exchange.request_id,
            "service": service,
            "operation": operation,
            "principal": exchange.key.principal.arn if exchange.key is not None else None,
            "status": status,
            "duration_ms": milliseconds,
            "bytes_in": exchange.incoming.received,
            "bytes_out": bytes_out,
            "error_code": exchange.error_code,
            "error_message": exchange.error_message,
        },
    )  # fmt: skip
