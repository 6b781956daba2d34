"""Detectors from drawn pictures: trained, written, served and judged, with torch."""

from __future__ import annotations

import io
import json
import math
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn_boxes import LABELS, LEFT, RIGHT, crowd, encoded_anew, picture, pictures, signs
from PIL import Image

from relook.vision import serving
from relook.vision.artifact import CARD, GRAPH
from relook.vision.detect import library, plan, starts
from relook.vision.detect import train as train_module
from relook.vision.detect.augmenting import Recipe
from relook.vision.detect.pictures import Pictures
from relook.vision.detect.plan import Options
from relook.vision.detect.train import train
from relook.vision.engine import Device, DeviceError
from relook.vision.evaluation.detection import mean_average_precision
from relook.vision.images import Size
from relook.vision.labelled import LabelledImage, LabelResult, LabelTask, Rectangle
from relook.vision.samples import ImageError, TrainingError

pytest.importorskip("torch", reason="PyTorch is not installed (`make test` tests with it)")
pytestmark = pytest.mark.torch

YOLOX = Path(__file__).parents[5] / "shared" / "weights" / "yolox_nano_coco" / "yolox_nano.onnx"
QUICK = Options(steps=3, threads=1, size=64, batch=2)


def run(output: Path, options: Options = QUICK, **changes: Any) -> LabelResult:
    arguments: dict[str, Any] = {
        "start": starts.own(),
        "task": LabelTask.DETECTION,
        "labels": LABELS,
        "seed": 1,
        "seconds": 600.0,
        "progress": lambda stage, done, of: None,
    }
    training, test = changes.pop("training", pictures(0, 8)), changes.pop("test", pictures(100, 3))
    return train(training, test, output=output, options=options, **(arguments | changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LabelResult:
    """Good enough to be sure of what it finds."""
    options = Options(steps=80, threads=1, size=128, batch=4)
    return run(tmp_path_factory.mktemp("detector"), options, training=pictures(0, 24), test=pictures(100, 12))


def test_it_learns_to_find_what_it_was_shown(trained: LabelResult) -> None:
    pairs = [(test.image.boxes, test.prediction.found) for test in trained.tests]
    assert mean_average_precision(pairs, LABELS, (0.5,)) > 0.9
    assert trained.record["average_precision"]["value"] > 0.9
    assert set(trained.thresholds) == set(LABELS)
    assert all(0 < value < 1 for value in trained.thresholds.values())


def test_the_artifact_answers_as_training_said(trained: LabelResult) -> None:
    served = serving.load(trained.artifact, 1, Device.AUTO)
    for test in trained.tests[:4]:
        assert served.predict(test.image.load()) == test.prediction
    assert "OpenVINO" in served.engine.name
    card = json.loads((trained.artifact / CARD).read_bytes())
    assert card["task"] == "detection"
    assert card["record"]["steps"] == 80
    assert card["record"]["threads"] == 1
    assert card["record"]["start"]["name"] == "relook-s"
    assert {entry.name for entry in trained.artifact.iterdir()} == {CARD, GRAPH}


def test_answers_are_in_pixels_of_the_upright_image_whatever_its_size(trained: LabelResult) -> None:
    detector = serving.load(trained.artifact, 1, Device.CPU)
    drawn = picture(0)
    image = Image.open(io.BytesIO(drawn.load()))
    large = image.resize((384, 288), Image.Resampling.BICUBIC)
    stored = large.transpose(Image.Transpose.ROTATE_90)  # what a camera on its side stores
    told = Image.Exif()
    told[0x0112] = 6
    out = io.BytesIO()
    stored.save(out, "JPEG", quality=95, exif=told)
    answer = detector.predict(out.getvalue())
    assert (answer.width, answer.height) == (384, 288)
    assert len(drawn.boxes) > 0
    true = [
        replace(each, box=Rectangle(3 * each.box.left, 3 * each.box.top, 3 * each.box.width, 3 * each.box.height))
        for each in drawn.boxes
    ]
    assert mean_average_precision([(true, answer.found)], LABELS, (0.5,)) > 0.9
    for found in answer.found:
        assert found.box is not None
        assert 0 <= found.box.left < found.box.left + found.box.width <= 384
        assert 0 <= found.box.top < found.box.top + found.box.height <= 288
    assert [found.score for found in answer.found] == sorted((found.score for found in answer.found), reverse=True)


def test_bytes_that_are_no_image_are_refused_and_a_gpu_too(trained: LabelResult) -> None:
    detector = serving.load(trained.artifact, 1, Device.CPU)
    with pytest.raises(ImageError, match="not a JPEG or PNG"):
        detector.predict(b"no image")
    with pytest.raises(DeviceError, match="CPU alone"):
        serving.load(trained.artifact, 1, Device.GPU)


def test_the_same_seed_and_steps_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run(tmp_path / name, seed=seed, training=pictures(0, 16))  # enough for some to be held out
    one, again, other = ((tmp_path / name / GRAPH).read_bytes() for name in ("one", "again", "other"))
    assert one == again
    assert one != other
    assert (tmp_path / "one" / CARD).read_bytes() == (tmp_path / "again" / CARD).read_bytes()


def test_the_number_of_steps_taken_makes_the_same_model_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.vision.detect.plan.most_steady", lambda images, batch: 25)
    told: list[tuple[int, int]] = []
    free = run(
        tmp_path / "free",
        replace(QUICK, steps=None),
        progress=lambda stage, done, of: told.append((done, of)) if stage == "train" else None,
    )
    steps = free.record["training"]["steps"]
    assert steps == free.record["training"]["steps_taken"] == 39
    assert all(done < of for done, of in told[:-1])
    assert told[-1] == (39, 39)
    run(tmp_path / "told", replace(QUICK, steps=steps))
    assert (tmp_path / "free" / GRAPH).read_bytes() == (tmp_path / "told" / GRAPH).read_bytes()


def test_when_nothing_is_gained_falling_begins_early_and_the_best_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from relook.vision.detect import training

    for name, value in (("FEWEST_BETWEEN", 2), ("LOOK_EPOCHS", 1), ("STEP_GRID", 5), ("PATIENCE", 1)):
        monkeypatch.setattr(plan, name, value)
    seen: list[Any] = []

    def worse(weights: Any) -> float:
        seen.append(weights)
        return 1 / len(seen)

    images = pictures(0, 4)
    told: list[tuple[int, int]] = []
    end = time.monotonic() + 600
    outcome = training.learn(
        Pictures(images, LABELS, Size(64, 64)),
        plan.order(images),
        len(LABELS),
        starts.own(),
        training.Judge(worse, lambda done, of: told.append((done, of)), lambda: end),
        replace(QUICK, steps=None),
        1,
    )
    assert [step for step, _ in outcome.scores[:3]] == [2, 4, 6]
    assert (outcome.steps, outcome.taken) == (16, 16)  # ten at the full rate
    assert outcome.chosen_step == 2
    assert outcome.weights is seen[0]
    assert told[-1] == (16, 16)


def test_looks_that_find_nothing_do_not_end_a_training_early(monkeypatch: pytest.MonkeyPatch) -> None:
    from relook.vision.detect import training

    for name, value in (("FEWEST_BETWEEN", 2), ("LOOK_EPOCHS", 1), ("STEP_GRID", 5), ("PATIENCE", 1)):
        monkeypatch.setattr(plan, name, value)
    monkeypatch.setattr(plan, "most_steady", lambda images, batch: 20)
    images, end = pictures(0, 4), time.monotonic() + 600
    outcome = training.learn(
        Pictures(images, LABELS, Size(64, 64)),
        plan.order(images),
        len(LABELS),
        starts.own(),
        training.Judge(lambda weights: 0.0, lambda done, of: None, lambda: end),
        replace(QUICK, steps=None),
        1,
    )
    assert outcome.taken == plan.Schedule.after(20).total


def test_answers_that_take_long_bring_the_end_nearer() -> None:
    from relook.vision.detect import training

    images, begin = pictures(0, 4), time.monotonic()
    ends = iter([begin + 600, *[begin] * 1000])
    outcome = training.learn(
        Pictures(images, LABELS, Size(64, 64)),
        plan.order(images),
        len(LABELS),
        starts.own(),
        training.Judge(lambda weights: 0.5, lambda done, of: None, lambda: next(ends)),
        replace(QUICK, steps=None),
        1,
    )
    assert outcome.out_of_time
    assert outcome.taken == outcome.scores[0][0]


def test_without_time_for_a_single_step_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no time for a single step .* reading 11 images"):
        run(tmp_path / "model", replace(QUICK, steps=None), seconds=0.0)
    assert not (tmp_path / "model").exists()


def test_progress_is_told_and_can_cancel(tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    told = []

    def progress(stage: str, done: int, of: int) -> None:
        told.append((stage, done, of))
        if (stage, done) == ("train", 2):
            raise Cancelled

    with pytest.raises(Cancelled):
        run(tmp_path / "model", progress=progress)
    assert told[0] == ("decode", 1, 11)
    assert told[-2:] == [("train", 1, 3), ("train", 2, 3)]
    assert not (tmp_path / "model" / CARD).exists()


def test_a_look_at_held_out_images_can_be_cancelled(tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    told: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, of: int) -> None:
        told.append((stage, done, of))
        if stage == "train" and told[-2] == told[-1]:  # no step was taken in between
            raise Cancelled

    before = set(threading.enumerate())
    with pytest.raises(Cancelled) as kept:
        run(tmp_path / "model", training=pictures(0, 40), progress=progress)
    assert kept.value.__traceback__ is not None  # which holds all that ran
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("threads", [1, 3])
def test_how_many_images_are_answered_at_a_time_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(train_module, "threads", lambda: threads)
    monkeypatch.setattr(train_module, "_WORTH_A_DETECTOR", 1)
    found = run(tmp_path, test=pictures(100, 5))
    one = serving.load(found.artifact, 1, Device.CPU)
    assert [test.prediction for test in found.tests] == [one.predict(test.image.load()) for test in found.tests]
    assert [test.image.key for test in found.tests] == [image.key for image in pictures(100, 5)]


def test_when_time_is_up_the_best_until_then_is_kept(tmp_path: Path) -> None:
    begin = time.monotonic()
    result = run(tmp_path, replace(QUICK, steps=100_000), seconds=3.0)
    assert time.monotonic() - begin < 30
    [warning] = [each for each in result.record["warnings"] if each.startswith("Time was up after ")]
    assert " of 100000 training steps, " in warning
    assert "passes over the 8 images" in warning
    assert "detector_minutes" in warning
    assert warning in result.notes  # which the job's log tells
    assert (tmp_path / CARD).exists()


def test_few_images_rare_names_and_backgrounds(tmp_path: Path) -> None:
    """A single label in another script, images without boxes, no image held out, none to test with."""
    images = [
        replace(each, boxes=tuple(replace(box, label="ねじ") for box in each.boxes))
        for each in (picture(5), picture(7))
    ]
    assert not images[1].boxes
    result = run(tmp_path, training=images, test=[], labels=("ねじ",))
    assert dict(result.thresholds) == {"ねじ": 0.5}
    assert any("too few" in note for note in result.notes)
    assert any("have no box" in note for note in result.notes)
    assert serving.load(tmp_path, 1, Device.CPU).predict(picture(5).load()) is not None
    [warning] = [each for each in result.record["warnings"] if each.startswith("Too few images")]
    assert "the label ねじ (1)" in warning


def test_many_tiny_boxes_and_a_box_at_the_border(tmp_path: Path) -> None:
    one = picture(0).boxes[0]
    tiny = [replace(one, box=Rectangle(2.5 * at, 1.9 * at % 90, 2.5, 2.0)) for at in range(50)]
    boxes = (*tiny, replace(one, box=Rectangle(100, 80, 40, 30)))  # the last reaches 12 pixels beyond
    result = run(tmp_path, training=[replace(picture(0), boxes=boxes)] * 3)
    assert result.record["training"]["steps_taken"] == QUICK.steps
    assert result.tests
    assert all(math.isfinite(one.score) for test in result.tests for one in test.prediction.found)


@pytest.mark.parametrize(
    ("names", "given", "mirrored"),
    [
        (("clip left", "clip right"), None, (False, True)),
        (("clip left", "clip right"), True, (True, True)),
        (("top", "bottom"), None, (True, False)),
        (LABELS, None, (True, True)),
    ],
    ids=["sides", "sides, but told to", "top and bottom", "others"],
)
def test_pictures_are_not_mirrored_where_labels_are_of_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str], given: bool | None, mirrored: Any
) -> None:
    from relook.vision.detect import training

    recipes: list[Recipe] = []

    def drawn(shown: Any, size: Size, recipe: Recipe, rng: Any) -> Any:
        recipes.append(recipe)
        return really(shown, size, recipe, rng)

    really = training.drawn
    monkeypatch.setattr(training, "drawn", drawn)
    called = dict(zip(LABELS, names, strict=True))
    images = [
        replace(each, boxes=tuple(replace(box, label=called[box.label]) for box in each.boxes))
        for each in pictures(0, 8)
    ]
    result = run(tmp_path, replace(QUICK, mirror=given), training=images, test=images[:1], labels=names)
    taught = recipes[-QUICK.batch * 3 :]  # before them, pictures are measured as they are
    assert {(recipe.mirror, recipe.upside_down) for recipe in taught} == {mirrored}
    options = result.record["training"]["options"]
    assert (options["mirror"], options["upside_down"]) == mirrored
    told = [note for note in result.notes if "not mirrored" in note]
    assert len(told) == mirrored.count(False)
    assert all(f"the labels '{names[0]}' and '{names[1]}'" in note for note in told)


def test_pictures_are_not_mirrored_where_that_turns_a_label_into_another(tmp_path: Path) -> None:
    names = (LEFT, RIGHT, "O")
    result = run(tmp_path, QUICK, training=signs(names, 40, 1), test=signs(names, 2, 2), labels=names)
    options = result.record["training"]["options"]
    assert (options["mirror"], options["upside_down"]) == (False, True)
    [told] = [note for note in result.notes if "not mirrored" in note]
    assert f"boxes of '{LEFT}' then look like those of '{RIGHT}'" in told


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_tiny_objects_a_picture_are_found(tmp_path: Path) -> None:
    """At the working size that training chooses for them."""
    options = Options(steps=120, threads=1)
    result = run(
        tmp_path, options, training=[crowd(at) for at in range(40)], test=[crowd(at) for at in range(100, 108)],
        seconds=math.inf,
    )  # fmt: skip
    pairs = [(test.image.boxes, test.prediction.found) for test in result.tests]
    assert {len(true) for true, _ in pairs} == {50}
    assert mean_average_precision(pairs, LABELS, (0.5,)) > 0.9
    told = [sum(found.score >= found.threshold for found in each) for _, each in pairs]
    assert min(told) > 40
    assert max(told) < 60


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_arrows_that_a_mirror_exchanges_are_told_apart(tmp_path: Path) -> None:
    """Mirrored in training, each would be found as often under the other's label."""
    names = (LEFT, RIGHT, "O")
    options = Options(steps=250, threads=1)
    result = run(
        tmp_path, options, training=signs(names, 60, 1), test=signs(names, 30, 2), labels=names, seconds=math.inf
    )
    assert {
        each["label"]: each["average_precision"]["value"] > 0.9 for each in result.record["labels"]
    } == dict.fromkeys(names, True)


def test_data_that_cannot_be_learned_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none of the training images has a box"):
        run(tmp_path, training=[picture(7)])
    broken = LabelledImage("s3://bucket/broken.jpg", lambda: b"\xff\xd8nothing", boxes=picture(0).boxes)
    with pytest.raises(TrainingError, match=r"s3://bucket/broken\.jpg: "):
        run(tmp_path, training=[picture(0), broken])


def test_copies_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test image of training is among the warnings; copies within training are held out together."""
    dealt: list[tuple[list[int], list[int]]] = []

    def hold_out(images: Any, seed: int, copy_of: Any) -> tuple[list[int], list[int]]:
        dealt.append(really(images, seed, copy_of))
        return dealt[-1]

    really = plan.hold_out
    monkeypatch.setattr(plan, "hold_out", hold_out)
    drawn = pictures(0, 24)
    copies = [encoded_anew(drawn[at], f"s3://bucket/{at}.jpg") for at in range(6)]
    leak = encoded_anew(drawn[8], "s3://bucket/leak.jpg")
    result = run(tmp_path, training=[*drawn, *copies], test=[picture(100), leak])
    for told in (result.notes, result.record["warnings"]):
        assert any("1 test image is in training" in each and leak.key in each for each in told)
    assert result.record["leaked"] == [leak.key]
    assert any(note.startswith("12 training images are copies of 6 pictures") for note in result.notes)
    [(learnt, held)] = dealt
    assert held
    assert {at % 24 for at in learnt}.isdisjoint(at % 24 for at in held)


def test_many_copies_of_one_picture_leave_none_to_hold_out(tmp_path: Path) -> None:
    result = run(tmp_path, training=[picture(0)] * plan.FEWEST_FOR_HOLDING)
    assert any(note.startswith("No training image could be held out") for note in result.notes)
    assert result.record["leaked"] == []
    assert not any("in training, too" in warning for warning in result.record["warnings"])


@pytest.mark.shared
@pytest.mark.skipif(not YOLOX.is_file(), reason="needs ../shared/weights")
def test_an_imported_start_is_taken(tmp_path: Path) -> None:
    library.keep(YOLOX.read_bytes(), "yolox_nano", YOLOX.name, tmp_path / "data")
    options = Options(steps=30, threads=1, size=128, batch=4)
    start = library.choose(tmp_path / "data")
    result = run(tmp_path / "model", options, start=start, training=pictures(0, 16), test=pictures(100, 6))
    assert result.record["training"]["start"]["name"] == "yolox_nano"
    assert result.record["average_precision"]["value"] > 0.5
