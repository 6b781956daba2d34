"""Whether a detector's answers lie on the true boxes of pictures, and what its TrainingReport must hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from label_versions import VersionStage

from label_pictures import Box

Labelled = tuple[str, Box]
"""A label and where it is, in pixels."""
Picture = tuple[bytes, Sequence[Labelled]]
OVERLAP = 0.5
"""Intersection over union that makes a box right."""
LEAST_FOUND, LEAST_RIGHT = 0.5, 0.4
"""Shares of the true boxes and of those told. Blood cells had 0.76 and 0.63 after 75 steps of 200."""
RATES = ("precision", "recall")


def placed(answer: Iterable[Mapping[str, Any]], size: tuple[int, int]) -> list[Labelled]:
    """The labels of DetectCustomLabels and their boxes in pixels of a picture of this (width, height)."""
    boxes = [(str(one["Name"]), one["Geometry"]["BoundingBox"]) for one in answer]
    wide, high = size
    return [
        (name, (wide * box["Left"], high * box["Top"], wide * box["Width"], high * box["Height"]))
        for name, box in boxes
    ]


def met(true: Sequence[Labelled], told: Sequence[Labelled]) -> int:
    """How many true boxes a box of their label is on. `told` surest first: each is good for one of them."""
    missing = list(true)
    for name, box in told:
        on = [(overlap(box, other[1]), place) for place, other in enumerate(missing) if other[0] == name]
        best, place = max(on, default=(0.0, 0))
        if best >= OVERLAP:
            del missing[place]
    return len(true) - len(missing)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width, height = (
        max(0.0, min(one[side] + one[side + 2], other[side] + other[side + 2]) - max(one[side], other[side]))
        for side in (0, 1)
    )
    shared = width * height
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def told_on(versions: VersionStage, arn: str, pictures: Iterable[Picture], size: tuple[int, int]) -> tuple[int, int]:
    """How many boxes a version tells of on these pictures by its own thresholds, and how many true ones they met."""
    boxes = hits = 0
    for image, true in pictures:
        told = placed(versions.detect(arn, image), size)
        boxes, hits = boxes + len(told), hits + met(true, told)
    return boxes, hits


def check_answers(report: Mapping[str, Any], boxes: int, hits: int) -> None:
    """Enough of the true boxes are found, enough of those told are right, and both as often as the report says.

    The report's boxes are not rounded as those of answers are: that may move a few across OVERLAP.
    """
    labels = report["Details"]["labels"]
    found = {label["label"]: label["recall"] * label["truths"] for label in labels}
    assert hits >= LEAST_FOUND * sum(label["truths"] for label in labels)
    assert hits >= LEAST_RIGHT * boxes
    assert hits == pytest.approx(sum(found.values()), rel=0.01)
    assert boxes == pytest.approx(sum(found[label["label"]] / label["precision"] for label in labels), rel=0.01)


def report_of(versions: VersionStage, described: Mapping[str, Any]) -> dict[str, Any]:
    """The TrainingReport, which lies beside the summary."""
    where = described["EvaluationResult"]["Summary"]["S3Object"]
    name = where["Name"].replace("EvaluationResultSummary", "TrainingReport")
    report: dict[str, Any] = versions.read({"S3Object": where | {"Name": name}})
    return report


def check_report(report: Mapping[str, Any], truths: Mapping[str, int], images: int) -> None:
    """Its figures, of so many test images with so many true boxes of each label, some of each label found."""
    labels = sorted(truths)
    assert (report["Task"], sorted(report["Labels"]), report["NumberOfTestingImages"]) == ("detection", labels, images)
    details = report["Details"]
    assert (details["images"], details["interval_level"]) == (images, 0.95)
    assert {one["label"]: one["truths"] for one in details["labels"]} == truths
    _check_confusion(details["confusion"], details["confusion_labels"], truths)
    for figures in (details, *details["labels"]):
        assert all(0 < figures[name] <= 1 for name in RATES)
        for name in ("average_precision", "f1"):
            low, high = figures[name]["interval"]
            assert 0 <= low <= figures[name]["value"] <= high <= 1
            assert low < high
    for label in details["labels"]:
        _check_curve(label)


def _check_confusion(counts: Sequence[Sequence[int]], names: Sequence[str | None], truths: Mapping[str, int]) -> None:
    """A row for each label and one for nothing, which is never found where nothing is."""
    assert (sorted(names[:-1], key=str), names[-1]) == (sorted(truths), None)
    assert [len(row) for row in counts] == [len(names)] * len(names)
    assert all(count >= 0 for row in counts for count in row)
    assert {name: sum(row) for name, row in zip(names, counts, strict=True) if name is not None} == truths
    assert counts[-1][-1] == 0


def _check_curve(label: Mapping[str, Any]) -> None:
    curve = label["curve"]
    assert len(curve) > 1
    for one, other in itertools.pairwise(curve):
        assert one["score"] > other["score"]
        assert one["recall"] <= other["recall"]
    assert all(0 <= point[name] <= 1 for point in curve for name in ("score", *RATES))
    # Of many points some are left out: the threshold lies between two of those that are there.
    above = [point["recall"] for point in curve if point["score"] >= label["threshold"]]
    below = [point["recall"] for point in curve if point["score"] <= label["threshold"]]
    assert above[-1] <= label["recall"] <= (*below, 1.0)[0]
