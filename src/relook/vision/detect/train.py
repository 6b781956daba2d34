"""Training a detector: labelled images in, an artifact and its evaluation out. PyTorch is loaded when it trains."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import relook
from relook.vision import label_artifact, runtime, torch_there
from relook.vision.detect import plan, sides
from relook.vision.detect.exporting import LOWEST_SCORE, MOST_BOXES, OVERLAP, export
from relook.vision.detect.geometry import CELL
from relook.vision.detect.pictures import Look, Pictures, look
from relook.vision.detect.plan import Options
from relook.vision.detect.predicting import Detector
from relook.vision.detect.starts import Start
from relook.vision.evaluation import as_record, evaluate_detector
from relook.vision.evaluation.detection import OVERLAP as RIGHT_OVERLAP
from relook.vision.evaluation.detection import mean_average_precision
from relook.vision.few_images import too_few
from relook.vision.images import Loaded, Size
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.label_images import decoded
from relook.vision.labelled import LabelledImage, LabelResult, LabelTask, LabelTest
from relook.vision.naming import listed
from relook.vision.parallel import in_order, threads
from relook.vision.samples import Progress, TrainingError, counted, stepping

if TYPE_CHECKING:
    from relook.vision.detect.training import Outcome, Weights

NEEDS_TORCH = (
    "training an object detector needs PyTorch, which is not installed here: pip install 'relook[train]' (in a clone: "
    "make torch)"
)
_EARLY_THRESHOLD = 0.5
"""In cards whose thresholds are not chosen yet."""
_ANSWERING_THREADS = 1
"""Of the runtime, for each of several images at a time: as many as a unit has."""
_WORTH_A_DETECTOR = 16
"""Images: about what is answered in the time that compiling a graph takes."""


def train(
    training: Sequence[LabelledImage],
    test: Sequence[LabelledImage],
    *,
    start: Start,
    task: LabelTask,
    labels: Sequence[str],
    output: Path,
    seed: int,
    seconds: float,
    progress: Progress,
    options: Options | None = None,
) -> LabelResult:
    """See `labelled.LabelTrainer`; `start` is what to begin with (`starts`).

    The same images, labels, seed, start, number of steps and threads give the same model. Unless `options.steps` says
    how many, there are as many as the time allows, which depends on how fast and how busy the machine is; the record
    has the number, and given as `options.steps` it makes the same model again, unless time ended it before its last
    step. (A number foretold from a short trial would depend on the machine as well, and miss the time where its load
    changes.)
    """
    if task is not LabelTask.DETECTION:
        raise ValueError(f"a detector learns no {task}")
    found = dict.fromkeys(box.label for image in (*training, *test) for box in image.boxes)
    if unknown := [label for label in found if label not in labels]:
        raise ValueError(f"boxes have labels that are none of `labels`: {listed(unknown)}")
    _load_torch()
    if not any(image.boxes for image in training):
        raise TrainingError("none of the training images has a box: there is nothing to learn to find")
    begin = time.monotonic()
    seen = look(training, test, progress)
    options, unmirrored = sides.decided(options or Options(), labels, seen.exchanged)
    size = seen.size if options.size is None else _scaled(seen.size, options.size)
    job = _Job(training, tuple(labels), start, size, seed, options, unmirrored)

    def deadline(answering: float) -> float:
        return begin + plan.training_seconds(seconds, len(test), answering)

    outcome = job.learn(seen, deadline, progress)
    if not outcome.taken:
        raise TrainingError(
            f"there was no time for a single step of training within {seconds / 60:.3g} minutes: reading "
            f"{len(training) + len(test)} images took too long; allow more minutes, or give fewer images"
        )
    graph = export(start.architecture(len(labels)), outcome.weights, size)
    return job.finish(graph, outcome, test, seen, output, progress)


def _load_torch() -> None:
    if not torch_there.installed():
        raise TrainingError(NEEDS_TORCH)
    if (why := torch_there.fault()) is not None:
        raise TrainingError(
            f"training an object detector needs PyTorch, which is installed here, but cannot be loaded ({why})"
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """One training, apart from its time."""

    training: Sequence[LabelledImage]
    labels: tuple[str, ...]
    start: Start
    size: Size
    seed: int
    options: Options
    unmirrored: tuple[str, ...]
    """Why images are not mirrored, as sentences."""

    def learn(self, seen: Look, deadline: Callable[[float], float], progress: Progress) -> Outcome:
        """`deadline` hangs on how long an image takes to be answered."""
        from relook.vision.detect import training as gradient

        learnt, held = plan.hold_out(self.training, self.seed, seen.copy_of)
        images = [self.training[at] for at in learnt]
        chosen_by = [self.training[at] for at in held]

        answers: list[float] = []
        told = (0, 1)

        def step(done: int, of: int) -> None:
            nonlocal told
            told = done, of
            progress("train", done, of)

        def score(weights: Weights) -> float:
            found, answering = self._score(weights, chosen_by, lambda: progress("train", *told))
            answers.append(answering)
            return found

        def until() -> float:
            """By what answers usually take: one look that another program has slowed down must not end a training."""
            return deadline(median(answers) if answers else 0.0)

        judge = gradient.Judge(score if held else None, step, until)
        return gradient.learn(
            Pictures(images, self.labels, self.size),
            plan.order(images),
            len(self.labels),
            self.start,
            judge,
            self.options,
            self.seed,
        )

    def finish(
        self,
        graph: bytes,
        outcome: Outcome,
        test: Sequence[LabelledImage],
        seen: Look,
        output: Path,
        progress: Progress,
    ) -> LabelResult:
        """Answer the test images, choose thresholds, write the artifact."""
        tests = _answers(self._detectors(graph, test), test, counted(progress, "evaluate", len(test)))
        thresholds = dict.fromkeys(self.labels, _EARLY_THRESHOLD)
        evaluated: dict[str, Any] = {}
        if test:
            pairs = [(each.image.boxes, each.prediction.found) for each in tests]
            found = evaluate_detector(pairs, self.labels, seed=self.seed)
            thresholds = dict(found.thresholds)
            evaluated = as_record(found) | {"map_50_95": mean_average_precision(pairs, self.labels)}
        chosen = self._how(outcome)
        card = self._card(graph, self._record(seen, chosen))
        card = replace(card, thresholds=tuple(float(thresholds[label]) for label in self.labels))
        label_artifact.write(output, graph, card)
        tests = [_with_thresholds(each, thresholds) for each in tests]
        warnings = self._warnings(outcome, seen, evaluated)
        notes = (*self._notes(outcome), *seen.notes, *warnings)
        speed = {"seconds_per_step": outcome.per_step, "images_per_step": self.options.batch}
        told = {"warnings": warnings, "leaked": list(seen.leaked), "training": chosen, "speed": speed}
        return LabelResult(output, thresholds, tuple(tests), notes, evaluated | told)

    def _score(
        self, weights: Weights, images: Sequence[LabelledImage], step: Callable[[], None]
    ) -> tuple[float, float]:
        """How good held-out images are answered by the graph that would be served, and seconds for each."""
        graph = export(self.start.architecture(len(self.labels)), weights, self.size)
        detectors = self._detectors(graph, images)
        began = time.monotonic()
        pairs = [(each.image.boxes, each.prediction.found) for each in _answers(detectors, images, step)]
        answering = (time.monotonic() - began) / len(images)
        loose = mean_average_precision(pairs, self.labels, (RIGHT_OVERLAP,))
        return (loose + mean_average_precision(pairs, self.labels)) / 2, answering

    def _detectors(self, graph: bytes, images: Sequence[LabelledImage]) -> list[Detector]:
        """As they will be served, so many as are worth it for `images`."""
        card, count = self._card(graph, {}), min(threads(), -(-len(images) // _WORTH_A_DETECTOR))
        return [Detector.of(graph, card, _ANSWERING_THREADS) for _ in range(count)]

    def _card(self, graph: bytes, record: dict[str, Any]) -> LabelCard:
        return LabelCard(
            task=LabelTask.DETECTION,
            labels=self.labels,
            thresholds=(_EARLY_THRESHOLD,) * len(self.labels),
            sizes=(self.size,),
            fit=Fit.LETTERBOX,
            precision=runtime.native_precision(),
            graph_sha256=hashlib.sha256(graph).hexdigest(),
            record=record,
        )

    def _how(self, outcome: Outcome) -> dict[str, Any]:
        """What makes the same model again."""
        return {
            "start": {"name": self.start.name, "origin": self.start.origin, "sha256": self.start.sha256},
            "steps": outcome.steps,
            "steps_taken": outcome.taken,
            "step_chosen": outcome.chosen_step,
            "held_out": [list(each) for each in outcome.scores],
            "threads": outcome.threads,
            "options": asdict(self.options),
            "size": asdict(self.size),
            "seed": self.seed,
        }

    def _record(self, seen: Look, chosen: dict[str, Any]) -> dict[str, Any]:
        return {
            **chosen,
            "data_sha256": seen.data_sha256,
            "suppression": {"overlap": OVERLAP, "lowest_score": LOWEST_SCORE, "most_boxes": MOST_BOXES},
            "versions": {
                "relook": relook.__version__,
                **{name: version(name) for name in ("torch", "numpy", "openvino", "onnx")},
            },
        }

    def _notes(self, outcome: Outcome) -> list[str]:
        notes = [
            f"The detector started from {self.start.name} ({self.start.origin}) and looks at images of "
            f"{self.size.width}x{self.size.height} pixels."
        ]
        if self.start.warning:
            notes.append(self.start.warning)
        notes += self.unmirrored
        if outcome.scores:
            notes.append(f"Held-out training images chose step {outcome.chosen_step} of {outcome.taken}.")
        elif len(self.training) < plan.FEWEST_FOR_HOLDING:
            notes.append("There are too few training images to hold some out: the last step was taken.")
        else:
            notes.append(
                "No training image could be held out without taking too many of a label or of one picture's copies, "
                "or without choosing by images that have no box: the last step was taken."
            )
        return notes

    def _warnings(self, outcome: Outcome, seen: Look, evaluated: dict[str, Any]) -> list[str]:
        """What makes the model or its figures doubtful."""
        short = plan.shortage(outcome.taken, outcome.steps, outcome.images, self.options, cut=outcome.out_of_time)
        few = too_few(self.training, self.labels)
        return [*([short] if short else ()), *few, *seen.warnings, *evaluated.get("warnings", ())]


def _answers(
    detectors: Sequence[Detector], images: Sequence[LabelledImage], step: Callable[[], None]
) -> list[LabelTest]:
    """`step` is called for each image."""
    if not images:
        return []
    # decoded here: what keeps Pillow's warnings quiet is not for several threads
    shown = ((image, decoded(image)) for image in images)
    with closing(in_order(_answered, shown, detectors)) as answers:
        return list(stepping(answers, step))


def _answered(detector: Detector, shown: tuple[LabelledImage, Loaded]) -> LabelTest:
    image, loaded = shown
    return LabelTest(image, detector.predict_loaded(loaded))


def _with_thresholds(test: LabelTest, thresholds: dict[str, float]) -> LabelTest:
    found = tuple(replace(each, threshold=thresholds[each.name]) for each in test.prediction.found)
    return replace(test, prediction=replace(test.prediction, found=found))


def _scaled(size: Size, long_side: int) -> Size:
    scale = long_side / max(size.height, size.width)
    return Size(*(max(2 * CELL, CELL * round(side * scale / CELL)) for side in (size.height, size.width)))
