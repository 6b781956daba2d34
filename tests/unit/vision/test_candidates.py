"""Which views are tried together, and which candidate wins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from rendered_parts import ignore

from relook.vision import descriptor
from relook.vision.candidates import (
    MARGIN,
    PLANTED_MARGIN,
    REPEATS,
    Candidate,
    by_chance,
    choose,
    combinations,
    compare,
    tried,
)
from relook.vision.graph import CellNet, Projection
from relook.vision.images import Size
from relook.vision.memory_bank import MemoryBank
from relook.vision.metrics import auroc
from relook.vision.problem import FEWEST_ANOMALIES, FOLDS, Problem, assign_folds
from relook.vision.samples import DefectClass, Task, TrainingError
from relook.vision.scorers import SCORERS, UNTAUGHT
from relook.vision.scorers.base import Score
from relook.vision.view import View

DIMS = 4
NOTHING = np.zeros((1, DIMS), np.float32)


def view(side: int, head: bool = False, overlap: float | None = None, apart: float = 0.0, images: int = 24) -> View:
    """A view whose descriptors tell the second half of the images from the first by `apart` deviations."""
    rng = np.random.default_rng(side)
    width = len(descriptor.STATISTICS) + 2 * DIMS + head
    values = rng.normal(0, 1, (images, width)) + apart * (np.arange(images) >= images // 2)[:, None]
    grid = Size(side // 8, side // 8)
    bank = MemoryBank(NOTHING, np.zeros(1, np.int64))
    net = CellNet((NOTHING,), (NOTHING[0],)) if head else None
    weight = np.ones(grid.height * grid.width, np.float32)
    return View(
        Size(side, side), grid, Projection(NOTHING, NOTHING[0]), bank, weight, net, overlap, values, (0.0, 1.0)
    )  # fmt: skip


def problem(anomalies: int = 12, task: Task = Task.CLASSIFICATION, planted: bool = False) -> Problem:
    labels = np.arange(24) >= 24 - anomalies
    classes = (DefectClass("scratch", "#23A436"),) if task is Task.SEGMENTATION else ()
    return Problem([], labels, assign_folds(labels, 0), np.arange(24), task, classes, 0, planted)


def sides(found: Sequence[tuple[View, ...]]) -> list[list[tuple[int, bool]]]:
    return [[(each.size.width, each.head is not None) for each in entry] for entry in found]


def rated(quality: float, views: Sequence[View], scorer: int = 0) -> Candidate:
    score = Score(np.zeros((1, 1)), np.zeros(1))
    return Candidate(tuple(views), SCORERS[scorer], score, np.zeros(2), quality, quality, quality, quality)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("masks", [False, True])
def test_combinations_differ_and_come_cheapest_first(count: int, masks: bool) -> None:
    views = [view(64 * (1 + at), head=at == count // 2) for at in range(count)]
    found = combinations(views, masks)
    assert found
    costs = [sum(each.cost for each in entry) for entry in found]
    assert costs == sorted(costs)
    assert len({tuple(entry) for entry in map(tuple, sides(found))}) == len(found)
    for entry in found:
        widths = [each.size.width for each in entry]
        assert widths == sorted(set(widths))
        assert sum(each.head is not None for each in entry) <= 1
        assert all(each.descriptors.shape[1] == each.layout.width for each in entry)


def test_views_are_tried_alone_and_the_smallest_with_the_largest() -> None:
    plain = combinations([view(64 * (1 + at)) for at in range(5)], masks=False)
    assert sides(plain) == [[(64, False)], [(128, False)], [(192, False)], [(256, False)], [(320, False)],
                            [(64, False), (320, False)]]  # fmt: skip
    assert sides(combinations([view(64)], masks=False)) == [[(64, False)]]


def test_a_head_goes_with_the_smallest_view_that_it_looks_at() -> None:
    views = [view(64), view(128, head=True), view(192)]
    headed = [entry for entry in sides(combinations(views, masks=False)) if any(head for _, head in entry)]
    assert headed == [[(64, False), (128, True)], [(64, False), (128, True), (192, False)]]


def test_with_masks_every_combination_draws_them() -> None:
    found = combinations([view(64), view(128, head=True, overlap=0.5), view(192)], masks=True)
    assert found
    assert all(any(each.head is not None for each in entry) for entry in found)


def test_the_cheaper_views_win_within_the_margin_and_the_better_beyond_it() -> None:
    small, large = [view(64)], [view(128)]
    near = [rated(0.9, small), rated(0.9 + 0.9 * MARGIN, large)]
    assert choose(near, planted=False) is near[0]
    far = [rated(0.9, small), rated(0.9 + 1.1 * MARGIN, large)]
    assert choose(far, planted=False) is far[1]


def test_within_the_views_the_plainer_score_wins_within_the_margin() -> None:
    views = [view(64)]
    found = [rated(0.9, views, 0), rated(0.9 + 0.9 * MARGIN, views, 1), rated(0.5, views, 2)]
    assert choose(found, planted=False) is found[0]
    assert choose([*found, rated(0.95, views, 3)], planted=False).scorer is SCORERS[3]


def test_labels_that_teach_nothing_are_not_learned_from() -> None:
    views = [view(64)]
    taught, plain = rated(0.5, views, 4), rated(0.3, views)
    assert taught.scorer.supervised
    assert choose([taught, plain], False, chance=0.5) is taught
    assert choose([taught, plain], False, chance=0.51) is plain
    assert choose([taught], False, chance=0.51) is taught
    assert choose([taught, plain], False, taught.scorer.name, chance=0.51) is taught


@pytest.mark.parametrize(("normals", "anomalies"), [(40, 12), (400, 4), (30, 30)])
def test_what_chance_may_reach_is_reached_by_few_shuffled_labels(normals: int, anomalies: int) -> None:
    labels = np.arange(normals + anomalies) < anomalies
    rng = np.random.default_rng(0)
    found = [auroc(rng.random(len(labels)), labels) or 0.0 for _ in range(2000)]
    assert 0.005 < np.mean(np.array(found) >= by_chance(labels)) < 0.04


def test_distances_alone_are_tried_beside_labels_in_the_smallest_and_the_largest_view() -> None:
    views = [view(64), view(96, head=True), view(128, head=True)]
    found = compare(problem(), views, ignore)
    assert sides([each.views for each in found if each.scorer is UNTAUGHT]) == [[(64, False), (128, False)]]
    assert found[-1].scorer is UNTAUGHT
    masks = compare(problem(task=Task.SEGMENTATION), [view(64, head=True, overlap=0.5)], ignore)
    assert all(each.scorer.supervised for each in masks)


def test_planted_defects_choose_only_by_a_wide_margin() -> None:
    together, one = [view(64), view(192)], [view(64)]
    near = [rated(0.5, one), rated(0.5, together), rated(0.5 + 0.9 * PLANTED_MARGIN, together, 3)]
    assert choose(near, planted=True) is near[1]
    far = [*near, rated(0.5 + 1.1 * PLANTED_MARGIN, one, 3)]
    assert choose(far, planted=True) is far[3]


def test_without_time_for_two_sizes_the_largest_that_fits_is_taken() -> None:
    alone = [rated(0.6, [view(64)]), rated(0.5, [view(128)]), rated(0.5, [view(128)], 3), rated(0.6, [view(64)], 3)]
    assert choose(alone, planted=True) is alone[1]


@pytest.mark.parametrize("planted", [False, True])
def test_a_score_can_be_asked_for_and_an_unknown_one_is_told(planted: bool) -> None:
    found = [rated(0.9, [view(64)], at) for at in range(3)]
    assert choose(found, planted, SCORERS[2].name) is found[2]
    with pytest.raises(TrainingError, match=rf"'guess'.*{SCORERS[0].name}"):
        choose(found, planted, "guess")


def test_scores_that_learn_from_anomalies_wait_for_enough_of_them() -> None:
    views = [view(64, apart=4.0)]
    few, enough = (
        compare(problem(FEWEST_ANOMALIES - 1), views, ignore),
        compare(problem(FEWEST_ANOMALIES), views, ignore),
    )
    assert not any(each.scorer.supervised for each in few)
    assert [each.scorer for each in enough if not each.scorer.supervised] == [UNTAUGHT]
    assert not any(each.scorer.supervised for each in compare(problem(planted=True), views, ignore))
    assert not any(each.scorer.needs_head for each in enough)


def test_figures_tell_a_clear_difference_from_none() -> None:
    clear = compare(problem(), [view(64, apart=6.0)], ignore)
    none = compare(problem(), [view(64, apart=0.0)], ignore)
    assert min(each.quality for each in clear) > 0.7 > max(each.quality for each in none)
    assert all(each.auroc == pytest.approx(1.0) for each in clear)
    assert all(0 <= each.information <= 1 for each in (*clear, *none))


def test_comparing_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    found = compare(problem(), [view(64)], lambda *step: told.append(step))
    count = sum(REPEATS if each.scorer.supervised else 1 for each in found)
    assert told == [("compare", done, count) for done in range(1, count + 1)]


def test_raw_scores_are_held_out() -> None:
    """A learned score tells nothing of labels drawn by lot, though it can be fitted to them perfectly."""
    wide = view(64, images=24)
    labels = problem()
    learned = next(scorer for scorer in SCORERS if scorer.supervised)
    lots = [tried(labels, (view(side),), learned, lambda: None).auroc for side in range(64, 64 + 8 * 20, 8)]
    assert np.mean(lots) == pytest.approx(0.5, abs=0.1)
    found = tried(labels, (wide,), learned, lambda: None)
    assert found.score.weights.shape == (1, wide.layout.width)
    assert found.raw.shape == (24,)
    assert (REPEATS, FOLDS) == (5, 4)


def test_masks_count_in_the_quality() -> None:
    bad, good = (
        compare(problem(task=Task.SEGMENTATION), [view(64, True, overlap, 4.0)], ignore) for overlap in (0.1, 0.9)
    )
    for one, other in zip(bad, good, strict=True):
        assert other.quality - one.quality == pytest.approx(0.8 / 3)
        assert (one.overlap, other.overlap) == (0.1, 0.9)
