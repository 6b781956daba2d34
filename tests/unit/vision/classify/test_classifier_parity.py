"""What training computes of an image with numpy and what the exported graph answers are the same."""

from __future__ import annotations

import numpy as np
import pytest
from labelled_pictures import encoded, picture, striped

from relook.vision import runtime
from relook.vision.classify import candidates, regression
from relook.vision.classify.candidates import recipes
from relook.vision.classify.exporting import Head, export
from relook.vision.classify.looking import look
from relook.vision.classify.names import SCORES
from relook.vision.classify.pooling import pooled, stack
from relook.vision.classify.problem import LabelTask, problem_of
from relook.vision.engine import Device, open_engine
from relook.vision.features import Extractor
from relook.vision.images import Size, load_upright, resize
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
PRECISIONS = sorted({runtime.Precision.F32, runtime.native_precision()})
LABELS = ("ring", "stripe")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [Size(96, 96), Size(80, 176)], ids=["square", "uneven"])
@pytest.mark.parametrize("single", [True, False], ids=["single", "multi"])
def test_scores_of_every_recipe_agree(size: Size, precision: runtime.Precision, single: bool) -> None:
    problem = problem_of(striped(0, 4), LABELS, np.arange(16), LabelTask.MULTI_LABEL, 0)
    seen = look(problem, BACKBONE, size, precision, lambda: None)
    assert seen.memories is not None
    pixels = load_upright(encoded(picture("ring", 99, stripe=True))).pixels
    patches = next(Extractor(BACKBONE, size, precision).each([pixels]))
    blocks = pooled(patches, seen.grid) | seen.memories.describe(patches, None)
    tried = recipes(seen)
    assert {name for recipe in tried for name in recipe.blocks} == set(seen.blocks)
    for recipe in tried:
        head = _drawn(recipe, seen.blocks, single)
        data = export(BACKBONE, size, head, seen.memories.projection, [bank.rows for bank in seen.memories.banks])
        engine = open_engine(data, [size], precision, Device.CPU, 1)
        engine.images[0][0] = resize(pixels, size)
        engine.run()
        values = candidates.values_of(stack([blocks]), recipe.blocks)
        expected = regression.scores((values - head.mean) @ head.weight + head.bias, _same(), single)
        assert np.allclose(engine.output(SCORES), expected, atol=1e-4), recipe.name
        assert expected.min() > 0.02  # else any two would agree


def _drawn(recipe: candidates.Recipe, blocks: candidates.Blocks, single: bool) -> Head:
    mean, gain = candidates.standard(blocks, recipe.blocks)
    weight = np.random.default_rng(1).normal(0, 0.2, (len(mean), 2)) * gain[:, None]
    return Head(
        recipe.blocks,
        recipe.groups,
        mean.astype(np.float32),
        weight.astype(np.float32),
        np.array([0.1, -0.2], np.float32),
        single,
    )


def _same() -> regression.Scaling:
    return regression.Scaling(np.ones(2), np.zeros(2))


def test_an_image_of_the_training_is_described_as_if_it_were_new() -> None:
    """Each bank goes without one image, so that what an image is told by is not that it is in one of them."""
    images = striped(0, 6)
    problem = problem_of(images, LABELS, np.arange(24), LabelTask.MULTI_LABEL, 0)
    size = Size(96, 96)
    seen = look(problem, BACKBONE, size, runtime.Precision.F32, lambda: None)
    assert seen.memories is not None
    fresh = problem_of(striped(500, 6), LABELS, np.arange(24), LabelTask.MULTI_LABEL, 0)
    new = look(fresh, BACKBONE, size, runtime.Precision.F32, lambda: None, memories=None, remember=False)
    assert set(new.blocks) == set(candidates.PLACES)
    extractor = Extractor(BACKBONE, size, runtime.Precision.F32)
    own, other, unknown = [], [], []
    for at, (known, unseen) in enumerate(zip(images, fresh.images, strict=True)):
        group = next(place for place, members in enumerate(seen.memories.members) if at in members)
        one, two = extractor.each(load_upright(each.load()).pixels for each in (known, unseen))
        own.append(seen.blocks[f"far{group}"][at, 0])
        other.append(seen.memories.describe(one, None)[f"far{group}"][0])
        unknown.append(seen.memories.describe(two, None)[f"far{group}"][0])
    assert abs(np.mean(own) - np.mean(unknown)) < abs(np.mean(other) - np.mean(unknown)) / 2


def test_a_picture_that_several_groups_have_is_described_without_itself_in_all_of_them() -> None:
    """As a copy with other labels makes it: such as the same thing before and after it was damaged."""
    images = striped(0, 6)
    copy_of = np.arange(24)
    copy_of[20] = 1  # stands at other places in its groups
    problem = problem_of(images, LABELS, copy_of, LabelTask.MULTI_LABEL, 0)
    seen = look(problem, BACKBONE, Size(96, 96), runtime.Precision.F32, lambda: None)
    assert seen.memories is not None
    having = [group for group, members in enumerate(seen.memories.members) if 1 in members]
    assert len(having) == 2
    for group in having:
        [rows] = [bank.rows[bank.source == 1] for bank in (seen.memories.banks[group],)]
        weight, bias = seen.memories.projection.weight, seen.memories.projection.bias
        patches = ((rows - bias) @ np.linalg.pinv(weight)).astype(np.float32)
        known, held = (float(seen.memories.describe(patches, who)[f"far{group}"][0]) for who in (None, 1))
        assert held > known + 1


def test_onnx_runtime_answers_the_same() -> None:
    """The path of a GPU, on the CPU."""
    onnx_engine = pytest.importorskip("relook.vision.onnx_engine", reason="needs ONNX Runtime (extra int8 or gpu)")
    size, single = Size(80, 112), True
    problem = problem_of(striped(0, 4), LABELS, np.arange(16), LabelTask.MULTI_LABEL, 0)
    seen = look(problem, BACKBONE, size, runtime.Precision.F32, lambda: None)
    assert seen.memories is not None
    pixels = load_upright(encoded(picture("ring", 99))).pixels
    for recipe in recipes(seen):
        head = _drawn(recipe, seen.blocks, single)
        data = export(BACKBONE, size, head, seen.memories.projection, [bank.rows for bank in seen.memories.banks])
        ours = open_engine(data, [size], runtime.Precision.F32, Device.CPU, 1)
        theirs = onnx_engine.OnnxEngine(data, [size], onnx_engine.CPU)
        for engine in (ours, theirs):
            engine.images[0][0] = resize(pixels, size)
            engine.run()
        assert np.allclose(ours.output(SCORES), theirs.output(SCORES), atol=1e-3), recipe.name
