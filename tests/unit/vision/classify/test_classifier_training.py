from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from labelled_pictures import FAINT, SHAPES, STRIPE, encoded, ignore, in_all_modes, labelled, picture, shapes, striped
from PIL import Image, ImageDraw, ImageOps
from rendered_parts import part

from relook.vision import int8, label_artifact, serving, shipped
from relook.vision.artifact import CARD, GRAPH, ArtifactError
from relook.vision.classify import candidates
from relook.vision.classify import problem as problems
from relook.vision.classify import train as training_module
from relook.vision.classify.predicting import Classifier
from relook.vision.classify.survey import survey
from relook.vision.classify.train import Options, train
from relook.vision.engine import Device
from relook.vision.images import Size
from relook.vision.label_trainer import label_trainer
from relook.vision.labelled import LabelledImage, LabelResult, LabelTask
from relook.vision.runtime import Precision
from relook.vision.samples import ImageError, TrainingError

SMALL = Options(long_sides=(96,))
"""The pictures' own size alone: a quarter of the time."""
HURRIED, PATIENT = 0.001, 600.0
"""Seconds: without time no mirrored copies are tried, which is half of what is left."""


def run(
    training: Sequence[LabelledImage],
    test: Sequence[LabelledImage],
    output: Path,
    labels: Sequence[str] = SHAPES,
    task: LabelTask = LabelTask.SINGLE_LABEL,
    **others: Any,
) -> LabelResult:
    given = {"seed": 0, "seconds": HURRIED, "progress": ignore, "options": SMALL} | others
    result = train(training, test, backbone=shipped.backbone(), task=task, labels=labels, output=output, **given)
    assert all(isinstance(note, str) for note in result.notes)
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LabelResult:
    return run(shapes(0, 12), shapes(500, 6), tmp_path_factory.mktemp("shapes") / "model")


def test_shapes_are_told_apart(trained: LabelResult) -> None:
    for each in trained.tests:
        surest = each.prediction.found[0]
        assert (surest.name,) == each.image.labels
        assert sum(one.score for one in each.prediction.found) == pytest.approx(1, abs=1e-5)
        assert all((one.score >= one.threshold) is (one.name in each.image.labels) for one in each.prediction.found)
    assert [each.image.key for each in trained.tests] == [image.key for image in shapes(500, 6)]
    assert trained.record["f1"]["value"] == 1.0
    assert np.array_equal(trained.record["confusion"], 6 * np.eye(3))
    assert all(0 < trained.thresholds[label] < 1 for label in SHAPES)


def test_the_artifact_answers_as_the_tests_say(trained: LabelResult) -> None:
    _, card = label_artifact.read(trained.artifact)
    assert card.task is LabelTask.SINGLE_LABEL
    assert card.labels == SHAPES
    assert card.sizes == (Size(96, 96),)
    assert dict(zip(card.labels, card.thresholds, strict=True)) == trained.thresholds
    model = serving.load(trained.artifact, 1, Device.CPU)
    for each in trained.tests[::5]:
        assert model.predict(each.image.load()) == each.prediction
    assert sorted(path.name for path in trained.artifact.iterdir()) == [CARD, GRAPH]


def test_the_record_tells_what_the_model_was_made_from(trained: LabelResult) -> None:
    record = json.loads((trained.artifact / CARD).read_text())["record"]
    assert record["backbone"]["sha256"] == shipped.backbone().sha256
    assert {"data_sha256", "code_sha256", "seed", "versions", "candidates", "chosen", "notes"} <= set(record)
    assert any(note.startswith("Chose ") for note in trained.notes)
    assert len(record["candidates"]) == 5
    assert record["labels"][0]["label"] == "ring"


def test_the_same_images_and_seed_give_the_same_bytes(trained: LabelResult, tmp_path: Path) -> None:
    run(shapes(0, 12), shapes(500, 6), tmp_path / "again")
    for name in (GRAPH, CARD):
        assert (tmp_path / "again" / name).read_bytes() == (trained.artifact / name).read_bytes()


def test_labels_that_stand_apart_are_found_one_by_one(tmp_path: Path) -> None:
    labels = (STRIPE, "ring")
    result = run(striped(0, 10), striped(500, 4), tmp_path, labels, LabelTask.MULTI_LABEL)
    assert label_artifact.task_of(tmp_path) is LabelTask.MULTI_LABEL
    told = [{one.name for one in each.prediction.found if one.score >= one.threshold} for each in result.tests]
    right = sum(said == set(each.image.labels) for said, each in zip(told, result.tests, strict=True))
    assert right >= 15
    sums = [sum(one.score for one in each.prediction.found) for each in result.tests]
    assert min(sums) < 0.7
    assert max(sums) > 1.3


def test_one_label_that_is_there_or_not(tmp_path: Path) -> None:
    training, test = (
        [replace(each, labels=tuple(set(each.labels) & {STRIPE})) for each in striped(first, 5)] for first in (0, 500)
    )
    result = run(training, test, tmp_path, (STRIPE,), LabelTask.MULTI_LABEL)
    assert result.record["labels"][0]["f1"]["value"] > 0.9


def parts(first: int, each: int) -> list[LabelledImage]:
    """Brushed plates; a bad one has a short scratch somewhere, far too small to change the mean of the picture."""
    found = []
    for name, bad in (("good", False), ("bad", True)):
        for at in range(each):
            image, _ = part(first + at + 500 * bad, False)
            x, y = np.random.default_rng([first, at]).integers(20, 120, 2)
            if bad:
                ImageDraw.Draw(image).line((x, y, x + 9, y + 7), fill=(230, 230, 235), width=2)
            found.append(labelled(f"{name}-{first + at}.png", encoded(image), name))
    return found


def test_small_local_defects_are_found_by_memories(tmp_path: Path) -> None:
    result = run(
        parts(0, 12), parts(100, 8), tmp_path, ("bad", "good"), seconds=PATIENT, options=Options(long_sides=(176,))
    )
    assert result.record["f1"]["value"] >= 0.9
    assert sum("memory of good" in row for row in result.record["candidates"]) == 2


def test_rare_labels_count_as_much_as_frequent_ones(tmp_path: Path) -> None:
    training = [*shapes(0, 30, SHAPES[:1]), *shapes(0, 4, SHAPES[:2])[4:]]
    test = [*shapes(500, 6, SHAPES[:1]), *shapes(500, 6, SHAPES[:2])[6:]]
    result = run(training, test, tmp_path, SHAPES[:2])
    assert result.record["labels"][1]["f1"]["value"] >= 0.9
    for told in (result.notes, result.record["warnings"]):
        assert any("Too few images" in note and "square (4)" in note for note in told)
    assert any("test images have the label" in note for note in result.record["warnings"])


def test_a_label_with_one_image_and_a_label_that_is_never_tested(tmp_path: Path) -> None:
    training = [*shapes(0, 6, SHAPES[:2]), shapes(0, 1)[2]]
    result = run(training, shapes(500, 3, SHAPES[:2]), tmp_path)
    assert result.thresholds["cross"] == 0.5
    assert any("No test image has the label cross" in note for note in result.notes)
    assert any("cross (1)" in note for note in result.notes)
    assert len(result.tests[0].prediction.found) == 3


@pytest.mark.parametrize("many", [1, 8])
def test_one_image_of_each_label_tells_them_apart_without_false_modesty(tmp_path: Path, many: int) -> None:
    """No image can be held out whose label another one has, so that held-out images would say: everything is alike."""
    training = [*shapes(0, many, SHAPES[:1]), *shapes(0, 1)[1:]]
    result = run(training, shapes(500, 6), tmp_path)
    assert result.record["f1"]["value"] > 0.9
    assert all(each.prediction.found[0].score > 0.4 for each in result.tests), "a third is what knowing nothing says"
    assert any("Nothing was compared or calibrated" in note for note in result.notes)
    assert (result.record["chosen"]["held_out"], result.record["candidates"]) == (None, [])


def test_labels_that_only_the_test_has_are_told_of(tmp_path: Path) -> None:
    result = run(shapes(0, 4, SHAPES[:2]), shapes(500, 2), tmp_path, SHAPES[:2])
    assert any("not learned" in note and "cross" in note for note in result.notes)


@pytest.mark.parametrize(
    ("change", "labels", "message"),
    [
        (lambda images: images, (*SHAPES, "star"), "no training image has the label star"),
        (lambda images: images, SHAPES[:1], "at least 2 labels"),
        (lambda images: [*images, replace(images[0], labels=("ring", "cross"))], SHAPES, "exactly one label"),
        (lambda images: [*images, replace(images[0], labels=())], SHAPES, "exactly one label"),
        (lambda images: [*images, labelled("odd.gif", b"GIF89a", "ring")], SHAPES, "odd.gif: the bytes are not"),
    ],
    ids=["never", "single", "two", "none", "no image"],
)
def test_what_cannot_be_learned_is_refused(change: Any, labels: Sequence[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=message):
        run(change(shapes(0, 2)), shapes(500, 1), tmp_path, labels)
    assert not (tmp_path / CARD).exists()


def test_a_label_that_all_images_have_cannot_be_learned(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="every training image has the label ring"):
        run(shapes(0, 4, SHAPES[:1]), shapes(5, 2, SHAPES[:1]), tmp_path, SHAPES[:1], LabelTask.MULTI_LABEL)


def test_without_test_images_there_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no test image"):
        run(shapes(0, 2), [], tmp_path)


def test_images_that_are_gone_are_named(tmp_path: Path) -> None:
    def gone() -> bytes:
        raise OSError("no such object")

    with pytest.raises(TrainingError, match=r"s3://set/gone\.png cannot be read: no such object"):
        run([*shapes(0, 2), LabelledImage("s3://set/gone.png", gone, ("ring",))], shapes(500, 1), tmp_path)


def test_a_cancelled_training_leaves_no_model(tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(stage: str, done: int, total: int) -> None:
        if stage.startswith("candidates"):
            raise Cancelled

    with pytest.raises(Cancelled):
        run(shapes(0, 3), shapes(500, 1), tmp_path, progress=cancel)
    assert not (tmp_path / CARD).exists()


def test_progress_comes_to_its_end_in_every_stage(tmp_path: Path) -> None:
    last: dict[str, tuple[int, int]] = {}

    def note(stage: str, done: int, total: int) -> None:
        assert done == last.get(stage, (0, total))[0] + 1
        last[stage] = (done, total)

    run(parts(0, 4), parts(100, 2), tmp_path, ("good", "bad"), seconds=PATIENT, progress=note)
    assert {"decode", "candidates 1 of 1", "head", "export", "evaluate"} <= set(last)
    assert all(done == total for done, total in last.values())


def test_without_time_the_smallest_size_is_taken(tmp_path: Path) -> None:
    result = run(parts(0, 5), parts(100, 2), tmp_path, ("good", "bad"), options=Options(long_sides=(96, 176)))
    assert label_artifact.read(tmp_path)[1].sizes == (Size(80, 96),)
    assert any("no time to try images of 176x144" in note for note in result.notes)


def test_of_many_images_some_compare_and_all_teach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "COMPARED", 15)
    result = run(shapes(0, 10), shapes(500, 4), tmp_path, seconds=PATIENT)
    assert any("on 15 of the 30 training images" in note and "learned from all" in note for note in result.notes)
    assert result.record["training_images"] == 30
    assert result.record["f1"]["value"] > 0.9


def test_of_more_images_than_there_is_time_for_some_are_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "COMPARED", 15)
    result = run(shapes(0, 10), shapes(500, 4), tmp_path)
    assert any("learned from 15: there was no time for more" in note for note in result.notes)
    assert result.record["f1"]["value"] > 0.9


def test_many_images_of_few_labels_are_all_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "COMPARED", 20)
    options = Options(long_sides=(176,), fine_tune=False)
    result = run(parts(0, 14), parts(100, 4), tmp_path, ("good", "bad"), options=options, seconds=PATIENT)
    assert any("learned from all" in note for note in result.notes)
    assert "memory" in result.record["chosen"]["recipe"]
    assert result.record["f1"]["value"] >= 0.8


def sided(first: int, each: int) -> list[LabelledImage]:
    """A dark square on the left or on the right."""
    found = []
    for label, box in (("left", (5, 30, 45, 70)), ("right", (51, 30, 91, 70))):
        for at in range(each):
            image = picture(None, first + at)
            image.paste((20, 20, 50), box)
            found.append(labelled(f"{label}-{first + at}.png", encoded(image), label))
    return found


def test_mirrored_copies_teach_where_they_help(tmp_path: Path) -> None:
    """Shapes that look the same in a mirror, and can hardly be seen."""
    result = run(shapes(0, 12, ink=FAINT), shapes(500, 3, ink=FAINT), tmp_path, seconds=PATIENT)
    assert result.record["chosen"]["mirrored"] > 0
    assert any(note.startswith("Taught with copies mirrored") for note in result.notes)


def test_mirrored_copies_are_not_tried_where_comparing_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison's own clock goes on by twice what the training has: two fifths for each of five candidates."""
    late, compare = [0.0], candidates.compare

    def slowly(*given: Any) -> Any:
        late[0] += 2 * PATIENT
        return compare(*given)

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + late[0])
    monkeypatch.setattr(training_module, "time", clock)
    monkeypatch.setattr(candidates, "compare", slowly)
    result = run(shapes(0, 12, ink=FAINT), shapes(500, 3, ink=FAINT), tmp_path, seconds=PATIENT)
    assert result.record["chosen"]["mirrored"] == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(
    trained: LabelResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(training_module, "threads", lambda: threads)
    result = run(shapes(0, 12), shapes(500, 6), tmp_path)
    assert [each.prediction for each in result.tests] == [each.prediction for each in trained.tests]


def test_a_test_image_that_was_changed_since_is_named(tmp_path: Path) -> None:
    test = shapes(500, 3)
    read = [0]

    def load() -> bytes:  # once by the survey
        read[0] += 1
        return test[2].load() if read[0] == 1 else b"no image"

    with pytest.raises((TrainingError, ImageError), match=test[2].key):
        run(shapes(0, 6), [*test[:2], replace(test[2], load=load), *test[3:]], tmp_path)


def test_labels_of_sides_are_not_taught_with_mirrored_copies(tmp_path: Path) -> None:
    result = run(sided(0, 10), sided(500, 5), tmp_path, ("left", "right"), seconds=PATIENT)
    assert result.record["f1"]["value"] == 1.0
    assert result.record["chosen"]["mirrored"] == 0


def test_copies_are_told_of(tmp_path: Path) -> None:
    training, test = shapes(0, 6), shapes(500, 3)
    leak = replace(test[0], load=training[0].load)
    other = replace(training[1], key="s3://set/other", labels=("cross",))
    result = run([*training, other], [leak, *test[1:]], tmp_path)
    for told in (result.notes, result.record["warnings"]):
        assert any("1 test image is in training" in note and leak.key in note for note in told)
    assert any("copies of one another with different labels" in note and other.key in note for note in result.notes)
    assert result.record["leaked"] == [leak.key]


def turned(image: Image.Image) -> bytes:
    """Stored lying on its side, with the orientation that brings it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def test_orientation_is_honoured_alike_in_training_and_serving(tmp_path: Path) -> None:
    """Bars lie or stand; half of the pictures are stored turned."""

    def bars(first: int, each: int) -> list[LabelledImage]:
        found = []
        for label, box in (("lying", (10, 40, 86, 56)), ("standing", (40, 10, 56, 86))):
            for at in range(each):
                image = picture(None, first + at)
                image.paste((20, 20, 50), box)
                data = turned(image) if at % 2 else encoded(image, "JPEG", quality=95)
                found.append(labelled(f"{label}-{first + at}.jpg", data, label))
        return found

    result = run(bars(0, 10), bars(500, 6), tmp_path, ("lying", "standing"))
    assert result.record["f1"]["value"] == 1.0
    assert result.tests[0].prediction.width == 96


def test_images_of_all_sizes_and_modes_are_taken(tmp_path: Path) -> None:
    sizes = [(64, 64), (300, 70), (70, 300), (500, 400), (96, 96)]
    training, test = (
        [
            labelled(f"{name}-{first + at}.png", encoded(picture(name, first + at, size=sizes[at % 5])), name)
            for name in SHAPES[:2]
            for at in range(10)
        ]
        for first in (0, 500)
    )
    for shape in SHAPES[:2]:
        odd = in_all_modes(picture(shape, 900))
        training += [labelled(f"{shape}-odd-{at}", data, shape) for at, data in enumerate(odd)]
    result = run(training, test, tmp_path, SHAPES[:2])
    assert any("are stretched to it" in note for note in result.notes)
    model = Classifier.load(tmp_path)
    for shape in SHAPES[:2]:
        told = [model.predict(data).found[0].name for data in in_all_modes(picture(shape, 901))]
        assert told == [shape] * len(told)
    wide = model.predict(encoded(picture("square", 902, size=(300, 70))))
    assert (wide.width, wide.height, wide.found[0].name) == (300, 70, "square")


def test_what_is_no_image_is_refused_when_served(trained: LabelResult) -> None:
    model = Classifier.load(trained.artifact)
    with pytest.raises(ImageError, match="JPEG or PNG"):
        model.predict(b"nothing")


def test_a_detector_is_no_classifier(trained: LabelResult, tmp_path: Path) -> None:
    graph, card = label_artifact.read(trained.artifact)
    label_artifact.write(tmp_path, graph, replace(card, task=LabelTask.DETECTION))
    with pytest.raises(ArtifactError, match="no classifier"):
        Classifier.load(tmp_path)
    with pytest.raises(ValueError, match="learns no detection"):
        run(shapes(0, 2), shapes(500, 1), tmp_path, task=LabelTask.DETECTION)


def test_the_precision_asked_for_is_the_models(tmp_path: Path) -> None:
    run(shapes(0, 3), shapes(500, 1), tmp_path, options=replace(SMALL, precision=Precision.F32))
    assert label_artifact.read(tmp_path)[1].precision is Precision.F32


@pytest.mark.slow
@pytest.mark.skipif(int8.lacking() is not None, reason="this machine cannot compute in int8")
def test_classifiers_in_int8_tell_shapes_apart(tmp_path: Path) -> None:
    result = run(shapes(0, 12), shapes(500, 4), tmp_path, options=replace(SMALL, precision=Precision.INT8))
    card = label_artifact.read(tmp_path)[1]
    assert card.precision is Precision.INT8
    assert card.record["int8"]
    assert result.record["f1"]["value"] > 0.9


def test_labels_of_any_script_are_kept(tmp_path: Path) -> None:
    names = {"ring": "кольцо", "square": '四角 "x"', "cross": "é/ü"}
    training, test = (
        [replace(each, labels=(names[each.labels[0]],)) for each in shapes(first, 4)] for first in (0, 500)
    )
    result = run(training, test, tmp_path, tuple(names.values()))
    assert label_artifact.read(tmp_path)[1].labels == tuple(names.values())
    assert set(result.thresholds) == set(names.values())


def test_other_images_are_other_data(trained: LabelResult, tmp_path: Path) -> None:
    run(shapes(40, 12), shapes(500, 6), tmp_path)
    hashes = {hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest() for folder in (tmp_path, trained.artifact)}
    data = {json.loads((folder / CARD).read_text())["record"]["data_sha256"] for folder in (tmp_path, trained.artifact)}
    assert len(hashes) == len(data) == 2


def test_jobs_get_a_classifier_from_the_weights_of_the_data_folder(tmp_path: Path) -> None:
    learn = label_trainer(tmp_path / "data", "f32")
    result = learn(
        shapes(0, 3),
        shapes(500, 1),
        task=LabelTask.SINGLE_LABEL,
        labels=SHAPES,
        output=tmp_path / "model",
        seed=3,
        seconds=HURRIED,
        progress=ignore,
    )
    _, card = label_artifact.read(result.artifact)
    assert card.precision is Precision.F32
    assert card.record["seed"] == 3
    assert card.record["backbone"]["name"] == shipped.NAME


@pytest.mark.parametrize(("label", "leaked"), [("left", True), ("right", False)])
def test_a_mirrored_copy_is_one_only_with_the_same_label(label: str, leaked: bool) -> None:
    training = sided(0, 8)
    mirrored = ImageOps.mirror(Image.open(io.BytesIO(training[0].load())))
    copy = labelled("mirrored.png", encoded(mirrored), label)
    seen = survey(training, [copy], ("left", "right"), ignore)
    assert any("1 test image is in training" in warning for warning in seen.warnings) is leaked
    assert seen.leaked == ((copy.key,) if leaked else ())
    assert not any("different labels" in note for note in seen.notes)
