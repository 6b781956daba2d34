"""The tables of operations.py and shapes.py, written out in the form that SDKs read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from relook.aws.description import shapes
from relook.aws.description.operations import OPERATIONS, PAGINATORS, VERSION, Operation

Document = dict[str, Any]
TOKEN = {"idempotencyToken": True, "location": "header", "locationName": "X-Amzn-Client-Token"}
METADATA = {
    "apiVersion": VERSION,
    "auth": ["aws.auth#sigv4"],
    "endpointPrefix": "lookoutvision",
    "jsonVersion": "1.1",
    "protocol": "rest-json",
    "protocols": ["rest-json"],
    "serviceFullName": "Amazon Lookout for Vision",
    "serviceId": "LookoutVision",
    "signatureVersion": "v4",
    "signingName": "lookoutvision",
    "uid": f"lookoutvision-{VERSION}",
}


def service_document() -> Document:
    """service-2.json: every operation and every shape, a fresh copy each time."""
    return {
        "version": "2.0",
        "metadata": {key: list(value) if isinstance(value, list) else value for key, value in METADATA.items()},
        "operations": {operation.name: _operation(operation) for operation in OPERATIONS},
        "shapes": dict(sorted(_shapes())),
        "documentation": "Amazon Lookout for Vision, as served by Relook: find defects in pictures of products.",
    }


def paginators_document() -> Document:
    """paginators-1.json."""
    page = {"input_token": "NextToken", "output_token": "NextToken", "limit_key": "MaxResults"}
    return {"pagination": {name: {**page, "result_key": result} for name, result in PAGINATORS.items()}}


def _operation(operation: Operation) -> Document:
    http: Document = {"method": operation.method, "requestUri": f"/{VERSION}{operation.path}"}
    if operation.accepted:
        http["responseCode"] = 202
    return {
        "name": operation.name,
        "http": http,
        "input": {"shape": f"{operation.name}Request"},
        "output": {"shape": f"{operation.name}Response"},
        "errors": [{"shape": name} for name in _errors(operation)],
        "documentation": operation.about,
    }


def _errors(operation: Operation) -> Iterator[str]:
    yield from ("AccessDeniedException", "InternalServerException", "ValidationException")
    if operation.conflicts:
        yield "ConflictException"
    yield from ("ResourceNotFoundException", "ThrottlingException")
    if operation.quota:
        yield "ServiceQuotaExceededException"


def _shapes() -> Iterator[tuple[str, Document]]:
    for operation in OPERATIONS:
        request = _structure(operation.takes)
        if operation.payload is not None:
            request["payload"] = operation.payload
        yield f"{operation.name}Request", request
        yield f"{operation.name}Response", _structure(operation.gives)
    for name, members in shapes.STRUCTURES.items():
        yield name, _structure(members)
    for name, (status, members) in shapes.ERRORS.items():
        fault = {"fault": True} if status >= 500 else {}
        yield name, {**_structure(members), "error": {"httpStatusCode": status}, "exception": True, **fault}
    for name, (held, maximum) in shapes.LISTS.items():
        yield name, {"type": "list", "member": {"shape": held}, **_limits(None if maximum is None else 0, maximum)}
    for name, values in shapes.ENUMS.items():
        yield name, {"type": "string", "enum": values.split()}
    for name, (minimum, maximum, pattern) in shapes.STRINGS.items():
        rule = {} if pattern is None else {"pattern": pattern}
        yield name, {"type": "string", **_limits(minimum, maximum), **rule}
    for name, (kind, minimum, maximum) in shapes.SCALARS.items():
        yield name, {"type": kind, **_limits(minimum, maximum)}
    yield shapes.STREAM, {"type": "blob", "requiresLength": True, "streaming": True}


def _limits(minimum: int | None, maximum: int | None) -> Document:
    limits = {"min": minimum, "max": maximum}
    return {key: value for key, value in limits.items() if value is not None}


def _structure(text: str) -> Document:
    members: dict[str, Mapping[str, Any]] = {}
    required = []
    for word in text.split():
        declaration, _, place = word.partition("@")
        name, _, shape = declaration.partition("=")
        if name.endswith("!"):
            name = name[:-1]
            required.append(name)
        members[name] = {"shape": shape or name, **_location(name, place)}
    structure: Document = {"type": "structure", "members": members}
    return {**structure, "required": required} if required else structure


def _location(member: str, place: str) -> Document:
    if not place:
        return {}
    if place == "token":
        return dict(TOKEN)
    location, _, name = place.partition(":")
    return {"location": location, "locationName": name or member[0].lower() + member[1:]}
