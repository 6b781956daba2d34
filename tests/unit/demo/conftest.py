"""Real image files in the layouts that users have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteImage = Callable[..., Path]


@pytest.fixture
def write_image(tmp_path: Path) -> WriteImage:
    """`write_image("train/good/1.png", size=(80, 64), mode="RGB")`: a noisy image below tmp_path."""

    def write(name: str, size: tuple[int, int] = (80, 64), mode: str = "RGB") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(name)).integers(0, 255, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).convert(mode).save(path)
        return path

    return write


@pytest.fixture
def write_folder(write_image: WriteImage) -> Callable[[str, int], None]:
    """`write_folder("good", 20)`: that many images in a folder."""

    def write(folder: str, number: int) -> None:
        for index in range(1, number + 1):
            write_image(f"{folder}/{index}.png")

    return write


@pytest.fixture
def write_mask(tmp_path: Path) -> Callable[[str], Path]:
    """A white-on-black mask with a white square of 10 by 10 pixels in an image of 80 by 64."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        area = np.zeros((64, 80), np.uint8)
        area[20:30, 30:40] = 255
        Image.fromarray(area).save(path)
        return path

    return write
