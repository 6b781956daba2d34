"""Random scalar fields: the raw material of every texture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]
"""(side, side), float32; float64 where a maker mixes in plain numbers of numpy's, which costs nothing that matters."""


def coordinates(side: int) -> tuple[Field, Field]:
    """x and y in -1..1, each (side, side)."""
    line = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


def noise(rng: np.random.Generator, side: int, slope: float | None = None) -> Field:
    """Gaussian noise whose amplitude falls with frequency as f ** -slope, stretched in a random direction or not; of
    zero mean and unit deviation. Natural images have a slope near 1."""
    slope = float(rng.uniform(0.3, 2.2)) if slope is None else slope
    fy = np.fft.fftfreq(side).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(side).astype(np.float32)[None, :]
    stretch = float(np.exp(rng.choice([0.0, rng.uniform(0, 2.5)], p=[0.6, 0.4])))
    angle = rng.uniform(0, np.pi)
    along, across = np.cos(angle) * fx + np.sin(angle) * fy, np.cos(angle) * fy - np.sin(angle) * fx
    frequency = np.sqrt((along * stretch) ** 2 + (across / stretch) ** 2) + 1 / side
    gain = frequency**-slope
    if rng.random() < 0.3:  # a band: grain of one size
        centre = np.exp(rng.uniform(np.log(2 / side), np.log(0.25)))
        gain = gain * np.exp(-np.square(np.log(frequency / centre)) / (2 * rng.uniform(0.2, 0.8) ** 2))
    phase = rng.uniform(0, 2 * np.pi, gain.shape).astype(np.float32)
    spectrum = gain * np.exp(1j * phase)
    spectrum[0, 0] = 0
    return standard(np.fft.irfft2(spectrum, (side, side)).astype(np.float32))


def standard(field: Field) -> Field:
    """Zero mean, unit deviation."""
    shifted: Field = (field - field.mean()) / (field.std() + 1e-6)
    return shifted


def blur(field: Field, sigma: float) -> Field:
    """Gaussian, periodic; `field` (side, side) or (side, side, channels)."""
    side = field.shape[0]
    fy = np.fft.fftfreq(side).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(side).astype(np.float32)[None, :]
    gain = np.exp(-2 * (np.pi * sigma) ** 2 * (fx**2 + fy**2))
    if field.ndim == 3:
        gain = gain[..., None]
    return np.fft.irfft2(np.fft.rfft2(field, axes=(0, 1)) * gain, (side, side), axes=(0, 1)).astype(np.float32)


def warped(rng: np.random.Generator, field: Field, strength: float) -> Field:
    """The field read at places that smooth noise moves by up to about `strength` of its side."""
    side = field.shape[0]
    rows, columns = np.mgrid[0:side, 0:side]
    dy = (noise(rng, side, 2.0) * strength * side).astype(np.int64)
    dx = (noise(rng, side, 2.0) * strength * side).astype(np.int64)
    moved: Field = field[(rows + dy) % side, (columns + dx) % side]
    return moved


def unit(field: Field, clip: float = 2.5) -> Field:
    """To 0..1, `clip` deviations on either side kept."""
    squeezed: Field = np.clip(standard(field) / (2 * clip) + 0.5, 0, 1)
    return squeezed


def waves(rng: np.random.Generator, side: int) -> Field:
    """Stripes, weaves, grids and rings: periodic structure of a random profile."""
    x, y = coordinates(side)
    angle = rng.uniform(0, np.pi)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    k = float(np.exp(rng.uniform(np.log(6), np.log(140))))
    kind = rng.integers(6)
    if kind == 0:
        wave = np.sin(k * u)
    elif kind == 1:
        wave = np.sin(k * u) * np.sin(k * rng.uniform(0.5, 2) * v)
    elif kind == 2:
        wave = np.maximum(np.sin(k * u), np.sin(k * v))
    elif kind == 3:
        wave = np.sin(k * np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)))
    elif kind == 4:  # a weave: over and under by turns
        over = np.sin(k * u / 2) * np.sin(k * v / 2) > 0
        wave = np.where(over, np.abs(np.sin(k * u)), np.abs(np.sin(k * v)))
    else:  # bricks
        row = np.floor(k * v / 8)
        wave = np.minimum(np.abs(np.sin(k * v / 8 * np.pi)), np.abs(np.sin((k * u / 16 + 0.5 * (row % 2)) * np.pi)))
    if rng.random() < 0.4:
        wave = np.sign(wave) * np.abs(wave) ** rng.uniform(0.1, 0.8)
    wave = wave.astype(np.float32)
    return warped(rng, wave, rng.uniform(0, 0.02)) if rng.random() < 0.5 else wave


def cells(rng: np.random.Generator, side: int) -> Field:
    """Worley's cellular field: the distance from the nearest of scattered points, or from the border between two."""
    count = int(np.exp(rng.uniform(np.log(12), np.log(400))))
    coarse = min(side, 192)
    rows = (np.arange(coarse, dtype=np.float32) + 0.5) / coarse
    points = rng.random((count, 2)).astype(np.float32)
    nearest = np.full((coarse, coarse), 9, np.float32)
    second = nearest.copy()
    for py, px in points:
        dy, dx = np.abs(rows - py), np.abs(rows - px)
        distance = np.minimum(dy, 1 - dy)[:, None] ** 2 + np.minimum(dx, 1 - dx)[None, :] ** 2
        np.minimum(second, np.maximum(nearest, distance), out=second)
        np.minimum(nearest, distance, out=nearest)
    nearest, second = np.sqrt(nearest), np.sqrt(second)
    field = second - nearest if rng.random() < 0.5 else nearest
    if rng.random() < 0.3:
        field = np.minimum(field, float(np.quantile(field, rng.uniform(0.1, 0.6))))
    at = np.arange(side) * coarse // side
    return standard(blur(field[at][:, at], side / coarse / 2)) if side > coarse else standard(field)
