"""A first look at all data: what is there, what may be wrong with it, and which images to learn from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from relook.vision.images import Loaded, Pixels, Size, aspect_differs, common_size, load, size_of
from relook.vision.masks import ClassMap, decode_mask
from relook.vision.naming import listed
from relook.vision.samples import DefectClass, ImageError, Progress, Sample, TrainingError

COMPARED_IMAGES = 400
"""Candidates are compared on at most this many images, drawn evenly from both labels; the winner learns from all."""
FEWEST_NORMALS = 2
FEW_NORMALS = 20


@dataclass(frozen=True, slots=True)
class Survey:
    """`size` is the training images' commonest; `data_sha256` covers keys, labels, image and mask bytes, in order.
    `training` is as given, but anomalies whose mask is blank have none: where the defect is they do not tell."""

    size: Size
    data_sha256: str
    training: tuple[Sample, ...]
    notes: tuple[str, ...]


def survey(
    training: Sequence[Sample], test: Sequence[Sample], classes: Sequence[DefectClass], progress: Progress
) -> Survey:
    """Read every image's header and, with `classes`, its mask, and hash everything. TrainingError names an image or a
    mask that cannot be used."""
    if sum(not sample.anomalous for sample in training) < FEWEST_NORMALS:
        raise TrainingError(f"training needs at least {FEWEST_NORMALS} images labelled normal; label or add some")
    digest = hashlib.sha256()
    sizes: list[Size] = []
    drawn: list[Sample] = []
    everything = [*training, *test]
    for position, sample in enumerate(everything):
        data = _load(sample)
        try:
            sizes.append(size_of(data))
        except ImageError as error:
            raise TrainingError(f"{sample.key}: {error}") from error
        mask = mask_of(sample, classes, sizes[-1]) if classes and sample.mask is not None else None
        blank = sample.anomalous and mask is not None and not mask.any()
        drawn.append(replace(sample, mask=None) if blank else sample)
        for part in (sample.key.encode(), b"1" if sample.anomalous else b"0", data, _mask_bytes(sample)):
            digest.update(hashlib.sha256(part).digest())
        progress("decode", position + 1, len(everything))
    size = common_size(sizes[: len(training)])
    learned = tuple(drawn[: len(training)])
    blanks = [one.key for one, given in zip(learned, training, strict=True) if one.mask is not given.mask]
    notes = (*_remarks(training, sizes, size), *_of_blank(blanks, any(one.mask for one in learned)))
    return Survey(size, digest.hexdigest(), learned, notes)


def _of_blank(keys: Sequence[str], drawn: bool) -> Iterator[str]:
    if keys and not drawn:
        raise TrainingError(
            f"no mask shows a defect: all masks of the training images are blank ({listed(keys)}); draw the defects"
        )
    if keys:
        some = "1 anomaly has a blank mask" if len(keys) == 1 else f"{len(keys)} anomalies have blank masks"
        yield f"{some}, which does not tell where the defect is: masks are learned from the others ({listed(keys)})."


def image_of(sample: Sample) -> Loaded:
    """The image as serving sees it; TrainingError names it when it is damaged."""
    try:
        return load(_load(sample))
    except ImageError as error:
        raise TrainingError(f"{sample.key}: {error}") from error


def size_in(sample: Sample) -> Size:
    """The size that `image_of` tells, from the header alone; TrainingError if that shows a broken rule."""
    try:
        return size_of(_load(sample))
    except ImageError as error:
        raise TrainingError(f"{sample.key}: {error}") from error


def pixels_of(sample: Sample) -> Pixels:
    """Its pixels, perhaps shrunk."""
    return image_of(sample).pixels


def mask_of(sample: Sample, classes: Sequence[DefectClass], size: Size) -> ClassMap | None:
    """Class indices of the image's pixels; zeros for a normal image; None for an anomalous one without a mask."""
    if sample.mask is not None:
        source = sample.mask
        return decode_mask(_mask_bytes(sample), source.colours, classes, size, sample.key, source.background)
    return None if sample.anomalous else np.zeros((size.height, size.width), np.uint8)


def choose_compared(training: Sequence[Sample], seed: int) -> list[Sample]:
    """At most COMPARED_IMAGES, half of each label where there are enough, in their order."""
    rng = np.random.default_rng([seed, 1])
    normal = [at for at, sample in enumerate(training) if not sample.anomalous]
    anomalous = [at for at, sample in enumerate(training) if sample.anomalous]
    half = COMPARED_IMAGES // 2
    anomalies = min(len(anomalous), max(half, COMPARED_IMAGES - len(normal)))
    normals = min(len(normal), COMPARED_IMAGES - anomalies)
    drawn = sorted(rng.permutation(anomalous).tolist(), key=lambda at: training[at].mask is None)  # masks teach most
    taken = [*rng.permutation(normal)[:normals].tolist(), *drawn[:anomalies]]
    return [training[at] for at in sorted(int(at) for at in taken)]


def _load(sample: Sample) -> bytes:
    try:
        return sample.load()
    except OSError as error:
        raise TrainingError(f"{sample.key} cannot be read: {error}") from error


def _mask_bytes(sample: Sample) -> bytes:
    if sample.mask is None:
        return b""
    try:
        return sample.mask.load()
    except OSError as error:
        raise TrainingError(f"the mask of {sample.key} cannot be read: {error}") from error


def _remarks(training: Sequence[Sample], sizes: Sequence[Size], common: Size) -> list[str]:
    notes = []
    counts = Counter(sizes)
    if len(counts) > 1:
        bent = sum(count for size, count in counts.items() if aspect_differs(size, common))
        stretched = f"; {bent} of them have another shape and are stretched" if bent else ""
        notes.append(
            f"The images have {len(counts)} different sizes; all are brought to the commonest shape, that of "
            f"{common.width}x{common.height}{stretched}."
        )
    normals = sum(not sample.anomalous for sample in training)
    if normals < FEW_NORMALS:
        notes.append(
            f"Only {normals} normal training images: expect the figures to vary; {FEW_NORMALS} or more are better."
        )
    return notes
