"""A picture of a run for documents: some found defects, each beside the mask the model drew."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from relook.demo.errors import PicturesError
from relook.demo.pictures import Truth
from relook.demo.results import Run, Seen

TILE = (280, 210)
GAP = 6
MOST = 4


def write_montage(run: Run, path: Path) -> None:
    """Write a PNG of two columns: up to four anomalies that were found, as different as can be, with their masks.

    Raises PicturesError when there is none, as with every classification model.
    """
    rows = _halves(chosen(run.seen))
    if not rows:
        raise PicturesError(f"{path}: there is no found defect with a mask to make a picture of")
    width = 4 * TILE[0] + 5 * GAP
    height = len(rows) * (TILE[1] + GAP) + GAP
    sheet = Image.new("RGB", (width, height), (245, 246, 248))
    for row, pair in enumerate(rows):
        for column, item in enumerate(pair):
            left, top = GAP + column * 2 * (TILE[0] + GAP), GAP + row * (TILE[1] + GAP)
            picture, masked = _tiles(item)
            sheet.paste(picture, (left, top))
            sheet.paste(masked, (left + TILE[0] + GAP, top))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(colors=256, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def chosen(seen: Sequence[Seen]) -> list[Seen]:
    """Found anomalies with something marked, one of each label first."""
    found = [item for item in seen if item.correct and item.picture.truth is Truth.ANOMALY and item.areas]
    firsts: dict[str, Seen] = {}
    for item in found:
        firsts.setdefault(item.areas[0].name, item)
    others = [item for item in found if item not in firsts.values()]
    return [*firsts.values(), *others][:MOST]


def _halves(items: list[Seen]) -> list[list[Seen]]:
    return [items[start : start + 2] for start in range(0, len(items), 2)]


def _tiles(item: Seen) -> tuple[Image.Image, Image.Image]:
    with Image.open(io.BytesIO(item.image)) as image:
        original = image.convert("RGB")
    with Image.open(io.BytesIO(item.mask or b"")) as mask:
        blended = Image.blend(original, mask.convert("RGB"), 0.5)
    return _fitted(original), _fitted(blended)


def _fitted(image: Image.Image) -> Image.Image:
    """On a tile, proportions kept."""
    tile = Image.new("RGB", TILE, (255, 255, 255))
    image.thumbnail(TILE, Image.Resampling.LANCZOS)
    tile.paste(image, ((TILE[0] - image.width) // 2, (TILE[1] - image.height) // 2))
    return tile
