"""Every candidate that a training compares gives, exported and asked with bytes, the score that it was compared by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageDraw
from rendered_parts import SCRATCH, ignore, part, png, sample, samples

from relook.vision import artifact, candidates, int8, mask_net
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration
from relook.vision.candidates import Candidate
from relook.vision.exporting import export
from relook.vision.images import Size, load
from relook.vision.masks import decode_mask
from relook.vision.predict import Predictor
from relook.vision.problem import Problem
from relook.vision.runtime import OpenVinoEngine, Precision
from relook.vision.samples import DefectClass, MaskSource, Sample, Task
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
STAIN = DefectClass("stain", "#F76902")
CLASSES = (SCRATCH, STAIN)
COLOURS = {each.colour: each.name for each in CLASSES}
TOLERANCE = 0.02
"""Of a spread of the compared scores: embeddings are kept in float16 while training."""

pytestmark = pytest.mark.usefixtures("few_steps")
needs_int8 = pytest.mark.skipif(int8.lacking() is not None, reason=str(int8.lacking()))


@dataclass(frozen=True)
class Trained:
    folder: Path
    problem: Problem
    compared: Sequence[Candidate]
    backbone: Backbone = BACKBONE
    precision: Precision = Precision.F32


def stained(seed: int) -> Sample:
    image, mask = part(seed, False)
    x, y = np.random.default_rng(seed).integers(60, 80, 2).tolist()
    ImageDraw.Draw(image).ellipse((x, y, x + 30, y + 24), fill=(120, 70, 30))
    ImageDraw.Draw(mask).ellipse((x, y, x + 30, y + 24), fill=STAIN.colour)
    data, drawn = png(image), png(mask)
    return Sample(f"s3://parts/{seed}-stained.png", lambda: data, True, MaskSource(lambda: drawn, COLOURS))


def masked(first: int, number: int) -> list[Sample]:
    """As many of each: normal, scratched and stained."""
    scratched = [sample(first + 500 + at, True, masked=True) for at in range(number)]
    return [*samples(first, number, 0), *scratched, *(stained(first + 700 + at) for at in range(number))]


def fit(
    folder: Path,
    training: Sequence[Sample],
    classes: tuple[DefectClass, ...],
    sides: tuple[int, ...],
    headed: int,
    precision: Precision = Precision.F32,
) -> Trained:
    """Heads judge each image by the network that has learned from all of them, as new images are judged, and learn at
    no long side above `headed`."""
    seen: dict[str, Any] = {}

    def compare(problem: Problem, *rest: Any) -> list[Candidate]:
        seen["problem"], seen["compared"] = problem, candidates.compare(problem, *rest)
        return seen["compared"]

    def whole(shown: Any, shares: Any, rows: Any, seed: int, steps: int) -> Any:
        return learn(shown, shares, np.arange(len(shown)), seed, steps)

    learn = mask_net.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relook.vision.looking.compare", compare)
        patch.setattr("relook.vision.looking.HEAD_LONG_SIDE", headed)
        patch.setattr(mask_net, "fit", whole)
        train(
            training, [], task=Task.SEGMENTATION if classes else Task.CLASSIFICATION, classes=classes,
            backbone=BACKBONE, output=folder, seed=1, progress=ignore,
            options=Options(long_sides=sides, precision=precision),
        )  # fmt: skip
    backbone = int8.quantised(BACKBONE, training, 1) if precision is Precision.INT8 else BACKBONE
    return Trained(folder, seen["problem"], seen["compared"], backbone, precision)


@pytest.fixture(scope="module")
def labelled(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fit(tmp_path_factory.mktemp("labelled") / "model", samples(0, 8, 8), (), (80, 112, 144), 112)


@pytest.fixture(scope="module")
def two_classes(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fit(tmp_path_factory.mktemp("classes") / "model", masked(0, 8), CLASSES, (96, 176), 176)


@pytest.fixture(scope="module")
def in_int8(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("int8") / "model"
    return fit(folder, samples(0, 8, 8), (), (80, 144), 80, Precision.INT8)


def served(trained: Trained, each: Candidate) -> Predictor:
    calibration = Calibration(1.0, 0.0)
    backbone, precision = trained.backbone, trained.precision
    data, card = export(each.views, each.score, trained.problem, backbone, precision, calibration, 0.5)
    return Predictor(card, OpenVinoEngine(data, [view.size for view in card.views], precision, 1))


def anomalies(trained: Trained) -> Iterator[int]:
    """Some: no memory holds them, so nothing was left out to judge them."""
    yield from np.flatnonzero(trained.problem.anomalous)[::3].tolist()


@pytest.mark.parametrize("name", ["labelled", "two_classes", pytest.param("in_int8", marks=needs_int8)])
def test_every_candidate_is_served_as_it_was_compared(name: str, request: pytest.FixtureRequest) -> None:
    trained: Trained = request.getfixturevalue(name)
    headed = {any(view.head is not None for view in each.views) for each in trained.compared}
    assert headed == ({True} if name == "two_classes" else {True, False})
    numbers = {"labelled": {1, 2, 3}, "two_classes": {2}, "in_int8": {1, 2}}
    assert {len(each.views) for each in trained.compared} == numbers[name]
    for each in trained.compared:
        predictor = served(trained, each)
        told = each.score.apply(np.concatenate([view.descriptors for view in each.views], axis=1))
        for at in anomalies(trained):
            raw = predictor.raw_score(load(trained.problem.samples[at].load()).pixels)
            assert raw == pytest.approx(told[at], abs=TOLERANCE * told.std()), (each.sizes, each.scorer.name, at)


def test_each_of_two_classes_is_drawn_where_it_is(two_classes: Trained) -> None:
    predictor = Predictor.load(two_classes.folder)
    hits: dict[str, list[float]] = {each.name: [] for each in CLASSES}
    for each in masked(100, 4):
        answer = predictor.predict(each.load())
        found = {region.name: region for region in answer.regions}
        assert answer.mask_png is not None
        size = Size(answer.height, answer.width)
        drawn = decode_mask(answer.mask_png, COLOURS, CLASSES, size, "answer")
        for at, kind in enumerate(CLASSES, 1):
            share = float((drawn == at).mean())
            assert share == pytest.approx(found[kind.name].area if kind.name in found else 0.0)
            assert kind.name not in found or found[kind.name].colour == kind.colour
        if each.mask is None:
            continue
        truth = decode_mask(each.mask.load(), each.mask.colours, CLASSES, size, each.key)
        at = int(truth.max())
        hits[CLASSES[at - 1].name].append(float(((drawn == at) & (truth == at)).sum() / (truth == at).sum()))
    assert all(len(shares) == 4 and np.mean(shares) > 0.5 for shares in hits.values()), hits


def test_masks_are_drawn_whatever_the_decision(two_classes: Trained, tmp_path: Path) -> None:
    graph, card = artifact.read(two_classes.folder)
    image = masked(100, 1)[1].load()
    answers = []
    for threshold in (0.0, 1.0):
        artifact.write(tmp_path / str(threshold), graph, replace(card, threshold=threshold))
        answers.append(Predictor.load(tmp_path / str(threshold)).predict(image))
    assert [answer.anomalous for answer in answers] == [True, False]
    assert answers[0].mask_png == answers[1].mask_png
    assert answers[0].regions == answers[1].regions
    assert len(answers[0].regions) > 1
