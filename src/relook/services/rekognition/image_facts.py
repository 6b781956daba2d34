"""What the images that manifests name really are."""

from __future__ import annotations

from dataclasses import dataclass

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.interface import Blobs
from relook.core.custom_labels.judging import MAX_IMAGE_BYTES, ImageFacts
from relook.core.locations import S3Location
from relook.vision.samples import ImageError, ImageFault


class ImageReader:
    """Images of one account; `account` is whose buckets they must lie in."""

    def __init__(self, blobs: Blobs, account: str) -> None:
        self._blobs = blobs
        self._account = account

    def read(self, image: S3Location) -> bytes:
        """The whole image; BlobError."""
        return self._blobs.read(self._account, image.bucket, image.key)

    def look(self, image: S3Location) -> Seen:
        """Of one that is missing, or has more bytes than an image may have, the fault alone. Raises NoRoom."""
        try:
            size = self._blobs.size(self._account, image.bucket, image.key)
            if size > MAX_IMAGE_BYTES:
                most = f"{MAX_IMAGE_BYTES:,} ({MAX_IMAGE_BYTES // 2**20} MB)"
                return Seen(fault=f"the image has {size:,} bytes; at most {most} are accepted")
            return seen(self.read(image))
        except NoRoom:
            raise
        except BlobError as error:
            return Seen(fault=error.detail)


@dataclass(frozen=True, slots=True)
class Seen:
    """An image that was looked at; no `data` and no `facts` for what cannot be had or decoded.

    `fault` says in words why it is not accepted.
    """

    data: bytes | None = None
    facts: ImageFacts | None = None
    fault: str | None = None


def seen(data: bytes) -> Seen:
    """No facts of what is no JPEG or PNG, or a damaged one: the pixels are decoded once to know."""
    from relook.vision import images  # in a job's process: the server does without decoders

    if not data:
        return Seen(fault="the object is empty")
    fault = None
    try:
        form, size = images.upright_header(data)
        images.load_upright(data)
    except ImageError as error:
        fault = str(error)
        if error.fault is ImageFault.UNREADABLE:
            return Seen(fault=fault)
    return Seen(data, ImageFacts(form, size.width, size.height, len(data)), fault)
