"""A model's answers to pictures it has not seen, and the figures made of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.sets import DataSet, truth_of
from relook.vision.backbones import Backbone
from relook.vision.images import Size
from relook.vision.localisation import Localiser, Overlap
from relook.vision.metrics import auroc, average_precision
from relook.vision.predict import Predictor
from relook.vision.samples import Sample
from relook.vision.train import Options, train

Scores = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
RESAMPLES = 1000
_RESAMPLING_SEED = 1


def answers(
    data: DataSet,
    training: Sequence[Sample],
    held: Sequence[Sample],
    backbone: Backbone,
    folder: Path,
    seed: int,
    options: Options | None = None,
) -> dict[str, Any]:
    """Train on `training` into `folder` and answer `held` from bytes on one thread; what was answered, fit for JSON."""
    began = time.perf_counter()
    result = train(
        training,
        [],
        task=data.task,
        classes=data.classes,
        backbone=backbone,
        output=folder,
        seed=seed,
        progress=lambda stage, done, total: None,
        options=options,
    )
    seconds = time.perf_counter() - began
    predictor = Predictor.load(folder, 1)
    found: dict[str, list[Any]] = {"scores": [], "said": [], "milliseconds": []}
    localiser, overlap = Localiser(), Overlap(len(data.classes))
    for sample in held:
        image = sample.load()
        began = time.perf_counter()
        prediction = predictor.predict(image)
        found["milliseconds"].append(1000 * (time.perf_counter() - began))
        found["scores"].append(prediction.score)
        found["said"].append(prediction.anomalous)
        if data.masked:
            _locate(sample, data, predictor, localiser, overlap)
    return found | {
        "labels": [sample.anomalous for sample in held],
        "training_images": len(training),
        "training_seconds": seconds,
        "threshold": prediction.threshold,
        "notes": list(result.notes),
        "localisation": asdict(localiser.result()) if data.masked else None,
        "overlap": [asdict(entry) for entry in overlap.result()],
    }


def _locate(sample: Sample, data: DataSet, predictor: Predictor, localiser: Localiser, overlap: Overlap) -> None:
    truth = truth_of(sample, data.masked)
    if truth is None:
        return
    heat = predictor.heat_map()
    localiser.add(heat, truth > 0)
    if data.classes:
        height, width = truth.shape
        overlap.add(predictor.class_map(Size(height, width)), truth)


def summary(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one split, or of all folds of a cross-validation together.

    Calibrated scores of the folds' models are pooled; pixel AUROC, AUPRO and overlap are those of each fold, weighted
    by its defective images, because the heat maps of different models have no common scale.
    """
    scores = np.array([score for part in parts for score in part["scores"]], np.float64)
    labels = np.array([label for part in parts for label in part["labels"]], bool)
    said = np.array([each for part in parts for each in part["said"]], bool)
    found: dict[str, Any] = {
        "images": len(labels),
        "anomalies": int(labels.sum()),
        "training_images": round(statistics.mean(part["training_images"] for part in parts)),
        "auroc": with_interval(lambda at: auroc(scores[at], labels[at]), labels),
        "average_precision": with_interval(lambda at: average_precision(scores[at], labels[at]), labels),
        "f1": with_interval(lambda at: f1(said[at], labels[at]), labels),
        "training_seconds": statistics.mean(part["training_seconds"] for part in parts),
        "milliseconds": statistics.median(each for part in parts for each in part["milliseconds"]),
    }
    located = [part["localisation"] for part in parts if part["localisation"]]
    if weights := [entry["defective"] for entry in located]:
        for name in ("pixel_auroc", "aupro", "pointing_game"):
            found[name] = _weighted([entry[name] for entry in located], weights)
    overlaps = [part["overlap"][0] for part in parts if part["overlap"]]
    if weights := [entry["images"] for entry in overlaps]:
        found["mean_iou"] = _weighted([entry["mean"] for entry in overlaps], weights)
        found["accumulated_iou"] = _weighted([entry["accumulated"] for entry in overlaps], weights)
    return found


def _weighted(values: Sequence[float | None], weights: Sequence[int]) -> float | None:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None and weight]
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs) if pairs else None


def with_interval(figure: Callable[[npt.NDArray[np.int64]], float | None], labels: Labels) -> list[float | None]:
    """The figure and its 95 % interval over images drawn again within each label; `figure` is given their places."""
    whole = figure(np.arange(len(labels)))
    if whole is None:
        return [None, None, None]
    rng = np.random.default_rng(_RESAMPLING_SEED)
    groups = [np.flatnonzero(labels == label) for label in (False, True)]
    drawn = [
        figure(np.concatenate([rng.choice(group, len(group)) for group in groups if len(group)]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(np.array(drawn, np.float64), (0.025, 0.975))
    return [float(whole), float(low), float(high)]


def f1(said: Labels, labels: Labels) -> float:
    """Of the decisions; 0 where there is neither an anomaly nor an alarm."""
    both = int(said.sum() + labels.sum())
    return 2 * int((said & labels).sum()) / both if both else 0.0
