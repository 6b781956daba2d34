"""What a trained model says of its test images, as the result files tell it: verdicts, figures, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from relook.core.custom_labels.results import LabelScores
from relook.core.custom_labels.snapshots import Verdict
from relook.vision.evaluation import Evaluation, evaluate_classifier, evaluate_detector
from relook.vision.evaluation.detection import matched
from relook.vision.labelled import FoundLabel, LabelledBox, LabelResult, LabelTask, LabelTest, Rectangle, as_told


@dataclass(frozen=True, slots=True)
class Judged:
    """`verdicts` has one list for each test image; `confusion` is None for a detector, and where nothing was tested.

    The averages are over labels: of average precision, and of the recall of everything found at all.
    """

    verdicts: list[list[Verdict]]
    scores: list[LabelScores]
    confusion: list[list[float]] | None
    average_precision: float
    average_recall: float


def judge(result: LabelResult, labels: Sequence[str], task: LabelTask) -> Judged:
    """Everything at the thresholds that the model was given."""
    if not result.tests:
        untested = [LabelScores(label, 0, 0.0, 0.0, 0.0, result.thresholds[label]) for label in labels]
        return Judged([], untested, None, 0.0, 0.0)
    evaluation = _evaluate(result.tests, labels, task, [result.thresholds[label] for label in labels])
    judge_one = _boxes if task is LabelTask.DETECTION else _labels
    verdicts = [judge_one(test, result.thresholds) for test in result.tests]
    scores = [
        LabelScores(one.label, one.images, one.precision, one.recall, one.f1, one.threshold)
        for one in evaluation.labels
    ]
    confusion = None
    if task is not LabelTask.DETECTION:
        images = np.array([[max(1, one.images)] for one in evaluation.labels])
        confusion = (evaluation.confusion / images).tolist()
    return Judged(verdicts, scores, confusion, evaluation.average_precision, evaluation.average_recall)


def _evaluate(
    tests: Sequence[LabelTest], labels: Sequence[str], task: LabelTask, thresholds: Sequence[float]
) -> Evaluation:
    if task is LabelTask.DETECTION:
        images = [(test.image.boxes, test.prediction.found) for test in tests]
        return evaluate_detector(images, labels, seed=None, thresholds=thresholds)
    truths = np.array([[label in test.image.labels for label in labels] for test in tests])
    found = [{one.name: one.score for one in test.prediction.found} for test in tests]
    scores = np.array([[each[label] for label in labels] for each in found])
    single = task is LabelTask.SINGLE_LABEL
    return evaluate_classifier(truths, scores, labels, single=single, seed=None, thresholds=thresholds)


def _labels(test: LabelTest, thresholds: Mapping[str, float]) -> list[Verdict]:
    present = set(test.image.labels)
    return [
        Verdict(one.name, one.score, as_told(one.score) >= thresholds[one.name], one.name in present)
        for one in test.prediction.found
    ]


def _boxes(test: LabelTest, thresholds: Mapping[str, float]) -> list[Verdict]:
    """One for every box at its threshold, then one for every annotated box that none of them matches.

    What was missed carries the prediction below the threshold that is in its place, or itself with a score of 0.
    """
    names = sorted({one.name for one in test.prediction.found} | {one.label for one in test.image.boxes})
    verdicts = [verdict for name in names for verdict in _of_label(test, name, thresholds[name])]
    return sorted(verdicts, key=lambda one: (not one.predicted, -one.score))


def _of_label(test: LabelTest, name: str, threshold: float) -> list[Verdict]:
    truths = [one for one in test.image.boxes if one.label == name]
    found = sorted((one for one in test.prediction.found if one.name == name), key=lambda one: -one.score)
    told = [one for one in found if as_told(one.score) >= threshold]
    taken = _matches(told, truths)
    verdicts = [Verdict(name, one.score, True, place >= 0, one.box) for one, place in zip(told, taken, strict=True)]
    missed = [truth for place, truth in enumerate(truths) if place not in taken]
    faint = found[len(told) :]
    places = _matches(faint, missed)
    fitting = [one for one, place in zip(faint, places, strict=True) if place >= 0]
    unseen = [truth for place, truth in enumerate(missed) if place not in places]
    verdicts += [Verdict(name, one.score, False, True, one.box) for one in fitting]
    return verdicts + [Verdict(name, 0.0, False, True, truth.box) for truth in unseen]


def _matches(found: Sequence[FoundLabel], truths: Sequence[LabelledBox]) -> list[int]:
    """For each found box the place of the annotated one that it is, or -1."""
    boxes = [one.box for one in found if one.box is not None]
    places: list[int] = matched(_corners(boxes), _corners([one.box for one in truths])).tolist()
    return places


def _corners(boxes: Sequence[Rectangle]) -> np.ndarray:
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes]
    return np.array(corners, np.float64).reshape(-1, 4)
