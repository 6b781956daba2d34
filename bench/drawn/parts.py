"""Parts: screws, nuts and hazelnuts that lie turned; pills and cables. `bad` is one of the kind's defects, or None."""

from __future__ import annotations

import numpy as np

from bench.drawn.brush import (
    COLUMNS,
    MIDDLE,
    ROWS,
    SIZE,
    Array,
    Scene,
    around,
    crack,
    disc,
    distance,
    grey,
    noise,
    patch,
    polygon,
    softened,
    stroke,
    text,
    turned,
)

Rng = np.random.Generator


def screw(rng: Rng, bad: str | None) -> Scene:
    """At any angle on a light table, its thread seen from the side."""
    start, end, radius, pitch = MIDDLE - 215, MIDDLE + 215, 20.0, 15.0
    tip, thread = end - 40, start + 150
    bent = float(rng.choice([-1, 1]) * rng.uniform(10, 16)) if bad == "tip" else 0.0
    worn_from, worn = rng.uniform(thread + 30, end - 120), rng.uniform(28, 50)
    is_worn = (worn_from < COLUMNS) & (worn_from + worn > COLUMNS) & (bad == "thread")
    half = np.where(thread > COLUMNS, radius * 0.85, radius + 5 * np.abs((COLUMNS / pitch) % 1 * 2 - 1) - 2)
    half = np.where(start + 34 > COLUMNS, 46, np.where(is_worn, radius * 0.8, half))
    half = np.where(tip < COLUMNS, half * (end - COLUMNS) / 40, half)
    half = np.where((start > COLUMNS) | (end < COLUMNS), -1, half)
    centre = MIDDLE + np.where(tip - 40 < COLUMNS, bent * ((COLUMNS - tip + 40) / 80) ** 2, 0)
    body = np.abs(ROWS - centre) < half
    shade = 120 + 90 * np.cos(np.clip((ROWS - centre) / np.maximum(half, 1), -1, 1) * 1.4 + 0.4)
    turns = 35 * np.sin(2 * np.pi * (COLUMNS - 0.35 * (ROWS - MIDDLE)) / pitch)
    shade += np.where((thread < COLUMNS) & ~is_worn, turns, 0) + 6 * noise(rng, 2)
    scene = Scene.of(np.where(body[..., None], grey(shade, (0.95, 0.95, 1)), 205.0))
    if bad == "thread":
        scene.defect = is_worn & (np.abs(ROWS - MIDDLE) < radius + 5)
    elif bad == "tip":
        scene.defect = (tip - 30 < COLUMNS) & (end >= COLUMNS) & (np.abs(ROWS - centre) < radius + 8)
    elif bad == "head":
        at = (start + 17, MIDDLE + rng.uniform(-20, 20))
        scene.paint(stroke(rng, rng.uniform(30, 50), 2, at, 0.2) & body, (240, 238, 235), 1)
    elif bad == "neck":
        scene.paint(stroke(rng, rng.uniform(30, 55), 2, (start + 90, MIDDLE), 0.2) & body, (60, 58, 60), 1)
    scene = turned(scene, rng.uniform(0, 2 * np.pi), rng.uniform(-40, 40, 2), (205, 205, 205))
    scene.image += 4 * noise(rng, 40)[..., None]
    return scene


def nut(rng: Rng, bad: str | None) -> Scene:
    """A wheel with four teeth that lean one way."""
    radius, angle = 250.0, np.linspace(0, 2 * np.pi, 400, endpoint=False)
    lean = -1 if bad == "flip" else 1
    outline = radius * (0.82 + 0.25 * ((lean * angle * 4 / (2 * np.pi)) % 1) ** 1.5)
    where = rng.uniform(0, 2 * np.pi)
    if bad == "bent":
        outline *= 1 - 0.13 * np.exp(-((_apart(angle, where) / 0.18) ** 2))
    out = polygon(np.stack([MIDDLE + outline * np.cos(angle), MIDDLE + outline * np.sin(angle)], 1))
    from_middle = distance((MIDDLE, MIDDLE))
    body = out & (from_middle >= 85)
    steel = 140 + 10 * np.sin(from_middle / 6) + 12 * noise(rng, 2) + 8 * noise(rng, 12)
    steel += 25 * (np.abs(from_middle - 120) < 8)
    scene = Scene.of(np.where(body[..., None], grey(steel, (1, 0.97, 0.9)), np.array([28.0, 28, 30])))
    at = around(rng, 165)
    if bad == "flip":
        scene.defect = body
    elif bad == "bent":
        near = np.abs(_apart(np.arctan2(ROWS - MIDDLE, COLUMNS - MIDDLE), where)) < 0.3
        scene.defect = near & (from_middle > 0.6 * radius) & (from_middle < 1.1 * radius)
    elif bad == "scratch":
        scene.paint(stroke(rng, rng.uniform(60, 140), 1.6, at) & body, (225, 222, 215), 1, 0.85)
    elif bad == "colour":
        colours = ((150, 60, 50), (60, 80, 140), (80, 120, 70))
        scene.paint(patch(rng, rng.uniform(18, 40), at) & body, colours[int(rng.integers(3))], 3, 0.6)
    return turned(scene, rng.uniform(0, 2 * np.pi), rng.uniform(-25, 25, 2), (28, 28, 30))


def _apart(angle: Array, other: float) -> Array:
    return np.angle(np.exp(1j * (angle - other)))


def hazelnut(rng: Rng, bad: str | None) -> Scene:
    shell = patch(rng, rng.uniform(205, 225), (MIDDLE, MIDDLE), 0.06)
    angle, out = np.arctan2(ROWS - MIDDLE, COLUMNS - MIDDLE), distance((MIDDLE, MIDDLE)) / 220
    shade = 118 + 16 * np.sin(22 * angle + 2 * noise(rng, 20)) * out + 12 * noise(rng, 3) - 40 * out**3
    scene = Scene.of(grey(shade, (1.15, 0.8, 0.5)))
    scene.paint(patch(rng, 70, (MIDDLE + 90, MIDDLE), 0.1) & shell, (190, 160, 120), 8, 0.8)
    scene = Scene.of(np.where(shell[..., None], scene.image, np.array([22.0, 22, 24])))
    at = around(rng, 110)
    if bad == "crack":
        scene.paint(crack(rng, rng.uniform(120, 220), 2.5, at) & shell, (30, 20, 14), 1.2)
    elif bad == "hole":
        scene.paint(patch(rng, rng.uniform(9, 17), at) & shell, (28, 18, 12))
    elif bad == "cut":
        scene.paint(stroke(rng, rng.uniform(50, 110), 3, at) & shell, (215, 180, 130), 1.5, 0.85)
    elif bad == "print":
        scene.paint(text(f"HZ{rng.integers(10, 99)}", at, 46) & shell, (215, 210, 200), 1, 0.8)
    return turned(scene, rng.uniform(0, 2 * np.pi), np.zeros(2), (22, 22, 24))


def pill(rng: Rng, bad: str | None) -> Scene:
    """Speckled, with letters pressed in."""
    out = ((COLUMNS - MIDDLE) / 260) ** 2 + ((ROWS - MIDDLE) / 150) ** 2
    body = out < 1
    scene = Scene.of(grey(225 - 30 * out + 3 * noise(rng, 2), (1, 0.98, 0.93)))
    for _ in range(int(rng.integers(60, 110))):
        disc(scene.image, rng.uniform(0.1, 0.9, 2) * SIZE, rng.uniform(2, 7), (190, 60, 55), 0.6)
    whole, half = (text(letters, (MIDDLE - 75, MIDDLE - 60), 110) for letters in ("FF", "F"))
    letters = half if bad == "imprint" else whole
    scene.image *= 1 - 0.22 * softened(letters, 2)
    scene.image = np.where(body[..., None], scene.image, np.array([35.0, 35, 38]))
    at = (MIDDLE + rng.uniform(-170, 170), MIDDLE + rng.uniform(-80, 80))
    if bad == "imprint":
        scene.defect = softened(whole ^ half, 2)[..., 0] > 0.1
    elif bad == "crack":
        scene.paint(crack(rng, rng.uniform(120, 220), 1.8, at) & body, (120, 110, 100), 1)
    elif bad == "dirt":
        scene.paint(patch(rng, rng.uniform(6, 11), at) & body, (70, 65, 60))
    elif bad == "tint":
        scene.defect = patch(rng, rng.uniform(28, 50), at) & body
        scene.image *= 1 - softened(scene.defect, 3) * np.array([0.05, 0.12, 0.3])
    elif bad == "chip":
        angle = rng.uniform(0, 2 * np.pi)
        edge = (MIDDLE + 255 * np.cos(angle), MIDDLE + 147 * np.sin(angle))
        scene.defect = patch(rng, rng.uniform(22, 34), edge) & body
        scene.image = np.where(scene.defect[..., None], np.array([38.0, 37, 39]), scene.image)
    return turned(scene, rng.normal(0, 0.04), rng.uniform(-6, 6, 2), (35, 35, 38))


_COLOURS = ((110, 70, 45), (60, 90, 160), (190, 175, 60))


def cable(rng: Rng, bad: str | None) -> Scene:
    """Three wires of three colours in one sheath, cut through."""
    scene = Scene.of(np.full((SIZE, SIZE, 3), 215.0))
    scene.image = np.where((distance((MIDDLE, MIDDLE)) < 330)[..., None], np.array([88.0, 86, 84]), scene.image)
    turn, colours = rng.normal(0, 0.05), list(_COLOURS)
    odd, other = (int(at) for at in rng.choice(3, 2, replace=False))
    if bad == "swap":
        colours[odd] = colours[other]
    angles = turn + np.arange(3) * 2 * np.pi / 3 + np.pi / 6
    places = [(MIDDLE + 150 * np.cos(angle), MIDDLE + 150 * np.sin(angle)) for angle in angles]
    for number, (at, colour) in enumerate(zip(places, colours, strict=True)):
        wire = distance(at) < 122
        if number == odd and bad in ("swap", "missing"):
            scene.defect |= wire
        if number == odd and bad == "missing":
            scene.image = np.where(wire[..., None], 45 + 3 * noise(rng, 3)[..., None], scene.image)
            continue
        scene.image = np.where(wire[..., None], np.array(colour) + 4 * noise(rng, 3)[..., None], scene.image)
        _strands(rng, scene, at)
    if bad == "poke":
        edge = rng.uniform(0, 2 * np.pi)
        hole = (places[odd][0] + 105 * np.cos(edge), places[odd][1] + 105 * np.sin(edge))
        scene.paint(patch(rng, rng.uniform(9, 15), hole), (25, 20, 18))
    elif bad == "bent":
        loose = np.array(places[odd]) + rng.uniform(-70, 70, 2)
        scene.paint(stroke(rng, rng.uniform(60, 100), 11, loose), (225, 160, 120), 2)
    return scene


def _strands(rng: Rng, scene: Scene, at: tuple[float, float]) -> None:
    scene.image = np.where((distance(at) < 88)[..., None], np.array([60.0, 40, 30]), scene.image)
    turn = rng.uniform(0, 2 * np.pi)
    for ring, strands in ((0, 1), (26, 6), (52, 12), (76, 17)):
        for angle in turn + np.arange(strands) * 2 * np.pi / strands:
            copper = np.array([205, 135, 95]) * rng.uniform(0.85, 1.1)
            disc(scene.image, (at[0] + ring * np.cos(angle), at[1] + ring * np.sin(angle)), 12, copper)
