"""Whether a bucket keeps versions."""

from __future__ import annotations

from typing import Any

from relook.aws.operation import Members, RequestContext
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Versioning
from relook.services.s3.edge import refuse_nested, s3_operation
from relook.services.s3.errors import malformed_xml
from relook.services.s3.names import bucket_arn


class Versions:
    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs

    @s3_operation("GetBucketVersioning", action="s3:GetBucketVersioning", resource=bucket_arn)
    def get(self, context: RequestContext, members: Members) -> dict[str, Any]:
        versioning = self._blobs.buckets.get(context.account, members["Bucket"]).versioning
        return {} if versioning is Versioning.OFF else {"Status": versioning.value}

    @s3_operation(
        "PutBucketVersioning",
        action="s3:PutBucketVersioning",
        resource=bucket_arn,
        supports="VersioningConfiguration ContentMD5 ChecksumAlgorithm",
    )
    def put(self, context: RequestContext, members: Members) -> None:
        configuration = members.get("VersioningConfiguration") or {}
        if configuration.get("MFADelete") != "Disabled":
            refuse_nested("VersioningConfiguration", configuration, "Status")
        status = configuration.get("Status")
        if status not in (Versioning.ENABLED, Versioning.SUSPENDED):
            raise malformed_xml("Status must be Enabled or Suspended")
        self._blobs.buckets.set_versioning(context.account, members["Bucket"], Versioning(status))
