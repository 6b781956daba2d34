"""JSON bodies: bytes to typed members, and members to bytes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from relook.aws.protocol import scalars, timestamps
from relook.aws.protocol.problems import MAX_DEPTH, Malformed, check_text

_NAMES = {str: "STRING_VALUE", bool: "BOOLEAN_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}


def decode(body: bytes) -> Any:
    """The JSON value of a body; Malformed for anything RFC 8259 calls an error or leaves to chance."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except Malformed:
        raise
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise Malformed("the JSON is nested too deeply") from error
    except ValueError as error:
        raise Malformed("the body holds a number with too many digits") from error


def members(shape: Any, body: bytes) -> dict[str, Any]:
    """The members of a structure sent as a whole body; an empty body is an empty object."""
    found = read(shape, decode(body)) if body else {}
    return found if found is not None else {}


def read(shape: Any, value: Any, depth: int = 0) -> Any:
    """A decoded JSON value as `shape` says: absent members for nulls, typed scalars, nulls kept in lists and maps."""
    if value is None:
        return None
    if depth > MAX_DEPTH:
        raise Malformed(f"the value is nested deeper than {MAX_DEPTH} levels")
    kind = shape.type_name
    if shape.metadata.get("document"):
        return _document(value)
    if kind == "structure":
        return _structure(shape, _of_type(value, dict), depth)
    if kind == "list":
        return _list(shape, _of_type(value, list), depth)
    if kind == "map":
        return _map(shape, _of_type(value, dict), depth)
    return _scalar(shape, kind, value)


def write(shape: Any, value: Any) -> Any:
    """A value ready for json.dumps, under wire names; members that are None are left out."""
    kind = shape.type_name
    if value is None or shape.metadata.get("document"):
        return value
    if kind == "structure":
        named = shape.members
        return {
            named[key].serialization.get("name", key): write(named[key], item)
            for key, item in value.items()
            if item is not None
        }
    if kind == "list":
        return [write(shape.member, item) for item in value]
    if kind == "map":
        return {key: write(shape.value, item) for key, item in value.items()}
    return _plain(shape, kind, value)


def encode(shape: Any, value: Mapping[str, Any]) -> bytes:
    return dumps(write(shape, value))


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _structure(shape: Any, value: dict[str, Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        item = value.get(wire)
        if item is not None:
            found[name] = _at(wire, member, item, depth)
    return found


def _list(shape: Any, value: list[Any], depth: int) -> list[Any]:
    return [_at(str(index), shape.member, item, depth) for index, item in enumerate(value, 1)]


def _map(shape: Any, value: dict[str, Any], depth: int) -> dict[str, Any]:
    return {check_text(key): _at(key, shape.value, item, depth) for key, item in value.items()}


def _at(segment: str, shape: Any, value: Any, depth: int) -> Any:
    try:
        return read(shape, value, depth + 1)
    except Malformed as problem:
        raise problem.within(segment) from None


def _scalar(shape: Any, kind: str, value: Any) -> Any:
    if kind in ("string", "character"):
        text = check_text(_of_type(value, str))
        return _json_in_string(text) if shape.serialization.get("jsonvalue") else text
    if kind == "boolean":
        return _of_type(value, bool)
    if kind == "blob":
        return scalars.blob(_of_type(value, str))
    if kind == "timestamp":
        return _timestamp(shape, value)
    if kind in scalars.BITS:
        return _integer(kind, value)
    if isinstance(value, str):
        return scalars.special_float(value)
    return _float(value)


def _timestamp(shape: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        _wrong(value, "Timestamp")
    form = shape.serialization.get("timestampFormat", "unixtimestamp")
    if isinstance(value, str) and form.lower() == "unixtimestamp":
        _wrong(value, "Timestamp")
    return timestamps.read(value, form if isinstance(value, str) else "unixtimestamp")


def _integer(kind: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        _wrong(value, kind.capitalize())
    return scalars.integer(value, kind)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong(value, "Float")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Malformed("the number is too large for a floating-point value")
    return number


def _json_in_string(text: str) -> Any:
    return decode(text.encode())


def _document(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise Malformed(f"the value is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        check_text(value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _document(item, depth + 1)
    for key in value if isinstance(value, dict) else ():
        check_text(key)
    return value


def _of_type(value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        _wrong(value, {dict: "Map", list: "List", str: "String", bool: "Boolean"}[wanted])
    return value


def _wrong(value: Any, wanted: str) -> NoReturn:
    if isinstance(value, dict | list):
        start = "list" if isinstance(value, list) else "structure or map"
        raise Malformed(f"Start of {start} found where not expected.")
    raise Malformed(f"{_NAMES[type(value)]} cannot be converted to {wanted}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"the member {twice[:64]!r} is there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON: send it as a string where the model allows it")


def _plain(shape: Any, kind: str, value: Any) -> Any:
    if kind == "timestamp":
        form = shape.serialization.get("timestampFormat", "unixtimestamp")
        return timestamps.epoch_number(value) if form.lower() == "unixtimestamp" else timestamps.write(value, form)
    if kind == "blob":
        return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
    if kind in ("float", "double"):
        return value if math.isfinite(value) else scalars.float_text(value)
    if shape.serialization.get("jsonvalue"):
        return json.dumps(value, separators=(",", ":"))
    return value
