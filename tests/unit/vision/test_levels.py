"""Places that are always strange count less, and an image has no say in its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from relook.vision.images import Size
from relook.vision.levels import Levels

GRID = Size(64, 80)
IMAGES = 20
ROWS, COLUMNS = np.mgrid[: GRID.height, : GRID.width]
DEPTH = np.minimum.reduce([ROWS, COLUMNS, GRID.height - 1 - ROWS, GRID.width - 1 - COLUMNS])
EVERYWHERE = np.ones(GRID.height * GRID.width, np.float32)

Floats = npt.NDArray[np.float32]


def distances(seed: int = 0) -> Floats:
    """About 1, up to 2 towards the border, and differing more from image to image in the left quarter."""
    rng = np.random.default_rng(seed)
    usual = 1 + np.clip(1 - DEPTH / 5, 0, 1)
    vary = np.full_like(usual, 0.05)
    vary[:, :20] = 0.3
    made = usual * (1 + vary * rng.normal(size=(IMAGES, *usual.shape)))
    return np.abs(made).reshape(IMAGES, -1).astype(np.float32)


def square(cells: Floats) -> Floats:
    return cells.reshape(GRID.height, GRID.width)


def test_after_levelling_no_place_is_the_strangest_by_itself() -> None:
    levels = Levels(distances(), np.arange(IMAGES), GRID, EVERYWHERE).without(None)
    assert levels.dtype == np.float32
    assert levels.max() <= 1
    border = (DEPTH < 3).ravel()
    new = np.concatenate([distances(seed) for seed in range(1, 6)])
    plain, levelled = new.argmax(1), (new * levels).argmax(1)
    assert border[plain].mean() > 0.9
    assert border[levelled].mean() < 0.5


def test_where_normal_images_differ_most_it_takes_more_to_be_strange() -> None:
    levels = square(Levels(distances(), np.arange(IMAGES), GRID, EVERYWHERE).without(None))
    assert levels[8:-8, 8:16].mean() < 0.85
    assert levels[8:-8, 28:-8].mean() > 0.95


def test_an_image_has_no_say_in_its_own_levels() -> None:
    made = distances()[:2]
    odd = 1
    made[odd, 32 * GRID.width + 50] = 60
    levels = Levels(made, np.arange(2), GRID, EVERYWHERE)
    spot = (32, 50)
    assert square(levels.without(None))[spot] < 0.6
    assert square(levels.without(odd))[spot] > 0.9
    assert np.array_equal(levels.without(odd), Levels(made[:1], np.arange(1), GRID, EVERYWHERE).without(None))
    assert np.array_equal(levels.without(IMAGES), levels.without(None))


def test_one_odd_image_of_many_changes_nothing() -> None:
    """A mislabelled normal must not hide a defect where its own lies."""
    made = distances()
    clean = Levels(made, np.arange(IMAGES), GRID, EVERYWHERE).without(None)
    made[7, 32 * GRID.width + 50] = 60
    assert (
        square(Levels(made, np.arange(IMAGES), GRID, EVERYWHERE).without(None))[32, 50] > square(clean)[32, 50] - 0.05
    )


def test_beside_a_background_the_measure_is_the_product_and_levels_are_half_as_strong() -> None:
    """An even backdrop is always near to normal; held against that, every part of the product would count less."""
    made = distances()
    backdrop = np.ones((GRID.height, GRID.width), bool)
    backdrop[16:48, 30:72] = False
    made[:, backdrop.ravel()] *= 0.1
    made.reshape(IMAGES, GRID.height, GRID.width)[:, 16:48, 30:36] *= 4
    weight = np.where(backdrop, 0.25, 1).astype(np.float32).ravel()
    levels = square(Levels(made, np.arange(IMAGES), GRID, weight).without(None))
    assert np.allclose(levels[backdrop & (DEPTH > 5)].max(), 0.25)
    assert levels[20:44, 44:68].min() > 0.9
    assert 0.45 < levels[22:42, 32:34].mean() < 0.6
    naive = square(Levels(made, np.arange(IMAGES), GRID, EVERYWHERE).without(None))
    assert naive[20:44, 44:68].max() < 0.5


def test_copies_of_one_picture_are_level() -> None:
    made = np.zeros((2, GRID.height * GRID.width), np.float32)
    levels = Levels(made, np.zeros(2, np.int64), GRID, EVERYWHERE)
    for source in (None, 0, 1):
        found = levels.without(source)
        assert found.min() == found.max() > 0
