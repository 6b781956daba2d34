"""Training: labelled images in, an artifact and its evaluation out.

Deterministic, as long as there is time for all that could be tried, and answers are not limited in time, which has to
be measured: same data, same seed, same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from relook.vision import artifact, int8, judging, provenance, runtime, training_report, view
from relook.vision.answer_time import AnswerTime
from relook.vision.backbones import Backbone
from relook.vision.budget import Budget
from relook.vision.calibration import (
    LEAST_SPREAD,
    NORMAL_DEVIATIONS,
    Calibration,
    fit_platt,
    from_normals,
    steady_threshold,
)
from relook.vision.candidates import MARGIN, REPEATS, Candidate, by_chance, choose
from relook.vision.exporting import export
from relook.vision.features import Extractor
from relook.vision.images import CELL, Size, working_size
from relook.vision.intervals import Intervals
from relook.vision.looking import Looking
from relook.vision.memory_bank import BANK_ROWS
from relook.vision.naming import listed
from relook.vision.planted import MOST, plant
from relook.vision.problem import FEWEST_ANOMALIES, FOLDS, Problem, assign_folds, copies_among
from relook.vision.samples import (
    DefectClass,
    Progress,
    Sample,
    Task,
    TrainingError,
    TrainingResult,
)
from relook.vision.sifting import Sifted, sift
from relook.vision.survey import COMPARED_IMAGES, Survey, choose_compared, survey
from relook.vision.turns import Turn

LONG_SIDES = (256, 384, 512, 768, 1024)
"""Candidates: which one is right differs by product, and choosing it is half of the accuracy."""
LARGEST_GROWTH = 1.1
"""A size that is larger than the images by no more than this is taken for their own; the smallest is always tried."""
_MATH_THREADS = 1
"""Fixed, because sums over another number of threads differ in the last bit, and with them the artifact's bytes; one,
because the many small products here lose more by threads waiting for a busy core than they win."""


@dataclass(frozen=True, slots=True)
class Options:
    """What measurements hold fixed; None lets training decide. `long_sides` in pixels, `bank_rows` patches.
    `seconds` are what a training should take: what does not fit in is not tried."""

    precision: runtime.Precision | None = None
    long_sides: tuple[int, ...] | None = None
    scorer: str | None = None
    bank_rows: int = BANK_ROWS
    seconds: float = math.inf
    milliseconds: float = math.inf

    def sizes(self, image: Size) -> list[Size]:
        """Working sizes to try, smallest first."""
        if self.long_sides is not None:
            return [working_size(image, side) for side in sorted(self.long_sides)]
        longest = max(image.height, image.width)
        sides = [side for side in LONG_SIDES if side == LONG_SIDES[0] or side <= LARGEST_GROWTH * longest]
        whole = longest - CELL // 2  # whose whole cells are no more than the image has
        return [working_size(image, side if side <= longest or side == sides[0] else whole) for side in sides]


@dataclass(frozen=True, slots=True)
class _Model:
    """The winner, with its calibration; `raw_threshold` is what `threshold` is the calibrated score of. `tried` are the
    sizes that were looked at."""

    chosen: Candidate
    calibration: Calibration
    raw_threshold: float
    threshold: float
    basis: str
    calibration_basis: str
    held_out: Intervals | None
    tried: tuple[str, ...]
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
    options = options or Options()
    budget = Budget(options.seconds)
    with threadpool_limits(limits=_MATH_THREADS):
        seen = survey(training, test, classes, progress)
        training = seen.training
        precision = options.precision or runtime.native_precision()
        if precision is runtime.Precision.INT8:
            backbone = int8.quantised(backbone, training, seed)
        sifted = sift(training, test, backbone, seed=seed, precision=precision, progress=progress)
        pose = partial(_problem, task=task, classes=classes, seed=seed, sifted=sifted, rows=options.bank_rows)
        learned = _learnable(sifted.samples, task)
        problem = pose(choose_compared(learned, seed))
        answers = AnswerTime(backbone, precision, options.milliseconds, progress)
        sizes, slow = answers.sizes(options.sizes(seen.size), problem)
        where, turns = _lying(problem, Extractor(backbone, sizes[0], precision), progress)
        problem, pose = replace(problem, turns=turns), partial(pose, turns=turns)
        looking = Looking(backbone, precision, where, budget, progress)
        problem, model = _learn(problem, pose, learned, looking, answers, sizes, len(test), options.scorer)
        progress("fit", 1, 1)
        chosen = model.chosen
        data, card = export(
            chosen.views, chosen.score, problem, backbone, precision, model.calibration, model.threshold
        )
        artifact.write(output, data, card)
        progress("export", 1, 1)
        unlearned = [
            *judging.of_unlearned(output, [each for each in sifted.samples if each.anomalous and problem.planted])
        ]
        tests, metrics, overlaps, shown = judging.evaluate(output, test, classes, progress)
        judged = training_report.of_tests(tests, overlaps, seed)
    figures = training_report.interval_notes(judged, model.held_out, classes, len(test))
    figures += training_report.pointing_notes(tests)
    intervals = training_report.as_record(judged, model.held_out)
    hint = (backbone.hint,) if backbone.hint and problem.planted else ()
    notes = (*figures, *unlearned, *_notes(backbone, seen, sifted, where is not None, problem, model), *slow, *hint)
    record = {
        **_record(backbone, seen, problem, model, notes),
        "metrics": asdict(metrics),
        "metrics_intervals": intervals,
        "training_images": len(training),
        "testing_images": len(test),
        "left_out": list(sifted.left_out),
        "answer_milliseconds": None if math.isinf(options.milliseconds) else options.milliseconds,
    }
    artifact.write(output, data, replace(card, record=record))
    return TrainingResult(output, metrics, tests, len(training), len(test), notes, intervals, shown)


def _problem(
    samples: Sequence[Sample],
    task: Task,
    classes: Sequence[DefectClass],
    seed: int,
    sifted: Sifted,
    rows: int = BANK_ROWS,
    turns: tuple[Turn, ...] = (),
) -> Problem:
    """With too few anomalies to learn from, defects are planted into normal images instead, and of `sifted`'s suspects
    no turned copies are made. Of pictures that it calls copies none is judged by what was learned from another."""
    if task is Task.SEGMENTATION and not any(sample.mask for sample in samples):
        raise TrainingError("segmentation needs training images with masks; add masks to the training dataset")
    samples = _learnable(samples, task)
    planted = task is Task.CLASSIFICATION and not any(sample.anomalous for sample in samples)
    labels = np.array([sample.anomalous for sample in samples], bool)
    copy_of = copies_among([sample.key for sample in samples], sifted.copies, labels)
    source = copy_of
    if planted:
        victims = np.sort(np.random.default_rng([seed, 9]).permutation(len(samples))[:MOST]).tolist()
        copy_of = np.append(copy_of, len(samples) + np.arange(len(victims)))
        source = np.append(source, source[victims])
        samples = [*samples, *(plant(samples[at], seed, at) for at in victims)]
    anomalous = np.array([sample.anomalous for sample in samples], bool)
    fold = assign_folds(anomalous, seed, copy_of=copy_of)
    # a head that knows a defect's original knows what is not the defect
    suspects = frozenset(sifted.suspects if planted else ())
    return Problem(
        samples, anomalous, fold[source], source, task, classes, seed, planted, copy_of, rows, turns, suspects
    )


def _lying(
    problem: Problem, extractor: Extractor, progress: Progress
) -> tuple[npt.NDArray[np.float32] | None, tuple[Turn, ...]]:
    """Where the product lies in its pictures, and the turns that make no difference to it."""
    where = view.product(problem, extractor, progress)
    return where, view.alike(problem, extractor, where, progress)


def _learnable(samples: Sequence[Sample], task: Task) -> Sequence[Sample]:
    """All, or the normal ones where the anomalies are too few to learn from."""
    if task is Task.CLASSIFICATION and sum(sample.anomalous for sample in samples) < FEWEST_ANOMALIES:
        return [sample for sample in samples if not sample.anomalous]
    return samples


def _learn(
    problem: Problem,
    pose: Callable[[Sequence[Sample]], Problem],
    samples: Sequence[Sample],
    looking: Looking,
    answers: AnswerTime,
    sizes: Sequence[Size],
    tests: int,
    scorer: str | None,
) -> tuple[Problem, _Model]:
    """The best candidate on `problem`, which is posed of the compared ones of `samples`; where that is not all of them,
    learned again from all. Gives the problem that it learned from, too."""
    later = len(samples) if len(samples) > COMPARED_IMAGES else 0
    views, notes = looking.views(problem, sizes, later, tests)
    found = looking.compared(problem, views, later)
    quick, slow = answers.candidates(found, problem)
    fit, left = looking.affordable(quick, later, tests)
    chosen = choose(fit, problem.planted, scorer, _chance(problem))
    notes += [*slow, *left]
    if later:
        notes.append(
            f"Compared the candidates on {COMPARED_IMAGES} of the {later} training images, drawn by the seed; the one "
            "chosen learned from all."
        )
        problem = pose(samples)
        chosen = looking.again(chosen, problem)
    compared = {id(each): each for each in (*found, *fit)}.values()  # where some were too slow, another one was tried
    notes += [_why(chosen, len(fit), problem), *(_row(each) for each in compared)]
    tried = tuple(f"{each.size.width}x{each.size.height}" for each in views)
    return problem, _fit(chosen, problem, tried, tuple(notes))


def _fit(chosen: Candidate, problem: Problem, tried: tuple[str, ...], notes: tuple[str, ...]) -> _Model:
    raw, labels = chosen.raw, problem.anomalous
    held_out = None
    if problem.ranked and (chosen.scorer.supervised or chosen.auroc >= _chance(problem)):
        calibration, raw_threshold = fit_platt(raw, labels), steady_threshold(raw, labels, problem.seed)
        basis = "best F1 of the held-out training images, averaged over resamplings"
        scaled = "logistic regression of the label on the held-out raw scores (Platt)"
        held_out = training_report.of_held_out(raw, raw_threshold, labels, problem.seed)
    else:
        calibration, raw_threshold = from_normals(raw[problem.distinct])  # copies must not narrow the spread
        scaled = "the threshold's score is 0.5, and a robust deviation of the held-out normals is the unit"
        unit = f"robust deviations (at least {LEAST_SPREAD} each)"
        basis = f"{NORMAL_DEVIATIONS} {unit} above the median of the held-out normal training images"
    threshold = calibration.apply(raw_threshold)
    return _Model(chosen, calibration, raw_threshold, threshold, basis, scaled, held_out, tried, notes)


def _why(chosen: Candidate, candidates: int, problem: Problem) -> str:
    chance = _chance(problem)
    what = f"Chose {chosen.sizes} with the score '{chosen.scorer.name}' out of {candidates} candidates"
    if problem.planted:
        return (
            f"{what}: fewer than {FEWEST_ANOMALIES} anomalies are labelled, so normal images alone were learned from. "
            "The smallest and the largest size together, or where there is no time for both the largest that there is "
            "time for, are taken unless something else finds defects planted into these far better. The threshold lies "
            "above the held-out normals; labelled anomalies would make it better."
        )
    if problem.ranked and not chosen.scorer.supervised:
        return (
            f"{what}: no score that learns from the labelled anomalies tells held-out ones from normal images better "
            "than chance would, so distances from normal images are all that it goes by. More anomalies, or of the "
            "kinds that matter, would make the model better."
        )
    if not problem.ranked:
        return (
            f"{what} by its masks and the images that it has seen: fewer than {FEWEST_ANOMALIES} anomalies are "
            "labelled, so the candidates' figures say little, and the threshold lies above the held-out normals."
        )
    return (
        f"{what} by {FOLDS}-fold cross-validation on the training images, repeated {REPEATS} times: "
        f"within {MARGIN} the cheaper wins."
        + (" Held out, it tells the anomalies apart no better than chance would." if chosen.auroc < chance else "")
    )


def _chance(problem: Problem) -> float:
    """What the AUROC of a candidate that learned from the labels has to reach."""
    return by_chance(problem.anomalous) if problem.ranked else 0.0


def _row(each: Candidate) -> str:
    overlap = "" if each.overlap is None else f", mask overlap {each.overlap:.3f}"
    return (
        f"Candidate {each.sizes} '{each.scorer.name}': AUROC {each.auroc:.3f}, "
        f"F1 {each.f1:.3f}, information {each.information:.3f}{overlap}."
    )


def _notes(
    backbone: Backbone, seen: Survey, sifted: Sifted, background: bool, problem: Problem, model: _Model
) -> tuple[str, ...]:
    weights = f"Weights: {backbone.name} ({backbone.origin})."
    rim = (
        "The pictures have a background: what lies there counts for less, a quarter or so, "
        "so that it cannot decide in the product's place."
    )
    ways = listed([str(turn) for turn in problem.turns], len(problem.turns))
    but = f", but not of those that look unlike the others: {listed(sifted.suspects)}" if problem.suspects else ""
    lying = f"Normal pictures look normal as well when they are {ways}: such copies of them are learned from, too{but}."
    return (
        weights,
        *((backbone.warning,) if backbone.warning else ()),
        *((rim,) if background else ()),
        *((lying,) if problem.turned else ()),
        *seen.notes,
        *sifted.notes,
        *model.notes,
    )


def _record(backbone: Backbone, seen: Survey, problem: Problem, model: _Model, notes: Sequence[str]) -> dict[str, Any]:
    """What people, not the program, read later."""
    libraries = ("numpy", "onnx", "openvino", "pillow", "scikit-learn", "simplejpeg")
    return {
        "backbone": {"name": backbone.name, "origin": backbone.origin, "sha256": backbone.sha256},
        "int8": backbone.int8,
        "data_sha256": seen.data_sha256,
        "code_sha256": provenance.code_sha256(),
        "seed": problem.seed,
        "sizes_tried": list(model.tried),
        "turns": [str(turn) for turn in problem.turns if problem.turned],
        "score": {"name": model.chosen.scorer.name, "views": model.chosen.sizes},
        "raw_threshold": model.raw_threshold,
        "threshold_basis": model.basis,
        "calibration_basis": model.calibration_basis,
        "held_out_raw_scores": training_report.spread(model.chosen.raw, problem.anomalous, problem.planted),
        "versions": provenance.versions(libraries),
        "notes": list(notes),
    }
