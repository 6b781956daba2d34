"""Training: labelled images in, an artifact and its evaluation out. Deterministic: same data, same seed, same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import relook
from relook.vision import artifact, graph, runtime, trial
from relook.vision.artifact import Card
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration, best_threshold, fit_platt, from_normals
from relook.vision.images import Size, working_size
from relook.vision.metrics import PixelCounts, image_metrics
from relook.vision.predict import Predictor
from relook.vision.samples import (
    DefectClass,
    Metrics,
    Progress,
    Sample,
    Task,
    TestResult,
    TrainingError,
    TrainingResult,
)
from relook.vision.scorers.base import LinearScore
from relook.vision.survey import Survey, choose_compared, mask_of, pixels_of, survey

LONG_SIDES = (256, 512, 768)
"""Candidates: which one is right differs by product, and choosing it is half of the accuracy."""
UNSUPERVISED_LONG_SIDE = 384
"""Without anomalies there is nothing to choose by: the middle."""
MARGIN = 0.005
"""A costlier candidate must be better by this much."""
_MATH_THREADS = 1
"""Fixed, because sums over another number of threads differ in the last bit, and with them the artifact's bytes; one,
because the many small products here lose more by threads waiting for a busy core than they win."""


@dataclass(frozen=True, slots=True)
class Options:
    """What measurements hold fixed; None lets training decide. `long_sides` in pixels."""

    precision: runtime.Precision | None = None
    long_sides: tuple[int, ...] | None = None
    scorer: str | None = None

    def sizes(self, image: Size, supervised: bool) -> list[Size]:
        """Working sizes to try, smallest first."""
        if self.long_sides is not None:
            return [working_size(image, side) for side in self.long_sides]
        return _sizes(image, supervised)


@dataclass(frozen=True, slots=True)
class _Model:
    """The winner, fitted."""

    trial: trial.Trial
    score: LinearScore
    calibration: Calibration
    threshold: float
    notes: tuple[str, ...]


def train(
    training: Sequence[Sample],
    test: Sequence[Sample],
    *,
    task: Task,
    classes: Sequence[DefectClass],
    backbone: Backbone,
    output: Path,
    seed: int,
    progress: Progress,
    options: Options | None = None,
) -> TrainingResult:
    """Learn from `training`, write the artifact into the folder `output`, evaluate it on `test`.

    `classes` are the defect classes in index order; empty for classification. Nothing of `test` reaches the model, its
    threshold included. Raises TrainingError when the data cannot be trained on.
    """
    if (task is Task.SEGMENTATION) != bool(classes):
        raise TrainingError("segmentation needs at least one anomaly label with masks, and classification none")
    with threadpool_limits(limits=_MATH_THREADS):
        seen = survey(training, test, progress)
        options = options or Options()
        precision = options.precision or runtime.DEFAULT_PRECISION
        problem = _problem(choose_compared(training, seed), task, classes, seed)
        trials = _try_sizes(problem, options.sizes(seen.size, problem.supervised), backbone, precision, progress)
        chosen = _choose(trials, options.scorer)
        if len(problem.samples) < len(training):
            problem = _problem(training, task, classes, seed)
            chosen = _refit(chosen, problem, backbone, precision, progress)
        model = _fit(*chosen, trials, problem)
        progress("fit", 1, 1)
        notes = _notes(backbone, seen, model)
        card = _export(model, problem, backbone, precision, output)
        card = replace(card, record=_record(backbone, seen, problem, notes))
        artifact.write(output, (output / artifact.GRAPH).read_bytes(), card)
        progress("export", 1, 1)
        tests, metrics = _evaluate(output, test, classes, progress)
    record = {**card.record, "metrics": asdict(metrics), "training_images": len(training), "testing_images": len(test)}
    artifact.write(output, (output / artifact.GRAPH).read_bytes(), replace(card, record=record))
    return TrainingResult(output, metrics, tests, len(training), len(test), notes)


def _problem(samples: Sequence[Sample], task: Task, classes: Sequence[DefectClass], seed: int) -> trial.Problem:
    anomalous = np.array([sample.anomalous for sample in samples], bool)
    if task is Task.SEGMENTATION and not any(sample.mask for sample in samples):
        raise TrainingError("segmentation needs training images with masks; add masks to the training dataset")
    return trial.Problem(samples, anomalous, trial.assign_folds(anomalous, seed), task, classes, seed)


def _sizes(image: Size, supervised: bool) -> list[Size]:
    """Working sizes to try; none more than doubles the image."""
    if not supervised:
        return [working_size(image, min(UNSUPERVISED_LONG_SIDE, 2 * max(image.height, image.width)))]
    longest = max(image.height, image.width)
    return [working_size(image, side) for side in LONG_SIDES if side == LONG_SIDES[0] or side <= 1.6 * longest]


def _try_sizes(
    problem: trial.Problem,
    sizes: Sequence[Size],
    backbone: Backbone,
    precision: runtime.Precision,
    progress: Progress,
    stage: str = "candidates",
) -> list[trial.Trial]:
    total = len(sizes) * trial.steps(problem)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return [trial.run(problem, backbone, size, precision, step) for size in sizes]


def _choose(trials: Sequence[trial.Trial], scorer: str | None) -> tuple[trial.Trial, trial.Outcome]:
    """The size whose scorers are best on average, then the best scorer there; within MARGIN the cheaper and plainer.

    One scorer at one size is often the best by luck when there are a few dozen images; their mean is so less often.
    """
    quality = [float(np.mean([outcome.quality for outcome in entry.outcomes])) for entry in trials]
    entry = next(each for each, mean in zip(trials, quality, strict=True) if mean >= max(quality) - MARGIN)
    outcomes = [outcome for outcome in entry.outcomes if scorer in (None, outcome.scorer.name)]
    if not outcomes:
        known = ", ".join(outcome.scorer.name for outcome in entry.outcomes)
        raise TrainingError(f"no score is named {scorer!r} here; there are {known}")
    best = max(outcome.quality for outcome in outcomes)
    return entry, next(outcome for outcome in outcomes if outcome.quality >= best - MARGIN)


def _refit(
    chosen: tuple[trial.Trial, trial.Outcome],
    problem: trial.Problem,
    backbone: Backbone,
    precision: runtime.Precision,
    progress: Progress,
) -> tuple[trial.Trial, trial.Outcome]:
    """The size and scorer chosen on some of the images, learned again from all of `problem`'s."""
    (entry,) = _try_sizes(problem, [chosen[0].size], backbone, precision, progress, stage="fit")
    return entry, next(outcome for outcome in entry.outcomes if outcome.scorer.name == chosen[1].scorer.name)


def _fit(winner: trial.Trial, outcome: trial.Outcome, trials: Sequence[trial.Trial], problem: trial.Problem) -> _Model:
    pairs = [(entry, outcome) for entry in trials for outcome in entry.outcomes]
    if problem.supervised:
        calibration = fit_platt(outcome.raw, problem.anomalous)
        raw_threshold = best_threshold(outcome.raw, problem.anomalous)
    else:
        calibration, raw_threshold = from_normals(outcome.raw[~problem.anomalous])
    notes = (_why(winner, outcome, len(pairs), problem), *(_row(*pair) for pair in pairs))
    return _Model(
        winner, outcome.score, calibration, calibration.apply(raw_threshold), notes if problem.supervised else notes[:1]
    )


def _why(winner: trial.Trial, outcome: trial.Outcome, candidates: int, problem: trial.Problem) -> str:
    where = f"{winner.size.width}x{winner.size.height} with the score '{outcome.scorer.name}'"
    if not problem.supervised:
        return (
            f"Fewer than {trial.FEWEST_ANOMALIES} anomalies in the training images: learned from normal images alone, "
            f"at {where}; the threshold lies above the held-out normals. Some labelled anomalies make it much better."
        )
    return (
        f"Chose {where} out of {candidates} candidates by {trial.FOLDS}-fold cross-validation on the training images, "
        f"repeated {trial.REPEATS} times: the size whose scores are best on average, then the best score; "
        f"within {MARGIN} the cheaper wins."
    )


def _row(entry: trial.Trial, outcome: trial.Outcome) -> str:
    overlap = "" if entry.overlap is None else f", mask overlap {entry.overlap:.3f}"
    return (
        f"Candidate {entry.size.width}x{entry.size.height} '{outcome.scorer.name}': AUROC {outcome.auroc:.3f}, "
        f"F1 {outcome.f1:.3f}, information {outcome.information:.3f}{overlap}."
    )


def _notes(backbone: Backbone, seen: Survey, model: _Model) -> tuple[str, ...]:
    weights = f"Weights: {backbone.name} ({backbone.origin})."
    return (weights, *((backbone.warning,) if backbone.warning else ()), *seen.notes, *model.notes)


def _export(
    model: _Model, problem: trial.Problem, backbone: Backbone, precision: runtime.Precision, output: Path
) -> Card:
    entry = model.trial
    full = graph.full_model(backbone, entry.size, entry.projection, entry.bank.rows, entry.mask_head)
    data = full.SerializeToString(deterministic=True)
    card = Card(
        task=problem.task,
        classes=tuple(problem.classes),
        size=entry.size,
        grid=entry.grid,
        precision=precision,
        weights=tuple(float(value) for value in model.score.weights),
        bias=model.score.bias,
        calibration=model.calibration,
        threshold=model.threshold,
        graph_sha256=hashlib.sha256(data).hexdigest(),
        record={},
    )
    artifact.write(output, data, card)
    return card


def _record(backbone: Backbone, seen: Survey, problem: trial.Problem, notes: Sequence[str]) -> dict[str, Any]:
    """What people, not the program, read later."""
    libraries = ("numpy", "onnx", "openvino", "pillow", "scikit-learn", "simplejpeg")
    return {
        "backbone": {"name": backbone.name, "origin": backbone.origin, "sha256": backbone.sha256},
        "data_sha256": seen.data_sha256,
        "code_sha256": _code_sha256(),
        "seed": problem.seed,
        "versions": {"relook": relook.__version__} | {name: version(name) for name in libraries},
        "notes": list(notes),
    }


def _code_sha256() -> str:
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _evaluate(
    folder: Path, test: Sequence[Sample], classes: Sequence[DefectClass], progress: Progress
) -> tuple[tuple[TestResult, ...], Metrics]:
    """Every test image through the artifact as it will be served."""
    predictor = Predictor.load(folder, threads=1)
    counts = PixelCounts(classes)
    results = []
    for position, sample in enumerate(test):
        pixels = pixels_of(sample)
        prediction = predictor.predict_pixels(pixels)
        results.append(TestResult(sample.key, sample.anomalous, prediction))
        truth = mask_of(sample, classes, Size(*pixels.shape[:2])) if classes else None
        if truth is not None:
            counts.add(predictor.class_map(Size(*pixels.shape[:2])), truth)
        progress("evaluate", position + 1, len(test))
    return tuple(results), image_metrics(results, counts.metrics())
