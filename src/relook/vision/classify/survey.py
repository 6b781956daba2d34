"""A first look at all images: sizes, copies, labels, and what of it the user should know."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.check.duplicates import Look, among
from relook.vision.few_images import too_few
from relook.vision.images import Pixels, Size, aspect_differs
from relook.vision.label_images import bytes_of, decoded
from relook.vision.labelled import LabelledImage, LabelTask
from relook.vision.naming import listed
from relook.vision.repeated import Groups, firsts, leakage, leaked, repetition
from relook.vision.samples import Progress, TrainingError

MOST_UNEVEN = 3.0
"""The shape that all images are brought to is no longer than this."""


@dataclass(frozen=True, slots=True)
class Survey:
    """`shape` is the middle one of the training images, its longer side the middle longer side. `copy_of` (training
    images,) is the same number for copies of one picture. `leaked` are keys of test images that are in training too.
    `warnings` are what makes the model or its figures doubtful; `notes` the rest."""

    shape: Size
    data_sha256: str
    copy_of: npt.NDArray[np.int64]
    leaked: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def survey(
    training: Sequence[LabelledImage], test: Sequence[LabelledImage], labels: Sequence[str], progress: Progress
) -> Survey:
    """Decode every image once. TrainingError names one that cannot be used."""
    everything = [*training, *test]
    digest = hashlib.sha256()
    looks, sizes = [], []
    for position, image in enumerate(everything):
        data = bytes_of(image)
        loaded = decoded(image, data)
        sizes.append(loaded.size)
        looks.append(Look.of(data, loaded.pixels))
        for part in (image.key.encode(), *(label.encode() for label in sorted(image.labels)), looks[-1].sha256):
            digest.update(hashlib.sha256(part).digest())
        progress("decode", position + 1, len(everything))
    copies, keys, count = among(looks), [image.key for image in everything], len(training)
    groups = copies.groups(lambda one, other: set(everything[one].labels) == set(everything[other].labels))
    shape = _middle(sizes[:count])
    warnings = (*too_few(training, labels), *leakage(keys, groups, count))
    repeated = (*_of_contradictions(everything, copies.as_they_are()), *repetition(keys, groups, count))
    notes = (*_of_labels(test, labels), *_of_sizes(sizes, shape), *repeated)
    copy_of = firsts(groups, count)
    gone = tuple(keys[at] for at in leaked(groups, count))
    return Survey(shape, digest.hexdigest(), copy_of, gone, warnings, notes)


def check_labels(training: Sequence[LabelledImage], labels: Sequence[str], task: LabelTask) -> None:
    """TrainingError where the labels cannot be learned as `task`."""
    if len(labels) < 2 and task is LabelTask.SINGLE_LABEL:
        raise TrainingError("a classifier needs at least 2 labels; label some images with another one")
    counts = Counter(label for image in training for label in image.labels)
    absent = [label for label in labels if not counts[label]]
    if absent:
        raise TrainingError(
            f"no training image has the label {listed(absent)}; add such images to the training dataset, or remove it"
        )
    if len(labels) == 1 and counts[labels[0]] == len(training):
        raise TrainingError(f"every training image has the label {labels[0]}; add images without it, or another label")
    if task is LabelTask.SINGLE_LABEL:
        wrong = [image.key for image in training if len(image.labels) != 1]
        if wrong:
            raise TrainingError(f"images of a single-label classifier need exactly one label each: {listed(wrong)}")


def pixels_of(images: Sequence[LabelledImage]) -> Iterator[Pixels]:
    """The upright pixels of each, perhaps shrunk."""
    for image in images:
        yield decoded(image).pixels


def _middle(sizes: Sequence[Size]) -> Size:
    """Of the middle shape, no longer than MOST_UNEVEN, and the middle longer side."""
    slant = float(np.median([math.log(size.width / size.height) for size in sizes]))
    slant = max(-math.log(MOST_UNEVEN), min(math.log(MOST_UNEVEN), slant))
    longer = round(float(np.median([max(size.width, size.height) for size in sizes])))
    shorter = max(1, round(longer * math.exp(-abs(slant))))
    return Size(shorter, longer) if slant > 0 else Size(longer, shorter)


def _of_labels(test: Sequence[LabelledImage], labels: Sequence[str]) -> Iterator[str]:
    tested = {label for image in test for label in image.labels}
    untested = [label for label in labels if label not in tested]
    if untested:
        yield f"No test image has the label {listed(untested)}."
    unknown = sorted(tested - set(labels))
    if unknown:
        yield f"Test images have labels that are not learned, and were judged without them: {listed(unknown)}."


def _of_sizes(sizes: Sequence[Size], shape: Size) -> Iterator[str]:
    bent = sum(aspect_differs(size, shape) for size in sizes)
    if bent:
        yield (
            f"{bent} of {len(sizes)} images differ in shape from the middle one ({shape.width}x{shape.height}) and are "
            "stretched to it."
        )


def _of_contradictions(everything: Sequence[LabelledImage], groups: Groups) -> Iterator[str]:
    split = [group for group in groups if len({frozenset(everything[at].labels) for at in group}) > 1]
    if split:
        found = [everything[at].key for group in split for at in group]
        yield f"{len(found)} images are copies of one another with different labels; correct these ({listed(found)})."
