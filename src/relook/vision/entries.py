"""From the entries of a manifest to samples: where their images and masks are read, and what they are hashed by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from relook.core.datasets import MAX_IMAGE_BYTES
from relook.core.manifest import Label, ManifestEntry
from relook.vision.samples import MaskSource, Progress, Sample, Task, TrainingError


@dataclass(frozen=True, slots=True)
class Source:
    """The objects that manifests name. Both are given a bucket and a key, and may raise their store's own errors."""

    size: Callable[[str, str], int]
    """Bytes of the object, without reading it."""
    read: Callable[[str, str], bytes]
    """The whole object."""

    def image(self, entry: ManifestEntry) -> bytes:
        """The encoded image; TrainingError for one that has more bytes than an image may have."""
        image = entry.image
        size = self.size(image.bucket, image.key)
        if size > MAX_IMAGE_BYTES:
            raise TrainingError(f"{image} has {size} bytes; an image has at most {MAX_IMAGE_BYTES} (8 MB)")
        return self.read(image.bucket, image.key)

    def hasher(self, total: int, progress: Progress) -> Callable[[ManifestEntry], str]:
        """What `plan.make_plan` takes as `content`: SHA-256 of the image; tells of each as one of `total`."""
        read = 0

        def content(entry: ManifestEntry) -> str:
            nonlocal read
            read += 1
            progress("reading the images", read, total)
            return hashlib.sha256(self.image(entry)).hexdigest()

        return content

    def samples(self, entries: Iterable[ManifestEntry], task: Task) -> list[Sample]:
        """The entries as the engine takes them, in order, nothing read yet; masks for segmentation alone."""
        return [self._sample(entry, task) for entry in entries]

    def _sample(self, entry: ManifestEntry, task: Task) -> Sample:
        anomalous = entry.label is Label.ANOMALY
        mask = None
        # A normal image may come with an empty mask, and with a colour map that lists every class: neither says more.
        if anomalous and entry.mask is not None and task is Task.SEGMENTATION:
            given = entry.mask
            read = partial(self.read, given.location.bucket, given.location.key)
            mask = MaskSource(read, dict(given.colours), given.background)
        return Sample(entry.source_ref, partial(self.image, entry), anomalous, mask)
