"""Errors to responses, worded as each protocol does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from botocore.model import OperationModel, ServiceModel

from relook.aws.errors import ServiceError
from relook.aws.http import HttpResponse
from relook.aws.protocol import jsonbody, s3names, xmlbody
from relook.aws.protocol.serialising import header_members, header_text, json_type, namespace_of
from relook.aws.protocol.xmltree import Node, document

_BODILESS = frozenset({204, 304})


def serialise_error(
    model: ServiceModel,
    operation: OperationModel | None,
    error: ServiceError,
    request_id: str,
    *,
    resource: str = "",
    host_id: str = "",
    head: bool = False,
) -> HttpResponse:
    """The response to a request that failed. The status of a modelled error is the model's.

    `resource` and `host_id` go into S3's body: the path that was asked for, and what x-amz-id-2 says. A HEAD request
    (`head`, or the operation's own method) gets no body.
    """
    shape = _shapes(model).get(error.code)
    modelled = shape.metadata.get("error", {}) if shape is not None else {}
    status = int(modelled.get("httpStatusCode", error.status))
    headers = {name.lower(): header_text(name, value) for name, value in error.headers.items()}
    if shape is not None:
        headers.update(header_members(shape, {k: v for k, v in _known(shape, error).items() if v is not None}))
    code = str(modelled.get("code", error.code))
    if model.metadata["protocol"] in ("json", "rest-json"):
        headers.update({"x-amzn-errortype": header_text("error", error.code), "content-type": json_type(model)})
        body = _json_body(model, shape, error)
    else:
        headers["content-type"] = "application/xml" if model.metadata["protocol"] == "rest-xml" else "text/xml"
        wrapped = not s3names.is_s3(model)
        body = document(_wrapped(model, shape, error, code, request_id) if wrapped
                        else _plain(shape, error, code, resource, request_id, host_id))  # fmt: skip
    if head or status in _BODILESS or (operation is not None and operation.http.get("method") == "HEAD"):
        return HttpResponse(status, headers)
    return HttpResponse(status, headers, body)


def _json_body(model: ServiceModel, shape: Any, error: ServiceError) -> bytes:
    content: dict[str, Any] = {"__type": error.code} if model.metadata["protocol"] == "json" else {}
    content[_message_name(model, shape)] = error.message
    if shape is None and "__type" in content:
        # Clients read an error that the model does not know in either spelling.
        content |= {"message": error.message, "Message": error.message}
    if shape is None:
        content.update(error.members)
    else:
        content.update(jsonbody.write(shape, _in_body(shape, error)))
    return jsonbody.dumps(content)


def _message_name(model: ServiceModel, shape: Any) -> str:
    """`Message` or `message`, as the shape has it; as most of the service's shapes have it when there is none."""
    shapes = [shape] if shape is not None and _message_member(shape) else list(_shapes(model).values())
    names = [_message_member(each) for each in shapes]
    return "Message" if names.count("Message") > names.count("message") else "message"


def _message_member(shape: Any) -> str | None:
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if wire in ("message", "Message"):
            return str(wire)
    return None


def _wrapped(model: ServiceModel, shape: Any, error: ServiceError, code: str, request_id: str) -> Node:
    sender = "Sender" if error.status < 500 else "Receiver"
    inside = [Node("Type", text=sender), Node("Code", text=code), Node("Message", text=error.message)]
    namespace = namespace_of(model)
    return Node(
        "ErrorResponse",
        {"xmlns": namespace} if namespace else {},
        [
            Node("Error", children=inside + _members(shape, error)),
            Node("RequestId", text=request_id),
        ],
    )


def _plain(shape: Any, error: ServiceError, code: str, resource: str, request_id: str, host_id: str) -> Node:
    inside = [Node("Code", text=code), Node("Message", text=error.message), *_members(shape, error)]
    if "Resource" not in error.members:
        inside.append(Node("Resource", text=resource))
    inside += [Node("RequestId", text=request_id), Node("HostId", text=host_id)]
    return Node("Error", children=inside)


def _members(shape: Any, error: ServiceError) -> list[Node]:
    known = _in_body(shape, error) if shape is not None else {}
    extra = {key: value for key, value in error.members.items() if shape is None or key not in shape.members}
    nodes = xmlbody.write_members(shape, known, "Error").children if shape is not None else []
    return nodes + [Node(key, text=str(value)) for key, value in extra.items() if value is not None]


def _known(shape: Any, error: ServiceError) -> dict[str, Any]:
    return {key: value for key, value in error.members.items() if key in shape.members}


def _in_body(shape: Any, error: ServiceError) -> dict[str, Any]:
    return {
        key: value
        for key, value in _known(shape, error).items()
        if value is not None and not shape.members[key].serialization.get("location")
    }


_SHAPES: WeakKeyDictionary[ServiceModel, Mapping[str, Any]] = WeakKeyDictionary()


def _shapes(model: ServiceModel) -> Mapping[str, Any]:
    found = _SHAPES.get(model)
    if found is None:
        found = {shape.name: shape for shape in model.error_shapes}
        found.update({shape.error_code: shape for shape in model.error_shapes})
        _SHAPES[model] = found
    return found
