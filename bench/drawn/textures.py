"""Textures: carpet, leather, wood, tile, and a wire mesh. `bad` is one of the kind's defects, or None."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from bench.drawn.brush import (
    COLUMNS,
    MIDDLE,
    ROWS,
    SIZE,
    Array,
    Scene,
    anywhere,
    crack,
    grey,
    line,
    noise,
    patch,
    softened,
    stroke,
)

Rng = np.random.Generator


def carpet(rng: Rng, bad: str | None) -> Scene:
    across, down = COLUMNS + 4 * noise(rng, 30), ROWS + 4 * noise(rng, 30)
    weave = np.sin(2 * np.pi * across / 13) * np.sin(2 * np.pi * down / 13)
    weave += 0.5 * np.sin(2 * np.pi * (across + down) / 39)
    scene = Scene.of(grey(120 + 22 * weave + 14 * noise(rng, 1.2) + 6 * noise(rng, 20), (1.05, 1, 0.9)))
    at = anywhere(rng)
    if bad == "stain":
        scene.defect = patch(rng, rng.uniform(25, 55), at)
        scene.image *= 1 - 0.3 * softened(scene.defect, 6) * rng.uniform(0.6, 1, 3)
    elif bad == "hole":
        scene.paint(patch(rng, rng.uniform(14, 28), at), (35, 32, 30), 2)
    elif bad == "cut":
        scene.paint(stroke(rng, rng.uniform(90, 200), 2.5, at), (50, 46, 44), 1.5, 0.9)
    elif bad == "thread":
        colours = ((200, 60, 60), (70, 90, 190), (210, 205, 195))
        scene.paint(stroke(rng, rng.uniform(120, 260), 1.6, at, bend=2), colours[int(rng.integers(3))], 1)
    elif bad == "worn":
        scene.defect = patch(rng, rng.uniform(35, 60), at)
        smooth = gaussian_filter(scene.image, (5, 5, 0)) + 8 * noise(rng, 1.5)[..., None]
        scene.image = np.where(scene.defect[..., None], smooth, scene.image)
    return scene


def leather(rng: Rng, bad: str | None) -> Scene:
    grain = 95 - 25 * np.exp(-9 * np.abs(noise(rng, 9))) + 7 * noise(rng, 6) + 4 * noise(rng, 1.2)
    scene = Scene.of(grey(grain, (1.25, 0.85, 0.62)))
    at = anywhere(rng)
    if bad == "fold":
        scene.defect = stroke(rng, rng.uniform(180, 320), 5, at)
        soft = softened(scene.defect, 4)
        scene.image = scene.image * (1 - 0.35 * soft) + 40 * np.roll(soft, 9, 0)
    elif bad == "poke":
        scene.paint(patch(rng, rng.uniform(7, 12), at), (30, 18, 12), 2)
    elif bad == "colour":
        scene.defect = patch(rng, rng.uniform(20, 45), at)
        scene.image = np.where(scene.defect[..., None], scene.image * np.array([0.95, 1.19, 1.28]), scene.image)
    elif bad == "scratch":
        scene.paint(stroke(rng, rng.uniform(80, 200), 1.3, at, bend=0.3), (165, 125, 100), 1, 0.7)
    return scene


def wood(rng: Rng, bad: str | None) -> Scene:
    rings = np.sin((ROWS + 25 * noise(rng, 80)) / rng.uniform(14, 20) + rng.uniform(0, 6))
    fibre = 150 + 12 * noise(rng, (3, 90)) + 8 * noise(rng, (1, 30)) + 9 * rings
    scene = Scene.of(grey(fibre, (1.05, 0.78, 0.5)))
    at = anywhere(rng)
    if bad == "hole":
        holes = [patch(rng, rng.uniform(7, 13), anywhere(rng)) for _ in range(int(rng.integers(1, 4)))]
        scene.paint(np.any(holes, axis=0), (45, 30, 20))
    elif bad == "scratch":
        heading = rng.uniform(0.5, 2.6)
        scene.paint(stroke(rng, rng.uniform(80, 220), 1.5, at, 0.2, heading), (205, 170, 125), 1, 0.8)
    elif bad == "liquid":
        scene.defect = patch(rng, rng.uniform(28, 60), at)
        scene.image *= 1 - 0.28 * softened(scene.defect, 3)
    elif bad == "knot":
        scene.paint(patch(rng, rng.uniform(16, 30), at), (70, 42, 25), 5, 0.85)
    return scene


def tile(rng: Rng, bad: str | None) -> Scene:
    stone = 165 + 18 * np.tanh(3 * noise(rng, 7)) + 10 * np.tanh(2 * noise(rng, 3))
    scene = Scene.of(grey(stone, (1, 0.99, 0.96)))
    scene.paint(noise(rng, 4) > 1.5, (60, 60, 65))
    scene.defect[:] = False
    at = anywhere(rng)
    if bad == "crack":
        scene.paint(crack(rng, rng.uniform(250, 500), 1.6, anywhere(rng, 0.2, 0.6)), (40, 38, 38), 1)
    elif bad == "rough":
        scene.defect = patch(rng, rng.uniform(30, 60), at)
        rough = scene.image * 0.6 + 60 + 22 * rng.standard_normal((SIZE, SIZE, 1))
        scene.image = np.where(scene.defect[..., None], rough, scene.image)
    elif bad == "oil":
        scene.defect = patch(rng, rng.uniform(25, 55), at)
        scene.image *= 1 - softened(scene.defect, 4) * np.array([0.1, 0.13, 0.3])
    elif bad == "glue":
        scene.paint(stroke(rng, rng.uniform(80, 160), 12, at), (225, 225, 220), 5, 0.5)
    return scene


_WIRES, _SPACING = 26, 46


def mesh(rng: Rng, bad: str | None) -> Scene:
    turn, offset = rng.uniform(-0.08, 0.08), rng.uniform(0, _SPACING, 2)
    axis, wire, cell = int(rng.integers(0, 2)), int(rng.integers(3, 14)), int(rng.integers(3, 14))
    bow = float(rng.choice([-1, 1]) * rng.uniform(9, 16)) if bad == "bent" else 0.0
    wires, defect = np.zeros((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)
    for way in (0, 1):
        for number in range(-3, _WIRES):
            along = np.linspace(-3, _WIRES, 7 * (_WIRES + 3))
            odd = way == axis and number == wire
            aside = bow * np.sin(np.clip((along - cell) / 3, 0, 1) * np.pi) * odd
            points = _laid(way, number, along, aside, offset, turn)
            gap = (along > cell) & (along < cell + 1)
            if odd and bad == "broken":
                wires |= line(points[along <= cell], 4.5) | line(points[along >= cell + 1], 4.5)
                defect |= line(points[gap], 8)
            else:
                wires |= line(points, 4.5)
            if odd and bad == "bent":
                defect |= line(points[(along > cell) & (along < cell + 3)], 7)
    metal = softened(wires, 1.5)
    image = grey(190 + 5 * noise(rng, 25)) * (1 - metal) + metal * grey(70 + 12 * noise(rng, 1.5), (0.95, 1, 1.02))
    scene = Scene(image, defect)
    if bad == "thread":
        scene.paint(stroke(rng, rng.uniform(150, 320), 1.8, anywhere(rng), bend=1.5), (110, 70, 60), 1)
    elif bad == "paste":
        scene.paint(patch(rng, rng.uniform(14, 24), anywhere(rng)), (95, 95, 92), 2)
    return scene


def _laid(way: int, number: int, along: Array, aside: Array, offset: Array, turn: float) -> Array:
    """(points, 2) of a wire of the mesh: the `number`th down (0) or across (1)."""
    first = offset[way] + number * _SPACING + aside
    second = offset[1 - way] + along * _SPACING
    x, y = (first, second) if way == 0 else (second, first)
    x, y = x - MIDDLE, y - MIDDLE
    return MIDDLE + np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], 1)
