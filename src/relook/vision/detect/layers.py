"""A network as a list of layers: what torch trains and what the exported graph computes are read from the same list.

Layers are named by their output; `IMAGE` is the first source. Sizes are in the channels of what they read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

IMAGE = "image"


class Act(StrEnum):
    """What follows a convolution."""

    SILU = "silu"
    RELU = "relu"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution that keeps the size, divided by its stride. `normed`: trained with a batch norm."""

    name: str
    source: str
    inside: int
    out: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    act: Act = Act.SILU
    normed: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of its weight."""
        return self.out, self.inside // self.groups, self.kernel, self.kernel

    @property
    def pad(self) -> int:
        """Zeros on each side."""
        return (self.kernel - 1) // 2


@dataclass(frozen=True, slots=True)
class Pool:
    """The highest of kernel x kernel values."""

    name: str
    source: str
    kernel: int
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Enlarge:
    """Each value four times: twice the height and width."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Join:
    """Channels one after another."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """Elementwise, then `act`."""

    name: str
    sources: tuple[str, str]
    act: Act = Act.NONE


Layer = Conv | Pool | Enlarge | Join | Sum


@dataclass(frozen=True, slots=True)
class Level:
    """Three maps of one stride: `classes` (labels channels) and `objectness` (1), whose sum is the logit of a label,
    and `box` (4): centre less the cell's corner, and logarithms of width and height, all in strides."""

    stride: int
    classes: str
    objectness: str
    box: str


@dataclass(frozen=True, slots=True)
class Architecture:
    """`mean` and `deviation` (RGB, in 0..255) bring the image to what the first layer was taught with.

    Convolutions named in `kept` are not trained, and nothing before them is.
    """

    name: str
    layers: tuple[Layer, ...]
    levels: tuple[Level, ...]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    kept: frozenset[str] = frozenset()

    @property
    def convolutions(self) -> tuple[Conv, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Conv))

    @property
    def predictions(self) -> frozenset[str]:
        """The last convolutions."""
        return frozenset(name for level in self.levels for name in (level.classes, level.objectness, level.box))


def sources(layer: Layer) -> Sequence[str]:
    """What a layer reads."""
    return layer.sources if isinstance(layer, Join | Sum) else (layer.source,)


def reach(layers: Sequence[Layer]) -> dict[str, int]:
    """For each tensor the index of the last layer that reads it: after that it can go."""
    return {name: at for at, layer in enumerate(layers) for name in sources(layer)}
