"""Requests to members: body, labels, query string and headers, as the input shape of the operation says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from botocore.model import OperationModel

from relook.aws.body import IncomingBody
from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest
from relook.aws.protocol import jsonbody, querybody, scalars, timestamps, uri, xmlbody, xmltree
from relook.aws.protocol.problems import Malformed, Where, malformed
from relook.aws.protocol.routing import routes_of

_JSON_TYPES = frozenset({"application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1"})


def streams(operation: OperationModel) -> bool:
    """Whether the request payload of an operation is a stream, handed on unread."""
    return bool(operation.has_streaming_input)


def parse(operation: OperationModel, request: HttpRequest, body: bytes | IncomingBody) -> dict[str, Any]:
    """The members of a request under their model names, absent ones left out.

    strings, ints, floats, bools; bytes for blobs, aware datetimes for timestamps; the payload of a streaming operation
    is `body` as given. ServiceError when the request cannot be read: SerializationException, MalformedXML and the like,
    UnsupportedMediaTypeException for JSON under another content type.
    """
    shape = operation.input_shape
    protocol = operation.service_model.metadata["protocol"]
    try:
        if protocol in ("json", "rest-json"):
            _check_content_type(operation, request, body)
        if shape is None:
            return {}
        if protocol == "json":
            return jsonbody.members(shape, _whole(body))
        if protocol == "query":
            return querybody.members(shape, querybody.form(_whole(body), request.query))
        return _rest(operation, shape, request, body, protocol)
    except Malformed as problem:
        raise malformed(protocol, problem) from problem


def _rest(
    operation: OperationModel, shape: Any, request: HttpRequest, body: bytes | IncomingBody, protocol: str
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    labels = routes_of(operation.service_model).template_of(operation).match(request.path) or {}
    parameters: dict[str, list[str]] = {}
    for name, value in uri.parameters(request.query):
        parameters.setdefault(name, []).append(value)
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location is None:
            continue
        wire = member.serialization.get("name", name)
        try:
            value = _located(location, member, wire, labels, parameters, request)
        except Malformed as problem:
            problem.where = Where.VALUE if problem.where is Where.BODY else problem.where
            raise problem.within(name) from None
        if value is not None:
            found[name] = value
    found.update(_body_members(shape, body, protocol))
    return found


def _located(
    location: str,
    member: Any,
    wire: str,
    labels: Mapping[str, str],
    parameters: Mapping[str, list[str]],
    request: HttpRequest,
) -> Any:
    if location == "uri":
        raw = labels.get(wire)
        return None if raw is None else scalars.from_text(member, uri.decode(raw), timestamps.QUERY_STRING_FORMAT)
    if location == "querystring":
        if member.type_name == "map":
            return _query_map(member, parameters)
        return _query_value(member, parameters.get(wire))
    if location == "header":
        return _header(member, [value for key, value in request.headers if key == wire.lower()])
    if location == "headers":
        return _header_map(wire.lower(), request)
    return None


def _query_value(member: Any, values: list[str] | None) -> Any:
    if values is None:
        return None
    form = timestamps.QUERY_STRING_FORMAT
    if member.type_name == "list":
        return [scalars.from_text(member.member, value, form) for value in values]
    if len(values) > 1:
        raise Malformed("the query parameter is there more than once", Where.VALUE)
    return scalars.from_text(member, values[0], form)


def _query_map(member: Any, parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """Every parameter of the query string, those that other members take included."""
    if member.value.type_name == "list":
        return {name: _query_value(member.value, values) for name, values in parameters.items()}
    return {name: _query_value(member.value, values[:1]) for name, values in parameters.items()}


def _header(member: Any, values: list[str]) -> Any:
    if not values:
        return None
    form = timestamps.HEADER_FORMAT
    texts = [_header_text(value) for value in values]
    if member.type_name == "list":
        if not any(texts):
            return None
        pieces = _pieces(", ".join(texts), member.member, form)
        return [scalars.from_text(member.member, piece, form) for piece in pieces]
    return scalars.from_text(member, ", ".join(texts), form)


def _header_text(value: str) -> str:
    # Header bytes arrive read as Latin-1; clients that send more than ASCII mean UTF-8.
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _pieces(text: str, shape: Any, form: str) -> list[str]:
    """The elements of a list in a header: commas part them, except inside quotes and inside an HTTP date."""
    pieces: list[str] = []
    current, quoted, escaped = "", False, False
    for character in text:
        if escaped or (quoted and character not in '"\\'):
            current, escaped = current + character, False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == ",":
            pieces.append(current.strip())
            current = ""
        else:
            current += character
    if quoted:
        raise Malformed("the header list has a quote that does not close", Where.VALUE)
    pieces.append(current.strip())
    http_dates = shape.type_name == "timestamp" and shape.serialization.get("timestampFormat", form) == form
    if http_dates:
        pieces = [", ".join(pair) for pair in zip(pieces[0::2], pieces[1::2], strict=False)]
    return pieces


def _header_map(prefix: str, request: HttpRequest) -> dict[str, str] | None:
    found = {
        key[len(prefix) :]: _header_text(value)
        for key, value in reversed(request.headers)
        if key.startswith(prefix) and key != prefix
    }
    return dict(reversed(found.items())) or None


def _body_members(shape: Any, body: bytes | IncomingBody, protocol: str) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if payload is None:
        return _document_members(shape, _whole(body), protocol)
    member = shape.members[payload]
    if member.type_name in ("blob", "string"):
        return _raw_payload(payload, member, body)
    data = _whole(body)
    if not data:
        return {}
    if protocol == "rest-json":
        value = jsonbody.read(member, jsonbody.decode(data))
    else:
        value = xmlbody.read(member, xmltree.parse(data))
    return {} if value is None else {payload: value}


def _document_members(shape: Any, data: bytes, protocol: str) -> dict[str, Any]:
    in_body = [name for name, member in shape.members.items() if not member.serialization.get("location")]
    if not data or not in_body:
        return {}
    if protocol == "rest-xml":
        return xmlbody.read_members(shape, xmltree.parse(data))
    found = jsonbody.members(shape, data)
    return {name: found[name] for name in in_body if name in found}


def _raw_payload(payload: str, member: Any, body: bytes | IncomingBody) -> dict[str, Any]:
    if member.serialization.get("streaming") or not isinstance(body, bytes):
        return {payload: body}
    if not body:
        return {}
    if member.type_name == "blob":
        return {payload: body}
    try:
        return {payload: body.decode()}
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from error


def _check_content_type(operation: OperationModel, request: HttpRequest, body: bytes | IncomingBody) -> None:
    if not isinstance(body, bytes) or not body or _has_raw_payload(operation):
        return
    declared = request.header("content-type")
    if declared is None or declared.partition(";")[0].strip().lower() in _JSON_TYPES:
        return
    version = operation.service_model.metadata.get("jsonVersion")
    wanted = f"application/x-amz-json-{version}" if version else "application/json"
    message = f"The Content-Type {quote(declared[:64], safe='/;= ')} is not supported: send the body as {wanted}."
    raise ServiceError("UnsupportedMediaTypeException", message, 415)


def _has_raw_payload(operation: OperationModel) -> bool:
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    return payload is not None and shape.members[payload].type_name in ("blob", "string")


def _whole(body: bytes | IncomingBody) -> bytes:
    if not isinstance(body, bytes):
        raise TypeError("this operation does not stream: its body must be read first")
    return body
