"""Buckets: make, find, list, delete."""

from __future__ import annotations

from typing import Any

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext
from relook.blobs.errors import BucketExists
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Bucket
from relook.core.clock import as_datetime
from relook.services.s3.edge import refuse_nested, s3_operation
from relook.services.s3.errors import invalid_argument
from relook.services.s3.names import bucket_arn, check_bucket_name, everything, owner, present

HOME = "us-east-1"
"""The region that S3 writes as no location at all."""
_MOST_BUCKETS = 10_000


class Buckets:
    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs

    @s3_operation(
        "CreateBucket",
        action="s3:CreateBucket",
        resource=bucket_arn,
        supports="ACL CreateBucketConfiguration ObjectOwnership ObjectLockEnabledForBucket BucketNamespace",
    )
    def create(self, context: RequestContext, members: Members) -> dict[str, Any]:
        name = members["Bucket"]
        check_bucket_name(name)
        region = _region(context, members.get("CreateBucketConfiguration") or {})
        try:
            self._blobs.buckets.create(context.account, region, name)
        except BucketExists as error:
            # As S3 has it, to make one's own bucket again is a success in its oldest region alone.
            if not (error.owned and context.region == error.region == region == HOME):
                raise
        return {"Location": f"/{name}"}

    @s3_operation("DeleteBucket", action="s3:DeleteBucket", resource=bucket_arn)
    def delete(self, context: RequestContext, members: Members) -> None:
        self._blobs.buckets.delete(context.account, members["Bucket"])

    @s3_operation("HeadBucket", action="s3:ListBucket", resource=bucket_arn)
    def head(self, context: RequestContext, members: Members) -> dict[str, Any]:
        bucket = self._blobs.buckets.get(context.account, members["Bucket"])
        return {"BucketRegion": bucket.region}

    @s3_operation("GetBucketLocation", action="s3:GetBucketLocation", resource=bucket_arn)
    def location(self, context: RequestContext, members: Members) -> dict[str, Any]:
        bucket = self._blobs.buckets.get(context.account, members["Bucket"])
        return {"LocationConstraint": "" if bucket.region == HOME else bucket.region}

    @s3_operation(
        "ListBuckets",
        action="s3:ListAllMyBuckets",
        resource=everything,
        supports="MaxBuckets ContinuationToken Prefix BucketRegion",
    )
    def list(self, context: RequestContext, members: Members) -> dict[str, Any]:
        limit = _limit(members.get("MaxBuckets"))
        prefix, after = members.get("Prefix"), members.get("ContinuationToken") or ""
        region = members.get("BucketRegion")
        found = [
            bucket
            for bucket in self._blobs.buckets.list(context.account)
            if bucket.name > after and bucket.name.startswith(prefix or "") and region in (None, bucket.region)
        ]
        answer = {
            "Owner": owner(context.account),
            "Buckets": [_listed(bucket) for bucket in found[:limit]],
            "Prefix": prefix,
            # The last name given is all there is to remember.
            "ContinuationToken": found[limit - 1].name if len(found) > limit else None,
        }
        return present(answer)


def _listed(bucket: Bucket) -> dict[str, Any]:
    return {"Name": bucket.name, "CreationDate": as_datetime(bucket.created), "BucketRegion": bucket.region}


def _limit(given: int | None) -> int:
    if given is not None and not 1 <= given <= _MOST_BUCKETS:
        raise invalid_argument(f"max-buckets must be 1 to {_MOST_BUCKETS}.", "max-buckets", given)
    return given or _MOST_BUCKETS


def _region(context: RequestContext, configuration: Members) -> str:
    """The region of a new bucket: that of the request, which must be said anew unless it is us-east-1."""
    refuse_nested("CreateBucketConfiguration", configuration, "LocationConstraint")
    constraint: str | None = configuration.get("LocationConstraint") or None
    if constraint == HOME:
        message = "The specified location-constraint is not valid: leave it out for us-east-1."
        raise ServiceError("InvalidLocationConstraint", message, 400, members={"LocationConstraint": constraint})
    if constraint == "EU":
        constraint = "eu-west-1"
    if context.region == HOME:
        return constraint or HOME
    if constraint != context.region:
        raise ServiceError(
            "IllegalLocationConstraintException",
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific endpoint "
            f"this request was sent to: set LocationConstraint to {context.region}.",
            400,
        )
    return constraint
