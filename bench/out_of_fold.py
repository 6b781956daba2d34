"""What to tune the engine by: `python -m bench.out_of_fold SET SEED ..` with SET `board` or `cookie`.

Trains on three quarters of a set's TRAINING images and answers the rest, four times for each seed, scale choice and
threshold included. It never opens an official test image, so its figures may be looked at as often as one likes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.bed import WEIGHTS
from bench.sets import DataSet, board, cookie
from relook.vision.backbones import Backbone
from relook.vision.metrics import image_metrics
from relook.vision.problem import FOLDS, assign_folds
from relook.vision.samples import TestResult
from relook.vision.train import train
from relook.vision.weights import choose, import_weights

SETS = {"board": board, "cookie": cookie}
_DEAL = 99
"""Another way to deal out the folds than any that training itself uses."""


def answers(data: DataSet, backbone: Backbone, seed: int) -> list[TestResult]:
    """Every training image's prediction by a model that never saw it."""
    fold = assign_folds(np.array([sample.anomalous for sample in data.training]), seed, _DEAL)
    tests: list[TestResult] = []
    for held in range(FOLDS):
        with tempfile.TemporaryDirectory() as folder:
            result = train(
                [sample for sample, at in zip(data.training, fold, strict=True) if at != held],
                [sample for sample, at in zip(data.training, fold, strict=True) if at == held],
                task=data.task,
                classes=data.classes,
                backbone=backbone,
                output=Path(folder),
                seed=seed,
                progress=lambda stage, done, total: None,
            )
        tests += result.tests
        overlap = "".join(f", {each.name} IoU {each.average_iou or 0:.3f}" for each in result.metrics.classes)
        print(
            next(note for note in result.notes if note.startswith("Chose")).split(" out of ")[0] + overlap, flush=True
        )
    return tests


def main() -> None:
    """A line for each fold and one for each seed."""
    name, *seeds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        import_weights(WEIGHTS, Path(folder))
        backbone = choose(Path(folder))
    for seed in seeds:
        found = image_metrics(answers(SETS[name](), backbone, int(seed)))
        print(f"{name}, seed {seed}: held-out AUROC {found.roc_auc:.3f}, F1 {found.f1:.3f}", flush=True)


if __name__ == "__main__":
    main()
