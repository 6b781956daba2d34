"""DetectCustomLabels."""

from __future__ import annotations

import asyncio
import os

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.custom_labels.manifest import MAX_IMAGE_BYTES
from relook.core.custom_labels.states import (
    VERSION_DETECTING,
    VERSION_NEVER_STARTABLE,
    VERSION_STARTABLE,
    VersionStatus,
)
from relook.fleet.api import BadInput, FleetError, NotDeployed, Overloaded
from relook.services.rekognition import errors
from relook.services.rekognition.hosting_control import Hosting
from relook.services.rekognition.lookups import arn_in, require_version
from relook.store.engine import Store
from relook.vision.label_answer import custom_labels
from relook.vision.samples import ImageFault

MAX_SENT_BYTES = 4 * 1024 * 1024
"""Bytes of an image within the request; one in S3 may have more."""
_WRONG_IMAGE = {
    ImageFault.UNREADABLE: errors.invalid_image_format,
    ImageFault.TOO_LARGE: errors.image_too_large,
    ImageFault.SHAPE: errors.invalid,
}


class Detection:
    """DetectCustomLabels: the version must exist, then run, then the image is fetched and looked at."""

    def __init__(self, store: Store, blobs: Blobs, hosting: Hosting) -> None:
        self._store = store
        self._blobs = blobs
        self._hosting = hosting

    @operation("DetectCustomLabels", resource=arn_in("ProjectVersionArn"))
    async def detect(self, context: RequestContext, members: Members) -> Members:
        arn = members["ProjectVersionArn"]
        if not self._hosting.serving(context.account, context.region, arn):
            await asyncio.to_thread(self._require_running, context, arn)
        image = await self._image(context, members["Image"])
        least = members.get("MinConfidence")
        try:
            prediction = await self._hosting.detect(arn, image, least)
        except FleetError as error:
            raise _as_service_error(error, arn, members["Image"]) from error
        return {"CustomLabels": custom_labels(prediction, least, members.get("MaxResults"))}

    def _require_running(self, context: RequestContext, arn: str) -> None:
        with self._store.read() as connection:
            version = require_version(connection, context, arn)
        if version.status not in VERSION_DETECTING:
            raise errors.not_ready(f"{arn} is {version.status}; {_advice(version.status)}")

    async def _image(self, context: RequestContext, image: Members) -> bytes:
        sent: bytes | None = image.get("Bytes")
        stored: Members | None = image.get("S3Object")
        if (sent is None) == (stored is None):
            raise errors.invalid("Image: give either Bytes or S3Object")
        if stored is not None:
            return await asyncio.to_thread(self._read, context.account, stored)
        assert sent is not None
        if len(sent) > MAX_SENT_BYTES:
            raise _too_large("Image.Bytes", len(sent), MAX_SENT_BYTES)
        return sent

    def _read(self, account: str, stored: Members) -> bytes:
        """An object, of which nothing is read where it is too large."""
        if "Bucket" not in stored or "Name" not in stored:
            raise errors.invalid("Image.S3Object: give Bucket and Name")
        try:
            with self._blobs.open(account, stored["Bucket"], stored["Name"], stored.get("Version")) as file:
                size = file.seek(0, os.SEEK_END)
                if size > MAX_IMAGE_BYTES:
                    raise _too_large(f"s3://{stored['Bucket']}/{stored['Name']}", size, MAX_IMAGE_BYTES)
                file.seek(0)
                return file.read()
        except BlobError as error:
            raise errors.invalid_s3_object(str(error)) from error


def _advice(status: VersionStatus) -> str:
    """What to do about a version that does not run; nothing that would be refused."""
    if status in VERSION_STARTABLE:
        return "start it with StartProjectVersion"
    if status in VERSION_NEVER_STARTABLE:
        return "there is no model to start"
    return "wait until it is RUNNING" if status is VersionStatus.STARTING else "wait until that has ended"


def _too_large(what: str, size: int, limit: int) -> ServiceError:
    return errors.image_too_large(f"{what} has {size:,} bytes; at most {limit:,} ({limit // 2**20} MB) are accepted")


def _as_service_error(error: FleetError, arn: str, image: Members) -> ServiceError:
    if isinstance(error, BadInput):
        stored = image.get("S3Object")
        what = "" if stored is None else f"s3://{stored['Bucket']}/{stored['Name']}: "
        return _WRONG_IMAGE[error.fault](what + str(error))
    if isinstance(error, Overloaded):
        return errors.throughput_exceeded(
            f"{arn}: every inference unit is busy; try again, or start it with a higher MaxInferenceUnits"
        )
    if isinstance(error, NotDeployed):
        return errors.not_ready(f"{arn} is not running; start it with StartProjectVersion")
    return errors.internal(f"{arn}: {error or 'the inference unit was lost'}; try again")
