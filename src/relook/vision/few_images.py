"""Labels that a model will know little of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from relook.vision.labelled import LabelledImage
from relook.vision.naming import listed

FEW_IMAGES = 10
"""Training images of a label below which it is known too little."""


def too_few(training: Sequence[LabelledImage], labels: Sequence[str]) -> Iterator[str]:
    """A sentence for the user where some of `labels` have fewer training images, with or without boxes."""
    counts = Counter(label for image in training for label in {*image.labels, *(box.label for box in image.boxes)})
    few = [f"{label} ({counts[label]})" for label in labels if counts[label] < FEW_IMAGES]
    if few:
        yield (
            f"Too few images: fewer than {FEW_IMAGES} training images have the label {listed(few)}. The model will "
            "know little of it; add labelled images."
        )
