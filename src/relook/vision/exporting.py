"""A candidate as what is served: its graph and its card."""

from __future__ import annotations

import hashlib

from relook.vision import graph
from relook.vision.artifact import Card, CardView
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration
from relook.vision.candidates import Candidate
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.samples import Task


def export(
    candidate: Candidate,
    problem: Problem,
    backbone: Backbone,
    precision: Precision,
    calibration: Calibration,
    threshold: float,
) -> tuple[bytes, Card]:
    """The graph's bytes, and its card without a record; `threshold` is a calibrated score."""
    data = graph.full_model(backbone, [each.parts() for each in candidate.views]).SerializeToString(deterministic=True)
    heads = [at for at, each in enumerate(candidate.views) if each.head is not None]
    return data, Card(
        task=problem.task,
        classes=tuple(problem.classes),
        views=tuple(CardView(each.size, each.grid, each.head is not None, each.heat) for each in candidate.views),
        masks_from=heads[0] if problem.task is Task.SEGMENTATION else None,
        precision=precision,
        weights=tuple(tuple(float(value) for value in row) for row in candidate.score.weights),
        bias=tuple(float(value) for value in candidate.score.bias),
        temperature=candidate.score.temperature,
        calibration=calibration,
        threshold=threshold,
        graph_sha256=hashlib.sha256(data).hexdigest(),
        record={},
    )
