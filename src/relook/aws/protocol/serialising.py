"""Members to responses: status, headers and body, as the output shape of the operation says."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel, ServiceModel

from relook.aws.body import OutgoingBody
from relook.aws.errors import ServiceError
from relook.aws.http import HttpResponse
from relook.aws.protocol import eventstream, jsonbody, s3names, scalars, timestamps, xmlbody
from relook.aws.protocol.xmltree import Node, document

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_BODILESS = frozenset({204, 304})


def serialise(operation: OperationModel, members: Mapping[str, Any] | None, request_id: str = "") -> HttpResponse:
    """The response to a request that succeeded. Header names come out in lower case.

    Members that are None are left out; timestamps are aware datetimes; a streaming payload is bytes or an OutgoingBody.
    KeyError names a member that the model does not have, TypeError a value of another type: mistakes of a handler.
    ServiceError InvalidArgument when a header would hold a control character.
    """
    shape = operation.output_shape
    given = {key: value for key, value in (members or {}).items() if value is not None}
    unknown = [key for key in given if shape is None or key not in shape.members]
    if unknown:
        raise KeyError(f"{operation.name} has no output member {', '.join(unknown)}")
    protocol = operation.service_model.metadata["protocol"]
    status = int(operation.http.get("responseCode", 200))
    if protocol == "json":
        body = jsonbody.encode(shape, given) if shape is not None else b""
        return HttpResponse(status, {"content-type": json_type(operation.service_model)}, body)
    if protocol == "query":
        return HttpResponse(status, {"content-type": "text/xml"}, _query_body(operation, shape, given, request_id))
    return _rest(operation, shape, given, status, protocol)


def json_type(model: ServiceModel) -> str:
    version = model.metadata.get("jsonVersion")
    return f"application/x-amz-json-{version or '1.0'}" if model.metadata["protocol"] == "json" else "application/json"


def header_members(shape: Any, members: Mapping[str, Any]) -> dict[str, str]:
    """The headers that the members of a shape make."""
    headers: dict[str, str] = {}
    for key, value in members.items():
        member = shape.members[key]
        location = member.serialization.get("location")
        wire = member.serialization.get("name", key).lower()
        if location == "header":
            headers[wire] = header_text(key, _header_value(member, value))
        elif location == "headers":
            headers.update({wire + name.lower(): header_text(name, str(text)) for name, text in value.items()})
    return headers


def header_text(name: str, text: str) -> str:
    """A header value that is safe to send: RFC 2047 for what is not ASCII, a refusal for control characters."""
    if _CONTROL.search(text):
        raise ServiceError(
            "InvalidArgument", f"The value of {name[:64]} holds a control character, which no header can."
        )
    return text if text.isascii() else f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="


def _header_value(member: Any, value: Any) -> str:
    form = timestamps.HEADER_FORMAT
    if member.type_name != "list":
        return scalars.to_text(member, value, form)
    return ", ".join(_list_element(member.member, item, form) for item in value)


def _list_element(shape: Any, value: Any, form: str) -> str:
    text = scalars.to_text(shape, value, form)
    if shape.type_name == "string" and ("," in text or '"' in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def _rest(
    operation: OperationModel, shape: Any, members: Mapping[str, Any], status: int, protocol: str
) -> HttpResponse:
    if shape is None:
        return HttpResponse(status)
    headers = header_members(shape, members)
    for key, value in members.items():
        if shape.members[key].serialization.get("location") == "statusCode":
            status = int(value)
    if "content-range" in headers:
        status = 206  # RFC 9110, 15.3.7: what a part of a representation is sent with; models do not say it
    payload = shape.serialization.get("payload")
    if operation.http["method"] == "HEAD" or status in _BODILESS:
        return HttpResponse(status, headers)
    if payload is not None:
        return _with_payload(operation, shape.members[payload], members.get(payload), status, headers, protocol)
    body = _json_document(shape, members) if protocol == "rest-json" else _xml_document(operation, shape, members)
    if body:
        headers.setdefault("content-type", "application/json" if protocol == "rest-json" else "application/xml")
    return HttpResponse(status, headers, body)


def _with_payload(
    operation: OperationModel, member: Any, value: Any, status: int, headers: dict[str, str], protocol: str
) -> HttpResponse:
    if member.serialization.get("eventstream"):
        headers["content-type"] = eventstream.CONTENT_TYPE
        return HttpResponse(status, headers, OutgoingBody(None, eventstream.encode(member, value)))
    if value is None:
        return HttpResponse(status, headers)
    if member.type_name in ("blob", "string"):
        headers.setdefault("content-type", "application/octet-stream" if member.type_name == "blob" else "text/plain")
        body: bytes | OutgoingBody = value.encode() if isinstance(value, str) else value
        return HttpResponse(status, headers, body)
    if protocol == "rest-json":
        headers.setdefault("content-type", "application/json")
        return HttpResponse(status, headers, jsonbody.dumps(jsonbody.write(member, value)))
    headers.setdefault("content-type", "application/xml")
    name = member.serialization.get("name", member.name)
    node = xmlbody.write(member, value, name)[0]
    return HttpResponse(status, headers, document(_named(operation.service_model, node)))


def _json_document(shape: Any, members: Mapping[str, Any]) -> bytes:
    located = xmlbody.RESPONSE_LOCATED
    inside = {k: v for k, v in members.items() if shape.members[k].serialization.get("location") not in located}
    return jsonbody.encode(shape, inside)


def _xml_document(operation: OperationModel, shape: Any, members: Mapping[str, Any]) -> bytes:
    located = xmlbody.RESPONSE_LOCATED
    if shape.members and all(each.serialization.get("location") in located for each in shape.members.values()):
        return b""
    if operation.name == s3names.UNWRAPPED and s3names.is_s3(operation.service_model):
        text = members.get("LocationConstraint", "")
        return document(_named(operation.service_model, Node("LocationConstraint", text=text)))
    root = s3names.root(operation) or shape.serialization.get("name", shape.name)
    return document(_named(operation.service_model, xmlbody.write_members(shape, members, root)))


def _named(model: ServiceModel, node: Node) -> Node:
    namespace = namespace_of(model)
    if namespace:
        node.attributes.setdefault("xmlns", namespace)
    return node


def namespace_of(model: ServiceModel) -> str | None:
    found = model.metadata.get("xmlNamespace")
    if found is None and s3names.is_s3(model):
        return s3names.NAMESPACE
    return str(found["uri"] if isinstance(found, Mapping) else found) if found else None


def _query_body(operation: OperationModel, shape: Any, members: Mapping[str, Any], request_id: str) -> bytes:
    root = _named(operation.service_model, Node(f"{operation.name}Response"))
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper")
        node = xmlbody.write_members(shape, members, wrapper or "Result")
        root.children.extend([node] if wrapper else node.children)
    root.children.append(Node("ResponseMetadata", children=[Node("RequestId", text=request_id)]))
    return document(root)
