"""Synthetic defects: the same ones each time, and a mask that tells the truth about them."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from rendered_parts import part, png

from relook.vision.images import LARGEST_FILE, SMALLEST_SIDE, load
from relook.vision.planted import PLANTED, plant
from relook.vision.samples import Sample

VISIBLE = 12
FEWEST = 16

Pixels = npt.NDArray[np.uint8]


def pictures() -> dict[str, Image.Image]:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    return {
        "part": part(0, False)[0],
        "smallest": Image.fromarray(noise),
        "grey": Image.fromarray(noise[..., 0]),
        "blank white": Image.new("RGB", (64, 64), "white"),
        "blank black": Image.new("L", (80, 64), 0),
        "flat": Image.new("RGB", (64, 64), (128, 128, 128)),
        "strip": Image.new("RGB", (600, 64), (90, 100, 110)),
    }


def normal(image: Image.Image) -> Sample:
    data = png(image)
    return Sample("s3://parts/normal.png", lambda: data, False)


def seen(sample: Sample) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """The pixels, and where the mask is of the planted class; nothing else may be drawn in it."""
    assert sample.mask is not None
    assert sample.mask.colours == {PLANTED.colour: PLANTED.name}
    drawn = np.asarray(Image.open(io.BytesIO(sample.mask.load())))
    defect = (drawn == (255, 0, 0)).all(2)
    assert (drawn[~defect] == 255).all()
    return load(sample.load()).pixels, defect


@pytest.mark.parametrize("kind", pictures())
def test_the_mask_covers_just_what_visibly_changed_and_is_never_empty(kind: str) -> None:
    image = pictures()[kind]
    before = load(png(image)).pixels.astype(int)
    for at in range(12):
        changed, defect = seen(plant(normal(image), seed=1, at=at))
        assert np.array_equal(np.abs(changed - before).max(2) > VISIBLE, defect)
        assert FEWEST <= defect.sum() < 0.5 * defect.size


def test_the_same_seed_and_number_give_the_same_bytes_and_others_do_not() -> None:
    base = normal(part(0, False)[0])
    first, again = plant(base, seed=3, at=5), plant(base, seed=3, at=5)
    assert first.mask is not None
    assert again.mask is not None
    assert (first.load(), first.mask.load()) == (again.load(), again.mask.load())
    different = {plant(base, seed, at).load() for seed, at in ((3, 5), (3, 6), (4, 5))}
    assert len(different) == 3


def test_the_image_is_read_once_and_labelled_anomalous() -> None:
    data, reads = png(part(0, False)[0]), []
    sample = plant(Sample("s3://parts/a.png", lambda: (reads.append(1), data)[1], False), seed=0, at=0)
    assert reads == []
    assert sample.load() == sample.load()
    assert sample.mask is not None
    sample.mask.load()
    assert len(reads) == 1
    assert sample.anomalous
    assert sample.key.startswith("s3://parts/a.png")


def test_defects_differ_in_place_and_size() -> None:
    image = part(0, False)[0]
    defects = [seen(plant(normal(image), seed=0, at=at))[1] for at in range(30)]
    places = np.array([[axis.mean() for axis in np.nonzero(defect)] for defect in defects])
    sizes = np.array([defect.sum() for defect in defects])
    assert (places.std(0) > 0.1 * np.array(defects[0].shape)).all()
    assert sizes.max() > 10 * sizes.min()


@pytest.mark.parametrize("size", [(4096, 200), (2100, 66), (70, 3000)])
def test_a_narrow_jpeg_stays_as_wide_as_an_image_must_be(size: tuple[int, int]) -> None:
    with io.BytesIO() as file:
        part(0, False)[0].resize(size).save(file, "JPEG")
        data = file.getvalue()
    assert min(load(data).pixels.shape[:2]) < SMALLEST_SIDE
    planted = plant(Sample("s3://parts/strip.jpg", lambda: data, False), 1, 0)
    assert planted.mask is not None
    changed, defect = seen(planted)
    assert (changed.shape[1], changed.shape[0]) == size
    assert defect.shape == changed.shape[:2]


def test_a_large_noisy_jpeg_stays_within_what_an_image_may_weigh() -> None:
    noise = np.random.default_rng(2).integers(0, 255, (1900, 1900, 3), np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(noise).save(file, "JPEG", quality=60)
        data = file.getvalue()
    assert load(data).pixels.nbytes > LARGEST_FILE > len(data)
    planted = plant(Sample("s3://parts/noise.jpg", lambda: data, False), 1, 0)
    assert planted.mask is not None
    size = load(planted.load()).size
    assert (size.height, size.width) == (1586, 1586)
    assert Image.open(io.BytesIO(planted.mask.load())).size == (1586, 1586)
