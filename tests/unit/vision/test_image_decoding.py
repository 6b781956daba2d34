from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from relook.vision.images import (
    LARGEST_FILE,
    Size,
    common_size,
    decode,
    load,
    load_upright,
    resize,
    size_of,
    upright_header,
    upright_size,
    working_size,
)
from relook.vision.samples import ImageError, ImageTooLargeError

RED = (200, 30, 40)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "JPEG"), ("CMYK", "JPEG")]
)
def test_colour_survives_every_mode(mode: str, kind: str) -> None:
    image = Image.new("RGB", (80, 70), RED)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    pixels = decode(encoded(image, kind))
    assert pixels.shape == (70, 80, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - RED).max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_is_spread_over_three_channels(kind: str, mode: str) -> None:
    pixels = decode(encoded(Image.new("L", (64, 64), 255).convert(mode), kind))
    assert (pixels == 255).all()


def test_sixteen_bits_are_cut_to_eight() -> None:
    image = Image.fromarray(np.full((64, 64), 0x8012, np.uint16))
    assert (decode(encoded(image, "PNG")) == 0x80).all()


def test_transparency_is_dropped_not_blended() -> None:
    pixels = decode(encoded(Image.new("RGBA", (64, 64), (*RED, 0)), "PNG"))
    assert (pixels == RED).all()


def test_orientation_of_the_camera_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.new("RGB", (100, 70), RED), "JPEG", exif=exif)).shape == (70, 100, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_files_are_refused(kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match="truncated or damaged"):
        decode(data[: int(kept * len(data))])


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="JPEG or PNG"):
        decode(data)


def test_other_formats_are_refused_whatever_they_are_called() -> None:
    with pytest.raises(ImageError, match="only these two formats"):
        decode(encoded(Image.new("RGB", (64, 64)), "BMP"))


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (4097, 64)])
def test_sides_outside_the_limits_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"{size[0]}x{size[1]}"):
        decode(encoded(Image.new("RGB", size), "PNG"))


def test_a_bomb_is_refused_by_its_header() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    with pytest.raises(ImageTooLargeError, match="60000x60000"):
        decode(bomb)


@pytest.mark.parametrize(("kind", "size"), [("PNG", (14_000, 14_000)), ("JPEG", (65_000, 4096))])
def test_more_pixels_than_pillow_opens_are_too_many_and_no_unknown_format(kind: str, size: tuple[int, int]) -> None:
    data = encoded(Image.new("L", size), kind, **({"compress_level": 1} if kind == "PNG" else {}))
    assert size[0] * size[1] > 2 * (Image.MAX_IMAGE_PIXELS or 0), "which Pillow refuses"
    for read in (decode, load, load_upright, size_of, upright_size):
        with pytest.raises(ImageTooLargeError, match=rf"is {size[0]}x{size[1]} pixels; each side must be 64 to 4096"):
            read(data)
    assert upright_header(data) == (kind, Size(size[1], size[0]))
    with pytest.raises(ImageError, match="only these two formats"):
        decode(data[:12])


def test_files_over_eight_megabytes_are_refused() -> None:
    with pytest.raises(ImageError, match="8 MB"):
        decode(b"\xff" * (LARGEST_FILE + 1))


def test_the_header_tells_the_size() -> None:
    assert size_of(encoded(Image.new("RGB", (90, 70)), "PNG")) == Size(70, 90)


def test_working_sizes_are_whole_cells_in_the_images_shape() -> None:
    assert working_size(Size(768, 576), 512) == Size(512, 384)
    assert working_size(Size(64, 4096), 256) == Size(32, 256)


def test_shrinking_averages_areas() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 200
    pixels = np.repeat(checks[..., None], 3, 2).astype(np.uint8)
    assert (resize(pixels, Size(32, 32)) == 100).all()


def test_the_commonest_size_wins() -> None:
    assert common_size([Size(64, 64), Size(100, 80), Size(64, 64)]) == Size(64, 64)
    assert common_size([Size(64, 64), Size(128, 128)]) == Size(128, 128)


def test_the_commonest_size_of_the_commonest_shape_wins() -> None:
    wide, between, wider = [Size(100, 100)] * 50, [Size(100, 109)] * 2, [Size(100, 118)] * 40
    assert common_size([*wide, *between, *wider]) == wide[0]


def test_the_commonest_shape_wins_where_every_image_has_its_own_size() -> None:
    cut = [Size(700 + at, 900 + 2 * at) for at in range(20)]
    assert common_size([Size(600, 4000), *cut, Size(2000, 2000), Size(2000, 2000)]) == cut[-1]


def progressive(extra_scans: int, metadata: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan is repeated; `metadata` in segments before them."""
    plain = encoded(Image.new("L", (512, 512), 128), "JPEG", progressive=True)
    last = plain[plain.rindex(b"\xff\xda") : -2]
    comments = b"".join(
        b"\xff\xfe" + struct.pack(">H", 2 + len(metadata[at : at + 60_000])) + metadata[at : at + 60_000]
        for at in range(0, len(metadata), 60_000)
    )
    return plain[:2] + comments + plain[2:-2] + last * extra_scans + b"\xff\xd9"


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(ImageError, match="more than 64 scans"):
        decode(progressive(100_000))
    with pytest.raises(ImageError, match="more than 64 scans"):  # an end of image inside a comment ends nothing
        decode(progressive(1_000, metadata=b"\xff\xd9" * 10))
    assert time.monotonic() - began < 5


def test_metadata_that_looks_like_scans_is_no_scan() -> None:
    plain = progressive(0, metadata=b"\xff\xda" * 90_000)
    assert decode(plain).shape == (512, 512, 3)
    assert decode(plain + b"\xff\xda" * 1000).shape == (512, 512, 3)  # a film that a telephone hangs on


def two_pictures(first: bytes) -> bytes:
    """A JPEG with a second one behind it and the directory that says so, as cameras write it."""
    both = encoded(Image.new("L", (64, 64)), "MPO", save_all=True, append_images=[Image.new("L", (64, 64))])
    start = both.index(b"\xff\xe2")
    directory = both[start : start + 2 + int.from_bytes(both[start + 2 : start + 4], "big")]
    assert directory[4:8] == b"MPF\0"
    return first[:2] + directory + first[2:]


def test_a_camera_s_jpeg_of_two_pictures_is_its_first() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (70, 80, 3), np.uint8)
    plain = encoded(Image.fromarray(noise), "JPEG")
    data = two_pictures(plain)
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert (decode(data) == decode(plain)).all()
    assert upright_header(data) == ("JPEG", Size(70, 80))
    with pytest.raises(ImageError, match="more than 64 scans"):
        decode(two_pictures(progressive(1_000)))


def test_transparency_without_a_palette_is_damage() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 64, 64, 8, 3, 0, 0, 0)
    pixels = zlib.compress(bytes(65) * 64)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", b"\xff\0")
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )
    with pytest.raises(ImageError, match="PNG is truncated or damaged"):
        decode(png)
