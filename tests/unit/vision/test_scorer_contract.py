"""What every image scorer must keep to, with one view and with two."""

from __future__ import annotations

import numpy as np
import pytest

from relook.vision import descriptor
from relook.vision.metrics import auroc
from relook.vision.scorers import SCORERS
from relook.vision.scorers.base import Descriptors, Labels, Layout, Scorer, ViewLayout
from relook.vision.scorers.distance import Distance
from relook.vision.scorers.fusion import Fusion
from relook.vision.scorers.head import Head

DIMS = (6, 4)
HEADS = {
    "one view": Layout((ViewLayout(DIMS[0], True),)),
    "two views": Layout((ViewLayout(DIMS[0], True), ViewLayout(DIMS[1], True))),
    "two views, one head": Layout((ViewLayout(DIMS[0], False), ViewLayout(DIMS[1], True))),
    "no head": Layout((ViewLayout(DIMS[0], False), ViewLayout(DIMS[1], False))),
}
CASES = [
    pytest.param(scorer, layout, id=f"{scorer.name}, {name}")
    for scorer in SCORERS
    for name, layout in HEADS.items()
    if layout.head or not scorer.needs_head
]
UNLABELLED = [each for each in CASES if isinstance(each.values[0], (Distance, Head))]
LABELS: Labels = np.arange(40) % 2 == 1


def drawn(layout: Layout, apart: float = 8.0) -> Descriptors:
    width = sum(view.width for view in layout.views)
    return np.random.default_rng(1).normal(0, 1, (40, width)) + apart * LABELS[:, None]


@pytest.mark.parametrize(("scorer", "layout"), CASES)
def test_clear_anomalies_rank_higher(scorer: Scorer, layout: Layout) -> None:
    descriptors = drawn(layout)
    assert auroc(scorer.fit(descriptors, LABELS, layout).apply(descriptors), LABELS) == 1.0


@pytest.mark.parametrize(("scorer", "layout"), CASES)
def test_images_not_seen_rank_too(scorer: Scorer, layout: Layout) -> None:
    descriptors, seen = drawn(layout, apart=4.0), np.arange(40) < 20
    raw = scorer.fit(descriptors[seen], LABELS[seen], layout).apply(descriptors[~seen])
    assert (auroc(raw, LABELS[~seen]) or 0) > 0.9


@pytest.mark.parametrize(("scorer", "layout"), CASES)
def test_the_score_is_a_softened_maximum_of_finite_linear_functions_and_repeats(scorer: Scorer, layout: Layout) -> None:
    descriptors = drawn(layout)
    first, again = (scorer.fit(descriptors, LABELS, layout) for _ in range(2))
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.bias.tobytes() == again.bias.tobytes()
    assert first.weights.shape == (len(first.bias), descriptors.shape[1])
    assert np.isfinite(first.weights).all()
    assert np.isfinite(first.bias).all()
    assert first.temperature == again.temperature >= 0
    lines = list(zip(first.weights, first.bias, strict=True))
    rows = np.array([[row @ each + bias for row, bias in lines] for each in descriptors])
    raw = first.apply(descriptors)
    if first.temperature == 0:
        assert np.allclose(raw, rows.max(1))
    else:
        assert np.allclose(np.exp(raw / first.temperature), np.exp(rows / first.temperature).mean(1))


@pytest.mark.parametrize(("scorer", "layout"), UNLABELLED)
def test_scorers_that_need_no_anomalies_do_not_look_at_them(scorer: Scorer, layout: Layout) -> None:
    descriptors = drawn(layout)
    score = scorer.fit(descriptors, LABELS, layout)
    normals_alone = scorer.fit(descriptors[~LABELS], LABELS[~LABELS], layout)
    assert np.array_equal(score.weights, normals_alone.weights)
    assert np.array_equal(score.bias, normals_alone.bias)
    assert score.temperature == normals_alone.temperature


@pytest.mark.parametrize(("scorer", "layout"), CASES)
def test_values_that_never_change_do_no_harm(scorer: Scorer, layout: Layout) -> None:
    descriptors = np.ones_like(drawn(layout))
    score = scorer.fit(descriptors, LABELS, layout)
    assert np.isfinite(score.apply(descriptors + 1)).all()


@pytest.mark.parametrize("part", ["peak", "top", "tail"])
@pytest.mark.parametrize("at", [0, 1])
def test_of_several_views_the_one_that_sees_the_defect_counts(part: str, at: int) -> None:
    layout = HEADS["two views"]
    descriptors = drawn(layout, apart=0.0)
    descriptors[np.ix_(LABELS, layout.columns(part)[at])] += 8
    raw = Distance("any", part).fit(descriptors, LABELS, layout).apply(descriptors)
    assert auroc(raw, LABELS) == 1.0


def test_columns_of_all_parts_fill_the_descriptor_of_every_view() -> None:
    layout = HEADS["two views, one head"]
    parts = [np.concatenate([where for part in ("statistics", "residuals") for where in layout.columns(part)])]
    headed = descriptor.columns("head", DIMS[1], True)
    width = layout.views[0].width
    parts.append(np.arange(width + headed.start, width + headed.stop))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(sum(view.width for view in layout.views)))


def test_a_described_image_has_the_layouts_width() -> None:
    rng = np.random.default_rng(0)
    distance, residual = rng.random(300, np.float32), rng.random((3, 6), np.float32)
    logits = rng.random((300, 3), np.float32)
    assert descriptor.describe(distance, residual, None).shape == (ViewLayout(6, False).width,)
    assert descriptor.describe(distance, residual, logits).shape == (ViewLayout(6, True).width,)


def test_scorer_names_are_unique() -> None:
    assert len({scorer.name for scorer in SCORERS}) == len(SCORERS)


def test_a_fusion_leaves_out_what_needs_a_head_where_there_is_none() -> None:
    plain = Layout((ViewLayout(DIMS[0], False),))
    distance, head = Distance("tail", "tail"), Head("head")
    assert not Fusion("both", (distance, head)).needs_head
    descriptors = drawn(plain)
    both = Fusion("both", (distance, head)).fit(descriptors, LABELS, plain).apply(descriptors)
    alone = Fusion("one", (distance,)).fit(descriptors, LABELS, plain).apply(descriptors)
    assert np.array_equal(both, alone)


@pytest.mark.parametrize("layout", [HEADS["two views"], HEADS["no head"]], ids=["two heads", "no head"])
def test_a_fusion_of_one_is_that_score_in_its_own_unit(layout: Layout) -> None:
    descriptors, distance = drawn(layout), Distance("tail", "tail")
    alone = distance.fit(descriptors, LABELS, layout).apply(descriptors)
    fused = Fusion("one", (distance,)).fit(descriptors, LABELS, layout).apply(descriptors)
    assert np.allclose(alone, fused, rtol=1e-12)
