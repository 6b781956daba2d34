"""Models of several views, and of few images or labels, from training to the answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from narrow_network import narrow_backbone
from PIL import Image
from rendered_parts import HEIGHT, SCRATCH, WIDTH, ignore, part, png, samples

import relook.vision.train as training_module
from relook.vision import artifact, survey
from relook.vision.images import Size
from relook.vision.predict import Predictor
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample, Task, TrainingResult
from relook.vision.train import Options, train

BACKBONE = narrow_backbone()
TWO, FIVE = (96, 176), (48, 64, 80, 96, 112)

pytestmark = pytest.mark.usefixtures("few_steps")


def fit(
    output: Path, training: list[Sample], test: list[Sample], sides: tuple[int, ...] = TWO, masked: bool = False
) -> TrainingResult:
    task, classes = (Task.SEGMENTATION, (SCRATCH,)) if masked else (Task.CLASSIFICATION, ())
    return train(
        training, test, task=task, classes=classes, backbone=BACKBONE, output=output, seed=1, progress=ignore,
        options=Options(long_sides=sides),
    )  # fmt: skip


@pytest.fixture(scope="module")
def normals_alone(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return fit(tmp_path_factory.mktemp("normals") / "model", samples(0, 8, 0), samples(100, 5, 5))


def test_normals_alone_are_looked_at_in_all_views(normals_alone: TrainingResult) -> None:
    card = artifact.read(normals_alone.artifact)[1]
    assert [view.size for view in card.views] == [Size(80, 96), Size(144, 176)]
    assert [(view.grid.height, view.grid.width) for view in card.views] == [(10, 12), (18, 22)]
    assert card.masks_from is None
    assert card.precision is native_precision()
    assert len(card.weights) == len(card.bias) == 2
    assert normals_alone.metrics.roc_auc is not None
    assert normals_alone.metrics.roc_auc > 0.8


def test_scores_from_bytes_are_those_of_training(normals_alone: TrainingResult) -> None:
    predictor = Predictor.load(normals_alone.artifact)
    for sample, test in zip(samples(100, 5, 5), normals_alone.tests, strict=True):
        assert predictor.predict(sample.load()).score == test.prediction.score


def test_an_artifact_comes_back_as_it_was_written(normals_alone: TrainingResult, tmp_path: Path) -> None:
    graph, card = artifact.read(normals_alone.artifact)
    varied = replace(
        card, task=Task.SEGMENTATION, classes=(SCRATCH,), masks_from=1,
        views=tuple(replace(view, head=at == 1, heat=(0.1 + at, 0.3)) for at, view in enumerate(card.views)),
    )  # fmt: skip
    for each in (card, varied):
        artifact.write(tmp_path, graph, each)
        assert artifact.read(tmp_path) == (graph, each)
    assert sorted(path.name for path in tmp_path.iterdir()) == [artifact.CARD, artifact.GRAPH]


@pytest.mark.parametrize("version", [1, 4, None, "3"])
def test_other_formats_are_refused_by_name(normals_alone: TrainingResult, tmp_path: Path, version: object) -> None:
    content = json.loads((normals_alone.artifact / artifact.CARD).read_bytes()) | {"format": version}
    (tmp_path / artifact.GRAPH).write_bytes((normals_alone.artifact / artifact.GRAPH).read_bytes())
    (tmp_path / artifact.CARD).write_text(json.dumps(content))
    with pytest.raises(artifact.ArtifactError, match=rf"format {version!r}; .* reads format 2 and 3: train again"):
        Predictor.load(tmp_path)


def test_a_card_of_format_2_means_the_maximum(normals_alone: TrainingResult, tmp_path: Path) -> None:
    graph, card = artifact.read(normals_alone.artifact)
    assert card.temperature > 0
    artifact.write(tmp_path / "plain", graph, replace(card, temperature=0.0))
    content = json.loads((normals_alone.artifact / artifact.CARD).read_bytes()) | {"format": 2}
    del content["temperature"]
    artifact.write_files(tmp_path / "older", graph, content)
    image = samples(100, 0, 1)[0].load()
    scores = [
        Predictor.load(folder).predict(image).score
        for folder in (tmp_path / "older", tmp_path / "plain", normals_alone.artifact)
    ]
    assert scores[0] == scores[1] > scores[2]


@pytest.mark.parametrize("missing", ["views", "weights", "bias", "temperature", "calibration", "masks_from"])
def test_a_card_without_a_part_is_damaged(normals_alone: TrainingResult, tmp_path: Path, missing: str) -> None:
    content = json.loads((normals_alone.artifact / artifact.CARD).read_bytes())
    del content[missing]
    (tmp_path / artifact.GRAPH).write_bytes(b"")
    (tmp_path / artifact.CARD).write_text(json.dumps(content))
    with pytest.raises(artifact.ArtifactError, match=f"damaged.*{missing}"):
        artifact.read(tmp_path)


def dented(x: int, y: int) -> bytes:
    pixels = np.asarray(part(50, False)[0]).copy()
    pixels[y - 8 : y + 8, x - 8 : x + 8] = (250, 40, 250)
    return png(Image.fromarray(pixels))


@pytest.mark.parametrize(("x", "y"), [(88, 72), (130, 110), (66, 24)])
def test_the_heat_map_has_the_finest_grid_and_is_hottest_at_the_defect(
    normals_alone: TrainingResult, x: int, y: int
) -> None:
    predictor = Predictor.load(normals_alone.artifact)
    predictor.predict(png(part(50, False)[0]))
    before = predictor.heat_map()
    predictor.predict(dented(x, y))
    heat = predictor.heat_map()
    assert heat.shape == (18, 22)
    assert heat.dtype == np.float32
    row, column = np.unravel_index(int((heat - before).argmax()), heat.shape)
    assert abs((row + 0.5) * HEIGHT / 18 - y) <= 20
    assert abs((column + 0.5) * WIDTH / 22 - x) <= 20
    assert heat.max() > before.max()


@pytest.mark.parametrize("normals", [2, 5])
def test_few_normals_are_enough(tmp_path: Path, normals: int) -> None:
    result = fit(tmp_path, samples(0, normals, 0), samples(100, 5, 5))
    assert any(f"Only {normals} normal training images" in note for note in result.notes)
    assert result.metrics.roc_auc is not None
    assert result.metrics.roc_auc > (0.7 if normals == 5 else 0.5)
    assert all(0 < each.prediction.score < 1 for each in result.tests)


def test_copies_of_a_blank_picture_can_be_trained_on(tmp_path: Path) -> None:
    blank = png(Image.new("RGB", (512, 512), "white"))
    same = [Sample(f"s3://parts/{at}.png", lambda: blank, False) for at in range(2)]
    result = fit(tmp_path, same, same, sides=(512,))
    assert result.tests[0].prediction.score == result.tests[1].prediction.score
    assert not result.tests[0].prediction.anomalous


def test_three_labelled_anomalies_set_no_threshold(tmp_path: Path) -> None:
    result = fit(tmp_path, samples(0, 8, 3), samples(100, 5, 5))
    record = artifact.read(tmp_path)[1].record
    assert "normal" in record["threshold_basis"]
    assert "anomal" not in record["threshold_basis"]
    assert any("fewer than 4 anomalies" in note for note in result.notes)


@pytest.mark.parametrize("anomalies", [1, 3])
def test_few_masks_teach_a_model_that_can_be_served(tmp_path: Path, anomalies: int) -> None:
    result = fit(tmp_path, samples(0, 8, anomalies, masked=True), samples(100, 3, 3, masked=True), masked=True)
    assert "robust deviations" in artifact.read(tmp_path)[1].record["threshold_basis"]
    for test in result.tests:
        assert test.prediction.mask_png is not None
        assert test.prediction.regions[0].name == "background"
    assert [each.name for each in result.metrics.classes] == ["scratch"]


def test_segmentation_with_two_views_draws_at_the_images_size(tmp_path: Path) -> None:
    result = fit(tmp_path, samples(0, 10, 8, masked=True), samples(100, 4, 4, masked=True), masked=True)
    card = artifact.read(tmp_path)[1]
    assert card.views[0].size == Size(80, 96)
    assert len(card.views) == 2
    assert [view.head for view in card.views].count(True) == 1
    assert card.masks_from is not None
    assert card.views[card.masks_from].head
    predictor = Predictor.load(tmp_path)
    for sample, test in zip(samples(100, 4, 4, masked=True), result.tests, strict=True):
        said = predictor.predict(sample.load())
        assert (said.width, said.height) == (WIDTH, HEIGHT)
        assert (said.score, said.mask_png) == (test.prediction.score, test.prediction.mask_png)
    assert predictor.heat_map().shape == (18, 22)
    assert result.metrics.classes[0].average_iou > 0.25


@pytest.mark.parametrize("anomalies", [0, 8])
def test_the_views_chosen_on_some_images_are_learned_again_from_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anomalies: int
) -> None:
    for module in (survey, training_module):
        monkeypatch.setattr(module, "COMPARED_IMAGES", 12)
    result = fit(tmp_path, samples(0, 14, anomalies), samples(100, 2, 2), sides=FIVE)
    chosen = next(note for note in result.notes if note.startswith("Chose"))
    card = artifact.read(tmp_path)[1]
    assert all(f"{view.size.width}x{view.size.height}" in chosen for view in card.views)
    if not anomalies:
        assert len(card.views) == 2  # the smallest and the largest
