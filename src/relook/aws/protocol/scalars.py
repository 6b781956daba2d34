"""Scalars as text: in headers, labels, query parameters, XML and forms, all the same but for the timestamp format."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import Any

import pybase64

from relook.aws.protocol import timestamps
from relook.aws.protocol.problems import Malformed, check_text

BITS = {"integer": 31, "long": 63}
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def from_text(shape: Any, text: str, timestamp_format: str) -> Any:
    """The typed value of a scalar shape; Malformed when the text is none of its kind."""
    kind = shape.type_name
    if kind in ("string", "character"):
        return json_value(text) if shape.serialization.get("jsonvalue") else check_text(text)
    if kind == "boolean":
        return _boolean(text)
    if kind in BITS:
        return integer(_number(_INTEGER, text, kind, int), kind)
    if kind in ("float", "double"):
        return special_float(text) if text in _SPECIAL else _finite(_number(_FLOAT, text, kind, float))
    if kind == "timestamp":
        return timestamps.read(text, shape.serialization.get("timestampFormat", timestamp_format))
    if kind == "blob":
        return blob(text)
    raise Malformed(f"a {kind} cannot be sent as text")


def to_text(shape: Any, value: Any, timestamp_format: str) -> str:
    """The wire form of a scalar; TypeError when a handler gave a value of another type."""
    kind = shape.type_name
    if shape.serialization.get("jsonvalue"):
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return timestamps.write(value, shape.serialization.get("timestampFormat", timestamp_format))
    if kind == "blob":
        return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
    if kind in ("float", "double"):
        return float_text(value)
    return str(value)


def integer(value: int, kind: str) -> int:
    """The number itself; Malformed outside 32 bits (integer) or 64 bits (long)."""
    limit = 1 << BITS[kind]
    if not -limit <= value < limit:
        raise Malformed(f"{value} is out of range for a value of type {kind}")
    return value


def special_float(text: str) -> float:
    if text not in _SPECIAL:
        raise Malformed(f"{text[:32]!r} cannot be converted to a number")
    return _SPECIAL[text]


def float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return str(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def blob(text: str) -> bytes:
    try:
        return pybase64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"the value is not base64: {error}") from error


def json_value(text: str) -> Any:
    """A JSON document inside a header, base64 around it."""
    try:
        return json.loads(blob(text))
    except (ValueError, RecursionError) as error:
        raise Malformed("the value is not base64 around a JSON document") from error


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Malformed(f"{text[:32]!r} is not a boolean: true or false")
    return text.lower() == "true"


def _number(pattern: re.Pattern[str], text: str, kind: str, convert: Any) -> Any:
    stripped = text.strip()
    if not pattern.fullmatch(stripped):
        raise Malformed(f"{text[:32]!r} cannot be converted to {kind}")
    return convert(stripped)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Malformed("the number is too large for a floating-point value")
    return value
