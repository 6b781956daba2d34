"""A slight shrink is Pillow's BOX, but for the order of its rounding."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from relook.vision import slight
from relook.vision.images import Size, resize

SIDES = [(1000, 992), (667, 656), (640, 640), (333, 320), (100, 99), (4096, 4080), (65, 64), (80, 64)]


def noise(height: int, width: int) -> slight.Pixels:
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)


def boxed(pixels: slight.Pixels, height: int, width: int) -> slight.Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


@pytest.mark.parametrize("high", SIDES)
@pytest.mark.parametrize("wide", [(1000, 992), (333, 320), (65, 64)])
def test_it_gives_what_pillow_gives(high: tuple[int, int], wide: tuple[int, int]) -> None:
    pixels = noise(high[0], wide[0])
    found = slight.shrink(pixels, high[1], wide[1])
    assert found is not None
    off = np.abs(found.astype(int) - boxed(pixels, high[1], wide[1]))
    assert off.max() <= 1
    crossings = (high[0] - high[1]) * (wide[0] - wide[1])
    assert off.any(axis=2).sum() <= crossings
    assert np.array_equal(resize(pixels, Size(high[1], wide[1])), found)


def test_every_slight_change_of_a_side_is_pillows() -> None:
    for have in range(64, 400, 7):
        pixels = noise(3, have)
        for want in range(max(have - slight.MOST_MEANS, 2 * have // 3 + 1), have + 1):
            found = slight.shrink(pixels, 3, want)
            assert found is not None, (have, want)
            assert np.array_equal(found, boxed(pixels, 3, want)), (have, want)


@pytest.mark.parametrize(("have", "want"), [(1000, 900), (200, 100), (192, 64), (150, 100)])
def test_larger_changes_are_left_to_pillow(have: int, want: int) -> None:
    pixels = noise(80, have)
    assert slight.shrink(pixels, 80, want) is None
    assert np.array_equal(resize(pixels, Size(80, want)), boxed(pixels, 80, want))


def test_a_view_of_a_picture_will_do() -> None:
    pixels = noise(100, 200)[::-1, ::2]
    found = slight.shrink(pixels, 96, 96)
    assert found is not None
    again = slight.shrink(np.ascontiguousarray(pixels), 96, 96)
    assert again is not None
    assert np.array_equal(found, again)
