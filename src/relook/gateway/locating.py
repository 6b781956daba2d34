"""Which service a request is for: the credential scope says; for an unsigned one a guess, to refuse it in its words."""

from __future__ import annotations

from collections.abc import Sequence

from relook.aws import sigv4
from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest, HttpResponse
from relook.aws.operation import Service
from relook.aws.protocol import routes_of
from relook.aws.signature import Reason, SignatureProblem
from relook.gateway.exchange import Exchange


class Locator:
    """A step of the chain: sets `service` and `signature`."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)
        self._by_name: dict[str, list[Service]] = {}
        for service in services:
            self._by_name.setdefault(service.name, []).append(service)

    async def __call__(self, exchange: Exchange) -> HttpResponse | None:
        exchange.service = self._guess(exchange.request)
        signature = sigv4.identify(exchange.sent)
        if signature is None:
            raise SignatureProblem(
                Reason.MISSING, "sign the request with an access key of this server: `relook env` prints one"
            )
        candidates = self._by_name.get(signature.service)
        if candidates is None:
            exchange.service = None
            raise self._unknown(signature.service)
        exchange.signature = signature
        exchange.service = self._meant(candidates, exchange.request)
        if exchange.service.name != "s3":
            # A bucket in the Host header means something to S3 alone.
            exchange.request, exchange.virtual_bucket = exchange.sent, None
        return None

    def _unknown(self, name: str) -> ServiceError:
        there = ", ".join(sorted(self._by_name))
        message = f"This server has no service {name[:64]!r}, which the credential scope names; it has: {there}."
        return ServiceError("UnknownServiceException", message, 404)

    def _meant(self, candidates: Sequence[Service], request: HttpRequest) -> Service:
        """Services that share a signing name differ in target or paths."""
        if len(candidates) == 1:
            return candidates[0]
        return next((service for service in candidates if _speaks_of(service, request)), candidates[0])

    def _guess(self, request: HttpRequest) -> Service | None:
        fitting = (service for service in self._services if service.name != "s3" and _speaks_of(service, request))
        return next(fitting, None) or next(iter(self._by_name.get("s3", [])), None)


def _speaks_of(service: Service, request: HttpRequest) -> bool:
    protocol = service.model.metadata["protocol"]
    if protocol == "json":
        return (request.header("x-amz-target") or "").startswith(f"{service.model.metadata['targetPrefix']}.")
    if protocol == "query":
        form = (request.header("content-type") or "").startswith("application/x-www-form-urlencoded")
        return request.path == "/" and (form or "Action=" in request.query)
    return routes_of(service.model).matches(request)
