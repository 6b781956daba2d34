"""Fine-tuning, from images to an artifact."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_pictures import encoded, ignore, labelled
from PIL import Image, ImageDraw

from relook.vision import label_artifact, shipped
from relook.vision.budget import Budget
from relook.vision.classify import candidates, problem
from relook.vision.classify.looking import PLAIN
from relook.vision.classify.predicting import Classifier
from relook.vision.classify.problem import LabelProblem
from relook.vision.classify.train import Options, train
from relook.vision.classify.tuning import choice
from relook.vision.engine import Device
from relook.vision.images import Size
from relook.vision.labelled import LabelledImage, LabelResult, LabelTask
from relook.vision.runtime import Precision

torch = pytest.importorskip("torch", reason="PyTorch is not installed (`make test` tests with it)")

from relook.vision.classify.tuning import descent  # noqa: E402
from relook.vision.classify.tuning.descent import Learner, Lesson  # noqa: E402
from relook.vision.classify.tuning.pictures import Pictures  # noqa: E402

pytestmark = pytest.mark.torch
SIDE = 64
LABELS = ("left", "right")
EACH, ASKED = 60, 20
STEPS = 100


def hooks(seed: int, way: int) -> bytes:
    """Two hooks, turned more or less, whose ends bend to one side: a mean over the picture hardly knows to which."""
    rng = np.random.default_rng([seed, 5])
    image = Image.fromarray(rng.normal(120, 15, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(2):
        middle, turn = rng.uniform(12, SIDE - 12, 2), rng.uniform(-np.pi / 2, np.pi / 2)
        along = np.array([np.cos(turn), np.sin(turn)])
        ends = [middle - 9 * along, middle + 9 * along, middle + 9 * along + way * 8 * np.array([-along[1], along[0]])]
        draw.line([tuple(end) for end in ends], fill=(60, 60, 60), width=2)
    return encoded(image)


def images(first: int, each: int) -> list[LabelledImage]:
    return [
        labelled(f"{label}-{first + at}", hooks(1000 * (way + 1) + first + at, way), label)
        for way, label in zip((-1, 1), LABELS, strict=True)
        for at in range(each)
    ]


def right(learner: Learner, truths: np.ndarray, positions: np.ndarray) -> float:
    return float((learner.logits(positions).argmax(1) == truths[positions].argmax(1)).mean())


def lesson(training: int, test: int) -> Lesson:
    """Of `training` images of each label; `test` of each follow behind."""
    everything = [*images(0, training), *images(500, test)]
    truths = np.array([[label in image.labels for label in LABELS] for image in everything])
    pictures = Pictures(everything, Size(SIDE, SIDE))
    return Lesson(pictures, truths, np.arange(training * len(LABELS)), True, PLAIN, 0)


def test_more_is_told_apart_than_the_backbone_tells_as_it_is() -> None:
    given = lesson(EACH, ASKED)
    asked = np.arange(EACH * len(LABELS), len(given.truths))
    learner = Learner(shipped.backbone(), given, Precision.F32)
    before = right(learner, given.truths, asked)
    told = []
    learner.learn(STEPS, lambda: told.append(1))
    assert len(told) == STEPS
    assert before < 0.8
    assert right(learner, given.truths, asked) > before + 0.15, before


def test_the_same_lesson_gives_the_same_weights() -> None:
    given = lesson(4, 0)
    found = []
    for _ in range(2):
        learner = Learner(shipped.backbone(), given, Precision.F32)
        learner.learn(3, lambda: None)
        found.append((learner.backbone().sha256, learner.head()[1].tobytes()))
    assert found[0] == found[1]


def run(output: Path, seconds: float = 36_000.0) -> LabelResult:
    return train(
        images(0, EACH), images(500, ASKED), backbone=shipped.backbone(), task=LabelTask.SINGLE_LABEL, labels=LABELS,
        output=output, seed=0, seconds=seconds, progress=ignore, options=Options(long_sides=(SIDE,)),
    )  # fmt: skip


def test_a_tuned_model_is_taken_served_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LESSONS", (STEPS,))
    monkeypatch.setattr(choice, "GAIN", -1.0)  # in so few steps it is better on most machines, but not on all
    result = run(tmp_path / "model")
    chosen = result.record["chosen"]
    assert (chosen["recipe"], chosen["steps"], chosen["size"]) == ("fine-tuned", STEPS, [SIDE, SIDE])
    [told] = [note for note in result.notes if note.startswith("Fine-tuned at 64x64 in 100 steps")]
    assert told.endswith("; taken.")
    card = label_artifact.read(tmp_path / "model")[1]
    assert card.record["backbone"]["origin"].endswith("fine-tuned")
    classifier = Classifier.load(tmp_path / "model", 1, Device.CPU)
    right = [
        max(classifier.predict(image.load()).found, key=lambda one: one.score).name in image.labels
        for image in images(900, ASKED)
    ]
    assert np.mean(right) > 0.7


def test_a_tuned_one_that_is_no_better_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LESSONS", (1,))
    result = run(tmp_path / "model")
    assert result.record["chosen"]["recipe"] != "fine-tuned"
    assert any("so the backbone stays as it is" in note for note in result.notes)


def test_without_time_it_is_not_tried(tmp_path: Path) -> None:
    result = run(tmp_path / "model", seconds=0.001)
    assert any(note.startswith("There was no time to fine-tune") for note in result.notes)


def test_several_labels_to_an_image_are_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the side of the hooks comes a stripe, which everybody sees."""
    monkeypatch.setattr(choice, "LESSONS", (STEPS,))
    monkeypatch.setattr(choice, "GAIN", -1.0)

    def several(first: int, each: int) -> list[LabelledImage]:
        found = []
        for at, image in enumerate(images(first, each)):
            labels = ("left",) if "left" in image.labels else ()
            data = image.load()
            if at % 3 == 0:
                with Image.open(io.BytesIO(data)) as plain:
                    ImageDraw.Draw(plain).line((0, 5, SIDE, 5), fill=(230, 60, 60), width=4)
                    data, labels = encoded(plain), (*labels, "striped")
            found.append(labelled(image.key, data, *labels))
        return found

    result = train(
        several(0, EACH), several(500, ASKED), backbone=shipped.backbone(), task=LabelTask.MULTI_LABEL,
        labels=("left", "striped"), output=tmp_path / "model", seed=0, seconds=36_000.0, progress=ignore,
        options=Options(long_sides=(SIDE,)),
    )  # fmt: skip
    assert result.record["chosen"]["recipe"] == "fine-tuned", result.notes
    for label, least in (("left", 0.7), ("striped", 0.95)):
        right = [
            (next(one.score for one in test.prediction.found if one.name == label) > 0.5)
            is (label in test.image.labels)
            for test in result.tests
        ]
        assert np.mean(right) > least  # at one half, so the calibration is judged, too


def test_when_time_is_up_the_backbone_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LESSONS", (STEPS,))
    steps = []

    def allows(self: Budget, seconds: float) -> bool:
        return not steps

    def progress(stage: str, done: int, of: int) -> None:
        if stage == "fine-tuning 1 of 3":
            steps.append(done)

    monkeypatch.setattr(Budget, "allows", allows)
    result = train(
        images(0, EACH), images(500, 2), backbone=shipped.backbone(), task=LabelTask.SINGLE_LABEL, labels=LABELS,
        output=tmp_path / "model", seed=0, seconds=600.0, progress=progress, options=Options(long_sides=(SIDE,)),
    )  # fmt: skip
    assert steps == [1]
    assert result.record["chosen"]["recipe"] != "fine-tuned"
    assert "Fine-tuning the backbone took longer than foreseen, and was given up." in result.notes


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_a_failure_of_pytorch_costs_no_training(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Learner, steps: int) -> float:
        raise kind("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Learner, "seconds_per_step", fail)
    result = run(tmp_path / "model")
    assert result.record["chosen"]["recipe"] != "fine-tuned"
    assert any("failed, and was given up: DefaultCPUAllocator" in note for note in result.notes)


def test_it_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cancelled(Exception):
        pass

    def progress(stage: str, done: int, of: int) -> None:
        if (stage, done) == ("fine-tuning 1 of 3", 2):
            raise Cancelled

    monkeypatch.setattr(choice, "LESSONS", (STEPS,))
    with pytest.raises(Cancelled):
        train(
            images(0, EACH), images(500, 2), backbone=shipped.backbone(), task=LabelTask.SINGLE_LABEL, labels=LABELS,
            output=tmp_path / "model", seed=0, seconds=36_000.0, progress=progress, options=Options(long_sides=(SIDE,)),
        )  # fmt: skip


def test_what_it_is_compared_with_learned_from_as_many_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where candidates were compared on a part of them."""
    monkeypatch.setattr(problem, "COMPARED", 80)
    monkeypatch.setattr(choice, "LESSONS", (1,))
    monkeypatch.setattr(choice._Comparison, "better", False)  # after one step it would hang on the CPU's last bits
    sizes, taught = [], candidates.taught

    def watched(of: LabelProblem, *others: Any) -> candidates.Taught:
        sizes.append((len(of.images), len(others[-1])))
        return taught(of, *others)

    monkeypatch.setattr(candidates, "taught", watched)
    result = run(tmp_path / "model")
    assert sizes == [(2 * EACH, 2 * EACH * 4 // 5), (2 * EACH, 2 * EACH)]  # beside the tuned one; then the final one
    assert any(note.startswith("Compared the candidates on 80 of the 120") for note in result.notes)


def test_what_is_learned_does_not_hang_on_how_many_images_go_through_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "DROPPED", 0.0)
    given, slopes = lesson(8, 0), []
    for pixels in (1 << 20, 5 * SIDE * SIDE):
        monkeypatch.setattr(descent, "PIXELS_AT_ONCE", pixels)
        learner = Learner(shipped.backbone(), given, Precision.F32)
        learner.learn(1, lambda: None)
        slopes.append(learner._head.weight.grad.numpy())  # the weights themselves hide its size, as AdamW does
    assert np.allclose(*slopes, rtol=1e-3, atol=1e-4 * np.abs(slopes[0]).max())
