"""Whether there is a bucket for what will be written: asked for when a resource is made, not when its work is done."""

from __future__ import annotations

from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.batch import BatchError
from relook.core.batch.names import Place
from relook.services.sagemaker.errors import validation


def check_bucket(blobs: Blobs, account: str, member: str, uri: str) -> None:
    """ValidationException that names `member` unless the bucket of `uri` is there and belongs to `account`."""
    try:
        blobs.check_bucket(account, Place.parse(uri).bucket)
    except (BatchError, BlobError) as error:
        raise validation(f"{member}: {uri} cannot be written to: {error}") from None
