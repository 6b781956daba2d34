"""Which objects a model's data are: one, or all under a prefix, and where each belongs in the model's folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from relook.blobs.errors import BlobError
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Query
from relook.blobs.records import Version
from relook.containers.serving.api import StartFailed
from relook.containers.serving.unpacking import UnpackLimits
from relook.core.serving import ModelData

_PAGE = 1000


class ModelDataMissing(StartFailed):
    """There is nothing at the address."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object, and its path relative to the model's folder."""

    version: Version
    name: str


def find_sources(blobs: FolderBlobs, account: str, data: ModelData, limits: UnpackLimits) -> list[Source]:
    """The objects that `data` means now, at least one. ModelDataMissing, StartFailed."""
    bucket, key = split_uri(data.uri)
    try:
        if data.prefix:
            found = _under(blobs, account, bucket, key if key.endswith("/") or not key else key + "/", limits)
        else:
            found = [Source(blobs.objects.find(account, bucket, key), PurePosixPath(key).name)]
    except BlobError as error:
        raise ModelDataMissing(f"Could not find model data at {data.uri}: {error}") from error
    if not found:
        raise ModelDataMissing(f"Could not find model data at {data.uri}: no object lies under it")
    if data.prefix and data.gzip:
        raise StartFailed(f"the model data at {data.uri} is a prefix and cannot be a gzipped tar: name one object")
    if sum(source.version.size for source in found) > limits.total_bytes:
        raise StartFailed(f"the model data at {data.uri} is larger than the {limits.total_bytes} bytes allowed")
    return found


def fingerprint(account: str, data: ModelData, sources: list[Source]) -> str:
    """The same for the same content, laid out in the same way; fit for a file's name."""
    parts = [[each.name, each.version.key, each.version.id, each.version.etag, each.version.size] for each in sources]
    text = json.dumps([account, sources[0].version.bucket, data.gzip, parts])
    return hashlib.sha256(text.encode()).hexdigest()


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address. StartFailed."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StartFailed(f"the model data's address {uri!r} is none of the form s3://bucket/key")
    return bucket, key


def _under(blobs: FolderBlobs, account: str, bucket: str, prefix: str, limits: UnpackLimits) -> list[Source]:
    found: list[Source] = []
    query = Query(prefix=prefix, limit=_PAGE)
    while True:
        page = blobs.listing.objects(account, bucket, query)
        found += [
            Source(version, _relative(version.key, version.key.removeprefix(prefix)))
            for version in page.items
            if not version.key.endswith("/") and version.key != prefix  # consoles mark folders so
        ]
        if len(found) > limits.members:
            raise StartFailed(f"more than {limits.members} objects lie under s3://{bucket}/{prefix}")
        if not page.truncated:
            return found
        query = Query(prefix=prefix, limit=_PAGE, after=page.last)


def _relative(key: str, name: str) -> str:
    """A key's rest as a relative path. Keys are any text; what leads elsewhere is refused, not mended."""
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in name.split("/")) or "\0" in name:
        raise StartFailed(f"the object {key!r} cannot be a file of the model: its name is no plain relative path")
    return name
