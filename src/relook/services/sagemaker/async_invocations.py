"""InvokeEndpointAsync: the request becomes a row, and is answered into S3 by the dispatcher."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.locations import S3Location
from relook.core.names import Scope
from relook.services.sagemaker.errors import invocation_refused, no_such_endpoint
from relook.services.sagemaker.live import Live
from relook.services.sagemaker.names import Kind, resource, scope_of
from relook.services.sagemaker.routing import Router, read_body
from relook.store import sagemaker_async as queue
from relook.store import sagemaker_endpoints as endpoints
from relook.store.engine import Store
from relook.store.sagemaker_async import NewInvocation

_ENDPOINT = resource(Kind.ENDPOINT, "EndpointName")
INLINE_BYTES = 128_000
_TTL_SECONDS = 6 * 3600
_TIMEOUT_SECONDS = 15 * 60


class AsyncInvocations:
    """Requests that are answered later. `wake` is called on the event loop once one waits."""

    def __init__(self, store: Store, blobs: Blobs, router: Router, wake: Callable[[], None]) -> None:
        self._store = store
        self._blobs = blobs
        self._router = router
        self._wake = wake

    @operation("InvokeEndpointAsync", resource=_ENDPOINT)
    async def invoke(self, context: RequestContext, members: Members) -> Members:
        live = self._router.require(scope_of(context), members["EndpointName"])
        body = await read_body(members, INLINE_BYTES)
        given = _input(members, body)
        new = _invocation(context, live, members, given, None if given is not None else body)
        await asyncio.to_thread(self._enqueue, live, new)
        self._wake()
        return {
            "InferenceId": new.inference_id,
            "OutputLocation": new.output,
            "FailureLocation": new.failure,
        }

    def _enqueue(self, live: Live, new: NewInvocation) -> None:
        for uri in {new.output, new.failure or new.output}:
            self._require_bucket(live.scope.account, uri)
        with self._store.write() as connection:
            # Once it is being deleted nothing may be added: what waits then is told of it, and no more is looked for.
            if not endpoints.runs(connection, new.endpoint_id):
                raise no_such_endpoint(live.name, live.scope.account)
            queue.enqueue(connection, new)

    def _require_bucket(self, account: str, uri: str) -> None:
        try:
            self._blobs.check_bucket(account, S3Location.parse(uri).bucket)
        except BlobError as error:
            raise invocation_refused(f"The answer would go to {uri}: {error}") from error


def _input(members: Members, body: bytes) -> str | None:
    """The S3 URI of the input; None where the body is the input itself."""
    given: str | None = members.get("InputLocation")
    if given is None and not body:
        raise invocation_refused("Give InputLocation, the S3 URI of the input, or a body")
    if given is not None and body:
        raise invocation_refused("Give InputLocation or a body, not both")
    if given is not None:
        try:
            S3Location.parse(given)
        except ValueError as error:
            raise invocation_refused(f"InputLocation: {error}") from None
    return given


def _invocation(
    context: RequestContext, live: Live, members: Members, given: str | None, body: bytes | None
) -> NewInvocation:
    settings = live.asynchronous
    if settings is None:
        raise invocation_refused(
            f"Endpoint {live.name} is not asynchronous: its configuration has no AsyncInferenceConfig; invoke it with "
            "InvokeEndpoint"
        )
    ident = str(uuid.uuid4())
    output = settings.output or _default_output(live.scope, live.name)
    extension = members.get("S3OutputPathExtension")
    name = members.get("Filename") or f"{ident}.out"
    failures = settings.failure or output
    return NewInvocation(
        endpoint_id=live.id,
        inference_id=members.get("InferenceId") or ident,
        created=context.now,
        expires=context.now + 1000 * int(members.get("RequestTTLSeconds", _TTL_SECONDS)),
        timeout=members.get("InvocationTimeoutSeconds", _TIMEOUT_SECONDS),
        content_type=members.get("ContentType"),
        accept=members.get("Accept"),
        custom_attributes=members.get("CustomAttributes"),
        input=given,
        body=body,
        output=_under(output, extension, name),
        failure=_under(failures, extension, f"{ident}-error.out"),
    )


def _under(prefix: str, extension: str | None, name: str) -> str:
    return "/".join([prefix.rstrip("/"), *([extension.strip("/")] if extension else []), name])


def _default_output(scope: Scope, endpoint: str) -> str:
    """In the bucket that the SDK makes for itself, under the prefix it uses."""
    return f"s3://sagemaker-{scope.region}-{scope.account}/async-endpoint-outputs/{endpoint}"
