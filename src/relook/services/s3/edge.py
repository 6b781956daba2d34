"""What every S3 operation goes through: refusing what it does not support, the owner check, wording of errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.model import ServiceModel
from botocore.session import get_session

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, ResourceOf, operation
from relook.blobs.errors import BlobError
from relook.services.s3.errors import access_denied, invalid_argument, malformed_xml, not_implemented, worded
from relook.services.s3.names import check_key

_EVERYWHERE = frozenset({"Bucket", "ExpectedBucketOwner", "RequestPayer"})

_OFFERED: dict[str, frozenset[Any]] = {
    # What is asked for is what happens anyway; any other value asks for something that is not there.
    "ACL": frozenset({"private", "bucket-owner-full-control"}),
    "StorageClass": frozenset({"STANDARD"}),
    "TaggingDirective": frozenset({"COPY"}),
    "AnnotationDirective": frozenset({"COPY", "EXCLUDE"}),
    "ObjectOwnership": frozenset({"BucketOwnerEnforced"}),
    "ObjectLockEnabledForBucket": frozenset({False}),
    "BucketNamespace": frozenset({"global"}),
    "BucketKeyEnabled": frozenset({False}),
}
_LEGAL: dict[str, frozenset[str]] = {
    "RequestPayer": frozenset({"requester"}),
    "EncodingType": frozenset({"url"}),
    "ChecksumMode": frozenset({"ENABLED"}),
    "MetadataDirective": frozenset({"COPY", "REPLACE"}),
}


@functools.cache
def model() -> ServiceModel:
    """botocore's own description of S3."""
    return get_session().get_service_model("s3")


def s3_operation(
    name: str, *, action: str, resource: ResourceOf, supports: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a method as an S3 operation that understands the members in `supports` (separated by spaces).

    Any other member is refused by the name of its header, so that nothing is ever silently ignored.
    """
    known = _EVERYWHERE | frozenset(supports.split())

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        async def on_loop(self: Any, context: RequestContext, members: Members) -> Any:
            with _guarded(name, known, context, members):
                return await handler(self, context, members)

        @functools.wraps(handler)
        def in_thread(self: Any, context: RequestContext, members: Members) -> Any:
            with _guarded(name, known, context, members):
                return handler(self, context, members)

        guarded = on_loop if inspect.iscoroutinefunction(handler) else in_thread
        return operation(name, action=action, resource=resource)(guarded)

    return decorate


@contextmanager
def _guarded(name: str, known: frozenset[str], context: RequestContext, members: Members) -> Iterator[None]:
    refuse_unsupported(name, known, members)
    for member in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        # A bucket of another account is refused anyway, so the owner of one that may be used is the caller.
        if members.get(member, context.account) != context.account:
            raise access_denied()
    if "Key" in members:
        check_key(members["Key"])
    try:
        yield
    except BlobError as error:
        raise worded(error) from error


def refuse_unsupported(name: str, known: frozenset[str], members: Members) -> None:
    """ServiceError NotImplemented or InvalidArgument naming the first member that cannot be honoured."""
    for member, value in members.items():
        if value is None:
            continue
        offered = _OFFERED.get(member)
        if offered is not None:
            if value not in offered:
                raise not_implemented(f"{_wire_name(name, member)}: {value}", _wire_name(name, member))
        elif member not in known:
            raise not_implemented(_wire_name(name, member), _wire_name(name, member))
        elif member in _LEGAL and value not in _LEGAL[member]:
            legal = ", ".join(sorted(_LEGAL[member]))
            raise invalid_argument(f"{_wire_name(name, member)} must be {legal}.", _wire_name(name, member), value)


def _wire_name(operation_name: str, member: str) -> str:
    shape = model().operation_model(operation_name).input_shape
    name: str = shape.members[member].serialization.get("name", member)
    return name


def refuse_nested(where: str, value: Members, known: str) -> None:
    """Refuse members of a structure in the body that are not among `known` (separated by spaces)."""
    for member, content in value.items():
        if content is not None and member not in known.split():
            raise ServiceError(
                "NotImplemented", f"{where} with {member} is not implemented. Send the request without it.", 501
            )


def required(where: str, value: Members | None, member: str) -> Any:
    """A member of the body that must be there; ServiceError MalformedXML."""
    if value is None or value.get(member) is None:
        raise malformed_xml(f"{where} needs {member}")
    return value[member]
