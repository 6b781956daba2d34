"""DetectCustomLabels answers alike whatever kind of PNG or JPEG a picture comes in."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from running_stage import RunningStage, running_stage

from image_kinds import cmyk_jpeg, mpo, png, ycck_jpeg
from tiny_models import BRIGHT, CELL, LABELS, SURE, picture, write_detector

Samples = npt.NDArray[np.uint8]
TONES = {(1, 2): 200, (3, 0): 230}
"""Of the cells of these columns and rows."""
TOLERANCE = 2.0
"""Of a confidence, in hundredths: a JPEG may be off by two of 255 tones."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStage]:
    with running_stage(tmp_path_factory.mktemp("labels")) as made:
        yield made


@pytest.fixture(scope="module")
def coloured(stage: RunningStage) -> str:
    """Finds red cells."""
    return stage.run(stage.trained("coloured"))


@pytest.fixture(scope="module")
def bright(stage: RunningStage) -> str:
    """Finds bright cells, and tells how bright they are by its confidence."""
    return stage.run(stage.trained("bright", partial(write_detector, classes=BRIGHT)))


def red_cells() -> Samples:
    """RGB, grey but for one cell."""
    return np.array(Image.open(io.BytesIO(picture(red=(1, 2)))))


def grey_cells() -> Samples:
    """One channel, dark but for the cells of TONES."""
    tones = np.full((128, 160, 1), 20, np.uint8)
    for (column, row), tone in TONES.items():
        tones[CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)] = tone
    return tones


def fine(samples: Samples) -> npt.NDArray[np.uint16]:
    return samples.astype(np.uint16) << 8 | 0x80


def transparent(samples: Samples) -> Samples:
    """With an alpha that lets nothing of it be seen, which does not matter: what lies under it is looked at."""
    return np.concatenate([samples, np.zeros_like(samples[..., :1])], axis=2)


def as_it_is(samples: Samples) -> Samples:
    return samples


def plain(rgb: Samples) -> bytes:
    return written(Image.fromarray(rgb))


def written(image: Image.Image) -> bytes:
    room = io.BytesIO()
    image.save(room, "PNG")
    return room.getvalue()


def confidences(answer: list[dict[str, Any]]) -> list[float]:
    return [one["Confidence"] for one in answer]


def test_the_plain_pictures(stage: RunningStage, coloured: str, bright: str) -> None:
    """What the other kinds are held to is not nothing, and follows the tones."""
    [found] = stage.detect(coloured, plain(red_cells()))
    assert found["Name"] == LABELS[0]
    expected = [100 / (1 + np.exp(10 - 15 * tone / 255)) for tone in sorted(TONES.values(), reverse=True)]
    answer = stage.detect(bright, plain(grey_cells().repeat(3, axis=2)))
    assert confidences(answer) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("interlaced", [False, True], ids=["row by row", "interlaced"])
@pytest.mark.parametrize("bits", [as_it_is, fine], ids=["8", "16"])
@pytest.mark.parametrize("alpha", [as_it_is, transparent], ids=["opaque", "transparent"])
def test_pngs_of_colour_and_of_grey_are_answered_as_the_plain_ones(
    stage: RunningStage,
    coloured: str,
    bright: str,
    alpha: Callable[[Samples], Samples],
    bits: Callable[[Samples], Any],
    interlaced: bool,
) -> None:
    """To the last digit."""
    for version, samples in ((coloured, red_cells()), (bright, grey_cells())):
        expected = stage.detect(version, plain(samples if version is coloured else samples.repeat(3, axis=2)))
        assert stage.detect(version, png(bits(alpha(samples)), interlaced=interlaced)) == expected


@pytest.mark.parametrize(("mode", "white"), [("L", 255), ("I;16", 65535), ("1", 1)])
def test_images_without_colour(stage: RunningStage, bright: str, mode: str, white: int) -> None:
    """As Pillow writes them, which packs what is black or white into bits: a white cell on black."""
    image = Image.new(mode, (160, 128))
    image.paste(white, (CELL, 2 * CELL, 2 * CELL, 3 * CELL))
    [found] = stage.detect(bright, written(image))
    assert (found["Name"], found["Confidence"]) == (LABELS[0], pytest.approx(100 * SURE, abs=0.001))
    box = {"Width": 0.2, "Height": 0.25, "Left": 0.2, "Top": 0.5}
    assert found["Geometry"]["BoundingBox"] == pytest.approx(box)


@pytest.mark.parametrize("make", [cmyk_jpeg, ycck_jpeg, mpo])
def test_jpegs_of_four_inks_and_of_two_pictures_are_answered_as_the_plain_ones(
    stage: RunningStage, coloured: str, bright: str, make: Callable[[Samples], bytes]
) -> None:
    """The same labels in the same places, with confidences within TOLERANCE."""
    for version, pixels in ((coloured, red_cells()), (bright, grey_cells().repeat(3, axis=2))):
        expected = stage.detect(version, plain(pixels))
        answer = stage.detect(version, make(pixels))
        assert [one | {"Confidence": 0} for one in answer] == [one | {"Confidence": 0} for one in expected]
        assert confidences(answer) == pytest.approx(confidences(expected), abs=TOLERANCE)
