"""Where the product lies is found on a backdrop, and nothing is called background where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from rendered_parts import png

from relook.vision import foreground
from relook.vision.images import Size
from relook.vision.problem import Problem, assign_folds
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample, Task
from relook.vision.view import product
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
SIZE = Size(128, 128)

Pixels = npt.NDArray[np.uint8]


def backdrop(rng: np.random.Generator) -> Pixels:
    return np.clip(rng.normal(70, 4, (128, 128, 3)) + rng.normal(0, 3), 0, 255).astype(np.uint8)


def placed(rng: np.random.Generator, moved: int) -> Image.Image:
    """A ribbed block of 64 pixels on a backdrop, its middle up to `moved` pixels away from the picture's."""
    image = Image.fromarray(backdrop(rng))
    x, y = (64 + int(by) for by in rng.integers(-moved, moved + 1, 2))
    pen = ImageDraw.Draw(image)
    pen.rectangle((x - 32, y - 32, x + 31, y + 31), fill=(190, 170, 120))
    for at in range(-28, 32, 8):
        pen.line((x - 32, y + at, x + 31, y + at), fill=(90, 40, 20), width=3)
    return image


def texture(rng: np.random.Generator, moved: int) -> Image.Image:
    phase = rng.uniform(0, 6)
    rows = 120 + 40 * np.sin(np.arange(128) / 3 + phase)[:, None, None]
    return Image.fromarray(np.clip(rows + rng.normal(0, 12, (128, 128, 3)), 0, 255).astype(np.uint8))


def found(draw: Callable[[np.random.Generator, int], Image.Image], images: int, moved: int = 0) -> Pixels | None:
    data = [png(draw(np.random.default_rng(seed), moved)) for seed in range(images)]
    samples = [Sample(f"{at}", lambda each=each: each, False) for at, each in enumerate(data)]
    normal = np.zeros(images, bool)
    problem = Problem(
        samples, normal, assign_folds(normal, 0), np.arange(images), Task.CLASSIFICATION, (), 0, planted=True
    )
    first, again = (product(problem, BACKBONE, SIZE, native_precision()) for _ in range(2))
    assert (first is None) == (again is None)
    assert first is None or np.array_equal(first, again)
    return first


@pytest.mark.parametrize("images", [2, 5, 12])
def test_a_product_on_a_backdrop_is_found(images: int) -> None:
    weight = found(placed, images)
    assert weight is not None
    assert weight.shape == (16, 16)
    assert weight.dtype == np.float32
    assert weight[5:11, 5:11].min() > 0.9
    rim = np.concatenate([weight[0], weight[-1], weight[:, 0], weight[:, -1]])
    assert rim.mean() < 0.4
    assert weight.min() >= foreground.BACKGROUND_WEIGHT
    assert weight.max() <= 1


def test_a_product_that_is_moved_about_counts_where_it_lies_most() -> None:
    still, moved = found(placed, 12), found(placed, 12, moved=24)
    assert still is not None
    assert moved is not None
    assert moved[7:9, 7:9].min() > 0.9
    assert moved[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.3
    sometimes = (slice(8, 12), slice(3, 5))
    assert still[sometimes].min() > 0.9 > moved[sometimes].max()
    assert moved[sometimes].min() > 0.4


@pytest.mark.parametrize("images", [2, 12])
def test_a_texture_has_no_background(images: int) -> None:
    assert found(texture, images) is None


def test_one_image_tells_nothing() -> None:
    cells = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
    assert foreground.weights([(0, cells)], Size(16, 16), seed=0) is None


def test_copies_of_a_blank_picture_have_no_background() -> None:
    cells = np.zeros((64 * 64, 8), np.float32)
    for seed in range(4):
        assert foreground.weights([(0, cells), (1, cells)], Size(64, 64), seed) is None


def test_weights_are_spread_over_another_grid() -> None:
    weight = np.full((8, 8), 0.25, np.float32)
    weight[:, 4:] = 1
    spread = foreground.spread(weight, Size(16, 24)).reshape(16, 24)
    assert spread.dtype == np.float32
    assert np.allclose(spread[:, :8], 0.25)
    assert np.allclose(spread[:, 16:], 1)
    assert np.array_equal(foreground.spread(None, Size(4, 6)), np.ones(24, np.float32))
