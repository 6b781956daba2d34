from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from narrow_network import narrow_backbone
from PIL import Image
from rendered_parts import SCRATCH, ignore, part, png, samples

import relook.vision.train as training_module
from relook.vision import artifact, embeddings, mask_net, runtime, shipped, survey
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration
from relook.vision.features import Extractor
from relook.vision.gallery import hottest
from relook.vision.images import Size
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision, native_precision
from relook.vision.samples import ImageError, MaskSource, Sample, Task, TrainingError, TrainingResult
from relook.vision.train import Options, train
from relook.vision.weights import choose

BACKBONE = narrow_backbone()
pytestmark = pytest.mark.usefixtures("few_steps")


def fit(
    output: Path, training: list[Sample], test: list[Sample], masked: bool = False, backbone: Backbone = BACKBONE
) -> TrainingResult:
    return train(
        training,
        test,
        task=Task.SEGMENTATION if masked else Task.CLASSIFICATION,
        classes=(SCRATCH,) if masked else (),
        backbone=backbone,
        output=output,
        seed=3,
        progress=ignore,
    )


@pytest.fixture(scope="module")
def masked(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    output = tmp_path_factory.mktemp("masked") / "model"
    return fit(output, samples(0, 20, 12, masked=True), samples(100, 8, 8, masked=True), masked=True)


@pytest.fixture(scope="module")
def plain(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    folder = tmp_path_factory.mktemp("plain")
    return fit(folder / "model", samples(0, 16, 12), samples(100, 6, 6), backbone=choose(folder / "data"))


def test_scratches_are_found_and_drawn_even_with_random_weights(masked: TrainingResult) -> None:
    assert masked.metrics.f1 >= 0.9
    assert masked.metrics.classes[0].average_iou > 0.25
    assert any("accuracy suffers" in note for note in masked.notes)
    card = json.loads((masked.artifact / artifact.CARD).read_bytes())
    assert card["record"]["metrics"]["f1"] == masked.metrics.f1
    assert len(card["record"]["data_sha256"]) == 64
    assert sorted(path.name for path in masked.artifact.iterdir()) == ["model.json", "model.onnx"]


def test_labels_that_mean_nothing_are_not_learned_from(tmp_path: Path) -> None:
    """Good parts, a third of them called anomalies: the best F1 would be had by calling all so."""
    called = [replace(each, anomalous=True) for each in samples(300, 10, 0)]
    result = fit(tmp_path, [*samples(0, 20, 0), *called], samples(100, 12, 4))
    assert any("better than chance would, so distances" in note for note in result.notes)
    record = json.loads((tmp_path / artifact.CARD).read_bytes())["record"]
    assert record["score"]["name"] == "tail distance"
    assert "above the median of the held-out normal" in record["threshold_basis"]
    assert sum(each.prediction.anomalous for each in result.tests if not each.anomalous) <= 6


def test_a_prediction_has_the_images_size_and_areas_that_sum_to_one(masked: TrainingResult) -> None:
    predictor = Predictor.load(masked.artifact)
    image, _ = part(999, True)
    prediction = predictor.predict(png(image.resize((301, 203))))
    assert prediction.mask_png is not None
    mask = Image.open(io.BytesIO(prediction.mask_png))
    assert (mask.mode, mask.size) == ("RGB", (301, 203))
    assert [region.name for region in prediction.regions] == ["background", "scratch"]
    assert sum(region.area for region in prediction.regions) == pytest.approx(1)
    assert all(type(region.area) is float for region in prediction.regions)
    green = (np.asarray(mask) == (0x23, 0xA4, 0x36)).all(2)
    assert green.mean() == pytest.approx(prediction.regions[1].area)


def test_decision_and_confidence_follow_score_and_threshold(masked: TrainingResult) -> None:
    assert {test.prediction.anomalous for test in masked.tests} == {True, False}
    for test in masked.tests:
        said = test.prediction
        assert said.anomalous == (round(said.score, 4) >= round(said.threshold, 4))
        assert said.confidence == pytest.approx(said.score if said.anomalous else 1 - said.score)


def test_evaluation_scores_are_those_served_from_bytes(plain: TrainingResult) -> None:
    predictor = Predictor.load(plain.artifact, threads=2)
    for sample, test in zip(samples(100, 6, 6), plain.tests, strict=True):
        assert predictor.predict(sample.load()).score == pytest.approx(test.prediction.score, abs=1e-6)
        assert test.prediction.mask_png is None
        assert test.prediction.regions == ()


def test_the_report_gets_every_test_images_hottest_place_and_what_is_worth_looking_at(plain: TrainingResult) -> None:
    predictor = Predictor.load(plain.artifact)
    for test, sample in zip(plain.tests, samples(100, 6, 6), strict=True):
        predictor.predict(sample.load())
        assert test.hottest == hottest(predictor.heat_map())
    assert {each.result.key for each in plain.shown} == {test.key for test in plain.tests}
    margins = [
        abs(each.result.prediction.score - each.result.prediction.threshold)
        for each in plain.shown
        if each.result.right
    ]
    assert margins == sorted(margins)
    assert Image.open(io.BytesIO(plain.shown[0].heat)).size == (176, 144)


def test_same_data_and_seed_give_the_same_bytes_in_any_data_folder(plain: TrainingResult, tmp_path: Path) -> None:
    elsewhere = choose(tmp_path / "another" / "data folder")
    fit(tmp_path, samples(0, 16, 12), samples(100, 6, 6), backbone=elsewhere)
    for name in (artifact.GRAPH, artifact.CARD):
        assert (tmp_path / name).read_bytes() == (plain.artifact / name).read_bytes(), name
    assert str(tmp_path).encode() not in (tmp_path / artifact.CARD).read_bytes()


def test_the_record_holds_intervals_and_what_score_and_threshold_rest_on(masked: TrainingResult) -> None:
    card = json.loads((masked.artifact / artifact.CARD).read_bytes())
    record = card["record"]
    assert record["metrics_intervals"] == json.loads(json.dumps(masked.intervals))
    judged, held_out = record["metrics_intervals"]["test"], record["metrics_intervals"]["held_out"]
    assert judged["f1"]["value"] == masked.metrics.f1
    assert judged["roc_auc"]["value"] == masked.metrics.roc_auc
    assert judged["average_iou"][0]["value"] == masked.metrics.classes[0].average_iou
    assert judged["average_iou"][0]["low"] < judged["average_iou"][0]["high"]
    assert (held_out["normals"], held_out["anomalies"]) == (20, 12)
    assert masked.notes[0].startswith(f"F1 {masked.metrics.f1:.2f}, 95 % interval ")
    assert "from 16 test images" in masked.notes[0]
    assert record["notes"] == list(masked.notes)
    assert any("Too few test images" in note for note in masked.notes), "8 of each label"
    calibration = Calibration(**card["calibration"])
    assert card["threshold"] == calibration.apply(record["raw_threshold"])
    assert record["held_out_raw_scores"]["normal"][0] < record["raw_threshold"]
    assert record["raw_threshold"] < record["held_out_raw_scores"]["anomaly"][-1]
    assert set(record["score"]) == {"name", "views"}
    assert record["calibration_basis"]


def test_every_mode_and_size_is_answered(plain: TrainingResult) -> None:
    predictor = Predictor.load(plain.artifact)
    image, _ = part(998, False)
    for mode in ("L", "RGBA", "P"):
        assert 0 < predictor.predict(png(image.convert(mode))).score < 1
    for size in ((64, 64), (1500, 64), (64, 900)):
        said = predictor.predict(png(image.resize(size)))
        assert (said.width, said.height) == size
    with pytest.raises(ImageError):
        predictor.predict(b"junk")


def test_normals_alone_are_enough_to_train(tmp_path: Path) -> None:
    result = fit(tmp_path, samples(0, 20, 0), samples(100, 8, 8))
    assert result.metrics.roc_auc is not None
    assert result.metrics.roc_auc > 0.8
    assert any("normal images alone" in note for note in result.notes)


def test_only_a_training_from_normals_alone_says_what_other_weights_are_better_at(
    plain: TrainingResult, tmp_path: Path
) -> None:
    alone = fit(tmp_path / "model", samples(0, 8, 0), samples(100, 2, 2), backbone=choose(tmp_path / "data"))
    assert [note for note in alone.notes if "relook weights pull" in note] == [shipped.HINT]
    assert not [note for note in plain.notes if "relook weights pull" in note]


@pytest.mark.parametrize("anomalies", [1, 3])
def test_anomalies_too_few_to_learn_from_are_judged_and_told(tmp_path: Path, anomalies: int) -> None:
    """Nothing of them reaches the model: its bytes are those without them, but for what it records of its data."""
    training = samples(0, 12, anomalies)
    result = fit(tmp_path / "with", training, [])
    predictor = Predictor.load(result.artifact)
    found = [each.key for each in training[12:] if predictor.predict(each.load()).anomalous]
    missed = [each.key for each in training[12:] if each.key not in found]
    [note] = [each for each in result.notes if "too few to learn from" in each]
    assert f"{len(found)} judged anomalous" in note
    assert all(key in note for key in missed)
    assert ("not (" in note) is bool(missed)
    alone = fit(tmp_path / "without", training[:12], [])
    assert (alone.artifact / artifact.GRAPH).read_bytes() == (result.artifact / artifact.GRAPH).read_bytes()
    assert not any("too few to learn from" in each for each in alone.notes)


def test_more_images_than_are_compared_are_all_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (survey, training_module):
        monkeypatch.setattr(module, "COMPARED_IMAGES", 12)
    monkeypatch.setattr(embeddings, "KEPT_BYTES", 0)
    loaded = set()

    def watched(each: Sample) -> Sample:
        return replace(each, load=lambda: (loaded.add(each.key) if watching else None, each.load())[1])

    watching = False
    training = [watched(each) for each in samples(0, 16, 12)]

    def start_watching(stage: str, done: int, total: int) -> None:
        nonlocal watching
        watching = stage == "fit" and total > 1  # the survey before has read every image anyway

    result = train(
        training, samples(100, 6, 6), task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE, output=tmp_path, seed=3,
        progress=start_watching,
    )  # fmt: skip
    assert len(loaded) == 28
    assert any("Compared the candidates on 12 of the 28" in note for note in result.notes)


def test_no_more_is_kept_than_a_part_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Size(10, 12)  # 23,040 bytes an image
    assert embeddings.kept(grid) > 20_000
    monkeypatch.setattr(embeddings, "_most", lambda: 2_304_000.0)
    assert embeddings.kept(grid) == 100


@pytest.mark.parametrize("room", [0, 1, 3])
def test_embeddings_are_the_same_kept_or_computed_again(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    read: list[str] = []

    def watched(each: Sample) -> Sample:
        return replace(each, load=lambda: (read.append(each.key), each.load())[1])

    training = [watched(each) for each in samples(0, 4, 0)]
    extractor = Extractor(BACKBONE, Size(96, 128), Precision.F32)
    projection = embeddings.project(training, np.arange(4), extractor, seed=1)
    kept = embeddings.Embeddings(training, extractor, projection)
    expected = dict(kept.each([0, 1, 2, 3]))
    monkeypatch.setattr(embeddings, "kept", lambda *arguments: room)
    streamed = embeddings.Embeddings(training, extractor, projection)
    read.clear()
    for order in ([2, 0], [0, 1, 2, 3], [3, 2]):
        for at, (other, found) in zip(order, streamed.each(order), strict=True):
            assert at == other
            assert np.array_equal(found, expected[at])
    assert len(read) == {0: 8, 1: 6, 3: 5}[room]  # 2 and 0 came first, and then 1


def test_precision_is_this_processors_own_unless_asked_for(plain: TrainingResult, tmp_path: Path) -> None:
    assert artifact.read(plain.artifact)[1].precision is native_precision()
    for precision in (Precision.F32, Precision.BF16):
        train(
            samples(0, 4, 0), [], task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE, output=tmp_path, seed=0,
            progress=ignore, options=Options(precision, (128,)),
        )  # fmt: skip
        card = artifact.read(tmp_path)[1]
        assert (card.precision, [view.size for view in card.views]) == (precision, [Size(112, 128)])


def test_a_model_of_bf16_is_served_in_f32_where_the_cpu_has_no_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same graph, and so the same answers as of one that was trained in f32; the unit's log names what it is."""
    train(
        samples(0, 4, 0), [], task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE, output=tmp_path, seed=0,
        progress=ignore, options=Options(Precision.F32, (128,)),
    )  # fmt: skip
    picture = samples(9, 1, 0)[0].load()
    expected = Predictor.load(tmp_path).predict(picture)
    card = json.loads((tmp_path / artifact.CARD).read_bytes())
    (tmp_path / artifact.CARD).write_text(json.dumps(card | {"precision": "bf16"}))
    monkeypatch.setattr(runtime, "native_precision", lambda: Precision.F32)
    served = Predictor.load(tmp_path)
    assert served.card.precision is Precision.BF16
    assert served.engine.name.endswith("on the CPU, f32")
    assert served.predict(picture) == expected
    monkeypatch.setattr(runtime, "native_precision", lambda: Precision.BF16)
    assert Predictor.load(tmp_path).engine.name.endswith("on the CPU, bf16")


def test_mixed_sizes_are_accepted_and_told(tmp_path: Path) -> None:
    image = png(part(1, False)[0].resize((120, 180)))
    odd = Sample("s3://parts/odd.png", lambda: image, False)
    result = fit(tmp_path, [*samples(0, 10, 5), odd], samples(100, 2, 2))
    assert any("2 different sizes" in note and "stretched" in note for note in result.notes)


def test_test_images_have_no_say_in_what_size_is_looked_at() -> None:
    lying = png(part(1, False)[0].resize((120, 180)))
    test = [Sample(f"s3://parts/lying-{at}.png", lambda: lying, False) for at in range(20)]
    assert (
        survey.survey(samples(0, 4, 4), test, (), ignore).size == survey.survey(samples(0, 4, 4), [], (), ignore).size
    )


def test_progress_may_cancel_and_names_its_stages(tmp_path: Path) -> None:
    seen = []

    def stop(stage: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        seen.append(stage)
        if stage == "candidates":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            samples(0, 6, 5), [], task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE, output=tmp_path, seed=0,
            progress=stop,
        )  # fmt: skip
    assert seen[0] == "decode"


@pytest.mark.parametrize(("anomalies", "most"), [(0, 600), (5, 2_400)])
def test_a_head_of_planted_defects_learns_for_a_quarter_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anomalies: int, most: int
) -> None:
    asked = []

    def fit_in(seen: Any, shares: Any, rows: Any, seed: int, most_steps: int) -> Any:
        asked.append(most_steps)
        return learn(seen, shares, rows, seed, 20)

    learn = mask_net.fit
    monkeypatch.setattr(mask_net, "fit", fit_in)
    fit(tmp_path, samples(0, 8, anomalies), [])
    assert asked == [most] * 5


def test_data_that_cannot_be_trained_on_is_named(tmp_path: Path) -> None:
    broken = Sample("s3://parts/broken.jpg", lambda: b"no image", False)
    with pytest.raises(TrainingError, match=r"s3://parts/broken.jpg: .*JPEG or PNG"):
        fit(tmp_path, [*samples(0, 3, 0), broken], [])
    with pytest.raises(TrainingError, match="at least 2 images labelled normal"):
        fit(tmp_path, samples(0, 1, 4), [])
    with pytest.raises(TrainingError, match="with masks"):
        fit(tmp_path, samples(0, 4, 4), [], masked=True)
    wrong = png(Image.new("RGB", (176, 144), (9, 9, 9)))
    bad = [replace(each, mask=MaskSource(lambda: wrong, {SCRATCH.colour: "scratch"})) for each in samples(0, 0, 1)]
    with pytest.raises(TrainingError, match=r"500-True.png has the colour #090909"):
        fit(tmp_path, [*samples(0, 4, 0), *bad], [], masked=True)


def test_a_blank_mask_of_an_anomaly_does_not_teach_that_there_is_no_defect(few_steps: None, tmp_path: Path) -> None:
    blank = png(Image.new("RGB", (176, 144), "white"))
    undrawn = MaskSource(lambda: blank, {SCRATCH.colour: SCRATCH.name})
    training = samples(0, 8, 6, masked=True)
    training[-1] = replace(training[-1], mask=undrawn)
    notes = fit(tmp_path / "some", training, samples(100, 2, 2, masked=True), masked=True).notes
    assert [note for note in notes if "blank mask" in note] == [
        "1 anomaly has a blank mask, which does not tell where the defect is: masks are learned from the others "
        f"({training[-1].key})."
    ]
    bare = [*samples(0, 8, 5, masked=True), replace(training[-1], mask=None)]
    fit(tmp_path / "bare", bare, samples(100, 2, 2, masked=True), masked=True)
    learned, wanted = (artifact.read(tmp_path / name)[0] for name in ("some", "bare"))
    assert learned == wanted, "as an anomaly without a mask"
    with pytest.raises(TrainingError, match="all masks of the training images are blank"):
        fit(tmp_path, [replace(each, mask=undrawn if each.anomalous else None) for each in training], [], masked=True)


def test_a_mask_of_a_test_image_is_read_before_anything_is_learned(tmp_path: Path) -> None:
    small = png(Image.new("RGB", (17, 14), "white"))
    bad = [replace(each, mask=MaskSource(lambda: small, {SCRATCH.colour: "scratch"})) for each in samples(100, 0, 1)]
    stages: list[str] = []
    with pytest.raises(TrainingError, match=r"600-True.png"):
        train(
            samples(0, 4, 4, masked=True), bad, task=Task.SEGMENTATION, classes=(SCRATCH,), backbone=BACKBONE,
            output=tmp_path, seed=3, progress=lambda stage, done, total: stages.append(stage),
        )  # fmt: skip
    assert set(stages) == {"decode"}


def test_a_model_that_was_altered_or_is_newer_is_refused(plain: TrainingResult, tmp_path: Path) -> None:
    graph, card = (plain.artifact / artifact.GRAPH).read_bytes(), (plain.artifact / artifact.CARD).read_bytes()
    (tmp_path / artifact.GRAPH).write_bytes(graph[:-1] + bytes([graph[-1] ^ 1]))
    with pytest.raises(artifact.ArtifactError, match="not a whole model"):
        Predictor.load(tmp_path)
    (tmp_path / artifact.CARD).write_bytes(card)
    with pytest.raises(artifact.ArtifactError, match="not the graph"):
        Predictor.load(tmp_path)
    (tmp_path / artifact.CARD).write_bytes(json.dumps(json.loads(card) | {"format": 99}).encode())
    with pytest.raises(artifact.ArtifactError, match="format 99"):
        Predictor.load(tmp_path)


def test_serving_imports_nothing_of_training() -> None:
    code = (
        "import sys, relook.vision.predict;"
        "print([name for name in ('sklearn', 'scipy', 'onnx', 'torch') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
