"""The drawn products by name, with their defects; and pictures of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from bench.drawn import arrangements, parts, textures
from bench.drawn.brush import Scene, photograph

Draw = Callable[[np.random.Generator, str | None], Scene]

PRODUCTS: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "carpet": (textures.carpet, ("stain", "hole", "cut", "thread", "worn")),
    "leather": (textures.leather, ("fold", "poke", "colour", "scratch")),
    "wood": (textures.wood, ("hole", "scratch", "liquid", "knot")),
    "tile": (textures.tile, ("crack", "rough", "oil", "glue")),
    "mesh": (textures.mesh, ("broken", "bent", "thread", "paste")),
    "screw": (parts.screw, ("thread", "tip", "head", "neck")),
    "nut": (parts.nut, ("bent", "flip", "scratch", "colour")),
    "hazelnut": (parts.hazelnut, ("crack", "hole", "cut", "print")),
    "pill": (parts.pill, ("imprint", "crack", "dirt", "tint", "chip")),
    "cable": (parts.cable, ("swap", "missing", "poke", "bent")),
    "pins": (arrangements.pins, ("missing", "two", "colour", "dirt")),
    "bottle": (arrangements.bottle, ("level", "label", "shifted", "fruit")),
}
QUALITY = 94
WHITE, DEFECT = (255, 255, 255), (255, 0, 0)
DEFECT_COLOUR = "#FF0000"


def drawn(product: str, bad: str | None, seed: int) -> tuple[bytes, bytes]:
    """A JPEG, and as a PNG the mask of its defect, in DEFECT_COLOUR on white; the same for the same seed."""
    rng = np.random.default_rng([seed, list(PRODUCTS).index(product)])
    pixels, mask = photograph(rng, PRODUCTS[product][0](rng, bad))
    picture, area = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).save(picture, "JPEG", quality=QUALITY)
    Image.fromarray(np.where(mask[..., None], DEFECT, WHITE).astype(np.uint8)).save(area, "PNG")
    return picture.getvalue(), area.getvalue()


def plan(product: str, normals: int, anomalies: int, first: int) -> Iterator[tuple[str | None, int]]:
    """(defect or None, seed) of each picture of a set; the defects in turns, no seed twice."""
    yield from ((None, first + at) for at in range(normals))
    defects = PRODUCTS[product][1]
    yield from ((defects[at % len(defects)], first + normals + at) for at in range(anomalies))
