from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relook.demo import prepare as module
from relook.demo.errors import PicturesError
from relook.demo.prepare import prepare

WriteImage = Callable[..., Path]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_what_the_api_takes_is_left_untouched(write_image: WriteImage, name: str) -> None:
    path = write_image(name)
    encoded = prepare(path)
    assert encoded.data == path.read_bytes()
    assert (encoded.change, encoded.size, encoded.scaled) == ("", (80, 64), False)
    assert encoded.content_type == ("image/png" if name == "a.png" else "image/jpeg")


@pytest.mark.parametrize("ending", ["bmp", "tiff", "webp"])
def test_other_formats_become_png_with_the_same_pixels(write_image: WriteImage, ending: str) -> None:
    path = write_image(f"a.{ending}")
    encoded = prepare(path)
    assert encoded.change.endswith("turned into PNG")
    with Image.open(io.BytesIO(encoded.data)) as after, Image.open(path) as before:
        assert after.format == "PNG"
        assert np.array_equal(np.asarray(after.convert("RGB")), np.asarray(before.convert("RGB")))


def test_sixteen_bits_become_eight_over_the_whole_range(tmp_path: Path) -> None:
    values = np.linspace(1000, 40000, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    encoded = prepare(tmp_path / "deep.png")
    with Image.open(io.BytesIO(encoded.data)) as image:
        assert image.mode == "RGB"
        pixels = np.asarray(image)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_a_wide_image_is_made_smaller(write_image: WriteImage) -> None:
    encoded = prepare(write_image("wide.jpg", size=(5000, 100)))
    assert encoded.size == (4096, 82)
    assert encoded.scaled
    assert "5000x100 to 4096x82" in encoded.change


def test_a_heavy_image_is_made_smaller(write_image: WriteImage, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image("heavy.png", size=(200, 200))
    monkeypatch.setattr(module, "MAX_BYTES", 60_000)
    encoded = prepare(path)
    assert path.stat().st_size > 60_000 >= len(encoded.data)
    assert encoded.size[0] < 200
    assert "8 MB" in encoded.change


def test_too_small_and_unreadable_say_so(write_image: WriteImage, tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match="is 40x90 pixels; the API takes 64 to 4096"):
        prepare(write_image("small.png", size=(40, 90)))
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(PicturesError, match="is not an image"):
        prepare(tmp_path / "text.jpg")
    cut = write_image("cut.jpg", size=(300, 300))
    cut.write_bytes(cut.read_bytes()[:2000])
    with pytest.raises(PicturesError, match="cannot be read"):
        prepare(cut)
