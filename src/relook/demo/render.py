"""The demonstration's own inspection set, for when no pictures are given: drawn here, the same for the same seed.

Plates that are in order, and plates with a scratch, a dent or a missing feature (a screw or a drilled hole), each with
the exact mask of its defect. Position, turn, light, grain, screw positions and serial numbers differ from plate to
plate, as they would on a bench.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from relook.demo import scene
from relook.demo.intake import Tick
from relook.demo.masks import paint
from relook.demo.pictures import PALETTE, Encoded, Mask, Picture, Pools, Truth

DEFECTS = ("scratch", "dent", "missing")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many plates to draw: normal ones and of each defect, to train on and to keep unseen."""

    normal: int = 40
    each_defect: int = 20
    unseen_normal: int = 12
    unseen_each: int = 4
    defects: tuple[str, ...] = DEFECTS

    @property
    def total(self) -> int:
        return self.normal + self.unseen_normal + len(self.defects) * (self.each_defect + self.unseen_each)


SMALL = Sizes(normal=20, each_defect=20, unseen_normal=3, unseen_each=3, defects=("scratch",))
"""The least the API trains a segmentation model on."""


def render_set(sizes: Sizes = Sizes(), seed: int = 7, tick: Tick | None = None) -> Pools:
    """Draw the plates on all threads; the outcome depends on `sizes` and `seed` alone."""
    train = _orders("train", sizes.normal, sizes.each_defect, sizes.defects)
    unseen = _orders("unseen", sizes.unseen_normal, sizes.unseen_each, sizes.defects)
    orders = [*train, *unseen]
    pictures: list[Picture] = []
    with ThreadPoolExecutor() as pool:
        work = (partial(_picture, name, defect, seed * 100_003 + index) for index, (name, defect) in enumerate(orders))
        for picture in pool.map(_call, work):
            pictures.append(picture)
            if tick:
                tick(len(pictures), len(orders))
    return Pools(
        source="a small inspection set that this demonstration drew itself: metal plates, no photographs",
        train=tuple(pictures[: len(train)]),
        extra=tuple(pictures[len(train) :]),
    )


def _call(work: Callable[[], Picture]) -> Picture:
    return work()


def _orders(folder: str, normal: int, each: int, defects: Sequence[str]) -> list[tuple[str, str | None]]:
    good: list[tuple[str, str | None]] = [(f"{folder}/normal-{number}.jpg", None) for number in range(1, normal + 1)]
    bad = [(f"{folder}/{defect}-{number}.jpg", defect) for defect in defects for number in range(1, each + 1)]
    return good + bad


def _picture(name: str, defect: str | None, seed: int) -> Picture:
    pixels, area = scene.draw(plate(defect, seed))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=93, subsampling=0)
    encoded = Encoded(out.getvalue(), "jpg", (scene.WIDTH, scene.HEIGHT))
    mask = None
    if defect:
        colour = PALETTE[DEFECTS.index(defect)]
        png = paint(area, colour)
        mask = Mask(lambda: png, {colour: defect}, frozenset({defect}))
    truth = Truth.ANOMALY if defect else Truth.NORMAL
    return Picture(name, truth, encoded.size, lambda: encoded, mask)


def plate(defect: str | None, seed: int) -> scene.Part:
    """Decide everything about one plate; `defect` is None or one of DEFECTS."""
    rng = np.random.default_rng(seed)
    turns = rng.uniform(0, np.pi / 3, 4)
    part = scene.Part(
        seed=seed,
        shift=(float(rng.uniform(-5, 5)), float(rng.uniform(-4, 4))),
        turn=float(rng.uniform(-0.02, 0.02)),
        lamp=float(-2.2 + rng.uniform(-0.12, 0.12)),
        brightness=float(rng.uniform(0.93, 1.07)),
        screw_turns=(float(turns[0]), float(turns[1]), float(turns[2]), float(turns[3])),
        serial=f"NR {rng.integers(2000, 9999)}",
    )
    if defect == "scratch":
        return replace(part, scratches=(_scratch(rng),))
    if defect == "dent":
        return replace(part, dents=(_dent(rng),))
    if defect == "missing":
        which = int(rng.integers(0, len(scene.SCREWS) + len(scene.HOLES)))
        if which < len(scene.SCREWS):
            return replace(part, missing_screws=(which,))
        return replace(part, missing_holes=(which - len(scene.SCREWS),))
    return part


def _scratch(rng: np.random.Generator) -> scene.Stroke:
    """A slightly curved line, somewhere on the plate, across the brushing more often than along it."""
    length, heading = rng.uniform(45, 95), rng.uniform(0.25, np.pi - 0.25)
    x, y = _spot(rng, margin=length * 0.35)
    bend = rng.uniform(-7, 7)
    limit_x, limit_y = scene.PLATE[0] / 2 - 8, scene.PLATE[1] / 2 - 8
    points = []
    for step in np.linspace(-1, 1, 9):
        along, aside = step * length / 2, (1 - step**2) * bend
        a, b = (
            x + np.cos(heading) * along - np.sin(heading) * aside,
            y + np.sin(heading) * along + np.cos(heading) * aside,
        )
        if abs(a) < limit_x and abs(b) < limit_y:
            points.append((float(a), float(b)))
    return scene.Stroke(tuple(points), float(rng.uniform(0.9, 1.5)), float(rng.uniform(1.2, 2.0)))


def _dent(rng: np.random.Generator) -> scene.Hollow:
    x, y = _spot(rng, margin=14)
    size = rng.uniform(8, 14)
    return scene.Hollow(
        x,
        y,
        (float(size), float(size * rng.uniform(0.7, 1))),
        float(rng.uniform(0, np.pi)),
        float(rng.uniform(2.6, 4.2)),
    )


def _spot(rng: np.random.Generator, margin: float) -> tuple[float, float]:
    """A place on bare metal: not in the bore, the slot or a hole."""
    while True:
        x = rng.uniform(-scene.PLATE[0] / 2 + margin, scene.PLATE[0] / 2 - margin)
        y = rng.uniform(-scene.PLATE[1] / 2 + margin, scene.PLATE[1] / 2 - margin)
        in_bore = np.hypot(x - scene.BORE[0], y - scene.BORE[1]) < scene.BORE[2] + 12
        in_slot = abs(x - scene.SLOT[0]) < 22 and abs(y - scene.SLOT[1]) < 42
        at_feature = any(np.hypot(x - a, y - b) < 22 for a, b in (*scene.HOLES, *scene.SCREWS))
        if not (in_bore or in_slot or at_feature):
            return float(x), float(y)
