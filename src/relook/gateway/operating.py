"""Route, parse, authorise, validate, run the handler, serialise."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from anyio import CapacityLimiter, to_thread
from botocore.model import ServiceModel

from relook.aws.body import IncomingBody
from relook.aws.errors import ServiceError
from relook.aws.http import HttpResponse
from relook.aws.operation import Answer, Operation, Service
from relook.aws.payload import open_body
from relook.aws.protocol import ValidationError, parse, route, serialise, streams, validate
from relook.gateway.bodies import WholeBody
from relook.gateway.exchange import Exchange, known
from relook.iam.authorizer import Authorizer


class Operator:
    """The last step of the chain: always answers."""

    def __init__(self, authorizer: Authorizer, threads: int, document_limit: int) -> None:
        self._authorizer = authorizer
        self._limiter: CapacityLimiter | None = None
        self._threads = threads
        self._document_limit = document_limit

    async def __call__(self, exchange: Exchange) -> HttpResponse | None:
        service: Service = known(exchange.service, "service")
        model = service.model
        exchange.operation = route(model, exchange.request, exchange.body or b"")
        operation = service.operations.get(exchange.operation.name)
        if operation is None:
            raise _not_offered(model, exchange.operation.name)
        body = await self._body(exchange)
        exchange.members = parse(exchange.operation, exchange.request, body)
        self._authorise_and_validate(exchange, operation, model)
        result = await self._run(operation, exchange)
        if not isinstance(result, Answer):
            return serialise(exchange.operation, result, exchange.request_id)
        response = serialise(exchange.operation, result.members, exchange.request_id)
        return replace(response, headers={**result.headers, **response.headers})

    async def _body(self, exchange: Exchange) -> bytes | IncomingBody:
        """What `parse` takes: bytes, or the stream of an operation whose payload is one."""
        streaming = streams(exchange.operation)
        if exchange.body is not None:
            return WholeBody(exchange.body) if streaming else exchange.body
        if not streaming and not _takes_body(exchange.operation):
            return b""
        if streaming:
            _require_length(exchange)
        secret = known(exchange.key, "key").secret
        body = open_body(exchange.sent, exchange.signature, secret, aiter(exchange.incoming))
        return body if streaming else await body.read(self._document_limit)

    def _authorise_and_validate(self, exchange: Exchange, operation: Operation, model: ServiceModel) -> None:
        """Rights come first, so that a stranger learns nothing about a resource; but an ARN takes a whole name."""
        shape = known(exchange.operation, "operation").input_shape
        context = known(exchange.context, "context")
        violations = validate(shape, exchange.members)
        if any(violation.required for violation in violations):
            raise _refused(model, operation.name, violations)
        resource = operation.arn(context, exchange.members)
        if not self._authorizer.permits(context.principal, operation.action, resource):
            raise _denied(model, context.principal.arn, operation.action, resource)
        if violations:
            raise _refused(model, operation.name, violations)

    async def _run(self, operation: Operation, exchange: Exchange) -> Any:
        context = known(exchange.context, "context")
        if inspect.iscoroutinefunction(operation.handler):
            return await operation.handler(context, exchange.members)
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._threads)
        result = await to_thread.run_sync(operation.handler, context, exchange.members, limiter=self._limiter)
        return await result if inspect.isawaitable(result) else result


def _takes_body(operation: Any) -> bool:
    shape = operation.input_shape
    if shape is None:
        return False
    return "payload" in shape.serialization or any(
        not member.serialization.get("location") for member in shape.members.values()
    )


def _require_length(exchange: Exchange) -> None:
    sent = exchange.sent
    if sent.header("content-length") is None and sent.header("x-amz-decoded-content-length") is None:
        raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)


def _refused(model: ServiceModel, name: str, violations: Any) -> ServiceError:
    protocol = model.metadata["protocol"]
    if protocol == "rest-xml":
        missing = any(violation.required for violation in violations)
        return ValidationError("InvalidRequest" if missing else "InvalidArgument", violations)
    own = {shape.name for shape in model.operation_model(name).error_shapes}
    if model.service_name == "logs" and "InvalidParameterException" in own:
        return ValidationError("InvalidParameterException", violations)
    modelled = {shape.name for shape in model.error_shapes}
    short = protocol == "query" or ("ValidationError" in modelled and "ValidationException" not in modelled)
    return ValidationError("ValidationError" if short else "ValidationException", violations)


def _denied(model: ServiceModel, principal: str, action: str, resource: str) -> ServiceError:
    code = "AccessDeniedException" if "json" in model.metadata["protocol"] else "AccessDenied"
    message = f"User: {principal} is not authorized to perform: {action} on resource: {resource}"
    return ServiceError(code, message, 403)


def _not_offered(model: ServiceModel, name: str) -> ServiceError:
    message = f"The operation {name} of {model.service_name} is not offered by this server."
    protocol = model.metadata["protocol"]
    if protocol == "rest-xml":
        return ServiceError("NotImplemented", message, 501)
    if protocol == "query":
        return ServiceError("InvalidAction", message, 400)
    return ServiceError("UnknownOperationException", message, 404)
