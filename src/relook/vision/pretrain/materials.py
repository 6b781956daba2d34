"""Coloured textures: fields seen through random palettes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from relook.vision.pretrain.fields import Field, cells, noise, standard, unit, warped, waves

Picture = npt.NDArray[np.floating[Any]]
"""(side, side, 3) RGB, about 0..1; float32 or float64, as Field."""


def colour(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(3,) RGB; greys and weak colours are as frequent as they are in photographs."""
    level = rng.beta(1.1, 1.1)
    tint = rng.normal(0, 1, 3) * rng.choice([0.02, 0.1, 0.3], p=[0.35, 0.4, 0.25])
    clipped: npt.NDArray[np.float32] = np.clip(level + tint - tint.mean() * 0.7, 0, 1).astype(np.float32)
    return clipped


def palette(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(256, 3): a path through two to five colours, or steps between them."""
    count = int(rng.integers(2, 6))
    base, spread = colour(rng), rng.choice([0.1, 0.3, 1.0], p=[0.35, 0.4, 0.25])
    stops = np.stack([base + spread * (colour(rng) - base) for _ in range(count)])
    at = np.linspace(0, count - 1, 256)
    if rng.random() < 0.2:
        at = np.floor(at * 0.999 + rng.random())
    low = np.clip(np.floor(at).astype(np.int64), 0, count - 1)
    high = np.minimum(low + 1, count - 1)
    part = (at - np.floor(at))[:, None]
    path: npt.NDArray[np.float32] = ((1 - part) * stops[low] + part * stops[high]).astype(np.float32)
    return path


def relief(rng: np.random.Generator, side: int) -> Field:
    """A field to colour or to light: noise, waves, cells, or what comes of joining two of them."""
    makers = (noise, waves, cells)
    first = makers[rng.choice(3, p=[0.5, 0.28, 0.22])](rng, side)
    how = rng.integers(6)
    if how < 2:
        field = first
    elif how == 2:
        field = standard(first) + rng.uniform(0.1, 1) * standard(makers[rng.integers(3)](rng, side))
    elif how == 3:
        field = np.sin(standard(first) * rng.uniform(1, 8))  # marble, contour lines
    elif how == 4:
        field = np.abs(standard(first)) ** rng.uniform(0.4, 1.5)  # ridges
    else:
        field = np.where(standard(first) > rng.normal(0, 0.8), standard(noise(rng, side)), rng.normal(0, 2))
    field = standard(field.astype(np.float32))
    return warped(rng, field, rng.uniform(0.005, 0.04)) if rng.random() < 0.2 else field


def texture(rng: np.random.Generator, side: int) -> Picture:
    """One material, evenly lit."""
    table = palette(rng)
    picture: Picture = table[(unit(relief(rng, side)) * 255).astype(np.uint8)]
    if rng.random() < 0.5:
        picture = picture + rng.uniform(0.02, 0.25) * noise(rng, side)[..., None] * colour(rng)
    return picture


def flat(rng: np.random.Generator, side: int) -> Picture:
    """A plain surface with a little grain."""
    grain = noise(rng, side)[..., None] * float(rng.choice([0.0, 0.01, 0.04]))
    plain: Picture = (colour(rng) + grain).astype(np.float32) * np.ones((side, side, 1), np.float32)
    return plain


def material(rng: np.random.Generator, side: int) -> Picture:
    """A texture or a plain surface."""
    return texture(rng, side) if rng.random() < 0.7 else flat(rng, side)
