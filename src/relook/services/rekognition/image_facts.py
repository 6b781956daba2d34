"""What the images that manifests name really are."""

from __future__ import annotations

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

    def usable(self, image: S3Location) -> bytes | None:
        """The whole image; None for one that is missing, or has more bytes than an image may have."""
        try:
            if self._blobs.size(self._account, image.bucket, image.key) > MAX_IMAGE_BYTES:
                return None
            return self.read(image)
        except NoRoom:
            raise
        except BlobError:
            return None


def facts_of(data: bytes) -> ImageFacts | None:
    """None for what is no JPEG or PNG, or a damaged one: the pixels are decoded once to know."""
    from relook.vision import images  # in a job's process: the server does without decoders

    try:
        form, size = images.upright_header(data)
        images.load_upright(data)
    except ImageError as error:
        if error.fault is ImageFault.UNREADABLE:
            return None
    return ImageFacts(form, size.width, size.height, len(data))
