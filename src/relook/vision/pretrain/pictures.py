"""Generated pictures as a camera would give them: a scene, perhaps a defect, light, blur, grain, JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from relook.vision.images import Pixels
from relook.vision.pretrain.fields import blur, coordinates, noise
from relook.vision.pretrain.materials import Picture, colour, flat
from relook.vision.pretrain.scenes import SCENES, blob

SIDE = 320


def picture(seed: int, index: int, side: int = SIDE) -> Pixels:
    """The `index`-th picture of `seed`, (side, side, 3) RGB 0..255: always the same for the same arguments."""
    rng = np.random.default_rng([seed, index])
    scene = SCENES[rng.integers(len(SCENES))](rng, side)
    if rng.random() < 0.15:  # an object on a plain ground, as on a belt
        scene = _cut_out(rng, scene)
    if rng.random() < 0.4:
        scene = _defect(rng, scene)
    return _photograph(rng, scene)


def _cut_out(rng: np.random.Generator, scene: Picture) -> Picture:
    side = scene.shape[0]
    sheet = Image.new("L", (side, side), 0)
    outline = blob(
        rng, side / 2, side / 2, side * rng.uniform(0.3, 0.5), rng.uniform(0, 0.4), int(rng.integers(12, 60))
    )
    ImageDraw.Draw(sheet).polygon(outline, fill=255)
    inside = np.asarray(sheet)[..., None] > 0
    return np.where(inside, scene, flat(rng, side)).astype(np.float32)


def _defect(rng: np.random.Generator, scene: Picture) -> Picture:
    """A crack, a scratch, a stain or a hole."""
    side = scene.shape[0]
    sheet = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(1, 4))):
        x, y = (rng.random(2) * side).tolist()
        if rng.random() < 0.5:
            steps = rng.normal(0, side * 0.03, (int(rng.integers(4, 30)), 2)) + rng.normal(0, side * 0.02, 2)
            line = [(x, y), *((x + dx, y + dy) for dx, dy in np.cumsum(steps, 0).tolist())]
            pen.line(line, fill=255, width=int(rng.integers(1, 5)))
        else:
            pen.polygon(blob(rng, x, y, side * rng.uniform(0.01, 0.12), 0.8, 18), fill=255)
    strength = blur(np.asarray(sheet).astype(np.float32) / 255, rng.uniform(0.4, 2))[..., None] * rng.uniform(0.2, 1)
    damaged: Picture = (scene * (1 - strength) + strength * colour(rng)).astype(np.float32)
    return damaged


def _photograph(rng: np.random.Generator, scene: Picture) -> Pixels:
    side = scene.shape[0]
    x, y = coordinates(side)
    light = 1 + rng.normal(0, 0.15) * x + rng.normal(0, 0.15) * y - rng.uniform(0, 0.25) * (x * x + y * y)
    if rng.random() < 0.2:
        light = light + rng.uniform(0.05, 0.3) * noise(rng, side, 2.0)
    seen: Picture = np.clip(scene, 0, 1.6) * light[..., None]
    if rng.random() < 0.4:
        seen = blur(seen.astype(np.float32), float(rng.uniform(0.3, 2)))
    if rng.random() < 0.15:
        seen = seen.mean(-1, keepdims=True) * np.ones(3)
    low, high = np.quantile(seen, [0.01, 0.99])
    span = rng.uniform(0.4, 1.1)
    seen = (seen - low) / max(float(high - low), 0.15) * span + rng.uniform(0, max(0.0, 1 - span))
    seen = np.clip(seen, 0, 1) ** np.exp(rng.normal(0, 0.25)) + rng.normal(0, rng.choice([0.0, 0.01, 0.03]), seen.shape)
    pixels: Pixels = (np.clip(seen, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.4:
        with io.BytesIO() as file:
            Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(40, 95)))
            pixels = np.asarray(Image.open(file))
    return pixels
