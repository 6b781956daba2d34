"""Which operation a request means: the target header, the method and URI, or the Action parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from botocore.model import OperationModel, ServiceModel

from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest
from relook.aws.protocol import querybody, uri
from relook.aws.protocol.problems import Malformed, malformed


def route(model: ServiceModel, request: HttpRequest, body: bytes = b"") -> OperationModel:
    """The operation that a request names. `body` matters to the query protocol alone, which has the name in there.

    ServiceError in the protocol's wording: UnknownOperationException (404) for json and rest-json, MethodNotAllowed
    (405) for rest-xml, MissingAction and InvalidAction (400) for query; and for a URI that cannot be decoded.
    """
    protocol = model.metadata["protocol"]
    try:
        if protocol == "json":
            return _by_target(model, request)
        if protocol == "query":
            return _by_action(model, request, body)
        return routes_of(model).find(request)
    except Malformed as problem:
        raise malformed(protocol, problem) from problem


def unknown_operation(protocol: str, what: str) -> ServiceError:
    if protocol == "rest-xml":
        return ServiceError(
            "MethodNotAllowed", f"The specified method is not allowed against this resource: {what}.", 405
        )
    return ServiceError("UnknownOperationException", f"The service has no such operation: {what}.", 404)


def _by_target(model: ServiceModel, request: HttpRequest) -> OperationModel:
    target = request.header("x-amz-target") or ""
    prefix, _, name = target.rpartition(".")
    if request.method != "POST" or request.path != "/":
        raise unknown_operation("json", f"{request.method} {request.path[:128]} (send POST / with X-Amz-Target)")
    if prefix != model.metadata["targetPrefix"] or name not in _names(model):
        raise unknown_operation("json", f"X-Amz-Target {target[:128]!r}")
    return model.operation_model(name)


def _by_action(model: ServiceModel, request: HttpRequest, body: bytes) -> OperationModel:
    if request.method not in ("GET", "POST"):
        raise ServiceError(
            "MethodNotAllowed", f"The method {request.method[:16]} is not allowed: send POST or GET.", 405
        )
    form = querybody.form(body, request.query)
    action, version = form.get("Action"), form.get("Version", model.api_version)
    if not action:
        raise ServiceError("MissingAction", "The request must contain the parameter Action, in a form or the query.")
    if action not in _names(model) or version != model.api_version:
        raise ServiceError("InvalidAction", f"Could not find operation {action[:128]} for version {version[:32]}.")
    return model.operation_model(action)


def _names(model: ServiceModel) -> frozenset[str]:
    return routes_of(model).names


@dataclass(frozen=True, slots=True)
class _Route:
    """One operation behind a method and path: what else of the request must be there for it to be meant."""

    operation: OperationModel
    literals: Mapping[str, str | None]
    queries: frozenset[str]
    headers: frozenset[str]
    known: frozenset[str]
    deprecated: bool

    def meant_by(self, query: Mapping[str, str]) -> bool:
        return all(name in query and value in (None, query[name]) for name, value in self.literals.items())

    def rank(self, query: Mapping[str, str], request: HttpRequest) -> tuple[bool, int, bool]:
        """Fully given first, then by how much it asks for, then what is not deprecated."""
        needed = len(self.queries) + len(self.headers)
        given = self.queries <= query.keys() and all(request.header(name) is not None for name in self.headers)
        return given, needed if given else -needed, not self.deprecated


class Routes:
    """The routes of a REST service, compiled once; for the other protocols only the names."""

    def __init__(self, model: ServiceModel) -> None:
        self.names = frozenset(model.operation_names)
        self._protocol = model.metadata["protocol"]
        self._paths: list[tuple[uri.Template, dict[str, list[_Route]]]] = []
        if self._protocol.startswith("rest-"):
            self._compile(model)

    def find(self, request: HttpRequest) -> OperationModel:
        query: Mapping[str, str] | None = None
        matched = False
        for template, methods in self._paths:
            if template.match(request.path) is None:
                continue
            matched = True
            if query is None:
                query = dict(uri.parameters(request.query))
            found = self._choose(methods.get(request.method, ()), query, request)
            if found is not None:
                return found.operation
            if self._protocol == "rest-xml":
                break
        where = f"{request.method[:16]} {request.path[:256]}"
        raise unknown_operation(self._protocol, where if matched else f"{where}, no such path")

    def matches(self, request: HttpRequest) -> bool:
        """Whether any operation has this path, whatever the method."""
        return any(template.match(request.path) is not None for template, _ in self._paths)

    def template_of(self, operation: OperationModel) -> uri.Template:
        path = operation.http["requestUri"].partition("?")[0]
        return next(template for template, _ in self._paths if template.path == path)

    def _choose(self, routes: Any, query: Mapping[str, str], request: HttpRequest) -> _Route | None:
        meant = [route for route in routes if route.meant_by(query)]
        if not meant:
            return None
        most = max(len(route.literals) for route in meant)
        best = max((route for route in meant if len(route.literals) == most), key=lambda r: r.rank(query, request))
        # A subresource that the chosen operation knows nothing of names another operation, for another method:
        # DELETE /bucket?versioning must not delete the bucket.
        strays = (query.keys() & self._subresources) - best.known if self._protocol == "rest-xml" else frozenset()
        return None if strays else best

    def _compile(self, model: ServiceModel) -> None:
        templates: dict[str, tuple[uri.Template, dict[str, list[_Route]]]] = {}
        subresources: set[str] = set()
        for name in model.operation_names:
            operation = model.operation_model(name)
            path, _, _ = operation.http["requestUri"].partition("?")
            _, methods = templates.setdefault(path, (uri.Template(path), {}))
            compiled = _compiled(operation)
            subresources.update(compiled.literals)
            methods.setdefault(operation.http["method"], []).append(compiled)
        self._paths = sorted(templates.values(), key=lambda entry: entry[0].specificity, reverse=True)
        self._subresources = frozenset(subresources)


def _compiled(operation: OperationModel) -> _Route:
    literals: dict[str, str | None] = {}
    for pair in operation.http["requestUri"].partition("?")[2].split("&"):
        name, equals, value = pair.partition("=")
        if name:
            literals[name] = value if equals else None
    located: dict[str, set[str]] = {"querystring": set(), "header": set()}
    required: dict[str, set[str]] = {"querystring": set(), "header": set()}
    shape = operation.input_shape
    for name, member in shape.members.items() if shape is not None else ():
        location = member.serialization.get("location")
        if location in located:
            wire = member.serialization.get("name", name)
            located[location].add(wire)
            if name in shape.required_members:
                required[location].add(wire.lower() if location == "header" else wire)
    return _Route(
        operation=operation,
        literals=literals,
        queries=frozenset(required["querystring"]),
        headers=frozenset(required["header"]),
        known=frozenset(literals) | frozenset(located["querystring"]),
        deprecated=bool(operation.deprecated),
    )


_ROUTES: WeakKeyDictionary[ServiceModel, Routes] = WeakKeyDictionary()


def routes_of(model: ServiceModel) -> Routes:
    """The compiled routes of a model; the model must not change afterwards."""
    found = _ROUTES.get(model)
    if found is None:
        found = _ROUTES[model] = Routes(model)
    return found
