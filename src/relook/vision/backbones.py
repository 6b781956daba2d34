"""What a backbone is: an ONNX graph from a normalised RGB image to feature maps.

WeightsError: a file that cannot serve as a backbone; the message says why and what is accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class WeightsError(Exception):
    """The file is no usable backbone, or there is none of that name."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A feature map to use: the graph output's name, its stride in pixels and its channels."""

    output: str
    stride: int
    channels: int


@dataclass(frozen=True, slots=True)
class Backbone:
    """ONNX bytes with input (1, 3, h, w), RGB in 0..1 less ImageNet's mean over its deviation.

    `layers` has strides of 8 and 16, finest first. `warning` is a sentence for the user when accuracy will suffer,
    `hint` one on what other weights are better at. `int8` says how its convolutions were brought to int8 (see `int8`);
    None: they were not.
    """

    name: str
    onnx: bytes = field(repr=False)
    layers: tuple[Layer, ...]
    origin: str
    warning: str | None = None
    hint: str | None = None
    int8: Mapping[str, Any] | None = None

    @property
    def sha256(self) -> str:
        """Hex digest of the ONNX bytes."""
        return hashlib.sha256(self.onnx).hexdigest()

    @property
    def channels(self) -> int:
        """Values per patch: the channels of all layers together."""
        return sum(layer.channels for layer in self.layers)
