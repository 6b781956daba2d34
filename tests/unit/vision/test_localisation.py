"""Localisation figures against their definitions spelt out: every threshold, every region, every pixel pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from relook.vision.images import Size
from relook.vision.localisation import Localisation, Localiser, Overlap, pointed_at, upsample

SHAPE = (6, 7)
LEVELS = st.integers(0, 5).map(float)  # few values, so that many pixels are equal
HEATS = arrays.arrays(np.float32, SHAPE, elements=LEVELS)
TRUTHS = arrays.arrays(np.bool_, SHAPE, elements=st.booleans())
IMAGES = st.lists(st.tuples(HEATS, TRUTHS), min_size=1, max_size=3)
Images = list[tuple[np.ndarray, np.ndarray]]


def localised(images: Images, limit: float = 0.3) -> Localisation:
    found = Localiser()
    for heat, truth in images:
        found.add(heat, truth)
    return found.result(limit)


def curve(images: Images) -> tuple[list[float], list[float]]:
    """False positive rate and mean overlap of regions at every threshold, from none to all pixels."""
    regions = []
    for heat, truth in images:
        labels, count = ndimage.label(truth, np.ones((3, 3)))
        regions += [heat[labels == at + 1] for at in range(count)]
    background = np.concatenate([heat[~truth] for heat, truth in images])
    thresholds = sorted({float(value) for heat, _ in images for value in heat.ravel()}, reverse=True)
    rates, overlaps = [0.0], [0.0]
    for threshold in thresholds:
        rates.append(float((background >= threshold).mean()))
        overlaps.append(float(np.mean([(region >= threshold).mean() for region in regions])))
    return rates, overlaps


def area(rates: list[float], heights: list[float], limit: float) -> float:
    total = 0.0
    for at in range(1, len(rates)):
        left, right = rates[at - 1], rates[at]
        if left >= limit:
            break
        if right > limit:
            heights_at_limit = heights[at - 1] + (heights[at] - heights[at - 1]) * (limit - left) / (right - left)
            return total + (limit - left) * (heights[at - 1] + heights_at_limit) / 2
        total += (right - left) * (heights[at - 1] + heights[at]) / 2
    return total


@given(IMAGES, st.sampled_from([0.1, 0.3, 0.77, 1.0]))
def test_aupro_is_the_area_under_the_curve_of_its_definition(images: Images, limit: float) -> None:
    defect = any(truth.any() for _, truth in images)
    background = any((~truth).any() for _, truth in images)
    found = localised(images, limit).aupro
    if not (defect and background):
        assert found is None
        return
    assert found == pytest.approx(area(*curve(images), limit) / limit, abs=1e-9)


@given(IMAGES)
def test_pixel_auroc_counts_the_pairs_put_in_order(images: Images) -> None:
    defect = np.concatenate([heat[truth] for heat, truth in images])
    background = np.concatenate([heat[~truth] for heat, truth in images])
    found = localised(images).pixel_auroc
    if not len(defect) or not len(background):
        assert found is None
        return
    difference = defect[:, None] - background[None, :]
    assert found == pytest.approx(float(((difference > 0) + 0.5 * (difference == 0)).mean()), abs=1e-9)


@given(IMAGES, st.floats(0.5, 4), st.floats(-5, 5))
def test_only_the_order_of_scores_counts(images: Images, gain: float, offset: float) -> None:
    moved = [((heat * np.float32(gain) + np.float32(offset)).astype(np.float32), truth) for heat, truth in images]
    before, after = localised(images), localised(moved)
    assert (after.aupro, after.pixel_auroc) == (before.aupro, before.pixel_auroc)


def test_perfect_and_inverted_maps_reach_the_ends() -> None:
    truth = np.zeros((8, 8), bool)
    truth[2:4, 2:4] = True
    heat = truth.astype(np.float32)
    assert localised([(heat, truth)]) == Localisation(1.0, 1.0, 1.0, 1)
    worst = localised([(-heat, truth)])
    assert (worst.pixel_auroc, worst.aupro, worst.pointing_game) == (0.0, 0.0, 0.0)


def test_a_small_region_weighs_as_much_as_a_large_one() -> None:
    truth = np.zeros((20, 20), bool)
    truth[0:10, 0:10] = True
    truth[18, 18] = True
    heat = np.zeros((20, 20), np.float32)
    heat[0:10, 0:10] = 1  # the large region is found, the small one looks like the background
    found = localised([(heat, truth)])
    assert found.aupro == pytest.approx(0.5 + 0.5 * 0.15)  # the small one's ramp reaches a height of .3 at the limit
    assert found.pixel_auroc == pytest.approx((100 + 0.5) / 101)


def test_diagonal_neighbours_are_one_region() -> None:
    truth = np.eye(5, dtype=bool)
    heat = np.zeros((5, 5), np.float32)
    heat[0, 0] = 1
    ramp = 4 / 5 * 0.15  # one region of five pixels, one of them found
    assert localised([(heat, truth)]).aupro == pytest.approx(1 / 5 + ramp)


def test_maps_are_brought_to_the_size_of_the_mask_with_their_cells_in_place() -> None:
    heat = np.zeros((4, 6), np.float32)
    heat[2, 4] = 1
    large = upsample(heat, Size(40, 60))
    assert large.shape == (40, 60)
    rows, columns = np.nonzero(large > 0.9)
    assert (rows.mean(), columns.mean()) == (24.5, 44.5)
    assert large[20:30, 40:50].sum() > 0.5 * large.sum()


@pytest.mark.parametrize(
    ("pixel", "hit"),
    [((10, 10), True), ((19, 29), True), ((20, 15), False), ((15, 30), False), ((0, 5), True), ((5, 0), True)],
)
def test_the_highest_cell_may_lie_one_cell_beside_the_defect(pixel: tuple[int, int], hit: bool) -> None:
    heat = np.zeros((4, 6), np.float32)
    heat[0, 1] = 1  # pixels 0..9 by 10..19; with a cell around them 0..19 by 0..29
    truth = np.zeros((40, 60), bool)
    truth[pixel] = True
    assert pointed_at(heat, truth) is hit


@given(st.integers(0, 47), st.integers(0, 47), TRUTHS)
def test_pointing_on_a_map_in_pixels_allows_a_cell_of_the_grid_named(row: int, column: int, truth: np.ndarray) -> None:
    heat = np.zeros((48, 48), np.float32)
    heat[row, column] = 1
    mask = np.zeros((48, 48), bool)
    mask[:6, :7] = truth
    near = any(abs(row - y) <= 8 and abs(column - x) <= 8 for y, x in zip(*np.nonzero(mask), strict=True))
    assert pointed_at(heat, mask, cells=(6, 6)) is near


def test_normal_images_count_as_background_only() -> None:
    truth = np.zeros((4, 4), bool)
    truth[0, 0] = True
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 1
    alarm = np.full((4, 4), 2, np.float32)
    found = localised([(heat, truth), (alarm, np.zeros((4, 4), bool))])
    assert found.defective == 1
    assert found.pixel_auroc == pytest.approx(15 / 31)
    assert found.pointing_game == 1


def test_what_cannot_be_told_is_none() -> None:
    empty = np.zeros((4, 4), bool)
    assert localised([(np.zeros((4, 4), np.float32), empty)]) == Localisation(None, None, None, 0)
    assert localised([(np.zeros((4, 4), np.float32), ~empty)]) == Localisation(None, None, 1.0, 1)
    assert Localiser().result() == Localisation(None, None, None, 0)


def test_what_is_no_number_or_no_limit_is_refused() -> None:
    heat = np.full((4, 4), np.nan, np.float32)
    with pytest.raises(ValueError, match="no number"):
        Localiser().add(heat, np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="limit is 0"):
        Localiser().result(0)


CLASS_MAPS = arrays.arrays(np.uint8, SHAPE, elements=st.integers(0, 2))


@given(st.lists(st.tuples(CLASS_MAPS, CLASS_MAPS), max_size=3))
def test_overlap_is_common_over_either(pairs: Images) -> None:
    overlap = Overlap(2)
    for predicted, truth in pairs:
        overlap.add(predicted, truth)
    for at, found in zip((1, 2), overlap.result(), strict=True):
        sets = [(set(np.flatnonzero(said == at)), set(np.flatnonzero(true == at))) for said, true in pairs]
        union, common = sum(len(a | b) for a, b in sets), sum(len(a & b) for a, b in sets)
        assert found.accumulated == (pytest.approx(common / union) if union else None)
        each = [len(a & b) / len(a | b) for a, b in sets if b]
        assert found.mean == (pytest.approx(np.mean(each)) if each else None)
        assert found.images == len(each)
