"""Images into the working size and boxes back out of it; which size that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.vision.detect.geometry import CELL, GREY, fit, in_image, place, working_size
from relook.vision.images import Size

sides = st.integers(64, 700)


@given(height=sides, width=sides, tall=st.integers(1, 12), wide=st.integers(1, 12), seed=st.integers(0, 99))
def test_a_box_comes_back_as_it_was(height: int, width: int, tall: int, wide: int, seed: int) -> None:
    size = Size(CELL * tall, CELL * wide)
    fitted = fit(np.zeros((height, width, 3), np.uint8), Size(height, width), size)
    assert fitted.pixels.shape[0] <= size.height
    assert fitted.pixels.shape[1] <= size.width
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(0, width, 2)), np.sort(rng.uniform(0, height, 2))
    box = np.array([[x[0] * fitted.x, y[0] * fitted.y, x[1] * fitted.x, y[1] * fitted.y]], np.float32)
    back = in_image(box, (fitted.x, fitted.y), Size(height, width))
    assert np.allclose(back, [[x[0], y[0], x[1], y[1]]], atol=1e-2)


def test_the_shape_is_kept_and_one_side_is_filled() -> None:
    fitted = fit(np.zeros((300, 900, 3), np.uint8), Size(300, 900), Size(320, 480))
    assert fitted.pixels.shape == (160, 480, 3)


def test_pixels_may_be_shrunk_already() -> None:
    fitted = fit(np.zeros((100, 200, 3), np.uint8), Size(800, 1600), Size(320, 320))
    assert fitted.pixels.shape == (160, 320, 3)
    assert (fitted.x, fitted.y) == (0.2, 0.2)


@pytest.mark.parametrize(("width", "expected"), [(993, 993), (1000, 1000), (1024, 1024), (990, 1024), (1100, 1024)])
def test_an_image_is_not_enlarged_for_less_than_a_cell(width: int, expected: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (640, width, 3), np.uint8)
    fitted = fit(pixels, Size(640, width), Size(1024, 1024))
    assert fitted.pixels.shape[1] == expected
    if width == expected:
        assert (fitted.pixels == pixels).all()


def test_what_is_left_over_is_grey() -> None:
    canvas = np.full((64, 96, 3), 7, np.uint8)
    place(np.full((40, 96, 3), 200, np.uint8), canvas)
    assert (canvas[:40] == 200).all()
    assert (canvas[40:] == GREY).all()


def test_boxes_are_cut_at_the_border() -> None:
    cut = in_image(np.array([[-5, -9, 400, 300]], np.float32), (0.5, 0.5), Size(480, 640))
    assert cut.tolist() == [[0, 0, 640, 480]]


@pytest.mark.parametrize(
    ("image", "side", "expected"),
    [
        (Size(480, 640), 100.0, Size(256, 320)),  # large boxes: the smallest size will do
        (Size(480, 640), 36.0, Size(480, 640)),  # as large as wanted already
        (Size(640, 640), 28.0, Size(640, 640)),  # small, but not so small that more pixels would show more
        (Size(480, 640), 40.0, Size(480, 640)),  # a tenth less would do: that is not worth resampling for
        (Size(480, 640), 22.0, Size(480, 640)),  # nor is a tenth more
        (Size(667, 1000), 40.0, Size(672, 1024)),  # there is room for all of it
        (Size(667, 1000), 45.0, Size(544, 800)),
        (Size(210, 280), 33.0, Size(256, 320)),  # nothing is looked at smaller than that
        (Size(480, 640), 20.0, Size(576, 768)),  # smaller than that
        (Size(480, 640), 10.0, Size(704, 960)),  # half as large again, not more
        (Size(3000, 4000), 20.0, Size(768, 1024)),  # nothing is looked at larger than that
        (Size(640, 64), 36.0, Size(640, 64)),  # a strip keeps its shape
    ],
)
def test_the_size_follows_the_boxes(image: Size, side: float, expected: Size) -> None:
    assert working_size([image] * 3, [("a", image, side)] * 5) == expected


def test_the_smallest_label_counts_even_if_it_is_rare() -> None:
    image = Size(640, 640)
    assert working_size([image], [("large", image, 300.0)] * 50 + [("small", image, 36.0)] * 2) == Size(640, 640)


def test_without_boxes_there_is_a_size() -> None:
    assert working_size([Size(100, 100)], []) == Size(320, 320)
