"""The S3 front: buckets and objects over `blobs`, as boto3 and the AWS CLI speak of them."""

from __future__ import annotations

from relook.aws.operation import Service
from relook.blobs.folder import FolderBlobs
from relook.core.clock import Clock
from relook.services.s3.buckets import Buckets
from relook.services.s3.copies import Copies
from relook.services.s3.edge import model
from relook.services.s3.listing import Listing
from relook.services.s3.multipart import Multipart
from relook.services.s3.objects import Objects
from relook.services.s3.versions import Versions


def service(blobs: FolderBlobs, clock: Clock) -> Service:
    """The S3 API on a folder of objects. Operations without a handler are for the gateway to refuse by name."""
    del clock  # times are those that `blobs` wrote
    nouns = (Buckets(blobs), Objects(blobs), Copies(blobs), Listing(blobs), Multipart(blobs), Versions(blobs))
    return Service(model(), nouns, iam_prefix="s3")
