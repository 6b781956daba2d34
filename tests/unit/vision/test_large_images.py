"""Large JPEGs are decoded smaller, the same in training and serving, and answered at their own size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rendered_parts import SCRATCH, ignore, part, png

from relook.vision.images import Size, decode, load, resize
from relook.vision.predict import Predictor
from relook.vision.samples import MaskSource, Sample, Task
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
LARGE = (2112, 1728)
pytestmark = pytest.mark.usefixtures("few_steps")


def jpeg(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92, **options)
    return out.getvalue()


def enlarged(image: Image.Image, size: tuple[int, int] = LARGE) -> Image.Image:
    return image.resize(size, Image.Resampling.NEAREST)


@pytest.mark.parametrize(
    ("stored", "decoded"),
    [
        ((1024, 768), (1024, 768)),
        ((2047, 1001), (2047, 1001)),
        ((2048, 1001), (1024, 501)),
        ((1001, 2049), (501, 1025)),
        ((4095, 64), (2048, 32)),
        ((4096, 333), (1024, 84)),
        ((64, 4096), (16, 1024)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_large_jpeg_is_decoded_at_a_half_or_a_quarter(
    stored: tuple[int, int], decoded: tuple[int, int], mode: str
) -> None:
    loaded = load(jpeg(Image.new("L", stored, 90).convert(mode)))
    assert loaded.size == Size(stored[1], stored[0])
    assert loaded.pixels.shape == (decoded[1], decoded[0], 3)
    assert np.abs(loaded.pixels.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_the_smaller_picture_is_the_whole_one_shrunk(options: dict[str, object]) -> None:
    data = jpeg(enlarged(part(1, True)[0]), **options)
    loaded, whole = load(data), decode(data)
    assert whole.shape == (*LARGE[::-1], 3)
    expected = resize(whole, Size(*loaded.pixels.shape[:2])).astype(int)
    assert np.abs(loaded.pixels - expected).mean() < 1.5


def test_a_png_and_a_jpeg_in_printers_colours_are_not_shrunk() -> None:
    image = enlarged(part(1, True)[0])
    for data in (png(image), jpeg(image.convert("CMYK"))):
        loaded = load(data)
        assert loaded.pixels.shape == (*LARGE[::-1], 3)
        assert np.array_equal(loaded.pixels, decode(data))


@pytest.fixture(scope="module")
def photographs() -> list[Sample]:
    made = []
    for at in range(14):
        scratched = at >= 8
        image, mask = (enlarged(each) for each in part(at, scratched))
        data, drawn = jpeg(image), png(mask)
        source = MaskSource(lambda drawn=drawn: drawn, {SCRATCH.colour: SCRATCH.name}) if scratched else None
        made.append(Sample(f"s3://parts/{at}.jpg", lambda data=data: data, scratched, source))
    return made


def test_scores_and_masks_of_large_photographs_are_those_served_from_bytes(
    photographs: list[Sample], tmp_path: Path
) -> None:
    result = train(
        photographs, photographs[-2:], task=Task.SEGMENTATION, classes=(SCRATCH,), backbone=BACKBONE,
        output=tmp_path, seed=0, progress=ignore, options=Options(long_sides=(176,)),
    )  # fmt: skip
    predictor = Predictor.load(tmp_path)
    for sample, test in zip(photographs[-2:], result.tests, strict=True):
        said = predictor.predict(sample.load())
        assert said.score == test.prediction.score
        assert said.mask_png == test.prediction.mask_png
        assert (said.width, said.height) == LARGE
        assert said.mask_png is not None
        assert Image.open(io.BytesIO(said.mask_png)).size == LARGE
        assert sum(region.area for region in said.regions) == pytest.approx(1)
    assert result.metrics.classes[0].average_iou > 0.2
