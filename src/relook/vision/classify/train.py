"""Training a classifier: labelled images in, an artifact and its evaluation out.

Deterministic: the same images, labels, seed and candidates tried give the same bytes; those of a fine-tuned model also
hang on the numbers of steps and threads, which its record tells.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from relook.vision import artifact, int8, label_artifact, runtime
from relook.vision.backbones import Backbone
from relook.vision.budget import Budget
from relook.vision.classify import candidates, looking, telling
from relook.vision.classify.candidates import Candidate
from relook.vision.classify.exporting import Head, export
from relook.vision.classify.looking import PLAIN, Flip, Look, Memories, look
from relook.vision.classify.predicting import Classifier
from relook.vision.classify.problem import LabelProblem, compared, problem_of, some, truths_of
from relook.vision.classify.regression import Scaling, at_frequency
from relook.vision.classify.survey import check_labels, survey
from relook.vision.classify.tuning.choice import Trial, Tuned
from relook.vision.evaluation import Evaluation, as_record, evaluate_classifier
from relook.vision.images import CELL, LARGEST_WORKING_SIDE, Loaded, Size, load_upright, working_size
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.label_images import bytes_of, decoded
from relook.vision.labelled import LabelledImage, LabelPrediction, LabelResult, LabelTask, LabelTest
from relook.vision.pace import Pace
from relook.vision.parallel import in_order, threads
from relook.vision.samples import Progress, Sample, TrainingError, counted, stepping

LONG_SIDES = (256, 512, 768, LARGEST_WORKING_SIDE)
LARGEST_GROWTH = 1.1
"""A size that is larger than the images by no more than this is taken for their own; the smallest is always tried."""
FLIPS: tuple[tuple[Flip, ...], ...] = (
    (*PLAIN, (False, True)),
    (*PLAIN, (False, True), (True, False), (True, True)),
)
"""Ways to show images mirrored too: left and right exchanged; that, top and bottom, and both."""
MOST_FLIPPED = 1600
"""Images, mirrored ones included, beyond which mirroring is not tried: there are enough, and the time grows."""
MOST_TAUGHT = 4000
"""The same of all training images, where candidates are compared on a part of them: the last lesson holds them all."""
_GROWTH = 2.0
"""The time of a candidate grows with the images to about this power, at most."""
_LEAST_GAIN = 0.001
"""In quality, for which mirrored copies are learned from."""
_MATH_THREADS = 1
"""Fixed, because sums over another number of threads differ in the last bit, and with them the artifact's bytes."""
_UNTESTED = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What measurements hold fixed; None lets training decide. `long_sides` in pixels."""

    precision: runtime.Precision | None = None
    long_sides: tuple[int, ...] | None = None
    fine_tune: bool = True
    """Whether that is tried."""


@dataclass(frozen=True, slots=True)
class _Learned:
    """The winner's parts, and how it was found: `chosen` for the record, `table` with a row for each candidate."""

    backbone: Backbone
    size: Size
    head: Head
    memories: Memories | None
    chosen: dict[str, Any]
    table: tuple[str, ...]
    notes: tuple[str, ...]


def train(
    training: Sequence[LabelledImage],
    test: Sequence[LabelledImage],
    *,
    backbone: Backbone,
    task: LabelTask,
    labels: Sequence[str],
    output: Path,
    seed: int,
    seconds: float,
    progress: Progress,
    options: Options | None = None,
) -> LabelResult:
    """See `labelled.LabelTrainer`. Nothing of `test` reaches the model but its thresholds."""
    if task is LabelTask.DETECTION:
        raise ValueError(f"a classifier learns no {task}")
    check_labels(training, labels, task)
    if not test:
        raise TrainingError("there is no test image to choose thresholds on; add some to the test dataset")
    budget, options = Budget(seconds), options or Options()
    with threadpool_limits(limits=_MATH_THREADS):
        seen = survey(training, test, labels, progress)
        precision = options.precision or runtime.native_precision()
        if precision is runtime.Precision.INT8:
            some = [Sample(image.key, partial(bytes_of, image), anomalous=False) for image in training]
            backbone = int8.quantised(backbone, some, seed, lambda sample: load_upright(sample.load()).pixels)
        problem = problem_of(training, labels, seen.copy_of, task, seed)
        pace = Pace(backbone, precision)
        job = _Job(problem, seen.shape, backbone, precision, budget, pace, len(test), options.fine_tune, progress)
        learned = job.learn(_sizes(seen.shape, options))
        card = _export(learned, problem, precision, task, output)
        progress("export", 1, 1)
        tests, evaluation = _evaluate(output, test, problem, progress)
    warnings = (*seen.warnings, *evaluation.warnings)
    notes = (*telling.start(backbone), *seen.notes, *learned.notes, *warnings)
    how = {"chosen": learned.chosen, "candidates": list(learned.table)}
    report = as_record(evaluation) | how | telling.about(seen, len(training), notes)
    report["warnings"] = list(warnings)
    thresholds = {label: float(evaluation.thresholds[label]) for label in problem.labels}
    record = {**report, **telling.made_from(learned.backbone, seen, seed)}
    card = replace(card, thresholds=tuple(thresholds[label] for label in problem.labels), record=record)
    label_artifact.write(output, (output / artifact.GRAPH).read_bytes(), card)
    told = tuple(LabelTest(each.image, _with_thresholds(each.prediction, thresholds)) for each in tests)
    return LabelResult(output, thresholds, told, notes, report)


@dataclass(frozen=True, slots=True)
class _Job:
    """Candidates, the winner and its last lesson, within the time."""

    problem: LabelProblem
    shape: Size
    backbone: Backbone
    precision: runtime.Precision
    budget: Budget
    pace: Pace
    tests: int
    fine_tune: bool
    progress: Progress

    def learn(self, sizes: Sequence[Size]) -> _Learned:
        """`sizes` with the smallest first."""
        part = compared(self.problem)
        problem = self.problem.part(part)
        if not len(problem.judged):
            return self._uncompared(sizes[0])
        found, trying, untried = self._compare(problem, sizes)
        chosen = candidates.choose(found)
        mirrored, told = self._mirrored(problem, chosen, trying)
        table = tuple(telling.row(each) for each in found)
        notes = (telling.why(chosen, found, problem), *untried, *told)
        fitting = self._fitting(mirrored.look, len(part), trying)
        last, taught = mirrored.look, self.problem
        if len(part) < len(self.problem.images):
            taught = self._affordable(mirrored.look, len(part), fitting)
            last = self._look(taught, last.size, last.flips, "fit", bool(chosen.recipe.groups))
            notes = (*notes, telling.partly(len(part), len(taught.images), len(self.problem.images)))
        tuned, tuning = self._tuned(mirrored, last, fitting) if taught is self.problem else (None, [])
        notes = (*notes, *tuning)
        if tuned is not None:
            return _Learned(tuned.backbone, tuned.size, tuned.head, None, telling.tuned(tuned), table, notes)
        scaling = mirrored.scaling
        if not problem.single and len(part) < len(self.problem.images):  # the part has more of rare labels
            scaling = at_frequency(scaling, problem.part(problem.judged).truths, self.problem.truths)
        head = _head(taught, last, mirrored, scaling)
        self.progress("head", 1, 1)
        return _Learned(self.backbone, last.size, head, last.memories, telling.chosen(mirrored), table, notes)

    def _uncompared(self, size: Size) -> _Learned:
        """Where held-out images would tell nothing."""
        seen = self._look(self.problem, size, PLAIN, "fit", remember=False)
        taken = candidates.uncompared(self.problem, seen)
        head = _head(self.problem, seen, taken, taken.scaling)
        self.progress("head", 1, 1)
        chosen = telling.chosen(taken) | {"held_out": None}
        return _Learned(self.backbone, size, head, None, chosen, (), (telling.UNCOMPARED,))

    def _affordable(self, look: Look, compared: int, fitting: float) -> LabelProblem:
        """All images, or as many as there is time for: no fewer than were `compared`."""
        each = len(look.flips) * self.pace.at(look.size)
        again = looking.steps(self.problem) - len(self.problem.images)  # for memories
        left = self.budget.left - fitting - self._seconds(again, look.size)
        images = max(compared, int(left / each))
        return self.problem if images >= len(self.problem.images) else self.problem.part(some(self.problem, images))

    def _fitting(self, look: Look, compared: int, trying: float) -> float:
        """Seconds that a head from all images takes, at most, as there `look` at them; a candidate takes `trying` when
        it is `compared` on so many. There its heads have a weight for each of these images at most."""
        images = len(self.problem.images) * len(look.flips)
        values = sum(int(block.shape[1]) for block in look.blocks.values())
        grown = images * min(images, values) / compared**2
        return trying * max(1.0, grown) / candidates.heads(compared)

    def _tuned(self, chosen: Candidate, seen: Look, fitting: float) -> tuple[Tuned | None, list[str]]:
        if not self.fine_tune:
            return None, []
        answering = self._seconds(0, chosen.look.size)
        trial = Trial(
            self.problem, self.shape, chosen, seen, self.backbone, self.precision, self.budget, answering, fitting
        )
        return trial.run(self.progress)

    def _compare(self, problem: LabelProblem, sizes: Sequence[Size]) -> tuple[list[Candidate], float, list[str]]:
        """All candidates there is time for, the seconds that one of them takes at most, and what of the sizes was left
        out."""
        found: list[Candidate] = []
        remember = len(problem.groups) == len(self.problem.groups)  # else the winner could not learn from all
        again = looking.steps(self.problem) if len(problem.images) < len(self.problem.images) else 0
        comparing = trying = fitting = 0.0  # seconds, at most; they hang little on the size
        for at, size in enumerate(sizes):
            if found and candidates.hopeless(self.backbone, size, found):
                break
            steps = looking.steps(problem)
            if found and not self.budget.allows(comparing + fitting + self._seconds(steps + again, size)):
                left = ", ".join(f"{each.width}x{each.height}" for each in sizes[at:])
                return found, trying, [f"There was no time to try images of {left}; give the training more of it."]
            began = time.monotonic()
            seen = self._look(problem, size, PLAIN, f"candidates {at + 1} of {len(sizes)}", remember)
            self.pace.learned(size, steps, time.monotonic() - began)
            looked = time.monotonic()
            recipes = len(candidates.recipes(seen))
            found += candidates.compare(
                problem, seen, counted(self.progress, f"heads {at + 1} of {len(sizes)}", recipes)
            )
            comparing = max(comparing, time.monotonic() - looked)
            trying = max(trying, comparing / recipes)
            fitting = self._fitting(seen, len(problem.images), trying)
        return found, trying, []

    def _seconds(self, images: int, size: Size) -> float:
        """For so many images to be learned from, and the test images to be answered, in a `size`."""
        return images * self.pace.at(size) + self.tests * self.pace.answered(size)

    def _look(
        self,
        problem: LabelProblem,
        size: Size,
        flips: tuple[Flip, ...],
        stage: str,
        remember: bool = True,
        memories: Memories | None = None,
    ) -> Look:
        total = len(problem.images) if memories is not None else looking.steps(problem, remember)
        step = counted(self.progress, stage, total)
        return look(problem, self.backbone, size, self.precision, step, flips, memories, remember)

    def _mirrored(self, problem: LabelProblem, chosen: Candidate, trying: float) -> tuple[Candidate, list[str]]:
        """The candidate taught with mirrored copies too, where held-out images are then answered better; `trying` are
        the seconds that a candidate takes without."""
        best, before = chosen, chosen.quality
        for flips in FLIPS:
            images = len(flips) * len(problem.images)
            again = len(flips) * len(self.problem.images) if len(problem.images) < len(self.problem.images) else 0
            seconds = self._seconds(images + again, chosen.look.size) + trying * len(flips) ** _GROWTH
            seconds += len(flips) * self._fitting(chosen.look, len(problem.images), trying)
            if images > MOST_FLIPPED or again > MOST_TAUGHT or not self.budget.allows(seconds):
                break
            memories = chosen.look.memories if chosen.recipe.groups else None
            seen = self._look(problem, chosen.look.size, flips, f"mirrored {len(flips)}", False, memories)
            tried = candidates.tried(problem, seen, chosen.recipe)
            best = tried if tried.quality >= best.quality + _LEAST_GAIN else best
        if best is chosen:
            return chosen, []
        how = "left to right" if len(best.look.flips) == len(FLIPS[0]) else "left to right and upside down"
        return best, [f"Taught with copies mirrored {how}, too: quality {before:.3f} became {best.quality:.3f}."]


def _sizes(shape: Size, options: Options) -> list[Size]:
    """Working sizes to try, smallest first."""
    if options.long_sides is not None:
        return [working_size(shape, side) for side in sorted(options.long_sides)]
    longest = max(shape.height, shape.width)
    sides = [side for side in LONG_SIDES if side == LONG_SIDES[0] or side <= LARGEST_GROWTH * longest]
    if longest > LARGEST_GROWTH * sides[-1]:
        sides.append(min(longest, LARGEST_WORKING_SIDE))
    whole = longest - CELL // 2  # whose whole cells are no more than the images have
    found = [working_size(shape, side if side <= longest or side == sides[0] else whole) for side in sides]
    return list(dict.fromkeys(found))


def _head(problem: LabelProblem, seen: Look, chosen: Candidate, scaling: Scaling) -> Head:
    """Learned from all images of `problem`; `scaling`, that of the held-out ones, is folded into the weights."""
    taught = candidates.taught(problem, seen, chosen, np.arange(len(problem.images)))
    slope, offset = scaling.slope, scaling.offset
    return Head(
        blocks=taught.names,
        groups=chosen.recipe.groups,
        mean=taught.mean.astype(np.float32),
        weight=(taught.gain[:, None] * taught.linear.weight * slope).astype(np.float32),
        bias=(slope * taught.linear.bias + offset).astype(np.float32),
        single=problem.single,
    )


def _export(
    learned: _Learned,
    problem: LabelProblem,
    precision: runtime.Precision,
    task: LabelTask,
    output: Path,
) -> LabelCard:
    memories = learned.memories
    banks = [bank.rows for bank in memories.banks] if memories is not None else []
    projection = memories.projection if memories is not None else None
    data = export(learned.backbone, learned.size, learned.head, projection, banks)
    card = LabelCard(
        task=task,
        labels=problem.labels,
        thresholds=(_UNTESTED,) * len(problem.labels),
        sizes=(learned.size,),
        fit=Fit.STRETCH,
        precision=precision,
        graph_sha256=hashlib.sha256(data).hexdigest(),
        record={},
    )
    label_artifact.write(output, data, card)
    return card


def _evaluate(
    folder: Path, test: Sequence[LabelledImage], problem: LabelProblem, progress: Progress
) -> tuple[list[LabelTest], Evaluation]:
    """Every test image through the artifact as it will be served."""
    classifiers = [Classifier.load(folder, threads=1) for _ in range(min(threads(), len(test)))]
    step = counted(progress, "evaluate", len(test))
    # decoded here: what keeps Pillow's warnings quiet is not for several threads
    shown = ((image, decoded(image)) for image in test)
    with closing(in_order(_answered, shown, classifiers)) as answers:
        tests = list(stepping(answers, step))
    scores = np.array([_by_label(each.prediction, problem.labels) for each in tests], np.float64)
    truths = truths_of(test, problem.labels)
    return tests, evaluate_classifier(truths, scores, problem.labels, single=problem.single, seed=problem.seed)


def _answered(classifier: Classifier, shown: tuple[LabelledImage, Loaded]) -> LabelTest:
    image, loaded = shown
    return LabelTest(image, classifier.predict_loaded(loaded))


def _by_label(prediction: LabelPrediction, labels: Sequence[str]) -> list[float]:
    found = {each.name: each.score for each in prediction.found}
    return [found[label] for label in labels]


def _with_thresholds(prediction: LabelPrediction, thresholds: dict[str, float]) -> LabelPrediction:
    return replace(prediction, found=tuple(replace(each, threshold=thresholds[each.name]) for each in prediction.found))
