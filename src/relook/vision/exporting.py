"""Views and a score as what is served: the graph and the card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from relook.vision import graph
from relook.vision.artifact import Card, CardView
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.samples import Task
from relook.vision.score import Score
from relook.vision.view import View


def export(
    views: Sequence[View],
    score: Score,
    problem: Problem,
    backbone: Backbone,
    precision: Precision,
    calibration: Calibration,
    threshold: float,
) -> tuple[bytes, Card]:
    """The graph's bytes, and its card without a record; `threshold` is a calibrated score."""
    data = graph.full_model(backbone, [each.parts() for each in views]).SerializeToString(deterministic=True)
    heads = [at for at, each in enumerate(views) if each.head is not None]
    return data, Card(
        task=problem.task,
        classes=tuple(problem.classes),
        views=tuple(CardView(each.size, each.grid, each.head is not None, each.heat) for each in views),
        masks_from=heads[0] if problem.task is Task.SEGMENTATION else None,
        precision=precision,
        weights=tuple(tuple(float(value) for value in row) for row in score.weights),
        bias=tuple(float(value) for value in score.bias),
        temperature=score.temperature,
        calibration=calibration,
        threshold=threshold,
        graph_sha256=hashlib.sha256(data).hexdigest(),
        record={},
    )
