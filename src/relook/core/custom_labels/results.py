"""What a training leaves in the output location: names of the files, the evaluation summary and the extra report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from relook.core.clock import as_datetime

SUMMARY = "EvaluationResultSummary"
MANIFEST_SUMMARY = "ManifestSummary"
TRAINING_TRUTH = "TrainingGroundTruth"
TESTING_TRUTH = "TestingGroundTruth"
TRAINING_VALIDATION = "TrainingManifestWithValidation"
TESTING_VALIDATION = "TestingManifestWithValidation"
FILES = (SUMMARY, MANIFEST_SUMMARY, TRAINING_TRUTH, TESTING_TRUTH, TRAINING_VALIDATION, TESTING_VALIDATION)
"""The six of the original."""
REPORT = "TrainingReport"
"""Ours, beside them."""


def output_key(prefix: str | None, name: str, project: str, version: str) -> str:
    """`<prefix>/<name>-<project>-<version>.json`, with one slash after the prefix whether or not it brings one."""
    folder, file = folder_of(prefix or ""), f"{name}-{results_name(project, version)}.json"
    return f"{folder}/{file}" if folder else file


def folder_of(prefix: str) -> str:
    """What the keys of results begin with, the slash after it apart."""
    return prefix.rstrip("/")


def results_name(project: str, version: str) -> str:
    """What the results of a version have in their names: those of two versions may be the same."""
    return f"{project}-{version}"


def moment(milliseconds: int) -> str:
    """A date as these files write it: `2019-11-21T07:30:23.910000`, in UTC."""
    return as_datetime(milliseconds).strftime("%Y-%m-%dT%H:%M:%S.%f")


@dataclass(frozen=True, slots=True)
class LabelScores:
    """One label at its assumed threshold; all figures in 0..1. `testing_images` are those that have the label."""

    label: str
    testing_images: int
    precision: float
    recall: float
    f1: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished evaluation. `scores` are in the order of the model's labels.

    `confusion` is for classifiers: `confusion[truth][predicted]`, a row for every label of the model, in its order.
    The averages are for detectors: over labels, of average precision and of recall.
    """

    version_arn: str
    ended: int
    """Milliseconds since the epoch."""
    training_images: int
    testing_images: int
    scores: Sequence[LabelScores]
    confusion: Sequence[Sequence[float]] | None = None
    average_precision: float | None = None
    average_recall: float | None = None

    @property
    def f1(self) -> float:
        """The mean of the labels' F1, as EvaluationResult.F1Score tells it."""
        return self._mean([one.f1 for one in self._tested])

    @property
    def precision(self) -> float:
        return self._mean([one.precision for one in self._tested])

    @property
    def recall(self) -> float:
        return self._mean([one.recall for one in self._tested])

    @property
    def _tested(self) -> list[LabelScores]:
        """Of a label without test images nothing is known: it counts in no mean."""
        return [one for one in self.scores if one.testing_images]

    @staticmethod
    def _mean(values: list[float]) -> float:
        return fmean(values) if values else 0.0


def summary_file(summary: Summary) -> bytes:
    """EvaluationResultSummary. Its labels come best F1 first, by name where that is equal."""
    ordered = sorted(summary.scores, key=lambda one: (-one.f1, one.label))
    return json_file(
        {
            "Version": 1,
            "AggregatedEvaluationResults": _aggregated(summary),
            "EvaluationDetails": {
                "EvaluationEndTimestamp": moment(summary.ended),
                "Labels": [one.label for one in summary.scores],
                "NumberOfTestingImages": summary.testing_images,
                "NumberOfTrainingImages": summary.training_images,
                "ProjectVersionArn": summary.version_arn,
            },
            "LabelEvaluationResults": [_label_result(one) for one in ordered],
        }
    )


def _aggregated(summary: Summary) -> dict[str, Any]:
    figures: dict[str, Any] = {"Precision": summary.precision, "Recall": summary.recall, "F1Score": summary.f1}
    if summary.confusion is not None:
        labels = [one.label for one in summary.scores]
        figures["ConfusionMatrix"] = [
            {"GroundTruthLabel": truth, "PredictedLabel": predicted, "Value": value}
            for truth, row in zip(labels, summary.confusion, strict=True)
            for predicted, value in zip(labels, row, strict=True)
        ]
    if summary.average_precision is not None:
        figures["AveragePrecision"] = summary.average_precision
    if summary.average_recall is not None:
        figures["AverageRecall"] = summary.average_recall
    return figures


def _label_result(scores: LabelScores) -> dict[str, Any]:
    return {
        "Label": scores.label,
        "NumberOfTestingImages": scores.testing_images,
        "Metrics": {
            "Precision": scores.precision,
            "Recall": scores.recall,
            "F1Score": scores.f1,
            "Threshold": scores.threshold,
        },
    }


def report_file(
    summary: Summary, *, task: str, warnings: Sequence[str], notes: Sequence[str], details: Mapping[str, Any]
) -> bytes:
    """The TrainingReport, which the original has not: `details` is what the trainer recorded.

    Average precision, curves, confusion and intervals stand in `details`.
    """
    return json_file(
        {
            "Version": 1,
            "ProjectVersionArn": summary.version_arn,
            "EvaluationEndTimestamp": moment(summary.ended),
            "Task": task,
            "Labels": [one.label for one in summary.scores],
            "NumberOfTrainingImages": summary.training_images,
            "NumberOfTestingImages": summary.testing_images,
            "Warnings": list(warnings),
            "Notes": list(notes),
            "Details": dict(details),
        }
    )


def json_file(content: Mapping[str, Any]) -> bytes:
    """A document as these files have it."""
    return json.dumps(content, ensure_ascii=False, indent=1).encode()
