from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from relook.vision.images import LARGEST_FILE, Size, load, load_upright, upright_size
from relook.vision.samples import ImageError, ImageFault

SIDES = (128, 96)


def corner(size: tuple[int, int] = SIDES) -> Image.Image:
    """Grey but for a red quarter at the top left and a blue one at the top right: no turn leaves it as it is."""
    image = Image.new("RGB", size, (90, 90, 90))
    image.paste((220, 30, 30), (0, 0, size[0] // 2, size[1] // 2))
    image.paste((30, 30, 220), (size[0] // 2, 0, size[0], size[1] // 2))
    return image


def encoded(image: Image.Image, kind: str = "JPEG", orientation: int | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    image.save(out, kind, **options)
    return out.getvalue()


def upright(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """As Pillow turns it."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_turned_as_its_orientation_says(orientation: int, mode: str) -> None:
    data = encoded(corner().convert(mode), orientation=orientation, quality=95)
    loaded = load_upright(data)
    expected = upright(data)
    assert loaded.pixels.shape == expected.shape
    assert np.abs(loaded.pixels.astype(int) - expected.astype(int)).mean() < 3
    assert loaded.size == upright_size(data) == Size(*expected.shape[:2])


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_an_orientation_that_is_none_is_passed_over(orientation: int) -> None:
    assert load_upright(encoded(corner(), orientation=orientation)).size == Size(96, 128)


def test_damaged_tags_leave_the_pixels_as_they_are() -> None:
    plain = encoded(corner(), orientation=6)
    start = plain.index(b"Exif\0\0") + 6
    data = plain[:start] + b"\xff" * 20 + plain[start + 20 :]
    assert load_upright(data).size == Size(96, 128)


def test_a_png_is_not_turned() -> None:
    assert load_upright(encoded(corner(), "PNG", orientation=6)).size == Size(96, 128)


def test_anomaly_models_see_stored_pixels_as_before() -> None:
    assert load(encoded(corner(), orientation=6)).size == Size(96, 128)


def test_large_jpegs_are_decoded_small_and_turned() -> None:
    data = encoded(corner((4096, 2048)), orientation=8)
    loaded = load_upright(data)
    assert loaded.size == Size(4096, 2048)
    assert loaded.pixels.shape == (1024, 512, 3)
    assert np.abs(loaded.pixels[-200, 100].astype(int) - (220, 30, 30)).max() < 10


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_png_of_every_mode_is_taken(mode: str) -> None:
    image = Image.new("I;16", SIDES, 0x8000) if mode == "I;16" else corner().convert(mode)
    assert load_upright(encoded(image, "PNG")).pixels.shape == (96, 128, 3)


def test_up_to_fifteen_megabytes_are_taken() -> None:
    data = encoded(corner())
    assert load_upright(data + bytes(LARGEST_FILE)).size == Size(96, 128)
    with pytest.raises(ImageError, match=r"\(15 MB\)") as caught:
        load_upright(data + bytes(15 * 2**20))
    assert caught.value.fault is ImageFault.TOO_LARGE


@pytest.mark.parametrize(
    ("size", "fault", "message"),
    [
        ((63, 64), ImageFault.SHAPE, "63x64"),
        ((64, 4097), ImageFault.TOO_LARGE, "64x4097"),
        ((64, 1281), ImageFault.SHAPE, "at most 20 times"),
    ],
    ids=["small", "large", "long"],
)
def test_sides_and_shapes_outside_the_limits_are_refused(
    size: tuple[int, int], fault: ImageFault, message: str
) -> None:
    data = encoded(Image.new("RGB", size), "PNG")
    for ask in (load_upright, upright_size):
        with pytest.raises(ImageError, match=message) as caught:
            ask(data)
        assert caught.value.fault is fault


def test_the_longest_shape_is_taken() -> None:
    assert load_upright(encoded(Image.new("RGB", (1280, 64)))).size == Size(64, 1280)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ImageError, match="only these two formats"):
        load_upright(encoded(corner(), kind))


def test_truncated_files_are_refused() -> None:
    data = encoded(corner(), orientation=6)
    with pytest.raises(ImageError, match="truncated or damaged"):
        load_upright(data[: int(0.9 * len(data))])
