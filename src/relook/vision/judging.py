"""The trained model on images it did not learn from: every one through the artifact as it will be served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relook.vision.gallery import Gallery, hottest, small
from relook.vision.images import Loaded, Pixels
from relook.vision.localisation import pointed_at
from relook.vision.masks import ClassMap
from relook.vision.metrics import PixelCounts, image_metrics
from relook.vision.naming import listed
from relook.vision.parallel import in_order, threads
from relook.vision.predict import Predictor
from relook.vision.samples import DefectClass, Metrics, Progress, Sample, Shown, TestResult, counted, stepping
from relook.vision.survey import image_of, mask_of

_WITH_MASKS = 2
"""Images with masks at a time: of 4096 x 4096 pixels, each takes some 300 MiB while it is judged."""


def of_unlearned(folder: Path, anomalies: Sequence[Sample]) -> Iterator[str]:
    """Of labelled anomalies that were too few to learn from: what the model says of them."""
    if not anomalies:
        return
    predictor = Predictor.load(folder, threads=1)
    missed = [each.key for each in anomalies if not predictor.predict_loaded(image_of(each)).anomalous]
    many = "1 labelled anomaly was" if len(anomalies) == 1 else f"{len(anomalies)} labelled anomalies were"
    yield (
        f"{many} too few to learn from and only looked at: {len(anomalies) - len(missed)} judged anomalous"
        + (f", {len(missed)} not ({listed(missed)})." if missed else ".")
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A test image, decoded; without masks there is no `truth`."""

    sample: Sample
    image: Loaded
    truth: ClassMap | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the model says of it, and what of the image is needed later."""

    result: TestResult
    picture: Pixels
    heat: npt.NDArray[np.float32]
    counts: PixelCounts


def evaluate(
    folder: Path, test: Sequence[Sample], classes: Sequence[DefectClass], progress: Progress
) -> tuple[tuple[TestResult, ...], Metrics, tuple[tuple[float, ...], ...], tuple[Shown, ...]]:
    """Every test image through the artifact as it will be served; of each class the IoUs on the images with it; and
    the images worth looking at."""
    counts, gallery = PixelCounts(classes), Gallery()
    results = []
    most = min(threads(), _WITH_MASKS) if classes else threads()
    predictors = [Predictor.load(folder, threads=1) for _ in range(max(1, min(most, len(test))))]
    step = counted(progress, "evaluate", len(test))
    # decoded here: what keeps Pillow's warnings quiet is not for several threads
    shown = (_Shown(sample, image, _truth(sample, classes, image)) for sample in test for image in [image_of(sample)])
    with closing(in_order(partial(_judged, classes), shown, predictors)) as judged:
        for each in stepping(judged, step):
            results.append(each.result)
            gallery.add(each.result, each.picture, each.heat)
            counts.include(each.counts)
    if not any(sample.mask for sample in test):
        counts = PixelCounts(classes)  # only false marks on normals were counted
    return tuple(results), image_metrics(results, counts.metrics()), counts.overlaps, gallery.shown()


def _truth(sample: Sample, classes: Sequence[DefectClass], image: Loaded) -> ClassMap | None:
    return mask_of(sample, classes, image.size) if classes else None


def _judged(classes: Sequence[DefectClass], predictor: Predictor, shown: _Shown) -> _Judged:
    image, truth, counts = shown.image, shown.truth, PixelCounts(classes)
    prediction = predictor.predict_loaded(image)
    heat = predictor.heat_map()
    on_mask = pointed_at(heat, truth > 0) if truth is not None and truth.any() else None
    if truth is not None:
        counts.add(predictor.class_map(image.size), truth)
    result = TestResult(shown.sample.key, shown.sample.anomalous, prediction, hottest(heat), on_mask)
    return _Judged(result, small(image.pixels), heat, counts)
