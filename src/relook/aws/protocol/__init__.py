"""The wire protocols json, rest-json, rest-xml and query, on the server's side, driven by service models alone."""

from __future__ import annotations

from relook.aws.protocol.failures import serialise_error
from relook.aws.protocol.parsing import parse, streams
from relook.aws.protocol.routing import route, routes_of, unknown_operation
from relook.aws.protocol.serialising import serialise
from relook.aws.protocol.validation import ValidationError, Violation, message, validate

__all__ = [
    "ValidationError",
    "Violation",
    "message",
    "parse",
    "route",
    "routes_of",
    "serialise",
    "serialise_error",
    "streams",
    "unknown_operation",
    "validate",
]
