"""Whatever was raised, as an answer in the words of the service; what nobody foresaw is logged and told to no one."""

from __future__ import annotations

import base64
import errno
import hashlib
import logging

from botocore.model import ServiceModel

from relook.aws.auth_errors import as_service_error
from relook.aws.errors import ServiceError
from relook.aws.http import HttpResponse
from relook.aws.protocol import serialise_error
from relook.aws.protocol.jsonbody import dumps
from relook.aws.protocol.xmltree import Node, document
from relook.aws.signature import SignatureProblem
from relook.gateway.exchange import Exchange
from relook.store.engine import StorageFull

_LOG = logging.getLogger("relook.gateway")
_INTERNAL = ("InternalServerException", "InternalServerError", "InternalServerFault", "InternalFailure")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def failure(exchange: Exchange, error: Exception) -> HttpResponse:
    """The answer to a request that ended in an exception; sets `error_code` and `error_message`."""
    model = exchange.service.model if exchange.service is not None else None
    told = _as_service_error(exchange, error, model)
    exchange.error_code, exchange.error_message = told.code, told.logged
    head = exchange.sent.method == "HEAD"
    if model is None:
        return _unlocated(exchange, told, head)
    return serialise_error(
        model,
        exchange.operation,
        told,
        exchange.request_id,
        resource=exchange.request.path,
        host_id=host_id(exchange.request_id),
        head=head,
    )


def host_id(request_id: str) -> str:
    """S3's second request id, which only has to be there."""
    return base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()


def _as_service_error(exchange: Exchange, error: Exception, model: ServiceModel | None) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, SignatureProblem):
        return as_service_error(error, model)
    if isinstance(error, StorageFull) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
        _LOG.error("the disk is full", extra={"request_id": exchange.request_id})
        return _storage_full(model)
    _LOG.error("a request ended in an unforeseen error", exc_info=error, extra={"request_id": exchange.request_id})
    message = f"An internal error occurred; the server's log has it under request id {exchange.request_id}."
    return ServiceError(_internal_code(model), message, 500)


def _internal_code(model: ServiceModel | None) -> str:
    if model is not None and model.metadata["protocol"] == "rest-xml":
        return "InternalError"
    modelled = {shape.name for shape in model.error_shapes} if model is not None else set()
    return next((code for code in _INTERNAL if code in modelled), "InternalFailure")


def _storage_full(model: ServiceModel | None) -> ServiceError:
    json = model is not None and "json" in model.metadata["protocol"]
    message = "The disk that holds the server's data folder is full: free space there and send the request again."
    return ServiceError("InsufficientStorageException" if json else "InsufficientStorage", message, 507)


def _unlocated(exchange: Exchange, error: ServiceError, head: bool) -> HttpResponse:
    """An error before the service is known: XML for senders of forms, JSON for the others."""
    headers = {name.lower(): value for name, value in error.headers.items()}
    if (exchange.sent.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
        inside = [Node("Type", text="Sender"), Node("Code", text=error.code), Node("Message", text=error.message)]
        request_id = Node("RequestId", text=exchange.request_id)
        body = document(Node("ErrorResponse", children=[Node("Error", children=inside), request_id]))
        headers["content-type"] = "text/xml"
    else:
        body = dumps({"__type": error.code, "message": error.message})
        headers |= {"content-type": "application/json", "x-amzn-errortype": error.code}
    return HttpResponse(error.status, headers, b"" if head else body)
