"""The two files a training leaves in the output location: EvaluationResult and EvaluationManifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from relook.core.dates import iso
from relook.core.manifest import Label, ManifestEntry
from relook.core.names import ModelName

_JOB_NAME = "training-job/anomaly-detection"
_BACKGROUND = {"class-name": "BACKGROUND", "hex-color": "#FFFFFF"}


class ClassScores(Protocol):
    """Pixel metrics of one defect class, each in 0..1; None where the test images do not tell."""

    @property
    def name(self) -> str: ...
    @property
    def precision(self) -> float | None: ...
    @property
    def recall(self) -> float | None: ...
    @property
    def f1(self) -> float | None: ...
    @property
    def average_iou(self) -> float | None: ...


class Scores(Protocol):
    """Image metrics over the test images, each in 0..1; None where the test images hold one class only, of the first
    three where none is anomalous."""

    @property
    def precision(self) -> float | None: ...
    @property
    def recall(self) -> float | None: ...
    @property
    def f1(self) -> float | None: ...
    @property
    def roc_auc(self) -> float | None: ...
    @property
    def average_precision(self) -> float | None: ...
    @property
    def classes(self) -> Sequence[ClassScores]: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One training's end: the model, when (milliseconds since the epoch) and on how many images."""

    model: ModelName
    ended: int
    training_images: int
    testing_images: int


@dataclass(frozen=True, slots=True)
class Detection:
    """What the model says of a test image. `mask` is the URI of its predicted mask, `colours` (name, colour) pairs."""

    anomalous: bool
    confidence: float
    mask: str | None = None
    colours: tuple[tuple[str, str], ...] = ()


def output_key(prefix: str | None, name: str, model: ModelName, suffix: str = ".json") -> str:
    """`<prefix><name>-<project>-<version>.json`; the prefix is taken literally, no slash is put in."""
    return f"{prefix or ''}{name}-{model.project}-{model.version}{suffix}"


def evaluation_result(evaluation: Evaluation, scores: Scores, *, segmentation: bool) -> bytes:
    """The EvaluationResult JSON.

    PixelAnomalyClassMetrics is there for segmentation only: clients turn Metrics into a table of one row, and a list
    in it would multiply the rows.
    """
    metrics: dict[str, Any] = {
        "ROCAUC": scores.roc_auc,
        "AveragePrecision": scores.average_precision,
        "Precision": scores.precision,
        "Recall": scores.recall,
        "F1Score": scores.f1,
    }
    if segmentation:
        metrics["PixelAnomalyClassMetrics"] = [
            {
                "Precision": one.precision,
                "Recall": one.recall,
                "F1Score": one.f1,
                "AIOU": one.average_iou,
                "ClassName": one.name,
            }
            for one in scores.classes
        ]
    return json.dumps(
        {
            "Version": 1,
            "EvaluationDetails": {
                "ModelArn": str(evaluation.model),
                "EvaluationEndTimestamp": iso(evaluation.ended),
                "NumberOfTrainingImages": evaluation.training_images,
                "NumberOfTestingImages": evaluation.testing_images,
            },
            "AggregatedEvaluationResults": {"Metrics": metrics},
        }
    ).encode()


def evaluation_manifest(evaluation: Evaluation, results: Sequence[tuple[ManifestEntry, Detection]]) -> bytes:
    """The EvaluationManifest: JSON Lines, one per test image, the original line with what was detected added."""
    return "".join(json.dumps(_line(evaluation, entry, found)) + "\n" for entry, found in results).encode()


def _line(evaluation: Evaluation, entry: ManifestEntry, found: Detection) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(entry.line)
    line["source-ref-metadata"] = {"creation-date": iso(evaluation.ended)}
    if "anomaly-label-metadata" not in line and entry.label is not None:
        line.update(_label_attribute(entry, entry.label))
    predicted = Label.ANOMALY if found.anomalous else Label.NORMAL
    line["anomaly-label-detected"] = int(found.anomalous)
    line["anomaly-label-detected-metadata"] = {
        "class-name": predicted.value,
        "confidence": found.confidence,
        "type": "groundtruth/image-classification",
        **_provenance(evaluation),
    }
    if found.mask is not None:
        line["anomaly-mask-ref-detected"] = found.mask
        line["anomaly-mask-ref-detected-metadata"] = {
            "internal-color-map": _colour_map(found.colours),
            "type": "groundtruth/semantic-segmentation",
            **_provenance(evaluation),
        }
    return line


def _label_attribute(entry: ManifestEntry, label: Label) -> dict[str, Any]:
    """The truth under the name that readers of evaluation manifests look for, whatever the dataset called it."""
    metadata = {"class-name": label.value, "type": "groundtruth/image-classification", "human-annotated": "yes"}
    if entry.label_date is not None:
        metadata["creation-date"] = iso(entry.label_date)
    return {"anomaly-label": int(label is Label.ANOMALY), "anomaly-label-metadata": metadata}


def _colour_map(colours: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    named = [{"class-name": name, "hex-color": colour} for name, colour in colours]
    return {str(index): item for index, item in enumerate([_BACKGROUND, *named])}


def _provenance(evaluation: Evaluation) -> dict[str, str]:
    return {
        "human-annotated": "no",
        "creation-date": iso(evaluation.ended),
        "job-name": _JOB_NAME,
        "model-arn": str(evaluation.model),
        "project-name": evaluation.model.project,
        "model-version": str(evaluation.model.version),
    }
