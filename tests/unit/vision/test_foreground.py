"""Where the product lies is found on a backdrop, and nothing is called background where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from narrow_network import narrow_backbone
from PIL import Image, ImageDraw
from rendered_parts import png

from relook.vision import foreground
from relook.vision.features import Extractor
from relook.vision.graph_names import DISTANCE, numbered
from relook.vision.images import Pixels, Size
from relook.vision.predict import Predictor
from relook.vision.problem import Problem, assign_folds
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample, Task
from relook.vision.train import Options, train
from relook.vision.view import product
from relook.vision.weights import random_backbone

SIZE = Size(128, 128)

Draw = Callable[[np.random.Generator, int], Image.Image]


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


def lit(rng: np.random.Generator, moved: int) -> Image.Image:
    """Cloth under a lamp that is brighter now at one side and now at another."""
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    light = 1 + rng.normal(0, 0.08) * rows + rng.normal(0, 0.08) * columns
    threads = np.sin(np.arange(128) / 2)
    weave = 120 + 30 * threads[:, None] * threads + rng.normal(0, 6, (128, 128))
    return Image.fromarray(np.clip(weave * light, 0, 255).astype(np.uint8)).convert("RGB")


def hollow(rng: np.random.Generator, moved: int) -> Image.Image:
    """A frame with the backdrop showing through."""
    image = placed(rng, moved)
    image.paste(Image.fromarray(backdrop(rng)).crop((0, 0, 32, 32)), (48, 48))
    return image


def anywhere(rng: np.random.Generator, moved: int) -> Image.Image:
    """A small part, never at the same place."""
    image = Image.fromarray(backdrop(rng))
    x, y = (int(at) for at in rng.integers(8, 96, 2))
    ImageDraw.Draw(image).rectangle((x, y, x + 23, y + 23), fill=(190, 170, 120))
    return image


def found(draw: Draw, images: int, moved: int = 0) -> npt.NDArray[np.float32] | None:
    pictures = [np.asarray(draw(np.random.default_rng(seed), moved)) for seed in range(images)]
    first, again = (foreground.weights(pictures, np.arange(images), SIZE, 0) for _ in range(2))
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
    assert moved[[0, 0, -1], [0, -1, -1]].max() < 0.3
    sometimes = (slice(5, 12), 0)
    assert still[sometimes].max() < 0.3
    assert 0.35 < moved[sometimes].min() < moved[sometimes].max() < 0.9


def test_what_a_product_encloses_is_the_product() -> None:
    weight = found(hollow, 12)
    assert weight is not None
    assert weight[5:11, 5:11].min() > 0.9
    assert weight[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.4


@pytest.mark.parametrize("images", [2, 12, 40])
@pytest.mark.parametrize("draw", [texture, lit])
def test_a_texture_has_no_background(draw: Draw, images: int) -> None:
    assert found(draw, images) is None


def test_copies_of_pictures_do_not_make_a_background() -> None:
    once = [np.asarray(lit(np.random.default_rng(seed), 0)) for seed in range(4)]
    twice = [picture for picture in once for _ in range(2)]
    assert foreground.weights(twice, np.repeat(np.arange(4), 2), SIZE, 0) is None
    features = np.random.default_rng(0).normal(size=(4, 256, 8)).astype(np.float32)
    grid = Size(16, 16)
    apart = foreground.within(list(features), np.arange(4), grid, 0)
    assert np.array_equal(
        foreground.within(list(np.repeat(features, 2, axis=0)), np.repeat(np.arange(4), 2), grid, 0), apart
    )


def test_a_part_that_never_lies_the_same_leaves_no_background() -> None:
    assert found(anywhere, 20) is None


def test_one_image_tells_nothing() -> None:
    assert found(placed, 1) is None


def test_copies_of_a_blank_picture_have_no_background() -> None:
    blank = np.zeros((128, 128, 3), np.uint8)
    for seed in range(4):
        assert foreground.weights([blank, blank], np.arange(2), SIZE, seed) is None


@pytest.mark.parametrize("images", [2, 12])
def test_features_tell_how_deep_the_border_reaches(images: int) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :20]
    deep = np.minimum.reduce([rows, columns, 15 - rows, 19 - columns])
    cells = [rng.normal(0, 0.3, (16, 20, 8)) + np.where(deep < 3, 4, 0)[..., None] for _ in range(images)]
    inside = foreground.within(
        [each.reshape(-1, 8).astype(np.float32) for each in cells], np.arange(images), Size(16, 20), 0
    )
    assert inside.dtype == np.float32
    assert inside[deep < 2].max() < 0.5
    assert inside[deep > 4].min() > 0.9
    assert inside.min() >= foreground.BACKGROUND_WEIGHT


def test_both_have_to_say_that_the_product_lies_there() -> None:
    """A product that fills the left: by its colour it reaches the edge, where features see the border."""

    def left(seed: int) -> bytes:
        image = placed(np.random.default_rng(seed), 0)
        ImageDraw.Draw(image).rectangle((9, 24, 64, 104), fill=(190, 170, 120))
        return png(image)

    pictures = [left(seed) for seed in range(12)]
    samples = [Sample(f"{at}", lambda each=each: each, False) for at, each in enumerate(pictures)]
    normal = np.zeros(12, bool)
    problem = Problem(samples, normal, assign_folds(normal, 0), np.arange(12), Task.CLASSIFICATION, (), 0)
    weight = product(problem, Extractor(random_backbone(), SIZE, native_precision()), lambda *told: None)
    shown = [np.asarray(Image.open(io.BytesIO(each))) for each in pictures]
    appearance = foreground.weights(shown, np.arange(12), SIZE, 0)
    assert weight is not None
    assert appearance is not None
    assert (weight <= appearance).all()
    assert appearance[5:11, 1].min() > 0.9
    assert weight[5:11, 1].max() < 0.9
    assert weight[6:10, 6:10].min() > 0.9


@pytest.mark.usefixtures("few_steps")
def test_a_served_model_minds_a_blot_beside_the_product_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against one that takes all of the picture for the product; on the product the two see the same."""
    normals = [png(placed(np.random.default_rng(seed), 0)) for seed in range(12)]
    made = [Sample(f"{at}.png", lambda each=each: each, False) for at, each in enumerate(normals)]

    def distances(name: str, x: int, y: int) -> npt.NDArray[np.float32]:
        """(16, 16) of a picture with a blot there, as the model of that name serves it."""
        image = placed(np.random.default_rng(50), 0)
        ImageDraw.Draw(image).ellipse((x - 6, y - 6, x + 6, y + 6), fill=(240, 30, 240))
        predictor = Predictor.load(tmp_path / name)
        predictor.predict(png(image))
        return predictor.engine.output(numbered(DISTANCE, 0)).reshape(16, 16).copy()

    def learn(name: str) -> None:
        train(
            made, [], task=Task.CLASSIFICATION, classes=(), backbone=narrow_backbone(), output=tmp_path / name, seed=0,
            progress=lambda *told: None, options=Options(long_sides=(128,)),
        )  # fmt: skip

    learn("weighted")
    monkeypatch.setattr(foreground, "weights", lambda *asked: None)
    learn("plain")
    on, beside = (56, 68), (14, 100)
    assert distances("weighted", *on)[8, 7] == pytest.approx(distances("plain", *on)[8, 7], rel=0.1)
    assert distances("weighted", *beside)[12, 1] < 0.5 * distances("plain", *beside)[12, 1]


def test_weights_are_spread_over_another_grid() -> None:
    weight = np.full((8, 8), 0.25, np.float32)
    weight[:, 4:] = 1
    spread = foreground.spread(weight, Size(16, 24)).reshape(16, 24)
    assert spread.dtype == np.float32
    assert np.allclose(spread[:, :8], 0.25)
    assert np.allclose(spread[:, 16:], 1)
    assert np.array_equal(foreground.spread(None, Size(4, 6)), np.ones(24, np.float32))
