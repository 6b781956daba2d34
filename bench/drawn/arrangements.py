"""Arrangements, where what is wrong may be all in order by itself. `bad` is one of the kind's defects, or None."""

from __future__ import annotations

import numpy as np

from bench.drawn.brush import (
    COLUMNS,
    MIDDLE,
    ROWS,
    SIZE,
    Scene,
    anywhere,
    blend,
    disc,
    distance,
    line,
    noise,
    patch,
    text,
)

Rng = np.random.Generator


def pins(rng: Rng, bad: str | None) -> Scene:
    """One pin in each of nine boxes, anywhere in it."""
    scene = Scene.of(190 + 5 * noise(rng, 3)[..., None] + np.zeros(3))
    odd, side = int(rng.integers(0, 9)), SIZE // 3
    for box in range(9):
        left, top = box % 3 * side, box // 3 * side
        strange = box == odd and bad in ("missing", "two")
        if strange:
            scene.defect[top + 12 : top + side - 12, left + 12 : left + side - 12] = True
        for _ in range({"missing": 0, "two": 2}[bad] if strange and bad else 1):
            at = (left + rng.uniform(0.3, 0.7) * side, top + rng.uniform(0.3, 0.7) * side)
            _pin(rng, scene, at, blue=box == odd and bad == "colour")
    for border in (side, 2 * side):
        scene.image[border - 7 : border + 7] = 150
        scene.image[:, border - 7 : border + 7] = 150
    if bad == "dirt":
        scene.paint(patch(rng, rng.uniform(10, 18), anywhere(rng)), (80, 60, 45), 2)
    return scene


def _pin(rng: Rng, scene: Scene, at: tuple[float, float], blue: bool) -> None:
    angle = rng.uniform(0, 2 * np.pi)
    point = (at[0] + 55 * np.cos(angle), at[1] + 55 * np.sin(angle))
    scene.image = blend(scene.image, line([at, point], 3.5), (120, 120, 125), 1)
    disc(scene.image, at, 26, (70, 120, 190) if blue else (215, 165, 40))
    disc(scene.image, (at[0] - 7, at[1] - 7), 8, (150, 190, 240) if blue else (250, 225, 150), 0.8)
    if blue:
        scene.defect |= distance(at) < 30


def bottle(rng: Rng, bad: str | None) -> Scene:
    """Filled to a level, with a label."""
    half = np.where(ROWS < 200, 60 + np.clip(ROWS - 120, 0, 80) / 80 * 110, 170)
    glass = (np.abs(COLUMNS - MIDDLE) < half) & (ROWS > 40) & (ROWS < 770)
    usual = level = 190 + rng.uniform(-8, 8)
    if bad == "level":
        level += rng.choice([-1, 1]) * rng.uniform(45, 90)
    scene = Scene.of(np.where(glass[..., None], np.array([215.0, 225, 220]), 235.0))
    juice = np.array([225.0, 150, 45]) + 4 * noise(rng, 15)[..., None]
    scene.image = np.where((glass & (level < ROWS))[..., None], juice, scene.image)
    edge = glass & (np.abs(COLUMNS - MIDDLE) >= half - 10)
    scene.image = np.where(edge[..., None], scene.image * 0.8, scene.image)
    if bad == "level":
        low, high = sorted((usual, level))
        scene.defect = glass & (low - 10 < ROWS) & (high + 10 > ROWS)
    at = np.array([MIDDLE, 470]) + rng.normal(0, 3, 2)
    if bad == "shifted":
        at += rng.choice([-1, 1], 2) * rng.uniform((25, 20), (50, 60))
    paper = (np.abs(COLUMNS - at[0]) < 110) & (np.abs(ROWS - at[1]) < 90)
    if bad == "label":
        scene.defect = paper
        return scene
    scene.image = blend(scene.image, paper, (250, 250, 245), 1)
    fruit = distance((at[0], at[1] - 20)) < 50
    scene.image = blend(scene.image, fruit, (190, 40, 60) if bad == "fruit" else (235, 130, 30), 1)
    scene.image = blend(scene.image, text("100% JUICE", (at[0] - 70, at[1] + 35), 26), (60, 110, 50), 0.7)
    scene.defect |= {"shifted": paper, "fruit": fruit}.get(bad or "", np.zeros_like(paper))
    return scene
